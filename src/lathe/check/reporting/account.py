"""The state of a check in progress: searches, findings, what was left out, and the resulting verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from lathe.check.composed.system import System
from lathe.check.judge.coverage import all_actions, all_states, fingerprint, taken_actions
from lathe.check.judge.suspects import met, violated
from lathe.check.reporting.report import Coverage, Finding, LevelReport, LevelVerdict
from lathe.check.search.graph import Graph, Limits
from lathe.errors import Span
from lathe.frozen import frozen, mutable
from lathe.lang.model import App

UNSEARCHED = (
    "the search did not end within its budget",
    "nothing could be searched",
    "was not judged",
    "a larger scope was not searched whole",
)
"""What LT801 says where it is the budget that left a question open."""


@frozen
class Algebra:
    """What level 1 was asked by level 2, and the properties that it proved."""

    level: LevelReport
    proved: tuple[str, ...]


@mutable
class Progress:
    """The state of a check across scopes."""

    app: App
    digest: str
    limits: Limits
    findings: dict[tuple[str, Span], Finding] = field(default_factory=dict)
    completed: tuple[System, Graph] | None = None
    before: tuple[System, Graph] | None = None
    """The scope before the one that was completed last."""
    last: Graph | None = None
    system: System | None = None
    partial: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    algebra: Algebra | None = None
    proved: frozenset[Span] | None = None
    is_closed: bool = False
    is_told: bool = False
    policies: Mapping[str, int] = field(default_factory=dict)
    is_judged: bool = True
    """Whether there was time to judge what was searched."""
    wider: str = ""
    """The wider scope that what never happened was asked of last, if there was one."""
    sought: str = ""
    """What a wider scope was asked last: "`done` is ever reached"."""
    few: str = ""
    """Of which blueprints the scope alone kept more out, where that could matter."""
    met: System | None = None
    """A system with more principals and texts that was searched whole, and showed nothing wrong either."""
    is_part: bool = False
    """Whether a larger scope was left out, or not searched whole."""

    def add(self, found: Iterable[Finding]) -> None:
        """Keep the first finding of each code at each place: smaller scopes come first."""
        for f in found:
            self.findings.setdefault((f.diagnostic.code, f.diagnostic.span), self._timed(f))

    def _timed(self, found: Finding) -> Finding:
        """The finding, with what its run takes for granted about time."""
        if found.trace is None:
            return found
        from lathe.check.reporting.timing import remark  # only here, so that a clean check starts sooner

        said = remark(found.trace, self.app)
        cure = f"{found.diagnostic.help}; {said}" if said else found.diagnostic.help
        return replace(found, diagnostic=replace(found.diagnostic, help=cure))

    @property
    def has_errors(self) -> bool:
        return any(
            f.diagnostic.severity == "error" and f.diagnostic.code != "LT801" for f in self.findings.values()
        )


def tell_violations(progress: Progress, system: System, graph: Graph) -> None:
    """Invariants, step properties, ranges, lost ends: these need no complete search."""
    broken, noted = violated(system, graph), met(system, graph)
    if not broken and not noted:
        return
    from lathe.check.reporting import tell  # only here, so that a clean check starts sooner

    case = tell.make_case(system, graph, progress.digest)
    told = [tell.tell_violated(case, v) for v in broken] + [tell.tell_met(case, m) for m in noted]
    progress.add(sorted(told, key=lambda f: (f.trace.length if f.trace else 0, f.diagnostic.span)))


def level_report(progress: Progress, started: float, ended: float) -> LevelReport:
    """The report of level 2, begun and ended at these readings of the clock."""
    seconds = ended - started
    graph = progress.completed[1] if progress.completed else progress.last
    why = _why_open(progress)
    verdict: LevelVerdict = "fails" if progress.has_errors else "unknown" if why else "passes"
    is_timed = ended >= progress.limits.stop_at
    if graph is None:
        return LevelReport(2, "reach", verdict, seconds, why=why, is_timed=is_timed)
    size = (len(graph.states), graph.steps, graph.depth)
    return LevelReport(2, "reach", verdict, seconds, *size, why, is_timed)


def _why_open(progress: Progress) -> str:
    """What was left undecided; empty if nothing was."""
    if progress.doubts:
        return progress.doubts[0]
    if progress.completed is None and not progress.is_closed:
        return progress.partial[-1]
    undecided = [f for f in progress.findings.values() if f.diagnostic.code == "LT801"]
    return undecided[0].diagnostic.message if undecided else ""


def ending(graph: Graph, instances: Mapping[str, int]) -> str:
    """What ended the search of a scope, and after how many states."""
    ends = {
        "found": "what it found",
        "states": "its budget of states",
        "seconds": "its seconds",
        "interrupt": "an interrupt",
        "proof": "a proof",
    }
    told, count = instances_text(instances), len(graph.states)
    return f"{told}: {ends[graph.ended_by]} ended the search after {count:,} states"


def instances_text(instances: Mapping[str, int]) -> str:
    """`2 Copy, 1 Member`."""
    return ", ".join(f"{count} {name}" for name, count in sorted(instances.items()))


def not_searched(progress: Progress) -> str:
    """Why no scope was completed: its search did not end, or none could be begun."""
    why = progress.partial[-1]
    return out_of_budget(why) if progress.last is not None else f"{UNSEARCHED[1]} ({why})"


def out_of_budget(why: str) -> str:
    """That a search did not end, and why."""
    return f"{UNSEARCHED[0]} ({why})"


def judged_system(progress: Progress) -> System | None:
    """The system that the verdict is about."""
    if progress.completed is not None:
        return progress.completed[0]
    return progress.system if progress.is_closed else None


def coverage(progress: Progress) -> Coverage:
    """What the largest scope that was completed went through, or the one that was closed by proof."""
    searched = progress.completed or (progress.system, progress.last)
    system, graph = searched
    if system is None or graph is None or (progress.completed is None and not progress.is_closed):
        return Coverage(exhaustive="no scope was completed")
    taken = taken_actions(system, graph)
    bounds = dict(sorted(system.layout.domains.instances.items()))
    bounds["principals"] = len(system.layout.domains.principals)
    return Coverage(
        bounds=bounds,
        actions={f"{b}.{a}": taken.actions.get((b, a), 0) for b, a in all_actions(progress.app)},
        states={f"{b}.{s}": taken.states.get((b, s), 0) for b, s in all_states(progress.app)},
        effects={".".join(key): count for key, count in sorted(taken.effects.items())},
        exhaustive=_exhaustive(progress),
        fingerprint=fingerprint(graph),
        proved=progress.algebra.proved if progress.algebra else (),
        alike=graph.alike,
        policies=progress.policies,
    )


def _exhaustive(progress: Progress) -> str:
    """How much was searched of what there is."""
    if progress.completed is not None:
        if not progress.is_judged:
            return "searched within bounds, but not judged whole"
        return (
            "within bounds, but not in the larger scope that was begun"
            if progress.is_part
            else "within bounds"
        )
    is_proved = not (progress.has_errors or progress.doubts)
    return "no scope was completed: closed by proof" if is_proved else "no scope was completed"
