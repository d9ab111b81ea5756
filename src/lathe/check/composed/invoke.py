"""Visits and invocations as formulas: what a step asks for, what it cancels, what is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lathe.check.composed import ir
from lathe.check.composed.branch import Branch, Part
from lathe.check.composed.domain import SCALARS
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import STARTED, STOPPING, Layout, Slot, Variable
from lathe.check.composed.lowering import Context, Term, decoded, encoded, fits, is_unset, lower
from lathe.lang.expr import Follow, Node, Read, Special, walk
from lathe.lang.model import Argument, Blueprint, Effect


def most_pending(slot: Slot, notice: str) -> int:
    """How many notices of an effect may be pending at once, if they remember the same; one more is cut."""
    return slot.notices[notice].size - 1


def is_steady(blueprint: Blueprint, effect: Effect) -> bool:
    """Whether all notices of an entity remember the same: they read what never changes."""
    if effect.target is None:
        trees = [tree for a in effect.world for tree in (a.value.tree, *((a.via.tree,) if a.via else ()))]
    else:
        trees = [e.tree for e in (effect.target.on, *effect.target.args.values()) if e is not None]
    held = {n.name for tree in trees for n in walk(tree) if isinstance(n, Read) and n.scope == "field"}
    held |= {effect.target.each} if effect.target is not None and effect.target.each else set()
    is_own = all(_is_own(n, is_call=effect.target is not None) for tree in trees for n in walk(tree))
    return is_own and all(blueprint.fields[name].frozen for name in held)


def _is_own(node: Node, *, is_call: bool) -> bool:
    """Whether a node reads nothing of the step that asks; what a call reads is worked out then."""
    if isinstance(node, Read):
        return node.scope != "arg"
    if isinstance(node, Special):
        return node.name in ("self", "id") or not is_call
    return not (is_call and isinstance(node, Follow))


def request(layout: Layout, branch: Branch) -> list[Branch]:
    """Every part asks for its effects; a part whose queue may have several lengths splits the branch."""
    ways = [branch]
    for part in branch.parts:
        ways = [found for way in ways for found in _request(layout, way, part)]
    return ways


def _request(layout: Layout, branch: Branch, part: Part) -> list[Branch]:
    slot = part.slot
    asked = list(part.action.run)
    if part.target is not None:
        asked += slot.blueprint.states[part.target].run
    effects = [slot.blueprint.effects[name] for name in asked]
    queued = [e for e in effects if e in slot.effects]
    if len({e.name for e in queued}) < len(queued):
        branch.guard.append(FALSE)
        return [branch]
    if part.target is None:
        _require_idle(branch, slot, queued)
    for effect in effects:
        if effect.name in slot.notices:
            _notice(layout, branch, part, effect)
    if part.target is not None:
        _new_visit(layout, branch, part, queued)
        return [branch]
    return _same_visit(layout, branch, part, queued) if queued else [branch]


def base(branch: Branch, variable: Variable) -> Formula:
    """A run or queue variable as this step finds it (an ended invocation is gone already)."""
    return branch.known.get(variable.index, variable.formula)


def _new_visit(layout: Layout, branch: Branch, part: Part, queued: list[Effect]) -> None:
    """Waiting invocations vanish, a started one has to stop, the new visit's wait."""
    slot = part.slot
    if slot.run is not None and slot.phase is not None:
        run, phase = base(branch, slot.run), base(branch, slot.phase)
        is_started = ir.both(ir.no(ir.eq(run, FALSE)), ir.eq(phase, ir.const(STARTED)))
        for effect in slot.effects:
            _keep_for_stopping(branch, slot, effect, ir.both(is_started, _is(slot, run, effect)))
        branch.updates[slot.phase.index] = ir.choose(ir.eq(run, FALSE), FALSE, ir.const(STOPPING))
    for position, variable in enumerate(slot.queue):
        code = slot.effect_code(queued[position].name) if position < len(queued) else 0
        branch.updates[variable.index] = ir.const(code)
    names = {e.name for e in queued}
    for effect in slot.effects:
        if effect.name in names:
            _capture(layout, branch, part, effect)
        else:
            forget(branch, slot.captured[effect.name].current)


