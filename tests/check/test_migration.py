"""Whether one version of an app can replace another: what is found, and the run that shows it."""

from __future__ import annotations

import pytest

from lathe.check.reporting.report import Finding, Report
from lathe.gate import Options
from lathe.machine.trace import TraceStep

from ..support import app_of, finding, report_of, run_of, several, told

OLD = """
blueprint = "Thing"
[state]
open = { initial = true, waits = "a clerk" }
held = { waits = "a clerk" }
shut = { final = true }
[field]
owner = { type = "id" }
[action]
create = { by = "role:clerk" }
hold = { from = "open", to = "held", by = "role:clerk" }
free = { from = "held", to = "open", by = "role:clerk" }
shut = { from = ["open", "held"], to = "shut", by = "role:clerk" }
"""
HELD_BY = 'to = "held", by = "role:clerk", do = ["owner = actor"] }'


def against(old: str, new: str, options: Options | None = None) -> Report:
    base = options or Options()
    return report_of(new, Options(base.level, base.budget_seconds, base.accept_bounds, app_of(old)))


def swap_of(found: Finding) -> TraceStep:
    assert found.trace is not None
    return next(step for step in found.trace.steps if step.event == "swap")


def test_same_version_is_admitted_and_says_how_much_was_moved() -> None:
    report = against(OLD, OLD)
    assert told(report) == []
    assert report.verdict == "admitted"
    assert report.covered.migrated["states"] == report.covered.migrated["images"] == 4
    assert any("migration: more than 1 Thing" in said for said in report.not_covered)


def test_run_of_the_old_version_comes_before_the_swap() -> None:
    new = OLD.replace("held", "kept")
    found = finding(against(OLD, new), "LT701")
    assert run_of(found) == ["create", "hold", "swap (refused)"]
    assert found.trace is not None
    assert found.trace.length == 3
    assert '`[migrate] state = { held = "kept" }`' in found.diagnostic.help
    assert against(OLD, new + '[migrate]\nstate = { held = "kept" }\n').verdict == "admitted"


def test_what_follows_the_swap_is_told_too() -> None:
    """Only a thing that was held twice before breaks what the new version counts."""
    counted = 'to = "held", by = "role:clerk", when = "held < 3", do = ["held += 1"] }'
    old = OLD.replace("[field]", '[field]\nheld = { type = "int", range = [0, 3], default = 0 }')
    old = old.replace('to = "held", by = "role:clerk" }', counted)
    take = 'take = { from = "open", by = "role:clerk", do = ["owner = actor"] }'
    new = old.replace("held < 3", "held < 1").replace("[action]", f"[action]\n{take}")
    new += '[invariant]\nonce = "held <= 1 or owner is None"\n'
    found = finding(against(old, new), "LT703")
    assert found.property == "once"
    assert run_of(found)[-2:] == ["swap", "take"]
    assert "after the swap and one more step" in found.diagnostic.message
    assert told(report_of(new)) == []


def test_entity_that_is_stuck_only_because_of_where_it_comes_from() -> None:
    new = OLD.replace('to = "held", by = "role:clerk" }', HELD_BY)
    new = new.replace('free = { from = "held", to = "open", by = "role:clerk" }', "")
    guard = "state == 'open' or owner == actor"
    new = new.replace(
        'to = "shut", by = "role:clerk" }', f'to = "shut", by = "role:clerk", when = "{guard}" }}'
    )
    report = against(OLD, new)
    assert told(report) == ["LT704"]
    assert run_of(finding(report, "LT704")) == ["create", "hold", "swap"]
    assert told(report_of(new)) == []


WORKING = """
blueprint = "Thing"
[state]
busy = { initial = true, waits = "a clerk", after = "1h", then = "finish" }
done = { final = true }
[action]
create = { by = "role:clerk" }
finish = { from = "busy", to = "done" }
cancel = { from = "busy", to = "done", by = "role:clerk" }
"""


def test_eventually_that_is_lost_for_old_entities_alone() -> None:
    new = WORKING.replace("[action]", '[field]\nready = { type = "bool", default = true }\n[action]')
    new = new.replace('to = "done" }', 'to = "done", when = "ready" }', 1)
    new += '[eventually]\nends = { from = ["busy"], to = ["done"] }\n'
    assert told(against(WORKING, new)) == []
    report = against(WORKING, new + '[migrate]\nfield = { ready = "False" }\n')
    found = finding(report, "LT704")
    assert found.property == "ends"
    assert run_of(found) == ["create", "swap"]


def test_states_that_only_old_entities_are_in_count_as_reached() -> None:
    """A blueprint that is to go: nobody is created any more, and who is there can finish."""
    draining = OLD.replace('create = { by = "role:clerk" }', 'create = { by = "role:clerk", when = "False" }')
    alone = told(report_of(draining))
    assert set(alone) & {"LT201", "LT202"}
    assert told(against(OLD, draining)) == []
    assert against(OLD, draining).verdict == "admitted"


