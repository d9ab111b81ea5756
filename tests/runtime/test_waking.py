"""How workers sleep."""

from __future__ import annotations

import asyncio

import pytest

from lathe.runtime.waking import woken
from lathe.sim.loop import SimLoop, run


@pytest.mark.parametrize(("set_at", "wakes_at"), [(1.0, 1.0), (9.0, 5.0)])
def test_a_worker_wakes_when_it_is_woken_or_after_so_long(set_at: float, wakes_at: float) -> None:
    async def main(loop: SimLoop) -> float:
        wake = asyncio.Event()
        loop.call_later(set_at, wake.set)
        await woken(wake, 5.0)
        assert wake.is_set()
        return loop.time()

    assert run(main, 1)[0] == wakes_at


def test_an_alarm_that_is_not_needed_any_more_wakes_nobody() -> None:
    async def main(loop: SimLoop) -> None:
        wake = asyncio.Event()
        wake.set()
        await woken(wake, 5.0)
        wake.clear()
        sleeping = loop.create_task(woken(wake, 3.0))
        await asyncio.sleep(1.0)
        sleeping.cancel()
        await asyncio.wait([sleeping])
        await asyncio.sleep(9.0)
        assert not wake.is_set()

    run(main, 1)
