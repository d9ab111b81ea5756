"""Every row of a PostgreSQL store, out of it and into an empty one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import groupby

from asyncpg import Connection
from msgspec import Struct
from msgspec.structs import astuple

from lathe.store.dialect import Postgres
from lathe.store.postgres.commit import ENTRY_KINDS
from lathe.store.records import EntityRow, Entry, Version
from lathe.store.rows import bind_entry, bind_version, entry_of, version_of
from lathe.store.tables import ORDERS, ROWS, ArchivedRow, Row, columns, decode_row, encode_row

_ENTITY = columns(EntityRow)
ENTRY = ", ".join(f'j."{name}"' for name in Entry.__struct_fields__[:-1])
"""The columns of an entry but its position, which its batch knows."""
POSITION = "coalesce(b.first + j.ordinal, 0)"


async def dumped(db: Connection) -> AsyncIterator[tuple[str, bytes]]:
    """Every row of every table at the moment of the first one."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        for table, order in ORDERS.items():
            async for record in db.cursor(_select(table, order), prefetch=500):
                yield table, encode_row(_row_of(table, tuple(record)))


def _select(table: str, order: str) -> str:
    if table in ("journal", "archived_journal"):
        return f"""select {ENTRY}, {POSITION} from {table} j left join batch b on b.id = j.batch
            order by b.first nulls last, j.batch, j.ordinal"""
    more = ", archived_ms" if table == "archived_entity" else ""
    named = _ENTITY if more else columns(ROWS[table])
    return f"select {named}{more} from {table} order by {order}"


def _row_of(table: str, row: Row) -> Struct:
    kind = ROWS[table]
    if kind is Entry:
        return entry_of(row)
    if kind is ArchivedRow:
        return ArchivedRow(EntityRow(*row[:14]), row[14])
    return version_of(row) if kind is Version else kind(*row)


async def is_empty(db: Connection) -> bool:
    """Whether no table has a row."""
    for table in ORDERS:
        if await db.fetchval(f"select exists (select 1 from {table})"):
            return False
    return True


async def take_in(db: Connection, page: Sequence[tuple[str, bytes]]) -> None:
    """Add some rows that `dumped` gave. Raises `UsageError` for one that is none."""
    for table, found in groupby(page, key=lambda row: row[0]):
        rows = [decode_row(table, data) for _, data in found]
        entries = [row for row in rows if isinstance(row, Entry)]
        if entries:
            await _take_in_entries(db, table, entries)
            continue
        names, bound = _names(table), [_bound(row) for row in rows]
        marks = ", ".join(f"${n}" for n in range(1, len(bound[0]) + 1))
        await db.executemany(f"insert into {table} ({names}) values ({marks})", bound)


def _names(table: str) -> str:
    match table:
        case "entity":
            return f"{_ENTITY}, fields"
        case "archived_entity":
            return f"{_ENTITY}, archived_ms"
    return columns(ROWS[table])


def _bound(row: Struct) -> Row:
    match row:
        case ArchivedRow():
            return (*astuple(row.row), row.archived_ms)
        case EntityRow():
            return (*astuple(row), Postgres.fields(row.body))
        case Version():
            return bind_version(row)
    return astuple(row)


async def _take_in_entries(db: Connection, table: str, entries: Sequence[Entry]) -> None:
    """Each as a batch of its own, of the number of its position; without one it waits for the sequencer."""
    names = ", ".join(f'"{name}"' for name in Entry.__struct_fields__[:-1])
    marks = ", ".join(f"${n}::{kind}" for n, kind in enumerate(ENTRY_KINDS, 1))
    statement = f"""with b as (
        insert into batch (entries, first) values (1, nullif($22::bigint, 0)) returning id)
        insert into {table} ({names}, batch, ordinal) select {marks}, b.id, 0 from b"""
    await db.executemany(statement, [bind_entry(entry, entry.position) for entry in entries])


async def finish(db: Connection) -> None:
    """After the last row: where the journal's positions go on."""
    await db.execute(
        """update meta set value = (select max(p) from (
            select coalesce(max(first), 0) as p from batch
            union all select max(position) from checkpoint) as found) where name = 'position'"""
    )
