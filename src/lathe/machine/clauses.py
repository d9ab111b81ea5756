"""Which clause of a property is false and with which values: the explanation of a violation."""

from __future__ import annotations

from lathe.lang.expr import And, Follow, IfElse, Node, Not, Or, Quantifier, Read, Special, children
from lathe.lang.model import Json
from lathe.lang.unparse import unparse
from lathe.machine.evaluate import EvaluationError, Frame, evaluate, holds, quantified
from lathe.machine.snapshot import Value
from lathe.machine.table import Table
from lathe.machine.trace import FalseClause
from lathe.machine.trace_step import disclosed, plain, shown

MAX_VALUES = 12


def false_clauses(table: Table, node: Node, frame: Frame) -> tuple[FalseClause, ...]:
    """The smallest parts of a false property that make it false; what is secret in them stays hidden."""
    match node:
        case And(operands=operands):
            for operand in operands:
                if not holds(operand, frame):
                    return false_clauses(table, operand, frame)
        case Not(operand=Or(operands=operands)):
            for operand in operands:
                if holds(operand, frame):
                    return (_clause(table, Not(operand, operand.span), frame),)
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            return false_clauses(table, then if holds(condition, frame) else otherwise, frame)
        case Quantifier(function="all"):
            for inner in quantified(node, frame):
                if not holds(node.body, inner):
                    return false_clauses(table, node.body, inner)
    return (_clause(table, node, frame),)


def _clause(table: Table, node: Node, frame: Frame) -> FalseClause:
    return FalseClause(unparse(node), dict(list(_values(table, node, frame).items())[:MAX_VALUES]))


def _values(table: Table, node: Node, frame: Frame) -> dict[str, Json]:
    """What the clause reads, in the order in which it reads it."""
    if isinstance(node, (Read, Follow, Special)):
        try:
            value = evaluate(node, frame)
        except (EvaluationError, KeyError):
            return {}
        found = {unparse(node): _disclosed(table, node, frame, value)}
        return {**(_values(table, node.base, frame) if isinstance(node, Follow) else {}), **found}
    if isinstance(node, Quantifier):
        return _quantifier_values(node, frame)
    found = {}
    for child in children(node):
        found.update(_values(table, child, frame))
    return found


def _disclosed(table: Table, node: Read | Follow | Special, frame: Frame, value: Value) -> Json:
    """A value that is read, hidden if its field is secret."""
    owner = frame.entity.blueprint if frame.entity is not None else None
    if isinstance(node, Follow):
        owner = node.base.type.blueprint
    is_field = isinstance(node, Follow) or (isinstance(node, Read) and node.scope in ("field", "old"))
    if is_field and owner is not None:
        field = table.blueprints[owner].blueprint.fields.get(node.name)
        if field is not None:
            return disclosed(field, value)
    return shown(node.type, value)


def _quantifier_values(node: Quantifier, frame: Frame) -> dict[str, Json]:
    """A quantifier inside a clause is told by its result."""
    try:
        return {unparse(node): plain(evaluate(node, frame))}
    except EvaluationError:
        return {unparse(node): None}
