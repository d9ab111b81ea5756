"""When to close an unfinished search by proof: when its budget ends, or sooner if a counter keeps growing.

The largest scope is the one to close (ADR 31). If the proof leaves something open, the verdict is unknown.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, make_system
from lathe.check.judge.suspects import violated
from lathe.check.reporting.account import Algebra, Progress, ending, not_searched, tell_violations
from lathe.check.search.graph import Graph
from lathe.check.search.plain import ListGraph, search
from lathe.check.search.regions import wide_numbers
from lathe.check.search.scope import scopes
from lathe.frozen import frozen

if TYPE_CHECKING:
    from lathe.check.algebra.close import Closed

WITNESS_STATES = 30_000
"""States of a larger scope that are looked at before it is closed by proof."""
COUNTED_VALUES = 256
"""A number that takes more values than this before a search has grown goes on counting."""
CLOSE_SECONDS = 5.0
"""What level 1 and the skeleton may take each, beside the search."""
CLOSE_SOON_SECONDS = 2.0
"""The same while the search could still go on instead."""


@frozen
class _Closing:
    """The largest scope with what a short search found in it, and what a proof says of the rest.

    None: that search found something wrong.
    """

    system: System
    graph: Graph
    closed: Closed | None


def close_cut(progress: Progress) -> None:
    """A first scope that its budget ended because of wide numbers is closed by proof, if it can be."""
    system, graph = progress.system, progress.last
    if progress.completed is not None or progress.is_closed or system is None or graph is None:
        return
    if progress.has_errors or graph.ended_by not in ("states", "seconds") or not wide_numbers(system):
        return
    try:
        _take(progress, _closing(progress, system, graph, CLOSE_SECONDS))
    except TooLargeError as error:
        progress.doubts.append(f"{not_searched(progress)}; {error}")


def close_soon(progress: Progress, system: System, graph: ListGraph) -> bool:
    """Whether a first scope in which a number goes on counting was closed by proof, before its search ended.

    What the proof leaves open, the search is asked as if this had not been tried; it costs no budget.
    """
    is_first = progress.completed is None and not progress.has_errors
    if not is_first or not counts_on(system, graph) or violated(system, graph):
        return False
    clock = progress.limits.clock
    started = clock()
    try:
        closing = _closing(progress, system, graph, CLOSE_SOON_SECONDS)
    except TooLargeError:
        return False
    finally:
        progress.limits = replace(progress.limits, stop_at=progress.limits.stop_at + clock() - started)
    if closing.closed is None or closing.closed.open:
        return False
    graph.ended_by = "proof"
    progress.last, progress.system = graph, system
    progress.partial.append(ending(graph, system.layout.domains.instances))
    _take(progress, closing)
    return True


def counts_on(system: System, graph: ListGraph) -> bool:
    """Whether a search has grown, and some number taken so many values that nobody waits for the last."""
    if graph.ended_by != "states":
        return False
    wide = wide_numbers(system)
    numbers = [v for v in system.layout.variables if v.index in wide]
    return any(len({v.read(packed) for packed in graph.states}) > COUNTED_VALUES for v in numbers)


def _closing(progress: Progress, system: System, graph: Graph, seconds: float) -> _Closing:
    """What can be said of the largest scope, within so many seconds twice. Raises `TooLargeError`."""
    from lathe.check.algebra.close import close  # only here: it loads numpy and z3

    instances = scopes(progress.app)[-1]
    if instances != system.layout.domains.instances:
        system = make_system(progress.app, instances)
        states = min(progress.limits.states, WITNESS_STATES)
        graph = search(system, replace(progress.limits, states=states, stop_at=inf))
        if violated(system, graph):
            return _Closing(system, graph, None)
    return _Closing(system, graph, close(system, graph, progress.digest, progress.limits.clock, seconds))


def _take(progress: Progress, closing: _Closing) -> None:
    """What a check has come to by that."""
    system, graph, closed = closing.system, closing.graph, closing.closed
    if system is not progress.system:
        tell_violations(progress, system, graph)
        progress.partial.append(ending(graph, system.layout.domains.instances))
    progress.last, progress.system = graph, system
    if closed is None:
        return
    progress.algebra = Algebra(*closed.algebra)
    progress.proved = closed.proved
    progress.add(closed.findings)
    if closed.open and not progress.has_errors:
        progress.doubts.append(f"{not_searched(progress)}; open: {', '.join(closed.open)}")
    progress.is_closed = True
