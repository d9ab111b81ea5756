"""Every row of a SQLite store, out of it and into an empty one."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
from msgspec import Struct
from msgspec.structs import astuple

from lathe.store.records import EntityRow, Entry, Version
from lathe.store.rows import (
    ENTITY,
    ENTITY_BACK,
    bind_entity,
    bind_entry,
    bind_version,
    entities,
    entries,
    version_of,
)
from lathe.store.tables import ORDERS, ROWS, ArchivedRow, Row, columns, decode_row, encode_row


def dumped(connection: apsw.Connection) -> Iterator[tuple[str, bytes]]:
    """Every row of every table at the moment of the first one."""
    connection.execute("begin")
    for table, order in ORDERS.items():
        for row in _rows(connection, table, order):
            yield table, encode_row(row)
    connection.execute("rollback")


def _rows(connection: apsw.Connection, table: str, order: str) -> Iterator[Struct]:
    if table in ("entity", "archived_entity"):
        more = ", archived_ms" if table == "archived_entity" else ""
        for row in connection.execute(f"select {ENTITY_BACK}{more} from {table} e order by {order}"):
            (entity,) = entities([row[:14]])
            yield entity if not more else ArchivedRow(entity, row[14])
        return
    kind = ROWS[table]
    for row in connection.execute(f"select {columns(kind)} from {table} order by {order}"):
        if kind is Entry:
            yield entries([row])[0]
        else:
            yield version_of(row) if kind is Version else kind(*row)


def is_empty(connection: apsw.Connection) -> bool:
    """Whether no table has a row."""
    return not any(connection.execute(f"select exists (select 1 from {table})").get for table in ORDERS)


def take_in(connection: apsw.Connection, table: str, data: bytes) -> None:
    """Add one row that `dumped` gave. Raises `UsageError` for one that is none."""
    row = decode_row(table, data)
    names, values = _bound(row)
    marks = ", ".join("?" * len(values))
    connection.execute(f"insert into {table} ({names}) values ({marks})", values)


def _bound(row: Struct) -> tuple[str, Row]:
    match row:
        case ArchivedRow():
            return f"{ENTITY}, archived_ms", (*bind_entity(row.row), row.archived_ms)
        case EntityRow():
            return ENTITY, tuple(bind_entity(row))
        case Entry():
            return columns(Entry), tuple(bind_entry(row, row.position))
        case Version():
            return columns(Version), tuple(bind_version(row))
    return columns(type(row)), astuple(row)
