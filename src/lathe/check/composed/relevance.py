"""Cone of influence: the fields, ghosts and arguments that some decision reads; only these are explored.

A field that no guard, target, property or `world` reads, directly or through others, is not explored.
An assignment that could leave its range decides too (it refuses), so what it reads is explored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lathe.lang.expr import (
    Arithmetic,
    Call,
    Expression,
    Follow,
    IfElse,
    Literal,
    Members,
    Negate,
    Node,
    Read,
    SetChange,
    Special,
    walk,
)
from lathe.lang.model import Action, App, Assignment, Blueprint, Effect, target_type
from lathe.lang.resolve.asked import leads_to
from lathe.lang.types import Type
from lathe.machine.limits import FURTHEST_SECONDS

Key = tuple[str, str, str, str]
"""`(kind, blueprint, action, name)`; kind is `field`, `ghost` or `arg`. An app's ghosts have no blueprint."""

NOTHING_OLD: Mapping[str, tuple[int, int]] = {}
_GHOSTS = {"ghost", "old_ghost"}


def explored(app: App, policies: Iterable[Key] = ()) -> frozenset[Key]:
    """Every field, ghost and argument that the search of this app, or its `policies`, must tell apart."""
    return behind(dependencies(app), (*_roots(app), *policies))


def behind(needs: Mapping[Key, Iterable[Key]], roots: Iterable[Key]) -> frozenset[Key]:
    """The roots and everything whose values come to them, by `dependencies`."""
    found: set[Key] = set()
    waiting = list(roots)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(needs.get(key, ()))
    return frozenset(found)


def askers(blueprint: Blueprint, effect: str) -> tuple[Action, ...]:
    """The actions that can ask for an effect: their own `run`, or that of a state they enter."""
    found = []
    for action in blueprint.actions.values():
        entered = entered_states(blueprint, action)
        if effect in action.run or any(effect in blueprint.states[s].run for s in entered):
            found.append(action)
    return tuple(found)


def entered_states(blueprint: Blueprint, action: Action) -> tuple[str, ...]:
    """The states that an action may enter, beginning a visit."""
    if action.name == "create":
        return (blueprint.initial,)
    if action.to is not None:
        return (action.to,)
    if action.to_if is None:
        return ()
    return tuple(sorted(leads_to(action.to_if)))


def reads(blueprint: str, action: str, expression: Expression | None) -> Iterator[Key]:
    """What an expression reads, in the context of a blueprint and the action whose arguments it sees."""
    for node in walk(expression.tree) if expression else ():
        if isinstance(node, Read):
            if node.scope in ("field", "old"):
                yield ("field", blueprint, "", node.name)
            elif node.scope in _GHOSTS:
                yield ("ghost", blueprint, "", node.name)
            elif node.scope in ("app_ghost", "old_app_ghost"):
                yield ("ghost", "", "", node.name)
            elif node.scope == "arg":
                yield ("arg", blueprint, action, node.name)
        elif isinstance(node, Follow) and node.what != "state":
            yield (node.what, node.base.type.blueprint or "", "", node.name)


def _roots(app: App) -> Iterator[Key]:
    for p in app.properties.values():
        yield from reads("", "", p.that)
        yield from reads("", "", p.when)
    for blueprint in app.blueprints.values():
        name = blueprint.name
        for action in blueprint.actions.values():
            yield from _deciding(app, blueprint, action)
        for p in blueprint.properties.values():
            yield from reads(name, "", p.that)
            yield from reads(name, "", p.when)
        for cannot in blueprint.cannot.values():
            yield from reads(name, "", cannot.when)
        for unique in blueprint.unique.values():
            yield from (("field", name, "", f) for f in unique.fields)
        yield from (("field", name, "", timer.at) for timer in blueprint.timers.values())
        for effect in blueprint.effects.values():
            yield from _targets(app, blueprint, effect)


def deciding(app: App) -> Iterator[Key]:
    """What decides whether actions are possible, and where they lead."""
    for blueprint in app.blueprints.values():
        for action in blueprint.actions.values():
            yield from _deciding(app, blueprint, action)


def _deciding(app: App, blueprint: Blueprint, action: Action) -> Iterator[Key]:
    name = blueprint.name
    yield from reads(name, action.name, action.when)
    yield from reads(name, action.name, action.to_if)
    for clause in action.also:
        yield from reads(name, action.name, clause.on)
        yield from reads(name, action.name, clause.when)
        for arg, value in clause.args.items():
            yield from _given(app, (clause.blueprint, clause.action, arg), (name, action), value)
    for assignment in action.do:
        if not is_safe(assignment.value.tree, target_type(app, blueprint, assignment), action):
            yield ("field", name, "", assignment.target)
            yield from reads(name, action.name, assignment.value)


