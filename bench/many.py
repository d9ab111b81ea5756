"""Beside `bench/serve.py`: what group commit is worth, what a second process adds, what an entity weighs.

    python bench/many.py [--json] [--quick]

The same app, entities and requests as there. Two processes share one PostgreSQL: with affinity each serves
half of the entities, at random both serve all of them; one process gets as many connections as the two have
together. Afterwards every entity is read, and none may have lost an action.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import wrk
from common import Row, is_quick, report
from serve import CONNECTIONS, LUA, RUNS, SECONDS, call, made, postgres, server

from lathe.runtime.cache import Cache
from lathe.runtime.loading import held_of
from lathe.store.base import Apply
from lathe.store.records import Version
from lathe.store.sqlite.store import SqliteStore
from store import DIGEST, Load

LEAST_TIMES_GROUPED = 4.0
LEAST_TIMES_AFFINE = 1.3
LEAST_TIMES_RANDOM = 1.0
LIVE_ENTITIES = 20_000
ONE_BY_ONE = """
import lathe.runtime.committer, lathe.cli.main
lathe.runtime.committer.GROUP_LIMIT = 1
lathe.cli.main.run()
"""
"""The server, with groups of one write."""


def main() -> int:
    """Measure, print, and answer 1 if a bound was not kept."""
    if not wrk.has_wrk():
        return report([Row("wrk is missing: nothing was measured", 0, "actions/s")], sys.argv[1:])
    rows = [grouped(), *processes(), asyncio.run(weight())]
    return report(rows, sys.argv[1:])


def grouped() -> Row:
    """Group commit beside a commit for each action, on SQLite."""
    many, one = (_alone(program) for program in (("-m", "lathe.cli"), ("-c", ONE_BY_ONE)))
    said = f"SQLite: group commit, {CONNECTIONS} connections"
    against = "a commit for each"
    return Row(said, round(many), "actions/s", against, round(one), least=LEAST_TIMES_GROUPED)


def _alone(program: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory() as name, server(f"sqlite:{name}/data", program=program) as base:
        ids = made(base)
        found = statistics.median(rate([(base, ids)]) for _ in range(runs()))
        intact(base, ids)
    return found


def processes() -> list[Row]:
    """Two processes beside one, in turns, on one PostgreSQL."""
    with postgres() as url, server(url) as first, server(url) as second:
        ids = made(first)
        half = len(ids) // 2
        one, affine, mixed = [], [], []
        for _ in range(runs()):
            one.append(rate([(first, ids)], connections=2 * CONNECTIONS))
            affine.append(rate([(first, ids[:half]), (second, ids[half:])]))
            mixed.append(rate([(first, ids), (second, ids)]))
        intact(first, ids)
    alone = round(statistics.median(one))
    said = "PostgreSQL: two processes"
    turns = (
        ("each with its entities", affine, LEAST_TIMES_AFFINE),
        ("entities at random", mixed, LEAST_TIMES_RANDOM),
    )
    return [
        Row(f"{said}, {how}", round(statistics.median(found)), "actions/s", "one", alone, least=least)
        for how, found, least in turns
    ]


def runs() -> int:
    """How often each way is measured."""
    return 2 if is_quick() else RUNS


_seeds = iter(range(1_000_000))


def rate(targets: Sequence[tuple[str, Sequence[str]]], *, connections: int = CONNECTIONS) -> float:
    """Actions a second, all servers together, each under its own `wrk`."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as threads:
        seconds = 2 if is_quick() else SECONDS
        running = [
            threads.submit(
                wrk.load, base, _script(Path(folder), ids), connections=connections, seconds=seconds
            )
            for base, ids in targets
        ]
        return sum(one.result().rate for one in running)


def _script(folder: Path, ids: Sequence[str]) -> Path:
    seed = next(_seeds)
    listed, script = folder / f"{seed}.ids", folder / f"{seed}.lua"
    listed.write_text("\n".join(ids))
    script.write_text(LUA % {"ids": listed, "seed": seed})
    return script


def intact(base: str, ids: Sequence[str]) -> None:
    """Every action has added one: what an entity has counted is what was done to it."""
    for name in ids:
        entity = call(base, "GET", f"/v1/task/tasks/{name}", None)
        fields = entity["fields"]
        assert isinstance(fields, dict) and entity["version"] == fields["total"] + 1, entity


async def weight() -> Row:
    """What an entity costs in memory while it is live."""
    count = LIVE_ENTITIES // 10 if is_quick() else LIVE_ENTITIES
    load, cache = Load(), Cache()
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "data")
        await store.open()
        await store.apply(Apply(Version("acme", "shop", DIGEST, {}, b"", 0, "ann"), None))
        names = [f"order-{n:06d}" for n in range(count)]
        for first in range(0, count, 250):
            await store.commit([load.action(name) for name in names[first : first + 250]])
        del load
        with traced() as size:
            for name in names:
                row = (await store.load("acme", "shop", [name]))[name]
                cache.learn(("acme", "shop", name), held_of(row))
            used = size()
        await store.close()
    return Row(f"a live entity in memory, of {count}", round(used / count), "bytes")


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """What has been allocated since, and is still in use."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield lambda: tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    sys.exit(main())
