"""Level 4: random requests to the real API, compared with an independent interpreter of the blueprint.

Like level 3 it finds defects of the runtime, or of what all levels share: the machine. It runs when the
levels below have admitted the app.
"""

from __future__ import annotations

from collections.abc import Mapping

from lathe.check.read import finding
from lathe.check.reporting.report import Finding, LevelReport
from lathe.check.search.graph import Clock
from lathe.frozen import frozen
from lathe.lang.model import App
from lathe.probe.level import Difference, probe

NAME = "properties"


@frozen
class Compared:
    """What the level found, and what it did not cover."""

    level: LevelReport
    findings: tuple[Finding, ...]
    not_covered: str


def properties(
    app: App, files: Mapping[str, bytes], *, plans: int | None, first: int, clock: Clock
) -> Compared:
    """Try `plans` plans of requests from seed `first` on; without a number, a fixed amount of them."""
    started = clock()
    found = probe(app, files, plans=plans, first=first, clock=clock)
    level = LevelReport(
        level=4,
        name=NAME,
        verdict="fails" if found.difference else "passes",
        seconds=clock() - started,
        why="its seconds ran out" if found.is_timed else "",
        is_timed=found.is_timed,
        seeds=found.plans,
    )
    findings = (_finding(app, found.difference),) if found.difference else ()
    bound = f"level 4 ({NAME}): more than {found.plans} {'seed' if found.plans == 1 else 'seeds'}"
    return Compared(level, findings, bound)


def _finding(app: App, difference: Difference) -> Finding:
    repeat = f"`lathe check PATH --level 4 --seeds 1 --seed {difference.seed}` repeats it"
    cure = f"{repeat}; the blueprint is not at fault: report it with the app's files and these requests"
    message = f"the runtime did not do what the blueprint says: {difference.said}"
    return finding("LT811", message, app.span, "\n".join((cure, *difference.transcript)))
