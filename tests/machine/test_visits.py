"""Visits and their invocations: what belongs to which, what ends with it, and one at a time."""

from __future__ import annotations

import pytest
from tests.support import Machine

JOB = """
blueprint = "Thing"

[state]
idle = { initial = true, waits = "x" }
busy = { run = ["first", "second"], waits = "x" }
done = { final = true, run = "announce" }

[field]
note = { type = "text", max = 9 }

[action]
create = { by = "role:clerk" }
work.from = ["idle", "busy"]
work.to = "busy"
work.by = "role:clerk"
work.args = { n = { type = "int", range = [0, 9], default = 1 } }
side = { from = "*", by = "role:clerk", run = "third" }
again = { from = "busy", by = "role:clerk", run = "first" }
both = { from = "idle", to = "busy", by = "role:clerk", run = "first" }
write = { from = "*", by = "role:clerk", sets = ["note"] }
ring = { from = "*", by = "role:clerk", run = "announce" }
to_idle = { from = "busy", to = "idle", by = "role:clerk" }
finish = { from = "*", to = "done", by = "role:clerk" }
good = { from = "busy" }
poke = { from = "busy", by = "effect:first" }
fail = { from = ["idle", "busy"], to = "idle" }

[effect.first]
uses = "http"
with = { url = "https://x.example/{note}" }
ok = "good"
error = "fail"

[effect.second]
uses = "http"
with = { url = "https://x.example" }
ok = "good"
error = "fail"

[effect.third]
uses = "http"
with = { url = "https://x.example" }
ok = "good"
error = "fail"

[effect.announce]
uses = "emit"
"""


@pytest.fixture
def machine() -> Machine:
    return Machine(JOB)


def busy(machine: Machine) -> str:
    thing = machine.create()
    assert machine.act(thing, "work") == "done"
    return thing


def test_a_visit_begins_with_create_and_with_every_entry(machine: Machine) -> None:
    thing = machine.create()
    assert machine.entity(thing).visit == 1
    machine.act(thing, "work")
    machine.act(thing, "work")
    assert machine.entity(thing).visit == 3, "also into the same state"
    machine.act(thing, "write", note="x")
    assert (machine.entity(thing).visit, machine.entity(thing).version) == (3, 4)


def test_entering_a_state_asks_for_its_effects_in_order(machine: Machine) -> None:
    thing = busy(machine)
    invocations = machine.entity(thing).invocations
    assert [(i.effect, i.phase, i.visit) for i in invocations] == [
        ("first", "waiting", 2),
        ("second", "waiting", 2),
    ]


def test_an_invocation_sees_the_fields_as_the_action_left_them_and_its_arguments(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "write", note="a")
    machine.act(thing, "work", n=4)
    machine.act(thing, "write", note="b")
    first = machine.entity(thing).invocations[0]
    assert (first.fields["note"], first.args) == ("a", {"n": 4})


def test_effects_of_one_entity_run_one_after_another(machine: Machine) -> None:
    thing = busy(machine)
    assert machine.start(thing) == "done"
    assert machine.phases(thing) == {"first": "started", "second": "waiting"}
    assert machine.start(thing) == "stale"
    assert machine.end_well(thing) == "done"
    assert machine.start(thing) == "done"
    assert machine.phases(thing) == {"second": "started"}


def test_asked_for_in_the_same_visit_it_waits_behind_the_others(machine: Machine) -> None:
    thing = busy(machine)
    machine.act(thing, "side")
    assert [i.effect for i in machine.entity(thing).invocations] == ["first", "second", "third"]


def test_an_effect_in_flight_is_not_asked_for_again_in_its_visit(machine: Machine) -> None:
    thing = busy(machine)
    assert machine.act(thing, "again") == "busy", "it waits"
    machine.start(thing)
    assert machine.act(thing, "again") == "busy", "it is started"
    machine.end_well(thing)
    assert machine.act(thing, "again") == "done"
    assert machine.act(thing, "work") == "done", "a new visit may"


def test_one_step_does_not_ask_for_an_effect_twice(machine: Machine) -> None:
    assert machine.act(machine.create(), "both") == "busy"


def test_what_has_not_started_never_starts_when_its_visit_ends(machine: Machine) -> None:
    thing = busy(machine)
    machine.act(thing, "to_idle")
    assert machine.phases(thing) == {}
    assert machine.start(thing) == "stale"


def test_what_was_started_is_told_to_stop_and_holds_the_next_back(machine: Machine) -> None:
    thing = busy(machine)
    machine.start(thing)
    machine.act(thing, "work")
    assert [(i.effect, i.phase) for i in machine.entity(thing).invocations] == [
        ("first", "stopping"), ("first", "waiting"), ("second", "waiting"),
    ]  # fmt: skip
    assert machine.start(thing) == "stale"
    assert machine.stop(thing) == "done"
    assert machine.start(thing) == "done"


def test_callbacks_of_a_visit_that_is_over_are_stale(machine: Machine) -> None:
    thing = busy(machine)
    machine.start(thing)
    machine.act(thing, "work")
    assert machine.end_well(thing) == "stale"
    assert machine.end_badly(thing) == "stale"
    assert machine.act(thing, "poke", by="effect:first") == "stale"
    assert machine.execute(thing) == "done", "but it may still be executed until it has stopped"
    machine.stop(thing)
    assert machine.execute(thing) == "stale"
    assert machine.stop(thing) == "stale"


def test_progress_needs_a_started_invocation_and_is_never_its_own_end(machine: Machine) -> None:
    thing = busy(machine)
    assert machine.act(thing, "poke", by="effect:first") == "stale", "it only waits"
    machine.start(thing)
    assert machine.act(thing, "poke", by="effect:first") == "done"
    assert machine.act(thing, "poke", by="effect:second") == "stale"
    assert machine.act(thing, "good", by="effect:first") == "denied"
    assert machine.act(thing, "fail", by="effect:first") == "denied"


def test_a_notice_belongs_to_no_visit(machine: Machine) -> None:
    thing = busy(machine)
    machine.act(thing, "ring")
    machine.act(thing, "ring")
    machine.act(thing, "to_idle")
    machine.act(thing, "finish")
    assert [i.phase for i in machine.entity(thing).invocations] == ["notice"] * 3, "and is never cancelled"
    for _ in range(3):
        assert machine.notify(thing, "announce") == "done"
    assert machine.notify(thing, "announce") == "stale"


def test_a_notice_waits_for_nothing(machine: Machine) -> None:
    thing = busy(machine)
    machine.start(thing)
    machine.act(thing, "ring")
    assert machine.notify(thing, "announce") == "done"


def test_starts_and_ends_without_an_action_leave_the_version(machine: Machine) -> None:
    thing = busy(machine)
    version = machine.entity(thing).version
    machine.start(thing)
    assert machine.entity(thing).version == version
