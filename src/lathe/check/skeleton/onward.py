"""Whether migrated entities can progress in the new version, for all values: decided on skeletons.

The skeleton of the old version (`regions`) can do all that the version can, and each of its states stands for
many. The machine moves one of these; what comes of a number of which only the region is known may then be all
that such numbers come to. From there the skeleton of the new version is asked as ever (`skeleton.settle`).
Whether the numbers fit is not asked here: level 1 has to show that, and what does not is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod

from lathe.check.arrays.graph import ArrayGraph
from lathe.check.arrays.words import PackedStates
from lathe.check.bounds import TooLargeError, require
from lathe.check.composed.encode import encode, encode_entity
from lathe.check.composed.layout import Layout, Slot, Variable, make_layout
from lathe.check.composed.relevance import interval
from lathe.check.composed.system import System, narrowed_fields, system_of
from lathe.check.migration.decode import decode_entity, decode_ghosts
from lathe.check.migration.images import Parts, beyond_of, parts_of, region_of, roles_of
from lathe.check.migration.pair import Instances, Pair, joint_domains, old_layout, sources
from lathe.check.search.graph import Limits
from lathe.check.search.regions import Skeleton, Span, make_skeleton
from lathe.check.skeleton.sampled_liveness import kept
from lathe.check.skeleton.settle import Settled, searched, settle
from lathe.check.widening.wider import joined, staff
from lathe.errors import Span as Place
from lathe.frozen import frozen
from lathe.lang.model import Blueprint
from lathe.machine.migrate import NO_PLACE, Misfit, Moved, migrate, migrate_ghosts
from lathe.machine.snapshot import Entity, MemoryWorld

MOST_BEGUN = 100_000
"""States of the old version's skeleton that are moved, and states of the new one's that they are moved to."""

MOST_WAYS = 4_096
"""What may come of one entity of the old skeleton."""

_WHERE = {"waiting": "current", "started": "current", "notice": "current"}
"""Where the values are that an invocation remembers, by its phase; of the others it has the phase's name."""


@frozen
class Onward:
    """What the skeleton of the new version settles, from all that comes over, and what may have no place."""

    settled: Settled
    homeless: tuple[Misfit, ...]


def onward(pair: Pair, instances: Instances, limits: Limits, principals: int | None = None) -> Onward | None:
    """Settle who can go on from the images of all that the old version can reach.

    `principals` beside those that a search had hold one set of roles after another. None, or `TooLargeError`,
    if no skeleton can be searched whole within the limits.
    """
    is_narrow = bool(narrowed_fields(pair.old.app) or narrowed_fields(pair.new.app))
    domains = joint_domains(pair, instances, principals, whole=is_narrow)
    before = system_of(old_layout(pair, domains))
    if principals is not None:
        small = system_of(old_layout(pair, joint_domains(pair, instances)))
        staffed = (joined(small.layout, before.layout, packed) for packed in small.initial)
        before = system_of(before.layout, tuple(dict.fromkeys(staffed)))
    skeleton = make_skeleton(before)
    graph = searched(before, skeleton, limits)
    if graph is None or graph.count > MOST_BEGUN:
        return None
    old = _Old(pair, before.layout, skeleton, graph, _parts(before.layout, skeleton, graph, limits))
    moved = [old.moved(slot) for slot in before.layout.slots]
    beyond = beyond_of(pair, ({code: m.moved for code, m in group.items()} for group in moved))
    after = system_of(make_layout(pair.new.app, domains, pair.new_keys, beyond=beyond))
    nowhere = replace(after, initial=())
    settled = settle(nowhere, limits, begun=lambda made: _begun(old, moved, after, made))
    homeless = (wrong for group in moved for one in group.values() for wrong in one.homeless)
    return None if settled is None else Onward(settled, tuple(dict.fromkeys(homeless)))


