"""Statements over many rows: one call of SQLite for a whole group, not one for each row.

Every call lets go of the interpreter and has to get it back from an event loop that is busy, which costs far
more than the row itself. A statement is written out for a few sizes, and any number of rows is taken as a sum
of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain, islice

import apsw

from lathe.store.tables import Row

SIZES = (64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement, the largest first. Each is prepared once and kept (`sqlite_file.STATEMENTS`)."""


class RowStatement:
    """A statement with `{rows}` where the values of its rows stand, `width` in each."""

    __slots__ = ("_said",)

    def __init__(self, said: str, width: int) -> None:
        row = f"({', '.join('?' * width)})"
        self._said = tuple((size, said.format(rows=", ".join([row] * size))) for size in SIZES)

    def run(
        self, connection: apsw.Connection, rows: Collection[Sequence[object]], *last: object
    ) -> list[Row]:
        """Run it for all rows, in order; `last` are bound behind them. What it finds, of all calls."""
        left, waiting = len(rows), iter(rows)
        found: list[Row] = []
        for size, said in self._said:
            while left >= size:
                left -= size
                bound = tuple(chain.from_iterable(islice(waiting, size)))
                found += connection.execute(said, bound + last)
        return found
