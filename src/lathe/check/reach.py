"""Level 2: every reachable state of the composition, as far as the budget lets it.

Scopes are searched smallest first. Violations are told from whatever was searched; what never happens
is told only of a scope that was completed, and only if one more instance would not make it happen. Nothing
is admitted before the last of them is decided (ADR 31).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from lathe.check.bounds import TooLargeError, UndecidedError
from lathe.check.composed.domain import WIDEST_PENDING
from lathe.check.composed.system import System, is_sampled, make_system
from lathe.check.judge.late_effects import outliving
from lathe.check.judge.liveness import Unfair, failures
from lathe.check.judge.progress import call_round, first_of_each, located, situations, standstills
from lathe.check.judge.root_causes import MOST_SOUGHT, rooted, sought
from lathe.check.judge.standing import Standstill
from lathe.check.judge.suspects import (
    Never,
    alarm,
    empty_promises,
    implied_by_ranges,
    is_crowded,
    never,
    permitted_after_all,
)
from lathe.check.reporting.account import (
    UNSEARCHED,
    Algebra,
    Progress,
    coverage,
    ending,
    instances_text,
    judged_system,
    level_report,
    not_searched,
    out_of_budget,
    tell_violations,
)
from lathe.check.reporting.report import Coverage, Finding, LevelReport
from lathe.check.reporting.uncovered import not_covered
from lathe.check.reporting.undecided import undecided, unsettled
from lathe.check.search.graph import Clock, Graph, Limits, OutOfTimeError, look
from lathe.check.search.plain import ListGraph, search
from lathe.check.search.scope import Instances, linked, scopes
from lathe.check.search.tiers import begin, explore_all, go_on
from lathe.check.widening.closing import WITNESS_STATES, close_cut, close_soon
from lathe.check.widening.kept import kept_for_good
from lathe.check.widening.wider import Wider, crowd, cut, enlarged, one_more, wider as wider_than
from lathe.errors import Span
from lathe.frozen import frozen
from lathe.lang.model import App, Property

DEFAULT_SECONDS = 10.0
PART_SECONDS = 2.0
"""What may be spent on the warnings of a search that was ended, where its seconds are over."""


@frozen
class Reached:
    """What level 2 has to say."""

    level: LevelReport
    findings: tuple[Finding, ...]
    covered: Coverage
    not_covered: tuple[str, ...]
    algebra: LevelReport | None = None
    few: str = ""
    """The instances that kept values from being reached, if more of them could matter."""


def reach(app: App, digest: str, clock: Clock, seconds: float | None = None) -> Reached:
    """Search an app in its scopes and judge what was found. `seconds` overrides the app's own budget."""
    started = clock()
    budget = seconds if seconds is not None else app.scope.budget_seconds or DEFAULT_SECONDS
    progress = Progress(app, digest, Limits(app.scope.budget_states, started + budget, clock))
    try:
        for instances in scopes(app):
            if not _search_scope(progress, instances):
                break
        close_cut(progress)
        _judge_last(progress)
        _tell_breeding(progress)
        _tell_kept(progress)
        _tell_empty(progress)
        _look_beyond(progress)
    except (OutOfTimeError, KeyboardInterrupt) as stop:
        _fall_back(progress, stop)
    _tell_sampled(progress)
    try:
        _tell_policies(progress)
    except (OutOfTimeError, KeyboardInterrupt) as stop:
        progress.doubts.append(f"what policies open was not judged: {_ended_by(stop)} ended it")
    level = level_report(progress, started, _last_reading(clock))
    has_answer = progress.last is not None and progress.last.ended_by == "found"
    is_open = progress.completed is None and not (has_answer or progress.is_told or progress.is_closed)
    if is_open or progress.doubts:
        said = progress.doubts[0] if progress.doubts else not_searched(progress)
        progress.add([undecided(app, said, progress.system)])
    return Reached(
        level,
        tuple(progress.findings.values()),
        coverage(progress),
        tuple(not_covered(app, judged_system(progress), progress.partial, progress.met)),
        progress.algebra.level if progress.algebra else None,
        progress.few,
    )


def _last_reading(clock: Clock) -> float:
    """The time when all is done; an interrupt that comes now has nothing to end."""
    try:
        return clock()
    except KeyboardInterrupt:
        return clock()


