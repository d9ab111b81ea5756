"""Level 2: every reachable state of the composition, as far as the budget lets it.

Scopes are searched smallest first. Violations are told from whatever was searched; what never happens
is told only of a scope that was completed, and only if one more instance would not make it happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from lathe.check.bounds import TooLargeError
from lathe.check.coverage import fingerprint, taken_actions
from lathe.check.liveness import Unfair, failures
from lathe.check.progress import Standstill, call_cycle, standstills
from lathe.check.report import Coverage, Finding, LevelReport, LevelVerdict
from lathe.check.scope import Instances, linked, scopes
from lathe.check.search import Clock, Graph, Limits, search
from lathe.check.suspects import (
    Never,
    alarm,
    empty_promises,
    full,
    met,
    never,
    permitted_after_all,
    violated,
)
from lathe.check.system import System, make_system
from lathe.errors import Span
from lathe.frozen import frozen
from lathe.lang.model import App

DEFAULT_SECONDS = 10.0


@frozen
class Reached:
    """What level 2 has to say."""

    level: LevelReport
    findings: tuple[Finding, ...]
    covered: Coverage
    not_covered: tuple[str, ...]


@dataclass(slots=True)
class _Progress:
    """The state of a check across scopes."""

    app: App
    digest: str
    limits: Limits
    findings: dict[tuple[str, Span], Finding] = field(default_factory=dict)
    completed: tuple[System, Graph] | None = None
    last: Graph | None = None
    partial: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def add(self, found: Iterable[Finding]) -> None:
        """Keep the first finding of each code at each place: smaller scopes come first."""
        for f in found:
            self.findings.setdefault((f.diagnostic.code, f.diagnostic.span), f)

    @property
    def has_errors(self) -> bool:
        return any(f.diagnostic.severity == "error" for f in self.findings.values())


def reach(app: App, digest: str, clock: Clock, seconds: float | None = None) -> Reached:
    """Search an app in its scopes and judge what was found. `seconds` overrides the app's own budget."""
    started = clock()
    budget = seconds if seconds is not None else app.scope.budget_seconds or DEFAULT_SECONDS
    progress = _Progress(app, digest, Limits(app.scope.budget_states, started + budget, clock))
    for instances in scopes(app):
        if not _search_scope(progress, instances):
            break
    level = _level(progress, clock() - started)
    has_answer = progress.last is not None and progress.last.ended_by == "found"
    if (progress.completed is None and not has_answer) or progress.doubts:
        from lathe.check.tell import undecided  # a check that finds nothing never loads the machine

        progress.add([undecided(app, (progress.doubts or progress.partial)[-1])])
    return Reached(
        level, tuple(progress.findings.values()), _coverage(progress), tuple(_not_covered(progress))
    )


def _level(progress: _Progress, seconds: float) -> LevelReport:
    graph = progress.completed[1] if progress.completed else progress.last
    is_open = not progress.completed or bool(progress.doubts)
    verdict: LevelVerdict = "fails" if progress.has_errors else "unknown" if is_open else "passes"
    why = (progress.doubts or progress.partial)[-1] if is_open else ""
    if graph is None:
        return LevelReport(2, "reach", verdict, seconds, why=why)
    return LevelReport(2, "reach", verdict, seconds, len(graph.states), len(graph.targets), graph.depth, why)


def _search_scope(progress: _Progress, instances: Instances) -> bool:
    """Search one scope; tells whether a larger one still makes sense."""
    try:
        system = make_system(progress.app, instances)
    except TooLargeError as error:
        progress.partial.append(f"{_instances_text(instances)}: {error}")
        return False
    graph = search(system, replace(progress.limits, alarm=alarm(system)))
    progress.last = graph
    _tell_violations(progress, system, graph)
    if not graph.is_complete:
        progress.partial.append(_why(graph, instances))
        return False
    progress.completed = (system, graph)
    _judge_complete(progress, system, graph, instances)
    return not progress.has_errors


def _tell_violations(progress: _Progress, system: System, graph: Graph) -> None:
    """Invariants, step properties, ranges, lost ends: these need no complete search."""
    broken, noted = violated(system, graph), met(system, graph)
    if not broken and not noted:
        return
    from lathe.check import tell  # only here, so that a clean check starts sooner

    case = tell.make_case(system, graph, progress.digest)
    told = [tell.tell_violated(case, v) for v in broken] + [tell.tell_met(case, m) for m in noted]
    progress.add(sorted(told, key=lambda f: (f.trace.length if f.trace else 0, f.diagnostic.span)))


def _why(graph: Graph, instances: Instances) -> str:
    ends = {
        "found": "what it found",
        "states": "its budget of states",
        "seconds": "its seconds",
        "interrupt": "an interrupt",
    }
    told, count = _instances_text(instances), len(graph.states)
    return f"{told}: {ends[graph.ended_by]} ended the search after {count:,} states"


def _instances_text(instances: Instances) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(instances.items()))


