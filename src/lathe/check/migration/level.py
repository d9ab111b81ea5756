"""Whether a version can replace another: every state of the old one has an image that can go on.

The old version is searched as ever; its states are moved; from there the new one is searched. What
the new version alone does wrong, from `create`, is not told here again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from math import inf
from typing import TYPE_CHECKING

from lathe.check.bounds import TooLargeError
from lathe.check.composed.layout import Layout, make_layout
from lathe.check.composed.system import System, is_sampled, system_of
from lathe.check.composed.unique import collisions
from lathe.check.judge.liveness import Unfair, failures
from lathe.check.judge.progress import first_of_each, located, situations
from lathe.check.judge.standing import Standstill, left_as_it_should
from lathe.check.judge.suspects import Met, alarm, is_crowded, met, never, permitted_after_all, violated
from lathe.check.migration.images import Images, make_images
from lathe.check.migration.pair import (
    Instances,
    Pair,
    joint_domains,
    joint_scopes,
    make_pair,
    mixed_arguments,
    old_layout,
    unseen,
)
from lathe.check.migration.tell import (
    Swap,
    tell_clash,
    tell_false,
    tell_halted,
    tell_homeless,
    tell_lasting,
    tell_may,
    tell_met_later,
)
from lathe.check.reach import DEFAULT_SECONDS
from lathe.check.reporting.account import UNSEARCHED, ending
from lathe.check.reporting.report import Finding
from lathe.check.reporting.tell import Case
from lathe.check.reporting.undecided import undecided
from lathe.check.search.graph import Clock, Graph, Limits
from lathe.check.search.plain import ListGraph, first_where, search
from lathe.check.search.regions import wide_numbers
from lathe.check.search.symmetry import find_symmetry, left_alone, none_alike
from lathe.check.search.tiers import begin, explore_all, go_on
from lathe.check.widening.closing import CLOSE_SECONDS, CLOSE_SOON_SECONDS, WITNESS_STATES, counts_on
from lathe.check.widening.wider import joined, one_more, staff
from lathe.errors import Span
from lathe.frozen import frozen, mutable
from lathe.lang.model import App
from lathe.machine.migrate import Misfit

if TYPE_CHECKING:
    from lathe.check.algebra.migrated import Witness

WITNESS_IMAGES = 4_000
"""States of the old version that are moved before it is closed by proof."""


@frozen
class Migrated:
    """What there is to say of a replacement. `why` tells what stayed open, `before` which version it is of.

    `states` and `images` count the largest scope that was completed, one for all that differ in which of
    `alike` is which; `reached` are the places of states,
    actions and `sometimes` that what comes from the old version gets to. `is_timed`: its seconds ran out.
    """

    before: str
    findings: tuple[Finding, ...]
    why: str
    not_covered: tuple[str, ...]
    reached: frozenset[Span]
    states: int = 0
    images: int = 0
    alike: tuple[str, ...] = ()
    is_timed: bool = False


@mutable
class _Work:
    """A check of two versions across scopes. `told` are the places that the new version is wrong at alone."""

    pair: Pair
    digest: str
    limits: Limits
    told: frozenset[Span]
    findings: dict[tuple[str, Span, str], Finding] = field(default_factory=dict)
    partial: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    reached: set[Span] = field(default_factory=set)
    completed: tuple[System, Graph, Images] | None = None
    searched: tuple[System, Graph] | None = None
    proved: Witness | None = None
    """What was searched of a scope that was closed by proof."""
    has_tried: bool = False

    @property
    def whole(self) -> tuple[Layout, int, int] | None:
        """Of the largest scope that was decided: the old layout, how many states and images there are."""
        if self.completed is not None:
            system, graph, images = self.completed
            return system.layout, len(graph.states), len(images.starts)
        seen = self.proved
        return (seen.before.layout, len(seen.graph.states), len(seen.images.starts)) if seen else None

    def leave_out(self, why: str) -> None:
        """Note a scope that was not searched whole. A smaller one that was does not stand for it."""
        self.partial.append(why)
        if self.completed is not None:
            self.doubts.append(f"{UNSEARCHED[3]} ({why})")

    def add(self, found: Iterable[Finding]) -> None:
        """Keep the first of each code at each place, about each thing: smaller scopes come first."""
        for f in found:
            about = f.property or f.diagnostic.message if f.diagnostic.code in ("LT701", "LT702") else ""
            self.findings.setdefault((f.diagnostic.code, f.diagnostic.span, about), f)


def migration(
    old: App,
    new: App,
    digests: tuple[str, str],
    clock: Clock,
    seconds: float | None = None,
    told: frozenset[Span] = frozenset(),
) -> Migrated:
    """Move everything that the old version can reach, and search the new one from there.

    `digests` are those of the old and the new version.
    """
    budget = seconds if seconds is not None else new.scope.budget_seconds or DEFAULT_SECONDS
    limits = Limits(new.scope.budget_states, clock() + budget, clock)
    work = _Work(make_pair(old, new), digests[1], limits, told)
    for instances in joint_scopes(old, new):
        if not _search_scope(work, instances):
            break
    _close_cut(work)
    _tell_unseen(work)
    _tell_sampled(work)
    if not work.findings:
        work.add(undecided(new, f"migration: {doubt}") for doubt in _open(work)[:1])
    why = next((f.diagnostic.message for f in work.findings.values() if f.diagnostic.code == "LT801"), "")
    _, states, images = work.whole or (None, 0, 0)
    return Migrated(
        before=digests[0],
        findings=tuple(work.findings.values()),
        why=why,
        not_covered=tuple(_not_covered(work)),
        reached=frozenset(work.reached),
        states=states,
        images=images,
        alike=work.completed[1].alike if work.completed is not None else (),
        is_timed=work.limits.clock() >= work.limits.stop_at,
    )


def _open(work: _Work) -> list[str]:
    """What was left undecided."""
    if work.whole is None:
        return [*work.partial[-1:], *work.doubts]
    return work.doubts


def _search_scope(work: _Work, instances: Instances) -> bool:
    """Search one scope of both versions; tells whether a larger one still makes sense."""
    try:
        domains = joint_domains(work.pair, instances)
        before = system_of(old_layout(work.pair, domains))
        begun = begin(before, work.limits)
        if _is_closed_soon(work, before, begun):
            return False
        graph, images = _moved(work, before, begun)
    except TooLargeError as error:
        work.leave_out(f"{_text(instances)}: {error}")
        return False
    swap = Swap(work.pair, Case(before, graph, work.pair.old, work.digest), images, work.digest)
    work.add(tell_homeless(swap, *one, others) for one, others in _together(images.homeless))
    is_whole = graph.is_complete and images.is_complete
    if images.starts:
        is_whole = _search_new(work, swap) and is_whole
    if work.proved is not None:
        return False
    if not is_whole:
        said = f"{_text(instances)}: the search of both versions did not end within its budget"
        work.leave_out(said if graph.is_complete else f"{ending(graph, instances)} of the version before")
        return False
    work.completed = (before, graph, images)
    return not work.findings


def _moved(work: _Work, before: System, begun: ListGraph) -> tuple[Graph, Images]:
    """The old version, searched, and its states moved: one for all that neither version tells apart.

    What is in flight may tell apart what else is alike; then it is searched again with that kept apart.
    """
    domains, limits = before.layout.domains, (work.limits.clock, work.limits.stop_at)
    alike = none_alike(before.layout)
    if begun.ended_by == "states":
        after = system_of(make_layout(work.pair.new.app, domains, work.pair.new_keys))
        alike = left_alone(find_symmetry(before), after)
    while True:
        _, graph = go_on(before, work.limits, begun, alike=alike)
        is_alike = bool(graph.alike and alike.ids)
        images = make_images(work.pair, before.layout, domains, graph.states, limits, is_alike=is_alike)
        kept = left_alone(alike, images.system)
        if not graph.alike or kept == alike:
            return graph, images
        alike = kept


def _together(
    homeless: Iterable[tuple[Misfit, str, int]],
) -> Iterator[tuple[tuple[Misfit, str, int], tuple[Misfit, ...]]]:
    """What does not come over, with the others that are told with it: the new fields of one blueprint."""
    told: dict[str, list[tuple[Misfit, str, int]]] = {}
    for one in homeless:
        if one[0].kind == "new":
            told.setdefault(one[0].blueprint, []).append(one)
        else:
            yield one, ()
    for first, *others in told.values():
        yield first, tuple(wrong for wrong, _, _ in others)


def _search_new(work: _Work, swap: Swap) -> bool:
    """Search the new version from the images; tells whether that ended."""
    system = replace(swap.images.system, initial=swap.images.starts)
    begun = begin(system, work.limits)
    if _is_closed_soon(work, system, begun):
        return True
    system, graph = go_on(system, replace(work.limits, alarm=alarm(system)), begun)
    case = swap.case(system, graph)
    _tell_wrong(work, case)
    if not graph.is_complete:
        return False
    for cannot, actions, index in permitted_after_all(system, graph):
        if cannot.span not in work.told:
            work.add(tell_may(case, cannot, actions, index))
    work.reached |= _reached(system, graph)
    work.searched = (system, graph)
    _judge_progress(work, case)
    return True


def _tell_wrong(work: _Work, case: Case) -> None:
    """What must never be, as far as the new version was searched."""
    system, graph = case.system, case.graph
    work.add(_clashes(work, case))
    work.add(tell_false(case, v) for v in violated(system, graph) if v.prop.span not in work.told)
    work.add(tell_met_later(case, m) for m in met(system, graph) if _place(system, m) not in work.told)


def _is_closed_soon(work: _Work, system: System, graph: ListGraph) -> bool:
    """Whether two versions in which a number goes on counting were decided before their search ended.

    It is tried once, and what it leaves open is searched as if it had not been; it costs no budget.
    """
    if work.has_tried or work.completed is not None or not counts_on(system, graph):
        return False
    work.has_tried = True
    started = work.limits.clock()
    is_decided = not _closed(work, CLOSE_SOON_SECONDS)
    took = work.limits.clock() - started
    work.limits = replace(work.limits, stop_at=work.limits.stop_at + took)
    return is_decided


def _close_cut(work: _Work) -> None:
    """What the budget ended is closed by proof, if it can be, where there are wide numbers."""
    if work.whole is not None or work.findings or not work.partial:
        return
    doubts = _closed(work, CLOSE_SECONDS)
    if doubts:
        work.partial[-1] += f"; open: {', '.join(dict.fromkeys(doubts))}"


def _closed(work: _Work, seconds: float) -> list[str]:
    """What a short search of the largest scope and proofs leave open; nothing: it is decided."""
    instances = joint_scopes(work.pair.old.app, work.pair.new.app)[-1]
    limits = replace(work.limits, states=min(work.limits.states, WITNESS_STATES), stop_at=inf)
    try:
        domains = joint_domains(work.pair, instances)
        before = system_of(old_layout(work.pair, domains))
        graph = search(before, limits)
        images = make_images(
            work.pair, before.layout, domains, graph.states[:WITNESS_IMAGES], (limits.clock, inf)
        )
    except TooLargeError as error:
        return [str(error)]
    swap = Swap(work.pair, Case(before, graph, work.pair.old, work.digest), images, work.digest)
    system = replace(images.system, initial=images.starts)
    if not wide_numbers(before) | wide_numbers(system) or not images.starts:
        return ["what was not searched"]
    work.add(tell_homeless(swap, *one, others) for one, others in _together(images.homeless))
    after = search(system, limits)
    _tell_wrong(work, swap.case(system, after))
    said = f"{_text(instances)}: {{}} ended the search of both versions after {len(graph.states):,} states"
    if work.findings:
        work.partial.append(said.format("what it found"))
        return []
    from lathe.check.algebra.migrated import Witness, left_open  # only here: it loads numpy and z3

    seen = Witness(before, graph, images, after)
    doubts = left_open(work.pair, seen, work.told, work.limits, seconds)
    if not doubts:
        work.proved = seen
        work.reached |= _reached(system, after)
        work.partial.append(said.format("a proof"))
    return doubts


def _place(system: System, suspect: Met) -> Span:
    """Where a fault, or the step property that is broken, stands."""
    _, place = suspect.watch.place
    if isinstance(place, Span):
        return place
    blueprint, _, name = place.partition(".")
    app = system.layout.app
    return (app.blueprints[blueprint].properties if blueprint else app.properties)[name].span


def _clashes(work: _Work, case: Case) -> Iterator[Finding]:
    """Claims that two entities hold at once when they come over."""
    asked = list(collisions(case.system.layout))
    found = first_where(case.system.layout, case.graph.states, [condition for _, _, condition in asked])
    nearest: dict[Span, int] = {}
    for number, index in sorted(found.items()):
        span = asked[number][0].span
        nearest[span] = min(nearest.get(span, index), index)
    for unique in {asked[n][0].span: asked[n][0] for n in found}.values():
        if unique.span not in work.told:
            yield tell_clash(case, unique, nearest[unique.span])


def _reached(system: System, graph: Graph) -> frozenset[Span]:
    """The places of what was seen to happen, and of the `sometimes` that hold.

    Where entities come from the old version, nobody need be able to create one: a blueprint that is to go.
    """
    app = system.layout.app
    properties = [
        *app.properties.values(),
        *(p for b in app.blueprints.values() for p in b.properties.values()),
    ]
    every = {p.span for p in properties if p.kind == "sometimes"}
    for blueprint in app.blueprints.values():
        every |= {s.span for s in blueprint.states.values()} | {a.span for a in blueprint.actions.values()}
    found = every - {n.subject.span for n in never(system, graph)}
    for blueprint in app.blueprints.values():
        if any(s.span in found for s in blueprint.states.values()):
            found.add(blueprint.actions["create"].span)
    return frozenset(found)


def _judge_progress(work: _Work, case: Case) -> None:
    """Who cannot go on, and what never comes; asked again with more room where the scope alone forbids it."""
    system, graph = case.system, case.graph
    still = [s for s in situations(system, graph, len(graph.states)) if not _is_told(work, s)]
    unfair = {f.prop.span: f for f in reversed(list(failures(system, graph))) if f.prop.span not in work.told}
    if not still and not unfair:
        return
    wider = _wider(work, case)
    if wider is not None:
        still, unfair = _confirmed(work, case, wider, still, unfair)
    if still and (is_sampled(system) or is_crowded(system, graph)):
        said = left_as_it_should(list(dict.fromkeys(s.state for s in still)))
        work.doubts.append(f"{said} was tried only for a part of what may happen")
        still = []
    work.add(tell_halted(case, s) for s in first_of_each(still))
    work.add(tell_lasting(case, f) for f in unfair.values())


def _is_told(work: _Work, still: Standstill) -> bool:
    return still.slot.blueprint.states[still.state].span in work.told


def _wider(work: _Work, case: Case) -> Layout | None:
    """The new version with more room: where the scope alone forbids a creation, or somebody was left out."""
    layout = case.system.layout
    instances, principals = one_more(case.system, case.graph), staff(layout)
    if instances == layout.domains.instances and principals is None:
        return None
    larger = joint_domains(work.pair, instances, principals)
    return make_layout(layout.app, larger, work.pair.new_keys, beyond=layout.beyond)


def _confirmed(
    work: _Work, case: Case, wider: Layout, still: list[Standstill], unfair: dict[Span, Unfair]
) -> tuple[list[Standstill], dict[Span, Unfair]]:
    """What a larger scope does not take away, from the same places; nothing, and a doubt, if that is open."""
    small, graph = case.system.layout, case.graph
    where = list(dict.fromkeys(s.index for s in still))
    picked = [joined(small, wider, graph.states[i]) for i in where]
    begun = (joined(small, wider, s) for i, s in enumerate(graph.states) if not graph.distance[i])
    starts = tuple(dict.fromkeys((*picked, *begun)))
    large, wide = explore_all(system_of(wider, starts), work.limits, starts)
    if not wide.is_complete:
        work.doubts.append("what may never finish was not decided within the budget")
        return [], {}
    starts = tuple(large.dead.cleared(p) for p in picked)
    places = dict(zip(where, located(large, wide, starts), strict=True))
    now = {(s.index, s.slot.name): s.code for s in situations(large, wide, len(set(starts)))}
    codes = (now.get((places[s.index].index, places[s.index].slots[s.slot.name])) for s in still)
    kept = [replace(s, code=code) for s, code in zip(still, codes, strict=True) if code]
    lasting = {f.prop.span for f in failures(large, wide)}
    return kept, {span: f for span, f in unfair.items() if span in lasting}


def _tell_sampled(work: _Work) -> None:
    """What was seen for a sample of the values alone, and is not proved for all of them."""
    if work.completed is None or work.findings:
        return
    before, graph, images = work.completed
    if not (is_sampled(before) or is_sampled(images.system)) or work.searched is None:
        return
    from lathe.check.algebra.migrated import unproved  # only here: it loads z3

    def keeps() -> frozenset[Span]:
        from lathe.check.skeleton.onward import kept_by_images  # only here: it loads numpy

        clock = work.limits.clock
        limits = Limits(work.limits.states, clock() + CLOSE_SECONDS, clock)
        return kept_by_images(work.pair, images.system.layout, limits)[0]

    found = unproved(work.pair, (before, graph), work.searched, work.told, work.limits.clock, keeps)
    if found:
        work.doubts.append(f"known only for a sample of the values: {', '.join(dict.fromkeys(found))}")


def _tell_unseen(work: _Work) -> None:
    """What no search can tell."""
    for name in unseen(work.pair):
        work.doubts.append(f"whether what `{name}` holds fits is not known: no search tells JSON apart")
    for effect, name in mixed_arguments(work.pair):
        work.doubts.append(f"`{name}` is of several types where `{effect}` is asked for")


def _text(instances: Instances) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(instances.items()))


def _not_covered(work: _Work) -> Iterator[str]:
    """What a migration that was admitted may still meet."""
    if work.whole is not None:
        bounds = work.whole[0].domains.instances
        yield f"migration: more than {_text(dict(bounds))} of the version before"
    yield "migration: live data that the version before cannot reach by itself"
    yield from (f"migration: {told}" for told in work.partial)
