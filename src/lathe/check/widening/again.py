"""Asks again what the scope was too small to show: of level 1, then of a scope just wide enough (ADR 33).

What level 1 proves holds for any number of instances. What a wider scope violates is reported with its trace.
What neither decides becomes a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, make_system
from lathe.check.judge.suspects import met, violated
from lathe.check.read import finding
from lathe.check.reporting.account import Algebra, Progress, ending, instances_text
from lathe.check.reporting.cure import range_guard
from lathe.check.reporting.report import Finding, LevelReport, LevelVerdict
from lathe.check.search.graph import Graph
from lathe.check.search.plain import search
from lathe.check.search.scope import holds_sets
from lathe.check.widening.unreached import Found, Unreached, unreached
from lathe.check.widening.wider import cut
from lathe.errors import Span
from lathe.lang.expr import Node, Population, walk
from lathe.lang.model import App, Property

PROOF_SECONDS = 2.0
"""What level 1 may take for what more instances might break."""

WIDENED_STATES = (2_000, 30_000)
"""How far a wider scope is searched, one after the other; a limit that is the same on every machine."""


def ask_beyond(progress: Progress, before: Found | None) -> None:
    """Ask what the largest scope could not show. `before` is the smaller one that was searched, if any."""
    assert progress.completed is not None, "a scope was searched"
    system, graph = progress.completed
    more = cut(system, graph)
    progress.few = instances_text({n: system.layout.domains.instances[n] for n in more})
    before = before or _smaller(progress, system)
    if not more or before is None:
        return
    asked = unreached((system, graph), before, more)
    if not asked:
        return
    left = _unproved(progress, asked)
    for one in left:
        if not progress.has_errors and not _is_settled(progress, one):
            progress.partial.append(left_out(progress.few, one))
            progress.add([warned(progress.few, one, _larger(one))])


def _smaller(progress: Progress, system: System) -> Found | None:
    """One of each where a scope that is declared has more; None if it has not, or that cannot be searched."""
    counts = system.layout.domains.instances
    single = {name: min(count, 1) for name, count in counts.items()}
    if single == counts:
        return None
    small = make_system(progress.app, single)
    graph = search(small, replace(progress.limits, states=WIDENED_STATES[-1]))
    return (small, graph) if graph.is_complete else None


def _unproved(progress: Progress, asked: list[Unreached]) -> list[Unreached]:
    """What level 1 does not prove for any number of instances."""
    spans = {one.span for one in asked if one.field}
    if not spans or progress.algebra is not None:
        return asked
    app = _uncounted(progress.app)
    if holds_sets(app):
        return asked  # what is proved of so many would not count for more
    from lathe.check.algebra.level import prove_app  # only here: it loads z3

    clock = progress.limits.clock
    started = clock()
    seconds = max(min(PROOF_SECONDS, progress.limits.stop_at - started), 0.0)
    found = prove_app(app, progress.completed if app is progress.app else None, clock, seconds)
    proved = spans & found.proofs.proved if found is not None and not found.instances else frozenset[Span]()
    why = f"{len(proved)} of {len(spans)} that {progress.few} could not show proved, for any number"
    names = {one.prop.name for one in asked if one.prop is not None and one.span in proved}
    verdict: LevelVerdict = "passes" if spans == proved else "unknown"
    is_timed = found is not None and found.proofs.is_timed
    level = LevelReport(1, "algebra", verdict, clock() - started, why=why, is_timed=is_timed)
    progress.algebra = Algebra(level, tuple(sorted(names)))
    return [one for one in asked if one.span not in proved]


def _uncounted(app: App) -> App:
    """The app without what counts its entities, for that holds of so many alone."""
    kept = {
        name: prop
        for name, prop in app.properties.items()
        if not any(isinstance(n, Population) for n in (*walk(prop.that.tree), *_premise(prop)))
    }
    return app if kept.keys() == app.properties.keys() else replace(app, properties=kept)


def _premise(prop: Property) -> Iterator[Node]:
    if prop.when is not None:
        yield from walk(prop.when.tree)


def _is_settled(progress: Progress, one: Unreached) -> bool:
    """Whether a wider scope decides it; one that is declared is not widened."""
    if progress.app.scope.instances:
        return False
    assert progress.completed is not None, "a scope was searched"
    small = progress.completed[0].layout
    for instances in one.wider:
        try:
            system = make_system(progress.app, instances)
        except TooLargeError:
            return False
        graph = searched(progress, system)
        if tells(progress, system, graph):
            return True
        if graph.ended_by == "seconds":
            said = ending(graph, instances)
            progress.doubts.append(f"whether {_told(one)} holds for more was not searched ({said})")
            return True
        if not graph.is_complete:
            return False
        if one.is_further(small, (system, graph)):
            progress.partial.append(f"{_told(one)} with more than {instances_text(instances)}")
            return True
    return False


def searched(progress: Progress, system: System) -> Graph:
    """A wider scope, a little way and then further, for what fails is often near."""
    for states in WIDENED_STATES:
        graph = search(system, replace(progress.limits, states=min(states, progress.limits.states)))
        if graph.ended_by != "states" or graph.hits or violated(system, graph):
            break
    return graph


def tells(progress: Progress, system: System, graph: Graph) -> bool:
    """Tell what is wrong in a wider scope; whether anything is."""
    broken, noted = violated(system, graph), met(system, graph)
    if not broken and not noted:
        return False
    from lathe.check.reporting import tell  # only here, so that a clean check starts sooner

    case = tell.make_case(system, graph, progress.digest)
    progress.add([*(tell.tell_violated(case, v) for v in broken), *(tell.tell_met(case, m) for m in noted)])
    return True


def _told(one: Unreached) -> str:
    """What may fail, in the author's words."""
    if one.prop is not None:
        return f"`{one.prop.name}`"
    fault = next(f for f in one.command.faults if f.span == one.span) if one.command else None
    return f"`{one.subject}` in `{fault.blueprint}.{fault.action}`" if fault else f"`{one.subject}`"