def kept_by_images(pair: Pair, layout: Layout, limits: Limits) -> tuple[frozenset[Place], tuple[Misfit, ...]]:
    """What comes in the end as it should (`lasting_spans`), and what may lack a place; nothing: that is open.

    `layout` is that of the new version as it was searched. What only further holders of every role could do
    counts as well.
    """
    instances = dict(layout.domains.instances)
    count = staff(layout) if layout.roles else None
    try:
        first = onward(pair, instances, limits)
        second = onward(pair, instances, limits, count) if count is not None else None
    except (TooLargeError, KeyboardInterrupt):
        return frozenset(), ()
    settled = [found.settled for found in (first, second) if found is not None]
    good = frozenset[Place]().union(*(kept(pair.new.app, one) for one in settled))
    return good, first.homeless if first is not None else ()


def _parts(layout: Layout, skeleton: Skeleton, graph: ArrayGraph, limits: Limits) -> Parts:
    """The different entities of each slot in the states of a skeleton, and what is beside them."""
    made = skeleton.variables
    regions = [region_of([made[v.index] for v in slot.variables()]) for slot in layout.slots]
    below = min((low for low, _ in regions), default=max(v.offset + v.width for v in made))
    regions.append((0, (1 << below) - 1))
    parts = parts_of(regions, PackedStates(graph.words), (limits.clock, limits.stop_at))
    if parts.count < graph.count:
        raise TooLargeError("the seconds ended before what may come over was moved")
    return parts


@frozen
class _One:
    """An entity of the old skeleton: the span of each variable, and what comes of one that it stands for.

    `homeless` is what has no place, whatever the values; then nothing comes of it.
    """

    spans: Mapping[int, Span]
    moved: Moved
    homeless: tuple[Misfit, ...] = ()

    def is_spread(self, variable: Variable | None) -> bool:
        """Whether it stands for several values of a variable."""
        return variable is not None and self.spans[variable.index][0] < self.spans[variable.index][1]


@frozen
class _Old:
    """The searched skeleton of the old version."""

    pair: Pair
    layout: Layout
    skeleton: Skeleton
    graph: ArrayGraph
    parts: Parts

    def spans(self, variables: Iterable[Variable], packed: int) -> dict[int, Span]:
        """The codes that variables may have in a state of the skeleton."""
        found = {}
        for variable in variables:
            code = self.skeleton.variables[variable.index].read(packed)
            is_wide = variable.index in self.skeleton.starts
            found[variable.index] = self.skeleton.span(variable, code) if is_wide else (code, code)
        return found

    def moved(self, slot: Slot) -> dict[int, _One]:
        """What comes of each entity that is ever in a slot."""
        number = self.layout.slots.index(slot)
        low, _ = self.parts.regions[number]
        everyone = MemoryWorld(
            {s.name: Entity(s.name, s.blueprint.name, s.blueprint.initial, {}) for s in self.layout.slots}
        )
        found = {}
        for code in self.parts.found[number]:
            found[code] = self._moved(slot, self.spans(slot.variables(), code << low), everyone)
        return found

    def _moved(self, slot: Slot, spans: dict[int, Span], everyone: MemoryWorld) -> _One:
        """What comes of one: the machine is asked of the least, then of the greatest values that may fit."""
        wrong: tuple[Misfit, ...] = ()
        for end in (0, 1):
            codes = {index: span[0] for index, span in spans.items()}
            for name, variable in slot.fields.items():
                span = self._fitting(slot.blueprint, name, spans[variable.index])
                if span[0] > span[1]:
                    return _One(spans, ())
                codes[variable.index] = span[end]
            packed = sum(code << self.layout.variables[index].offset for index, code in codes.items())
            entity = decode_entity(self.layout, slot, packed)
            moved = None if entity is None else migrate(self.pair.old, self.pair.new, entity, everyone)
            if not isinstance(moved, tuple):
                return _One(spans, moved)
            wrong = moved
        is_spread = any(low < high for low, high in spans.values())
        sure = tuple(m for m in wrong if m.kind in (*NO_PLACE, "new", "ghost", "result") or not is_spread)
        if not sure:
            raise TooLargeError("what comes over depends on more than the regions of numbers")
        return _One(spans, (), sure)

    def _fitting(self, before: Blueprint, name: str, span: Span) -> Span:
        """The codes of a field, of some, that fit where they go as they are."""
        after = self.pair.new.app.blueprints.get(before.name)
        source = before.fields[name].type
        if after is None or name not in after.fields or source.kind != "int" or _entry(after, name):
            return span
        target = after.fields[name].type
        if source.low is None or target.kind != "int" or target.low is None or target.high is None:
            return span
        return max(span[0], target.low - source.low), min(span[1], target.high - source.low)


