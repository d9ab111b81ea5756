"""Delivery to other entities: calls, creations, and notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from math import prod

from lathe.check.bounds import MAX_BRANCHES, require
from lathe.check.composed import ir
from lathe.check.composed.branch import Branch, Take
from lathe.check.composed.closure import closure
from lathe.check.composed.command import Command, Label
from lathe.check.composed.flight import (
    effect_principal,
    execution,
    flight_states,
    head_is,
    lost_end,
    offered,
    plain,
    shifted,
    unanswered,
)
from lathe.check.composed.ground import Choices, finish, known_state, newborn, unborn
from lathe.check.composed.invoke import deliveries
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import Layout, Slot
from lathe.check.composed.lowering import Term
from lathe.lang.model import Action, Effect, Principal


def notices(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    """A pending notice happens, or reaches its target; nobody waits for it."""
    variable, captured = slot.notices[effect.name], slot.captured[effect.name]
    pending = ir.no(ir.eq(variable.formula, FALSE))
    label = Label("notify", slot, effect_principal(effect), effect=effect.name)
    for count in range(1, variable.size):
        updates = {variable.index: ir.const(count - 1)}
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
        branch = execution(layout, slot, effect, slot.captured[effect.name].current, guard)
        branch.updates.update(updates)
        yield from finish(Choices(layout, slot), label, None, [branch])
        return
    ways: list[Branch] = []
    for made, branch in _reached(layout, slot, effect, guard, updates):
        found = closure(layout, branch)
        ways += found
        yield from finish(Choices(layout, slot), _made(label, made), None, found)
    refused = ir.both(unanswered(guard, ways), ir.no(_cut(layout, slot, effect)))
    if refused != FALSE:
        yield plain(layout, label, refused, updates)


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
        is_new = target.action == "create"
        if is_new:
            branch.require(_empty_for(layout, other, picked[:i]))
            branch.known |= newborn(layout, other)
            branch.unborn |= unborn(other)
            branch.updates |= newborn(layout, other)
        else:
            branch.require(ir.eq(on, ir.const(other.index + 1)))
        branch.pending.append(Take(other, action, args, by, is_new=is_new, fitting=is_good))
    return branch.condition != FALSE


def _empty_for(layout: Layout, slot: Slot, taken: tuple[Slot | None, ...]) -> Formula:
    """Whether this is the next empty slot, once those that were taken before it are full."""
    before = [s for s in layout.of(slot.blueprint.name)[: slot.index] if s not in taken]
    is_full = [ir.no(ir.eq(s.state.formula, FALSE)) for s in before]
    return ir.both(ir.eq(slot.state.formula, FALSE), *is_full)


def deliveries_of(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    """A call or creation whose turn it is, in each state that can wait for it."""
    captured = slot.captured[effect.name].current
    updates = shifted(slot) | {v.index: FALSE for v in captured.values()}
    for state in flight_states(layout, slot, effect):
        yield from _delivery(layout, slot, effect, (state, updates))


def _delivery(
    layout: Layout, slot: Slot, effect: Effect, where: tuple[str, Mapping[int, Formula]]
) -> Iterator[Command]:
    """The call arrives, together with the caller's `ok`; if any side refuses, `error` alone."""
    state, updates = where
    by, code = effect_principal(effect), slot.state_code(state)
    guard = ir.both(head_is(slot, effect), ir.eq(slot.state.formula, ir.const(code)))
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
    refused = ir.both(unanswered(guard, possible), ir.no(_cut(layout, slot, effect)))
    if refused == FALSE:
        return
    branch = Branch(Term(FALSE), {**updates, **known_state(slot, state)}, updates=dict(updates))
    branch.require(refused)
    bad = Label("deliver", slot, by, effect.error, effect=effect.name, is_ok=False)
    lost = refused
    if effect.error is not None:
        action = slot.blueprint.actions[effect.error]
        branch.pending = [Take(slot, action, offered(choices, action, "refused", is_refused=True), by)]
        ways = closure(layout, branch)
        yield from finish(choices, bad, code, ways)
        lost = unanswered(refused, ways)
    if lost != FALSE:
        yield lost_end(choices, slot, effect, (code, lost), is_ok=False)


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
    return ir.either(*(ir.both(head_is(slot, e), _cut(layout, slot, e)) for e in creating))


def _made_argument(effect: Effect, action: Action, made: tuple[Slot, ...]) -> dict[str, Term]:
    """The new entity goes to the argument `made`, or to the one ref among the action's `sets`."""
    if not made or (effect.target is not None and effect.target.each is not None):
        return {}
    refs = [a.name for a in action.arguments.values() if a.from_sets and a.type.kind == "ref"]
    names = ["made"] if "made" in action.arguments else refs if len(refs) == 1 else []
    return {name: Term(ir.const(made[0].index + 1)) for name in names}