def _search_scope(progress: Progress, instances: Instances) -> bool:
    """Search one scope; tells whether a larger one still makes sense."""
    try:
        system = make_system(progress.app, instances)
    except TooLargeError as error:
        _leave_out(progress, f"{instances_text(instances)}: {error}")
        _tell_undecided(progress, error)
        return False
    limits = replace(progress.limits, alarm=alarm(system))
    begun = begin(system, limits)
    if close_soon(progress, system, begun):
        _tell_outliving(progress, system, begun)
        return False
    system, graph = go_on(system, limits, begun)
    progress.last, progress.system = graph, system
    tell_violations(progress, system, graph)
    if not graph.is_complete:
        _tell_outliving_in_part(progress, system, graph)
        _leave_out(progress, ending(graph, instances))
        return False
    progress.before, progress.completed = progress.completed, (system, graph)
    graph.judging = progress.limits
    _tell_outliving(progress, system, graph)
    _judge_scope(progress, system, graph)
    return not progress.has_errors


def _leave_out(progress: Progress, why: str) -> None:
    """Note a scope that was not searched whole. A smaller one that was does not stand for it."""
    progress.partial.append(why)
    progress.is_part = progress.completed is not None
    if progress.is_part and not progress.has_errors:
        progress.doubts.append(f"{UNSEARCHED[3]} ({why})")


def _ended_by(stop: OutOfTimeError | KeyboardInterrupt) -> str:
    return "an interrupt" if isinstance(stop, KeyboardInterrupt) else "its seconds"


def _fall_back(progress: Progress, stop: OutOfTimeError | KeyboardInterrupt) -> None:
    """What follows when judging was ended: no verdict, but of what was found to be wrong by then."""
    ended = _ended_by(stop)
    if progress.completed is None:
        progress.partial.append(f"{ended} ended the check before a scope was searched")
        return
    system, graph = progress.completed
    told = instances_text(dict(system.layout.domains.instances))
    why = f"{told}: {ended} ended the judging of {len(graph.states):,} states"
    if progress.sought:
        why += f"; open: whether {progress.sought}"
    if progress.wider:
        asked = f"whether {progress.sought}" if progress.sought else "what it did not show"
        why = f"{told}: {asked} was asked of {progress.wider}, and {ended} ended that"
    progress.partial.append(why)
    progress.is_judged = False
    progress.doubts.append(f"what was found was not judged within its budget ({why})")


def _tell_undecided(progress: Progress, error: TooLargeError) -> bool:
    """LT801 at the policy that no search can decide; tells whether it is one."""
    if not isinstance(error, UndecidedError):
        return False
    progress.add([unsettled(error)])
    progress.is_told = True
    return True


def _tell_outliving(progress: Progress, system: System, graph: Graph) -> None:
    """Effects that may still happen when nothing can follow them: warnings, each with its run."""
    found = outliving(system, graph)
    if not found:
        return
    from lathe.check.reporting import tell  # only here, so that a clean check starts sooner

    case = tell.make_case(system, graph, progress.digest)
    progress.add(tell.tell_outliving(case, o) for o in found)


def _tell_outliving_in_part(progress: Progress, system: System, graph: Graph) -> None:
    """The same of a search that was ended, if that is soon seen: it makes every step of millions again."""
    limits = progress.limits
    graph.judging = replace(limits, stop_at=max(limits.stop_at, limits.clock() + PART_SECONDS))
    try:
        _tell_outliving(progress, system, graph)
    except OutOfTimeError:
        told = instances_text(dict(system.layout.domains.instances))
        progress.partial.append(f"{told}: effects that outlive their entity (LT504) were not looked for")
    finally:
        graph.judging = None


def _tell_empty(progress: Progress) -> None:
    """Properties that hold for no reason, in the largest scope that was completed or one more of each."""
    if progress.completed is None:
        return
    system, graph = progress.completed
    look(graph)
    empties, implied = empty_promises(system, graph), implied_by_ranges(system)
    if is_sampled(system):
        empties = []  # what they are about may happen beyond the sample
    if not empties and not implied:
        return
    from lathe.check.reporting import tell  # only here, so that a clean check starts sooner

    if cut(system, graph):
        empties = _still_empty(progress, one_more(system, graph), empties)
    progress.add(tell.tell_empty(p) for p in empties)
    progress.add(tell.tell_implied(p) for p in implied)


def _look_beyond(progress: Progress) -> None:
    """What so few could not show; where one more could not matter, nothing is loaded for it."""
    if progress.completed is None or progress.has_errors or progress.doubts:
        return
    system, graph = progress.completed
    domains = system.layout.domains
    is_few = crowd(system.layout) is not None or domains.differing_texts > domains.fresh_texts
    is_few = is_few or is_crowded(system, graph)
    if not (is_few or linked(progress.app)):
        return
    if is_few:
        from lathe.check.widening.more_principals import (
            ask_crowd,  # only here, so that a clean check starts sooner
        )

        ask_crowd(progress)
    if linked(progress.app) and not progress.has_errors:
        from lathe.check.widening.again import ask_beyond  # only here, so that a clean check starts sooner

        ask_beyond(progress, progress.before)


