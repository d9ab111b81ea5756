"""Timers of states, and deadlines as data."""

from __future__ import annotations

import pytest
from tests.support import SECOND, Machine

LEASE = """
blueprint = "Thing"

[state]
free = { initial = true, waits = "x" }
held = { after = "1h", then = "expire" }
ticking = { after = "1m", then = "tick" }
over = { final = true }

[field]
due = { type = "time" }
kept = { type = "time" }
n = { type = "int", range = [0, 2], default = 0 }
was_unset = { type = "bool", default = false }

[action]
create = { by = "role:clerk" }
hold = { from = "free", to = "held", by = "role:clerk" }
tickle = { from = "free", to = "ticking", by = "role:clerk" }
set = { from = "*", by = "role:clerk", sets = ["due"] }
soon.from = "*"
soon.by = "role:clerk"
soon.args = { minutes = { type = "int", range = [0, 9] } }
soon.do = ["due = now + 60 * arg.minutes"]
copy = { from = "*", by = "role:clerk", do = ["kept = now", "due = kept"] }
stop = { from = "*", by = "role:clerk", do = ["due = None"] }
expire = { from = "held", to = "free" }
tick = { from = "ticking", when = "n < 2", do = ["n += 1"] }
remind = { from = ["free", "held"], when = "n < 1", do = ["n += 1", "was_unset = due is None"] }
rearm = { from = "ticking", do = ["due = now + 60"] }

[timer]
reminder = { at = "due", then = "remind" }
other = { at = "kept", then = "rearm" }
"""


@pytest.fixture
def machine() -> Machine:
    return Machine(LEASE)


def test_a_states_timer_takes_its_action(machine: Machine) -> None:
    thing = machine.create()
    assert machine.timer(thing) == "stale", "no timer here"
    machine.act(thing, "hold")
    assert machine.timer(thing) == "done"
    assert machine.entity(thing).state == "free"


def test_an_action_of_a_timer_admits_the_timer_alone(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "hold")
    assert machine.act(thing, "expire") == "denied"


def test_an_action_without_to_taken_by_a_timer_arms_it_again(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "tickle")
    assert [machine.timer(thing) for _ in range(3)] == ["done", "done", "guard"]
    assert machine.entity(thing).visit == 2, "the visit goes on"


def test_a_deadline_is_taken_while_its_field_is_set_and_clears_it(machine: Machine) -> None:
    thing = machine.create()
    assert machine.timer(thing, "reminder") == "stale"
    machine.act(thing, "set", due=5 * SECOND)
    assert machine.timer(thing, "reminder") == "done"
    fields = machine.entity(thing).fields
    assert (fields["due"], fields["was_unset"]) == (None, True), "in that step it reads as unset"
    assert machine.timer(thing, "reminder") == "stale"


def test_a_refused_deadline_changes_nothing_and_stays_due(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "set", due=5 * SECOND)
    machine.timer(thing, "reminder")
    machine.act(thing, "set", due=9 * SECOND)
    assert machine.timer(thing, "reminder") == "guard"
    assert machine.entity(thing).fields["due"] == 9 * SECOND
    machine.act(thing, "tickle")
    assert machine.timer(thing, "reminder") == "state"


def test_none_stops_a_deadline_and_setting_moves_it_without_a_new_visit(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "set", due=5 * SECOND)
    machine.act(thing, "set", due=7 * SECOND)
    assert machine.entity(thing).visit == 1
    machine.act(thing, "stop")
    assert machine.timer(thing, "reminder") == "stale"


def test_a_time_is_now_and_seconds_or_another_time(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "soon", minutes=2)
    assert machine.entity(thing).fields["due"] == machine.now + 120 * SECOND
    machine.act(thing, "copy")
    assert machine.entity(thing).fields["kept"] == machine.now
    assert machine.entity(thing).fields["due"] is None, "right sides read the state before"


def test_a_deadline_may_set_another(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "copy")
    machine.act(thing, "tickle")
    assert machine.timer(thing, "other") == "done"
    fields = machine.entity(thing).fields
    assert (fields["kept"], fields["due"]) == (None, machine.now + 60 * SECOND)


@pytest.mark.parametrize(
    ("minutes", "said"), [(525_960_000, "done"), (525_960_001, "range"), (-525_960_001, "range")]
)
def test_no_time_is_set_further_from_now_than_a_thousand_years(minutes: int, said: str) -> None:
    machine = Machine(LEASE.replace("range = [0, 9] } }", "range = [-999999999, 999999999] } }"))
    thing = machine.create()
    assert machine.act(thing, "soon", minutes=minutes) == said