def test_blueprint_that_is_gone_has_no_place_for_its_entities() -> None:
    body = OLD.replace('blueprint = "Thing"\n', "")
    two, one = several(Thing=body, Other=body), several(Other=body)
    report = against(two, one)
    assert told(report) == ["LT701"]
    assert run_of(finding(report, "LT701")) == ["create", "swap (refused)"]


CLAIMED = """
[unique]
one_each = { fields = ["owner"], in = ["held"] }
"""


def test_claims_of_two_entities_that_come_over_clash() -> None:
    old = OLD.replace('to = "held", by = "role:clerk" }', HELD_BY)
    report = against(old, old + CLAIMED)
    found = finding(report, "LT703")
    assert found.property == "one_each"
    assert [s for s in run_of(found) if s != "swap"] == [
        "create",
        "create",
        "hold",
        "hold",
    ] or "hold" in run_of(found)
    assert told(report_of(old + CLAIMED)) == []
    spread = old + CLAIMED + '[migrate]\nstate = { held = "open" }\n'
    assert told(against(old, spread)) == []


ASKING = """
blueprint = "Thing"
[state]
busy = { initial = true, run = "ask", after = "1h", then = "fail" }
good = { final = true }
bad = { final = true }
[ghost]
asked = { type = "int", range = [0, 3], default = 0 }
[action]
create = { by = "role:clerk" }
fail = { from = "busy", to = "bad" }
win = { from = "busy", to = "good" }
[effect.ask]
uses = "http"
with = { method = "PUT", url = "https://a.example/x" }
world = ["asked += 1"]
ok = "win"
error = "fail"
[invariant]
few = "asked <= 1"
"""


def test_invocation_in_flight_goes_on_by_the_name_of_its_effect() -> None:
    renamed = ASKING.replace("ask", "beg").replace("beged", "asked")
    assert "LT701" in told(against(ASKING, renamed))
    kept = renamed + (
        '[effect.ask]\nuses = "http"\nwith = { method = "PUT", url = "https://a.example/x" }\n'
        'world = ["asked += 1"]\nok = "win"\nerror = "fail"\n'
    )
    assert "LT701" not in told(against(ASKING, kept))


def test_end_of_an_invocation_that_no_action_takes() -> None:
    """The state is another one now, in which the callback is not possible."""
    new = ASKING.replace("[state]\nbusy", '[state]\nrest = { waits = "w" }\nbusy').replace(
        "[action]",
        '[action]\nwake = { from = "rest", to = "good", by = "role:clerk" }\n'
        'lay = { from = "busy", to = "rest", by = "role:clerk" }',
    )
    report = against(ASKING, new + '[migrate]\nstate = { busy = "rest" }\n')
    found = finding(report, "LT702")
    assert "can be lost in `rest`" in found.diagnostic.message
    assert run_of(found)[-1] == "end ask well (refused)"


def test_new_fields_that_nothing_gives_are_told_at_once() -> None:
    new = OLD.replace(
        "[field]\n", '[field]\nsize = { type = "int", range = [2, 9] }\nurgent = { type = "bool" }\n'
    )
    new = new.replace(
        'create = { by = "role:clerk" }', 'create = { by = "role:clerk", sets = ["size", "urgent"] }'
    )
    found = finding(against(OLD, new), "LT702").diagnostic
    assert "`size` and `urgent` are new" in found.message
    entry = '[migrate] field = { size = "2", urgent = "False" }'
    assert f"`{entry}`" in found.help
    assert told(against(OLD, new + entry.replace("[migrate] ", "[migrate]\n") + "\n")) == []


def test_several_entities_keep_their_references() -> None:
    body = """[state]
on = { initial = true, waits = "w" }
off = { final = true }
[field]
boss = { type = "ref", to = "Boss" }
[action]
create = { by = "role:clerk", sets = ["boss"] }
end = { from = "on", to = "off", by = "role:clerk", when = "boss.state == 'on'" }
drop = { from = "on", to = "off", by = "role:clerk" }"""
    boss = """[state]
on = { initial = true, waits = "w" }
off = { waits = "w" }
[action]
create = { by = "role:clerk" }
end = { from = "on", to = "off", by = "role:clerk" }"""
    old = several(Worker=body, Boss=boss)
    new = several(Worker=body + "\n[invariant]\nled = \"state == 'off' or boss.state == 'on'\"", Boss=boss)
    report = against(old, new)
    assert "LT401 led" in told(report), "the new version is wrong by itself, and that is told alone"
    assert "LT703 led" not in told(report)
    split = several(
        Worker=body + "\n[invariant]\nled = \"state == 'off' or boss.state == 'on'\"",
        Boss=boss.replace('by = "role:clerk" }', 'by = "role:clerk", when = "state == \'off\'" }', 2).replace(
            'create = { by = "role:clerk", when = "state == \'off\'" }', 'create = { by = "role:clerk" }'
        ),
    )
    found = [f for f in against(old, split).findings if f.diagnostic.code == "LT703"]
    assert [f.property for f in found] == ["led"]
    assert [s for s in run_of(found[0]) if "swap" in s] == ["swap"]


