"""Symmetry: which instances, principals and texts can be exchanged without anything noticing.

The language compares refs, ids and texts for equality alone, so what no literal, no name and no sample
singles out may be renamed: the renamed system takes the renamed steps (Ip and Dill, *Better verification
through symmetry*, 1996). Whatever could tell them apart spoils it; when in doubt nothing is exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from lathe.check.composed.command import Param
from lathe.check.composed.domain import SCALARS, expressions
from lathe.check.composed.layout import Layout, Variable
from lathe.check.composed.system import System
from lathe.frozen import frozen
from lathe.lang.expr import Special, walk
from lathe.lang.types import Type

Codes = tuple[int, ...]


@frozen
class Symmetry:
    """What may be exchanged: all slots of each of some blueprints; ids and texts, by code."""

    layout: Layout
    blueprints: tuple[str, ...]
    ids: Codes
    texts: Codes

    @property
    def is_trivial(self) -> bool:
        return not (self.ids or self.texts or self.blueprints)

    def codes(self, kind: Type) -> Codes:
        """The codes of a type that may be exchanged for one another."""
        match kind.kind:
            case "id":
                return self.ids
            case "text":
                return self.texts
            case "ref" if kind.blueprint in self.blueprints:
                return tuple(s.index + 1 for s in self.layout.of(kind.blueprint or ""))
        return ()


def none_alike(layout: Layout) -> Symmetry:
    """That nothing may be exchanged: every state stands for itself."""
    return Symmetry(layout, (), (), ())


def find_symmetry(system: System) -> Symmetry:
    """What may be exchanged in a system."""
    layout = system.layout
    domains = layout.domains
    free = domains.principals[: len(domains.principals) - domains.named]
    people = tuple(range(1, len(free) + 1))
    is_named = bool(set(free) & {*domains.named_ids, *domains.texts})
    whole = Symmetry(
        layout,
        tuple(
            name
            for name in layout.app.blueprints
            if domains.instances[name] > 1 and _is_cleared_alike(system, name)
        ),
        people if len(people) > 1 and not is_named and _holds_ids(layout) else (),
        _fresh_texts(layout),
    )
    return _unspoiled(system, whole)


def left_alone(found: Symmetry, after: System) -> Symmetry:
    """What of it a system that replaces another does not notice either, laid out over the same values.

    An exchange of one is one of the other then. A blueprint that is there no more is nobody's affair.
    """
    there = tuple(name for name in found.blueprints if after.layout.of(name))
    kept = _unspoiled(after, Symmetry(after.layout, there, found.ids, found.texts))
    spoiled = {*there} - {*kept.blueprints}
    blueprints = tuple(name for name in found.blueprints if name not in spoiled)
    return Symmetry(found.layout, blueprints, kept.ids, kept.texts)


def _is_cleared_alike(system: System, blueprint: str) -> bool:
    """Whether the same is dead in each slot of a blueprint, where anything is."""
    seen = set()
    for slot, by_code in system.dead.slots:
        if slot.blueprint.name == blueprint:
            places = {v.index: place for place, v in enumerate(slot.variables())}
            seen.add(tuple(frozenset(places[index] for index in dead) for dead in by_code))
    return len(seen) <= 1


def _holds_ids(layout: Layout) -> bool:
    """Whether a state tells principals apart; roles alone do not count, they are given out but once."""
    return any(scalar(v.kind).kind == "id" for v in layout.variables)


def scalar(kind: Type) -> Type:
    """The type itself, or of a set the type of its members."""
    return kind.element if kind.element is not None else kind


def _fresh_texts(layout: Layout) -> Codes:
    """The codes of the texts that nothing names; they are the last ones."""
    codes = tuple(
        range(len(layout.domains.texts) - layout.domains.fresh_texts + 1, len(layout.domains.texts) + 1)
    )
    lengths = {len(layout.domains.texts[code - 1]) for code in codes}
    is_held = any(scalar(v.kind).kind == "text" for v in layout.variables)
    return codes if len(codes) > 1 and len(lengths) == 1 and is_held else ()


def _unspoiled(system: System, found: Symmetry) -> Symmetry:
    """What is left once everything that something could tell apart is taken out."""
    if any(
        isinstance(n, Special) and n.name == "id" for e in expressions(found.layout.app) for n in walk(e.tree)
    ):
        return none_alike(found.layout)
    spoiled = {_key(kind) for kind in _singled_out(system, found)}
    return Symmetry(
        found.layout,
        tuple(b for b in found.blueprints if f"ref {b}" not in spoiled),
        found.ids if "id" not in spoiled else (),
        found.texts if "text" not in spoiled else (),
    )


def _key(kind: Type) -> str:
    return f"ref {kind.blueprint}" if kind.kind == "ref" else kind.kind


def _singled_out(system: System, symmetry: Symmetry) -> Iterator[Type]:
    """Types of which something treats one value unlike another: members by position, parts of a choice."""
    for slot in system.layout.slots:
        for name, captured in slot.captured.items():
            target = slot.blueprint.effects[name].target
            if target is not None and target.each is not None and captured.keys:
                yield scalar(slot.blueprint.fields[target.each].type)
    for command in system.commands:
        for param in command.params:
            if not _is_closed(param, symmetry.codes(scalar(param.kind))):
                yield scalar(param.kind)


def _is_closed(param: Param, codes: Codes) -> bool:
    """Whether every exchange maps the choice onto itself."""
    given = set(param.codes)
    if param.kind.kind != "set":
        return len(given & set(codes)) in (0, len(codes))
    offset = 0 if scalar(param.kind).kind in SCALARS else 1
    bits = [code - offset for code in codes]
    return all(_swapped(mask, a, b) in given for mask in given for a, b in pairwise(bits))


def _swapped(mask: int, a: int, b: int) -> int:
    """The mask with two of its bits exchanged."""
    differs = (mask >> a ^ mask >> b) & 1
    return mask ^ (differs << a | differs << b)


@frozen
class Exchange:
    """One element of the group: where each movable slot goes, and what each code becomes."""

    slots: Mapping[str, Mapping[int, int]]
    ids: Mapping[int, int]
    texts: Mapping[int, int]

    def of(self, kind: Type) -> Mapping[int, int]:
        """What becomes of the codes of a type; those that are not in it stay."""
        match kind.kind:
            case "id":
                return self.ids
            case "text":
                return self.texts
            case "ref":
                return {a + 1: b + 1 for a, b in self.slots.get(kind.blueprint or "", {}).items()}
        return {}


def exchanged(layout: Layout, packed: int, exchange: Exchange) -> int:
    """The state after an exchange."""
    result = 0
    for variable, home in _homes(layout, exchange):
        code = variable.read(packed)
        result |= _renamed(variable.kind, code, exchange) << home.offset
    return result


def _renamed(kind: Type, code: int, exchange: Exchange) -> int:
    if kind.element is None:
        return exchange.of(kind).get(code, code)
    moved = exchange.of(kind.element)
    if not moved:
        return code
    members = [i for i in range(code.bit_length()) if code >> i & 1]
    return sum(1 << moved.get(i + 1, i + 1) - 1 for i in members)


def _homes(layout: Layout, exchange: Exchange) -> Iterator[tuple[Variable, Variable]]:
    """Each variable, and the one that holds its value afterwards."""
    own: set[int] = set()
    for slot in layout.slots:
        to = exchange.slots.get(slot.blueprint.name, {}).get(slot.index, slot.index)
        there = layout.of(slot.blueprint.name)[to]
        for a, b in zip(slot.variables(), there.variables(), strict=True):
            own.add(a.index)
            yield a, b
    for index, variable in enumerate(layout.roles):
        own.add(variable.index)
        yield variable, layout.roles[exchange.ids.get(index + 1, index + 1) - 1]
    yield from ((v, v) for v in layout.variables if v.index not in own)


def inverse(exchange: Exchange) -> Exchange:
    """What makes good an exchange."""
    return Exchange(
        {name: _turned(moved) for name, moved in exchange.slots.items()},
        _turned(exchange.ids),
        _turned(exchange.texts),
    )


def after(second: Exchange, first: Exchange) -> Exchange:
    """One exchange after another, as one."""
    return Exchange(
        {name: _joined(second.slots[name], moved) for name, moved in first.slots.items()},
        _joined(second.ids, first.ids),
        _joined(second.texts, first.texts),
    )


def _turned(moved: Mapping[int, int]) -> dict[int, int]:
    return {there: here for here, there in moved.items()}


def _joined(second: Mapping[int, int], first: Mapping[int, int]) -> dict[int, int]:
    return {here: second[there] for here, there in first.items()}
