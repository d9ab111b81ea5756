"""Repeats the search with more principals, texts or pending notices than the default (ADR 36).

A violation found with more of them is reported with its trace. What lies beyond even that becomes a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.bounds import TooLargeError
from lathe.check.composed import ir
from lathe.check.composed.domain import WIDEST_FRESH_TEXTS, WIDEST_PENDING
from lathe.check.composed.invoke import is_steady, most_pending
from lathe.check.composed.ir import FALSE, Formula
from lathe.check.composed.layout import Variable
from lathe.check.composed.system import System, make_system, violation
from lathe.check.judge.suspects import crowded, invariants
from lathe.check.read import finding
from lathe.check.reporting.account import Progress, ending
from lathe.check.reporting.report import Finding
from lathe.check.search.graph import Graph
from lathe.check.search.watch import watches
from lathe.check.widening.again import left_out, searched, tells, warned
from lathe.check.widening.unreached import unreached
from lathe.check.widening.wider import crowd
from lathe.errors import Span
from lathe.lang.model import Blueprint, Effect


def ask_crowd(progress: Progress) -> None:
    """Ask of more principals, texts and pending notices, where there could be more, what must never be.

    A number of principals that the app declares is what its author wants.
    """
    assert progress.completed is not None, "a scope was searched"
    small = progress.completed[0].layout
    people, instances = crowd(small), small.domains.instances
    pending = WIDEST_PENDING if crowded(*progress.completed) else small.domains.pending
    try:
        system = make_system(
            progress.app, instances, principals=people, texts_limit=WIDEST_FRESH_TEXTS, pending=pending
        )
    except TooLargeError:
        return
    graph = searched(progress, system)
    if tells(progress, system, graph):
        return
    if people is not None and people < small.domains.could_differ:
        for one in unreached((system, graph), progress.completed, frozenset()):
            if one.field:
                progress.partial.append(left_out(f"{people} principals", one))
                progress.add([warned(f"{people} principals", one, "")])
    if people is not None and people < small.domains.could_differ:
        progress.add(_uncounted(system, graph))
    progress.add(_piled(system, *which) for which in crowded(system, graph))
    if graph.is_complete:
        progress.met = system
    elif graph.ended_by in ("seconds", "interrupt"):
        said = f"{ending(graph, dict(instances))} with {len(system.layout.domains.principals)} principals"
        progress.doubts.append(f"what must never be was not searched for more principals or texts ({said})")


def _piled(system: System, blueprint: Blueprint, effect: Effect) -> Finding:
    """LT803: notices of which there may be more, or others, than any search saw."""
    most = most_pending(system.layout.of(blueprint.name)[0], effect.name)
    what = f"more than {most} of the notice `{blueprint.name}.{effect.name}`"
    if not is_steady(blueprint, effect):
        what = f"two of the notice `{blueprint.name}.{effect.name}` that differ"
    message = f"{what} may be pending at once: what then happens was not searched"
    cure = (
        f"give `{effect.name}` an `ok` and an `error`, so that one comes after another; "
        "or let what it reads be `frozen`; or let a guard bound how many are asked for"
    )
    return finding("LT803", message, effect.span, cure, severity="warning")


def _uncounted(system: System, graph: Graph) -> Iterator[Finding]:
    """LT803: sets that everybody is in somewhere, and what more members of them would break."""
    people, told = len(system.layout.domains.principals), set[Span]()
    for slot in system.layout.slots:
        for name, variable in (*slot.fields.items(), *slot.ghosts.items()):
            most = variable.kind.maximum or people
            if not _holds_ids(variable) or most <= people or not _is_full(graph, variable, people):
                continue
            for prop, span, subject, condition in _asked(system):
                failing = (
                    k for k in range(people, most + 1) if _with_members(condition, variable, k) != FALSE
                )
                count = next(failing, None) if variable.index in ir.variables(condition) else None
                if count is not None and span not in told:
                    told.add(span)
                    fails = "may fail" if prop else "may leave its range"
                    holder = f"`{slot.blueprint.name}.{name}`"
                    message = (
                        f"`{subject}` {fails} where {holder} has {count} members: "
                        f"with {people} principals it has {people} at most, and for more nothing was proved"
                    )
                    cure = "guard how many there are, or say in `[scope] principals` how many are enough"
                    yield finding("LT803", message, span, cure, severity="warning", prop=prop or None)


def _holds_ids(variable: Variable) -> bool:
    return variable.kind.element is not None and variable.kind.element.kind == "id"


def _is_full(graph: Graph, variable: Variable, people: int) -> bool:
    """Whether some state has everybody in a set."""
    return any(variable.read(packed).bit_count() >= people for packed in graph.states)


def _asked(system: System) -> Iterator[tuple[str, Span, str, Formula]]:
    """What must never be: its property, if it is one, the place, how it is told, and when it is."""
    for prop, context in invariants(system):
        yield prop.name, prop.span, prop.name, violation(prop, context)
    for watch in watches(system):
        if watch.is_fault and watch.code == "LT204":
            fault = watch.command.faults[int(watch.subject)]
            yield "", fault.span, fault.subject, watch.condition


def _with_members(x: Formula, variable: Variable, count: int) -> Formula:
    """The formula where a set has so many members; one more is in it than was, where one is added."""
    if x.op == "#":
        inner = x.args[0]
        if inner.op == "v" and inner.value == variable.index:
            return ir.const(count)
        if inner.op == "|" and inner.args[0] == variable.formula and inner.args[1].op in ("c", "1<<"):
            return ir.const(count + 1)
    if x.op in ("c", "v", "p"):
        return x
    return ir.rebuilt(x, [_with_members(y, variable, count) for y in x.args])
