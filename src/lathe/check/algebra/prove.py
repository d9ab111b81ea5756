"""Induction: what no command breaks, starting from all that was not broken yet.

The candidates, guessed lemmas and the app's own properties alike, are assumed together before a step;
those that a command can break are dropped, until nothing more is (Flanagan and Leino, *Houdini*, 2001).
What is left is inductive. An invariant that falls is tried once more by k-induction (`unroll`). Under all
that each fault and each broken step property is shown to be impossible. What is still open is tried by
Spacer (Komuravelli and others, 2014), with the lemmas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import z3

from lathe.check.algebra import build
from lathe.check.algebra.build import Z3, either, equal, implied, negation
from lathe.check.algebra.moves import Move, flat, move, parameter, stands
from lathe.check.algebra.small import never_holds
from lathe.check.algebra.terms import Lowering, Mask, NotModelledError, Term, constant, within
from lathe.check.algebra.unroll import Unrolling
from lathe.check.composed import ir
from lathe.check.composed.command import Command
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Variable
from lathe.check.composed.lowering import Context, holds
from lathe.check.composed.premises import is_met
from lathe.check.composed.system import System, applies
from lathe.check.judge.suspects import invariants
from lathe.check.search.graph import Clock
from lathe.check.search.watch import watches
from lathe.errors import Span
from lathe.frozen import frozen, mutable

if TYPE_CHECKING:  # the machine is loaded only where versions are compared
    from lathe.check.algebra.images import Start

QUERY_LIMIT = 4_000_000
"""Z3's own count of work for one query, the same on every machine."""

UNROLLED_SHARE = 0.25
"""Of the seconds left, what k-induction may take; Spacer has the rest."""

SPACER_LIMIT = 5_000_000

SPACER_MILLISECONDS = 1_500
"""A safety stop beside the limit: Spacer does not always look at it."""


@frozen
class Obligation:
    """Something that was shown to be impossible, as a solver was asked it: `unsat` is the answer."""

    name: str
    smt: str


@frozen
class Proofs:
    """What is so for all values: the spans of properties, assignments, guards and effects.

    `open` are those that were tried and not proved. `is_timed`: with more seconds it may be more.
    `claims` are what was found to be inductive, the app's own properties and lemmas.
    """

    proved: frozenset[Span]
    open: frozenset[Span]
    properties: tuple[str, ...]
    tried: int
    obligations: tuple[Obligation, ...]
    unrolled: tuple[str, ...]
    spacer: tuple[str, ...]
    is_timed: bool
    claims: tuple[Formula, ...] = ()


@mutable
class _Claim:
    """A candidate: a condition of states, and the property that it is, if it is one.

    `assumed` switches it on before a step, and `fails` says that it is false after one.
    """

    formula: Formula
    reads: frozenset[int]
    before: Z3
    after: Z3
    assumed: Z3
    fails: Z3
    span: Span | None = None
    name: str = ""


@mutable
class _Step:
    """A command, and what it is as terms."""

    command: Command
    move: Move


@mutable
class _Prover:
    system: System
    clock: Clock
    stop_at: float
    keeps: bool
    names: dict[int, Term]
    later: dict[int, Term]
    solver: Z3
    claims: list[_Claim] = field(default_factory=list)
    steps: list[_Step] = field(default_factory=list)
    skipped: list[Command] = field(default_factory=list)
    written: list[Obligation] = field(default_factory=list)
    is_timed: bool = False
    count: int = 0


