"""Ghosts: what the outside saw, written beside the step and never read by it."""

from __future__ import annotations

import pytest
from tests.support import Machine

SEEN = """
# --- app.toml
app = "seen"

[role]
clerk = "c"

[ghost]
total = { type = "int", range = [0, 3], default = 0 }
last = { type = "id" }

# --- thing.blueprint.toml
blueprint = "Thing"

[state]
here = { initial = true, waits = "x" }

[field]
other = { type = "ref", to = "Thing" }
n = { type = "int", range = [0, 9], default = 3 }

[ghost]
low = { type = "int", range = [-1, 2], default = 0 }
tags = { type = "set", of = { type = "enum", of = ["a", "b"] }, max = 1 }
a = { type = "int", range = [0, 9], default = 1 }
b = { type = "int", range = [0, 9], default = 2 }
kind = { type = "enum", of = ["x", "y"], default = "x" }

[action]
create = { by = "role:clerk", ghost = ["total += 1"] }
point = { from = "here", by = "role:clerk", sets = ["other"] }
up = { from = "here", by = "role:clerk", ghost = ["low += 5", "total += 1", "last = actor"] }
down = { from = "here", by = "role:clerk", ghost = ["low -= 5"] }
swap = { from = "here", by = "role:clerk", ghost = ["a = b", "b = a"] }
tag.from = "here"
tag.by = "role:clerk"
tag.args = { t = { type = "enum", of = ["a", "b"] } }
tag.ghost = ["tags += arg.t"]
tell = { from = "here", by = "role:clerk", ghost = ["other.low += 1"] }
broken = { from = "here", by = "role:clerk", do = ["n = 0"], ghost = ["low = 1 // n", "a = 5 // (n - 3)"] }
before = { from = "here", by = "role:clerk", do = ["n = 7"], ghost = ["a = n"] }
"""


@pytest.fixture
def machine() -> Machine:
    return Machine(SEEN)


def test_ints_saturate_at_their_range(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "up")
    assert machine.entity(thing).ghosts["low"] == 2
    machine.act(thing, "down")
    assert machine.entity(thing).ghosts["low"] == -1
    for _ in range(5):
        machine.act(thing, "up")
    assert machine.world.ghosts["total"] == 3


def test_a_full_set_stays_as_it_is(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "tag", t="a")
    machine.act(thing, "tag", t="b")
    assert machine.entity(thing).ghosts["tags"] == {"a"}


def test_assignments_of_one_action_are_simultaneous(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "swap")
    assert (machine.entity(thing).ghosts["a"], machine.entity(thing).ghosts["b"]) == (2, 1)


def test_ghosts_of_the_app_and_of_another_entity_are_written_too(machine: Machine) -> None:
    one, two = machine.create(), machine.create()
    machine.act(one, "up", by="role:clerk@ann")
    assert machine.world.ghosts == {"total": 3, "last": "ann"}
    machine.act(one, "point", other=two)
    version = machine.entity(two).version
    assert machine.act(one, "tell") == "done"
    assert machine.entity(two).ghosts["low"] == 1
    assert machine.entity(two).version == version, "it took no part"


def test_behind_an_unset_ref_there_is_no_ghost_to_write(machine: Machine) -> None:
    thing = machine.create()
    assert machine.act(thing, "tell") == "done"


def test_a_value_that_cannot_be_leaves_its_ghost_and_refuses_nothing(machine: Machine) -> None:
    thing = machine.create()
    assert machine.act(thing, "broken") == "done"
    assert machine.entity(thing).ghosts["low"] == 0, "1 // 3"
    assert machine.entity(thing).ghosts["a"] == 1, "it divides by zero"


def test_a_ghost_reads_the_fields_before_the_step(machine: Machine) -> None:
    thing = machine.create()
    machine.act(thing, "before")
    assert machine.entity(thing).ghosts["a"] == 3
