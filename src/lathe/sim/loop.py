"""An event loop whose time is virtual and whose order is chosen by a seed.

Of the callbacks that are ready, any may run next: the loop picks. Time stands still while something is
ready, then jumps to the next timer. The same seed gives the same run, step by step; the choices are kept as
a tape, so that a run can be taken again with some of them changed.
"""

from __future__ import annotations

import asyncio
from asyncio import base_events, events
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from random import Random
from types import coroutine
from typing import Any, TypeVar

from msgspec import Struct

T = TypeVar("T")

STEPS_LIMIT = 5_000_000
"""Callbacks of one run: more means that it goes round without end."""
BATCH = 64
"""Callbacks between two looks at whether the loop shall stop, at most."""
EPOCH_MS = 1_750_000_000_000
"""The moment at which a simulated world begins."""


class Handle(Struct, eq=False):
    """A callback that is ready or waits for its time: what `asyncio.Handle` is, made in C.

    There are as many as there are steps.
    """

    callback: Callable[..., object]
    args: tuple[object, ...]
    context: Context
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Never call it."""
        self.is_cancelled = True

    def cancelled(self) -> bool:
        """Whether it will never be called."""
        return self.is_cancelled


class _Moment(float):
    """A moment with what is to be called then: a heap of them compares floats, and nothing of ours."""

    __slots__ = ("handle",)
    handle: Handle


class Power:
    """What keeps the callbacks of one process going. They carry it in their context (`POWER`).

    Cut, none of them runs again, not even a `finally`: as if the plug were pulled. Stalled, all of them wait,
    while the time of everybody else goes on.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_cut = False
        self.is_stalled = False
        self.waiting: list[Handle] = []


POWER: ContextVar[Power | None] = ContextVar("POWER", default=None)
"""The process that a callback belongs to; None: it is part of the world outside."""


class StuckError(RuntimeError):
    """Nothing is ready, nothing is scheduled, and the run has not ended: it waits for ever."""


class EndlessError(StuckError):
    """It has taken as many steps as it may, and goes on."""


class SimLoop(base_events.BaseEventLoop):
    """A seeded, virtual-time event loop. It does no I/O and starts no thread."""

    _ready: deque[Handle]
    _scheduled: list[_Moment]
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
    ) -> Handle:
        """As every loop's, without the checks for other threads."""
        handle = Handle(callback, args, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Handle:
        """Likewise: the finalizer of an asynchronous generator that nobody ends asks for it."""
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Handle:
        """Likewise."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Handle:
        """Likewise."""
        moment = _Moment(when)
        handle = moment.handle = Handle(callback, args, copy_context() if context is None else context)
        heappush(self._scheduled, moment)
        return handle

    def _choose(self, count: int) -> int:
        """Which of so many goes first, where the tape says so or the world is over."""
        position = len(self.tape)
        if self._given is None:
            choice = int(self._draw() * count)
        else:
            choice = self._given[position] % count if position < len(self._given) else 0
        if not self.is_over:
            self.tape.append(choice)
        return choice

    def _run_once(self) -> None:
        """Callbacks one after another, each the loop's own choice of all that are ready."""
        ready, scheduled = self._ready, self._scheduled
        for _ in range(BATCH):
            if scheduled:
                first = scheduled[0]
                if not ready or first <= self._now or first.handle.is_cancelled:
                    self._come_up()
            count = len(ready)
            if count > 1:
                index = self._choose(count)
                chosen = ready[index]
                del ready[index]
            elif count:
                chosen = ready.popleft()
            else:
                raise StuckError(f"nothing is left to happen after {self.steps} steps")
            if chosen.is_cancelled:
                continue
            power = chosen.context.get(POWER)
            if power is not None and (power.is_cut or power.is_stalled) and not self.is_over:
                power.waiting.append(chosen)
                continue
            if not self.is_over:
                self._count(chosen)
            try:
                chosen.context.run(chosen.callback, *chosen.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001  as in every loop: it is told, and the others go on
                self.call_exception_handler({"message": "a callback failed", "exception": error})
            if self._stopping:
                return

    def _come_up(self) -> None:
        """What is due is ready; if nothing is ready otherwise, it is the next moment."""
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0].handle.is_cancelled:
            heappop(scheduled)
        if not ready and scheduled and scheduled[0] > self._now:
            self._now = float(scheduled[0])
        while scheduled and scheduled[0] <= self._now:
            handle = heappop(scheduled).handle
            if not handle.is_cancelled:
                ready.append(handle)

    def _count(self, chosen: Handle) -> None:
        """One step more. Raises `EndlessError`."""
        if self.steps >= self._steps_limit:
            self._ready.append(chosen)  # what waits for it can still be put away
            raise EndlessError(f"more than {self._steps_limit} steps")
        self.steps += 1

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


@coroutine
def pause() -> Generator[None, None, None]:
    """Let others go first, once: `asyncio.sleep(0)`, without what that is wrapped in."""
    yield


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
