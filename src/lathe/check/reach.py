"""Level 2: every reachable state of the composition, as far as the budget lets it.

Scopes are searched smallest first. Violations are told from whatever was searched; what never happens
is told only of a scope that was completed, and only if one more instance would not make it happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lathe.check import ir, judge
from lathe.check.coverage import fingerprint, taken_actions
from lathe.check.encode import transferred
from lathe.check.judge import Case
from lathe.check.liveness import failures
from lathe.check.progress import Standstill, call_cycle, standstills
from lathe.check.report import Coverage, Finding, LevelReport
from lathe.check.scope import Instances, linked, scopes
from lathe.check.search import Clock, Graph, Limits, first_where, search
from lathe.check.system import make_system
from lathe.check.trace import make_trace
from lathe.errors import Diagnostic
from lathe.lang.model import App
from lathe.machine.table import Table, compile_app

DEFAULT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
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
    table: Table
    limits: Limits
    findings: dict[tuple[str, object], Finding] = field(default_factory=dict)
    completed: Case | None = None
    partial: list[str] = field(default_factory=list)
    states: int = 0
    steps: int = 0
    depth: int = 0
    interrupted: bool = False

    def add(self, found: Iterable[Finding]) -> None:
        for f in found:
            key = (f.diagnostic.code, f.diagnostic.span)
            if key not in self.findings:
                self.findings[key] = f


def reach(app: App, digest: str, clock: Clock, seconds: float | None = None) -> Reached:
    """Search an app in its scopes and judge what was found. `seconds` overrides the app's own budget."""
    started = clock()
    budget = seconds if seconds is not None else app.scope.budget_seconds or DEFAULT_SECONDS
    limits = Limits(app.scope.budget_states, started + budget, clock)
    progress = _Progress(app, digest, compile_app(app), limits)
    wanted = scopes(app)
    for instances in wanted:
        if not _search_scope(progress, instances):
            break
    required = progress.completed is not None
    if not required:
        progress.add([_undecided(app, progress.partial)])
    errors = any(f.diagnostic.severity == "error" for f in progress.findings.values())
    verdict = "fails" if errors and required else "unknown" if not required else "passes"
    if not required and any(
        c != "LT801" for (c, _), f in progress.findings.items() if f.diagnostic.severity == "error"
    ):
        verdict = "fails"
    level = LevelReport(
        level=2,
        name="reach",
        verdict=verdict,  # type: ignore[arg-type]
        seconds=clock() - started,
        states=progress.states,
        steps=progress.steps,
        depth=progress.depth,
        why="" if required else progress.partial[-1],
    )
    return Reached(
        level, tuple(progress.findings.values()), _coverage(progress), tuple(_not_covered(progress))
    )


def _search_scope(progress: _Progress, instances: Instances) -> bool:
    """Search one scope; tells whether it was completed and a larger one makes sense."""
    system = make_system(progress.app, instances)
    graph = search(system, progress.limits)
    case = Case(system, graph, progress.table, progress.digest)
    progress.add(judge.violations(case))
    if not graph.is_complete:
        progress.partial.append(_why(graph, instances))
        progress.interrupted = graph.ended_by == "interrupt"
        if progress.completed is None:
            _count(progress, graph)
        return False
    _count(progress, graph)
    progress.completed = case
    _judge_complete(progress, case, instances)
    return not any(f.diagnostic.severity == "error" for f in progress.findings.values())


def _count(progress: _Progress, graph: Graph) -> None:
    progress.states, progress.steps, progress.depth = len(graph.states), len(graph.targets), graph.depth


def _why(graph: Graph, instances: Instances) -> str:
    told = ", ".join(f"{count} {name}" for name, count in sorted(instances.items()))
    what = {"states": "its budget of states", "seconds": "its seconds", "interrupt": "an interrupt"}[
        graph.ended_by
    ]
    return f"{told}: {what} ended the search after {len(graph.states):,} states"


def _judge_complete(progress: _Progress, case: Case, instances: Instances) -> None:
    progress.add(judge.denials(case))
    progress.add(judge.empty_promises(case))
    progress.add(_call_cycles(case))
    unfair = {f.prop.span: f for f in reversed(list(failures(case.system, case.graph)))}
    doubtful = [*judge.never(case), *(judge.tell_unfair(case, f) for f in unfair.values())]
    still = standstills(case.system, case.graph)
    cut = _cut(case)
    if cut and (doubtful or still):
        wider = {name: count + (name in cut) for name, count in instances.items()}
        doubtful = _confirmed(progress, wider, doubtful)
        still = [s for s in still if _still_so(progress, case, wider, s)]
    progress.add(doubtful)
    progress.add(judge.tell_standstill(case, s) for s in still)


