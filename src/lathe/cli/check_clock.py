"""The clock of a check: its budget, Ctrl-C, and progress on the terminal."""

from __future__ import annotations

import signal
from time import perf_counter, process_time
from types import FrameType, TracebackType

from lathe.cli import output

PATIENCE_SECONDS = 1.0
"""A check that takes longer says so on a terminal."""
GRACE_SECONDS = 0.5
"""How long after Ctrl-C a search may work to come to a state that it can tell of."""
GRACE_LONGEST_SECONDS = 5.0
"""The same by the clock on the wall, where others have the processor."""
TIMES_LONGER = 3
"""A busy machine makes nobody wait longer than so many times the seconds that a check has by itself."""


class Watch:
    """A monotonic clock in seconds. Ctrl-C is raised where it is read, so that a search loses nothing.

    A second Ctrl-C, or half a second of work without a look at the clock, interrupts wherever it finds us.

    `is_patient`: what counts are the seconds in which there was a processor, so that a busy machine costs no
    verdict, but at least a third of all that pass; else those on the wall.
    """

    def __init__(self, name: str, *, is_patient: bool = False) -> None:
        self.name = name
        self._is_patient = is_patient
        self._start, self._worked = perf_counter(), process_time()
        self._shown = 0.0
        self._is_asked_to_stop = False
        self.was_interrupted = False
        self._before: signal.Handlers | None = None

    def __enter__(self) -> Watch:
        self._before = signal.signal(signal.SIGINT, self._interrupt)  # type: ignore[assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _alarm(0, 0)
        signal.signal(signal.SIGINT, self._before)
        if self._shown:
            output.status("")

    def __call__(self) -> float:
        """The time. Raises KeyboardInterrupt, once, if Ctrl-C was pressed since."""
        if self._is_asked_to_stop:
            self._stop()
        now = perf_counter()
        passed = now - self._start
        if passed - self._shown > PATIENCE_SECONDS:
            self._shown = passed
            output.status(f"checking {self.name}, {passed:.0f} s; Ctrl-C stops and tells what is known")
        if self._is_patient:
            return max(min(passed, process_time() - self._worked), passed / TIMES_LONGER)
        return now

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.was_interrupted = True
        if self._is_asked_to_stop or not hasattr(signal, "setitimer"):
            self._stop()
        self._is_asked_to_stop = True
        for one in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(one, self._out_of_grace)
        _alarm(GRACE_SECONDS, GRACE_LONGEST_SECONDS)

    def _out_of_grace(self, number: int, frame: FrameType | None) -> None:
        if self._is_asked_to_stop:
            self._stop()

    def _stop(self) -> None:
        self._is_asked_to_stop = False
        _alarm(0, 0)
        raise KeyboardInterrupt


def _alarm(worked_seconds: float, seconds: float) -> None:
    """Be woken when so much was worked, or has passed; 0: never mind."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, worked_seconds)
        signal.setitimer(signal.ITIMER_REAL, seconds)
