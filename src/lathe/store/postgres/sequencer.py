"""Journal positions on PostgreSQL: assigned after the commit by one process at a time, so readers never skip
a gap.

A group's entries stand together in a batch, numbered when it was written; a batch that another one builds on
has a lower number. Whoever holds the lock gives positions to all batches that are visible and have none yet,
in that order, and tells everybody with one notification.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from asyncpg import Connection

from lathe.store.base import StoreError, Written
from lathe.store.postgres.connection import CLASHES, Link

INTERVAL_SECONDS = 0.01
"""Between two turns, while groups are being committed."""
POLL_SECONDS = 1.0
"""A notification can be lost, and so can a process that should have given positions."""

GOVERNED = "governed"
"""What a notification says if what governs has changed; one of the sequencer says what was written, in pages,
or nothing.
"""
TOLD_LIMIT = 2_000
"""Entries of one turn; of more than these it is not said what they wrote."""
PAGE = 64
PAGE_BYTES = 8_000
"""Entities that one notification tells, and the length from which on PostgreSQL takes none."""

_written = msgspec.json.Decoder(list[Written]).decode

_PREPARE = """prepare give_positions as
with waiting as materialized (
    select id, entries, sum(entries) over (order by id) - entries as before from batch where first is null),
moved as (
    update meta set value = value + total.entries
    from (select coalesce(sum(entries), 0) as entries from waiting) as total
    where name = 'position' and total.entries > 0 returning value - total.entries as last),
written as (
    update batch b set first = moved.last + 1 + waiting.before from waiting, moved
    where b.id = waiting.id returning 1),
told as (
    select j.tenant, j.app, j.entity, max(j.revision) as revision, row_number() over () / {page} as page
    from waiting join journal j on j.batch = waiting.id
    where (select sum(entries) from waiting) <= {limit} group by j.tenant, j.app, j.entity),
pages as (
    select json_agg(json_build_array(tenant, app, entity, revision))::text as said from told group by page)
select pg_notify('{schema}', said) from pages where octet_length(said) < {bytes}
union all select pg_notify('{schema}', '') from moved"""
_SEQUENCE = "select pg_advisory_xact_lock(hashtextextended('{schema}', 16)); execute give_positions"
"""Two statements of one transaction, in one message: the second sees what was committed before the lock."""


class Sequencer:
    """A task of one process; `listeners` are called after every change that it hears of, `governed` when
    what governs has changed, `written` with what was.
    """

    def __init__(self, link: Link, schema: str) -> None:
        self._link = link
        self._schema = schema
        self._prepare = _PREPARE.format(schema=schema, page=PAGE, limit=TOLD_LIMIT, bytes=PAGE_BYTES)
        self._statement = _SEQUENCE.format(schema=schema)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._heard: Connection | None = None
        self._prepared: Connection | None = None
        self._position = -1
        self.listeners: list[Callable[[], None]] = []
        self.governed: list[Callable[[], None]] = []
        self.written: list[Callable[[Sequence[Written]], None]] = []

    async def start(self) -> None:
        """Begin; the first turn is over when this returns."""
        self._wake = asyncio.Event()
        await self.run_once()
        self._task = asyncio.create_task(self._run(), name="lathe-sequencer")

    async def stop(self) -> None:
        """Give no more positions."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._link.close()
        self._heard = self._prepared = None
        self.listeners.clear()
        self.governed.clear()
        self.written.clear()

    def wake(self) -> None:
        """Called when this process has committed."""
        self._wake.set()
        self._tell()

    def _tell(self) -> None:
        loop = asyncio.get_running_loop()
        for listener in self.listeners:
            loop.call_soon(listener)

    async def run_once(self) -> None:
        """Give positions to what is committed."""
        async with self._link.use() as db:
            if self._prepared is not db:
                await db.execute(self._prepare)
                self._prepared = db
            if self._heard is not db:
                await db.add_listener(self._schema, self._hear)
                self._heard = db
            await db.execute(self._statement)
            position = await db.fetchval("select value from meta where name = 'position'")
        if position != self._position:
            self._position = position
            self._tell()

    def _hear(self, *notification: object) -> None:
        if notification[-1] == GOVERNED:
            for listener in self.governed:
                asyncio.get_running_loop().call_soon(listener)
        elif notification[-1]:
            written = _written(str(notification[-1]))
            for told in self.written:
                told(written)
        else:
            self._tell()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                self._position = -1 if self._heard is None else self._position
            self._wake.clear()
            try:
                await self.run_once()
            except (StoreError, *CLASHES):
                self._heard = None
                await asyncio.sleep(POLL_SECONDS)
            await asyncio.sleep(INTERVAL_SECONDS)
