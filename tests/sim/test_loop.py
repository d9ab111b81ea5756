"""The simulated loop, as a loop: timers in order, what is cancelled, what fails."""

from __future__ import annotations

import asyncio

import pytest

from lathe.sim.loop import SimLoop, StuckError, run


def test_timers_come_at_their_moments_and_what_is_cancelled_never() -> None:
    async def main(loop: SimLoop) -> list[tuple[str, float]]:
        came: list[tuple[str, float]] = []

        def comes(name: str) -> None:
            came.append((name, loop.time()))

        loop.call_later(3.0, comes, "third")
        loop.call_at(1.0, comes, "first")
        loop.call_later(2.0, comes, "never").cancel()
        loop.call_at(0.5, comes, "never").cancel()
        soon = loop.call_soon(comes, "never")
        soon.cancel()
        assert soon.cancelled()
        await asyncio.sleep(5.0)
        return came

    assert run(main, 1)[0] == [("first", 1.0), ("third", 3.0)]


def test_a_callback_that_fails_is_told_and_the_others_go_on() -> None:
    came: list[str] = []

    def fails() -> None:
        raise ValueError("a defect")

    async def main(loop: SimLoop) -> None:
        loop.call_soon(fails)
        loop.call_later(1.0, came.append, "later")
        await asyncio.sleep(2.0)

    with pytest.raises(ValueError, match="a defect"):
        run(main, 1)
    assert came == ["later"]


def test_a_world_in_which_nothing_can_happen_is_told() -> None:
    async def main(loop: SimLoop) -> None:
        loop.call_later(1.0, print).cancel()
        await loop.create_future()

    with pytest.raises(StuckError):
        run(main, 1)
