"""Closes a search that ran out of budget by proof: level 1 for safety, the skeleton for progress.

What has happened has a witness. What has not is settled by level 1 for all values, or on the skeleton
(`skeleton.settle`); whatever neither can tell stays open, and the verdict unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lathe.check.algebra.level import prove_app
from lathe.check.algebra.tell import algebra_level, named
from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, narrowed_fields
from lathe.check.judge.progress import first_of_each
from lathe.check.judge.root_causes import rooted
from lathe.check.judge.standing import left_as_it_should
from lathe.check.judge.suspects import full, is_crowded, never
from lathe.check.reporting import tell
from lathe.check.reporting.report import Finding, LevelReport
from lathe.check.search.graph import Clock, Graph, Limits
from lathe.check.search.scope import linked
from lathe.check.skeleton.settle import Settled, settle
from lathe.check.widening.sampled import lasting_spans
from lathe.check.widening.wider import Wider, enlarged, staff
from lathe.errors import Span
from lathe.frozen import frozen


@frozen
class Closed:
    """What was found of a scope whose search did not end, and what is still open."""

    findings: tuple[Finding, ...]
    open: tuple[str, ...]
    proved: frozenset[Span]
    algebra: tuple[LevelReport, tuple[str, ...]]


def close(system: System, graph: Graph, digest: str, clock: Clock, seconds: float) -> Closed:
    """Settle what can be settled of a scope whose search did not end and found nothing wrong.

    Level 1 and the skeleton may take so many seconds each.
    """
    app, started = system.layout.app, clock()
    found = prove_app(app, (system, graph), clock, seconds)
    level = algebra_level(app, found, clock() - started)
    proved = found.proofs.proved if found else frozenset()
    doubts = [*(named(app, found.proofs.open) if found else ("what must never happen",))]
    if app.policies and any(b.cannot for b in app.blueprints.values()):
        doubts.append("what policies permit in states that were not met")
    suspects = never(system, graph)
    limits = Limits(app.scope.budget_states, clock() + seconds, clock)
    try:
        settled = settle(system, limits, suspects)
        if settled is not None and system.layout.roles:
            settled = _while_staffed(system, replace(limits, stop_at=clock() + seconds), settled)
    except TooLargeError:
        settled = None
    if settled is None:
        return Closed((), (*doubts, "who can go on"), proved, level)
    is_cut = _is_cut(system, graph)
    gone = [suspects[i] for i in sorted(settled.gone)]
    unseen = [s for i, s in enumerate(suspects) if i not in settled.gone | settled.possible]
    findings: list[Finding] = []
    if is_cut:
        doubts += _in_doubt(settled)
        unseen += gone
    else:
        findings = [*_told(system, settled, digest), *(tell.tell_never(root) for root in rooted(gone))]
    doubts += settled.open
    doubts += ["whether calls go round without end"] if settled.goes_round else []
    doubts += [f"whether `{n.subject.name}` is possible" for n in unseen]
    is_whole = not (settled.open or settled.unfair or settled.standing or narrowed_fields(app))
    kept = lasting_spans(app) if is_whole else frozenset[Span]()
    return Closed(tuple(findings), tuple(dict.fromkeys(doubts)), proved | kept, level)


def _in_doubt(settled: Settled) -> Iterator[str]:
    """What was shown to fail, as what is open."""
    if settled.standing:
        yield left_as_it_should(list(dict.fromkeys(s.state for s in settled.standing)))
    yield from (f"whether `{f.prop.name}` holds" for f in settled.unfair)


def _while_staffed(system: System, limits: Limits, settled: Settled) -> Settled:
    """What is settled of who cannot go on, or waits in vain, that further holders of every role leave so."""
    layout, count = system.layout, staff(system.layout)
    if count is None or not (settled.standing or settled.unfair or settled.open):
        return settled
    large, _ = enlarged(layout, Wider(dict(layout.domains.instances), count), system.initial)
    again = settle(large, limits)
    if again is None:
        return replace(settled, standing=(), unfair=(), open=(*settled.open, *_in_doubt(settled)))
    places = {(s.slot.blueprint.name, s.state) for s in again.standing}
    lasting = {f.prop.span for f in again.unfair}
    return replace(
        settled,
        standing=tuple(s for s in settled.standing if (s.slot.blueprint.name, s.state) in places),
        unfair=tuple(f for f in settled.unfair if f.prop.span in lasting),
        open=(*again.open, *(settled.open if places or lasting else ())),
    )


def _is_cut(system: System, graph: Graph) -> bool:
    """Whether the scope alone keeps something out with which things may be different.

    More entities, principals or pending notices, or values beyond what `explore` says.
    """
    domains, app = system.layout.domains, system.layout.app
    creatable = [name for name in sorted(linked(app)) if "create" in app.blueprints[name].actions]
    is_few = app.scope.principals is None and domains.could_differ > len(domains.principals)
    is_part = bool(narrowed_fields(app)) or is_crowded(system, graph)
    return is_few or is_part or any(full(system, graph, name) for name in creatable)


def _told(system: System, settled: Settled, digest: str) -> Iterator[Finding]:
    """What fails, each with the run of the system that shows it."""
    if settled.near is None:
        return
    case = tell.make_case(system, settled.near, digest)
    yield from (tell.tell_standstill(case, still) for still in first_of_each(settled.standing))
    yield from (tell.tell_unfair(case, failure) for failure in settled.unfair)
