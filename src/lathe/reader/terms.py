"""An independent evaluator of expressions, which shares no code with `machine.evaluate`.

It is written to be compared with the language page, one case below the other, and is not meant to be fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from lathe.frozen import frozen
from lathe.lang import expr
from lathe.lang.expr import Node
from lathe.reader.world import Entity, Member, RefusedError, Value, Values, World

A_THOUSAND_YEARS = 31_557_600_000
"""In seconds, of 365¼ days each: no time is set further from now."""


@frozen
class Scope:
    """What an expression may read. `me` is None in properties of the app; `fields` may be older than `me`."""

    world: World
    me: Entity | None = None
    fields: Values = field(default_factory=dict)
    args: Values = field(default_factory=dict)
    actor: str | None = None
    now: int | None = None
    item: Member = None
    bound: Mapping[str, Member] = field(default_factory=dict)
    was: Entity | None = None
    ghosts_before: Values = field(default_factory=dict)


def true(node: Node, scope: Scope) -> bool:
    """Whether a condition is true. Raises `RefusedError` (unset, zero)."""
    return value(node, scope) is True


def value(node: Node, scope: Scope) -> Value:
    """The value of an expression. Raises `RefusedError`: arithmetic with an unset value, division by zero."""
    match node:
        case expr.Literal(value=constant):
            return constant
        case expr.Read():
            return _named(node, scope)
        case expr.Special(name="actor"):
            return scope.actor
        case expr.Special(name="now"):
            return scope.now
        case expr.Special(name="old_state"):
            return None if scope.was is None else scope.was.state
        case expr.Special(name="state"):
            return None if scope.me is None else scope.me.state
        case expr.Special():
            return None if scope.me is None else scope.me.id
        case expr.Follow():
            return _through(node, scope)
        case expr.Not(operand=inner):
            return not true(inner, scope)
        case expr.And(operands=parts):
            return all(true(part, scope) for part in parts)
        case expr.Or(operands=parts):
            return any(true(part, scope) for part in parts)
        case expr.IfElse():
            return value(node.then if true(node.condition, scope) else node.otherwise, scope)
        case expr.Compare():
            return _compared(node, scope)
        case expr.Population(blueprint=name):
            return frozenset(
                entity.id for entity in scope.world.entities.values() if entity.blueprint == name
            )
        case expr.Members(items=items):
            return frozenset().union(*(_as_set(value(item, scope)) for item in items))
        case expr.SetChange():
            left, right = _as_set(value(node.left, scope)), _as_set(value(node.right, scope))
            return left.union(right) if node.op == "+" else left.difference(right)
        case expr.Quantifier():
            return _over(node, scope)
        case _:
            return _number(node, scope)


def _named(node: expr.Read, scope: Scope) -> Value:
    me, was = scope.me, scope.was
    places: Mapping[str, Values] = {
        "field": scope.fields,
        "arg": scope.args,
        "ghost": me.ghosts if me else {},
        "app_ghost": scope.world.ghosts,
        "old": was.fields if was else {},
        "old_ghost": was.ghosts if was else {},
        "old_app_ghost": scope.ghosts_before,
        "variable": scope.bound,
        "item": {"item": scope.item},
    }
    if node.scope == "item":
        return scope.item
    return places[node.scope].get(node.name)


def _through(node: expr.Follow, scope: Scope) -> Value:
    """One step through a reference; through an unset one everything is unset, and a set empty."""
    ref = value(node.base, scope)
    other = scope.world.entities.get(ref) if isinstance(ref, str) else None
    found: Value = None
    if other is not None:
        read = {"field": other.fields, "ghost": other.ghosts, "state": {node.name: other.state}}
        found = read[node.what][node.name]
    return _as_set(found) if node.type.kind == "set" else found


def _compared(node: expr.Compare, scope: Scope) -> bool:
    left, right = value(node.left, scope), value(node.right, scope)
    if node.op == "is":
        return left is None
    if node.op in ("==", "!="):
        return (left == right) is (node.op == "==")
    if node.op == "in":
        return left is not None and left in _as_set(right)
    if not isinstance(left, int) or not isinstance(right, int):
        return False  # an unset value is neither below nor above
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[node.op]


def _as_set(found: Value) -> frozenset[Member]:
    if isinstance(found, frozenset):
        return found
    return frozenset(() if found is None else (found,))


def _int(found: Value) -> int:
    if not isinstance(found, int):
        raise RefusedError("unset")
    return found


def _number(node: Node, scope: Scope) -> int:
    """What only ints are put into: unset is no number."""
    match node:
        case expr.Negate(operand=inner):
            return 0 - _int(value(inner, scope))
        case expr.Call(function="len", arguments=(of,)):
            return len(_as_set(value(of, scope)))
        case expr.Call(function=name, arguments=of):
            numbers = [value(one, scope) for one in of]
            ordered = sorted(_int(number) for number in numbers)
            if name == "abs":
                return ordered[0] if ordered[0] >= 0 else 0 - ordered[0]
            return ordered[0] if name == "min" else ordered[-1]
        case expr.Arithmetic(op=op):
            first, second = value(node.left, scope), value(node.right, scope)
            left, right = _int(first), _int(second)
            if node.type.kind == "time":
                if not 0 - A_THOUSAND_YEARS <= right <= A_THOUSAND_YEARS:
                    raise RefusedError("range")
                return left + right * 1000  # seconds are added to a moment in milliseconds
            if op in ("//", "%"):
                if right == 0:
                    raise RefusedError("zero")
                quotient, rest = divmod(left, right)
                return quotient if op == "//" else rest
            return {"+": left + right, "-": left - right, "*": left * right}[op]
        case _:
            raise AssertionError(f"no rule for {type(node).__name__}")


def _bindings(loops: tuple[expr.Loop, ...], scope: Scope) -> Iterator[Scope]:
    """Every way of choosing elements, outer loops first; conditions leave some out."""
    scopes = [scope]
    for loop in loops:
        chosen = []
        for outer in scopes:
            for element in sorted(_as_set(value(loop.source, outer)), key=str):
                inner = replace(outer, bound={**outer.bound, loop.variable: element})
                if loop.condition is None or true(loop.condition, inner):
                    chosen.append(inner)
        scopes = chosen
    yield from scopes


def _over(node: expr.Quantifier, scope: Scope) -> Value:
    """`all`, `any` and `sum` look at every element, so that one without a value is never passed over."""
    found = [value(node.body, inner) for inner in _bindings(node.loops, scope)]
    if node.function == "sum":
        return sum(_int(one) for one in found)
    truths = [one is True for one in found]
    return False not in truths if node.function == "all" else True in truths