def test_texts_that_are_too_long_now() -> None:
    old = OLD.replace("[field]", '[field]\nnote = { type = "text", max = 20 }').replace(
        'create = { by = "role:clerk" }', 'create = { by = "role:clerk", sets = ["note"] }'
    )
    new = old.replace("max = 20", "max = 10")
    found = finding(against(old, new), "LT702")
    assert "cannot hold 11 characters" not in found.diagnostic.message
    assert "xxxxxxxxxxx" in found.diagnostic.message


def test_json_that_may_be_too_large_stays_unknown() -> None:
    old = OLD.replace("[field]", '[field]\nnote = { type = "json", max = 20 }').replace(
        'create = { by = "role:clerk" }', 'create = { by = "role:clerk", sets = ["note"] }'
    )
    report = against(old, old.replace("max = 20", "max = 10"))
    assert told(report) == ["LT801"]
    assert report.verdict == "unknown"


def test_budget_that_ends_first_leaves_it_unknown() -> None:
    body = OLD.replace('blueprint = "Thing"\n', "")
    old = several(Thing=body).replace("[role]", "[scope]\nbudget_states = 2\n[role]")
    report = against(old, old)
    assert report.verdict == "unknown"
    assert any("migration" in f.diagnostic.message for f in report.findings if f.diagnostic.code == "LT801")


def test_level_that_is_not_asked_for_moves_nothing() -> None:
    report = against(OLD, OLD.replace("held", "kept"), Options(level=1))
    assert told(report) == []
    assert report.covered.migrated == {}


@pytest.mark.parametrize("roles", ["", 'exclusive = [["clerk", "boss"]]'])
def test_roles_that_are_new_are_given_out_anew(roles: str) -> None:
    body = OLD.replace('blueprint = "Thing"\n', "")
    old = several(Thing=body)
    new = several(
        'boss = "b"',
        Thing=body.replace(
            'free = { from = "held", to = "open", by = "role:clerk"',
            'free = { from = "held", to = "open", by = "role:boss"',
        ),
    )
    new = new.replace("[role]", f"{roles}\n[role]") if roles else new
    assert told(against(old, new)) == []


PAPER = """
# --- app.toml
app = "desk"
exclusive = [["clerk", "OTHER"]]
[role]
clerk = "c"
manager = "m"
reviewer = "r"
[scope]
Paper = 1
principals = 2
# --- paper.blueprint.toml
blueprint = "Paper"
[state]
written = { initial = true, waits = "a reviewer" }
good = { final = true }
[field]
maker = { type = "id" }
own = { type = "bool", default = false }
[action]
create = { by = "role:clerk", do = ["maker = actor"] }
"""
BY_ANOTHER = 'review = { from = "written", to = "good", by = "role:manager" }\n'
BY_WHOM = 'review = { from = "written", to = "good", by = "role:reviewer", do = ["own = actor == maker"] }\n'
NOT_OWN = '[invariant]\nnot_own = "not own"\n'


def test_roles_are_given_out_anew_to_whoever_held_others() -> None:
    """Who was a clerk may be the reviewer now, and not only who comes first."""
    old = PAPER.replace("OTHER", "manager") + BY_ANOTHER
    new = PAPER.replace("OTHER", "reviewer") + BY_WHOM + NOT_OWN
    assert "LT401" not in told(report_of(new))
    found = finding(against(old, new), "LT703")
    assert run_of(found) == ["create", "swap", "review"]
    kept = new.replace('do = ["own', 'when = "actor != maker", do = ["own')
    assert "LT703" not in told(against(old, kept))


COPY = """
[state]
kept = { initial = true, waits = "a clerk" }
gone = { final = true }
[action]
create = { by = "role:clerk" }
drop = { from = "kept", to = "gone", by = "role:clerk" }
"""
LOAN = """
[state]
open = { initial = true, waits = "a clerk" }
shut = { final = true }
[field]
copy = { type = "ref", to = "Copy", frozen = true }
[action]
create = { by = "role:clerk" }
shut = { from = "open", to = "shut", by = "role:clerk" }
"""


def test_larger_scope_that_the_budget_cuts_leaves_a_swap_open_as_it_leaves_a_check() -> None:
    """What fits is one of each; two of each begin in the old version, and do not end."""
    few = "[scope]\nbudget_states = 1000\n"
    days = LOAN.replace("[action]", 'days = { type = "int", range = [0, 60], default = 0 }\n[action]')
    days += 'extend = { from = "open", by = "role:clerk", when = "days < 60", do = ["days += 1"] }\n'
    old, new = several(few, Copy=COPY, Loan=days), several(few, Copy=COPY, Loan=LOAN)
    assert report_of(new).verdict == "admitted"
    report = against(old, new)
    assert report.verdict == "unknown"
    found = finding(report, "LT801").diagnostic
    assert "a larger scope was not searched whole (2 Copy, 2 Loan: its budget of states" in found.message
    assert "say in `[scope]` of app.toml how many of each are enough" in found.help
    declared = few + "Copy = 1\nLoan = 1\n"
    assert against(*(text.replace(few, declared) for text in (old, new))).verdict == "admitted"
