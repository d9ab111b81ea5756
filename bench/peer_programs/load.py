"""What the peers' programs share: so many at once for so long, and what is printed of it."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import threading
from collections.abc import Awaitable, Callable
from time import perf_counter

ENTITIES = 1_000


def printed(times: list[float], seconds: float, durability: str) -> None:
    """One line of JSON: actions a second, p50 and p99 in milliseconds, what is synced before an answer."""
    cuts = statistics.quantiles(times, n=100)
    told = {
        "rate": len(times) / seconds,
        "p50": statistics.median(times) * 1000,
        "p99": cuts[98] * 1000,
        "durability": durability,
    }
    print(json.dumps(told), flush=True)


def threads(act: Callable[[int], object], connections: int, seconds: float) -> tuple[list[float], float]:
    """`act` with the number of an entity, by so many threads at once; the seconds that each call took."""
    times: list[list[float]] = [[] for _ in range(connections)]
    end = perf_counter() + seconds

    def run(own: list[float], seed: int) -> None:
        pick = random.Random(seed)
        while (start := perf_counter()) < end:
            act(pick.randrange(ENTITIES))
            own.append(perf_counter() - start)

    begun = perf_counter()
    all_of_them = [threading.Thread(target=run, args=(own, n)) for n, own in enumerate(times)]
    for thread in all_of_them:
        thread.start()
    for thread in all_of_them:
        thread.join()
    return [t for own in times for t in own], perf_counter() - begun


async def tasks(
    act: Callable[[int], Awaitable[object]], connections: int, seconds: float
) -> tuple[list[float], float]:
    """The same by tasks of one event loop."""
    times: list[float] = []
    end = perf_counter() + seconds

    async def run(seed: int) -> None:
        pick = random.Random(seed)
        while (start := perf_counter()) < end:
            await act(pick.randrange(ENTITIES))
            times.append(perf_counter() - start)

    begun = perf_counter()
    await asyncio.gather(*(run(n) for n in range(connections)))
    return times, perf_counter() - begun