def _judge_complete(progress: _Progress, system: System, graph: Graph, instances: Instances) -> None:
    """What only a complete search can say, and only if one more instance would not change it."""
    permits = list(permitted_after_all(system, graph))
    empties = empty_promises(system, graph)
    cycle = call_cycle(system, graph)
    doubtful, still = never(system, graph), standstills(system, graph)
    unfair = _by_property(failures(system, graph))
    if not (permits or empties or doubtful or still or unfair or cycle is not None):
        return
    from lathe.check import tell  # only here, so that a clean check starts sooner

    cut = _cut(system, graph)
    if cut:
        wider = {name: count + (name in cut) for name, count in instances.items()}
        doubtful, unfair = _confirmed(progress, wider, doubtful, unfair)
        still = [s for s in still if _still_so(progress, (system, graph), wider, s)]
    case = tell.make_case(system, graph, progress.digest)
    for cannot, actions, index in permits:
        progress.add(tell.tell_permitted(case, cannot, actions, index))
    if cycle is not None:
        progress.add([tell.tell_call_cycle(case, cycle)])
    progress.add(tell.tell_never(n) for n in doubtful)
    progress.add(tell.tell_unfair(case, f) for f in unfair.values())
    progress.add(tell.tell_standstill(case, s) for s in still)
    progress.add(tell.tell_empty(p) for p in empties)


def _by_property(found: Iterable[Unfair]) -> dict[Span, Unfair]:
    """The first failure of each `eventually`."""
    first: dict[Span, Unfair] = {}
    for failure in found:
        first.setdefault(failure.prop.span, failure)
    return first


def _cut(system: System, graph: Graph) -> frozenset[str]:
    """The blueprints of which only the scope forbids one more, where one more could matter."""
    app = system.layout.app
    return frozenset(
        name for name in linked(app) if "create" in app.blueprints[name].actions and full(system, graph, name)
    )


def _confirmed(
    progress: _Progress, wider: Instances, doubtful: list[Never], unfair: dict[Span, Unfair]
) -> tuple[list[Never], dict[Span, Unfair]]:
    """What one more instance of everything that was cut does not take away."""
    if not doubtful and not unfair:
        return doubtful, unfair
    try:
        system = make_system(progress.app, wider)
    except TooLargeError as error:
        progress.doubts.append(f"{_instances_text(wider)}: {error}")
        return [], {}
    graph = search(system, progress.limits)
    if not graph.is_complete:
        progress.doubts.append(_why(graph, wider))
        return [], {}
    seen = {(n.code, n.subject.span) for n in never(system, graph)}
    open_still = _by_property(failures(system, graph))
    kept = {span: f for span, f in unfair.items() if span in open_still}
    return [n for n in doubtful if (n.code, n.subject.span) in seen], kept


def _still_so(progress: _Progress, found: tuple[System, Graph], wider: Instances, still: Standstill) -> bool:
    """Whether an entity still cannot go on if there is room for more, from where it was found."""
    from lathe.check.encode import transferred  # only here, so that a clean check starts sooner

    try:
        small, large = found[0], make_system(progress.app, wider)
    except TooLargeError as error:
        progress.doubts.append(f"{_instances_text(wider)}: {error}")
        return False
    start = transferred(small.layout, large.layout, found[1].states[still.index])
    graph = search(large, progress.limits, [start])
    if not graph.is_complete:
        progress.doubts.append(_why(graph, wider))
        return False
    again = standstills(large, graph, only=0)
    return any(s.code == still.code and s.slot.name == still.slot.name for s in again)


def _coverage(progress: _Progress) -> Coverage:
    if progress.completed is None:
        return Coverage(exhaustive="no scope was completed")
    system, graph = progress.completed
    taken = taken_actions(system, graph)
    bounds = dict(sorted(system.layout.domains.instances.items()))
    bounds["principals"] = len(system.layout.domains.principals)
    return Coverage(
        bounds=bounds,
        actions={f"{b}.{a}": taken.actions.get((b, a), 0) for b, a in _all_actions(progress.app)},
        states={f"{b}.{s}": taken.states.get((b, s), 0) for b, s in _all_states(progress.app)},
        effects={".".join(key): count for key, count in sorted(taken.effects.items())},
        exhaustive="within bounds",
        fingerprint=fingerprint(graph),
    )


def _all_actions(app: App) -> Iterator[tuple[str, str]]:
    return ((b.name, a) for b in app.blueprints.values() for a in b.actions)


def _all_states(app: App) -> Iterator[tuple[str, str]]:
    return ((b.name, s) for b in app.blueprints.values() for s in b.states)


def _not_covered(progress: _Progress) -> Iterator[str]:
    app = progress.app
    if progress.completed is not None:
        system = progress.completed[0]
        for name, count in sorted(system.layout.domains.instances.items()):
            yield f"more than {count} {name}"
        sampled = {p.name for c in system.commands for p in c.params if p.sampled}
        yield from (f"values of `{name}` beyond a sample" for name in sorted(sampled))
    yield from progress.partial
    for blueprint in app.blueprints.values():
        for state in blueprint.states.values():
            if state.waits is not None:
                yield f"{blueprint.name} may wait in `{state.name}` for ever: {state.waits}"
        for effect in blueprint.effects.values():
            if not effect.late and not effect.is_notice and effect.target is None:
                yield f"that `{blueprint.name}.{effect.name}` is never executed late is taken on trust"
    if any(s.after_ms is not None for b in app.blueprints.values() for s in b.states.values()):
        yield "durations: a timer may fire at any moment while it is armed"
