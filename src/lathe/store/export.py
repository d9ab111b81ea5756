"""A dump as a file: a line for each row, its table and its JSON. What `dump` gives and `restore` takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path

from lathe.errors import UsageError
from lathe.store.tables import PAGE_ROWS, paged


async def write(rows: AsyncIterator[tuple[str, bytes]], target: Path) -> int:
    """Write rows into a new file, which has its name when it is whole; how many. Raises `UsageError`."""
    if target.exists():
        raise UsageError(f"`{target}` exists already")
    part = target.with_name(target.name + ".part")
    count = 0
    try:
        with part.open("wb") as file:
            async for page in paged(rows):
                lines = b"".join(table.encode() + b" " + data + b"\n" for table, data in page)
                await asyncio.to_thread(file.write, lines)
                count += len(page)
        part.rename(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count


async def read(source: Path) -> AsyncIterator[tuple[str, bytes]]:
    """The rows of such a file. Raises `UsageError` for a line that is none."""
    with source.open("rb") as file:
        while lines := await asyncio.to_thread(lambda: list(islice(file, PAGE_ROWS))):
            for line in lines:
                table, space, data = line.rstrip(b"\n").partition(b" ")
                if not space or not table.isascii():
                    raise UsageError(f"`{source}` is no export: it has a line without a table")
                yield table.decode(), data
