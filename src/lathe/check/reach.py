"""Level 2: every reachable state of the composition, as far as the budget lets it.

Scopes are searched smallest first. Violations are told from whatever was searched; what never happens
is told only of a scope that was completed, and only if one more instance would not make it happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace

from lathe.check.bounds import TooLargeError, UndecidedError
from lathe.check.coverage import all_actions, all_states, fingerprint, taken_actions
from lathe.check.graph import Clock, Graph, Limits, OutOfTimeError, look
from lathe.check.liveness import Unfair, failures
from lathe.check.outlive import outliving
from lathe.check.progress import call_round, first_of_each, located, situations, standstills
from lathe.check.regions import wide_numbers
from lathe.check.report import Coverage, Finding, LevelReport, LevelVerdict
from lathe.check.scope import Instances, linked, scopes
from lathe.check.search import ListGraph
from lathe.check.standing import Standstill
from lathe.check.suspects import (
    Never,
    alarm,
    empty_promises,
    implied_by_ranges,
    is_crowded,
    met,
    never,
    permitted_after_all,
    rooted,
    violated,
)
from lathe.check.system import System, is_sampled, make_system
from lathe.check.tiers import explore_all
from lathe.check.uncovered import not_covered
from lathe.check.wider import Wider, cut, enlarged, one_more, wider as wider_than
from lathe.errors import Span
from lathe.frozen import frozen, mutable
from lathe.lang.model import App, Property

DEFAULT_SECONDS = 10.0
SEARCHED_SHARE = 2 / 3
"""Of the seconds left, what the search of a larger scope may take: it is judged in the rest."""

UNSEARCHED = ("the search did not end within its budget", "nothing could be searched", "was not judged")
"""What LT801 says where it is the budget that left a question open."""


@frozen
class Reached:
    """What level 2 has to say."""

    level: LevelReport
    findings: tuple[Finding, ...]
    covered: Coverage
    not_covered: tuple[str, ...]
    algebra: LevelReport | None = None


@frozen
class Algebra:
    """What level 1 was asked by level 2, and the properties that it proved."""

    level: LevelReport
    proved: tuple[str, ...]


@mutable
class _Progress:
    """The state of a check across scopes."""

    app: App
    digest: str
    limits: Limits
    findings: dict[tuple[str, Span], Finding] = field(default_factory=dict)
    completed: tuple[System, Graph] | None = None
    last: Graph | None = None
    system: System | None = None
    partial: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    algebra: Algebra | None = None
    proved: frozenset[Span] | None = None
    is_closed: bool = False
    is_told: bool = False
    policies: Mapping[str, int] = field(default_factory=dict)
    sound: tuple[System, Graph] | None = None
    """The largest scope that was judged whole with nothing to say, where a larger one follows."""

    def add(self, found: Iterable[Finding]) -> None:
        """Keep the first finding of each code at each place: smaller scopes come first."""
        for f in found:
            self.findings.setdefault((f.diagnostic.code, f.diagnostic.span), self._timed(f))

    def _timed(self, found: Finding) -> Finding:
        """The finding, with what its run takes for granted about time."""
        if found.trace is None:
            return found
        from lathe.check.timing import remark  # only here, so that a clean check starts sooner

        said = remark(found.trace, self.app)
        cure = f"{found.diagnostic.help}; {said}" if said else found.diagnostic.help
        return replace(found, diagnostic=replace(found.diagnostic, help=cure))

    @property
    def has_errors(self) -> bool:
        return any(
            f.diagnostic.severity == "error" and f.diagnostic.code != "LT801" for f in self.findings.values()
        )


def reach(app: App, digest: str, clock: Clock, seconds: float | None = None) -> Reached:
    """Search an app in its scopes and judge what was found. `seconds` overrides the app's own budget."""
    started = clock()
    budget = seconds if seconds is not None else app.scope.budget_seconds or DEFAULT_SECONDS
    progress = _Progress(app, digest, Limits(app.scope.budget_states, started + budget, clock))
    try:
        for instances in scopes(app):
            if not _search_scope(progress, instances):
                break
        _close(progress)
        _judge_last(progress)
        _tell_empty(progress)
    except (OutOfTimeError, KeyboardInterrupt) as stop:
        _fall_back(progress, stop)
    _tell_sampled(progress)
    try:
        _tell_policies(progress)
    except (OutOfTimeError, KeyboardInterrupt) as stop:
        progress.doubts.append(f"what policies open was not judged: {_ended_by(stop)} ended it")
    level = _level(progress, started, _last_reading(clock))
    has_answer = progress.last is not None and progress.last.ended_by == "found"
    is_open = progress.completed is None and not (has_answer or progress.is_told or progress.is_closed)
    if is_open or progress.doubts:
        from lathe.check.tell import undecided  # a check that finds nothing never loads the machine

        said = progress.doubts[-1] if progress.doubts else _not_searched(progress)
        progress.add([undecided(app, said)])
    return Reached(
        level,
        tuple(progress.findings.values()),
        _coverage(progress),
        tuple(not_covered(app, _judged(progress), progress.partial)),
        progress.algebra.level if progress.algebra else None,
    )


