"""What the system does by itself: invocations start, happen, end, stop; calls arrive; slots fall empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from math import prod

from lathe.check import ir
from lathe.check.bounds import MAX_BRANCHES, require
from lathe.check.branch import Branch, Fault, Take
from lathe.check.closure import assign_ghosts, closure
from lathe.check.command import BAD_MESSAGE, RECYCLE, Command, Label, Param
from lathe.check.domain import expressions
from lathe.check.ground import Choices, finish, known_state, newborn, param_term, unborn
from lathe.check.invoke import MANY, deliveries, forget
from lathe.check.ir import FALSE, TRUE, Formula
from lathe.check.layout import STARTED, STOPPING, Layout, Slot, Variable, changes_world
from lathe.check.lowering import Context, Term, decoded
from lathe.check.relevance import askers, entered_states
from lathe.lang.adapters import REFUSED
from lathe.lang.expr import Population, Special, walk
from lathe.lang.model import Action, Effect, Principal
from lathe.lang.types import Type

CAUSES = ("timeout", "unreachable", "refused", "invalid", "crashed", "cancelled")


def internal_commands(layout: Layout, slot: Slot) -> Iterator[Command]:
    """Everything about the effects of one slot, and its recycling."""
    for effect in slot.effects:
        if effect.target is None:
            yield from _starts(layout, slot, effect)
            yield from _executions(layout, slot, effect)
            yield from _progress(layout, slot, effect)
            yield from _ends(layout, slot, effect)
            yield from _stops(layout, slot, effect)
            yield from _late(layout, slot, effect)
        else:
            yield from _deliveries(layout, slot, effect)
    for name in slot.notices:
        yield from _notices(layout, slot, slot.blueprint.effects[name])
    yield from _recycling(layout, slot)


def effect_principal(effect: Effect) -> Principal:
    """The principal that an effect acts as."""
    return Principal("effect", effect.name)


def running(slot: Slot, effect: Effect, phase: int) -> Formula:
    """The condition that this effect is the one that is started, or stopping."""
    assert slot.run is not None and slot.phase is not None, "an effect that can start has a place to run"
    code = ir.const(slot.effect_code(effect.name))
    return ir.both(ir.eq(slot.run.formula, code), ir.eq(slot.phase.formula, ir.const(phase)))


def flight_states(slot: Slot, effect: Effect) -> tuple[str, ...]:
    """The states in which the effect can be in flight in its own visit."""
    blueprint = slot.blueprint
    found: set[str] = set()
    for action in askers(blueprint, effect.name):
        entered = entered_states(blueprint, action)
        if entered:
            found |= {s for s in entered if effect.name in (*action.run, *blueprint.states[s].run)}
        else:
            found |= set(action.from_states)
    return tuple(s for s in blueprint.states if s in found and not blueprint.states[s].final)


def _shifted(slot: Slot) -> dict[int, Formula]:
    """The queue without its head."""
    following = [v.formula for v in slot.queue[1:]] + [FALSE]
    return {v.index: after for v, after in zip(slot.queue, following, strict=True)}


def _head_is(slot: Slot, effect: Effect) -> Formula:
    free = ir.eq(slot.run.formula, FALSE) if slot.run is not None else TRUE
    return ir.both(free, ir.eq(slot.queue[0].formula, ir.const(slot.effect_code(effect.name))))


def _plain(layout: Layout, label: Label, guard: Formula, updates: Mapping[int, Formula]) -> Command:
    changed = {i: f for i, f in updates.items() if f != layout.variables[i].formula}
    return Command(label, None, guard, changed)


def _starts(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    assert slot.run is not None and slot.phase is not None, "an effect that can start has a place to run"
    updates = _shifted(slot)
    updates[slot.run.index] = ir.const(slot.effect_code(effect.name))
    updates[slot.phase.index] = ir.const(STARTED)
    label = Label("start", slot, effect_principal(effect), effect=effect.name)
    yield _plain(layout, label, _head_is(slot, effect), updates)


def memory(layout: Layout, slot: Slot, effect: Effect, where: Mapping[str, Variable]) -> dict[str, Term]:
    """What an invocation remembers, as terms for its `world`."""
    kinds = slot.captured[effect.name].keys
    found = {key: decoded(layout, kinds[key], v.formula) for key, v in where.items()}
    for key, term in found.items():
        none = found.get(key.replace("arg:", "none:"))
        if none is not None and none is not term:
            found[key] = replace(term, none=none.value)
    return found


def _world(
    layout: Layout, slot: Slot, effect: Effect, where: Mapping[str, Variable], guard: Formula
) -> Branch:
    """One execution: what it does to the ghosts."""
    branch = Branch(Term(FALSE), {})
    branch.require(guard)
    args: dict[str, Term] = {}
    context = Context(layout, slot, args, captured=memory(layout, slot, effect, where))
    assign_ghosts(layout, branch, slot, effect.world, context, (slot.blueprint.name, None))
    return branch


def _executions(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    if not changes_world(effect, slot.blueprint.name, layout.explored):
        return
    assert slot.done is not None, "what is executed is remembered"
    captured = slot.captured[effect.name]
    label = Label("execute", slot, effect_principal(effect), effect=effect.name)
    for phase, where in ((STARTED, captured.current), (STOPPING, captured.stopping)):
        guard = running(slot, effect, phase)
        if effect.idempotent:
            guard = ir.both(guard, ir.eq(slot.done.formula, FALSE))
        branch = _world(layout, slot, effect, where, guard)
        branch.updates[slot.done.index] = TRUE
        yield from finish(Choices(layout, slot), label, None, [branch])


def _progress(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    by = effect_principal(effect)
    for state in flight_states(slot, effect):
        for action in slot.blueprint.actions.values():
            is_own_end = action.name in (effect.ok, effect.error)
            if by not in action.by or is_own_end or state not in action.from_states:
                continue
            choices = Choices(layout, slot)
            branch = Branch(Term(FALSE), known_state(slot, state))
            branch.require(running(slot, effect, STARTED))
            branch.pending = [Take(slot, action, choices.arguments(action), by)]
            label = Label("act", slot, by, action.name, effect=effect.name)
            yield from finish(choices, label, slot.state_code(state), closure(layout, branch))


def _over(slot: Slot, effect: Effect, where: Mapping[str, Variable]) -> dict[int, Formula]:
    """The invocation is gone: nothing runs, nothing of it is remembered."""
    assert slot.run is not None and slot.phase is not None, "an effect that can start has a place to run"
    gone = {slot.run.index: FALSE, slot.phase.index: FALSE}
    if slot.done is not None:
        gone[slot.done.index] = FALSE
    return gone | {v.index: FALSE for v in where.values()}


def _may_follow(
    layout: Layout, slot: Slot, effect: Effect, where: Mapping[str, Variable]
) -> dict[int, Formula]:
    """After a bad end or a cancellation: one late execution, unless it could do nothing."""
    flag = slot.late.get(effect.name)
    if flag is None:
        return {}
    may = ir.no(ir.eq(slot.done.formula, TRUE)) if effect.idempotent and slot.done is not None else TRUE
    updates = {flag.index: ir.either(ir.eq(flag.formula, TRUE), may)}
    for key, variable in slot.captured[effect.name].late.items():
        updates[variable.index] = ir.choose(may, where[key].formula, variable.formula)
    return updates


def _ends(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    for state in flight_states(slot, effect):
        if effect.ok is not None:
            yield from _good_ends(layout, slot, effect, state)
        else:
            yield from _quiet_end(layout, slot, effect, state)
        yield from _bad_ends(layout, slot, effect, state)


def _ended(layout: Layout, slot: Slot, effect: Effect, state: str, *, is_good: bool) -> Branch:
    """The state of things when an invocation has just ended."""
    captured = slot.captured[effect.name]
    gone = _over(slot, effect, captured.current)
    if not is_good:
        gone |= _may_follow(layout, slot, effect, captured.current)
    branch = Branch(Term(FALSE), {**known_state(slot, state), **gone}, updates=dict(gone))
    branch.require(running(slot, effect, STARTED))
    if is_good and slot.done is not None and changes_world(effect, slot.blueprint.name, layout.explored):
        branch.require(ir.eq(slot.done.formula, TRUE))
    return branch


def _quiet_end(layout: Layout, slot: Slot, effect: Effect, state: str) -> Iterator[Command]:
    branch = _ended(layout, slot, effect, state, is_good=True)
    label = Label("end", slot, effect_principal(effect), effect=effect.name, is_ok=True)
    yield from finish(Choices(layout, slot), label, slot.state_code(state), [branch])


def _good_ends(layout: Layout, slot: Slot, effect: Effect, state: str) -> Iterator[Command]:
    """`ok`; where that is refused, `error`; where that is refused too, the end is lost."""
    assert effect.ok is not None, "a good end has its action"
    action, by = slot.blueprint.actions[effect.ok], effect_principal(effect)
    choices = Choices(layout, slot)
    start = _ended(layout, slot, effect, state, is_good=True)
    started = start.condition
    start.pending = [Take(slot, action, choices.arguments(action, only=effect.takes), by)]
    ways = closure(layout, start)
    label = Label("end", slot, by, action.name, effect=effect.name, is_ok=True)
    yield from finish(choices, label, slot.state_code(state), ways)
    refused = _refused(started, ways)
    if refused != FALSE:
        fallback = _ended(layout, slot, effect, state, is_good=True)
        fallback.require(refused)
        yield from _error(layout, slot, effect, (state, fallback, choices), label_ok=True)


def _refused(happened: Formula, ways: list[Branch]) -> Formula:
    """What happened, and none of the ways to take it is accepted."""
    return ir.both(happened, ir.no(ir.either(*(w.accepted for w in ways))))


def _bad_ends(layout: Layout, slot: Slot, effect: Effect, state: str) -> Iterator[Command]:
    branch = _ended(layout, slot, effect, state, is_good=False)
    yield from _error(layout, slot, effect, (state, branch, Choices(layout, slot)), label_ok=False)


def _error(
    layout: Layout, slot: Slot, effect: Effect, way: tuple[str, Branch, Choices], *, label_ok: bool
) -> Iterator[Command]:
    """`error` for a bad end, or for a good one whose `ok` is refused; else the end is lost."""
    state, branch, choices = way
    code, by = slot.state_code(state), effect_principal(effect)
    happened = branch.condition
    conditions: list[Formula] = []
    if effect.error is not None:
        action = slot.blueprint.actions[effect.error]
        for cause in _causes(layout, slot, action, is_refused=label_ok):
            here = branch.copy()
            here.pending = [Take(slot, action, _told(choices, action, cause, is_refused=label_ok), by)]
            ways = closure(layout, here)
            label = Label(
                "end",
                slot,
                by,
                action.name,
                effect=effect.name,
                is_ok=label_ok,
                cause=None if label_ok else cause,
            )
            yield from finish(choices, label, code, ways)
            conditions.append(_refused(happened, ways))
    else:
        conditions.append(happened)
    lost = ir.both(ir.either(*conditions))
    if lost != FALSE:
        yield _lost(choices, slot, effect, (code, lost), is_ok=label_ok)


def _lost(choices: Choices, slot: Slot, effect: Effect, when: tuple[int, Formula], *, is_ok: bool) -> Command:
    code, condition = when
    fault = Fault(condition, "LT501", effect.span, slot.blueprint.name, None, effect.name)
    event = "end" if effect.target is None else "deliver"
    label = Label(event, slot, effect_principal(effect), effect=effect.name, is_ok=is_ok)
    branch = Branch(Term(FALSE), {}, guard=[FALSE], faults=[fault])
    return next(finish(choices, label, code, [branch]))


def _causes(layout: Layout, slot: Slot, action: Action, *, is_refused: bool) -> tuple[str, ...]:
    """The causes to tell apart: all of them only where something explored reads the cause."""
    if is_refused:
        return ("refused",)
    if layout.is_explored("arg", slot.blueprint.name, "cause", action.name):
        return CAUSES
    return CAUSES[:1]


def _told(choices: Choices, action: Action, cause: str, *, is_refused: bool) -> dict[str, Term]:
    """What a bad end offers: its cause and a message, which of a refusal is our own."""
    domains, found = choices.layout.domains, dict[str, Term]()
    for argument in action.arguments.values():
        if argument.name == "cause":
            found["cause"] = Term(ir.const(domains.code(argument.type, cause)))
        elif argument.name == "message":
            ours = (domains.code(argument.type, REFUSED[: argument.type.maximum]),)
            codes = ours if is_refused else domains.choice(argument).codes
            param = Param(BAD_MESSAGE, codes, argument.type, None)
            choices.params.append(param)
            found["message"] = param_term(param)
    return found


def _stops(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    stopping = slot.captured[effect.name].stopping
    updates = _over(slot, effect, stopping) | _may_follow(layout, slot, effect, stopping)
    label = Label("stop", slot, effect_principal(effect), effect=effect.name)
    yield _plain(layout, label, running(slot, effect, STOPPING), updates)


def _late(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    flag = slot.late.get(effect.name)
    if flag is None:
        return
    late = slot.captured[effect.name].late
    branch = _world(layout, slot, effect, late, ir.eq(flag.formula, TRUE))
    branch.updates[flag.index] = FALSE
    forget(branch, late)
    label = Label("late", slot, effect_principal(effect), effect=effect.name)
    yield from finish(Choices(layout, slot), label, None, [branch])


def _notices(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    variable, captured = slot.notices[effect.name], slot.captured[effect.name]
    pending = ir.no(ir.eq(variable.formula, FALSE))
    label = Label("notify", slot, effect_principal(effect), effect=effect.name)
    fewer = {1: FALSE, MANY: TRUE}
    for count, rest in fewer.items():
        updates = {variable.index: rest}
        updates |= {v.index: FALSE for v in captured.current.values()} if count == 1 else {}
        guard = ir.eq(variable.formula, ir.const(count))
        yield from _notice_once(layout, slot, effect, (guard, updates), label)
    if effect.target is None and not effect.idempotent:
        again = Label("notify", slot, effect_principal(effect), effect=effect.name, again=True)
        yield from _notice_once(layout, slot, effect, (pending, {}), again)


def _notice_once(
    layout: Layout, slot: Slot, effect: Effect, how: tuple[Formula, Mapping[int, Formula]], label: Label
) -> Iterator[Command]:
    guard, updates = how
    if guard == FALSE:
        return
    if effect.target is None:
        branch = _world(layout, slot, effect, slot.captured[effect.name].current, guard)
        branch.updates.update(updates)
        yield from finish(Choices(layout, slot), label, None, [branch])
        return
    ways: list[Branch] = []
    for made, branch in _reached(layout, slot, effect, guard, updates):
        found = closure(layout, branch)
        ways += found
        yield from finish(Choices(layout, slot), _made(label, made), None, found)
    refused = ir.both(_refused(guard, ways), ir.no(_cut(layout, slot, effect)))
    if refused != FALSE:
        yield _plain(layout, label, refused, updates)


def _made(label: Label, made: tuple[Slot, ...]) -> Label:
    return replace(label, made=made)


def _reached(
    layout: Layout, slot: Slot, effect: Effect, guard: Formula, updates: Mapping[int, Formula]
) -> Iterator[tuple[tuple[Slot, ...], Branch]]:
    """Every way in which a delivery can reach its targets: for each round, nobody or one slot."""
    target = effect.target
    assert target is not None, "only calls and creations are delivered"
    captured = slot.captured[effect.name].current
    rounds = sum(1 for key in captured if key.startswith("bad:"))
    options: list[list[Slot | None]] = []
    for i in range(rounds):
        absent: list[Slot | None] = [None] if f"has:{i}" in captured else []
        options.append([*absent, *layout.of(target.blueprint)])
    require(prod(map(len, options)), MAX_BRANCHES, f"the delivery of `{effect.name}`")
    for picked in product(*options):
        branch = Branch(Term(FALSE), dict(updates), updates=dict(updates))
        branch.require(guard)
        if _pick(layout, slot, effect, branch, picked):
            made = tuple(s for s in picked if s is not None) if target.action == "create" else ()
            yield made, branch


def _pick(
    layout: Layout, slot: Slot, effect: Effect, branch: Branch, picked: tuple[Slot | None, ...]
) -> bool:
    target = effect.target
    assert target is not None, "only calls and creations are delivered"
    action = layout.app.blueprints[target.blueprint].actions[target.action]
    captured = slot.captured[effect.name].current
    by = Principal("entity", slot.blueprint.name)
    taken = [s.name for s in picked if s is not None]
    if len(set(taken)) < len(taken):
        return False
    for i, other in enumerate(picked):
        present = captured.get(f"has:{i}")
        if present is not None:
            branch.require(ir.eq(present.formula, FALSE if other is None else TRUE))
        if other is None:
            continue
        is_good, on, args = deliveries(slot, effect, i)
        branch.require(is_good)
        is_new = target.action == "create"
        if is_new:
            branch.require(_empty_for(layout, other, picked[:i]))
            branch.known |= newborn(layout, other)
            branch.unborn |= unborn(other)
            branch.updates |= newborn(layout, other)
        else:
            branch.require(ir.eq(on, ir.const(other.index + 1)))
        branch.pending.append(Take(other, action, args, by, is_new=is_new))
    return branch.condition != FALSE


def _empty_for(layout: Layout, slot: Slot, taken: tuple[Slot | None, ...]) -> Formula:
    """Whether this is the next empty slot, once those that were taken before it are full."""
    before = [s for s in layout.of(slot.blueprint.name)[: slot.index] if s not in taken]
    is_full = [ir.no(ir.eq(s.state.formula, FALSE)) for s in before]
    return ir.both(ir.eq(slot.state.formula, FALSE), *is_full)


def _deliveries(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    captured = slot.captured[effect.name].current
    updates = _shifted(slot) | {v.index: FALSE for v in captured.values()}
    for state in flight_states(slot, effect):
        yield from _delivery(layout, slot, effect, (state, updates))


def _delivery(
    layout: Layout, slot: Slot, effect: Effect, where: tuple[str, Mapping[int, Formula]]
) -> Iterator[Command]:
    """The call arrives, together with the caller's `ok`; if any side refuses, `error` alone."""
    state, updates = where
    by, code = effect_principal(effect), slot.state_code(state)
    guard = ir.both(_head_is(slot, effect), ir.eq(slot.state.formula, ir.const(code)))
    label = Label("deliver", slot, by, effect.ok, effect=effect.name, is_ok=True)
    choices = Choices(layout, slot)
    possible: list[Branch] = []
    for made, branch in _reached(layout, slot, effect, guard, updates):
        branch.known |= known_state(slot, state)
        if effect.ok is not None:
            action = slot.blueprint.actions[effect.ok]
            args = _made_argument(effect, action, made)
            branch.pending.insert(0, Take(slot, action, args, by))
        ways = closure(layout, branch)
        possible += ways
        yield from finish(choices, _made(label, made), code, ways)
    refused = ir.both(_refused(guard, possible), ir.no(_cut(layout, slot, effect)))
    if refused == FALSE:
        return
    branch = Branch(Term(FALSE), {**updates, **known_state(slot, state)}, updates=dict(updates))
    branch.require(refused)
    bad = Label("deliver", slot, by, effect.error, effect=effect.name, is_ok=False)
    lost = refused
    if effect.error is not None:
        action = slot.blueprint.actions[effect.error]
        branch.pending = [Take(slot, action, _told(choices, action, "refused", is_refused=True), by)]
        ways = closure(layout, branch)
        yield from finish(choices, bad, code, ways)
        lost = _refused(refused, ways)
    if lost != FALSE:
        yield _lost(choices, slot, effect, (code, lost), is_ok=False)


