"""A swap under load: no request fails, and how long nothing is answered.

    python bench/swap.py [--json] [--quick]

1,000 live entities, 16 connections that act on them as fast as they are answered, everything on. Meanwhile
the app is swapped to and fro between two versions that rewrite every entity (a field comes and goes). A pause
is the longest time in which none of the connections got an answer, while the swap's request was under way;
the check's own process shares the cores. Then 100,000 live entities are compared with a new version, in
process.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from random import Random
from time import perf_counter

from common import Row, at_most, is_quick, report
from living import TENANT, Admits, Living, app_of, node_on
from serve import BLUEPRINT, made, server
from wire import Answer, Wire

from lathe.runtime.swap import Swapper

PORT = 7498
CONNECTIONS = 16
ENTITIES = 1_000
SWAPS = 10
COMPARED = 100_000
MOST_PAUSE_MS = 250.0
MOST_COMPARE_SECONDS = 30.0
OTHER = BLUEPRINT.replace("[action]", 'marks = { type = "int", range = [0, 9], default = 0 }\n[action]', 1)
VERSIONS = (OTHER, BLUEPRINT)


def main() -> int:
    """Measure, print, and answer 1 if a bound was not kept."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_swapped(Path(name), rows))
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_compared(Path(name), rows))
    return report(rows, sys.argv[1:])


async def _swapped(folder: Path, rows: list[Row]) -> None:
    with server(f"sqlite:{folder}/data", port=PORT) as base:
        ids = await asyncio.to_thread(made, base, ENTITIES)
        answers: list[Answer] = []
        is_over = asyncio.Event()
        loading = [asyncio.create_task(_load(base, ids, answers, is_over, n)) for n in range(CONNECTIONS)]
        await asyncio.sleep(1)
        wire = await Wire.open(base, "BENCH_OPERATOR")
        windows = []
        for number in range(3 if is_quick() else SWAPS):
            body = {"files": {"task.blueprint.toml": VERSIONS[number % 2]}, "confirm": "any"}
            found = await wire.ask("PUT", "/v1/blueprints", {**body, "breaking": True, "accept_bounds": True})
            assert found.status == 200 and found.json()["moved"] == ENTITIES, found.body
            windows.append((found.asked, found.answered))
            await asyncio.sleep(0.2)
        is_over.set()
        await asyncio.gather(*loading)
        await wire.close()
    failed = sum(answer.status != 200 for answer in answers)
    pauses = [_longest_gap(answers, *window) for window in windows]
    slowest = max(a.seconds for a in answers if any(a.answered >= b and a.asked <= e for b, e in windows))
    rows.append(
        Row(f"{len(windows)} swaps of {ENTITIES} entities under load: requests", len(answers), "requests")
    )
    rows.append(at_most("of which failed", failed, "requests", 0))
    rows.append(at_most("longest pause", round(max(pauses) * 1000, 1), "ms", MOST_PAUSE_MS))
    rows.append(Row("slowest request meanwhile", round(slowest * 1000, 1), "ms"))


async def _load(base: str, ids: list[str], answers: list[Answer], is_over: asyncio.Event, seed: int) -> None:
    random, wire = Random(seed), await Wire.open(base)
    while not is_over.is_set():
        action = "tell" if random.random() < 0.25 else "add"
        answers.append(await wire.ask("POST", f"/v1/task/tasks/{random.choice(ids)}/{action}", {"by": 1}))
    await wire.close()


def _longest_gap(answers: list[Answer], begin: float, end: float) -> float:
    moments = sorted(a.answered for a in answers if begin <= a.answered <= end)
    edges = [begin, *moments, end]
    return max(later - earlier for earlier, later in pairwise(edges))


async def _compared(folder: Path, rows: list[Row]) -> None:
    files = {"task.blueprint.toml": BLUEPRINT.encode()}
    other = {"task.blueprint.toml": OTHER.encode()}
    count = COMPARED // 20 if is_quick() else COMPARED
    async with node_on(folder, files) as node:
        await Living(node, app_of(files)).create("Task", count, lambda n: {"owner": f"o{n}"})
        swapper = Swapper(node.engine, Admits())
        judged = await swapper.judge(TENANT, other, accept_bounds=True)
        start = perf_counter()
        plan = await swapper.plan(TENANT, other, judged)
        seconds = perf_counter() - start
        assert plan.moved == count and plan.is_possible, plan
    rows.append(at_most(f"{count} live entities compared", round(seconds, 2), "s", MOST_COMPARE_SECONDS))


if __name__ == "__main__":
    sys.exit(main())
