"""A check against the version that would be replaced: states reached by migration count as reached."""

from __future__ import annotations

from dataclasses import replace

from lathe.check.migration.level import Migrated, migration
from lathe.check.reach import Reached
from lathe.check.reporting.report import LevelReport, LevelVerdict
from lathe.check.search.graph import Clock
from lathe.lang import digest
from lathe.lang.diff import diff
from lathe.lang.model import App

NEVER = {"LT201", "LT202", "LT403", "LT506"}
"""Findings that something never happens: of a new version it may be what only old entities do."""


def replacing(old: App, new: App, alone: tuple[str, Reached], clock: Clock, seconds: float | None) -> Reached:
    """What there is to say of a version by itself, and of what comes to it from another.

    `alone` is its digest, and what was found of it by itself.
    """
    name, reached = alone
    started = clock()
    wrong = frozenset(f.diagnostic.span for f in reached.findings if f.diagnostic.severity == "error")
    moved = migration(old, new, (digest(old), name), clock, seconds, wrong)
    kept = tuple(
        f
        for f in reached.findings
        if f.diagnostic.code not in NEVER or f.diagnostic.span not in moved.reached
    )
    noticed = sum(change.is_breaking for change in diff(old, new))
    clients = (f"what clients may notice: {noticed} changes, `lathe diff` lists them",) if noticed else ()
    return replace(
        reached,
        level=_level(reached, moved, clock() - started, has_errors=_has_errors(kept, moved)),
        findings=(*kept, *moved.findings),
        covered=replace(reached.covered, migrated=_counted(moved)),
        not_covered=(*reached.not_covered, *moved.not_covered, *clients),
    )


def _has_errors(kept: tuple[object, ...], moved: Migrated) -> bool:
    findings = (*kept, *moved.findings)
    return any(
        f.diagnostic.severity == "error" and f.diagnostic.code != "LT801"  # type: ignore[attr-defined]
        for f in findings
    )


def _level(reached: Reached, moved: Migrated, seconds: float, *, has_errors: bool) -> LevelReport:
    """Level 2, with what the replacement adds to it."""
    level = reached.level
    why = level.why or moved.why
    verdict: LevelVerdict = "fails" if has_errors else "unknown" if why else "passes"
    is_timed = level.is_timed or moved.is_timed
    return replace(level, verdict=verdict, seconds=level.seconds + seconds, why=why, is_timed=is_timed)


def _counted(moved: Migrated) -> dict[str, str | int]:
    alike = {"alike": ", ".join(moved.alike)} if moved.alike else {}
    return {"from": moved.before, "states": moved.states, "images": moved.images, **alike}
