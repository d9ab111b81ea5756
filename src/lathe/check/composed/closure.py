"""Joint steps as branches: `machine.compose`, over formulas.

Taking an action yields branches, one for each way that refs, `to_if` and `when` clauses can go, with
disjoint guards. A branch collects conditions and what each variable becomes; everything reads the
state before. What can fail on the way (a range, an unset value) is kept as a fault with its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lathe.check.bounds import MAX_BRANCHES, require
from lathe.check.composed import ir
from lathe.check.composed.branch import Branch, Fault, Part, Take
from lathe.check.composed.domain import SCALARS
from lathe.check.composed.invoke import request
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import Layout, Slot, Variable, assigned_ghost
from lathe.check.composed.lowering import Context, Term, encoded, fits, is_unset, lower, truth
from lathe.check.composed.relevance import entered_states
from lathe.check.composed.unique import require_unique
from lathe.errors import Span
from lathe.lang.expr import Expression
from lathe.lang.model import Action, Also, Argument, Assignment, Principal, target_type
from lathe.lang.types import Type
from lathe.machine.limits import MAX_JOINT_DEPTH


def closure(layout: Layout, branch: Branch) -> list[Branch]:
    """All ways to take what is pending in `branch`, with everything that goes with it."""
    waiting, done = [branch], list[Branch]()
    while waiting:
        current = waiting.pop()
        require(len(waiting) + len(done), MAX_BRANCHES, "a joint step")
        if current.pending:
            waiting.extend(reversed(list(_take(layout, current))))
        else:
            done.append(current)
    finished: list[Branch] = []
    for found in (way for opened in done for way in _stored(layout, opened)):
        _ghosts(layout, found)
        finished.extend(request(layout, found))
    for way in finished:
        require_unique(layout, way)
    return [b for b in finished if b.accepted != FALSE or b.faults]


def _take(layout: Layout, branch: Branch) -> Iterator[Branch]:
    take = branch.pending.pop(0)
    slot, action = take.slot, take.action
    is_again = any(p.slot is slot for p in branch.parts)
    if is_again or take.depth > MAX_JOINT_DEPTH or not _may_admit(layout, take):
        yield from _only_faults(branch)
        return
    if not take.is_new and not branch.require(_from(slot, action, branch)):
        yield from _only_faults(branch)
        return
    if not branch.require(take.fitting):
        yield from _only_faults(branch)
        return
    args = _arguments(layout, branch, take)
    context = Context(layout, slot, args, branch.actor, branch.known, branch.unborn)
    where = (slot.blueprint.name, action.name)
    if layout.app.policies:
        from lathe.check.composed.policies import policed  # only here: it loads cedarpy

        allowed = policed(layout.app).allows(slot, action, take.by, context)
        if not branch.require(TRUE if allowed is None else allowed):
            yield from _only_faults(branch)
            return
    if action.when is not None:
        term = lower(action.when.tree, context)
        _fail_term(branch, term, action.when.span, where, action.when.text)
        branch.require(truth(term))
    branch.parts.append(Part(slot, action, take.by, context, None, take.is_new))
    yield from _clauses(layout, branch, take, context)


def _stored(layout: Layout, branch: Branch) -> list[Branch]:
    """Every part stores its values and enters its state, once nobody's guard refuses the step."""
    ways = [branch]
    for number, part in enumerate(branch.parts if branch.accepted != FALSE else ()):
        before, ways = ways, []
        for way in before:
            _assign(layout, way, part)
            for target, found in _targets(way, part):
                found.parts[number] = replace(part, target=target)
                ways.append(found)
    return ways


def _only_faults(branch: Branch) -> Iterator[Branch]:
    """A refused branch still tells of the faults that came before the refusal."""
    if branch.faults:
        refused = branch.copy()
        refused.guard.append(FALSE)
        refused.pending = []
        yield refused


def _may_admit(layout: Layout, take: Take) -> bool:
    """Whether `by` admits the caller, or policies have their say in it."""
    if layout.app.policies:
        from lathe.check.composed.policies import policed  # only here: it loads cedarpy

        if policed(layout.app).concerns(take.slot.blueprint.name, take.action.name):
            return True
    return _admits(take.action, take.by)


def _admits(action: Action, by: Principal) -> bool:
    if by.kind == "role":
        return any(p.kind in ("role", "any") for p in action.admits)
    return by in action.admits


def _from(slot: Slot, action: Action, branch: Branch) -> Formula:
    state = branch.known.get(slot.state.index, slot.state.formula)
    return ir.either(*(ir.eq(state, ir.const(slot.state_code(s))) for s in action.from_states))


def _arguments(layout: Layout, branch: Branch, take: Take) -> dict[str, Term]:
    """The explored arguments in full; what does not fit is refused."""
    args: dict[str, Term] = {}
    for argument in take.action.arguments.values():
        term = take.args.get(argument.name)
        if term is None:
            if not (argument.optional or argument.has_default) and _must_know(layout, take, argument):
                branch.require(FALSE)
            args[argument.name] = _left_out(layout, argument)
        else:
            args[argument.name] = _filled(layout, branch, argument, term)
    return args


