"""Which rows a query asks for, where no database looks for them."""

from __future__ import annotations

from lathe.store import where
from lathe.store.base import JournalQuery, Query
from lathe.store.records import EntityRow, Entry


def fits(row: EntityRow, query: Query) -> bool:
    """Whether an entity is one of those that are asked for."""
    return (
        (row.tenant, row.app, row.blueprint) == (query.tenant, query.app, query.blueprint)
        and (not query.states or row.state in query.states)
        and (query.where is None or where.holds(query.where, row))
    )


def is_asked(entry: Entry, query: JournalQuery) -> bool:
    """Whether an entry is one of those that are asked for, wherever it stands."""
    return (
        query.tenant in (None, entry.tenant)
        and query.app in (None, entry.app)
        and query.blueprint in (None, entry.blueprint)
        and query.entity in (None, entry.entity)
    )
