"""What a reviewer must be told, and where it depends on the state."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from lathe.lang import App, render
from lathe.lang.render.facts import in_flight, takers, targets

TEXT = """
blueprint = "Job"

[state]
idle = { initial = true, waits = "somebody starts it" }
one = { run = "first", after = "5s", then = "stop" }
two = { after = "1h", then = "stop" }
over = { final = true }

[field]
due = { type = "time" }
key = { type = "text", max = 9, secret = true, doc = "of the vault" }

[action]
create = { by = "any" }
start = { from = "idle", to = "one", by = "role:clerk", sets = ["key"], fenced = true, fair = true }
again = { from = "one", to = "two", run = "second" }
stop = { from = ["one", "two"], to = "over" }
kill = { from = "*", to = "over", by = "role:boss", doc = "the last resort" }

[action.poke]
from = "*"
by = ["role:clerk", "role:boss"]
args = { why = { type = "text", max = 9, optional = true } }

[timer]
late = { at = "due", then = "kill" }

[effect.first]
uses = "http"
with = { method = "POST", url = "{env.A}/{id}" }
attempts = 3
timeout = "10s"
ok = "again"
error = "stop"

[effect.second]
uses = "http"
with = { url = "{env.A}" }
ok = "stop"
error = "stop"

[inbound.hook]
path = "hook/{id}"
find = { id = "path.id" }
action = "stop"
"""


@pytest.fixture
def job(app_of: Callable[[str], App]) -> App:
    return app_of(TEXT)


def section(text: str, heading: str) -> str:
    """What stands under a heading."""
    return text.partition(f"### {heading}\n")[2].partition("\n#")[0]


def test_who_ends_a_visit_depends_on_what_runs_in_the_state(job: App) -> None:
    text = render.english(job)
    one, two = section(text, "`one`"), section(text, "`two`")
    assert "when `first` ends badly" in one
    assert "when `second`" not in one
    assert "when `second` ends" in two
    assert "`first`" not in two
    assert "After 5 seconds here" in one
    assert "After 1 hour here" in two


def test_what_an_action_asked_for_is_told_in_the_state_where_it_runs(job: App) -> None:
    assert "`second` may be running." in section(render.english(job), "`two`")


def test_what_is_possible_everywhere_is_told_once(job: App) -> None:
    text = render.english(job)
    assert text.count("The last resort.") == 1
    everywhere = section(text, "In every state that is not final")
    assert "a boss, or when `due` has come. The last resort." in everywhere
    assert "giving `why` (optional)" in everywhere
    assert "as in every state that is not final: `kill` and `poke`" in section(text, "`idle`")


@pytest.mark.parametrize(
    "told",
    [
        "anybody signed in",
        "The caller must name the visit that it means.",
        "Somebody promises to take it if it stays possible.",
        "secret, shown nowhere. Of the vault.",
        "When it has come, `kill` is taken.",
        "**It may happen more than once**",
        "Tried up to 3 times, 1 second to 5 minutes apart.",
        "Given up after 10 seconds.",
        "**Not signed: anybody may send it**",
        "`POST /in/job/hook/{id}` takes `stop`",
        "may still happen once later",
    ],
)
def test_a_reviewer_is_told(job: App, told: str) -> None:
    assert told in render.english(job)


def test_facts_of_the_structure(job: App) -> None:
    blueprint = job.blueprints["Job"]
    flight = in_flight(blueprint)
    assert flight == {
        "idle": frozenset(),
        "one": frozenset({"first"}),
        "two": frozenset({"second"}),
        "over": frozenset(),
    }
    stop = blueprint.actions["stop"]
    assert [str(p) for p in takers(blueprint, stop, "one", flight)] == [
        "effect:first",
        "timer",
        "inbound:hook",
    ]
    assert targets(stop) == ("over",)
    assert targets(blueprint.actions["poke"]) == ()


def test_permissions_show_every_role_and_flag_conditions_on_the_caller(load: Callable[[str], App]) -> None:
    text = render.permissions(load("payment"))
    assert "role:guest" in text
    assert "- `ask_refund` only if the caller is not `maker`." in text
    row = next(line for line in text.splitlines() if line.startswith("| approve"))
    assert [cell.strip() for cell in row.split("|")[2:5]] == ["–", "if", "–"]


def test_policies_are_announced(job: App, load: Callable[[str], App]) -> None:
    app = replace(job, policies={"office.cedar": "permit(principal, action, resource);"})
    assert "Policies in `office.cedar`" in render.english(app)
    assert "Policies in `office.cedar`" in render.permissions(app)


def test_an_action_from_many_states_is_a_chip_and_no_spider_web(load: Callable[[str], App]) -> None:
    text = render.mermaid(load("payment"))
    assert "Payment_cancelled : from draft, review, authorised, unclear, authorising · cancel" in text
    assert "--> Payment_cancelled" not in text


def test_an_app_of_many_states_is_drawn_and_stays_small(app_of: Callable[[str], App]) -> None:
    states = [f"s{i}" for i in range(1, 60)]
    lines = ['blueprint = "Big"', "[state]", 's0 = { initial = true, waits = "x" }']
    lines += [f'{s} = {{ waits = "x" }}' for s in states]
    lines += ["[action]", 'create = { by = "role:a" }']
    lines += [f'g{i} = {{ from = "s{i}", to = "s{i + 1}", by = "role:a" }}' for i in range(59)]
    for i in range(60):
        sources = ", ".join(f'"s{(i * k) % 59}"' for k in (7, 11, 13) if (i * k) % 59 != i or k == 7)
        lines.append(f'x{i} = {{ from = [{sources}], to = "s{i % 59}", by = "role:b" }}')
    text = "\n".join(lines)
    assert len(render.svg(app_of(_without_doubles(text)))) < 400_000


def _without_doubles(text: str) -> str:
    """Each state at most once in a `from`."""

    def unique(match: re.Match[str]) -> str:
        return f"[{', '.join(dict.fromkeys(match[1].split(', ')))}]"

    return re.sub(r"\[(\"[^\]]+)\]", unique, text)
