"""Queries on rows in memory: filters, journal queries, and which entities are referred to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from lathe.store import sql_filter
from lathe.store.base import JournalQuery, Query, Referring
from lathe.store.records import EntityRow, Entry

K = TypeVar("K", int, tuple[str, ...], tuple[str, str, str])


def fits(row: EntityRow, query: Query) -> bool:
    """Whether an entity matches the query."""
    return (
        (row.tenant, row.app, row.blueprint) == (query.tenant, query.app, query.blueprint)
        and (not query.states or row.state in query.states)
        and (query.where is None or sql_filter.holds(query.where, row))
    )


def is_asked(entry: Entry, query: JournalQuery) -> bool:
    """Whether an entry matches the query, apart from its position."""
    return (
        query.tenant in (None, entry.tenant)
        and query.app in (None, entry.app)
        and query.blueprint in (None, entry.blueprint)
        and query.entity in (None, entry.entity)
    )


def final_since(
    rows: Sequence[EntityRow], blueprint: str, before_ms: int, referring: Sequence[Referring]
) -> list[EntityRow]:
    """The entities of a blueprint that were final before then and that no other entity refers to."""
    kept = _referred(rows, referring)
    old = [
        (row.final_ms, row.id, row)
        for row in rows
        if row.blueprint == blueprint and row.final_ms is not None and row.final_ms < before_ms
    ]
    return [row for _, name, row in sorted(old, key=lambda one: one[:2]) if name not in kept]


def _referred(rows: Sequence[EntityRow], referring: Sequence[Referring]) -> set[str]:
    """The ids that some entities refer to, apart from themselves."""
    asked = {one.blueprint: one for one in referring}
    found: set[str] = set()
    for row in rows if asked else ():
        one = asked.get(row.blueprint)
        if one is not None:
            fields = msgspec.json.decode(row.body)["fields"]
            names = {fields.get(name) for name in one.fields}
            names.update(*(fields.get(name) or () for name in one.sets))
            found |= names - {row.id, None}
    return found


def referring_rows(referring: Sequence[Referring], shapes: tuple[str, str], written: str) -> str:
    """A statement that finds referenced ids: `shapes` query a field and a set, of the rows in `written`."""
    return " union all ".join(
        shape.format(name=name, written=written.format(blueprint=one.blueprint))
        for one in referring
        for shape, names in zip(shapes, (one.fields, one.sets), strict=True)
        for name in names
    )


def by_key(rows: Mapping[K, object]) -> list[object]:
    """The rows in the order of their keys."""
    return [rows[key] for key in sorted(rows)]
