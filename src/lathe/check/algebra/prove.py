"""Induction: what no command breaks, starting from all that was not broken yet.

The candidates, guessed lemmas and the app's own properties alike, are assumed together before a step;
those that a command can break are dropped, until nothing more is (Flanagan and Leino, *Houdini*, 2001).
What is left is inductive. Under it each fault and each broken step property is shown to be impossible.
An invariant that falls is tried once more by Spacer (Komuravelli and others, 2014), with the lemmas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import z3

from lathe.check import ir
from lathe.check.algebra.terms import Z3, Lowering, Mask, NotModelledError, Term, constant, within
from lathe.check.command import Command, Param
from lathe.check.graph import Clock
from lathe.check.ir import Formula
from lathe.check.layout import Variable
from lathe.check.lowering import Context, holds
from lathe.check.suspects import invariants, is_met
from lathe.check.system import System, applies
from lathe.check.watch import watches
from lathe.errors import Span
from lathe.frozen import frozen, mutable

if TYPE_CHECKING:  # the machine is loaded only where versions are compared
    from lathe.check.algebra.images import Start

QUERY_LIMIT = 4_000_000
"""Z3's own count of work for one query, the same on every machine."""

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
    spacer: tuple[str, ...]
    is_timed: bool
    claims: tuple[Formula, ...] = ()


@mutable
class _Claim:
    """A candidate: a condition of states, and the property that it is, if it is one."""

    formula: Formula
    reads: frozenset[int]
    before: Z3
    span: Span | None = None
    name: str = ""


@mutable
class _Step:
    """A command as terms: what must hold before it, and what each changed variable becomes."""

    command: Command
    guard: Z3
    after: dict[int, Term]
    lowering: Lowering


@mutable
class _Prover:
    system: System
    clock: Clock
    stop_at: float
    keeps: bool
    names: dict[int, Term]
    solver: Z3
    claims: list[_Claim] = field(default_factory=list)
    steps: list[_Step] = field(default_factory=list)
    skipped: list[Command] = field(default_factory=list)
    written: list[Obligation] = field(default_factory=list)
    is_timed: bool = False


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
        spacer=tuple(sorted(by_spacer)),
        is_timed=prover.is_timed or clock() >= stop_at,
        claims=tuple(c.formula for c in prover.claims),
    )


def _begin(system: System, clock: Clock, stop_at: float, *, keeps: bool) -> _Prover:
    names = {v.index: constant(v) for v in system.layout.variables}
    solver = z3.SimpleSolver()
    solver.set("rlimit", QUERY_LIMIT)
    solver.set("random_seed", 0)
    for variable in system.layout.variables:
        solver.add(within(variable, names[variable.index]))
    return _Prover(system, clock, stop_at, keeps, names, solver)


def _take_claims(prover: _Prover, guessed: Iterable[Formula]) -> list[_Claim]:
    """Candidates: properties first. Returned are the app's own."""
    lowering = Lowering(prover.names, {})
    own = []
    for prop, context in invariants(prover.system):
        formula = ir.either(ir.no(applies(prop, context)), holds(prop.that.tree, context))
        own.append((formula, prop.span, f"{context.slot.name}.{prop.name}" if context.slot else prop.name))
    asked: list[_Claim] = []
    lemmas: list[tuple[Formula, Span | None, str]] = [(f, None, "") for f in dict.fromkeys(guessed)]
    for formula, span, name in (*own, *lemmas):
        try:
            claim = _Claim(formula, frozenset(ir.variables(formula)), lowering.truth(formula), span, name)
        except NotModelledError:
            if span is not None:
                asked.append(_Claim(formula, frozenset(), z3.BoolVal(False), span, name))
            continue
        prover.claims.append(claim)
        if span is not None:
            asked.append(claim)
    return asked


def _parameter(param: Param) -> tuple[Term, Z3]:
    """A free parameter, and that it is one of those that may be given, sampled or not."""
    low = param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0
    if param.kind.kind == "set":
        width = max(param.codes).bit_length()
        bits = tuple(z3.Bool(f"given.{param.name}.{i}") for i in range(width))
        most = param.kind.maximum
        fits = z3.BoolVal(True) if most is None else z3.Sum(*(z3.If(b, 1, 0) for b in bits), 0) <= most
        return Mask(bits), fits
    term = z3.Int(f"given.{param.name}")
    codes = [code + low for code in param.codes]
    if param.sampled or codes == list(range(codes[0], codes[-1] + 1)):
        return term, z3.And(term >= min(codes), term <= max(codes))
    return term, z3.Or(*(term == code for code in codes))


def _take_steps(prover: _Prover) -> None:
    """The commands as terms; one that cannot be modelled breaks everything that it may change."""
    for command in prover.system.commands:
        given = {p.name: _parameter(p) for p in command.params}
        lowering = Lowering(prover.names, {name: term for name, (term, _) in given.items()})
        try:
            guard = z3.And(lowering.truth(command.guard), *(fits for _, fits in given.values()))
            if command.state is not None:
                guard = z3.And(guard, prover.names[command.label.slot.state.index] == command.state)
            else:
                guard = z3.And(guard, prover.names[command.label.slot.state.index] != 0)
            after = {index: lowering.term(f) for index, f in command.updates.items()}
        except NotModelledError:
            prover.skipped.append(command)
            changed = frozenset(command.updates)
            prover.claims = [c for c in prover.claims if not c.reads & changed]
            continue
        after = {i: _as_mask(t) if isinstance(prover.names[i], Mask) else t for i, t in after.items()}
        prover.steps.append(_Step(command, guard, after, lowering))