def _entry(after: Blueprint, name: str) -> bool:
    """Whether `[migrate]` says what a field becomes."""
    return after.migrate is not None and name in after.migrate.fields


def _begun(old: _Old, moved: list[dict[int, _One]], system: System, made: Skeleton) -> Iterator[int]:
    """The states of the new skeleton that those of the old one are moved to."""
    names = {slot.name: slot for slot in system.layout.slots}
    ways: list[dict[int, Sequence[int]]] = []
    for slot, group in zip(old.layout.slots, moved, strict=True):
        into = _Into(old, system.layout, made, slot, names.get(slot.name))
        ways.append({code: into.ways(one, names) for code, one in group.items()})
    ways.append({code: _beside(old, system, made, code) for code in old.parts.found[-1]})
    found: set[int] = set()
    for packed in PackedStates(old.graph.words):
        options = [
            known[packed >> low & mask] for (low, mask), known in zip(old.parts.regions, ways, strict=True)
        ]
        require(prod(map(len, options)), MOST_WAYS, "what may come over")
        found.update(map(sum, product(*options)))
        require(len(found), MOST_BEGUN, "what may come over")
    yield from found


@frozen
class _Into:
    """One slot of the old version, and the same of the new one; None: its blueprint is gone."""

    old: _Old
    layout: Layout
    made: Skeleton
    was: Slot
    now: Slot | None

    def ways(self, one: _One, names: Mapping[str, Slot]) -> Sequence[int]:
        """What may come of an entity, as bits of the new skeleton; nobody comes of nobody."""
        if one.moved is None:
            return (0,)
        if isinstance(one.moved, tuple) or self.now is None:
            return ()
        loose = dict(self._loose(one, one.moved, self.now))
        packed = encode_entity(self.layout, one.moved, names)
        return _ways(self.made, self.now.variables(), packed, loose)

    def _loose(self, one: _One, moved: Entity, now: Slot) -> Iterator[tuple[int, range]]:
        """The codes in the skeleton of what comes of numbers of which only the region is known."""
        for name, variable in now.fields.items():
            if self._is_spread(one, name):
                yield variable.index, self._field(one, name, variable)
        for name, variable in now.ghosts.items():
            was = self.was.ghosts.get(name)
            if was is not None and one.is_spread(was):
                yield variable.index, _kept(self.made, was, variable, one.spans[was.index], saturates=True)
        for invocation in moved.invocations:
            where = _WHERE.get(invocation.phase, invocation.phase)
            captured = now.captured.get(invocation.effect)
            known: Mapping[str, Variable] = getattr(captured, where) if captured is not None else {}
            for key, variable in known.items():
                if self._remembers_spread(one, invocation.effect, where, key):
                    yield variable.index, range(self.made.variables[variable.index].size)

    def _sources(self, name: str) -> list[str]:
        assert self.now is not None, "the blueprint is there"
        after = self.now.blueprint
        return sources(self.was.blueprint, after, after.fields[name])

    def _is_spread(self, one: _One, name: str) -> bool:
        """Whether what a field becomes depends on a number of which only the region is known."""
        return any(one.is_spread(self.was.fields.get(source)) for source in self._sources(name))

    def _remembers_spread(self, one: _One, effect: str, where: str, key: str) -> bool:
        """The same of what an invocation remembers."""
        captured = self.was.captured.get(effect)
        known: Mapping[str, Variable] = getattr(captured, where) if captured is not None else {}
        if not key.startswith("field:"):
            return one.is_spread(known.get(key))
        name = key.removeprefix("field:")
        remembered = [known.get(f"field:{source}") for source in self._sources(name)]
        return self._is_spread(one, name) or any(map(one.is_spread, remembered))

    def _field(self, one: _One, name: str, variable: Variable) -> range:
        """The codes in the skeleton of what a field becomes."""
        assert self.now is not None, "the blueprint is there"
        after = self.now.blueprint
        if variable.kind.kind != "int":
            return range(self.made.variables[variable.index].size)
        if not _entry(after, name):
            was = self.was.fields[name]
            return _kept(self.made, was, variable, one.spans[was.index])
        assert after.migrate is not None, "there is an entry"
        known = {}
        for source in self._sources(name):
            was, kind = self.was.fields[source], self.was.blueprint.fields[source].type
            if kind.kind == "int" and kind.low is not None:
                low, high = one.spans[was.index]
                known[source] = low + kind.low, high + kind.low
        reach = interval(after.migrate.fields[name].tree, known)
        low = variable.kind.low or 0
        span = (0, variable.size - 1) if reach is None else (reach[0] - low, reach[1] - low)
        return _codes(self.made, variable, span)