def _call_cycles(case: Case) -> Iterator[Finding]:
    index = call_cycle(case.system, case.graph)
    if index is not None:
        trace = make_trace(judge.run_to(case, index), case.digest)
        span = next(iter(case.system.layout.app.blueprints.values())).span
        for command in case.system.commands:
            effect = command.label.effect
            if command.label.event == "deliver" and effect is not None:
                span = command.label.slot.blueprint.effects[effect].span
                break
        yield judge.finding(
            "LT505",
            "calls can go round without end: each one asks for the next",
            span,
            "let a counter or a state end the round, or take one call out of it",
            trace=trace,
        )


def _cut(case: Case) -> frozenset[str]:
    """The blueprints of which only the scope forbids one more, where one more could matter."""
    layout = case.system.layout
    found = set()
    for name in linked(layout.app):
        slots = layout.of(name)
        if layout.app.blueprints[name].actions.get("create") is None:
            continue
        full = ir.both(*(ir.no(ir.eq(s.state.formula, ir.FALSE)) for s in slots))
        if not slots or first_where(layout, case.graph.states, [full]):
            found.add(name)
    return frozenset(found)


def _confirmed(progress: _Progress, wider: Instances, doubtful: list[Finding]) -> list[Finding]:
    """Those findings that one more instance of what was cut does not take away."""
    if not doubtful:
        return []
    system = make_system(progress.app, wider)
    graph = search(system, progress.limits)
    if not graph.is_complete:
        progress.partial.append(_why(graph, wider))
        return []
    again = judge.never(Case(system, graph, progress.table, progress.digest))
    known = {(f.diagnostic.code, f.diagnostic.span) for f in again}
    known |= {("LT304", f.prop.span) for f in failures(system, graph)}
    return [f for f in doubtful if (f.diagnostic.code, f.diagnostic.span) in known]


def _still_so(progress: _Progress, case: Case, wider: Instances, still: Standstill) -> bool:
    """Whether an entity still cannot go on if there is room for more, from where it was found."""
    system = make_system(progress.app, wider)
    start = transferred(case.system.layout, system.layout, case.graph.states[still.index])
    graph = search(system, progress.limits, [start])
    if not graph.is_complete:
        return False
    slot = still.slot
    return any(s.code == still.code and s.slot.name == slot.name for s in standstills(system, graph, only=0))


def _undecided(app: App, partial: list[str]) -> Finding:
    message = f"the search did not end within its budget ({partial[-1]})"
    cure = (
        "give it smaller ranges or fewer instances (`[scope]` in app.toml), a larger `--budget`, "
        "or load it with `--accept-bounds`"
    )
    return Finding(Diagnostic("LT801", "error", message, app.span, cure))


def _coverage(progress: _Progress) -> Coverage:
    case = progress.completed
    if case is None:
        return Coverage(exhaustive="no scope was completed")
    taken = taken_actions(case.system, case.graph)
    bounds = {name: count for name, count in sorted(case.system.layout.domains.instances.items())}
    bounds["principals"] = len(case.system.layout.domains.principals)
    return Coverage(
        bounds=bounds,
        actions={f"{b}.{a}": taken.actions.get((b, a), 0) for b, a in _all_actions(progress.app)},
        states={f"{b}.{s}": taken.states.get((b, s), 0) for b, s in _all_states(progress.app)},
        effects={".".join(key): count for key, count in sorted(taken.effects.items())},
        exhaustive="within bounds",
        fingerprint=fingerprint(case.graph),
    )


def _all_actions(app: App) -> Iterator[tuple[str, str]]:
    return ((b.name, a) for b in app.blueprints.values() for a in b.actions)


def _all_states(app: App) -> Iterator[tuple[str, str]]:
    return ((b.name, s) for b in app.blueprints.values() for s in b.states)


def _not_covered(progress: _Progress) -> Iterator[str]:
    case, app = progress.completed, progress.app
    if case is not None:
        for name, count in sorted(case.system.layout.domains.instances.items()):
            yield f"more than {count} {name}"
        sampled = {p.name for c in case.system.commands for p in c.params if p.sampled}
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
