"""Ends, executions and what they do to the world."""

from __future__ import annotations

import pytest
from tests.support import Machine

CHARGE = """
blueprint = "Thing"

[state]
idle = { initial = true, waits = "x" }
busy = { run = "charge", waits = "x" }
paid = { waits = "x" }
bad = { waits = "x" }

[field]
amount = { type = "int", range = [0, 9], default = 3 }
limit = { type = "int", range = [0, 9], default = 9 }
why.type = "enum"
why.of = ["timeout", "unreachable", "refused", "invalid", "crashed", "cancelled"]
why.default = "timeout"
told = { type = "text", max = 2000 }

[ghost]
charged = { type = "int", range = [0, 20], default = 0 }
first = { type = "int", range = [0, 9], default = 0 }
before = { type = "int", range = [0, 20], default = 0 }
bonus = { type = "int", range = [0, 9], default = 0 }
while_busy = { type = "bool", default = true }

[action]
create = { by = "role:clerk" }
pay.from = ["idle", "bad", "paid"]
pay.to = "busy"
pay.by = "role:clerk"
pay.args = { tip = { type = "int", range = [0, 9], default = 0 } }
set = { from = "*", by = "role:clerk", sets = ["amount"] }
cap = { from = "*", by = "role:clerk", sets = ["limit"] }
drop = { from = "busy", to = "idle", by = "role:clerk" }
luck = { from = "*", by = "role:clerk", ghost = ["bonus += 1"] }
ok.from = "busy"
ok.to = "paid"
ok.when = "amount <= limit"
ok.args = { status = { type = "int", range = [100, 599], default = 200 } }
no.from = "busy"
no.to = "bad"
no.args.cause.type = "enum"
no.args.cause.of = ["timeout", "unreachable", "refused", "invalid", "crashed", "cancelled"]
no.args.message = { type = "text", max = 5, optional = true }
no.do = ["told = arg.message", "why = arg.cause"]

[effect.charge]
uses = "http"
with = { method = "POST", url = "https://pay.example", body = { amount = "{amount}" } }
world = ["charged += amount + arg.tip + bonus", "before = charged", "while_busy = state == 'busy'"]
ok = "ok"
error = "no"
"""


@pytest.fixture
def machine() -> Machine:
    return Machine(CHARGE)


def started(machine: Machine, tip: int = 0) -> str:
    thing = machine.create()
    machine.act(thing, "pay", tip=tip)
    assert machine.start(thing) == "done"
    return thing


def charged(machine: Machine, thing: str) -> object:
    return machine.entity(thing).ghosts["charged"]


def test_a_good_end_takes_ok_after_at_least_one_execution(machine: Machine) -> None:
    thing = started(machine)
    assert machine.end_well(thing) == "stale"
    machine.execute(thing)
    assert machine.end_well(thing, status=201) == "done"
    assert machine.entity(thing).state == "paid"
    assert machine.phases(thing) == {}
    assert machine.end_well(thing) == "stale", "each invocation ends once"


def test_a_bad_end_says_nothing_about_whether_it_happened(machine: Machine) -> None:
    for executions in (0, 1, 2):
        thing = started(machine)
        for _ in range(executions):
            machine.execute(thing)
        assert machine.end_badly(thing) == "done"
        assert charged(machine, thing) == 3 * executions


def test_a_bad_end_offers_its_cause_and_message(machine: Machine) -> None:
    thing = started(machine)
    machine.end_badly(thing, "crashed")
    assert machine.entity(thing).fields["why"] == "crashed"


def test_a_refused_ok_becomes_error_with_its_own_cause(machine: Machine) -> None:
    thing = started(machine)
    machine.act(thing, "cap", limit=0)
    machine.execute(thing)
    assert machine.end_well(thing) == "done"
    assert machine.entity(thing).state == "bad"
    assert machine.entity(thing).fields["why"] == "refused"
    assert machine.phases(thing) == {}, "it ended well, so nothing of it comes late"


def test_results_that_do_not_fit_the_ok_action_are_an_error(machine: Machine) -> None:
    thing = started(machine)
    machine.execute(thing)
    assert machine.end_well(thing, status=99) == "done"
    assert machine.entity(thing).state == "bad"


def test_an_end_without_a_possible_action_is_lost() -> None:
    text = CHARGE.replace('no.from = "busy"', 'no.from = "idle"')
    machine = Machine(text)
    thing = started(machine)
    assert machine.end_badly(thing) == "state"
    assert machine.phases(thing) == {"charge": "started"}


def test_world_reads_fields_and_arguments_as_they_were_and_ghosts_as_they_are(machine: Machine) -> None:
    thing = started(machine, tip=2)
    machine.act(thing, "set", amount=9)
    machine.act(thing, "luck")
    machine.execute(thing)
    assert charged(machine, thing) == 3 + 2 + 1