def _last_reading(clock: Clock) -> float:
    """The time when all is done; an interrupt that comes now has nothing to end."""
    try:
        return clock()
    except KeyboardInterrupt:
        return clock()


def _level(progress: _Progress, started: float, ended: float) -> LevelReport:
    seconds = ended - started
    graph = progress.completed[1] if progress.completed else progress.last
    why = _why_open(progress)
    verdict: LevelVerdict = "fails" if progress.has_errors else "unknown" if why else "passes"
    is_timed = ended >= progress.limits.stop_at
    if graph is None:
        return LevelReport(2, "reach", verdict, seconds, why=why, is_timed=is_timed)
    size = (len(graph.states), graph.steps, graph.depth)
    return LevelReport(2, "reach", verdict, seconds, *size, why, is_timed)


def _why_open(progress: _Progress) -> str:
    """What was left undecided; empty if nothing was."""
    if progress.doubts:
        return progress.doubts[-1]
    if progress.completed is None and not progress.is_closed:
        return progress.partial[-1]
    undecided = [f for f in progress.findings.values() if f.diagnostic.code == "LT801"]
    return undecided[0].diagnostic.message if undecided else ""


def _search_scope(progress: _Progress, instances: Instances) -> bool:
    """Search one scope; tells whether a larger one still makes sense."""
    try:
        system = make_system(progress.app, instances)
    except TooLargeError as error:
        progress.partial.append(f"{_instances_text(instances)}: {error}")
        _tell_undecided(progress, error)
        return False
    limits = replace(progress.limits, alarm=alarm(system))
    if progress.completed is not None:
        _note_sound(progress, *progress.completed)
        limits = replace(limits, stop_at=_early(limits))
    system, graph = explore_all(system, limits)
    progress.last, progress.system = graph, system
    _tell_violations(progress, system, graph)
    if not graph.is_complete:
        _tell_outliving(progress, system, graph)
        progress.partial.append(_why(graph, instances))
        return False
    progress.completed = (system, graph)
    graph.judging = progress.limits
    _tell_outliving(progress, system, graph)
    _judge_scope(progress, system, graph)
    return not progress.has_errors


def _close(progress: _Progress) -> None:
    """A first scope that its budget ended because of wide numbers is closed by proof, if it can be."""
    system, graph = progress.system, progress.last
    if progress.completed is not None or system is None or graph is None or progress.has_errors:
        return
    if graph.ended_by not in ("states", "seconds") or not wide_numbers(system):
        return
    from lathe.check.algebra.close import close  # only here: it loads numpy and z3

    found = close(system, graph, progress.digest, progress.limits.clock)
    progress.algebra = Algebra(*found.algebra)
    progress.proved = found.proved
    progress.add(found.findings)
    if found.open and not progress.has_errors:
        progress.doubts.append(f"{_not_searched(progress)}; open: {', '.join(found.open)}")
    progress.is_closed = True


def _early(limits: Limits) -> float:
    """When the search of a larger scope ends, so that what it finds can be judged."""
    now = limits.clock()
    return now + (limits.stop_at - now) * SEARCHED_SHARE


def _note_sound(progress: _Progress, system: System, graph: Graph) -> None:
    """Judge a scope as if it were the last: one that is sound is fallen back upon."""
    if not never(system, graph) and not any(failures(system, graph)):
        progress.sound = (system, graph)


def _ended_by(stop: OutOfTimeError | KeyboardInterrupt) -> str:
    return "an interrupt" if isinstance(stop, KeyboardInterrupt) else "its seconds"


def _fall_back(progress: _Progress, stop: OutOfTimeError | KeyboardInterrupt) -> None:
    """What follows when judging was ended: the verdict of a smaller scope, or none."""
    ended = _ended_by(stop)
    if progress.completed is None:
        progress.partial.append(f"{ended} ended the check before a scope was searched")
        return
    system, graph = progress.completed
    told = _instances_text(dict(system.layout.domains.instances))
    why = f"{told}: {ended} ended the judging of {len(graph.states):,} states"
    progress.partial.append(why)
    if progress.sound is None:
        progress.doubts.append(f"what was found was not judged within its budget ({why})")
    else:
        progress.completed = progress.sound


