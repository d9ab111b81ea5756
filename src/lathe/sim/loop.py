"""An event loop whose time is virtual and whose order is chosen by a seed.

Of the callbacks that are ready, any may run next: the loop picks. Time stands still while something is
ready, then jumps to the next timer. The same seed gives the same run, step by step; the choices are kept as
a tape, so that a run can be taken again with some of them changed.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import base_events, events
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context, ContextVar
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

STEPS_LIMIT = 5_000_000
"""Callbacks of one run: more means that it goes round without end."""
BATCH = 64
"""Callbacks between two looks at whether the loop shall stop, at most."""
EPOCH_MS = 1_750_000_000_000
"""The moment at which a simulated world begins."""


class Power:
    """What keeps the callbacks of one process going. They carry it in their context (`POWER`).

    Cut, none of them runs again, not even a `finally`: as if the plug were pulled. Stalled, all of them wait,
    while the time of everybody else goes on.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_cut = False
        self.is_stalled = False
        self.waiting: list[asyncio.Handle] = []


POWER: ContextVar[Power | None] = ContextVar("POWER", default=None)
"""The process that a callback belongs to; None: it is part of the world outside."""


class StuckError(RuntimeError):
    """Nothing is ready, nothing is scheduled, and the run has not ended: it waits for ever."""


class EndlessError(StuckError):
    """It has taken as many steps as it may, and goes on."""


class SimLoop(base_events.BaseEventLoop):
    """A seeded, virtual-time event loop. It does no I/O and starts no thread."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _timer_cancelled_count: int
    _stopping: bool

    def __init__(
        self, seed: int, *, tape: Sequence[int] | None = None, steps_limit: int = STEPS_LIMIT
    ) -> None:
        super().__init__()
        self.random = Random(seed)
        self._draw = Random(seed ^ 0x5EED).random
        self._given = tape
        self._steps_limit = steps_limit
        self._now = 0.0
        self._clock_resolution = 1e-9
        self.tape: list[int] = []
        self.steps = 0
        self.ended = 0.0
        """When the world ended."""
        self.is_over = False
        """Whether the world has ended: what was cut runs once more, so that it can be put away."""
        self._powers: list[Power] = []
        self.failures: list[BaseException] = []
        self.on_failure: Callable[[BaseException], None] = lambda error: None
        self.set_exception_handler(self._failed)

    def time(self) -> float:
        """Seconds since the world began."""
        return self._now

    def now_ms(self) -> int:
        """The time of day in this world: it is a `Clock` too."""
        return EPOCH_MS + int(self._now * 1000)

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as on a machine that was suspended."""
        self._now += seconds

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A task whose exception nobody took: a failure of the run, never a line in a log."""
        error = context.get("exception")
        if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
            self.failures.append(error)
            self.on_failure(error)

    def _process_events(self, event_list: Any) -> None:
        """There are none: nothing outside is waited for."""

    def _write_to_self(self) -> None:
        """No other thread wakes this loop."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """There are no threads in this world."""
        raise AssertionError("a simulated run starts no thread")

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As every loop's, without the checks for other threads."""
        handle = events.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def _choose(self, count: int) -> int:
        if self._given is None:
            choice = int(self._draw() * count)
        else:
            position = len(self.tape)
            choice = self._given[position] % count if position < len(self._given) else 0
        if not self.is_over:
            self.tape.append(choice)
        return choice

    def _run_once(self) -> None:
        """Callbacks one after another, each the loop's own choice of all that are ready."""
        for _ in range(BATCH):
            self._run_next()
            if self._stopping:
                return

    def _run_next(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0]._cancelled:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]
        if not ready:
            if not scheduled:
                raise StuckError(f"nothing is left to happen after {self.steps} steps")
            self._now = max(self._now, scheduled[0]._when)  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._when <= self._now:  # type: ignore[attr-defined]
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]
            if not handle._cancelled:
                ready.append(handle)
        count = len(ready)
        if not count:
            return
        index = self._choose(count) if count > 1 else 0
        if index:
            ready.rotate(-index)
            chosen = ready.popleft()
            ready.rotate(index)
        else:
            chosen = ready.popleft()
        if not chosen._cancelled:
            self._run(chosen)

    def _run(self, chosen: asyncio.Handle) -> None:
        """One step, unless the process that it belongs to cannot take any."""
        if self.is_over:
            chosen._run()
            return
        power: Power | None = chosen._context.get(POWER)  # type: ignore[attr-defined]
        if power is not None and (power.is_cut or power.is_stalled):
            power.waiting.append(chosen)
            return
        if self.steps >= self._steps_limit:
            self._ready.append(chosen)  # what waits for it can still be put away
            raise EndlessError(f"more than {self._steps_limit} steps")
        self.steps += 1
        chosen._run()

    def resume(self, power: Power) -> None:
        """Let a stalled process go on with all that has come up since."""
        power.is_stalled = False
        self._ready.extend(power.waiting)
        power.waiting.clear()

    def power(self, name: str) -> Power:
        """Power for another process of this world."""
        power = Power(name)
        self._powers.append(power)
        return power

    def end(self) -> None:
        """End the world: what waited in vain is given back, to be cancelled. Steps are counted no more."""
        self.is_over = True
        self.ended = self._now
        for power in self._powers:
            self.resume(power)


def run(
    main: Callable[[SimLoop], Coroutine[Any, Any, T]],
    seed: int,
    *,
    tape: Sequence[int] | None = None,
    steps_limit: int = STEPS_LIMIT,
) -> tuple[T, SimLoop]:
    """Run `main` to its end in a world of its own. Raises what it raises, and what its tasks left behind."""
    loop = SimLoop(seed, tape=tape, steps_limit=steps_limit)
    before = events._get_running_loop()
    assert before is None, "a simulated world runs inside no other loop"
    try:
        try:
            result = loop.run_until_complete(main(loop))
        finally:
            _end_tasks(loop)
    except BaseException as error:
        error.add_note(f"seed {seed}, after {loop.steps} steps at {loop.time():.3f} s")
        raise
    finally:
        loop._ready.clear()
        loop._scheduled.clear()
        loop.close()
    if loop.failures:
        raise loop.failures[0]
    return result, loop


def _end_tasks(loop: SimLoop) -> None:
    """Cancel what still runs, and let it end."""
    loop.end()
    left = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
