"""Effects that may still be executed where their entity can ask for no effect any more."""

from __future__ import annotations

import pytest
from tests.support import app_of, codes, files_of, finding, report_of, run_of, told

from lathe.check import reach
from lathe.check.composed.system import System
from lathe.check.judge.late_effects import powerless_states
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.plain import ListGraph
from lathe.gate import Options, check_files

MAIL = """
blueprint = "Letter"

[state]
draft = { initial = true, waits = "x" }
sending = { run = "mail" }
failed = { waits = "x" }
undoing = { run = "undo" }
dropped = { final = true }
sent = { final = true }

[action]
create = { by = "role:clerk" }
send = { from = "draft", to = "sending", by = "role:clerk" }
delivered = { from = "sending", to = "sent" }
fail = { from = "sending", to = "failed" }
again = { from = "failed", to = "sending", by = "role:clerk" }
give_up = { from = "failed", to = "dropped", by = "role:clerk" }
undone = { from = "undoing", to = "dropped" }
drop = { from = "draft", to = "undoing", by = "role:clerk" }

[effect.mail]
uses = "http"
with = { method = "PUT", url = "https://post.example" }
ok = "delivered"
error = "fail"

[effect.undo]
uses = "http"
with = { method = "DELETE", url = "https://post.example" }
ok = "undone"
error = "undone"
late = false
"""


def changed(*pairs: tuple[str, str]) -> str:
    text = MAIL
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_states_from_which_no_effect_can_be_asked_for() -> None:
    assert powerless_states(app_of(MAIL).blueprints["Letter"]) == {"undoing", "dropped", "sent"}


def test_an_effect_that_ends_where_others_can_follow_is_fine() -> None:
    assert codes(MAIL) == []


@pytest.mark.parametrize(("late", "expected"), [("", ["LT504"]), ("late = false\n", ["LT504"])])
def test_a_cancelled_effect_may_be_executed_until_it_has_stopped(late: str, expected: list[str]) -> None:
    text = changed(
        ('drop = { from = "draft", to = "undoing"', 'drop = { from = ["draft", "sending"], to = "dropped"'),
        (
            'undone = { from = "undoing"',
            'to_undo = { from = "failed", to = "undoing", by = "role:clerk" }\nundone = { from = "undoing"',
        ),
    )
    text = text.replace('error = "fail"\n', f'error = "fail"\n{late}')
    report = report_of(text)
    assert codes(text) == expected
    found = finding(report, "LT504")
    assert (report.verdict, found.diagnostic.severity) == ("admitted", "warning")
    assert run_of(found) == ["create", "send", "start mail", "drop", "execute mail"]


def test_a_bad_end_leaves_a_late_execution_unless_it_promises_none() -> None:
    text = changed(
        (
            'fail = { from = "sending", to = "failed" }',
            (
                'fail = { from = "sending", to = "dropped" }\n'
                'lose = { from = "draft", to = "failed", by = "role:clerk" }'
            ),
        )
    )
    assert codes(text) == ["LT504"]
    assert codes(text.replace('error = "fail"\n', 'error = "fail"\nlate = false\n')) == []


def test_a_good_end_leaves_nothing() -> None:
    assert "LT504" not in codes(MAIL), "`delivered` leads to `sent`"


def test_a_state_whose_own_effect_undoes_it_is_between() -> None:
    text = changed(('drop = { from = "draft"', 'drop = { from = ["draft", "sending"]'))
    assert codes(text) == []


def test_calls_and_notices_are_not_meant() -> None:
    text = """
blueprint = "Thing"
[state]
a = { initial = true, run = ["tell", "make"], waits = "x" }
z = { final = true }
[action]
create = { by = ["role:clerk", "entity:Thing"] }
made = { from = "a" }
end = { from = "a", to = "z", by = "role:clerk" }
[effect.tell]
uses = "emit"
[effect.make]
uses = "create"
with = { blueprint = "Thing" }
ok = "made"
"""
    assert "LT504" not in codes(text)


@pytest.mark.parametrize(("method", "expected"), [("PUT", ["LT504"]), ("GET", []), ("HEAD", [])])
def test_what_changes_nothing_may_come_late(method: str, expected: list[str]) -> None:
    text = changed(
        ('drop = { from = "draft", to = "undoing"', 'drop = { from = ["draft", "sending"], to = "dropped"'),
        ('method = "PUT"', f'method = "{method}"'),
    )
    assert [code for code in codes(text) if code == "LT504"] == expected


NUMBERS = ("n", "m", "k")
LARGE = MAIL.replace(
    'drop = { from = "draft", to = "undoing"',
    "".join(
        f'up_{n} = {{ from = "draft", by = "role:clerk", when = "{n} < 63", do = ["{n} += 1"] }}\n'
        for n in NUMBERS
    )
    + 'drop = { from = ["draft", "sending"], to = "dropped"',
) + "".join(f'[field.{n}]\ntype = "int"\nrange = [0, 63]\ndefault = 0\n' for n in NUMBERS)
"""More states than its budget, and than a search in plain Python takes on."""


def test_of_a_search_that_its_seconds_ended_it_is_told_only_if_it_is_soon_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each step of what was searched is made again for it, which once took minutes beyond the budget."""
    text = (
        f'# --- app.toml\napp = "post"\n[role]\nclerk = "c"\n[scope]\nbudget_states = 40_000\n'
        f"# --- letter.blueprint.toml\n{LARGE}"
    )
    files = files_of(text)
    assert told(check_files(files, Options(seeds=0), lambda: 0.0).report) == ["LT504", "LT801"]
    clock, go_on = Late(), reach.go_on

    def searched(system: System, limits: Limits, begun: ListGraph) -> tuple[System, Graph]:
        found = go_on(system, limits, begun)
        clock.is_late = True
        return found

    monkeypatch.setattr(reach, "go_on", searched)
    monkeypatch.setattr("lathe.check.arrays.graph.CHUNK", 1 << 10)
    report = check_files(files, Options(seeds=0), clock).report
    assert told(report) == ["LT801"]
    assert "1 Letter: effects that outlive their entity (LT504) were not looked for" in report.not_covered
    assert clock.readings < 100


class Late:
    """A clock that stands still until it is late; each reading then is ten seconds on."""

    def __init__(self) -> None:
        self.is_late = False
        self.readings = 0

    def __call__(self) -> float:
        self.readings += self.is_late
        return 10.0 * self.readings
