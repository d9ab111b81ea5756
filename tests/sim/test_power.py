"""The loop's processes: cut, stalled, put away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context

from lathe.sim.loop import POWER, Power, SimLoop, run


def inside(power: Power) -> Context:
    context = Context()
    context.run(POWER.set, power)
    return context


def test_a_generator_that_nobody_ends_is_put_away() -> None:
    ended: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            ended.append("numbers")

    async def first() -> int:
        async for number in numbers():
            return number
        return 0

    async def main(loop: SimLoop) -> None:
        assert await first() == 1
        await asyncio.sleep(0.1)

    run(main, 1)
    assert ended == ["numbers"]


def test_a_process_without_power_does_nothing_more_not_even_its_last_words() -> None:
    said: list[str] = []

    async def speaks() -> None:
        try:
            while True:
                said.append("alive")
                await asyncio.sleep(1.0)
        finally:
            said.append("last words")

    async def main(loop: SimLoop) -> None:
        power = loop.power("one")
        task = loop.create_task(speaks(), context=inside(power))
        await asyncio.sleep(2.5)
        power.is_cut = True
        before = list(said)
        await asyncio.sleep(10.0)
        assert said == before == ["alive"] * 3
        assert not task.done()

    run(main, 1)
    assert said[-1] == "last words", "what was cut is put away when the world has ended"


def test_a_process_that_stands_still_goes_on_where_it_was() -> None:
    async def main(loop: SimLoop) -> list[float]:
        power = loop.power("one")
        ticks: list[float] = []

        async def ticking() -> None:
            for _ in range(3):
                await asyncio.sleep(1.0)
                ticks.append(loop.time())

        task = loop.create_task(ticking(), context=inside(power))
        await asyncio.sleep(1.5)
        power.is_stalled = True
        await asyncio.sleep(10.0)
        loop.resume(power)
        await task
        return ticks

    ticks, _ = run(main, 1)
    assert ticks == [1.0, 11.5, 12.5]


def test_tasks_that_a_process_starts_are_its_own() -> None:
    async def main(loop: SimLoop) -> bool:
        power = loop.power("one")
        child: list[asyncio.Task[None]] = []

        async def parent() -> None:
            child.append(asyncio.create_task(asyncio.sleep(5.0)))

        await loop.create_task(parent(), context=inside(power))
        power.is_cut = True
        await asyncio.sleep(10.0)
        return child[0].done()

    done, _ = run(main, 1)
    assert not done
