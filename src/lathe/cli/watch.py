"""Time for a check: the clock it reads, Ctrl-C as the end of its budget, and a sign of life."""

from __future__ import annotations

import signal
from math import inf
from time import perf_counter
from types import FrameType, TracebackType

from lathe.cli import output

PATIENCE_SECONDS = 1.0
"""A check that takes longer says so on a terminal."""


class Watch:
    """A monotonic clock that Ctrl-C moves to the end of time, so that a search stops and tells what it has.

    A second Ctrl-C interrupts at once.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._start = perf_counter()
        self._shown = 0.0
        self._is_stopped = False
        self._before: object = None

    def __enter__(self) -> Watch:
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]
        if self._shown:
            output.status("")

    def __call__(self) -> float:
        """Seconds on a clock that only goes forward; infinity after Ctrl-C."""
        if self._is_stopped:
            return inf
        now = perf_counter()
        passed = now - self._start
        if passed - self._shown > PATIENCE_SECONDS:
            self._shown = passed
            output.status(f"checking {self.name}, {passed:.0f} s; Ctrl-C stops and tells what is known")
        return now

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._is_stopped:
            raise KeyboardInterrupt
        self._is_stopped = True
