"""The state of a system between two steps: entities, their invocations, and the app's ghosts.

Snapshots are frozen; a step makes new ones. A `World` is whatever can look entities up: the checker
and the tests hold all of them in memory, the runtime loads the rows that a step asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from typing import Literal, Protocol

from lathe.frozen import record
from lathe.lang.model import Unique

Scalar = int | bool | str | None
Value = Scalar | frozenset[Scalar]
"""A field's value. Enums, text, ids and refs are `str`, a time is an `int` of milliseconds since the
epoch (UTC), a set is a `frozenset`, unset is `None`."""

Values = Mapping[str, Value]

Phase = Literal["waiting", "started", "stopping", "late", "notice"]


@record
class Delivery:
    """One target of a `call` or `create`, rendered when the action committed. `entity` None: unset."""

    entity: str | None
    args: Values


@record
class Invocation:
    """One asking for an effect.

    `waiting`, then `started`, then gone; `stopping` once its visit was left while it was started;
    `late` when it is over for the entity but may still be executed once; `notice` for effects
    that belong to no visit. `fields` and `args` are those of the moment when it was asked for.
    """

    number: int
    effect: str
    visit: int
    phase: Phase
    executed: bool
    fields: Values
    args: Values
    deliveries: tuple[Delivery, ...] = ()


@record
class Entity:
    """One entity. `invocations` are in the order in which they were asked for."""

    id: str
    blueprint: str
    state: str
    fields: Values
    ghosts: Values = field(default_factory=dict)
    visit: int = 1
    version: int = 1
    invocations: tuple[Invocation, ...] = ()
    invoked: int = 0

    @property
    def active(self) -> Invocation | None:
        """The invocation that is started, or stopping: at most one at any time."""
        for invocation in self.invocations:
            if invocation.phase in ("started", "stopping"):
                return invocation
        return None

    @property
    def head(self) -> Invocation | None:
        """The waiting invocation whose turn is next, unless another one holds it back."""
        if self.active is not None:
            return None
        for invocation in self.invocations:
            if invocation.phase == "waiting":
                return invocation
        return None


class World(Protocol):
    """What a step may look up. `holder` names an entity, not among `besides`, that holds a claim of a
    unique: as far as this world knows, for whoever commits the step may know better.
    """

    @property
    def ghosts(self) -> Values: ...

    def get(self, entity: str) -> Entity | None: ...

    def population(self, blueprint: str) -> tuple[str, ...]: ...

    def holder(
        self, blueprint: str, unique: Unique, claim: tuple[Value, ...], besides: Collection[str]
    ) -> str | None: ...


def claim_of(unique: Unique, entity: Entity) -> tuple[Value, ...] | None:
    """What the entity holds of a unique: None while it is in other states or anything is unset."""
    if unique.in_states and entity.state not in unique.in_states:
        return None
    values = tuple(entity.fields[f] for f in unique.fields)
    return None if None in values else values


@record
class MemoryWorld:
    """A whole world in memory, by value: `after` gives the world that follows a step."""

    entities: Mapping[str, Entity] = field(default_factory=dict)
    ghosts: Values = field(default_factory=dict)

    def get(self, entity: str) -> Entity | None:
        return self.entities.get(entity)

    def population(self, blueprint: str) -> tuple[str, ...]:
        return tuple(sorted(e.id for e in self.entities.values() if e.blueprint == blueprint))

    def holder(
        self, blueprint: str, unique: Unique, claim: tuple[Value, ...], besides: Collection[str]
    ) -> str | None:
        others = (e for e in self.entities.values() if e.blueprint == blueprint and e.id not in besides)
        return next((e.id for e in others if claim_of(unique, e) == claim), None)

    def __iter__(self) -> Iterator[Entity]:
        return iter(self.entities.values())

    def after(self, written: Mapping[str, Entity], ghosts: Values) -> MemoryWorld:
        """The world in which `written` replaced or joined the entities and `ghosts` are in force."""
        return MemoryWorld({**self.entities, **written}, ghosts)
