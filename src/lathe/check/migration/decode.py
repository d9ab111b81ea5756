"""Decodes a packed state into the machine's entities.

What is not explored makes no difference; it gets a value that fits. An entity is named after its slot,
and so are those that it refers to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lathe.check.composed.domain import SCALARS
from lathe.check.composed.layout import STARTED, Layout, Slot, Variable
from lathe.frozen import frozen
from lathe.lang.model import Argument, Effect
from lathe.lang.types import Type
from lathe.machine.snapshot import Delivery, Entity, Invocation, Phase, Scalar, Value, Values


def decode_entity(layout: Layout, slot: Slot, packed: int) -> Entity | None:
    """The entity in a slot; None if it is empty."""
    code = slot.state.read(packed)
    if not code:
        return None
    blueprint = slot.blueprint
    fields: dict[str, Value] = {}
    for f in blueprint.fields.values():
        variable = slot.fields.get(f.name)
        fields[f.name] = (
            neutral(f.type) if variable is None else layout.domains.value(f.type, variable.read(packed))
        )
    ghosts: dict[str, Value] = {}
    for g in blueprint.ghosts.values():
        variable = slot.ghosts.get(g.name)
        kept = layout.domains.code(g.type, g.default) if variable is None else variable.read(packed)
        ghosts[g.name] = layout.domains.value(g.type, kept)
    reader = _Reader(layout, slot, packed, fields)
    invocations = tuple(reader.invocations())
    return Entity(
        id=slot.name,
        blueprint=blueprint.name,
        state=tuple(blueprint.states)[code - 1],
        fields=fields,
        ghosts=ghosts,
        invocations=invocations,
        invoked=len(invocations),
    )


def decode_ghosts(layout: Layout, packed: int) -> dict[str, Value]:
    """The ghosts of the app; those that are not explored at their defaults."""
    found: dict[str, Value] = {}
    for ghost in layout.app.ghosts.values():
        variable = layout.ghosts.get(ghost.name)
        code = layout.domains.code(ghost.type, ghost.default) if variable is None else variable.read(packed)
        found[ghost.name] = layout.domains.value(ghost.type, code)
    return found


def neutral(kind: Type) -> Value:
    """A value of a type, for what nothing reads."""
    match kind.kind:
        case "int":
            return kind.low
        case "bool":
            return False
        case "enum":
            return kind.members[0]
        case "set":
            return frozenset()
        case _:
            return None


@frozen
class _Reader:
    """The invocations of one slot in one state."""

    layout: Layout
    slot: Slot
    packed: int
    fields: Values

    def invocations(self) -> Iterator[Invocation]:
        """In the order in which they were asked for, as far as that makes a difference."""
        slot, packed = self.slot, self.packed
        number = 0
        running = slot.run.read(packed) if slot.run is not None else 0
        if running and slot.phase is not None:
            effect = slot.effects[running - 1]
            captured = slot.captured[effect.name]
            is_started = slot.phase.read(packed) == STARTED
            where = captured.current if is_started else captured.stopping
            number += 1
            executed = bool(slot.done is not None and slot.done.read(packed))
            yield self._invocation(number, effect, "started" if is_started else "stopping", where, executed)
        for name, variable in slot.late.items():
            if variable.read(packed):
                number += 1
                effect = slot.blueprint.effects[name]
                yield self._invocation(number, effect, "late", slot.captured[name].late, True)
        for name, variable in slot.notices.items():
            for _ in range(variable.read(packed)):
                number += 1
                effect = slot.blueprint.effects[name]
                yield self._invocation(number, effect, "notice", slot.captured[name].current, False)
        for variable in slot.queue:
            code = variable.read(packed)
            if code:
                number += 1
                effect = slot.effects[code - 1]
                yield self._invocation(number, effect, "waiting", slot.captured[effect.name].current, False)

    def _invocation(
        self, number: int, effect: Effect, phase: Phase, where: Mapping[str, Variable], executed: bool
    ) -> Invocation:
        keys = self.slot.captured[effect.name].keys
        fields, args = dict(self.fields), dict[str, Value]()
        for key, variable in where.items():
            kind, _, name = key.partition(":")
            value = self.layout.domains.value(keys[key], variable.read(self.packed))
            if effect.target is not None or kind == "none":
                continue
            if kind == "field":
                fields[name] = value
            else:
                none = where.get(f"none:{name}")
                args[name] = None if none is not None and none.read(self.packed) else value
        deliveries: tuple[Delivery, ...] = ()
        if effect.target is not None:
            fields, deliveries = self._deliveries(effect, where)
        return Invocation(number, effect.name, 1, phase, executed, fields, args, deliveries)

    def _deliveries(
        self, effect: Effect, where: Mapping[str, Variable]
    ) -> tuple[dict[str, Value], tuple[Delivery, ...]]:
        """What a call carries, and the fields with the members for whom it does."""
        target = effect.target
        assert target is not None, "only calls and creations are delivered"
        fields = dict(self.fields)
        if target.each is None:
            return fields, (self._delivery(effect, where, 0),)
        kind = self.slot.blueprint.fields[target.each].type
        rounds = sum(1 for key in where if key.startswith("has:"))
        present = [i for i in range(rounds) if where[f"has:{i}"].read(self.packed)]
        found: list[tuple[Scalar, Delivery]] = []
        for i in present:
            members = self.layout.domains.value(kind, 1 << i)
            assert isinstance(members, frozenset), "a set has members"
            found += [(member, self._delivery(effect, where, i)) for member in members]
        found.sort(key=lambda pair: str(pair[0]))
        fields[target.each] = frozenset(member for member, _ in found)
        return fields, tuple(delivery for _, delivery in found)

    def _delivery(self, effect: Effect, where: Mapping[str, Variable], i: int) -> Delivery:
        target = effect.target
        assert target is not None, "only calls and creations are delivered"
        keys = self.slot.captured[effect.name].keys
        arguments = self.layout.app.blueprints[target.blueprint].actions[target.action].arguments
        args: dict[str, Value] = {}
        for name in target.args:
            variable = where.get(f"arg:{i}:{name}")
            if variable is None:
                args[name] = _given(arguments[name])
                continue
            none = where.get(f"none:{i}:{name}")
            is_none = none is not None and none.read(self.packed)
            code = variable.read(self.packed)
            args[name] = None if is_none else self.layout.domains.value(keys[f"arg:{i}:{name}"], code)
        on = where.get(f"on:{i}")
        entity = self.layout.domains.value(on.kind, on.read(self.packed)) if on is not None else None
        assert entity is None or isinstance(entity, str), "a reference is a name"
        if where[f"bad:{i}"].read(self.packed) and (on is None or entity is not None):
            codes = {
                name: where[f"arg:{i}:{name}"].read(self.packed)
                for name in args
                if f"arg:{i}:{name}" in where
            }
            args |= _spoilt(arguments, [name for name, code in codes.items() if not code])
        return Delivery(entity, args)


def _given(argument: Argument) -> Value:
    """A value that a target takes for an argument that nothing explored reads."""
    kind = argument.type
    if argument.optional or argument.has_default or kind.kind in (*SCALARS, "set"):
        return neutral(kind)
    if kind.kind == "time":
        return 0
    return "null" if kind.kind == "json" else "p1" if kind.kind == "id" else ""


def _spoilt(arguments: Mapping[str, Argument], names: list[str]) -> dict[str, Value]:
    """An argument that a target refuses, where it is only known that one of these is such."""
    for name in names:
        if not (arguments[name].optional or arguments[name].has_default):
            return {name: None}
    for name in names:
        argument = arguments[name]
        if argument.type.kind == "int" and argument.type.high is not None:
            return {name: argument.type.high + 1}
    return {}