def _given(
    app: App, target: tuple[str, str, str], giver: tuple[str, Action], value: Expression
) -> Iterator[Key]:
    """An argument given to another entity decides, if that may refuse it."""
    blueprint, action, name = target
    argument = app.blueprints[blueprint].actions[action].arguments[name]
    is_given = isinstance(value.tree, Literal) and value.tree.value is not None
    may_be_unset = argument.type.kind in ("text", "id", "time") and not is_given
    is_required = not (argument.optional or argument.has_default)
    if (
        argument.type.kind == "ref"
        or (may_be_unset and is_required)
        or not is_safe(value.tree, argument.type, giver[1])
    ):
        yield from reads(giver[0], giver[1].name, value)
        yield ("arg", *target)


def _targets(app: App, blueprint: Blueprint, effect: Effect) -> Iterator[Key]:
    if effect.target is not None:
        for action in askers(blueprint, effect.name):
            yield from reads(blueprint.name, action.name, effect.target.on)
            for arg, value in effect.target.args.items():
                target = (effect.target.blueprint, effect.target.action, arg)
                yield from _given(app, target, (blueprint.name, action), value)
        if effect.target.each is not None:
            yield ("field", blueprint.name, "", effect.target.each)


def dependencies(app: App) -> dict[Key, list[Key]]:
    """For each thing that may be needed, what is needed to know it."""
    needs: dict[Key, list[Key]] = {}

    def add(key: Key, found: Iterable[Key]) -> None:
        needs.setdefault(key, []).extend(found)

    for blueprint in app.blueprints.values():
        name = blueprint.name
        for action in blueprint.actions.values():
            for given in action.sets:
                add(("field", name, "", given), [("arg", name, action.name, given)])
            for assignment in action.do:
                add(("field", name, "", assignment.target), reads(name, action.name, assignment.value))
            for assignment in action.ghost:
                _add_ghost(add, name, action.name, assignment)
            for clause in action.also:
                for arg, value in clause.args.items():
                    key = ("arg", clause.blueprint, clause.action, arg)
                    add(key, reads(name, action.name, value))
        for effect in blueprint.effects.values():
            for asker in askers(blueprint, effect.name):
                for assignment in effect.world:
                    _add_ghost(add, name, asker.name, assignment)
                for arg, value in (effect.target.args if effect.target else {}).items():
                    assert effect.target is not None, "arguments belong to a target"
                    key = ("arg", effect.target.blueprint, effect.target.action, arg)
                    add(key, reads(name, asker.name, value))
    return needs


def _add_ghost(add: object, blueprint: str, action: str, assignment: Assignment) -> None:
    assert callable(add), "the collector of dependencies"
    owner = blueprint
    if assignment.scope == "app_ghost":
        owner = ""
    elif assignment.via is not None:
        owner = assignment.via.tree.type.blueprint or ""
    key = ("ghost", owner, "", assignment.target)
    add(key, reads(blueprint, action, assignment.value))
    add(key, reads(blueprint, action, assignment.via))


def is_safe(node: Node, target: Type, action: Action) -> bool:
    """Whether storing a value can never be refused, seen from the declared ranges alone."""
    if any(may_fail(n, action) for n in walk(node)):
        return False
    if target.kind == "int":
        reach = interval(node)
        return (
            reach is not None
            and target.low is not None
            and target.high is not None
            and (target.low <= reach[0] and reach[1] <= target.high)
        )
    if target.kind == "set":
        most = _most_members(node)
        return target.maximum is None or (most is not None and most <= target.maximum)
    if target.kind == "text" and target.maximum is not None:
        return not any(_may_be_longer(n, target.maximum) for n in walk(node))
    return True


def overlong(app: App) -> frozenset[int]:
    """Lengths of texts that are just too long for something that they may be stored in or given as."""
    return frozenset(
        target.maximum + 1
        for value, target in _stored(app)
        if target.kind == "text" and target.maximum is not None
        if any(_may_be_longer(node, target.maximum) for node in walk(value.tree))
    )


