"""Starting with a long journal, timers that are due together, and a queue with many takers.

    python bench/start.py [--json] [--quick]

A journal of a million entries of 1,000 entities, made in process; then `lathe serve` is started on it: the
time until `/readyz` says so, and of the first action, beside the same on an empty store. 100,000 deadlines
spread over a minute: how late each is taken, from its own moment to its commit. 5,000 tasks taken by 32
workers with `:take`: how many a second, and that none is taken twice.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep

from common import Row, at_least, at_most, is_quick, report
from living import Living, app_of, node_on
from serve import BLUEPRINT, call, first_token, made, server as serving, show, work
from wire import Wire

from lathe.runtime.engine import Committed

PORT = 7497
ENTRIES = 1_000_000
ENTITIES = 1_000
TIMERS = 100_000
SPREAD_SECONDS = 60
TASKS = 5_000
WORKERS = 32
MOST_START_SECONDS = 5.0
MOST_LATENESS_MS = 1_000.0
LEAD_SECONDS = 3

DEADLINES = """
blueprint = "Promise"
[state]
open = { initial = true, waits = "its time" }
over = { final = true }
[field]
due = { type = "time" }
[action]
create = { by = "role:worker", sets = ["due"] }
lapse = { from = "open", to = "over" }
[timer]
due = { at = "due", then = "lapse" }
"""


def main() -> int:
    """Measure, print, and answer 1 if a bound was not kept."""
    rows: list[Row] = []
    for measured in (_started, _timers, _takers):
        with tempfile.TemporaryDirectory() as name:
            measured(Path(name), rows)
    return report(rows, sys.argv[1:])


def _started(folder: Path, rows: list[Row]) -> None:
    entries = ENTRIES // 50 if is_quick() else ENTRIES
    files = {"task.blueprint.toml": BLUEPRINT.encode()}

    async def fill() -> list[str]:
        async with node_on(folder / "long", files) as node:
            living = Living(node, app_of(files))
            names = await living.create("Task", ENTITIES, lambda n: {"owner": f"o{n}"})
            await living.act(names, "add", {"by": 1}, times=entries // ENTITIES - 1)
            return names

    async def prepare() -> None:
        async with node_on(folder / "empty", files):
            pass

    names = asyncio.run(fill())
    asyncio.run(prepare())
    empty, _ = _start(folder / "empty", None)
    seconds, first = _start(folder / "long", names[0])
    rows.append(
        at_most(f"start with a journal of {entries} entries", round(seconds, 2), "s", MOST_START_SECONDS)
    )
    rows.append(Row("with an empty one", round(empty, 2), "s"))
    rows.append(Row("its first action", round(first * 1000, 1), "ms"))


def _start(folder: Path, name: str | None) -> tuple[float, float]:
    """Seconds until it is ready, and of one action."""
    start = perf_counter()
    with _server(folder) as base:
        ready = perf_counter() - start
        if name is not None:
            token = first_token((folder / "log").read_text())
            assert token is not None, "it is the first start of a server on this store"
            show(token)
            work(base)
        begun = perf_counter()
        if name is not None:
            call(base, "POST", f"/v1/task/tasks/{name}/add", {"by": 1})
        return ready, perf_counter() - begun


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """`lathe serve` on what is there."""
    environment = {
        **os.environ, "LATHE_STORE_URL": f"sqlite:{folder}", "LATHE_SERVER_PORT": str(PORT),
        "LATHE_SERVER_KEY": "k" * 32,
    }  # fmt: skip
    log = folder / "log"
    with log.open("wb") as stderr:
        command = [sys.executable, "-m", "lathe.cli", "serve"]
        process = subprocess.Popen(command, env=environment, stderr=stderr)
    base = f"http://127.0.0.1:{PORT}"
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"{base}/readyz", timeout=5)
                break
            except OSError:
                sleep(0.005)
        yield base
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _timers(folder: Path, rows: list[Row]) -> None:
    """Deadlines are made, all in the future, and then the workers start."""
    count, spread = (TIMERS // 20, SPREAD_SECONDS // 10) if is_quick() else (TIMERS, SPREAD_SECONDS)
    files = {"promise.blueprint.toml": DEADLINES.encode()}
    late: list[int] = []

    async def run() -> None:
        async with node_on(folder, files) as node:
            now = node.engine.clock.now_ms() + (LEAD_SECONDS + count // 2_000) * 1_000
            due = [now + n * spread * 1_000 // count for n in range(count)]
            names = await Living(node, app_of(files)).create("Promise", count, lambda n: {"due": due[n]})
            assert node.engine.clock.now_ms() < now, "they were made before the first is due"
        by_name = dict(zip(names, due, strict=True))
        async with node_on(folder, files, works=True) as node:
            is_done = asyncio.Event()

            def note(committed: Committed) -> None:
                for name, _ in committed.write.disarmed:
                    late.append(node.engine.clock.now_ms() - by_name[name])
                if len(late) == count:
                    is_done.set()

            node.engine.watch(note)
            await is_done.wait()

    asyncio.run(run())
    late.sort()
    p99 = late[len(late) * 99 // 100]
    name = f"{count} timers due within {spread} s: lateness"
    rows.append(Row(f"{name}, p50", float(statistics.median(late)), "ms"))
    rows.append(at_most(f"{name}, p99", float(p99), "ms", MOST_LATENESS_MS))


def _takers(folder: Path, rows: list[Row]) -> None:
    count = TASKS // 10 if is_quick() else TASKS

    async def worker(base: str, taken: list[str]) -> None:
        wire = await Wire.open(base)
        while (found := await wire.ask("POST", "/v1/task/tasks:take", {"action": "close"})).status == 200:
            taken.append(str(found.json()["id"]))
        assert found.status == 204, found.body
        await wire.close()

    async def run(base: str) -> tuple[list[str], float]:
        taken: list[str] = []
        start = perf_counter()
        await asyncio.gather(*(worker(base, taken) for _ in range(WORKERS)))
        return taken, perf_counter() - start

    with serving(f"sqlite:{folder}/data", port=PORT) as base:
        made(base, count)
        taken, seconds = asyncio.run(run(base))
    twice = len(taken) - len(set(taken))
    rows.append(Row(f"`:take` of {count} tasks by {WORKERS} workers", round(count / seconds), "tasks/s"))
    rows.append(at_most("taken twice", twice, "tasks", 0))
    rows.append(at_least("taken in all", len(set(taken)), "tasks", count))


if __name__ == "__main__":
    sys.exit(main())