def prove(
    system: System,
    guessed: Iterable[Formula],
    clock: Clock,
    stop_at: float,
    *,
    keeps: bool = False,
    begun: Start | None = None,
) -> Proofs:
    """What is so of a system with whole ranges. `keeps`: also tell the obligations as SMT-LIB.

    `begun`: it may begin there too, so nothing counts that does not hold there.
    """
    prover = _begin(system, clock, stop_at, keeps=keeps)
    asked = _take_claims(prover, guessed)
    _take_steps(prover)
    _start(prover)
    if begun is not None:
        prover.claims = [c for c in prover.claims if begun.allows(c.formula, QUERY_LIMIT)]
    _reduce(prover)
    proved = {c.name for c in prover.claims if c.span is not None}
    if keeps:
        _write_steps(prover)
    left = [a for a in asked if a.name not in proved]
    unrolled = _by_unrolling(prover, left) if begun is None else []
    prover.claims += unrolled
    proved |= {c.name for c in unrolled}
    good, bad = _impossible(prover)
    more = _by_spacer(prover, [a for a in asked if a.name not in proved]) if begun is None else []
    by_spacer = {c.name for c in more}
    proved |= by_spacer
    if more and bad:
        prover.claims += more
        prover.keeps = False
        good, bad = _impossible(prover)
    good |= {c.span for c in asked if c.span is not None}
    bad |= {c.span for c in asked if c.span is not None and c.name not in proved}
    return Proofs(
        proved=frozenset(good - bad),
        open=frozenset(bad),
        properties=tuple(sorted(proved)),
        tried=len(asked) + len(watches(system)),
        obligations=tuple(prover.written),
        unrolled=tuple(sorted(c.name for c in unrolled)),
        spacer=tuple(sorted(by_spacer)),
        is_timed=prover.is_timed or clock() >= stop_at,
        claims=tuple(c.formula for c in prover.claims),
    )


def _begin(system: System, clock: Clock, stop_at: float, *, keeps: bool) -> _Prover:
    names = {v.index: constant(v) for v in system.layout.variables}
    later = {v.index: constant(v, "'") for v in system.layout.variables}
    solver = z3.SimpleSolver()
    solver.set("rlimit", QUERY_LIMIT)
    solver.set("random_seed", 0)
    for variable in system.layout.variables:
        solver.add(within(variable, names[variable.index]))
    return _Prover(system, clock, stop_at, keeps, names, later, solver)


def _take_claims(prover: _Prover, guessed: Iterable[Formula]) -> list[_Claim]:
    """Candidates: properties first. Returned are the app's own."""
    own = []
    for prop, context in invariants(prover.system):
        formula = ir.either(ir.no(applies(prop, context)), holds(prop.that.tree, context))
        own.append((formula, prop.span, f"{context.slot.name}.{prop.name}" if context.slot else prop.name))
    asked: list[_Claim] = []
    lemmas: list[tuple[Formula, Span | None, str]] = [(f, None, "") for f in dict.fromkeys(guessed)]
    for formula, span, name in (*own, *lemmas):
        if span is None and prover.clock() >= prover.stop_at:
            break
        try:
            claim = _claim(prover, formula, span, name)
        except NotModelledError:
            if span is not None:
                no = build.FALSE
                asked.append(_Claim(formula, frozenset(), no, no, no, no, span, name))
            continue
        prover.claims.append(claim)
        if span is not None:
            asked.append(claim)
    return asked


def _claim(prover: _Prover, formula: Formula, span: Span | None, name: str) -> _Claim:
    """A candidate as terms, before and after a step; the solver is told what its switch means."""
    before = Lowering(prover.names, {}).truth(formula)
    after = Lowering(prover.later, {}).truth(formula)
    prover.count += 1
    assumed = z3.Bool(f"assumed.{prover.count}")
    build.add(prover.solver, [implied(assumed, before)])
    return _Claim(
        formula, frozenset(ir.variables(formula)), before, after, assumed, negation(after), span, name
    )


def _take_steps(prover: _Prover) -> None:
    """The commands as terms; one that cannot be modelled breaks everything that it may change."""
    for command in prover.system.commands:
        if prover.clock() >= prover.stop_at:
            prover.claims = []  # some step will not have been looked at
            prover.skipped.append(command)
            return
        try:
            found = move(command, prover.names)
        except NotModelledError:
            prover.skipped.append(command)
            changed = frozenset(command.updates)
            prover.claims = [c for c in prover.claims if not c.reads & changed]
            continue
        prover.steps.append(_Step(command, found))


def _start(prover: _Prover) -> None:
    """Drop what does not hold in every initial state."""
    variables = prover.system.layout.variables
    for packed in prover.system.initial:
        known = {v.index: v.read(packed) for v in variables}
        prover.claims = [c for c in prover.claims if ir.settled(c.formula, known) == ir.TRUE]


def _reduce(prover: _Prover) -> None:
    """Drop what some command can break, until none can break anything that is left."""
    changed = True
    while changed:
        changed = False
        for step in prover.steps:
            if _broken_by(prover, step):
                changed = True
    if prover.clock() >= prover.stop_at:
        prover.claims = []  # some step may not have been looked at


