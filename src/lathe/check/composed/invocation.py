"""Commands of external effects: start, execute, report, end, cancel, and late execution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lathe.check.composed import ir
from lathe.check.composed.branch import Branch, Take
from lathe.check.composed.closure import closure
from lathe.check.composed.command import Command, Label
from lathe.check.composed.flight import (
    causes_of,
    effect_principal,
    execution,
    flight_states,
    head_is,
    lost_end,
    offered,
    plain,
    running,
    shifted,
    unanswered,
)
from lathe.check.composed.ground import Choices, finish, is_policed, known_state
from lathe.check.composed.invoke import forget
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import STARTED, STOPPING, Layout, Slot, Variable, changes_world
from lathe.check.composed.lowering import Term
from lathe.lang.model import Effect


def invocations(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    """Everything that can become of an effect that runs outside."""
    yield from _starts(layout, slot, effect)
    yield from _executions(layout, slot, effect)
    yield from _progress(layout, slot, effect)
    yield from _ends(layout, slot, effect)
    yield from _stops(layout, slot, effect)
    yield from _late(layout, slot, effect)


def _starts(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    assert slot.run is not None and slot.phase is not None, "an effect that can start has a place to run"
    updates = shifted(slot)
    updates[slot.run.index] = ir.const(slot.effect_code(effect.name))
    updates[slot.phase.index] = ir.const(STARTED)
    label = Label("start", slot, effect_principal(effect), effect=effect.name)
    yield plain(layout, label, head_is(slot, effect), updates)


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
        branch = execution(layout, slot, effect, where, guard)
        branch.updates[slot.done.index] = TRUE
        yield from finish(Choices(layout, slot), label, None, [branch])


def _progress(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    by = effect_principal(effect)
    for state in flight_states(layout, slot, effect):
        for action in slot.blueprint.actions.values():
            is_own_end = action.name in (effect.ok, effect.error)
            may = by in action.by or is_policed(layout, slot, action)
            if not may or is_own_end or state not in action.from_states:
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
    if flag is None or not effect.late:
        return {}
    may = ir.no(ir.eq(slot.done.formula, TRUE)) if effect.idempotent and slot.done is not None else TRUE
    updates = {flag.index: ir.either(ir.eq(flag.formula, TRUE), may)}
    for key, variable in slot.captured[effect.name].late.items():
        updates[variable.index] = ir.choose(may, where[key].formula, variable.formula)
    return updates


def _ends(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    for state in flight_states(layout, slot, effect):
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
    refused = unanswered(started, ways)
    if refused != FALSE:
        fallback = _ended(layout, slot, effect, state, is_good=True)
        fallback.require(refused)
        yield from _error(layout, slot, effect, (state, fallback, choices), label_ok=True)


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
        for cause in causes_of(layout, slot, action, is_refused=label_ok):
            here = branch.copy()
            here.pending = [Take(slot, action, offered(choices, action, cause, is_refused=label_ok), by)]
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
            conditions.append(unanswered(happened, ways))
    else:
        conditions.append(happened)
    lost = ir.either(*conditions)
    if lost != FALSE:
        yield lost_end(choices, slot, effect, (code, lost), is_ok=label_ok)


def _stops(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    stopping = slot.captured[effect.name].stopping
    updates = _over(slot, effect, stopping) | _may_follow(layout, slot, effect, stopping)
    label = Label("stop", slot, effect_principal(effect), effect=effect.name)
    yield plain(layout, label, running(slot, effect, STOPPING), updates)


def _late(layout: Layout, slot: Slot, effect: Effect) -> Iterator[Command]:
    flag = slot.late.get(effect.name)
    if flag is None:
        return
    late = slot.captured[effect.name].late
    branch = execution(layout, slot, effect, late, ir.eq(flag.formula, TRUE))
    branch.updates[flag.index] = FALSE
    forget(branch, late)
    label = Label("late", slot, effect_principal(effect), effect=effect.name)
    yield from finish(Choices(layout, slot), label, None, [branch])