def _tell_undecided(progress: _Progress, error: TooLargeError) -> bool:
    """LT801 at the policy that no search can decide; tells whether it is one."""
    if not isinstance(error, UndecidedError):
        return False
    from lathe.check.tell import unsettled  # a check that finds nothing never loads the machine

    progress.add([unsettled(error)])
    progress.is_told = True
    return True


def _tell_violations(progress: _Progress, system: System, graph: Graph) -> None:
    """Invariants, step properties, ranges, lost ends: these need no complete search."""
    broken, noted = violated(system, graph), met(system, graph)
    if not broken and not noted:
        return
    from lathe.check import tell  # only here, so that a clean check starts sooner

    case = tell.make_case(system, graph, progress.digest)
    told = [tell.tell_violated(case, v) for v in broken] + [tell.tell_met(case, m) for m in noted]
    progress.add(sorted(told, key=lambda f: (f.trace.length if f.trace else 0, f.diagnostic.span)))


def _tell_outliving(progress: _Progress, system: System, graph: Graph) -> None:
    """Effects that may still happen when nothing can follow them: warnings, each with its run."""
    found = outliving(system, graph)
    if not found:
        return
    from lathe.check import tell  # only here, so that a clean check starts sooner

    case = tell.make_case(system, graph, progress.digest)
    progress.add(tell.tell_outliving(case, o) for o in found)


def _tell_empty(progress: _Progress) -> None:
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
    from lathe.check import tell  # only here, so that a clean check starts sooner

    if cut(system, graph):
        empties = _still_empty(progress, one_more(system, graph), empties)
    progress.add(tell.tell_empty(p) for p in empties)
    progress.add(tell.tell_implied(p) for p in implied)


def _still_empty(progress: _Progress, wider: Instances, empties: list[Property]) -> list[Property]:
    """Which of them hold for no reason in a wider scope too; all, if that cannot be searched."""
    found = _with_room(progress, wider)
    spans = {p.span for p in empty_promises(*found)} if found is not None else set()
    return [p for p in empties if found is None or p.span in spans]


def _with_room(progress: _Progress, wider: Instances) -> tuple[System, Graph] | None:
    """A wider scope, searched; None if that does not end."""
    try:
        system, graph = explore_all(make_system(progress.app, wider), progress.limits)
    except TooLargeError:
        return None
    graph.judging = progress.limits
    return (system, graph) if graph.is_complete else None


def _tell_policies(progress: _Progress) -> None:
    """What policies open to everybody, and which of them change nothing; an app without any loads nothing."""
    if progress.completed is None or not progress.app.policies:
        return
    from lathe.check.policyfindings import policy_findings  # only here: it loads cedarpy

    system, graph = progress.completed

    def again() -> tuple[System, Graph] | None:
        return _with_room(progress, one_more(system, graph)) if cut(system, graph) else None

    found, progress.policies = policy_findings(system, graph, again)
    progress.add(found)


def _tell_sampled(progress: _Progress) -> None:
    """What was sampled, and what stays undecided for it."""
    system = progress.completed[0] if progress.completed else progress.system
    if system is None or not is_sampled(system):
        return
    from lathe.check.sampled import tell_sampled  # only here, so that a clean check starts sooner

    wrong = {f.diagnostic.span for f in progress.findings.values() if f.diagnostic.severity == "error"}
    told = [f for f in tell_sampled(system) if f.diagnostic.span not in wrong]
    if progress.has_errors:
        told = [f for f in told if f.diagnostic.code != "LT801"]
    if any(f.diagnostic.code == "LT801" for f in told):
        try:
            proved = _proved(progress)
        except KeyboardInterrupt:
            proved = frozenset()  # what is open stays so, and is told
            level = LevelReport(1, "algebra", "unknown", why="an interrupt ended it", is_timed=True)
            progress.algebra = Algebra(level, ())
        told = [f for f in told if f.diagnostic.code != "LT801" or f.diagnostic.span not in proved]
    progress.add(told)


def _proved(progress: _Progress) -> frozenset[Span]:
    """The places of what level 1 proves for all values, with lemmas from what was searched."""
    if progress.proved is not None:
        return progress.proved
    from lathe.check.algebra.level import prove_app  # only here: it loads z3
    from lathe.check.algebra.tell import algebra_level

    clock = progress.limits.clock
    started = clock()
    seen = progress.completed
    found = prove_app(progress.app, seen, clock)
    progress.algebra = Algebra(*algebra_level(progress.app, found, clock() - started))
    return found.proofs.proved if found is not None else frozenset()


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