def _broken_by(prover: _Prover, step: _Step) -> bool:
    """Drop what one command can break; tells whether anything was."""
    dropped = False
    while True:
        touched = [c for c in prover.claims if c.reads & step.move.after.keys()]
        if not touched or prover.clock() >= prover.stop_at:
            return dropped
        prover.solver.push()
        build.add(prover.solver, _broken(prover, step, touched))
        answer = build.check(prover.solver, [c.assumed for c in prover.claims])
        if answer == z3.unsat:
            prover.solver.pop()
            return dropped
        gone = {id(c) for c in touched}
        if answer == z3.sat:
            known = _values(prover, prover.solver.model())
            gone = {id(c) for c in touched if ir.settled(c.formula, known) == ir.FALSE} or gone
        prover.solver.pop()
        prover.claims = [c for c in prover.claims if id(c) not in gone]
        dropped = True


def _broken(prover: _Prover, step: _Step, touched: Sequence[_Claim]) -> list[Z3]:
    """That a step is taken, and that what some claims say of the state after it is false."""
    read = frozenset[int]().union(*(c.reads for c in touched))
    becomes = [
        equal(p, q)
        for index in sorted(read)
        for p, q in zip(
            flat(prover.later[index]), flat(step.move.after.get(index, prover.names[index])), strict=True
        )
    ]
    return [step.move.guard, *becomes, either(*(c.fails for c in touched))]


def _values(prover: _Prover, model: Z3) -> dict[int, int]:
    """The codes of the variables after a step, in a run that the solver found."""
    found: dict[int, int] = {}
    for index, term in prover.later.items():
        values = [model.eval(part, model_completion=True) for part in flat(term)]
        if isinstance(term, Mask):
            found[index] = sum(1 << bit for bit, value in enumerate(values) if z3.is_true(value))
        else:
            found[index] = values[0].as_long()
    return found


def _impossible(prover: _Prover) -> tuple[set[Span], set[Span]]:
    """The places of faults and step properties: which cannot happen, which perhaps can."""
    places: dict[Span, bool] = {}
    by_name = {
        f"{b.name}.{p.name}": p.span
        for b in prover.system.layout.app.blueprints.values()
        for p in b.properties.values()
    }
    by_name |= {f".{p.name}": p.span for p in prover.system.layout.app.properties.values()}
    for span in _all_places(prover.system):
        places.setdefault(span, True)
    for watch in watches(prover.system):
        if watch.is_fault:
            span = watch.command.faults[int(watch.subject)].span
        else:
            span = by_name[str(watch.subject)]
        if places.get(span, True):
            places[span] = _cannot_be(prover, watch.command, watch.condition, str(watch.code))
    for slot in prover.system.layout.slots:
        for cannot in slot.blueprint.cannot.values():
            if cannot.when is not None and places.get(cannot.span, True):
                condition = is_met(cannot.when.tree, Context(prover.system.layout, slot))
                places[cannot.span] = _is_unreachable(prover, condition)
    return {s for s, good in places.items() if good}, {s for s, good in places.items() if not good}


def _all_places(system: System) -> Iterator[Span]:
    """Where something could go wrong, whether or not any command has a fault there."""
    for blueprint in system.layout.app.blueprints.values():
        for action in blueprint.actions.values():
            yield from (a.span for a in action.do)
            yield from (e.span for e in (action.when, action.to_if) if e is not None)
        yield from (e.span for e in blueprint.effects.values())
        yield from (p.span for p in blueprint.properties.values() if p.kind == "step")
    yield from (p.span for p in system.layout.app.properties.values() if p.kind == "step")


def _cannot_be(prover: _Prover, command: Command, condition: Formula, code: str) -> bool:
    if prover.clock() >= prover.stop_at:
        return False
    given = {p.name: parameter(p) for p in command.params}
    lowering = Lowering(prover.names, {name: term for name, (term, _) in given.items()})
    try:
        wrong = lowering.truth(condition)
    except NotModelledError:
        return False
    asked = [wrong, *(fits for _, fits in given.values()), stands(command, prover.names)]
    if never_holds(prover.system.layout, command, condition):
        _write(prover, f"{code.lower()}-{command.index}", asked, assumed=())
        return True
    return _is_excluded(prover, asked, f"{code.lower()}-{command.index}")


def _is_unreachable(prover: _Prover, condition: Formula) -> bool:
    """Whether no state that the claims allow meets a condition."""
    try:
        wrong = Lowering(prover.names, {}).truth(condition)
    except NotModelledError:
        return False
    return _is_excluded(prover, [wrong], "cannot")


