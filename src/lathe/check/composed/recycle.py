"""Recycling of slots: a final entity that nothing can read any more is removed."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.composed import ir
from lathe.check.composed.command import RECYCLE, Command, Label
from lathe.check.composed.domain import expressions
from lathe.check.composed.ir import FALSE, Formula
from lathe.check.composed.layout import Layout, Slot
from lathe.lang.expr import Population, Special, walk
from lathe.lang.model import Effect, Principal
from lathe.lang.types import Type


def recycling(layout: Layout, slot: Slot) -> Iterator[Command]:
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
