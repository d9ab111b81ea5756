"""One action on one entity: who, from where, with what, and what it stores."""

from __future__ import annotations

import pytest
from tests.support import Machine, caller

from lathe.machine.event import Create

CARD = """
blueprint = "Thing"

[state]
open = { initial = true, waits = "a clerk closes it" }
held = { waits = "a clerk closes it" }
closed = { final = true }

[field]
size = { type = "int", range = [0, 5] }
spare = { type = "int", range = [0, 5], default = 4 }
level = { type = "enum", of = ["low", "high"], default = "low" }
title = { type = "text", max = 4 }
owner = { type = "id" }
tags = { type = "set", of = { type = "enum", of = ["red", "blue", "green"] }, max = 2 }

[action]
create = { by = ["role:clerk", "role:boss"], sets = ["size"] }
hold = { from = "open", to = "held", by = "role:clerk" }
stay = { from = "open", by = "role:clerk" }
leave = { from = "*", to = "closed", by = "role:clerk" }
route = { from = "open", to_if = "'held' if size > 2 else 'closed'", by = "role:clerk" }
anyone = { from = "open", by = "any" }
boss = { from = "open", by = "role:boss" }
small = { from = "open", by = "role:clerk", when = "size < 3" }
swap = { from = "open", by = "role:clerk", do = ["size = spare", "spare = size"] }
rise = { from = "open", by = "role:clerk", do = ["size += 1"] }
fall = { from = "open", by = "role:clerk", do = ["size -= 1"] }
far = { from = "open", by = "role:clerk", do = ["size = (size + 100) * 2 - 200 - size * 2 + 1"] }
share = { from = "open", by = "role:clerk", do = ["size = spare // size"] }
rest = { from = "open", by = "role:clerk", do = ["size = spare % (size - 4)"] }
name = { from = "open", by = "role:clerk", sets = ["title"] }
claim = { from = "open", by = "role:clerk", do = ["owner = actor"] }
drop = { from = "open", by = "role:clerk", do = ["owner = None"] }
mine = { from = "open", by = "role:clerk", when = "actor == owner" }
paint = { from = "open", by = "role:clerk", sets = ["tags"] }
redden = { from = "open", by = "role:clerk", do = ["tags += 'red'"] }
cool = { from = "open", by = "role:clerk", do = ["tags += ('blue', 'green')"] }
fade = { from = "open", by = "role:clerk", do = ["tags -= 'red'"] }
wash = { from = "open", by = "role:clerk", do = ["tags = set()"] }
guarded = { from = "open", by = "role:clerk", fenced = true }

[action.give]
from = "open"
by = "role:clerk"
args.n = { type = "int", range = [0, 9] }
args.note = { type = "text", max = 3, optional = true }
args.more = { type = "int", range = [0, 9], default = 2 }
when = "arg.note is None or arg.note != 'no'"
do = ["size = arg.n + arg.more"]
"""


@pytest.fixture
def machine() -> Machine:
    return Machine(CARD)


def test_create_puts_it_into_the_initial_state_with_its_defaults(machine: Machine) -> None:
    thing = machine.entity(machine.create(size=1))
    assert thing.state == "open"
    assert thing.fields == {
        "size": 1, "spare": 4, "level": "low", "title": None, "owner": None, "tags": frozenset(),
    }  # fmt: skip
    assert (thing.visit, thing.version) == (1, 1)


def test_an_entity_is_made_once(machine: Machine) -> None:
    thing = machine.create(size=1)
    assert machine.take(Create("Thing", thing, {"size": 1}, caller("role:clerk"), 1)) == "missing"
    assert machine.act("Thing#9", "stay") == "missing"
    assert machine.act(thing, "nothing") == "action"
    assert machine.act(thing, "create", size=2) == "action"


def test_an_action_is_possible_only_from_its_states(machine: Machine) -> None:
    thing = machine.create(size=1)
    assert machine.act(thing, "hold") == "done"
    assert machine.act(thing, "hold") == "state"


def test_a_star_is_every_state_that_is_not_final(machine: Machine) -> None:
    thing = machine.create(size=1)
    assert machine.act(thing, "hold") == "done"
    assert machine.act(thing, "leave") == "done"
    assert machine.act(thing, "leave") == "state"


@pytest.mark.parametrize(("size", "state"), [(2, "closed"), (3, "held")])
def test_to_if_leads_where_its_value_says(machine: Machine, size: int, state: str) -> None:
    thing = machine.create(size=size)
    machine.act(thing, "route")
    assert machine.entity(thing).state == state


def test_without_to_it_stays_in_its_state(machine: Machine) -> None:
    thing = machine.create(size=1)
    machine.act(thing, "stay")
    assert (machine.entity(thing).state, machine.entity(thing).version) == ("open", 2)


def test_only_a_caller_that_is_listed_may(machine: Machine) -> None:
    thing = machine.create(size=1)
    assert machine.act(thing, "boss", by="role:clerk") == "denied"
    assert machine.act(thing, "boss", by="role:clerk+boss") == "done"
    assert machine.act(thing, "boss", by="timer") == "denied"
    assert machine.act(thing, "boss", by="entity:Thing") == "denied"


def test_any_is_every_authenticated_principal_and_nobody_else(machine: Machine) -> None:
    thing = machine.create(size=1)
    assert machine.act(thing, "anyone", by="any") == "done"
    assert machine.act(thing, "anyone", by="role:boss") == "done"
    assert machine.act(thing, "anyone", by="timer") == "denied"
    assert machine.act(thing, "anyone", by="inbound:paid") == "denied"


