"""The bits of an in-flight invocation in a packed state, and its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lathe.check.composed import ir
from lathe.check.composed.branch import Branch, Fault
from lathe.check.composed.closure import assign_ghosts
from lathe.check.composed.command import BAD_MESSAGE, Command, Label, Param
from lathe.check.composed.ground import Choices, finish, param_term
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import Layout, Slot, Variable
from lathe.check.composed.lowering import Context, Term, decoded
from lathe.check.composed.relevance import askers, entered_states
from lathe.lang.adapters import REFUSED
from lathe.lang.model import Action, Effect, Principal

CAUSES = ("timeout", "unreachable", "refused", "invalid", "crashed", "cancelled")


def effect_principal(effect: Effect) -> Principal:
    """The principal that an effect acts as."""
    return Principal("effect", effect.name)


def running(slot: Slot, effect: Effect, phase: int) -> Formula:
    """The condition that this effect is the one that is started, or stopping."""
    assert slot.run is not None and slot.phase is not None, "an effect that can start has a place to run"
    code = ir.const(slot.effect_code(effect.name))
    return ir.both(ir.eq(slot.run.formula, code), ir.eq(slot.phase.formula, ir.const(phase)))


def flight_states(layout: Layout, slot: Slot, effect: Effect) -> tuple[str, ...]:
    """The states in which the effect can be in flight in its own visit."""
    blueprint = slot.blueprint
    found: set[str] = set()
    for action in askers(blueprint, effect.name):
        entered = entered_states(blueprint, action)
        if entered:
            found |= {s for s in entered if effect.name in (*action.run, *blueprint.states[s].run)}
        else:
            found |= set(action.from_states)
    found = {s for s in found if not blueprint.states[s].final}
    found |= layout.beyond.flights.get((blueprint.name, effect.name), frozenset())
    return tuple(s for s in blueprint.states if s in found)


def shifted(slot: Slot) -> dict[int, Formula]:
    """The queue without its head."""
    following = [v.formula for v in slot.queue[1:]] + [FALSE]
    return {v.index: after for v, after in zip(slot.queue, following, strict=True)}


def head_is(slot: Slot, effect: Effect) -> Formula:
    """The condition that nothing runs and this effect is the next to start."""
    free = ir.eq(slot.run.formula, FALSE) if slot.run is not None else TRUE
    return ir.both(free, ir.eq(slot.queue[0].formula, ir.const(slot.effect_code(effect.name))))


def plain(layout: Layout, label: Label, guard: Formula, updates: Mapping[int, Formula]) -> Command:
    """A command without an action: what changes, and when."""
    changed = {i: f for i, f in updates.items() if f != layout.variables[i].formula}
    return Command(label, None, guard, changed)


def memory(layout: Layout, slot: Slot, effect: Effect, where: Mapping[str, Variable]) -> dict[str, Term]:
    """What an invocation remembers, as terms for its `world`."""
    kinds = slot.captured[effect.name].keys
    found = {key: decoded(layout, kinds[key], v.formula) for key, v in where.items()}
    for key, term in found.items():
        none = found.get(key.replace("arg:", "none:"))
        if none is not None and none is not term:
            found[key] = replace(term, none=none.value)
    return found


def execution(
    layout: Layout, slot: Slot, effect: Effect, where: Mapping[str, Variable], guard: Formula
) -> Branch:
    """One execution: what it does to the ghosts."""
    branch = Branch(Term(FALSE), {})
    branch.require(guard)
    args: dict[str, Term] = {}
    context = Context(layout, slot, args, captured=memory(layout, slot, effect, where))
    assign_ghosts(layout, branch, slot, effect.world, context, (slot.blueprint.name, None))
    return branch


def unanswered(happened: Formula, ways: list[Branch]) -> Formula:
    """What happened, and none of the ways to take it is accepted."""
    return ir.both(happened, ir.no(ir.either(*(w.accepted for w in ways))))


def lost_end(
    choices: Choices, slot: Slot, effect: Effect, when: tuple[int, Formula], *, is_ok: bool
) -> Command:
    """The end of an invocation for which no action is possible: no step, but a fault."""
    code, condition = when
    fault = Fault(condition, "LT501", effect.span, slot.blueprint.name, None, effect.name)
    event = "end" if effect.target is None else "deliver"
    label = Label(event, slot, effect_principal(effect), effect=effect.name, is_ok=is_ok)
    branch = Branch(Term(FALSE), {}, guard=[FALSE], faults=[fault])
    return next(finish(choices, label, code, [branch]))


def causes_of(layout: Layout, slot: Slot, action: Action, *, is_refused: bool) -> tuple[str, ...]:
    """The causes to tell apart: all of them only where something explored reads the cause."""
    if is_refused:
        return ("refused",)
    if layout.is_explored("arg", slot.blueprint.name, "cause", action.name):
        return CAUSES
    return CAUSES[:1]


def offered(choices: Choices, action: Action, cause: str, *, is_refused: bool) -> dict[str, Term]:
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