def _is_excluded(prover: _Prover, asked: list[Z3], name: str) -> bool:
    """Whether no state that the claims allow is as asked."""
    prover.solver.push()
    build.add(prover.solver, asked)
    answer = build.check(prover.solver, [c.assumed for c in prover.claims])
    prover.solver.pop()
    if answer == z3.unsat:
        _write(prover, name, asked, assumed=prover.claims)
    return bool(answer == z3.unsat)


def _write_steps(prover: _Prover) -> None:
    """The induction itself, command by command, as it was found to hold."""
    for step in prover.steps:
        touched = [c for c in prover.claims if c.reads & step.move.after.keys()]
        if touched:
            _write(
                prover, f"keeps-{step.command.index}", _broken(prover, step, touched), assumed=prover.claims
            )


def _write(prover: _Prover, name: str, asked: Sequence[Z3], *, assumed: Sequence[_Claim]) -> None:
    """Keep what was asked, together with what was assumed, as a document of its own."""
    if not prover.keeps:
        return
    solver = z3.SimpleSolver()
    for variable in prover.system.layout.variables:
        solver.add(within(variable, prover.names[variable.index]))
    solver.add(*(c.before for c in assumed), *asked)
    prover.written.append(Obligation(f"{len(prover.written) + 1:04d}-{name}", solver.to_smt2()))


def _by_unrolling(prover: _Prover, left: Sequence[_Claim]) -> list[_Claim]:
    """Those of some invariants that k-induction proves, with the lemmas that are left to lean on."""
    if prover.skipped or not left:
        return []
    lemmas = [c.formula for c in prover.claims]
    now = prover.clock()
    stop_at = now + (prover.stop_at - now) * UNROLLED_SHARE
    unrolling = Unrolling(prover.system, lemmas, prover.clock, stop_at, query_limit=QUERY_LIMIT)
    found = []
    for claim in left:
        proof = unrolling.proof(claim.formula) if claim.reads else None
        if proof is not None:
            found.append(claim)
            for name, conditions in proof:
                _write(prover, f"{name}-{claim.name.replace('#', '')}", conditions, assumed=())
    prover.is_timed |= prover.clock() >= stop_at
    return found


def _by_spacer(prover: _Prover, left: Sequence[_Claim]) -> list[_Claim]:
    """Those of some invariants that Spacer proves, with the lemmas that are left to lean on."""
    if prover.skipped:
        return []
    return [c for c in left if c.reads and prover.clock() < prover.stop_at and _spacer_proves(prover, c)]


def _spacer_proves(prover: _Prover, claim: _Claim) -> bool:
    engine = z3.Fixedpoint()
    engine.set(engine="spacer")
    engine.set("rlimit", SPACER_LIMIT)
    engine.set("timeout", SPACER_MILLISECONDS)
    order = [v for v in prover.system.layout.variables if v.width]
    terms = [t for v in order for t in flat(prover.names[v.index])]
    reached = z3.Function("reached", *(t.sort() for t in terms), z3.BoolSort())
    engine.register_relation(reached)
    for packed in prover.system.initial:
        engine.fact(
            reached(*(t for v in order for t in _flat_code(v, prover.names[v.index], v.read(packed))))
        )
    lemmas = [c.before for c in prover.claims]
    bounded = [within(v, prover.names[v.index]) for v in order]
    for step in prover.steps:
        after = {**prover.names, **step.move.after}
        head = reached(*(t for v in order for t in flat(after[v.index])))
        body = z3.And(reached(*terms), step.move.guard, *lemmas, *bounded)
        free = [*terms, *step.move.given]
        engine.add_rule(z3.ForAll(free, z3.Implies(body, head)) if free else z3.Implies(body, head))
    started = prover.clock()
    try:
        answer = engine.query(z3.Exists(terms, z3.And(reached(*terms), z3.Not(claim.before))))
    except z3.Z3Exception:
        answer = z3.unknown
    took = prover.clock() - started
    prover.is_timed |= answer == z3.unknown and took >= SPACER_MILLISECONDS / 1000
    return bool(answer == z3.unsat)


def _flat_code(variable: Variable, term: Term, code: int) -> Iterator[Z3]:
    if isinstance(term, Mask):
        yield from (z3.BoolVal(bool(code >> i & 1)) for i in range(len(term.bits)))
    else:
        yield z3.IntVal(code)