def _kept(made: Skeleton, was: Variable, variable: Variable, span: Span, *, saturates: bool = False) -> range:
    """The codes in the skeleton of a number that is kept: what does not fit is left out, or saturates."""
    shift = (was.kind.low or 0) - (variable.kind.low or 0)
    low, high = span[0] + shift, span[1] + shift
    if saturates:
        low, high = (min(max(code, 0), variable.size - 1) for code in (low, high))
    return _codes(made, variable, (low, high))


def _codes(made: Skeleton, variable: Variable, span: Span) -> range:
    """The codes in the skeleton of some codes of a number, as far as these are there."""
    low, high = max(span[0], 0), min(span[1], variable.size - 1)
    if low > high or variable.index not in made.starts:
        return range(low, high + 1)
    return range(made.region(variable, low), made.region(variable, high) + 1)


def _beside(old: _Old, system: System, made: Skeleton, code: int) -> Sequence[int]:
    """What may come of the app's ghosts and of the roles that principals hold."""
    layout = old.layout
    spans = old.spans((*layout.ghosts.values(), *layout.roles), code)
    packed = sum(span[0] << layout.variables[index].offset for index, span in spans.items())
    ghosts = migrate_ghosts(old.pair.old, old.pair.new, decode_ghosts(layout, packed))
    if isinstance(ghosts, tuple):
        return ()
    loose: dict[int, range] = {}
    for name, variable in system.layout.ghosts.items():
        was = layout.ghosts.get(name)
        if was is not None and spans[was.index][0] < spans[was.index][1]:
            loose[variable.index] = _kept(made, was, variable, spans[was.index], saturates=True)
    variables = (*system.layout.ghosts.values(), *system.layout.roles)
    world = encode(system.layout, MemoryWorld({}, ghosts), {})
    held = roles_of(layout, system, packed)
    found = [way for roles in held for way in _ways(made, variables, world | roles, loose)]
    return list(dict.fromkeys(found))


def _ways(
    made: Skeleton, variables: Iterable[Variable], packed: int, loose: Mapping[int, range]
) -> Sequence[int]:
    """The bits of some variables in the skeleton, each loose one with any of its codes."""
    require(prod(map(len, loose.values())), MOST_WAYS, "what may come over")
    fixed = made.state((v for v in variables if v.index not in loose), packed)
    options = ([code << made.variables[index].offset for code in codes] for index, codes in loose.items())
    return [fixed | sum(chosen) for chosen in product(*options)]
