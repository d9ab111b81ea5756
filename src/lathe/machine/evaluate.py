"""The meaning of an expression: a plain walk over its tree.

This is the definition. `machine.lower` makes the same thing fast, and the tests hold it to this one.
It also tells which part of a property is false, and with which values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from lathe.frozen import evolve, record
from lathe.lang.expr import (
    And,
    Arithmetic,
    Call,
    Compare,
    Follow,
    IfElse,
    Literal as LiteralNode,
    Loop,
    Members,
    Negate,
    Node,
    Not,
    Or,
    Population,
    Quantifier,
    Read,
    SetChange,
    Special,
)
from lathe.machine.limits import FURTHEST_SECONDS
from lathe.machine.snapshot import Entity, Scalar, Value, Values, World

EMPTY: Mapping[str, Value] = MappingProxyType({})


class EvaluationError(ArithmeticError):
    """An expression without a value: an unset operand, a division by zero, a time too far away."""

    def __init__(self, reason: Literal["unset", "zero", "range"], node: Node | None = None) -> None:
        super().__init__(reason)
        self.reason: Literal["unset", "zero", "range"] = reason
        self.node = node


@record
class Frame:
    """What an expression may read: an entity, its past, arguments, the caller, the rest of the world.

    `entity` is None in properties of the app. `old` and `old_ghosts` are the step's before, for step
    properties. `fields` may differ from the entity's (an invocation remembers its own).
    """

    world: World
    entity: Entity | None = None
    fields: Values = EMPTY
    args: Values = EMPTY
    ghosts: Values = EMPTY
    app_ghosts: Values = EMPTY
    actor: str | None = None
    now: int | None = None
    old: Entity | None = None
    old_app_ghosts: Values = EMPTY
    item: Scalar = None
    variables: Values = EMPTY


def entity_frame(world: World, entity: Entity) -> Frame:
    """The frame of a property of one entity."""
    return Frame(
        world=world, entity=entity, fields=entity.fields, ghosts=entity.ghosts, app_ghosts=world.ghosts
    )


def evaluate(node: Node, frame: Frame) -> Value:
    """The value of `node`; raises `EvaluationError` where it has none."""
    return _RULES[type(node)](node, frame)


def holds(node: Node, frame: Frame) -> bool:
    """Whether a property is true: one that has no value is false."""
    try:
        return evaluate(node, frame) is True
    except EvaluationError:
        return False


def _read(node: Read, frame: Frame) -> Value:
    match node.scope:
        case "field":
            return frame.fields[node.name]
        case "arg":
            return frame.args.get(node.name)
        case "ghost":
            return frame.ghosts[node.name]
        case "app_ghost":
            return frame.app_ghosts[node.name]
        case "old":
            return frame.old.fields[node.name] if frame.old else None
        case "old_ghost":
            return frame.old.ghosts[node.name] if frame.old else None
        case "old_app_ghost":
            return frame.old_app_ghosts[node.name]
        case "variable":
            return frame.variables[node.name]
        case "item":
            return frame.item


def _special(node: Special, frame: Frame) -> Value:
    match node.name:
        case "actor":
            return frame.actor
        case "now":
            return frame.now
        case "old_state":
            return frame.old.state if frame.old else None
        case "state":
            return frame.entity.state if frame.entity else None
        case "id" | "self":
            return frame.entity.id if frame.entity else None


def follow(world: World, ref: Value, what: str, name: str) -> Value:
    """One step through a reference; unset if the reference is."""
    entity = world.get(ref) if isinstance(ref, str) else None
    if entity is None:
        return None
    if what == "state":
        return entity.state
    return (entity.fields if what == "field" else entity.ghosts)[name]


def _follow(node: Follow, frame: Frame) -> Value:
    found = follow(frame.world, evaluate(node.base, frame), node.what, node.name)
    return members(found) if node.type.kind == "set" else found


def _and(node: And, frame: Frame) -> Value:
    return all(evaluate(x, frame) is True for x in node.operands)


def _or(node: Or, frame: Frame) -> Value:
    return any(evaluate(x, frame) is True for x in node.operands)


def _if_else(node: IfElse, frame: Frame) -> Value:
    return evaluate(node.then if evaluate(node.condition, frame) is True else node.otherwise, frame)


def _compare(node: Compare, frame: Frame) -> Value:
    left, right = evaluate(node.left, frame), evaluate(node.right, frame)
    match node.op:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "is":
            return left is None
        case "in":
            return left is not None and isinstance(right, frozenset) and left in right
    if not isinstance(left, int) or not isinstance(right, int):
        return False
    match node.op:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right


def number(value: Value, node: Node | None = None) -> int:
    """The operand of an arithmetic operation; unset ones have no value."""
    if isinstance(value, int):
        return value
    raise EvaluationError("unset", node)


def later(moment_ms: Value, seconds: Value) -> int:
    """A moment so many seconds later; one that is too far away has no value."""
    moment, distance = number(moment_ms), number(seconds)
    if abs(distance) > FURTHEST_SECONDS:
        raise EvaluationError("range")
    return moment + 1000 * distance


def _arithmetic(node: Arithmetic, frame: Frame) -> Value:
    left = number(evaluate(node.left, frame), node)
    right = number(evaluate(node.right, frame), node)
    if node.type.kind == "time":
        return later(left, right if node.op == "+" else -right)
    match node.op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    if right == 0:
        raise EvaluationError("zero", node)
    return left // right if node.op == "//" else left % right


def members(value: Value) -> frozenset[Scalar]:
    """A set, or the set of one member; nothing for an unset one."""
    if isinstance(value, frozenset):
        return value
    return frozenset() if value is None else frozenset((value,))


def _set_change(node: SetChange, frame: Frame) -> Value:
    left, right = members(evaluate(node.left, frame)), members(evaluate(node.right, frame))
    return left | right if node.op == "+" else left - right


def _members(node: Members, frame: Frame) -> Value:
    found = (evaluate(item, frame) for item in node.items)
    return frozenset(x for x in found if x is not None and not isinstance(x, frozenset))


def _call(node: Call, frame: Frame) -> Value:
    values = [evaluate(x, frame) for x in node.arguments]
    if node.function == "len":
        return len(members(values[0]))
    numbers = [number(x, node) for x in values]
    match node.function:
        case "min":
            return min(numbers)
        case "max":
            return max(numbers)
        case "abs":
            return abs(numbers[0])


def _elements(source: Node, frame: Frame) -> list[Scalar]:
    if isinstance(source, Population):
        return list(frame.world.population(source.blueprint))
    return sorted(members(evaluate(source, frame)), key=str)


def _bindings(loops: tuple[Loop, ...], frame: Frame) -> Iterator[Frame]:
    if not loops:
        yield frame
        return
    loop = loops[0]
    for element in _elements(loop.source, frame):
        inner = evolve(frame, variables={**frame.variables, loop.variable: element})
        if loop.condition is None or evaluate(loop.condition, inner) is True:
            yield from _bindings(loops[1:], inner)


def quantified(node: Quantifier, frame: Frame) -> Iterator[Frame]:
    """A frame for every element that a comprehension goes through."""
    return _bindings(node.loops, frame)


def _quantifier(node: Quantifier, frame: Frame) -> Value:
    values = [evaluate(node.body, inner) for inner in quantified(node, frame)]
    match node.function:
        case "all":
            return all(x is True for x in values)
        case "any":
            return any(x is True for x in values)
        case "sum":
            return sum(number(x, node) for x in values)


def _negate(node: Negate, frame: Frame) -> Value:
    return -number(evaluate(node.operand, frame), node)


def _literal(node: LiteralNode, frame: Frame) -> Value:
    return node.value


def _not(node: Not, frame: Frame) -> Value:
    return evaluate(node.operand, frame) is not True


def _population(node: Population, frame: Frame) -> Value:
    return frozenset(frame.world.population(node.blueprint))


_RULES: dict[type, Callable[..., Value]] = {
    LiteralNode: _literal,
    Read: _read,
    Special: _special,
    Follow: _follow,
    Not: _not,
    And: _and,
    Or: _or,
    Compare: _compare,
    Arithmetic: _arithmetic,
    Negate: _negate,
    IfElse: _if_else,
    Members: _members,
    SetChange: _set_change,
    Call: _call,
    Population: _population,
    Quantifier: _quantifier,
}
