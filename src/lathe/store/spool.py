"""Temporary files for verifying a store that does not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from heapq import merge
from tempfile import TemporaryFile
from typing import IO

from lathe.store.records import EntityRow, Entry
from lathe.store.tables import decode_row, encode_row

HASH_BYTES = 32
CHUNK_HASHES = 4_096
_NONE = bytes(HASH_BYTES)


class Hashes:
    """A hash for each position, 32 bytes of a file each; no hash is all zeros."""

    def __init__(self) -> None:
        self._file = TemporaryFile(buffering=0)  # noqa: SIM115  closed by `close`

    def put(self, position: int, digest: bytes) -> bool:
        """Keep a hash; False if there was one at this position, which stays."""
        if os.pread(self._file.fileno(), HASH_BYTES, position * HASH_BYTES).strip(b"\0"):
            return False
        os.pwrite(self._file.fileno(), digest, position * HASH_BYTES)
        return True

    def between(self, after: int, last: int) -> Iterator[bytes | None]:
        """The hashes of the positions from `after + 1` to `last`, many in one; None if one is not there."""
        while after < last:
            count = min(last - after, CHUNK_HASHES)
            found = os.pread(self._file.fileno(), count * HASH_BYTES, (after + 1) * HASH_BYTES)
            ones = (found[n : n + HASH_BYTES] for n in range(0, len(found), HASH_BYTES))
            yield None if len(found) < count * HASH_BYTES or _NONE in ones else found
            after += count

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Entries:
    """Entries that come in a few runs, each in order of position; they go in one."""

    def __init__(self) -> None:
        self._runs: list[IO[bytes]] = []
        self._last = 0
        self.count = 0

    def add(self, entry: Entry) -> None:
        """Keep an entry."""
        if not self._runs or entry.position < self._last:
            self._runs.append(TemporaryFile())  # noqa: SIM115  closed by `close`
        self._last = entry.position
        self._runs[-1].write(encode_row(entry) + b"\n")
        self.count += 1

    def sorted(self) -> Iterator[Entry]:
        """All of them, in order of position."""
        yield from merge(*map(_read, self._runs), key=lambda entry: entry.position)

    def close(self) -> None:
        """Let go of the files."""
        for run in self._runs:
            run.close()


class Entities:
    """Rows of entities, in the order in which they came."""

    def __init__(self) -> None:
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115  closed by `close`

    def add(self, row: EntityRow) -> None:
        """Keep a row."""
        self._file.write(encode_row(row) + b"\n")

    def __iter__(self) -> Iterator[EntityRow]:
        self._file.seek(0)
        for line in self._file:
            row = decode_row("entity", line)
            assert isinstance(row, EntityRow), "what was written"
            yield row

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _read(run: IO[bytes]) -> Iterator[Entry]:
    run.seek(0)
    for line in run:
        entry = decode_row("journal", line)
        assert isinstance(entry, Entry), "what was written"
        yield entry
