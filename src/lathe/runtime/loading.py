"""Loads rows into the cache: those that a decision needs, and those that other processes have changed.

Reads of one turn of the event loop are sent as one query, because a round trip costs more than the rows. A
row that another process has changed is dropped from the cache at once, and loaded again in the background if
it was used since it was loaded, so that the next decision finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack

from lathe.runtime.backoff import Backoff
from lathe.runtime.cache import Cache, Key
from lathe.runtime.plan import Held
from lathe.runtime.snapshot import entity_of
from lathe.store.base import Store, StoreError, Written
from lathe.store.records import EntityRow

ROWS_LIMIT = 512
"""Rows that one query reloads after other processes' commits."""


def held_of(row: EntityRow) -> Held:
    """A row, decoded."""
    return Held(entity_of(row), row.revision, row.head, row.created_ms, row.changed_ms, row.final_ms)


class _Asking:
    """A query that is about to be sent; more reads may join it until then."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.rows: asyncio.Future[dict[str, EntityRow] | None] = asyncio.get_running_loop().create_future()
        """None: the task that was to send it was cancelled."""


class Loading:
    """Loads entities into a process's cache. `run`, in its own task, follows other processes' commits."""

    def __init__(self, store: Store, cache: Cache) -> None:
        self._store = store
        self._cache = cache
        self._asking: dict[tuple[str, str], _Asking] = {}
        self._changed: dict[Key, None] = {}
        self._has_changed = asyncio.Event()

    async def load(self, tenant: str, app: str, entity: str) -> Held | None:
        """Load a committed entity into the cache; None if there is none. Raises `StoreError`."""
        with self._cache.reading((tenant, app, entity)) as learn:
            row = await self._row(tenant, app, entity)
            held = held_of(row) if row is not None else None
            learn(held)
        return held

    async def _row(self, tenant: str, app: str, entity: str) -> EntityRow | None:
        if not self._store.is_shared:  # it is in this process: there is no way to save
            return (await self._store.load(tenant, app, [entity])).get(entity)
        while True:
            asking = self._asking.get((tenant, app))
            if asking is None:
                return (await self._asked(tenant, app, entity)).get(entity)
            asking.names.add(entity)
            rows = await asyncio.shield(asking.rows)
            if rows is not None:
                return rows.get(entity)

    async def _asked(self, tenant: str, app: str, entity: str) -> dict[str, EntityRow]:
        """Load an entity, together with all others requested in this turn."""
        asking = self._asking[tenant, app] = _Asking()
        asking.names.add(entity)
        try:
            try:
                await asyncio.sleep(0)
            finally:
                del self._asking[tenant, app]
            rows = await self._store.load(tenant, app, sorted(asking.names))
        except Exception as error:
            asking.rows.set_exception(error)
            asking.rows.exception()  # it is raised here, whether anybody joined in or not
            raise
        except BaseException:
            asking.rows.set_result(None)
            raise
        asking.rows.set_result(rows)
        return rows

    def hear(self, written: Sequence[Written]) -> None:
        """Another process has committed these: evict them."""
        for tenant, app, entity, revision in written:
            key = (tenant, app, entity)
            if self._cache.outdate(key, revision):
                self._changed[key] = None
        if self._changed:
            self._has_changed.set()

    async def run(self) -> None:
        """Reload evicted entities that were in use, until cancelled."""
        backoff = Backoff()
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            changed, self._changed = list(self._changed), {}
            try:
                for first in range(0, len(changed), ROWS_LIMIT):
                    await self._refresh(changed[first : first + ROWS_LIMIT])
                backoff.reset()
            except StoreError:  # it is forgotten: whoever needs it asks
                await asyncio.sleep(backoff.next())

    async def _refresh(self, keys: Sequence[Key]) -> None:
        names: dict[tuple[str, str], list[str]] = {}
        for tenant, app, entity in keys:
            names.setdefault((tenant, app), []).append(entity)
        for (tenant, app), wanted in names.items():
            with ExitStack() as readings:
                learns = [readings.enter_context(self._cache.reading((tenant, app, one))) for one in wanted]
                rows = await self._store.load(tenant, app, wanted)
                for name, learn in zip(wanted, learns, strict=True):
                    if name in rows:
                        learn(held_of(rows[name]), is_used=False)