def _keep_for_stopping(branch: Branch, slot: Slot, effect: Effect, condition: Formula) -> None:
    captured = slot.captured[effect.name]
    for key, variable in captured.stopping.items():
        now = base(branch, captured.current[key])
        branch.updates[variable.index] = ir.choose(condition, now, base(branch, variable))


def _is(slot: Slot, code: Formula, effect: Effect) -> Formula:
    return ir.eq(code, ir.const(slot.effect_code(effect.name)))


def _require_idle(branch: Branch, slot: Slot, queued: list[Effect]) -> None:
    """What is in flight in this visit cannot be asked for again."""
    for effect in queued:
        branch.require(*(ir.no(_is(slot, base(branch, v), effect)) for v in slot.queue))
        if slot.run is not None and slot.phase is not None:
            run, phase = base(branch, slot.run), base(branch, slot.phase)
            branch.require(ir.no(ir.both(_is(slot, run, effect), ir.eq(phase, ir.const(STARTED)))))


def _same_visit(layout: Layout, branch: Branch, part: Part, queued: list[Effect]) -> list[Branch]:
    """Added behind what waits already."""
    slot = part.slot
    waiting = [base(branch, v) for v in slot.queue]
    for effect in queued:
        _capture(layout, branch, part, effect)
    ways = []
    for length in range(len(slot.queue) - len(queued) + 1):
        way = branch.copy()
        is_full = ir.no(ir.eq(waiting[length - 1], FALSE)) if length else TRUE
        if way.require(is_full, ir.eq(waiting[length], FALSE)):
            for position, effect in enumerate(queued):
                code = ir.const(slot.effect_code(effect.name))
                way.updates[slot.queue[length + position].index] = code
            ways.append(way)
    return ways or [branch]


def forget(branch: Branch, captured: Mapping[str, Variable]) -> None:
    """What nobody remembers any more has one code, so that states that mean the same are the same."""
    for variable in captured.values():
        branch.updates[variable.index] = FALSE


def _notice(layout: Layout, branch: Branch, part: Part, effect: Effect) -> None:
    """One more notice pending; beyond the bound, or if it remembers something else, the step is cut."""
    variable, captured = part.slot.notices[effect.name], part.slot.captured[effect.name].current
    pending = _after(branch, variable)
    before = {v.index: _after(branch, v) for v in captured.values()}
    if captured:
        _capture(layout, branch, part, effect)
    same = (ir.eq(branch.updates[index], formula) for index, formula in before.items())
    room = ir.lt(pending, ir.const(most_pending(part.slot, effect.name)))
    branch.within.append(ir.either(ir.eq(pending, FALSE), ir.both(room, *same)))
    branch.updates[variable.index] = ir.plus(pending, TRUE)


def _capture(layout: Layout, branch: Branch, part: Part, effect: Effect) -> None:
    """What the invocation remembers: fields as the step leaves them, arguments as they were given."""
    captured = part.slot.captured[effect.name]
    if effect.target is not None:
        _capture_deliveries(layout, branch, part, effect)
        return
    for key, variable in captured.current.items():
        where, _, name = key.partition(":")
        if where == "field":
            source = part.slot.fields[name]
            value = _after(branch, source)
        else:
            given = part.context.args.get(name, Term(FALSE, none=TRUE))
            value = ir.choose(given.none, FALSE, encoded(captured.keys[f"arg:{name}"], given))
            value = given.none if where == "none" else value
        branch.updates[variable.index] = value


