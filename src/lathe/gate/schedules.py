"""Level 3: the real runtime in simulated worlds, with the blueprints that are checked.

It finds defects of the runtime, or of the levels before it; that it finds none in some seeds is no proof, and
the report says how many there were. It runs when the levels below have admitted the app.
"""

from __future__ import annotations

from collections.abc import Mapping

from lathe.check.read import finding
from lathe.check.reporting.report import INTERRUPTED, Finding, LevelReport
from lathe.check.search.graph import Clock
from lathe.frozen import frozen
from lathe.lang.model import App
from lathe.machine.trace import Trace
from lathe.sim.menu import MIXES
from lathe.sim.prepared import prepare
from lathe.sim.run import Outcome, setting_of, simulate
from lathe.sim.shrink import shrink
from lathe.sim.telling import trace_of

SEEDS = 16
STEPS = 40_000
"""Where nothing else is said: seeds until so many are done, or so many callbacks in their worlds: some tenths
of a second. Both are counted, so that the same files are told the same on every machine.
"""
SECONDS = 30.0
"""A safety stop, for what is slower than anything that was seen; the report says that it was."""
SHRINKING_LIMIT = 60
"""Runs that a failure may cost to be made small."""


@frozen
class Scheduled:
    """What the level found, and what it did not cover."""

    level: LevelReport
    findings: tuple[Finding, ...]
    not_covered: str


def schedules(
    app: App, files: Mapping[str, bytes], *, seeds: int | None, first: int, clock: Clock
) -> Scheduled:
    """Run `seeds` seeds from `first` on, in each mix in turn; without a number, `SEEDS` or `STEPS`."""
    started = clock()
    prepared = prepare(files)
    done, steps, why = 0, 0, ""
    failed: Outcome | None = None
    try:
        for seed in range(first, first + (SEEDS if seeds is None else seeds)):
            outcome = simulate(prepared, setting_of(seed, MIXES[seed % len(MIXES)]))
            done, steps = done + 1, steps + outcome.steps
            if outcome.violation is not None:
                failed = outcome
                break
            if seeds is None and steps >= STEPS:
                break
            if seeds is None and clock() - started > SECONDS:
                why = "its seconds ran out"
                break
    except KeyboardInterrupt:
        why = f"{INTERRUPTED} it"
    findings = (
        () if failed is None else (_finding(app, failed, shrink(prepared, failed, tries=SHRINKING_LIMIT)),)
    )
    level = LevelReport(
        level=3,
        name="schedules",
        verdict="passes" if failed is None else "fails",
        seconds=clock() - started,
        why=why,
        is_timed=bool(why),
        seeds=done,
    )
    bound = f"level 3 (schedules): more than {done} {'seed' if done == 1 else 'seeds'}"
    return Scheduled(level, findings, bound)


def _finding(app: App, failed: Outcome, small: Outcome) -> Finding:
    assert small.violation is not None, "what is shrunk still fails"
    broken = small.violation.broken
    cure = (
        f"`lathe sim PATH {failed.line}` repeats it; the blueprint is not at fault: report it with the app's "
        "files, or go back to the release that does not do it"
    )
    return finding(
        "LT811",
        f"the runtime did not do what the blueprint says: {small.violation.said}",
        app.span,
        cure,
        prop=broken.prop.name if broken is not None else None,
        trace=_trace(small),
    )


def _trace(small: Outcome) -> Trace | None:
    """The run, if anything was committed in it."""
    return trace_of(small) if small.history else None
