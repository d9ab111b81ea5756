"""Encodes the machine's world as a packed state, to compare the two semantics."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.check.composed.domain import SCALARS
from lathe.check.composed.layout import STARTED, STOPPING, Layout, Slot, Variable
from lathe.lang.types import Type
from lathe.machine.snapshot import Delivery, Entity, Invocation, MemoryWorld, Value
from lathe.machine.values import misfit

Names = Mapping[str, Slot]
"""Which slot each entity is in."""


def encode(layout: Layout, world: MemoryWorld, names: Names, roles: int = 0) -> int:
    """The packed state of a world. `roles` are the bits of the roles that principals hold."""
    codes: dict[int, int] = {}
    for name, variable in layout.ghosts.items():
        codes[variable.index] = _code(layout, variable, world.ghosts[name], names)
    for entity in world:
        if entity.id in names:
            _encode_entity(layout, entity, names, codes)
    packed = roles
    for index, code in codes.items():
        packed |= code << layout.variables[index].offset
    return packed


def encode_entity(layout: Layout, entity: Entity, names: Names) -> int:
    """The bits of one entity in its slot."""
    codes: dict[int, int] = {}
    _encode_entity(layout, entity, names, codes)
    return sum(code << layout.variables[index].offset for index, code in codes.items())


def _code(layout: Layout, variable: Variable, value: Value, names: Names) -> int:
    return code_of(layout, variable.kind, value, names)


def code_of(layout: Layout, kind: Type, value: Value, names: Names) -> int:
    """The code of a machine value, refs by the slots that their entities are in."""
    if kind.kind == "ref":
        return names[str(value)].index + 1 if value is not None and str(value) in names else 0
    if kind.kind == "set" and kind.element is not None and kind.element.kind == "ref":
        assert isinstance(value, frozenset), "a set has members"
        return sum(1 << names[str(m)].index for m in value)
    return layout.domains.code(kind, value)


def _encode_entity(layout: Layout, entity: Entity, names: Names, codes: dict[int, int]) -> None:
    slot = names[entity.id]
    codes[slot.state.index] = slot.state_code(entity.state)
    for name, variable in slot.fields.items():
        codes[variable.index] = _code(layout, variable, entity.fields[name], names)
    for name, variable in slot.ghosts.items():
        codes[variable.index] = _code(layout, variable, entity.ghosts[name], names)
    explored = {e.name for e in slot.effects}
    waiting = [i for i in entity.invocations if i.phase == "waiting" and i.effect in explored]
    for variable, invocation in zip(slot.queue, waiting, strict=False):
        codes[variable.index] = slot.effect_code(invocation.effect)
        remember(layout, slot, invocation, slot.captured[invocation.effect].current, (names, codes))
    active = entity.active
    if active is not None and slot.run is not None and slot.phase is not None:
        _encode_active(layout, slot, active, (names, codes))
    for effect, variable in slot.late.items():
        found = [i for i in entity.invocations if i.phase == "late" and i.effect == effect]
        codes[variable.index] = int(bool(found))
        for invocation in found:
            remember(layout, slot, invocation, slot.captured[effect].late, (names, codes))
    for effect, variable in slot.notices.items():
        found = [i for i in entity.invocations if i.phase == "notice" and i.effect == effect]
        codes[variable.index] = min(len(found), layout.domains.pending)
        for invocation in found:
            remember(layout, slot, invocation, slot.captured[effect].current, (names, codes))


def _encode_active(
    layout: Layout, slot: Slot, active: Invocation, into: tuple[Names, dict[int, int]]
) -> None:
    assert slot.run is not None and slot.phase is not None, "an effect that can start has a place to run"
    codes = into[1]
    is_started = active.phase == "started"
    codes[slot.run.index] = slot.effect_code(active.effect)
    codes[slot.phase.index] = STARTED if is_started else STOPPING
    counted = active.effect in slot.late or bool(slot.captured[active.effect].keys)
    if slot.done is not None and (counted or slot.blueprint.effects[active.effect].world):
        codes[slot.done.index] = int(active.executed)
    captured = slot.captured[active.effect]
    remember(layout, slot, active, captured.current if is_started else captured.stopping, into)


def remember(
    layout: Layout,
    slot: Slot,
    invocation: Invocation,
    where: Mapping[str, Variable],
    into: tuple[Names, dict[int, int]],
) -> None:
    """The codes of what an invocation remembers."""
    names, codes = into
    effect = slot.blueprint.effects[invocation.effect]
    if effect.target is not None:
        _remember_deliveries(layout, slot, invocation, where, into)
        return
    for key, variable in where.items():
        kind, _, name = key.partition(":")
        if kind == "none":
            codes[variable.index] = int(invocation.args.get(name) is None)
            continue
        value = invocation.fields[name] if kind == "field" else invocation.args.get(name)
        codes[variable.index] = _code(layout, variable, value, names)


def _remember_deliveries(
    layout: Layout,
    slot: Slot,
    invocation: Invocation,
    where: Mapping[str, Variable],
    into: tuple[Names, dict[int, int]],
) -> None:
    target = slot.blueprint.effects[invocation.effect].target
    assert target is not None, "only calls and creations are delivered"
    names, codes = into
    codes.update({v.index: 0 for v in where.values()})
    rounds: list[tuple[int, Delivery]] = list(enumerate(invocation.deliveries))
    if target.each is not None:
        kind = slot.blueprint.fields[target.each].type
        members = sorted(invocation.fields[target.each] or frozenset(), key=str)  # type: ignore[arg-type]
        rounds = [
            (code_of(layout, kind, frozenset((m,)), names).bit_length() - 1, d)
            for m, d in zip(members, invocation.deliveries, strict=True)
        ]
    for i, delivery in rounds:
        if f"has:{i}" in where:
            codes[where[f"has:{i}"].index] = 1
        _remember_one(layout, slot, (invocation.effect, i, delivery), where, into)


def _remember_one(
    layout: Layout,
    slot: Slot,
    which: tuple[str, int, Delivery],
    where: Mapping[str, Variable],
    into: tuple[Names, dict[int, int]],
) -> None:
    effect, i, delivery = which
    names, codes = into
    target = slot.blueprint.effects[effect].target
    assert target is not None, "only calls and creations are delivered"
    arguments = layout.app.blueprints[target.blueprint].actions[target.action].arguments
    bad = target.on is not None and delivery.entity is None
    if f"on:{i}" in where:
        codes[where[f"on:{i}"].index] = code_of(layout, where[f"on:{i}"].kind, delivery.entity, names)
    for name, value in delivery.args.items():
        variable = where.get(f"arg:{i}:{name}")
        if variable is None:
            continue
        argument = arguments[name]
        is_missing = value is None and not (argument.optional or argument.has_default)
        if is_missing or (value is not None and misfit(argument.type, value)):
            bad = True
        elif value is None and argument.type.kind in SCALARS:
            codes[where[f"none:{i}:{name}"].index] = 1
        else:
            codes[variable.index] = code_of(layout, argument.type, value, names)
    codes[where[f"bad:{i}"].index] = int(bad)


def transferred(small: Layout, large: Layout, packed: int) -> int:
    """A state of one layout in another with more room; what is not in the first is empty."""
    wider = {v.name: v for v in large.variables}
    result = 0
    for variable in small.variables:
        code = variable.read(packed)
        there = wider[variable.name]
        if code and variable.kind.kind in ("text", "id"):
            value = small.domains.value(variable.kind, code)
            code = large.domains.code(variable.kind, value)
        result |= code << there.offset
    return result
