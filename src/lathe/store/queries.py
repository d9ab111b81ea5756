"""Lists as SQL, for both databases: filters, orders and cursors."""

from __future__ import annotations

from lathe.lang.types import Kind
from lathe.store import sql_filter
from lathe.store.base import Query, SortKey
from lathe.store.dialect import Dialect

_SORTS: dict[SortKey, tuple[str, Kind]] = {
    "id": ("e.id", "text"),
    "created": ("e.created_ms", "int"),
    "changed": ("e.changed_ms", "int"),
    "state": ("e.state", "text"),
}


def find(query: Query, dialect: Dialect, columns: str) -> tuple[str, list[object]]:
    """A select of a page of entities with its parameters. Raises `UsageError` for what SQL cannot say."""
    parameters: list[object] = []

    def parameter(value: object, kind: Kind = "text") -> str:
        parameters.append(value)
        return dialect.parameter(len(parameters), kind)

    conditions = [
        f"e.tenant = {parameter(query.tenant)}",
        f"e.app = {parameter(query.app)}",
        f"e.blueprint = {parameter(query.blueprint)}",
        "e.blueprint <> ''",  # what the indexes for lists are made for
    ]
    if query.states:
        conditions.append(f"e.state in ({', '.join(parameter(s) for s in query.states)})")
    if query.where is not None:
        for column, values in sql_filter.named(query.where):
            conditions.append(f"e.{column} in ({', '.join(parameter(v) for v in values)})")
        conditions.append(sql_filter.lower(query.where, dialect, parameters))
    if query.holder is not None:
        unique, key = query.holder
        app = f"c.tenant = {parameter(query.tenant)} and c.app = {parameter(query.app)}"
        of = f'c."unique" = {parameter(unique)} and c.key = {dialect.blob(parameter(key.hex()))}'
        conditions.append(f"e.id in (select c.entity from claim c where {app} and {of})")
    column, kind = _SORTS[query.sort]
    if query.after is not None:
        value, name = query.after
        word = "<" if query.descending else ">"
        conditions.append(f"({column}, e.id) {word} ({parameter(value, kind)}, {parameter(name)})")
    order = " desc" if query.descending else ""
    said = f"select {columns} from entity e where {' and '.join(conditions)} order by {column}{order}"
    if query.sort != "id":
        said += f", e.id{order}"
    return f"{said} limit {parameter(query.limit, 'int')}", parameters
