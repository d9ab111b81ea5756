"""What is spooled while a store is verified comes back as it went in."""

from __future__ import annotations

from msgspec.structs import replace
from tests.store.rows import turned

from lathe.store.spool import CHUNK_HASHES, HASH_BYTES, Entries, Hashes


def test_a_hash_has_one_position_and_a_gap_is_told() -> None:
    hashes = Hashes()
    last = CHUNK_HASHES + 10
    for position in range(1, last + 1):
        assert hashes.put(position, bytes([1 + position % 255]) * HASH_BYTES)
    assert not hashes.put(7, b"x" * HASH_BYTES)
    found = b"".join(part or b"" for part in hashes.between(0, last))
    assert [found[n] for n in range(0, len(found), HASH_BYTES)] == [1 + p % 255 for p in range(1, last + 1)]
    assert [*hashes.between(last - 1, last + 1)] == [None]
    assert hashes.put(last + 2, b"y" * HASH_BYTES)
    assert [*hashes.between(last, last + 2)] == [None]
    assert [*hashes.between(3, 3)] == []
    hashes.close()


def test_runs_of_entries_come_back_in_order_of_position() -> None:
    entries = Entries()
    _, entry = turned(None, "a")
    for position in (1, 4, 6, 2, 3, 9, 5):
        entries.add(replace(entry, position=position))
    assert [e.position for e in entries.sorted()] == [1, 2, 3, 4, 5, 6, 9]
    assert replace(next(entries.sorted()), position=0) == entry
    entries.close()
