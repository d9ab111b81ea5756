"""When a property says something at all, and when what must be denied is asked about."""

from __future__ import annotations

from dataclasses import replace

from lathe.check.composed import ir
from lathe.check.composed.ir import FALSE, Formula
from lathe.check.composed.lowering import Context, Term, holds
from lathe.check.composed.system import applies
from lathe.lang.expr import Literal, Node, Not, Or, Quantifier, walk
from lathe.lang.model import Property
from lathe.lang.types import BOOL


def premise(prop: Property, context: Context) -> Formula | None:
    """When a property says something at all; None if that is always, or no state alone can tell."""
    tree = prop.that.tree
    nodes = [*walk(tree), *(walk(prop.when.tree) if prop.when else ())]
    if any(_is_old(n) for n in nodes):
        return None
    here = applies(prop, context)
    if isinstance(tree, Or) and isinstance(tree.operands[0], Not):
        return ir.both(here, holds(tree.operands[0].operand, context))
    if isinstance(tree, Quantifier) and tree.function == "all":
        some = replace(tree, function="any", body=Literal(True, BOOL))
        return ir.both(here, holds(some, context))
    return here if prop.when is not None or prop.in_states else None


def _is_old(node: Node) -> bool:
    scope = getattr(node, "scope", "") or ""
    return str(scope).startswith("old") or getattr(node, "name", "") == "old_state"


def is_met(condition: Node, context: Context) -> Formula:
    """Whether an entity is there and the condition of a `cannot` holds for it, whoever acts."""
    assert context.slot is not None, "a `cannot` is about an entity"
    everybody = range(1, len(context.layout.domains.principals) + 1)
    actors = (Term(ir.const(code)) for code in everybody)
    is_there = ir.no(ir.eq(context.slot.state.formula, FALSE))
    return ir.both(is_there, ir.either(*(holds(condition, replace(context, actor=a)) for a in actors)))
