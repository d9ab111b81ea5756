"""Many seeds over several processes: failures grouped by cause, and coverage.

Seeds are done in chunks that are numbered, so that a campaign can be stopped and gone on with. There is
nothing shared between two runs, so a campaign is as fast as its processors are many.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import resource_tracker

from lathe.frozen import frozen
from lathe.sim.menu import Mix
from lathe.sim.prepared import Prepared, prepare
from lathe.sim.run import setting_of, simulate

CHUNK_SEEDS = 10
AHEAD = 2
"""Chunks that wait for each process."""


@frozen
class Chunk:
    """Seeds `first` to `last`, in one mix."""

    mix: Mix
    first: int
    last: int


@frozen
class Failure:
    """A seed that failed, and why."""

    cause: str
    said: str
    seed: int
    mix: Mix


@frozen
class Tally:
    """What came of a chunk, or of several (`added`)."""

    seeds: int = 0
    steps: int = 0
    committed: int = 0
    virtual_seconds: float = 0.0
    failures: tuple[Failure, ...] = ()
    taken: Mapping[tuple[str, str], int] = {}
    faults: Mapping[str, int] = {}

    def added(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.seeds + other.seeds,
            self.steps + other.steps,
            self.committed + other.committed,
            self.virtual_seconds + other.virtual_seconds,
            self.failures + other.failures,
            Counter(self.taken) + Counter(other.taken),
            Counter(self.faults) + Counter(other.faults),
        )


Files = Mapping[str, bytes]


def run_chunk(prepared: Prepared, chunk: Chunk) -> Tally:
    """Every seed of a chunk, one after another."""
    total = Tally()
    for seed in range(chunk.first, chunk.last + 1):
        found = simulate(prepared, setting_of(seed, chunk.mix))
        wrong = found.violation
        failures = () if wrong is None else (Failure(wrong.cause, wrong.said, seed, chunk.mix),)
        one = Tally(
            1, found.steps, found.committed, found.virtual_seconds, failures, found.taken, found.faults
        )
        total = total.added(one)
    return total


def chunks(
    mixes: Sequence[Mix],
    first: int,
    count: int | None,
    done: Collection[tuple[str, int]] = (),
    *,
    size: int = CHUNK_SEEDS,
) -> Iterator[Chunk]:
    """The chunks of a campaign, mix by mix in turn; without end if there is no `count` of seeds.

    `done` names chunks, as (mix, first seed), that are left out. `size` are the seeds of one.
    """
    at = first
    while count is None or at < first + count:
        last = at + size - 1 if count is None else min(at + size, first + count) - 1
        for mix in mixes:
            if (mix, at) not in done:
                yield Chunk(mix, at, last)
        at += size


def campaign(
    files: Files, planned: Iterator[Chunk], *, jobs: int, is_over: Callable[[], bool]
) -> Iterator[tuple[Chunk, Tally]]:
    """Run chunks on `jobs` processes, and give each as it ends. After the first, none is begun once
    `is_over`.
    """
    if jobs == 1:
        prepared = prepare(files)
        for chunk in planned:
            yield chunk, run_chunk(prepared, chunk)
            if is_over():
                return
        return
    context = multiprocessing.get_context("spawn")
    resource_tracker.ensure_running()  # it lets signals through again when it begins
    with ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(dict(files),)) as pool:
        waiting: dict[Future[Tally], Chunk] = {}
        is_begun = False
        while True:
            while len(waiting) < jobs * AHEAD and not (is_begun and is_over()):
                is_begun = True
                ahead = next(planned, None)
                if ahead is None:
                    break
                with _undisturbed():
                    waiting[pool.submit(_run, ahead)] = ahead
            if not waiting:
                return
            for future in sorted(wait(waiting, return_when=FIRST_COMPLETED).done, key=id):
                yield waiting.pop(future), future.result()


_prepared: list[Prepared] = []
"""What a process of a campaign was begun with."""


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold back Ctrl-C: a process that is begun here does so, too, until it is ready for it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave(number: int, frame: object) -> None:
    """Ctrl-C reaches every process of a terminal: only the first says something."""
    os._exit(128 + number)


def _begin(files: Files) -> None:
    signal.signal(signal.SIGINT, _leave)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _prepared[:] = [prepare(files)]


def _run(chunk: Chunk) -> Tally:
    return run_chunk(_prepared[0], chunk)