def _tell_breeding(progress: Progress) -> None:
    """Creations that go on without end; an app in which nobody creates another loads nothing for it."""
    if progress.completed is None or not any(
        e.uses == "create" for b in progress.app.blueprints.values() for e in b.effects.values()
    ):
        return
    from lathe.check.judge.unbounded_creation import endless  # only here, so that a clean check starts sooner

    found = endless(progress.completed, progress.limits)
    if found is not None:
        from lathe.check.reporting import tell

        case = tell.make_case(found[0], found[1], progress.digest)
        progress.add([tell.tell_call_round(case, found[2])])


def _tell_kept(progress: Progress) -> None:
    """Who waits for what can never come, in the largest scope that was completed, where nothing is wrong."""
    if progress.completed is None or progress.has_errors or progress.doubts:
        return
    found = kept_for_good(*progress.completed, progress.limits)
    if found:
        from lathe.check.reporting import tell  # only here, so that a clean check starts sooner

        case = tell.make_case(*progress.completed, progress.digest)
        progress.add(tell.tell_standstill(case, still) for still in found)


def _still_empty(progress: Progress, wider: Instances, empties: list[Property]) -> list[Property]:
    """Which of them hold for no reason in a wider scope too; all, if that cannot be searched."""
    found = _with_room(progress, wider)
    spans = {p.span for p in empty_promises(*found)} if found is not None else set()
    return [p for p in empties if found is None or p.span in spans]


def _with_room(progress: Progress, wider: Instances) -> tuple[System, Graph] | None:
    """A wider scope, searched; None if that does not end."""
    try:
        system, graph = explore_all(make_system(progress.app, wider), progress.limits)
    except TooLargeError:
        return None
    graph.judging = progress.limits
    return (system, graph) if graph.is_complete else None


def _tell_policies(progress: Progress) -> None:
    """What policies open to everybody, and which of them change nothing; an app without any loads nothing."""
    if progress.completed is None or not progress.app.policies:
        return
    from lathe.check.reporting.policy_findings import policy_findings  # only here: it loads cedarpy

    system, graph = progress.completed

    def again() -> tuple[System, Graph] | None:
        return _with_room(progress, one_more(system, graph)) if cut(system, graph) else None

    found, progress.policies = policy_findings(system, graph, again)
    progress.add(found)


def _tell_sampled(progress: Progress) -> None:
    """What was sampled, and what stays undecided for it."""
    system = progress.completed[0] if progress.completed else progress.system
    if system is None or not is_sampled(system):
        return
    from lathe.check.widening.sampled import (  # only here: a clean check starts sooner
        at_once,
        lasting_spans,
        once_a_cause,
        out_of_time,
        tell_sampled,
        too_large,
    )

    wrong = {f.diagnostic.span for f in progress.findings.values() if f.diagnostic.severity == "error"}
    told = [f for f in tell_sampled(system) if f.diagnostic.span not in wrong]
    if progress.has_errors:
        told = [f for f in told if f.diagnostic.code != "LT801"]
    open_still = {f.diagnostic.span for f in told if f.diagnostic.code == "LT801"}
    lasting = lasting_spans(progress.app)
    proved = frozenset[Span]()
    if open_still - lasting or (open_still and progress.proved is not None):
        try:
            proved = _proved(progress)
        except KeyboardInterrupt:  # what is open stays so, and is told
            level = LevelReport(1, "algebra", "unknown", why="an interrupt ended it", is_timed=True)
            progress.algebra = Algebra(level, ())
    if (open_still & lasting) - proved and progress.completed is not None:
        from lathe.check.skeleton.sampled_liveness import kept_for_all  # only here: it loads numpy

        kept, is_too_large = kept_for_all(progress)
        proved |= kept
        if is_too_large:
            scope = instances_text(dict(system.layout.domains.instances))
            told = [too_large(f, scope) if f.diagnostic.span in lasting else f for f in told]
    left = [f for f in told if f.diagnostic.code != "LT801" or f.diagnostic.span not in proved]
    if progress.algebra is not None and progress.algebra.level.is_timed:
        left = [f if f.diagnostic.span in lasting else out_of_time(f) for f in left]
    progress.add(at_once(progress.app, once_a_cause(progress.app, left)))


