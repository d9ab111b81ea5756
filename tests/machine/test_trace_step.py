"""A step told as part of a trace: what changed, in the form of its type, and nothing that is secret."""

from __future__ import annotations

from tests.support import Machine, caller

from lathe.machine.clauses import false_clauses
from lathe.machine.evaluate import entity_frame
from lathe.machine.event import Act, Create, Ends, Event, Starts
from lathe.machine.outcome import Refusal
from lathe.machine.step import step
from lathe.machine.trace import HIDDEN, TraceStep
from lathe.machine.trace_step import told

SAFE = """
blueprint = "Thing"

[state]
open = { initial = true, waits = "x" }
busy = { run = "fetch", waits = "x" }

[field]
key = { type = "text", max = 9, secret = true }
got = { type = "text", max = 9, secret = true }
title = { type = "text", max = 9 }
due = { type = "time" }
tags = { type = "set", of = { type = "enum", of = ["b", "a"] }, max = 2 }
other = { type = "ref", to = "Thing" }

[ghost]
seen = { type = "time" }

[action]
create = { by = "role:clerk", sets = ["key"] }
lock.from = "open"
lock.by = "role:clerk"
lock.sets = ["key", "title", "due"]
lock.args = { pin = { type = "text", max = 9, secret = true, optional = true } }
lock.when = "arg.pin is None or arg.pin != '000'"
see = { from = "open", by = "role:clerk", ghost = ["seen = due"] }
paint = { from = "open", by = "role:clerk", sets = ["tags"] }
point = { from = "open", by = "role:clerk", sets = ["other"] }
work = { from = "open", to = "busy", by = "role:clerk" }
good = { from = "busy", to = "open", sets = ["got"] }
bad = { from = "busy", to = "open" }

[effect.fetch]
uses = "http"
with = { url = "https://x.example", take = { got = "body.key" } }
ok = "good"
error = "bad"

[invariant]
p = "key == 'nothing' and title == 'never'"
q = "due is None"
r = "other is None or other.key == title"
"""


class Told(Machine):
    """A machine that keeps what was told."""

    def __init__(self) -> None:
        super().__init__(SAFE)
        self.steps: list[TraceStep] = []

    def take(self, event: Event) -> str:
        self.steps.append(told(self.table, self.world, event, step(self.table, self.world, event)))
        return super().take(event)

    def clauses(self, name: str, thing: str) -> dict[str, object]:
        prop = self.table.app.blueprints["Thing"].properties[name]
        frame = entity_frame(self.world, self.entity(thing))
        return dict(false_clauses(self.table, prop.that.tree, frame)[0].values)


def test_a_secret_is_hidden_among_arguments_and_changes() -> None:
    machine = Told()
    thing = machine.create(key="abc")
    machine.act(thing, "lock", key="xyz", title="t", due=1_000, pin="123")
    created, locked = (s.parts[0] for s in machine.steps)
    assert created.args == {"key": HIDDEN}
    assert created.changes["key"] == (None, HIDDEN)
    assert locked.args == {"key": HIDDEN, "title": "t", "due": "1970-01-01T00:00:01Z", "pin": HIDDEN}
    assert locked.changes["key"] == (HIDDEN, HIDDEN)
    assert "abc" not in repr(machine.steps)
    assert "xyz" not in repr(machine.steps)


def test_a_secret_is_hidden_in_what_was_refused() -> None:
    machine = Told()
    thing = machine.create(key="abc")
    machine.act(thing, "lock", key="xyz", title="t", due=1_000, pin="000")
    machine.act(thing, "lock", key="far too long for it", title="t", due=1_000)
    assert [s.refused is not None for s in machine.steps] == [False, True, True]
    assert machine.steps[1].parts[0].args == {
        "key": HIDDEN, "title": "t", "due": "1970-01-01T00:00:01Z", "pin": HIDDEN,
    }  # fmt: skip
    assert "far too" not in repr(machine.steps)


def test_a_secret_is_hidden_among_results() -> None:
    machine = Told()
    thing = machine.create(key="abc")
    machine.act(thing, "work")
    machine.take(Starts(thing, 9))
    machine.take(Ends(thing, True, 9, {"got": "s3cret"}))
    assert machine.steps[-1].results == {"got": HIDDEN}
    assert "s3cret" not in repr(machine.steps)


def test_a_secret_is_hidden_in_a_false_clause_also_behind_a_ref() -> None:
    machine = Told()
    one, two = machine.create(key="abc"), machine.create(key="def")
    machine.act(one, "point", other=two)
    assert machine.clauses("p", one) == {"key": HIDDEN}
    assert machine.clauses("r", one) == {"other": two, "other.key": HIDDEN, "title": None}


def test_that_a_secret_is_unset_is_no_secret() -> None:
    machine = Told()
    machine.create(key="abc")
    assert "got" not in machine.steps[0].parts[0].changes


def test_times_are_told_by_the_calendar_everywhere() -> None:
    machine = Told()
    thing = machine.create(key="abc")
    machine.act(thing, "lock", key="x", title="t", due=1_500)
    machine.act(thing, "see")
    assert machine.steps[1].parts[0].changes["due"] == (None, "1970-01-01T00:00:01.500000Z")
    assert machine.steps[2].parts[0].changes["seen"] == (None, "1970-01-01T00:00:01.500000Z")
    assert machine.clauses("q", thing) == {"due": "1970-01-01T00:00:01.500000Z"}


def test_a_time_beyond_the_calendar_is_a_number() -> None:
    machine = Told()
    thing = machine.create(key="abc")
    assert machine.act(thing, "lock", key="x", title="t", due=10**20) == "done"
    assert isinstance(machine.steps[1].parts[0].changes["due"][1], int)


def test_sets_are_told_sorted() -> None:
    machine = Told()
    thing = machine.create(key="abc")
    machine.act(thing, "paint", tags=frozenset({"b", "a"}))
    assert machine.steps[1].parts[0].changes["tags"] == ([], ["a", "b"])


def test_an_action_that_is_unknown_tells_its_arguments_as_they_are() -> None:
    machine = Told()
    thing = machine.create(key="abc")
    for event in (
        Act(thing, "nothing", {"x": 1}, caller("role:clerk"), 1),
        Act("Thing#9", "lock", {}, caller("any"), 1),
    ):
        outcome = step(machine.table, machine.world, event)
        assert isinstance(outcome, Refusal)
        assert told(machine.table, machine.world, event, outcome).refused is not None
    assert isinstance(
        step(machine.table, machine.world, Create("Thing", thing, {}, caller("any"), 1)), Refusal
    )
