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
from msgspec.structs import astuple

from lathe.store.fold import Net
from lathe.store.tables import Row

SIZES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Rows of one statement. Each is prepared once and kept (`sqlite_file.STATEMENTS`)."""


def _replacing(names: str, key: str) -> str:
    return f"on conflict ({key}) do update set " + ", ".join(f"{n} = excluded.{n}" for n in names.split())


ENTITY_AGAIN = _replacing(
    "state visit version revision digest body head changed_ms final_ms", "tenant, app, id"
)
OUTGOING_AGAIN = _replacing("phase due_ms request attempt visit digest effect", "tenant, app, entity, number")
TIMER_AGAIN = _replacing("blueprint visit armed_ms due_ms worker until_ms", "tenant, app, entity, name")
RECEIPT_AGAIN = _replacing("request status answer expires_ms", "tenant, principal, key")
"""What an insertion does where a row of this key is there: it takes over these columns."""


def held_rows(total: Net, now_ms: int) -> list[tuple[object, ...]]:
    """The rows of the outbox that are written, each with worker and end of the lease that it is born with."""
    found: list[tuple[object, ...]] = []
    for key, outgoing in total.outgoing.items():
        if outgoing is not None:
            worker, lease_ms = total.held.get(key, (None, 0))
            found.append((*astuple(outgoing), worker, 0 if worker is None else now_ms + lease_ms))
    return found


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