def _cut(layout: Layout, slot: Slot, effect: Effect) -> Formula:
    """Whether a creation is held up by the scope alone: then it is neither made nor refused."""
    target = effect.target
    if target is None or target.action != "create":
        return FALSE
    captured = slot.captured[effect.name].current
    wanted = FALSE
    for key in captured:
        if key.startswith("bad:"):
            present = captured.get("has:" + key[4:])
            wanted = ir.plus(wanted, present.formula if present else TRUE)
    room = FALSE
    for other in layout.of(target.blueprint):
        room = ir.plus(room, ir.choose(ir.eq(other.state.formula, FALSE), TRUE, FALSE))
    return ir.lt(room, wanted)


def held_up(layout: Layout, slot: Slot) -> Formula:
    """The condition that a creation whose turn it is waits for nothing but more room in the scope."""
    creating = [e for e in slot.effects if e.target is not None and e.target.action == "create"]
    return ir.either(*(ir.both(_head_is(slot, e), _cut(layout, slot, e)) for e in creating))


def _made_argument(effect: Effect, action: Action, made: tuple[Slot, ...]) -> dict[str, Term]:
    """The new entity goes to the argument `made`, or to the one ref among the action's `sets`."""
    if not made or (effect.target is not None and effect.target.each is not None):
        return {}
    refs = [a.name for a in action.arguments.values() if a.from_sets and a.type.kind == "ref"]
    names = ["made"] if "made" in action.arguments else refs if len(refs) == 1 else []
    return {name: Term(ir.const(made[0].index + 1)) for name in names}