def test_a_guard_is_read_over_the_state_before(machine: Machine) -> None:
    assert machine.act(machine.create(size=2), "small") == "done"
    assert machine.act(machine.create(size=3), "small") == "guard"


def test_a_refusal_changes_nothing(machine: Machine) -> None:
    thing = machine.create(size=5)
    before = machine.world
    assert machine.act(thing, "rise") == "range"
    assert machine.world is before


def test_assignments_are_simultaneous(machine: Machine) -> None:
    thing = machine.create(size=1)
    machine.act(thing, "swap")
    assert (machine.entity(thing).fields["size"], machine.entity(thing).fields["spare"]) == (4, 1)


@pytest.mark.parametrize(("size", "action", "answer"), [
    (5, "rise", "range"), (4, "rise", "done"), (0, "fall", "range"), (1, "fall", "done"),
])  # fmt: skip
def test_leaving_a_range_is_a_refusal(machine: Machine, size: int, action: str, answer: str) -> None:
    assert machine.act(machine.create(size=size), action) == answer


def test_values_in_between_may_leave_any_range(machine: Machine) -> None:
    thing = machine.create(size=3)
    assert machine.act(thing, "far") == "done"
    assert machine.entity(thing).fields["size"] == 1


def test_division_by_zero_is_a_refusal(machine: Machine) -> None:
    assert machine.act(machine.create(size=0), "share") == "zero"
    assert machine.act(machine.create(size=4), "rest") == "zero"


def test_what_create_needs_must_be_given_and_fit(machine: Machine) -> None:
    assert machine.try_create() == "type"
    assert machine.try_create(size=None) == "type"
    assert machine.try_create(size=6) == "type"
    assert machine.try_create(size="1") == "type"
    assert machine.try_create(size=True) == "type"
    assert machine.try_create(size=1, spare=1) == "type"


def test_a_text_has_at_most_its_characters(machine: Machine) -> None:
    thing = machine.create(size=1)
    assert machine.act(thing, "name", title="éèêë") == "done"
    assert machine.act(thing, "name", title="12345") == "type"


def test_null_means_left_out(machine: Machine) -> None:
    thing = machine.create(size=1)
    assert machine.act(thing, "give", n=1, note=None, more=None) == "done"
    assert machine.entity(thing).fields["size"] == 3
    assert machine.act(thing, "give", n=None) == "type"
    assert machine.act(thing, "give", n=1, note="no") == "guard"


def test_actor_is_whom_the_caller_acts_for(machine: Machine) -> None:
    thing = machine.create(size=1)
    machine.act(thing, "claim", by="role:clerk@ann")
    assert machine.entity(thing).fields["owner"] == "ann"
    assert machine.act(thing, "mine", by="role:clerk@bob") == "guard"
    assert machine.act(thing, "mine", by="role:clerk@ann") == "done"
    machine.act(thing, "drop")
    assert machine.entity(thing).fields["owner"] is None


def test_sets_take_and_lose_a_member_or_a_set(machine: Machine) -> None:
    thing = machine.create(size=1)
    machine.act(thing, "redden")
    machine.act(thing, "redden")
    assert machine.entity(thing).fields["tags"] == {"red"}
    assert machine.act(thing, "cool") == "range", "more than its `max`"
    machine.act(thing, "fade")
    machine.act(thing, "fade")
    assert machine.act(thing, "cool") == "done"
    assert machine.entity(thing).fields["tags"] == {"blue", "green"}
    machine.act(thing, "wash")
    assert machine.entity(thing).fields["tags"] == frozenset()


def test_a_set_that_is_given_fits_its_type(machine: Machine) -> None:
    thing = machine.create(size=1)
    assert machine.act(thing, "paint", tags=frozenset({"red", "blue"})) == "done"
    assert machine.act(thing, "paint", tags=frozenset({"red", "blue", "green"})) == "type"
    assert machine.act(thing, "paint", tags=frozenset({"pink"})) == "type"


def test_a_fenced_action_needs_the_visit_of_a_caller_with_a_role(machine: Machine) -> None:
    thing = machine.create(size=1)
    assert machine.act(thing, "guarded") == "stale"
    assert machine.act(thing, "guarded", visit=2) == "stale"
    assert machine.act(thing, "guarded", visit=1) == "done"


PAIRS = """
blueprint = "Thing"

[state]
open = { initial = true, waits = "x" }

[field]
other = { type = "ref", to = "Thing" }
others = { type = "set", of = { type = "ref", to = "Thing" }, max = 2 }

[action]
create = { by = "role:clerk" }
point = { from = "open", by = "role:clerk", sets = ["other"] }
gather = { from = "open", by = "role:clerk", sets = ["others"] }
look = { from = "open", by = "role:clerk", when = "other.state == 'open'" }
"""


def test_a_step_tells_what_it_read() -> None:
    machine = Machine(PAIRS)
    one, two = machine.create(), machine.create()
    assert machine.act(one, "look") == "guard", "behind an unset ref there is nothing"
    machine.act(one, "point", other=two)
    machine.act(one, "look")
    assert machine.last is not None
    assert machine.last.reads == {one, two}
    assert set(machine.last.written) == {one}


def test_a_ref_that_is_given_names_an_entity() -> None:
    machine = Machine(PAIRS)
    one = machine.create()
    assert machine.act(one, "point", other="Thing#7") == "type"
    assert machine.act(one, "gather", others=frozenset({one, "Thing#7"})) == "type"
    assert machine.act(one, "gather", others=frozenset({one})) == "done"
    assert machine.act(one, "point", other=one) == "done", "also itself"