def _search_wider(
    progress: _Progress, system: System, wider: Wider, states: Sequence[int] = ()
) -> tuple[System, Graph, list[int]] | None:
    """Search the larger scope, from states of the smaller one; None, and a doubt, if that does not end."""
    try:
        large, starts = enlarged(system.layout, wider, states)
    except TooLargeError as error:
        progress.doubts.append(_out_of_budget(f"{_instances_text(wider.instances)}: {error}"))
        return None
    large, graph = explore_all(large, progress.limits, list(dict.fromkeys(starts)) or None)
    starts = [large.dead.cleared(packed) for packed in starts]
    if not graph.is_complete:
        progress.doubts.append(_out_of_budget(_why(graph, wider.instances)))
        return None
    graph.judging = progress.limits
    return large, graph, starts


def _not_searched(progress: _Progress) -> str:
    """Why no scope was completed: its search did not end, or none could be begun."""
    why = progress.partial[-1]
    return _out_of_budget(why) if progress.last is not None else f"{UNSEARCHED[1]} ({why})"


def _out_of_budget(why: str) -> str:
    return f"{UNSEARCHED[0]} ({why})"


def _judge_scope(progress: _Progress, system: System, graph: Graph) -> None:
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
    from lathe.check import tell  # only here, so that a clean check starts sooner

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


def _judge_last(progress: _Progress) -> None:
    """What only the largest scope that was completed can say: what never happens, and what never ends."""
    if progress.completed is None:
        return
    system, graph = progress.completed
    look(graph)
    doubtful, unfair = never(system, graph), _by_property(failures(system, graph))
    if not doubtful and not unfair:
        return
    wider, staffed = wider_than(system, graph), wider_than(system, graph, is_staffed=True)
    if unfair and staffed is not None and system.layout.roles:
        unfair = _while_staffed(progress, system, staffed, unfair)
    if wider is not None and (doubtful or unfair):
        doubtful, unfair = _confirmed(progress, system, wider, doubtful, unfair)
    names = [f"`{n.subject.name}`" for n in doubtful]
    if names and _is_partial(progress, (system, graph), names, "is possible"):
        doubtful = []
    if doubtful or unfair:
        from lathe.check import tell  # only here, so that a clean check starts sooner

        case = tell.make_case(system, graph, progress.digest)
        progress.add(tell.tell_never(n, _bounds_text(system, wider)) for n in rooted(doubtful))
        progress.add(tell.tell_unfair(case, f) for f in unfair.values())


def _bounds_text(system: System, wider: Wider | None) -> str:
    """The wider scope in which something never happens either, where one still wider might differ."""
    if wider is None or not linked(system.layout.app):
        return ""
    people = f", {wider.principals} principals" if wider.principals is not None else ""
    return _instances_text(wider.instances) + people


def _is_partial(progress: _Progress, found: tuple[System, Graph], names: list[str], what: str) -> bool:
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
    progress: _Progress, system: System, wider: Wider, doubtful: list[Never], unfair: dict[Span, Unfair]
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


def _while_staffed(
    progress: _Progress, system: System, staffed: Wider, unfair: dict[Span, Unfair]
) -> dict[Span, Unfair]:
    """Which of them fail though every role has further holders, whoever else holds what."""
    found = _search_wider(progress, system, staffed, system.initial)
    if found is None:
        return {}
    failing = _by_property(failures(found[0], found[1]))
    return {span: f for span, f in unfair.items() if span in failing}


def _still_so(progress: _Progress, found: tuple[System, Graph], wider: Wider) -> list[Standstill]:
    """Who still cannot go on if there is room for more, from each place where one was found."""
    small, graph = found
    doubtful = list(situations(small, graph, len(graph.states)))
    if not isinstance(graph, ListGraph):
        from lathe.check.arrays.nearby import left_in_doubt  # only where a search has grown

        doubtful = left_in_doubt(found, wider, doubtful, progress.limits)
    if not doubtful:
        return []
    where = list(dict.fromkeys(s.index for s in doubtful))
    again = _search_wider(progress, small, wider, [graph.states[i] for i in where])
    if again is None:
        return []
    large, wide, starts = again
    places = dict(zip(where, located(large, wide, starts), strict=True))
    now = {(s.index, s.slot.name): s.code for s in situations(large, wide, len(set(starts)))}
    codes = (now.get((places[s.index].index, places[s.index].slots[s.slot.name])) for s in doubtful)
    return first_of_each(replace(s, code=code) for s, code in zip(doubtful, codes, strict=True) if code)


def _judged(progress: _Progress) -> System | None:
    """The system that the verdict is about."""
    if progress.completed is not None:
        return progress.completed[0]
    return progress.system if progress.is_closed else None


def _coverage(progress: _Progress) -> Coverage:
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


def _exhaustive(progress: _Progress) -> str:
    """How much was searched of what there is."""
    if progress.completed is not None:
        return "within bounds"
    is_proved = not (progress.has_errors or progress.doubts)
    return "no scope was completed: closed by proof" if is_proved else "no scope was completed"