def _capture_deliveries(layout: Layout, branch: Branch, part: Part, effect: Effect) -> None:
    target, slot = effect.target, part.slot
    assert target is not None, "only calls and creations are delivered"
    context = replace(part.context, captured=_left(layout, branch, slot))
    captured = slot.captured[effect.name].current
    rounds = sum(1 for key in captured if key.startswith("bad:"))
    for i in range(rounds):
        here = context
        present = TRUE
        if target.each is not None:
            kind = slot.blueprint.fields[target.each].type
            offset = 0 if kind.element and kind.element.kind in SCALARS else 1
            here = replace(context, item=Term(ir.const(i + offset)))
            present = ir.bit(_after(branch, slot.fields[target.each]), ir.const(i))
            branch.updates[captured[f"has:{i}"].index] = present
        _capture_one(layout, branch, part, effect, here, (i, present))


def _after(branch: Branch, variable: Variable) -> Formula:
    return branch.updates.get(variable.index, base(branch, variable))


def _left(layout: Layout, branch: Branch, slot: Slot) -> dict[str, Term]:
    """An entity as the step leaves it; what it refers to is read as it was before."""
    left = {f"field:{n}": decoded(layout, v.kind, _after(branch, v)) for n, v in slot.fields.items()}
    return {**left, "state": Term(_after(branch, slot.state))}


def _capture_one(
    layout: Layout, branch: Branch, part: Part, effect: Effect, context: Context, which: tuple[int, Formula]
) -> None:
    target = effect.target
    assert target is not None, "only calls and creations are delivered"
    captured = part.slot.captured[effect.name].current
    arguments = layout.app.blueprints[target.blueprint].actions[target.action].arguments
    i, present = which
    where = (part.slot.blueprint.name, part.action.name)
    bad = FALSE
    if target.on is not None:
        on = lower(target.on.tree, context)
        bad = ir.eq(on.value, FALSE)
        branch.updates[captured[f"on:{i}"].index] = ir.choose(present, on.value, FALSE)
    for name, value in target.args.items():
        if f"arg:{i}:{name}" not in captured:
            continue
        term = lower(value.tree, context)
        branch.fail(ir.both(present, term.unset), "LT205", value.span, where, value.text)
        branch.fail(ir.both(present, term.zero), "LT204", value.span, where, value.text)
        unset = is_unset(term, value.tree.type)
        misfit = _misfit(layout, arguments[name], term, unset)
        bad = ir.either(bad, misfit)
        code = ir.choose(
            ir.both(present, ir.no(misfit), ir.no(unset)), encoded(arguments[name].type, term), FALSE
        )
        branch.updates[captured[f"arg:{i}:{name}"].index] = code
        if f"none:{i}:{name}" in captured:
            branch.updates[captured[f"none:{i}:{name}"].index] = ir.both(present, unset)
    branch.updates[captured[f"bad:{i}"].index] = ir.both(present, bad)


def _misfit(layout: Layout, argument: Argument, term: Term, unset: Formula) -> Formula:
    """Whether the target would refuse the value."""
    may_be_left_out = argument.optional or argument.has_default
    too_wide = ir.both(ir.no(unset), ir.no(fits(layout, argument.type, term)))
    return too_wide if may_be_left_out else ir.either(unset, too_wide)


def deliveries(slot: Slot, effect: Effect, i: int) -> tuple[Formula, Formula, dict[str, Term]]:
    """What a pending call remembers: that its target can be had, whom it is for, its arguments."""
    captured = slot.captured[effect.name]
    args: dict[str, Term] = {}
    assert effect.target is not None, "only calls and creations are delivered"
    for name in effect.target.args:
        variable = captured.current.get(f"arg:{i}:{name}")
        if variable is None:
            continue
        kind = captured.keys[f"arg:{i}:{name}"]
        low = kind.low if kind.kind == "int" and kind.low is not None else 0
        none = captured.current.get(f"none:{i}:{name}")
        args[name] = Term(ir.plus(variable.formula, ir.const(low)), none.formula if none else FALSE)
    on = captured.current.get(f"on:{i}")
    is_good = ir.no(captured.current[f"bad:{i}"].formula)
    return is_good, on.formula if on else FALSE, args
