"""Re-executes the journal: every step, by the version that it names, must have the recorded result.

It is how `lathe store verify` finds the exact row at which runtime and blueprint part, and what a simulation
asks after every run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec

from lathe.errors import InternalError
from lathe.frozen import frozen
from lathe.lang.model import App
from lathe.machine.event import (
    Act,
    Caller,
    CallerKind,
    Create,
    Delivers,
    Ends,
    Event,
    Executes,
    Notifies,
    Starts,
    Stops,
    TimerFires,
)
from lathe.machine.outcome import Refusal
from lathe.machine.snapshot import Entity, MemoryWorld, Value, Values
from lathe.machine.step import Permit, admitted, step
from lathe.machine.table import Table
from lathe.runtime.allowance import NAME as DECISION, replaying
from lathe.runtime.plan import changes_of
from lathe.runtime.snapshot import encode_json, entity_of, value_of_journal
from lathe.store.journal import payload_hash
from lathe.store.records import EntityRow, Entry


@frozen
class Parting:
    """A difference between runtime and blueprint: an entry (position 0: the entity's row), the field if there
    is one, and the machine's value.
    """

    app: str
    entity: str
    revision: int
    position: int
    why: str
    field: str = ""


class _ErasedError(Exception):
    """A step reads an entity of which something was erased."""


class _Known:
    """A world that raises for entities whose state is unknown."""

    def __init__(self, world: MemoryWorld, erased: Collection[str]) -> None:
        self.ghosts = world.ghosts
        self.population = world.population
        self.holder = world.holder
        self._entities = world.entities
        self._erased = erased

    def get(self, entity: str) -> Entity | None:
        if entity in self._erased:
            raise _ErasedError(entity)
        return self._entities.get(entity)


class Replayer:
    """Re-executes the steps of one app, in the order of their commits."""

    def __init__(self, tables: Mapping[str, Table], permit_of: Callable[[App], Permit] | None = None) -> None:
        self._tables = tables
        self._permits = {
            digest: admitted if permit_of is None else permit_of(table.app)
            for digest, table in tables.items()
        }
        self.entities: dict[str, Entity] = {}
        self.unsure: set[str] = set()
        """Entities with a step that could not be re-executed: their state is unknown."""
        self.heads: dict[str, tuple[int, str]] = {}
        """For each entity, the last re-executed revision, and its version."""
        self.erased: set[str] = set()
        """Entities of which something was erased, and those that took part in steps with them."""
        self.left_out = 0
        """The number of steps that were skipped because of erasure."""
        self._came_over: set[str] = set()

    def take(self, entries: list[Entry]) -> Iterator[Parting]:
        """Re-execute one step: its entries, the one with the event first."""
        partings = list(self._take(entries))
        if partings:
            self.unsure.update(entry.entity for entry in entries)
        yield from partings

    def _take(self, entries: list[Entry]) -> Iterator[Parting]:
        first = entries[0]
        for entry in entries:
            self.heads[entry.entity] = entry.revision, entry.digest
        names = {entry.entity for entry in entries}
        if any(e.payload is None for e in entries) or not self.erased.isdisjoint(names):
            self._leave_out(names)
            return
        if any(payload_hash(e.payload or b"") != e.payload_hash for e in entries):
            yield _parting(first, "its payload is not what was written, so that it cannot be taken again")
            return
        table = self._tables.get(first.digest)
        if table is None:
            yield _parting(first, f"there is no version {first.digest}")
            return
        if first.kind == "migrate":
            self._brought_over(table, entries)
            return
        world = _Known(MemoryWorld(self.entities, table.ghosts), self.erased)
        permit = self._permits[first.digest]
        if any(name.startswith(DECISION) for name in first.policies):
            permit = replaying(permit, first.entity, first.action)
        try:
            found = step(table, world, event_of(first), permit=permit)
        except _ErasedError:
            self._leave_out(names)
            return
        if isinstance(found, Refusal):
            yield _parting(first, f"the machine refuses it: {found}")
            return
        if {e.entity for e in entries} != set(found.written):
            yield _parting(first, f"the machine writes {', '.join(sorted(found.written))}")
        for entry in entries:
            now = found.written.get(entry.entity)
            if now is not None:
                yield from compared(table, entry, self.entities.get(entry.entity), now)
        self.entities.update(found.written)

    def _leave_out(self, names: set[str]) -> None:
        """Skip a step that depends on erased data: its entities' state is unknown from here on."""
        self.left_out += 1
        self.erased |= names
        self.unsure |= names

    def fits(self, row: EntityRow) -> Iterator[Parting]:
        """Every field in which the row of an entity is not what its steps come to, as far as they could be
        taken; nothing is said of one that has moved on. Raises `CorruptError`.

        Ghosts are not looked at where a version took over, or where the app has some: no process keeps those.
        """
        now, head = self.entities.get(row.id), self.heads.get(row.id)
        if row.id in self.unsure or now is None or head is None or head[0] != row.revision:
            return
        table = self._tables.get(head[1])
        if table is None:
            return
        found = entity_of(row)
        said: list[tuple[str, object, object]] = [
            ("state", found.state, now.state),
            ("visit", found.visit, now.visit),
            ("version", found.version, now.version),
            *_differing(table, found.blueprint, found.fields, now.fields),
            ("invocations", _in_flight(found), _in_flight(now)),
        ]
        if not table.app.ghosts and row.id not in self._came_over:
            said += _differing(table, found.blueprint, found.ghosts, now.ghosts)
        for name, was, does in said:
            if was != does:
                why = f"the row has {_shown(was)} for `{name}`, its steps come to {_shown(does)}"
                yield Parting(row.app, row.id, row.revision, 0, why, name)

    def _brought_over(self, table: Table, entries: list[Entry]) -> None:
        """Accept what a swap wrote: `machine.migrate` was checked before the swap."""
        for entry in entries:
            self._came_over.add(entry.entity)
            before = self.entities[entry.entity]
            fields = dict(table.blueprints[entry.blueprint].fields)
            fields.update({n: v for n, v in before.fields.items() if n in fields})
            for name, (_, after) in payload_of(entry)["changes"].items():
                if name in fields:
                    fields[name] = value_of_journal(after)
            self.entities[entry.entity] = Entity(
                entry.entity, entry.blueprint, entry.state, fields, before.ghosts, entry.visit, entry.version,
                before.invocations, before.invoked,
            )  # fmt: skip


def compared(table: Table, entry: Entry, before: Entity | None, now: Entity) -> Iterator[Parting]:
    """Every field in which an entry differs from the machine's result."""
    for name, said, does in (
        ("state", entry.state, now.state),
        ("visit", entry.visit, now.visit),
        ("version", entry.version, now.version),
    ):
        if said != does:
            yield _parting(entry, f"it says `{name}` is {_shown(said)}, the machine {_shown(does)}", name)
    wrote = payload_of(entry)["changes"]
    makes = msgspec.json.decode(encode_json(changes_of(before, now)))
    for name in sorted({*wrote, *makes}):
        if wrote.get(name) != makes.get(name):
            said, does = (
                _went(table, entry.blueprint, name, pair) for pair in (wrote.get(name), makes.get(name))
            )
            yield _parting(entry, f"it says `{name}` {said}, the machine that it {does}", name)


def _went(table: Table, blueprint: str, name: str, pair: list[Any] | None) -> str:
    if pair is None:
        return "stays as it is"
    if _is_secret(table, blueprint, name):
        return "changes, and it is secret"
    return f"goes from {_shown(pair[0])} to {_shown(pair[1])}"


def _is_secret(table: Table, blueprint: str, name: str) -> bool:
    rules = table.blueprints.get(blueprint)
    return rules is None or (name in rules.blueprint.fields and rules.blueprint.fields[name].secret)


def _shown(value: object) -> str:
    return "nothing" if value is None else f"`{value}`"


def _differing(
    table: Table, blueprint: str, found: Values, now: Values
) -> Iterator[tuple[str, object, object]]:
    """The differences of two mappings; for a secret only that there is one."""
    for name in sorted({*found, *now}):
        was, does = found.get(name), now.get(name)
        if was != does and _is_secret(table, blueprint, name):
            yield name, "one secret", "another"
        else:
            yield name, _plain(was), _plain(does)


def _plain(value: Value) -> object:
    return sorted(value, key=str) if isinstance(value, frozenset) else value


def _in_flight(entity: Entity) -> list[str]:
    return [f"{one.number} {one.effect} {one.phase}" for one in entity.invocations]


def steps_of(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Groups entries, in order of position, by step."""
    group: list[Entry] = []
    for entry in entries:
        if group and entry.step != group[0].step:
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def event_of(entry: Entry, payload: Mapping[str, Any] | None = None) -> Event:
    """The event that an entry records; `payload` is the entry's, if it was decoded already."""
    payload = payload_of(entry) if payload is None else payload
    told = payload.get("event", {})
    args = {name: value_of_journal(value) for name, value in payload.get("args", {}).items()}
    now, entity = entry.at_ms, entry.entity
    match entry.kind:
        case "create":
            return Create(entry.blueprint, entity, args, _caller(entry, told), now)
        case "act":
            assert entry.action is not None, "an action was taken"
            return Act(entity, entry.action, args, _caller(entry, told), now, told.get("visit"))
        case "timer":
            return TimerFires(entity, told["timer"] or None, now)
        case "start":
            return Starts(entity, now)
        case "execute":
            return Executes(entity, now)
        case "stop":
            return Stops(entity, now)
        case "end":
            results = {name: value_of_journal(value) for name, value in told.get("results", {}).items()}
            if told["ok"]:
                return Ends(entity, True, now, results)
            return Ends(entity, False, now, {}, told["cause"], told["message"])
        case "deliver":
            return Delivers(entity, now, tuple(told["new_ids"]))
        case "notify":
            number = told.get("number")
            return Notifies(entity, told["effect"], now, tuple(told.get("new_ids", ())), number=number)
    raise InternalError(f"no event is called `{entry.kind}`")


def told_of(caller: Caller) -> dict[str, Any]:
    """What an entry must record of a caller besides its name, for the step to be re-executed."""
    return {"roles": sorted(caller.roles), "actor": caller.actor}


def _caller(entry: Entry, told: Mapping[str, Any]) -> Caller:
    kind, _, name = entry.by.partition(":")
    if kind == "role":
        return Caller("role", None, frozenset(told.get("roles", ())), told.get("actor"))
    return Caller(cast(CallerKind, kind), name or None, actor=told.get("actor"))


def payload_of(entry: Entry) -> dict[str, Any]:
    """The payload of an entry that was not erased."""
    assert entry.payload is not None, "it was not erased"
    found: dict[str, Any] = msgspec.json.decode(entry.payload)
    return found


def _parting(entry: Entry, why: str, name: str = "") -> Parting:
    return Parting(entry.app, entry.entity, entry.revision, entry.position, why, name)
