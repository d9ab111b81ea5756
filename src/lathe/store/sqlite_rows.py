"""Statements over many rows: SQLite is called once for a whole group, not once for each row.

A call lets go of the interpreter, and gets it back from a busy event loop only after a while: few long calls
run beside the loop, many short ones hold each other up. A statement is written out for some numbers of rows;
where there are fewer, it is filled up with rows of nulls, which it leaves out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import chain, islice

import apsw

from lathe.store.tables import Row

SIZES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Rows of one statement. Each is prepared once and kept (`sqlite_file.STATEMENTS`)."""


class RowStatement:
    """A statement with `{rows}` where the rows stand: a table of `width` columns, `column1` and so on.

    No first column is ever null but that of the rows that fill it up.
    """

    __slots__ = ("_filling", "_said")

    def __init__(self, said: str, width: int) -> None:
        row = f"({', '.join('?' * width)})"
        self._filling = (None,) * width
        self._said = {size: said.format(rows=f"(values {', '.join([row] * size)})") for size in SIZES}

    def run(
        self, connection: apsw.Connection, rows: Collection[Sequence[object]], *last: object
    ) -> list[Row]:
        """Run it for all rows, in order; `last` are bound behind them. What it finds, of all calls."""
        left, waiting = len(rows), iter(rows)
        found: list[Row] = []
        while left > 0:
            size = SIZES[min(bisect_left(SIZES, left), len(SIZES) - 1)]
            bound = tuple(chain.from_iterable(islice(waiting, size)))
            found += connection.execute(self._said[size], bound + self._filling * (size - left) + last)
            left -= size
        return found
