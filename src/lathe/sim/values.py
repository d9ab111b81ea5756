"""Random arguments for actions: mostly plausible and boundary values, sometimes ill-typed ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from random import Random

from lathe.lang.expr import Expression, Literal, walk
from lathe.lang.model import App
from lathe.lang.types import Type
from lathe.machine.snapshot import Scalar, Value

PEOPLE = ("ann", "bob", "cyd", "dee")
"""Principals, and what `id` values are chosen from."""
NOBODY = "nobody#0"
"""A reference to an entity that does not exist."""
SHORT_MS = 120_000
"""How far ahead or back a time lies that a caller gives."""


def constants(app: App) -> tuple[Scalar, ...]:
    """What the app's expressions compare with or assign, in the order of the text, each once."""
    found: dict[tuple[str, Scalar], Scalar] = {}
    for expression in _expressions(app):
        for node in walk(expression.tree):
            if isinstance(node, Literal) and node.value is not None:
                found.setdefault((type(node.value).__name__, node.value), node.value)
    return tuple(found.values())


def _expressions(app: App) -> Iterator[Expression]:
    for blueprint in app.blueprints.values():
        for action in blueprint.actions.values():
            yield from (e for e in (action.when, action.to_if) if e is not None)
            for assignment in action.do:
                yield assignment.value
            for clause in action.also:
                yield from (e for e in (clause.on, clause.when, *clause.args.values()) if e is not None)
        for prop in blueprint.properties.values():
            yield prop.that


def value_of_type(
    random: Random, kind: Type, known: Sequence[Scalar], now_ms: int, refs: Collection[str] = ()
) -> Value:
    """A value that fits a type; `known` are constants of the app, `refs` the entities of its blueprint."""
    match kind.kind:
        case "bool":
            return random.random() < 0.5
        case "int":
            return _whole(random, kind, known)
        case "enum":
            return random.choice(kind.members)
        case "text":
            words = [k for k in known if isinstance(k, str)] + ["", "a", "b"]
            return random.choice(words)[: kind.maximum]
        case "json":
            return random.choice(("{}", "[]", "0"))
        case "time":
            return now_ms + random.randrange(-SHORT_MS // 4, SHORT_MS)
        case "ref":
            return random.choice(sorted(refs)) if refs else NOBODY
        case "set":
            assert kind.element is not None, "a set has an element type"
            most = 3 if kind.maximum is None else min(3, kind.maximum)
            members = [
                value_of_type(random, kind.element, known, now_ms, refs)
                for _ in range(random.randint(0, most))
            ]
            return frozenset(m for m in members if not isinstance(m, frozenset))
        case _:
            return random.choice(PEOPLE)


def _whole(random: Random, kind: Type, known: Sequence[Scalar]) -> int:
    """An end of the range, a constant or a neighbour of one, or anything in between."""
    assert kind.low is not None and kind.high is not None, "a declared int has a range"
    low, high = kind.low, kind.high
    choice = random.random()
    if choice < 0.3:
        return random.choice((low, high, min(low + 1, high)))
    if choice < 0.5:
        near = [k + d for k in known if isinstance(k, int) and not isinstance(k, bool) for d in (-1, 0, 1)]
        fitting = [n for n in near if low <= n <= high]
        if fitting:
            return random.choice(fitting)
    return random.randint(low, high)


def misfit_of(random: Random, kind: Type) -> Value:
    """A value that does not fit."""
    if kind.kind == "int" and kind.low is not None and kind.high is not None and random.random() < 0.7:
        return random.choice((kind.low - 1, kind.high + 1))
    if kind.kind in ("bool", "int", "enum", "time"):
        return random.choice(("no such thing", frozenset({1, 2}), None))
    if kind.kind == "text" and kind.maximum is not None:
        return "x" * (kind.maximum + 1)
    return random.choice((-1, True))