def _left_out(layout: Layout, argument: Argument) -> Term:
    """What an argument reads as that is not given."""
    if not argument.has_default:
        return Term(FALSE, none=ir.TRUE if argument.type.kind in SCALARS else FALSE)
    return Term(_default(layout, argument))


def _default(layout: Layout, argument: Argument) -> Formula:
    low = argument.type.low or 0 if argument.type.kind == "int" else 0
    return ir.const(layout.domains.code(argument.type, argument.default) + low)


def _must_know(layout: Layout, take: Take, argument: Argument) -> bool:
    """Whether a missing argument is missing indeed, not merely unexplored."""
    if take.by.kind == "timer":
        return True
    return layout.is_explored("arg", take.slot.blueprint.name, argument.name, take.action.name)


def _filled(layout: Layout, branch: Branch, argument: Argument, term: Term) -> Term:
    kind = argument.type
    unset = term.none if kind.kind in SCALARS or term.none == ir.TRUE else is_unset(term, kind)
    branch.require(ir.either(unset, fits(layout, kind, term)))
    if argument.has_default:
        return Term(ir.choose(unset, _default(layout, argument), term.value))
    if not argument.optional:
        branch.require(ir.no(unset))
    return replace(term, none=unset if kind.kind in SCALARS else FALSE, unset=FALSE, zero=FALSE)


def _fail_term(branch: Branch, term: Term, span: Span, where: tuple[str, str], text: str) -> None:
    branch.fail(term.unset, "LT205", span, where, text)
    branch.fail(term.zero, "LT204", span, where, text)


def _assign(layout: Layout, branch: Branch, part: Part) -> None:
    """What `sets` and `do` store; values that do not fit are faults."""
    slot, context, where = part.slot, part.context, (part.slot.blueprint.name, part.action.name)
    for name in part.action.sets:
        if name in slot.fields:
            kind = slot.blueprint.fields[name].type
            branch.updates[slot.fields[name].index] = _code(kind, context.args[name])
            _cut_unexplored(layout, branch, slot, (name, context.args[name]))
    for a in part.action.do:
        if a.target not in slot.fields:
            continue
        kind = slot.blueprint.fields[a.target].type
        term = lower(a.value.tree, context)
        _fail_term(branch, term, a.span, where, a.text)
        if kind.kind in SCALARS:
            branch.fail(term.none, "LT205", a.span, where, a.text)
        branch.fail(ir.no(fits(layout, kind, term)), "LT204", a.span, where, a.text)
        branch.updates[slot.fields[a.target].index] = _code(kind, term)
        _cut_unexplored(layout, branch, slot, (a.target, term))


def _cut_unexplored(layout: Layout, branch: Branch, slot: Slot, stored: tuple[str, Term]) -> None:
    """With `explore`, a step that would store a value outside it is not searched (but proved about)."""
    name, term = stored
    explore = slot.blueprint.fields[name].explore
    if explore is not None and not layout.domains.whole:
        branch.within += [ir.le(ir.const(explore[0]), term.value), ir.le(term.value, ir.const(explore[1]))]


def _code(kind: Type, term: Term) -> Formula:
    if kind.kind == "time":
        return ir.choose(ir.eq(term.value, FALSE), FALSE, ir.TRUE)
    return encoded(kind, term)


def _targets(branch: Branch, part: Part) -> Iterator[tuple[str | None, Branch]]:
    """The states that the action may enter: a branch for each."""
    slot, action = part.slot, part.action
    if action.to_if is None:
        target = slot.blueprint.initial if part.is_new else action.to
        if target is not None:
            branch.updates[slot.state.index] = ir.const(slot.state_code(target))
        yield target, branch
        return
    term = lower(action.to_if.tree, part.context)
    where = (slot.blueprint.name, action.name)
    _fail_term(branch, term, action.to_if.span, where, action.to_if.text)
    for target in entered_states(slot.blueprint, action):
        way = branch.copy()
        if way.require(ir.eq(term.value, ir.const(slot.state_code(target)))):
            way.updates[slot.state.index] = ir.const(slot.state_code(target))
            yield target, way
    yield from ((None, w) for w in _only_faults(branch))


def _clauses(layout: Layout, branch: Branch, take: Take, context: Context) -> Iterator[Branch]:
    """The `also` clauses: left out, or taken with each entity that the ref may mean."""
    ways = [branch]
    added: list[list[Take]] = [[]]
    for clause in take.action.also:
        next_ways: list[Branch] = []
        next_added: list[list[Take]] = []
        for way, before in zip(ways, added, strict=True):
            for found, joined in _clause(layout, way, clause, take, context):
                next_ways.append(found)
                next_added.append(before + joined)
        ways, added = next_ways, next_added
    for way, joined in zip(ways, added, strict=True):
        way.pending = joined + way.pending
        yield way


