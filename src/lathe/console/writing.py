"""Helpers for the markdown views: tables, code spans, rows of API answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lathe.lang.model import Json
from lathe.lang.render.escape import code, one_line, shortened

VALUE_CHARACTERS_LIMIT = 60


def rows(document: Json, name: str = "items") -> list[dict[str, Json]]:
    """The objects of a list in an answer."""
    found = document.get(name) if isinstance(document, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def text(row: Mapping[str, Json], name: str) -> str:
    """A member as text; empty where there is none."""
    found = row.get(name)
    return "" if found is None else str(found)


def value(found: Json) -> str:
    """A value in a code span, shortened."""
    if found is None:
        return "–"
    return code(shortened(one_line(str(found)), VALUE_CHARACTERS_LIMIT))


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A table; its cells are markdown."""
    if not body:
        return ["none"]
    lines = [head, ["---"] * len(head), *body]
    return ["| " + " | ".join(cell.replace("|", "\\|") or " " for cell in line) + " |" for line in lines]
