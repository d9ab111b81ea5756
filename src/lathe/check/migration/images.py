"""The migrated images of all states that the old version can reach.

An entity's image depends on nothing but itself, so each one is moved once by the machine itself, and
the image of a state is put together from those of its entities. References and claims stay those of
the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from lathe.check.composed.domain import Domains
from lathe.check.composed.encode import encode, encode_entity
from lathe.check.composed.layout import Beyond, Layout, Slot, Variable, make_layout
from lathe.check.composed.roles import orders
from lathe.check.composed.system import System, system_of
from lathe.check.migration.decode import decode_entity, decode_ghosts
from lathe.check.migration.pair import Pair
from lathe.check.search.graph import Clock
from lathe.frozen import frozen, mutable
from lathe.machine.migrate import Misfit, Moved, migrate, migrate_ghosts
from lathe.machine.snapshot import Entity, MemoryWorld

LOOK_AT_CLOCK_EVERY = 1024


@frozen
class Images:
    """The new version's system, where it may begin, and who has no place in it.

    `origin` gives for each beginning the nearest old state that it is the image of; `homeless` each
    misfit with the slot and the nearest old state in which it is met; `of` the images of one old state:
    none if somebody has no place, several if the roles that principals hold may have changed.
    """

    system: System
    starts: tuple[int, ...]
    origin: Mapping[int, int]
    homeless: tuple[tuple[Misfit, str, int], ...]
    is_complete: bool
    of: Callable[[int], list[int]]


@mutable
class Parts:
    """The different entities of each slot, and what is beside them, each with the first state it is in."""

    regions: list[tuple[int, int]]
    found: list[dict[int, int]] = field(default_factory=list)
    count: int = 0


def make_images(
    pair: Pair,
    old: Layout,
    domains: Domains,
    states: Sequence[int],
    limits: tuple[Clock, float],
    *,
    is_alike: bool = False,
) -> Images:
    """Move every state of the old version. `limits` are a clock and the reading at which to stop.

    `is_alike`: a state stands for others in which principals have changed places.
    """
    parts = parts_of(_regions(old), states, limits)
    moved = [_move_all(pair, old, slot, parts.found[i]) for i, slot in enumerate(old.slots)]
    beside = {code: migrate_ghosts(pair.old, pair.new, decode_ghosts(old, code)) for code in parts.found[-1]}
    layout = make_layout(pair.new.app, domains, pair.new_keys, beyond=beyond_of(pair, moved))
    system = system_of(layout)
    names = {slot.name: slot for slot in layout.slots}
    packed = [
        {code: encode_entity(layout, m, names) for code, m in group.items() if isinstance(m, Entity)}
        | {code: 0 for code, m in group.items() if m is None}
        for group in moved
    ]
    prefixes = {
        code: [
            encode(layout, MemoryWorld({}, ghosts), names) | roles
            for roles in roles_of(old, system, code, is_alike=is_alike)
        ]
        for code, ghosts in beside.items()
        if not isinstance(ghosts, tuple)
    }
    joiner = _Joiner(tuple(parts.regions), tuple(packed), prefixes)
    origin: dict[int, int] = {}
    for index in range(parts.count):
        for image in joiner.images(states[index]):
            origin.setdefault(image, index)
    homeless = sorted(_homeless(old, moved, beside, parts), key=lambda h: h[2])
    return Images(
        system,
        tuple(origin),
        origin,
        tuple(_first_of_each(homeless)),
        parts.count == len(states),
        joiner.images,
    )


def _regions(layout: Layout) -> list[tuple[int, int]]:
    """Where each slot lies in a state, and what is beside them."""
    regions = [region_of(slot.variables()) for slot in layout.slots]
    below = min((low for low, _ in regions), default=layout.width)
    return [*regions, (0, (1 << below) - 1)]


def parts_of(regions: list[tuple[int, int]], states: Iterable[int], limits: tuple[Clock, float]) -> Parts:
    """The different parts that states are made of, by regions; as many states as there is time for."""
    clock, stop_at = limits
    parts = Parts(regions, [{} for _ in regions])
    paired = list(zip(regions, parts.found, strict=True))
    for index, packed in enumerate(states):
        if not index % LOOK_AT_CLOCK_EVERY and clock() > stop_at:
            break
        parts.count = index + 1
        for (low, mask), known in paired:
            code = packed >> low & mask
            if code not in known:
                known[code] = index
    return parts


def region_of(variables: Sequence[Variable]) -> tuple[int, int]:
    """Where a slot's variables lie in a state: their lowest bit, and a mask of their bits from there."""
    low = min(v.offset for v in variables)
    return low, (1 << max(v.offset + v.width for v in variables) - low) - 1


def _move_all(pair: Pair, layout: Layout, slot: Slot, codes: Iterable[int]) -> dict[int, Moved]:
    """What becomes of each entity that is ever in a slot; nobody of nobody."""
    low, _ = region_of(slot.variables())
    # A reference sees an entity of the right blueprint in every slot.
    everyone = MemoryWorld(
        {s.name: Entity(s.name, s.blueprint.name, s.blueprint.initial, {}) for s in layout.slots}
    )
    found: dict[int, Moved] = {}
    for code in codes:
        entity = decode_entity(layout, slot, code << low)
        found[code] = None if entity is None else migrate(pair.old, pair.new, entity, everyone)
    return found


def beyond_of(pair: Pair, moved: Iterable[Mapping[int, Moved]]) -> Beyond:
    """What is in flight in the images."""
    flights: dict[tuple[str, str], set[str]] = {}
    late: set[tuple[str, str]] = set()
    for group in moved:
        for entity in group.values():
            for invocation in entity.invocations if isinstance(entity, Entity) else ():
                assert isinstance(entity, Entity), "only entities have invocations"
                ran = (entity.blueprint, invocation.effect)
                states = flights.setdefault(ran, set())
                if invocation.phase in ("waiting", "started"):
                    states.add(entity.state)
                elif invocation.phase == "late":
                    late.add(ran)
    return Beyond({ran: frozenset(states) for ran, states in flights.items()}, frozenset(late))


def roles_of(old: Layout, system: System, packed: int, *, is_alike: bool = False) -> list[int]:
    """The roles that principals hold, where both versions know the same; else every way to give them out.

    `is_alike`: a state stands for others in which principals have changed places. Where the old version
    has roles too, those who hold them cannot be told apart by who holds the new ones.
    """
    new = system.layout
    if not new.roles:
        return [0]
    if old.roles and old.role_sets == new.role_sets:
        return [sum(o.read(packed) << n.offset for o, n in zip(old.roles, new.roles, strict=True))]
    given = [tuple(v.read(start) for v in new.roles) for start in system.initial]
    if old.roles or is_alike:
        given = list(dict.fromkeys(way for held in given for way in orders(held, new.domains.named)))
    return [sum(code << v.offset for code, v in zip(held, new.roles, strict=True)) for held in given]


@frozen
class _Joiner:
    """Puts the image of a state together: those of its slots, and of what is beside them."""

    regions: tuple[tuple[int, int], ...]
    slots: tuple[Mapping[int, int], ...]
    beside: Mapping[int, list[int]]

    def images(self, packed: int) -> list[int]:
        image = 0
        for (low, mask), known in zip(self.regions, self.slots, strict=False):
            part = known.get(packed >> low & mask)
            if part is None:
                return []
            image |= part
        low, mask = self.regions[-1]
        return [image | prefix for prefix in self.beside.get(packed >> low & mask, ())]


def _homeless(
    old: Layout, moved: list[dict[int, Moved]], beside: Mapping[int, object], parts: Parts
) -> Iterator[tuple[Misfit, str, int]]:
    for slot, group, first in zip(old.slots, moved, parts.found[:-1], strict=True):
        for code, entity in group.items():
            if isinstance(entity, tuple):
                yield from ((wrong, slot.name, first[code]) for wrong in entity)
    for code, ghosts in beside.items():
        if isinstance(ghosts, tuple):
            yield from ((wrong, "", parts.found[-1][code]) for wrong in ghosts)


def _first_of_each(homeless: Iterable[tuple[Misfit, str, int]]) -> Iterator[tuple[Misfit, str, int]]:
    """One for each thing that has no place, or does not fit, where it is met first."""
    told: set[tuple[str, ...]] = set()
    for wrong, slot, index in homeless:
        what = (wrong.kind, wrong.blueprint, wrong.name, wrong.about)
        if what not in told:
            told.add(what)
            yield wrong, slot, index
