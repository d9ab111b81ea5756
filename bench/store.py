"""Durable commits a second: group commit beside a commit for each action, on both databases.

python bench/store.py [--json] [--quick]

One action writes an entity, a journal entry and a receipt, one in four an invocation too. 1,000 entities;
every commit is on disk before it counts. F is the median of `fdatasync` after 4 KiB in the same folder.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from time import perf_counter

from common import ROOT, Row, at_least, is_quick, report
from msgspec.structs import replace

from lathe.store.base import Apply, Store
from lathe.store.journal import payload_hash, sealed
from lathe.store.postgres.store import PostgresStore
from lathe.store.records import GENESIS, EntityRow, Entry, Outgoing, Receipt, Version, Write
from lathe.store.sqlite.store import SqliteStore

sys.path.insert(0, str(ROOT))
from tests.store.server import Server

ENTITIES = 1_000
GROUP = 32
LEAST_PER_SECOND = 15_000
LEAST_TIMES = 4
DIGEST = "d" * 64
BODY = b'{"fields":{"count":1,"customer":"c-1001","note":"as agreed by phone","total":129900}}'
PAYLOAD = b'{"args":{"note":"as agreed by phone"},"changes":{"count":[1,2],"state":["open","paid"]}}'


class Load:
    """Actions on entities at random, each chained to the one before."""

    def __init__(self) -> None:
        self.rows: dict[str, EntityRow] = {}
        self.random = Random(7)
        self.number = 0

    def action(self, name: str) -> Write:
        """The next action of an entity."""
        self.number += 1
        before = self.rows.get(name)
        revision = before.revision + 1 if before else 1
        previous = before.head if before else GENESIS
        state = ("open", "paid", "sent")[revision % 3]
        entry = Entry(
            "acme", "shop", "Order", name, revision, revision, revision, state, "act", "pay", "role:clerk",
            ("ann",), ("Order.pay",), DIGEST, 1, f"{self.number:026d}", 1_900_000_000_000 + self.number,
            PAYLOAD, payload_hash(PAYLOAD), previous, b"",
        )  # fmt: skip
        entry = replace(entry, hash=sealed(entry))
        row = EntityRow(
            "acme", "shop", "Order", name, state, revision, revision, revision, DIGEST, BODY, entry.hash, 0,
            entry.at_ms,
        )  # fmt: skip
        self.rows[name] = row
        outgoing: tuple[Outgoing, ...] = ()
        if revision % 4 == 0:
            far = 4_000_000_000_000
            outgoing = (
                Outgoing(
                    "acme", "shop", "Order", name, revision, "mail", revision, "notice", DIGEST, far, PAYLOAD
                ),
            )
        receipt = Receipt(
            "acme", "ann", f"key-{self.number}", entry.hash, 200, PAYLOAD, entry.at_ms + 86_400_000
        )
        return Write(
            "acme",
            "shop",
            DIGEST,
            1,
            (row,),
            (entry,),
            ((name, previous),),
            outgoing=outgoing,
            receipt=receipt,
        )

    def group(self, size: int) -> list[Write]:
        """Some actions on different entities."""
        return [self.action(f"order-{i:06d}") for i in self.random.sample(range(ENTITIES), size)]


async def prepared(store: Store, load: Load) -> None:
    """The app, and every entity once."""
    await store.open()
    await store.apply(Apply(Version("acme", "shop", DIGEST, {}, b"", 0, "ann"), None))
    for first in range(0, ENTITIES, 250):
        await store.commit([load.action(f"order-{i:06d}") for i in range(first, first + 250)])


async def per_second(store: Store, load: Load, size: int, actions: int) -> float:
    """Commits a second at groups of this size; the groups are made beforehand."""
    groups = [load.group(size) for _ in range(max(actions // size, 1))]
    start = perf_counter()
    for group in groups:
        answers = await store.commit(group)
        assert all(answer.verdict == "accepted" for answer in answers), answers
    return len(groups) * size / (perf_counter() - start)


def sync_ms(folder: Path) -> float:
    """F: what one small synced write costs."""
    times = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            start = perf_counter()
            os.fdatasync(file.fileno())
            times.append((perf_counter() - start) * 1e3)
    return statistics.median(times)


async def measured(name: str, store: Store) -> list[Row]:
    """Both ways in turn, medians of the turns."""
    load, turns = Load(), 3 if is_quick() else 7
    await prepared(store, load)
    grouped, single = [], []
    for _ in range(turns):
        grouped.append(await per_second(store, load, GROUP, 6_400))
        single.append(await per_second(store, load, 1, 800))
    await store.close()
    group, one = statistics.median(grouped), statistics.median(single)
    told, against = f"{name}: groups of {GROUP}", "a commit for each"
    return [Row(told, round(group), "actions/s", against, round(one), least=LEAST_TIMES)]


def in_folder(run: Callable[[Path], Awaitable[list[Row]]]) -> list[Row]:
    """Run in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:

        async def running() -> list[Row]:
            return await run(Path(folder))

        return asyncio.run(running())


async def on_sqlite(folder: Path) -> list[Row]:
    """SQLite, with F beside it."""
    rows = await measured("SQLite", SqliteStore(folder / "data"))
    least = at_least("SQLite: the same", rows[0].value, "actions/s", LEAST_PER_SECOND)
    return [Row("F: fdatasync of 4 KiB", round(sync_ms(folder), 3), "ms"), *rows, least]


async def on_postgres(folder: Path) -> list[Row]:
    """A server of our own that syncs, over its socket."""
    server = Server(syncs=True)
    try:
        server.start()
        return await measured("PostgreSQL", PostgresStore(server.url))
    finally:
        server.remove()


def main() -> int:
    """Measure; answers 1 if a bound was not kept."""
    return report([*in_folder(on_sqlite), *in_folder(on_postgres)], sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
