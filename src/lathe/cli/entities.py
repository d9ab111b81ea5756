"""Entities, lists and journals of a runtime, as people read them on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import cast

from lathe.cli import output
from lathe.lang.model import Json

Row = Mapping[str, Json]


def rows_of(document: Json) -> list[Row]:
    """The items of a page."""
    items = document.get("items") if isinstance(document, dict) else None
    return cast(list[Row], items or [])


def json_text(document: Json) -> str:
    """JSON for a reader."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def entity_text(document: Json) -> str:
    """One entity: its state first, then what it holds."""
    assert isinstance(document, dict), "an entity is an object"
    fields = cast(Row, document["fields"])
    lines = [
        f"{document['id']}  {document['state']}",
        f"  version {document['version']}, visit {document['visit']}, since {document['at']}",
    ]
    width = max((len(name) for name in fields), default=0)
    lines += [f"  {name:{width}}  {value_text(value)}" for name, value in fields.items()]
    return output.clean("\n".join(lines))


def value_text(value: Json) -> str:
    """A value in a line."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def list_text(document: Json) -> str:
    """A page as a table."""
    rows = rows_of(document)
    if not rows:
        return "none"
    names = list(dict.fromkeys(name for row in rows for name in cast(Row, row["fields"])))
    head = ["id", "state", "version", *names]
    body = [
        [str(row["id"]), str(row["state"]), str(row["version"])]
        + [value_text(cast(Row, row["fields"]).get(name))[:40] for name in names]
        for row in rows
    ]
    cursor = document.get("next") if isinstance(document, dict) else None
    more = f"\nthere are more: `--cursor {cursor}`" if cursor is not None else ""
    return output.clean(table([head, *body]) + more)


def journal_text(rows: Iterable[Row]) -> str:
    """The journal of one entity, an entry a line."""
    return output.clean("\n".join(_event_text(row, "") for row in rows) or "none")


def event_text(row: Row) -> str:
    """One event: when, to whom, what, by whom and for whom in the end, what changed."""
    return _event_text(row, f"{row['entity']}  ")


def _event_text(row: Row, whom: str) -> str:
    what = row["action"] or f"({row['kind']})"
    detail = [f"{row[name]}" for name in ("effect", "cause") if row.get(name)]
    detail += [f"({row['why']})"] if row.get("why") else []
    changes = cast(Mapping[str, list[Json]], row["changes"])
    changed = [
        f"{name} {value_text(before)} → {value_text(after)}" for name, (before, after) in changes.items()
    ]
    by = " for ".join(cast(list[str], row.get("chain") or [row.get("actor") or row["by"]]))
    policies = cast(list[str], row.get("policies") or [])
    allowed = f"  ({', '.join(policies)})" if policies else ""
    said = f"{row['time']}  {whom}{what}" + (f" [{' '.join(detail)}]" if detail else "")
    return f"{said}  by {by}{allowed}" + (f"  {', '.join(changed)}" if changed else "")


def table(rows: list[list[str]]) -> str:
    """Columns of equal width."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )
