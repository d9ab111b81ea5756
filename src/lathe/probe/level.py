"""Level 4's loop: plans from seeds until one shows a difference, which is shrunk, or enough have passed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from lathe.frozen import frozen
from lathe.lang.model import App
from lathe.machine.table import compile_app
from lathe.probe.journal_check import DifferenceError
from lathe.probe.plan import Plan, Step, Swap, Together, Wait, draw_plan
from lathe.probe.run import Subject, carry_out
from lathe.probe.versions import reader_of
from lathe.reader.reader import Reader

PLANS = 40
WORK = 1_000
"""Where nothing else is said: plans until so many are done, or so many requests and steps: some tenths of a
second. Both are counted, so that the same files are told the same on every machine.
"""
SECONDS = 30.0
"""A safety stop, for what is slower than anything that was seen."""
SHRINKING_LIMIT = 150
"""Runs that a difference may cost to be made small."""


@frozen
class Difference:
    """Where runtime and blueprint part, with the requests that show it and the seed of the plan."""

    said: str
    seed: int
    plan: Plan
    transcript: tuple[str, ...]


@frozen
class Probed:
    """What was tried, and what was found."""

    plans: int
    requests: int
    refused: int
    steps: int
    difference: Difference | None = None
    is_timed: bool = False
    """Whether the seconds ran out."""


def probe(
    app: App,
    files: Mapping[str, bytes],
    *,
    plans: int | None = None,
    first: int = 0,
    clock: Callable[[], float],
    reader: Reader | None = None,
) -> Probed:
    """Try `plans` plans from seed `first` on; without a number, `PLANS`, or as many as come to `WORK`.

    `reader` is what the runtime is held against: by default the second reading of this very app.
    """
    subject = Subject(compile_app(app), files, reader or reader_of(app))
    started = clock()
    done = requests = refused = steps = 0
    for seed in range(first, first + (PLANS if plans is None else plans)):
        plan = draw_plan(app, seed)
        done += 1
        try:
            counts = carry_out(subject, plan)
        except DifferenceError as error:
            return Probed(done, requests, refused, steps, _small(subject, plan, error))
        requests, refused, steps = (
            requests + counts.requests,
            refused + counts.refused,
            steps + counts.steps,
        )
        if plans is None and requests + steps >= WORK:
            break
        if plans is None and clock() - started > SECONDS:
            return Probed(done, requests, refused, steps, is_timed=True)
    return Probed(done, requests, refused, steps)


def _small(subject: Subject, plan: Plan, error: DifferenceError) -> Difference:
    """The shortest plan that is found in which runtime and reader still part."""
    tries, is_shorter = 0, True
    while is_shorter and tries < SHRINKING_LIMIT:
        is_shorter = False
        for less in _less(plan):
            tries += 1
            if tries > SHRINKING_LIMIT:
                break
            try:
                carry_out(subject, less)
            except DifferenceError as again:
                plan, error, is_shorter = less, again, True
                break
    return Difference(str(error), plan.seed, plan, _transcript(error))


def _less(plan: Plan) -> Iterator[Plan]:
    """Plans with fewer steps: without the second half, without each, with one of several at once."""
    steps = plan.steps
    if len(steps) > 3:
        yield replace(plan, steps=steps[: len(steps) // 2])
    for at in reversed(range(len(steps))):
        yield replace(plan, steps=(*steps[:at], *steps[at + 1 :]))
    for at, step in enumerate(steps):
        for simpler in _simpler(step):
            yield replace(plan, steps=(*steps[:at], simpler, *steps[at + 1 :]))


def _simpler(step: Step) -> Iterator[Step]:
    if isinstance(step, Together):
        yield from step.asks
    elif isinstance(step, Swap) and step.asks:
        yield Swap()
    elif isinstance(step, Wait) and step.seconds > 2.0:
        yield Wait(2.0)


def _transcript(error: DifferenceError) -> tuple[str, ...]:
    notes: list[str] = getattr(error, "__notes__", [])
    return tuple(note for note in notes if not note.startswith("seed "))