def _clause(
    layout: Layout, branch: Branch, clause: Also, take: Take, context: Context
) -> Iterator[tuple[Branch, list[Take]]]:
    where = (take.slot.blueprint.name, take.action.name)
    if clause.when is not None:
        term = lower(clause.when.tree, context)
        _fail_term(branch, term, clause.when.span, where, clause.when.text)
        left_out = branch.copy()
        if left_out.require(ir.no(truth(term))):
            yield left_out, []
        if not branch.require(truth(term)):
            yield from ((b, []) for b in _only_faults(branch))
            return
    on = lower(clause.on.tree, context)
    if not branch.require(ir.no(ir.eq(on.value, FALSE))):
        yield from ((b, []) for b in _only_faults(branch))
        return
    args = {
        name: _value(branch, value, context, where)
        for name, value in clause.args.items()
        if layout.is_explored("arg", clause.blueprint, name, clause.action)
    }
    by = Principal("entity", take.slot.blueprint.name)
    action = layout.app.blueprints[clause.blueprint].actions[clause.action]
    for slot in layout.of(clause.blueprint):
        way = branch.copy()
        if way.require(ir.eq(on.value, ir.const(slot.index + 1))):
            yield way, [Take(slot, action, args, by, depth=take.depth + 1)]
    yield from ((b, []) for b in _only_faults(branch))


def _value(branch: Branch, value: Expression, context: Context, where: tuple[str, str]) -> Term:
    term = lower(value.tree, context)
    _fail_term(branch, term, value.span, where, value.text)
    return term


def _ghosts(layout: Layout, branch: Branch) -> None:
    """The ghosts of every part, in order, each reading them as they are by then."""
    for part in branch.parts:
        where = (part.slot.blueprint.name, part.action.name)
        assign_ghosts(layout, branch, part.slot, part.action.ghost, part.context, where)


def assign_ghosts(
    layout: Layout,
    branch: Branch,
    slot: Slot,
    assignments: tuple[Assignment, ...],
    context: Context,
    where: tuple[str, str | None],
) -> None:
    """Simultaneous ghost assignments; a value that cannot be is a fault, and leaves its ghost alone."""
    seen = replace(context, known={**context.known, **_ghost_values(layout, branch)})
    changed: dict[int, Formula] = {}
    for a in assignments:
        owner = slot.blueprint.name if a.via is None else a.via.tree.type.blueprint or ""
        if assigned_ghost(a.scope, owner, a.target) not in layout.explored:
            continue
        term = lower(a.value.tree, seen)
        _note_fault(branch, term, a, where)
        kind = target_type(layout.app, slot.blueprint, a)
        for variable, when in _owners(layout, slot, a, seen):
            now = changed.get(variable.index, seen.read(variable))
            kept = _saturated(layout, kind, term, now)
            changed[variable.index] = ir.choose(ir.both(when, ir.no(term.fails)), kept, now)
    branch.updates.update(changed)


def _ghost_values(layout: Layout, branch: Branch) -> dict[int, Formula]:
    ghosts = {v.index for s in layout.slots for v in s.ghosts.values()} | {
        v.index for v in layout.ghosts.values()
    }
    return {i: f for i, f in branch.updates.items() if i in ghosts}


def _note_fault(branch: Branch, term: Term, a: Assignment, where: tuple[str, str | None]) -> None:
    for condition, code in ((term.unset, "LT205"), (term.zero, "LT204")):
        reached = ir.both(*branch.guard, condition)
        if reached != FALSE:
            branch.faults.append(Fault(reached, code, a.span, where[0], where[1], a.text))


def _owners(
    layout: Layout, slot: Slot, a: Assignment, context: Context
) -> Iterator[tuple[Variable, Formula]]:
    if a.scope == "app_ghost":
        yield layout.ghosts[a.target], ir.TRUE
    elif a.via is None:
        yield slot.ghosts[a.target], ir.TRUE
    else:
        ref = lower(a.via.tree, context)
        for other in layout.of(a.via.tree.type.blueprint or ""):
            yield other.ghosts[a.target], ir.eq(ref.value, ir.const(other.index + 1))


def _saturated(layout: Layout, kind: Type, term: Term, now: Formula) -> Formula:
    if kind.kind == "int":
        assert kind.low is not None and kind.high is not None, "a declared int has a range"
        inside = ir.largest(ir.const(kind.low), ir.least(term.value, ir.const(kind.high)))
        reach = ir.bounds(term.value)
        if reach and kind.low <= reach[0] and reach[1] <= kind.high:
            inside = term.value
        return ir.choose(term.none, now, ir.plus(inside, ir.const(-kind.low)))
    kept = _code(kind, term)
    if kind.kind in SCALARS:
        kept = ir.choose(term.none, now, kept)
    return ir.choose(fits(layout, kind, term), kept, now)
