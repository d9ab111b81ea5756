"""Which values there are while checking: as many, and as long, as something can tell apart."""

from __future__ import annotations

import pytest
from tests.support import codes, finding, report_of, run_of, several

NOTE = """
blueprint = "Note"
[state]
open = { initial = true, waits = "x" }
done = { final = true }
[field]
a = { type = "KIND" }
b = { type = "KIND" }
differ = { type = "bool", default = false }
[action]
create = { by = "role:clerk", sets = ["a", "b"] }
finish = { from = "open", to = "done", by = "role:clerk" }
"""
TEXTS = NOTE.replace('"KIND"', '"text", max = 9')
PUT = """put = { from = "open", by = "role:clerk", args = { ARGS }, do = ["differ = WHEN"] }
[invariant]
never = "not differ"
"""


def put(kind: str, when: str) -> str:
    """A note whose field `differ` says that what one caller gives is told apart."""
    args = ", ".join(f"{name} = {{ type = {kind} }}" for name in "xyz")
    own = NOTE.replace('a = { type = "KIND" }\nb = { type = "KIND" }\n', "").replace(
        ', sets = ["a", "b"]', ""
    )
    return own + PUT.replace("ARGS", args).replace("WHEN", when)


@pytest.mark.parametrize("promise", ["a in (b,)", "a in ('q', b)", "a == b", "not ('q' in (a, b)) or a == b"])
def test_two_texts_differ_however_they_are_compared(promise: str) -> None:
    assert codes(f'{TEXTS}\n[invariant]\nsame = "{promise}"\n') == ["LT401 same"]


@pytest.mark.parametrize("kind", ['"text", max = 9', '"id"'])
def test_what_one_caller_gives_differs_though_no_field_holds_it(kind: str) -> None:
    every = "arg.x != arg.y and arg.y != arg.z and arg.x != arg.z"
    assert codes(put(kind, "arg.x != arg.y")) == ["LT401 never"]
    assert codes(put(kind, every)) == ["LT401 never"]


def test_who_acts_differs_from_everybody_that_is_given() -> None:
    every = "actor not in (arg.x, arg.y) and arg.x != arg.y"
    assert codes(put('"id"', every)) == ["LT401 never"]


SHORTEN = """
blueprint = "Note"
[state]
open = { initial = true, after = "1h", then = "shorten" }
done = { final = true }
[field]
long = { type = "text", max = 100 }
short = { type = "text", max = 10 }
[action]
create = { by = "role:clerk", sets = ["long"] }
shorten = { from = "open", to = "done", do = ["short = long"] }
"""


def test_a_text_that_is_too_long_for_where_it_is_stored_is_found() -> None:
    report = report_of(SHORTEN)
    assert report.verdict == "refused"
    assert run_of(finding(report, "LT204")) == ["create", "timer shorten (refused)"]
    assert codes(SHORTEN.replace("max = 100", "max = 10")) == []


def test_a_text_that_is_too_long_for_whom_it_is_given_to_leaves_its_giver_stuck() -> None:
    giver = """
[state]
open = { initial = true, after = "1h", then = "push" }
done = { final = true }
[field]
long = { type = "text", max = MAX }
other = { type = "ref", to = "Taker", frozen = true }
[action]
create = { by = "role:clerk", sets = ["other", "long"] }
push = { from = "open", to = "done", also = [{ on = "other", action = "take", args = { short = "long" } }] }
"""
    taker = """
[state]
here = { initial = true, waits = "a text" }
[field]
short = { type = "text", max = 10 }
[action]
create = { by = "role:clerk" }
take = { from = "here", by = "entity:Giver", sets = ["short"] }
"""
    assert "LT301" in codes(several("", Giver=giver.replace("MAX", "11"), Taker=taker))
    assert codes(several("", Giver=giver.replace("MAX", "10"), Taker=taker)) == []


REMINDER = """
blueprint = "Reminder"
[state]
open = { initial = true, waits = "x" }
done = { final = true }
[field]
due = { type = "time" }
days = { type = "int", range = [0, 9007199254740991] }
[action]
create = { by = "role:clerk", sets = ["days"] }
plan = { from = "open", by = "role:clerk", do = ["due = now + SECONDS"] }
fire = { from = "open", to = "done", by = "role:clerk" }
[timer]
alarm = { at = "due", then = "fire" }
"""


@pytest.mark.parametrize("seconds", ["86400 * days", "days * days", "(0 - days)", "31557600001"])
def test_a_time_that_is_further_away_than_a_thousand_years_is_found(seconds: str) -> None:
    report = report_of(REMINDER.replace("SECONDS", seconds))
    found = finding(report, "LT204").diagnostic
    assert "can be further away than a thousand years" in found.message
    assert report.verdict == "refused"


@pytest.mark.parametrize("seconds", ["31557600000", "min(days, 31557600000)", "3600 * min(days, 24)"])
def test_a_time_that_is_always_near_is_not(seconds: str) -> None:
    assert "LT204" not in codes(REMINDER.replace("SECONDS", seconds))


def test_a_fault_of_a_delivery_is_told_by_what_it_is() -> None:
    text = """
blueprint = "Peer"
[state]
open = { initial = true, run = "poke", waits = "x" }
done = { final = true }
[field]
friends = { type = "set", of = { type = "ref", to = "Peer" }, max = 3 }
hits = { type = "int", range = [0, 1], default = 0 }
[action]
create = { by = "role:clerk", sets = ["friends"] }
poked = { from = "open", by = "entity:Peer", do = ["hits += 1"] }
ok = { from = "open", to = "done" }
bad = { from = "open", to = "done" }
[effect.poke]
uses = "call"
with = { on = "item", action = "poked", each = "friends" }
ok = "ok"
error = "bad"
"""
    found = finding(report_of(text), "LT204").diagnostic
    assert "can leave its range" in found.message
    assert "`hits` (0 to 1)" in found.help