def test_world_reads_the_state_as_it_is(machine: Machine) -> None:
    thing = started(machine)
    machine.act(thing, "drop")
    machine.execute(thing)
    assert machine.entity(thing).ghosts["while_busy"] is False


def test_assignments_of_world_are_simultaneous(machine: Machine) -> None:
    thing = started(machine)
    machine.execute(thing)
    machine.execute(thing)
    assert machine.entity(thing).ghosts["before"] == 3


def test_a_cancelled_effect_may_still_be_executed_until_it_has_stopped(machine: Machine) -> None:
    thing = started(machine)
    machine.act(thing, "drop")
    machine.execute(thing)
    assert charged(machine, thing) == 3


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_one_late_execution_may_follow_at_any_later_moment(machine: Machine, *, is_cancelled: bool) -> None:
    thing = started(machine)
    if is_cancelled:
        machine.act(thing, "drop")
        assert machine.late(thing, "charge") == "stale", "not before it has stopped"
        machine.stop(thing)
    else:
        machine.end_badly(thing)
    machine.act(thing, "set", amount=9)
    machine.act(thing, "pay")
    assert machine.late(thing, "charge") == "done"
    assert charged(machine, thing) == 3, "with what it was asked for"
    assert machine.late(thing, "charge") == "stale", "only one"


def test_late_false_promises_that_none_follows() -> None:
    machine = Machine(CHARGE + "late = false\n")
    thing = started(machine)
    machine.end_badly(thing)
    assert machine.late(thing, "charge") == "stale"


def test_a_newer_late_execution_takes_the_place_of_an_older(machine: Machine) -> None:
    thing = started(machine)
    machine.end_badly(thing)
    machine.act(thing, "set", amount=5)
    machine.act(thing, "pay")
    machine.start(thing)
    machine.end_badly(thing)
    assert machine.late(thing, "charge") == "done"
    assert charged(machine, thing) == 5
    assert machine.late(thing, "charge") == "stale"


def test_an_idempotent_effect_applies_once_for_an_invocation() -> None:
    machine = Machine(CHARGE + "idempotent = true\n")
    thing = started(machine)
    machine.execute(thing)
    machine.execute(thing)
    assert charged(machine, thing) == 3
    machine.end_badly(thing)
    assert machine.late(thing, "charge") == "stale", "it has happened already"
    machine.act(thing, "pay")
    machine.start(thing)
    machine.execute(thing)
    assert charged(machine, thing) == 6, "another invocation is another"


QUIET = """
blueprint = "Thing"

[state]
busy = { initial = true, run = "fetch", after = "1m", then = "stop" }
over = { final = true }

[action]
create = { by = "role:clerk" }
stop = { from = "busy", to = "over" }

[effect.fetch]
uses = "http"
with = { url = "https://x.example" }
error = "stop"
"""


def test_a_good_end_without_ok_just_ends() -> None:
    machine = Machine(QUIET)
    thing = machine.create()
    machine.start(thing)
    assert machine.end_well(thing) == "done"
    assert (machine.entity(thing).state, machine.phases(thing)) == ("busy", {})


NOTICE = """
blueprint = "Thing"

[state]
here = { initial = true, waits = "x" }

[field]
n = { type = "int", range = [0, 9], default = 1 }

[ghost]
heard = { type = "int", range = [0, 99], default = 0 }

[action]
create = { by = "role:clerk" }
say = { from = "here", by = "role:clerk", sets = ["n"], run = "tell" }

[effect.tell]
uses = "http"
with = { method = "POST", url = "https://x.example" }
world = ["heard += n"]
"""


def test_notices_happen_in_order_each_with_its_own_data() -> None:
    machine = Machine(NOTICE)
    thing = machine.create()
    machine.act(thing, "say", n=2)
    machine.act(thing, "say", n=5)
    machine.notify(thing, "tell")
    assert machine.entity(thing).ghosts["heard"] == 2
    machine.notify(thing, "tell")
    assert machine.entity(thing).ghosts["heard"] == 7


def test_a_notice_that_is_not_idempotent_may_happen_again() -> None:
    machine = Machine(NOTICE)
    thing = machine.create()
    machine.act(thing, "say", n=2)
    machine.notify(thing, "tell", again=True)
    machine.notify(thing, "tell")
    assert machine.entity(thing).ghosts["heard"] == 4
    machine = Machine(NOTICE + "idempotent = true\n")
    thing = machine.create()
    machine.act(thing, "say", n=2)
    machine.notify(thing, "tell", again=True)
    assert machine.notify(thing, "tell") == "stale"