def _proved(progress: Progress) -> frozenset[Span]:
    """The places of what level 1 proves for all values, with lemmas from what was searched.

    It has what the budget left, and a few seconds of its own if that is less.
    """
    if progress.proved is not None:
        return progress.proved
    from lathe.check.algebra.level import DEFAULT_SECONDS, prove_app  # only here: it loads z3
    from lathe.check.algebra.tell import algebra_level

    clock = progress.limits.clock
    started = clock()
    seen = progress.completed
    seconds = max(DEFAULT_SECONDS, progress.limits.stop_at - started)
    found = prove_app(progress.app, seen, clock, seconds)
    progress.algebra = Algebra(*algebra_level(progress.app, found, clock() - started))
    return found.proofs.proved if found is not None else frozenset()


def _search_wider(
    progress: Progress, system: System, wider: Wider, states: Sequence[int] = ()
) -> tuple[System, Graph, list[int]] | None:
    """Search the larger scope, from states of the smaller one; None, and a doubt, if that does not end."""
    try:
        large, starts = enlarged(system.layout, wider, states)
        progress.wider = instances_text(wider.instances)
    except TooLargeError as error:
        progress.doubts.append(out_of_budget(f"{instances_text(wider.instances)}: {error}"))
        return None
    large, graph = explore_all(large, progress.limits, list(dict.fromkeys(starts)) or None)
    starts = [large.dead.cleared(packed) for packed in starts]
    if not graph.is_complete:
        said = out_of_budget(ending(graph, wider.instances))
        progress.doubts.append(f"whether {progress.sought}: {said}" if progress.sought else said)
        return None
    graph.judging = progress.limits
    return large, graph, starts


def _judge_scope(progress: Progress, system: System, graph: Graph) -> None:
    """What a complete search of one scope can say: forbidden permits, endless calls, who cannot go on."""
    look(graph)
    try:
        permits = list(permitted_after_all(system, graph))
    except TooLargeError as error:
        permits = []
        if not _tell_undecided(progress, error):
            progress.doubts.append(str(error))
    cycle = call_round(system, graph)
    still = standstills(system, graph)
    if not (permits or still or cycle is not None):
        return
    from lathe.check.reporting import tell  # only here, so that a clean check starts sooner

    wider = wider_than(system, graph, is_staffed=True)
    if still and wider is not None:
        still = _still_so(progress, (system, graph), wider)
    if still and _is_partial(progress, (system, graph), [f"`{s.state}`" for s in still], "can be left"):
        still = []
    case = tell.make_case(system, graph, progress.digest)
    for cannot, actions, index in permits:
        progress.add(tell.tell_permitted(case, cannot, actions, index))
    if cycle is not None:
        progress.add([tell.tell_call_round(case, cycle)])
    progress.add(tell.tell_standstill(case, s) for s in still)


def _judge_last(progress: Progress) -> None:
    """What only the largest scope that was completed can say: what never happens, and what never ends."""
    if progress.completed is None:
        return
    system, graph = progress.completed
    look(graph)
    doubtful, unfair = never(system, graph), _by_property(failures(system, graph))
    if not doubtful and not unfair:
        return
    progress.sought = sought(doubtful, [f.prop.name for f in unfair.values()])
    doubtful = _never_with_one_more(progress, (system, graph), doubtful)
    if unfair and is_crowded(system, graph):
        unfair = _with_more_pending(progress, system, unfair)
    wider, staffed = wider_than(system, graph), wider_than(system, graph, is_staffed=True)
    if unfair and staffed is not None and system.layout.roles:
        unfair = _while_staffed(progress, system, staffed, unfair)
    if wider is not None and (doubtful or unfair):
        doubtful, unfair = _confirmed(progress, system, wider, doubtful, unfair)
    names = [f"`{n.subject.name}`" for n in doubtful]
    if names and _is_partial(progress, (system, graph), names, "is possible"):
        doubtful = []
    if doubtful or unfair:
        from lathe.check.reporting import tell  # only here, so that a clean check starts sooner

        case = tell.make_case(system, graph, progress.digest)
        progress.add(tell.tell_never(root, _bounds_text(system, wider)) for root in rooted(doubtful))
        progress.add(tell.tell_unfair(case, f) for f in unfair.values())


def _never_with_one_more(
    progress: Progress, found: tuple[System, Graph], doubtful: list[Never]
) -> list[Never]:
    """What never happens either with one more of one blueprint, each in turn, as far as a short search sees.

    It is asked with one more of everything next, which may be a hundred times as many states.
    """
    more = sorted(cut(*found))
    if len(more) < 2:
        return doubtful
    counts = found[0].layout.domains.instances
    for name in more:
        if not doubtful:
            break
        try:
            system = make_system(progress.app, {**counts, name: counts[name] + 1})
        except TooLargeError:
            continue
        graph = search(system, replace(progress.limits, states=WITNESS_STATES))
        graph.judging = progress.limits
        still = {(n.code, n.subject.span) for n in never(system, graph)}
        doubtful = [n for n in doubtful if (n.code, n.subject.span) in still]
    return doubtful


