"""Selects from the journal the entries of an entity's run: its own steps and those of all entities involved.

An entity is involved if it was written in the same step, or if an involved entity refers to it. Each comes
with its whole journal, because a replay starts from its creation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from lathe.errors import LatheError
from lathe.lang.types import Type
from lathe.machine.table import Table
from lathe.runtime.catalog import Catalog, Live
from lathe.runtime.conformance import steps_of
from lathe.store.base import PAGE_LIMIT, JournalQuery, Store
from lathe.store.records import Entry

ENTITIES_LIMIT = 200
"""Entities in one trace."""
ENTRIES_LIMIT = 4_000
"""Journal entries in one trace."""
PLACED_TRIES = 40
PLACED_SECONDS = 0.05
"""Retries and interval while waiting for an entry's position."""

Allowed = Callable[[str], Awaitable[bool]]
"""Whether the caller may read an entity."""


class UntraceableError(LatheError):
    """The history cannot be exported as a trace; the message says why, and what can be done."""


class ForbiddenError(UntraceableError):
    """The caller may not read all of it."""


async def gather(
    store: Store, catalog: Catalog, live: Live, entity: str, allowed: Allowed
) -> list[list[Entry]]:
    """The steps of an entity and of all involved entities, oldest first, each with all its entries.

    Raises UntraceableError if they are too many, or not all there any more.
    """
    gathering = _Gathering(store, catalog, live, allowed)
    return await gathering.of(entity)


class _Gathering:
    """A collection in progress: the entities found, and those yet to be read."""

    def __init__(self, store: Store, catalog: Catalog, live: Live, allowed: Allowed) -> None:
        self._store = store
        self._catalog = catalog
        self._live = live
        self._allowed = allowed
        self._waiting: list[str] = []
        self._known: set[str] = set()
        self._joint: set[str] = set()
        self._entries: dict[tuple[str, int], Entry] = {}
        self._page: list[Entry] = []

    async def of(self, entity: str) -> list[list[Entry]]:
        """See `gather`."""
        self._meets(entity, is_joint=True)
        while self._waiting:
            await self._look_at(self._waiting.pop(0))
        return list(steps_of(sorted(self._entries.values(), key=lambda entry: entry.position)))

    def _meets(self, entity: str, *, is_joint: bool) -> None:
        """Add an involved entity: one written in the same step, or referred to."""
        if is_joint:
            self._joint.add(entity)
        if entity in self._known:
            return
        self._known.add(entity)
        self._waiting.append(entity)
        if len(self._known) > ENTITIES_LIMIT:
            raise UntraceableError(f"more than {ENTITIES_LIMIT} entities had a part in it")

    async def _look_at(self, entity: str) -> None:
        found = await self._history(entity)
        if not found:
            if entity in self._joint:
                raise UntraceableError("an entity that had a part in it is archived, and its journal with it")
            return  # whom a field names need not be there
        if not await self._allowed(entity):
            raise ForbiddenError("an entity that had a part in it may not be read by this caller")
        for entry in found:
            if entry.payload is None:
                raise UntraceableError(f"what {entry.entity} did at revision {entry.revision} was erased")
            self._entries[entry.entity, entry.revision] = entry
            if len(self._entries) > ENTRIES_LIMIT:
                raise UntraceableError(f"it is made of more than {ENTRIES_LIMIT} journal entries")
            first = entry.step.rpartition(".")[0]
            self._meets(first, is_joint=True)
            if first == entity and entry.kind != "migrate":
                for other in await self._with(entry):
                    self._meets(other, is_joint=True)
            table = await self._catalog.table(entry.tenant, entry.app, entry.digest)
            for other in _named(table, entry):
                self._meets(other, is_joint=False)

    async def _history(self, entity: str) -> list[Entry]:
        """All entries of an entity, each with its position."""
        found: list[Entry] = []
        tries = 0
        while True:
            after = found[-1].revision if found else 0
            page = await self._store.history(self._live.tenant, self._live.app.name, entity, after=after)
            placed = [entry for entry in page if entry.position]
            found += placed
            if len(placed) == len(page):
                if len(page) < PAGE_LIMIT or len(found) > ENTRIES_LIMIT:
                    return found
                continue
            tries += 1
            if tries > PLACED_TRIES:
                raise UntraceableError("what has just happened has no place in the journal yet: try again")
            await self._store.position()
            await asyncio.sleep(PLACED_SECONDS)

    async def _with(self, first: Entry) -> list[str]:
        """The entities written in the step that an entry is the first of."""
        found: list[str] = []
        position = first.position
        while True:
            if not self._page or not self._page[0].position <= position + 1 <= self._page[-1].position:
                query = JournalQuery(self._live.tenant, after=position, app=self._live.app.name)
                self._page = await self._store.entries(query)
            rest = [entry for entry in self._page if entry.position > position]
            for entry in rest:
                if entry.step != first.step:
                    return found
                found.append(entry.entity)
                position = entry.position
            if len(self._page) < PAGE_LIMIT:
                return found


def _named(table: Table, entry: Entry) -> Iterator[str]:
    """The entities that an entry refers to, in fields and arguments."""
    assert entry.payload is not None, "it was not erased"
    rules = table.blueprints.get(entry.blueprint)
    if rules is None:
        return
    payload = msgspec.json.decode(entry.payload)
    fields = rules.blueprint.fields
    for name, (_, after) in payload["changes"].items():
        if name in fields:
            yield from _refs(fields[name].type, after)
    rule = rules.rules.get(entry.action or "")
    for name, value in payload.get("args", {}).items():
        if rule is not None and name in rule.action.arguments:
            yield from _refs(rule.action.arguments[name].type, value)


def _refs(kind: Type, value: object) -> Iterator[str]:
    if kind.blueprint is not None and isinstance(value, str):
        yield value
    if kind.element is not None and kind.element.blueprint is not None and isinstance(value, list):
        yield from (member for member in value if isinstance(member, str))