def _as_mask(term: Term) -> Mask:
    """A set, also where a constant stands for one."""
    if isinstance(term, Mask):
        return term
    value = term.as_long() if z3.is_int_value(term) else None
    if value is None:
        raise AssertionError("a set is stored as a set")
    return Mask(tuple(z3.BoolVal(bool(value >> i & 1)) for i in range(value.bit_length())))


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
        touched = [c for c in prover.claims if c.reads & step.after.keys()]
        if not touched or prover.clock() >= prover.stop_at:
            return dropped
        after = [(c, _after(prover, step, c)) for c in touched]
        prover.solver.push()
        _assume(prover, step)
        prover.solver.add(z3.Or(*(z3.Not(then) for _, then in after)))
        answer = prover.solver.check()
        if answer == z3.unsat:
            prover.solver.pop()
            return dropped
        gone = {id(c) for c, _ in after}
        if answer == z3.sat:
            model = prover.solver.model()
            gone = {id(c) for c, then in after if z3.is_false(model.eval(then, model_completion=True))}
        prover.solver.pop()
        prover.claims = [c for c in prover.claims if id(c) not in gone]
        dropped = True


def _assume(prover: _Prover, step: _Step) -> None:
    prover.solver.add(step.guard)
    prover.solver.add(*(c.before for c in prover.claims))


def _after(prover: _Prover, step: _Step, claim: _Claim) -> Z3:
    """What a claim says of the state after a step."""
    return Lowering({**prover.names, **_padded(prover, step.after)}, {}).truth(claim.formula)


def _padded(prover: _Prover, after: dict[int, Term]) -> dict[int, Term]:
    """Sets with a condition for each of the variable's members."""
    found: dict[int, Term] = {}
    for index, term in after.items():
        own = prover.names[index]
        if isinstance(own, Mask) and isinstance(term, Mask):
            missing = len(own.bits) - len(term.bits)
            found[index] = Mask((*term.bits, *(z3.BoolVal(False) for _ in range(missing)))[: len(own.bits)])
        else:
            found[index] = term
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
    given = {p.name: _parameter(p) for p in command.params}
    lowering = Lowering(prover.names, {name: term for name, (term, _) in given.items()})
    try:
        wrong = lowering.truth(condition)
    except NotModelledError:
        return False
    state = prover.names[command.label.slot.state.index]
    prover.solver.push()
    prover.solver.add(wrong, *(fits for _, fits in given.values()), *(c.before for c in prover.claims))
    prover.solver.add(state == command.state if command.state is not None else state != 0)
    is_impossible = prover.solver.check() == z3.unsat
    if is_impossible:
        _write(prover, f"{code.lower()}-{command.index}")
    prover.solver.pop()
    return bool(is_impossible)


def _is_unreachable(prover: _Prover, condition: Formula) -> bool:
    """Whether no state that the claims allow meets a condition."""
    try:
        wrong = Lowering(prover.names, {}).truth(condition)
    except NotModelledError:
        return False
    prover.solver.push()
    prover.solver.add(wrong, *(c.before for c in prover.claims))
    is_unreachable = prover.solver.check() == z3.unsat
    if is_unreachable:
        _write(prover, "cannot")
    prover.solver.pop()
    return bool(is_unreachable)


def _write_steps(prover: _Prover) -> None:
    """The induction itself, command by command, as it was found to hold."""
    for step in prover.steps:
        touched = [c for c in prover.claims if c.reads & step.after.keys()]
        if touched:
            prover.solver.push()
            _assume(prover, step)
            prover.solver.add(z3.Or(*(z3.Not(_after(prover, step, c)) for c in touched)))
            _write(prover, f"keeps-{step.command.index}")
            prover.solver.pop()


def _write(prover: _Prover, name: str) -> None:
    if prover.keeps:
        number = f"{len(prover.written) + 1:04d}"
        prover.written.append(Obligation(f"{number}-{name}", prover.solver.to_smt2()))


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
    terms = [t for v in order for t in _flat(prover.names[v.index])]
    reached = z3.Function("reached", *(t.sort() for t in terms), z3.BoolSort())
    engine.register_relation(reached)
    for packed in prover.system.initial:
        engine.fact(
            reached(*(t for v in order for t in _flat_code(v, prover.names[v.index], v.read(packed))))
        )
    lemmas = [c.before for c in prover.claims]
    bounded = [within(v, prover.names[v.index]) for v in order]
    for step in prover.steps:
        after = {**prover.names, **_padded(prover, step.after)}
        head = reached(*(t for v in order for t in _flat(after[v.index])))
        body = z3.And(reached(*terms), step.guard, *lemmas, *bounded)
        free = [*terms, *_parameters(step)]
        engine.add_rule(z3.ForAll(free, z3.Implies(body, head)) if free else z3.Implies(body, head))
    started = prover.clock()
    try:
        answer = engine.query(z3.Exists(terms, z3.And(reached(*terms), z3.Not(claim.before))))
    except z3.Z3Exception:
        answer = z3.unknown
    took = prover.clock() - started
    prover.is_timed |= answer == z3.unknown and took >= SPACER_MILLISECONDS / 1000
    return bool(answer == z3.unsat)


def _parameters(step: _Step) -> list[Z3]:
    found: list[Z3] = []
    for param in step.command.params:
        found.extend(_flat(_parameter(param)[0]))
    return found


def _flat(term: Term) -> Iterator[Z3]:
    if isinstance(term, Mask):
        yield from term.bits
    else:
        yield term


def _flat_code(variable: Variable, term: Term, code: int) -> Iterator[Z3]:
    if isinstance(term, Mask):
        yield from (z3.BoolVal(bool(code >> i & 1)) for i in range(len(term.bits)))
    else:
        yield z3.IntVal(code)
