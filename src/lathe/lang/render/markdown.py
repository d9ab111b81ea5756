"""Markdown tables whose columns are also aligned for whoever reads the text."""

from __future__ import annotations

from collections.abc import Sequence

from lathe.lang.render.escape import cell, columns


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; the cells are finished Markdown."""
    cells = [[cell(c) for c in row] for row in (header, *rows)]
    widths = [max(3, *(columns(row[i]) for row in cells)) for i in range(len(header))]
    lines = [_line(row, widths) for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return lines


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text + " " * (width - columns(text)) for text, width in zip(row, widths, strict=True))
    return f"| {' | '.join(padded)} |"
