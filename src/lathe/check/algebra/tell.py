"""Level 1 as part of the report: which properties were proved, and for how many instances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lathe.check.algebra.level import Proved
from lathe.check.reporting.report import LevelReport, LevelVerdict
from lathe.errors import Span
from lathe.lang.model import App, Property


def algebra_level(app: App, found: Proved | None, seconds: float) -> tuple[LevelReport, tuple[str, ...]]:
    """The report of the level, and the names of what is proved."""
    if found is None:
        why = "the system is too large to be laid out"
        return LevelReport(1, "algebra", "unknown", seconds, why=why), ()
    proofs = found.proofs
    names = tuple(sorted({p.name for p in _asked(app) if p.span in proofs.proved}))
    scope = "any number of instances"
    if found.instances:
        scope = ", ".join(f"{count} {name}" for name, count in sorted(found.instances.items()))
    why = f"{len(proofs.proved)} of {len(proofs.proved | proofs.open)} obligations proved, for {scope}"
    verdict: LevelVerdict = "unknown" if proofs.open else "passes"
    return LevelReport(1, "algebra", verdict, seconds, why=why, is_timed=proofs.is_timed), names


def named(app: App, left: Iterable[Span]) -> Iterator[str]:
    """What level 1 was asked and did not prove, as the author names it."""
    every = [*app.properties.values(), *(p for b in app.blueprints.values() for p in b.properties.values())]
    names = {prop.span: f"whether `{prop.name}` holds" for prop in every}
    for span in sorted(left):
        yield names.get(span, f"what can fail at {span}")


def _asked(app: App) -> list[Property]:
    own = [p for b in app.blueprints.values() for p in b.properties.values()]
    return [p for p in (*app.properties.values(), *own) if p.kind != "sometimes"]
