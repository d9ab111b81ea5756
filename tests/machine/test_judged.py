"""Which steps the properties are asked about."""

from __future__ import annotations

import pytest

from lathe.frozen import evolve
from lathe.machine.event import Act, Caller, Create, Notifies
from lathe.machine.outcome import Step
from lathe.machine.properties import broken
from lathe.machine.snapshot import Entity, MemoryWorld, Value
from lathe.machine.step import step
from lathe.machine.table import Table, compile_app
from lathe.sim.oracle import Taken
from lathe.sim.prepared import prepare
from lathe.sim.run import setting_of, simulate

from ..runtime.harness import example, read

CLERK = Caller("role", None, frozenset({"clerk"}), "ann")


def taken(table: Table, world: MemoryWorld, event: Create | Act | Notifies) -> tuple[Step, MemoryWorld]:
    found = step(table, world, event)
    assert isinstance(found, Step), found
    return found, world.after(found.written, found.ghosts)


def test_a_notice_without_world_is_no_step_for_properties() -> None:
    """As for the checker, which sees nothing of it: `old.state` is the state that it was sent from."""
    table = compile_app(read(example("approval")))
    world = MemoryWorld({}, table.ghosts)
    _, world = taken(table, world, Create("Document", "d", {"body": "x"}, CLERK, 1))
    for name, by in (("submit", "ann"), ("approve", "bob"), ("release", "cyd")):
        roles = {"submit": "clerk", "approve": "manager", "release": "publisher"}[name]
        caller = Caller("role", None, frozenset({roles}), by)
        visit = world.entities["d"].visit
        _, world = taken(table, world, Act("d", name, {}, caller, 1, visit))
    found, after = taken(table, world, Notifies("d", "announce", 1))
    assert list(broken(table, world, found, after)) == []


def test_only_those_that_are_named_are_looked_at() -> None:
    table = compile_app(read(example("rollout")))
    world = MemoryWorld({}, table.ghosts)
    operator = Caller("role", None, frozenset({"operator"}), "ann")
    made, world = taken(table, world, Create("Rollout", "a", {"replicas": 3}, operator, 1))
    bad = world.entities["a"]
    wrong = MemoryWorld({"a": type(bad)(**{**_members(bad), "fields": {**bad.fields, "ready": 0}})}, {})
    assert [b.prop.name for b in broken(table, world, made, wrong)] == ["one_broker_down"]
    assert list(broken(table, world, made, wrong, only=())) == []


def otherwise(value: Value) -> Value:
    """Another value, which no action has written."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else None


def mangled(entity: Entity) -> Entity:
    fields, ghosts = ({n: otherwise(v) for n, v in held.items()} for held in (entity.fields, entity.ghosts))
    return evolve(entity, fields=fields, ghosts=ghosts)


@pytest.mark.parametrize("name", ["rollout", "order", "saga", "incident"])
def test_as_functions_the_properties_say_the_same(name: str) -> None:
    found = simulate(prepare(example(name)), setting_of(3, "calm"))
    said = 0
    for taken in found.history:
        if not isinstance(taken, Taken) or not isinstance(taken.outcome, Step):
            continue
        after = taken.world.after(taken.outcome.written, taken.outcome.ghosts)
        wrong = MemoryWorld({n: mangled(e) for n, e in after.entities.items()}, after.ghosts)
        for world in (after, wrong):
            table, functions = taken.loaded.table, taken.loaded.properties
            walked = list(broken(table, taken.world, taken.outcome, world))
            assert list(broken(table, taken.world, taken.outcome, world, functions=functions)) == walked
            said += len(walked)
    assert said, "some of what was written otherwise breaks something"


def _members(entity: object) -> dict[str, object]:
    return {name: getattr(entity, name) for name in type(entity).__slots__}  # type: ignore[attr-defined]