def _stored(app: App) -> Iterator[tuple[Expression, Type]]:
    """Every expression whose value is stored or given, with the type that it must fit."""
    for blueprint in app.blueprints.values():
        clauses = [(c.blueprint, c.action, c.args) for a in blueprint.actions.values() for c in a.also]
        targets = [e.target for e in blueprint.effects.values() if e.target is not None]
        clauses += [(t.blueprint, t.action, t.args) for t in targets]
        for owner, action, args in clauses:
            arguments = app.blueprints[owner].actions[action].arguments
            yield from ((value, arguments[name].type) for name, value in args.items())
        assignments = [x for a in blueprint.actions.values() for x in (*a.do, *a.ghost)]
        assignments += [x for e in blueprint.effects.values() for x in e.world]
        yield from ((x.value, target_type(app, blueprint, x)) for x in assignments)


def _most_members(node: Node) -> int | None:
    """The most members that a set expression can have; None if unknown."""
    match node:
        case Members(items=items):
            return len(items)
        case SetChange(op="-", left=left):
            return _most_members(left)
        case SetChange(left=left, right=right):
            sides = [_most_members(left), _most_members(right) if right.type.kind == "set" else 1]
            return None if None in sides else sum(s for s in sides if s is not None)
        case IfElse(then=then, otherwise=otherwise):
            sides = [_most_members(then), _most_members(otherwise)]
            return None if None in sides else max(s for s in sides if s is not None)
        case _:
            return node.type.maximum


def _may_be_longer(node: Node, maximum: int) -> bool:
    """Whether a text can have more characters."""
    match node:
        case Literal(value=str() as value):
            return len(value) > maximum
        case Read() | Follow() | Special() if node.type.kind == "text":
            return node.type.maximum is None or node.type.maximum > maximum
        case _:
            return False


def may_fail(node: Node, action: Action) -> bool:
    """Whether a node may have no value where one is needed: unset, divided by zero, or a time far away."""
    if isinstance(node, Follow):
        return node.type.kind in ("int", "bool", "enum")
    if isinstance(node, Read) and node.scope == "field":
        return action.name == "create" and node.type.kind in ("int", "bool", "enum")
    if isinstance(node, Read) and node.scope == "arg":
        argument = action.arguments.get(node.name)
        return argument is not None and argument.optional
    if isinstance(node, Arithmetic) and node.op in ("//", "%"):
        divisor = interval(node.right)
        return divisor is None or divisor[0] <= 0 <= divisor[1]
    if isinstance(node, Arithmetic) and node.type.kind == "time":
        seconds = interval(node.right)
        return seconds is None or max(map(abs, seconds)) > FURTHEST_SECONDS
    return False


def interval(node: Node, old: Mapping[str, tuple[int, int]] = NOTHING_OLD) -> tuple[int, int] | None:
    """The least and largest value of an int expression, from declared ranges; None if unknown.

    `old` gives those of the fields that `[migrate]` reads.
    """
    match node:
        case Literal(value=value) if isinstance(value, int):
            return (int(value), int(value))
        case Read(scope="old", name=name) if name in old:
            return old[name]
        case Read(type=kind) if kind.low is not None and kind.high is not None:
            return (kind.low, kind.high)
        case Negate(operand=operand):
            inner = interval(operand, old)
            return (-inner[1], -inner[0]) if inner else None
        case IfElse(then=then, otherwise=otherwise):
            return _hull([interval(then, old), interval(otherwise, old)])
        case Call(function="min" | "max" as function, arguments=arguments):
            return _extreme(function, [interval(a, old) for a in arguments])
        case Arithmetic(op="+" | "-" | "*" as op):
            return _combine(op, interval(node.left, old), interval(node.right, old))
        case _:
            return None


def _hull(found: list[tuple[int, int] | None]) -> tuple[int, int] | None:
    known = [f for f in found if f]
    if len(known) < len(found):
        return None
    return (min(k[0] for k in known), max(k[1] for k in known))


def _extreme(function: str, found: list[tuple[int, int] | None]) -> tuple[int, int] | None:
    known = [f for f in found if f]
    if len(known) < len(found):
        return None
    pick = min if function == "min" else max
    return (pick(k[0] for k in known), pick(k[1] for k in known))


def _combine(op: str, a: tuple[int, int] | None, b: tuple[int, int] | None) -> tuple[int, int] | None:
    if a is None or b is None:
        return None
    if op == "+":
        return (a[0] + b[0], a[1] + b[1])
    if op == "-":
        return (a[0] - b[1], a[1] - b[0])
    corners = [x * y for x in a for y in b]
    return (min(corners), max(corners))