def left_out(few: str, one: Unreached) -> str:
    """The line of `not_covered`."""
    if not one.field:
        return f"{_told(one)} cannot be false with {few}, whatever happens"
    low, high = one.reached
    return f"`{one.field}` beyond {low} to {high}: never reached with {few}"


def warned(few: str, one: Unreached, larger: str) -> Finding:
    """LT803: what nobody knows."""
    if not one.field:
        message = f"{_told(one)} cannot be false with {few}, whatever happens: more were not searched"
    else:
        low, high = one.reached
        fails = "may leave its range" if one.code == "LT204" else "may fail"
        message = (
            f"{_told(one)} {fails} where `{one.field}` is {one.value:,}: "
            f"with {few} it is {low:,} to {high:,}, and for more nothing was proved"
        )
    cures = [_guard(one), larger]
    cure = ", or ".join(c for c in cures if c)
    return finding(
        "LT803", message, one.span, cure, severity="warning", prop=one.prop.name if one.prop else None
    )


def _guard(one: Unreached) -> str:
    """The guard that would keep it."""
    fault = next((f for f in one.command.faults if f.span == one.span), None) if one.command else None
    if fault is None or fault.action is None or one.command is None:
        return "say in an invariant or a guard what keeps it"
    slots = (one.command.label.slot, *(share.slot for share in one.command.shares))
    blueprint = next(slot.blueprint for slot in slots if slot.blueprint.name == fault.blueprint)
    return range_guard(blueprint, blueprint.actions[fault.action], fault.subject)


def _larger(one: Unreached) -> str:
    """The scope that would show it."""
    if not one.wider:
        return ""
    wanted = ", ".join(f"{name} = {count}" for name, count in sorted(one.wider[0].items()))
    return f"have more searched: `[scope]` with {wanted}"