def _bounds_text(system: System, wider: Wider | None) -> str:
    """The wider scope in which something never happens either, where one still wider might differ."""
    if wider is None or not linked(system.layout.app):
        return ""
    people = f", {wider.principals} principals" if wider.principals is not None else ""
    return instances_text(wider.instances) + people


def _is_partial(progress: Progress, found: tuple[System, Graph], names: list[str], what: str) -> bool:
    """Whether something was left out for which what never happened may happen: then it is a doubt."""
    system, graph = found
    told = ", ".join(dict.fromkeys(names))
    if is_sampled(system):
        progress.doubts.append(f"whether {told} {what} was tried only for a sample of the values (LT802)")
    elif is_crowded(system, graph):
        progress.doubts.append(f"whether {told} {what} was tried only for a few notices pending at once")
    else:
        return False
    return True


def _by_property(found: Iterable[Unfair]) -> dict[Span, Unfair]:
    """The first failure of each `eventually`."""
    first: dict[Span, Unfair] = {}
    for failure in found:
        first.setdefault(failure.prop.span, failure)
    return first


def _confirmed(
    progress: Progress, system: System, wider: Wider, doubtful: list[Never], unfair: dict[Span, Unfair]
) -> tuple[list[Never], dict[Span, Unfair]]:
    """What the larger scope does not take away."""
    found = _search_wider(progress, system, wider)
    if found is None:
        return [], {}
    large, graph, _ = found
    seen = {(n.code, n.subject.span) for n in never(large, graph)}
    open_still = _by_property(failures(large, graph))
    kept = {span: f for span, f in unfair.items() if span in open_still}
    return [n for n in doubtful if (n.code, n.subject.span) in seen], kept


def _with_more_pending(progress: Progress, system: System, unfair: dict[Span, Unfair]) -> dict[Span, Unfair]:
    """Which of them fail though more notices may be pending: a step that asks for one too many is cut."""
    instances = system.layout.domains.instances
    large = make_system(progress.app, instances, pending=WIDEST_PENDING)
    large, graph = explore_all(large, progress.limits)
    names = ", ".join(f"`{failure.prop.name}`" for failure in unfair.values())
    if not graph.is_complete:
        progress.doubts.append(out_of_budget(ending(graph, dict(instances))))
        return {}
    graph.judging = progress.limits
    failing = _by_property(failures(large, graph))
    kept = {span: f for span, f in unfair.items() if span in failing}
    if kept and is_crowded(large, graph):
        progress.doubts.append(f"whether {names} holds was tried only for a few notices pending at once")
        return {}
    return kept


def _while_staffed(
    progress: Progress, system: System, staffed: Wider, unfair: dict[Span, Unfair]
) -> dict[Span, Unfair]:
    """Which of them fail though every role has further holders, whoever else holds what."""
    progress.sought = sought([], [f.prop.name for f in unfair.values()])
    found = _search_wider(progress, system, staffed, system.initial)
    if found is None:
        return {}
    failing = _by_property(failures(found[0], found[1]))
    return {span: f for span, f in unfair.items() if span in failing}


def _still_so(progress: Progress, found: tuple[System, Graph], wider: Wider) -> list[Standstill]:
    """Who still cannot go on if there is room for more, from each place where one was found."""
    small, graph = found
    doubtful = list(situations(small, graph, len(graph.states)))
    if not isinstance(graph, ListGraph):
        from lathe.check.arrays.nearby import left_in_doubt  # only where a search has grown

        doubtful = left_in_doubt(found, partial(enlarged, small.layout, wider), doubtful, progress.limits)
    if not doubtful:
        return []
    where = list(dict.fromkeys(s.index for s in doubtful))
    places = dict.fromkeys(f"`{s.state}` can always be left" for s in doubtful)
    progress.sought = ", ".join(list(places)[:MOST_SOUGHT])
    again = _search_wider(progress, small, wider, [graph.states[i] for i in where])
    if again is None:
        return []
    large, wide, starts = again
    there = dict(zip(where, located(large, wide, starts), strict=True))
    now = {(s.index, s.slot.name): s.code for s in situations(large, wide, len(set(starts)))}
    codes = (now.get((there[s.index].index, there[s.index].slots[s.slot.name])) for s in doubtful)
    return first_of_each(replace(s, code=code) for s, code in zip(doubtful, codes, strict=True) if code)
