"""A dump as a file, for `restore`: a line for each row, with its table, a tab and its JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from lathe.errors import UsageError
from lathe.store.private_files import owned
from lathe.store.tables import PAGE_ROWS, paged

LINE_BYTES_LIMIT = 64 * 1024 * 1024


async def write(rows: AsyncIterator[tuple[str, bytes]], target: Path) -> int:
    """Write rows into a new file, which gets its name once it is complete; returns their number. Raises
    `UsageError`.
    """
    if target.exists():
        raise UsageError(f"`{target}` exists already")
    part = target.with_name(target.name + ".part")
    count = 0
    try:
        with open(part, "wb", opener=owned) as file:
            async for page in paged(rows):
                lines = b"".join(line(*row) for row in page)
                await asyncio.to_thread(file.write, lines)
                count += len(page)
        part.rename(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count


async def read(source: Path) -> AsyncIterator[tuple[str, bytes]]:
    """Read the rows of such a file. Raises `UsageError` for an invalid line."""
    with source.open("rb") as file:
        number = 0
        while lines := await asyncio.to_thread(lambda: list(islice(_lines(file), PAGE_ROWS))):
            for one in lines:
                number += 1
                table, tab, data = one.rstrip(b"\n").partition(b"\t")
                if not tab or not table.isascii() or len(one) > LINE_BYTES_LIMIT:
                    raise UsageError(f"`{source}`, line {number}: no row of an export")
                yield table.decode(), data


def line(table: str, data: bytes) -> bytes:
    """A row as a line."""
    return table.encode() + b"\t" + data + b"\n"


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while found := file.readline(LINE_BYTES_LIMIT + 1):
        yield found
