"""Rows as a database holds them: bound values, and the inverse."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import astuple

from lathe.store.base import CorruptError
from lathe.store.records import EntityRow, Entry, Outgoing, Timer, Version
from lathe.store.tables import Row, columns

Bound = tuple[str | int | bytes | None, ...]

ENTITY = columns(EntityRow)
ENTITY_BACK = ", ".join(
    f'cast(e."{name}" as blob)' if name == "body" else f'e."{name}"' for name in EntityRow.__struct_fields__
)
"""Bodies are text, so that SQLite reads them as JSON, and come back as the bytes that they were."""
ENTRY = columns(Entry)
OUTGOING = columns(Outgoing)
TIMER = columns(Timer)

_encode = msgspec.json.Encoder().encode
_names = msgspec.json.Decoder(tuple[str, ...]).decode
_files = msgspec.json.Decoder(dict[str, bytes]).decode
_short: dict[tuple[str, ...], str] = {}


def names_text(names: tuple[str, ...]) -> str:
    """A tuple of names as JSON; the last ones are remembered, for they are few."""
    text = _short.get(names)
    if text is None:
        if len(_short) > 4_096:
            _short.clear()
        text = _short[names] = _encode(names).decode()
    return text


def bind_entity(row: EntityRow) -> Bound:
    """An entity as the columns `ENTITY`."""
    return (
        row.tenant, row.app, row.blueprint, row.id, row.state, row.visit, row.version, row.revision,
        row.digest, row.body.decode(), row.head, row.created_ms, row.changed_ms, row.final_ms,
    )  # fmt: skip


def bind_entry(entry: Entry, position: int) -> Bound:
    """An entry as the columns `ENTRY`, at its position."""
    return (
        entry.tenant, entry.app, entry.blueprint, entry.entity, entry.revision, entry.version, entry.visit,
        entry.state, entry.kind, entry.action, entry.by, names_text(entry.chain), names_text(entry.policies),
        entry.digest, entry.semantics, entry.step, entry.at_ms, entry.payload, entry.payload_hash,
        entry.previous, entry.hash, position,
    )  # fmt: skip


def bind_version(version: Version) -> Bound:
    """A version as the columns of `columns(Version)`."""
    tenant, app, digest, files, *rest = astuple(version)
    return (tenant, app, digest, _encode(files).decode(), *rest)


def entities(found: Iterable[Row]) -> list[EntityRow]:
    """Entities from the columns `ENTITY_BACK`."""
    return [EntityRow(*row) for row in found]


def entry_of(row: Row) -> Entry:
    """An entry from the columns `ENTRY`. Raises `CorruptError`."""
    values = list(row)
    try:
        values[11], values[12] = _names(values[11]), _names(values[12])
    except msgspec.DecodeError as error:
        raise CorruptError(f"revision {values[4]} of `{values[3]}` cannot be read") from error
    return Entry(*values)


def entries(found: Iterable[Row]) -> list[Entry]:
    """Entries from the columns `ENTRY`."""
    return [entry_of(row) for row in found]


def version_of(row: Row) -> Version:
    """A version from the columns of `columns(Version)`. Raises `CorruptError`."""
    values = list(row)
    try:
        values[3] = _files(values[3])
    except msgspec.DecodeError as error:
        raise CorruptError(f"the files of `{values[1]}` {values[2]} cannot be read") from error
    return Version(*values)