def _recycling(layout: Layout, slot: Slot) -> Iterator[Command]:
    """A final entity that nothing refers to and nothing can read any more makes room for another."""
    blueprint = slot.blueprint
    if not is_forgettable(layout, slot):
        return
    idle = [v for v in (slot.run, *slot.queue, *slot.late.values(), *slot.notices.values()) if v]
    guard = ir.both(*(ir.eq(v.formula, FALSE) for v in idle), *_unreferred(layout, slot))
    updates = {v.index: FALSE for v in slot.variables()}
    for state in blueprint.states.values():
        if state.final:
            label = Label(RECYCLE, slot, Principal("timer"))
            yield Command(label, slot.state_code(state.name), guard, dict(updates))


def is_forgettable(layout: Layout, slot: Slot) -> bool:
    """Whether nothing can read an entity that is final: no property, no `unique`, no text its name."""
    blueprint = slot.blueprint
    for expression in expressions(layout.app):
        for node in walk(expression.tree):
            if isinstance(node, Special) and node.name == "id":
                return False
            if isinstance(node, Population) and node.blueprint == blueprint.name:
                return False
    finals = {s.name for s in blueprint.states.values() if s.final}
    return not any(not u.in_states or set(u.in_states) & finals for u in blueprint.unique.values())


def _unreferred(layout: Layout, slot: Slot) -> Iterator[Formula]:
    me = slot.index + 1
    for variable in layout.variables:
        kind = variable.kind
        if kind.kind == "ref" and kind.blueprint == slot.blueprint.name:
            yield ir.no(ir.eq(variable.formula, ir.const(me)))
        elif kind.kind == "set" and kind.element and kind.element.blueprint == slot.blueprint.name:
            yield ir.no(ir.bit(variable.formula, ir.const(me - 1)))
    for other in layout.slots:
        for name, captured in other.captured.items():
            each = other.blueprint.fields.get(_each(other.blueprint.effects[name]))
            if each is not None and each.type.element == Type("ref", blueprint=slot.blueprint.name):
                yield ir.eq(captured.current[f"has:{slot.index}"].formula, FALSE)


def _each(effect: Effect) -> str:
    """The set field for whose members a call or creation is done; empty if there is none."""
    return (effect.target.each or "") if effect.target is not None else ""
