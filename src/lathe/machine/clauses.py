"""Which part of a property is false, and with which values: the sentence that explains a violation."""

from __future__ import annotations

from lathe.lang.expr import And, Follow, IfElse, Node, Not, Or, Quantifier, Read, Special, children
from lathe.lang.model import Json
from lathe.lang.unparse import unparse
from lathe.machine.evaluate import EvaluationError, Frame, evaluate, holds, quantified
from lathe.machine.telling import plain
from lathe.machine.trace import FalseClause

MAX_VALUES = 12


def false_clauses(node: Node, frame: Frame) -> tuple[FalseClause, ...]:
    """The smallest parts of a false property that make it false."""
    match node:
        case And(operands=operands):
            for operand in operands:
                if not holds(operand, frame):
                    return false_clauses(operand, frame)
        case Not(operand=Or(operands=operands)):
            for operand in operands:
                if holds(operand, frame):
                    return (_clause(Not(operand, operand.span), frame),)
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            return false_clauses(then if holds(condition, frame) else otherwise, frame)
        case Quantifier(function="all"):
            for inner in quantified(node, frame):
                if not holds(node.body, inner):
                    return false_clauses(node.body, inner)
    return (_clause(node, frame),)


def _clause(node: Node, frame: Frame) -> FalseClause:
    return FalseClause(unparse(node), dict(list(_values(node, frame).items())[:MAX_VALUES]))


def _values(node: Node, frame: Frame) -> dict[str, Json]:
    """What the clause reads, in the order in which it reads it."""
    if isinstance(node, (Read, Follow, Special)):
        try:
            found = {unparse(node): plain(evaluate(node, frame))}
        except (EvaluationError, KeyError):
            return {}
        return {**(_values(node.base, frame) if isinstance(node, Follow) else {}), **found}
    if isinstance(node, Quantifier):
        return _quantifier_values(node, frame)
    found = {}
    for child in children(node):
        found.update(_values(child, frame))
    return found


def _quantifier_values(node: Quantifier, frame: Frame) -> dict[str, Json]:
    """A quantifier inside a clause is told by its result."""
    try:
        return {unparse(node): plain(evaluate(node, frame))}
    except EvaluationError:
        return {unparse(node): None}
