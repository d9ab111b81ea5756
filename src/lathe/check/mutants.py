"""Mutants: an app with one change, each a mistake that somebody makes.

What the properties, and the house checks, would not notice is told as a question to the author (LT405). The
changes are a fixed set: guards dropped, negated and weakened; `from` widened and narrowed; another target;
assignments dropped; numbers off by one; timers, error callbacks, `idempotent`, `also` and `unique` dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from lathe.errors import Span
from lathe.frozen import frozen
from lathe.lang.expr import (
    And,
    Arithmetic,
    Compare,
    CompareOp,
    Expression,
    IfElse,
    Literal,
    Negate,
    Node,
    Not,
    Or,
    SetChange,
)
from lathe.lang.model import Action, App, Assignment, Blueprint, Effect
from lathe.lang.unparse import unparse


@frozen
class Mutant:
    """An app with one change: what was changed, where, and the field that only it assigns, if it does."""

    app: App
    told: str
    span: Span
    field: tuple[str, str] | None = None


def mutants(app: App) -> Iterator[Mutant]:
    """Every single change from the fixed set, in the order of the files."""
    for blueprint in app.blueprints.values():
        make = _Maker(app, blueprint)
        for action in blueprint.actions.values():
            yield from _guards(make, action)
            yield from _places(make, action)
            yield from _assignments(make, action)
            yield from _joint(make, action)
        yield from _outside(make)
    for file in app.policies:
        kept = {name: text for name, text in app.policies.items() if name != file}
        yield Mutant(replace(app, policies=kept), f"without `{file}`", Span(file, 1, 1, 1, 1))


@frozen
class _Maker:
    """Puts a changed part back into its app."""

    app: App
    blueprint: Blueprint

    def __call__(self, told: str, span: Span, blueprint: Blueprint) -> Mutant:
        apps = {**self.app.blueprints, blueprint.name: blueprint}
        return Mutant(replace(self.app, blueprints=apps), f"{blueprint.name}: {told}", span)

    def action(self, told: str, span: Span, action: Action) -> Mutant:
        """The app with one action changed."""
        actions = {**self.blueprint.actions, action.name: action}
        return self(told, span, replace(self.blueprint, actions=actions))


def _guards(make: _Maker, action: Action) -> Iterator[Mutant]:
    guard = action.when
    if guard is None:
        return
    name, span, tree = action.name, guard.span, guard.tree
    yield make.action(f"`{name}` without its guard", span, replace(action, when=None))
    negated = _said(guard, Not(tree, tree.span))
    yield make.action(f"`{name}` when its guard is false", span, replace(action, when=negated))
    if isinstance(tree, And) and len(tree.operands) > 1:
        for index, operand in enumerate(tree.operands):
            rest = tree.operands[:index] + tree.operands[index + 1 :]
            weaker = _said(guard, rest[0] if len(rest) == 1 else replace(tree, operands=rest))
            yield make.action(f"`{name}` without `{unparse(operand)}`", span, replace(action, when=weaker))
    for told, changed in _off_by_one(guard):
        yield make.action(f"`{name}` with {told}", span, replace(action, when=changed))


def _said(expression: Expression, tree: Node) -> Expression:
    return replace(expression, tree=tree, text=unparse(tree))


def _off_by_one(expression: Expression) -> Iterator[tuple[str, Expression]]:
    """The expression with one number, or one comparison, off by one."""
    for told, tree in _changes(expression.tree):
        yield told, _said(expression, tree)


_NEAR: dict[str, CompareOp] = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}


def _changes(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node, Literal) and type(node.value) is int:
        for value in (node.value - 1, node.value + 1):
            yield f"`{value}` for `{node.value}`", replace(node, value=value)
        return
    if isinstance(node, Compare) and node.op in _NEAR and not isinstance(node.right, Literal):
        changed = replace(node, op=_NEAR[node.op])
        yield f"`{unparse(changed)}` for `{unparse(node)}`", changed
    for child, put in _parts(node):
        for told, changed_child in _changes(child):
            yield told, put(changed_child)


def _parts(node: Node) -> Iterator[tuple[Node, Callable[[Node], Node]]]:
    """The direct parts of a node, each with what puts another in its place."""
    names: tuple[str, ...] = ()
    match node:
        case And() | Or():
            for index, operand in enumerate(node.operands):
                yield (
                    operand,
                    lambda x, i=index: replace(  # type: ignore[misc]
                        node, operands=(*node.operands[:i], x, *node.operands[i + 1 :])
                    ),
                )
            return
        case Not() | Negate():
            names = ("operand",)
        case Compare() | Arithmetic() | SetChange():
            names = ("left", "right")
        case IfElse():
            names = ("condition", "then", "otherwise")
    for name in names:
        yield getattr(node, name), lambda x, n=name: replace(node, **{n: x})  # type: ignore[misc]


def _places(make: _Maker, action: Action) -> Iterator[Mutant]:
    states = make.blueprint.states
    if action.name == "create":
        return
    for state in states.values():
        if state.name in action.from_states:
            if len(action.from_states) > 1:
                fewer = tuple(s for s in action.from_states if s != state.name)
                told = f"`{action.name}` not from `{state.name}`"
                yield make.action(told, action.span, replace(action, from_states=fewer, from_any=False))
        elif not state.final:
            more = (*action.from_states, state.name)
            yield make.action(
                f"`{action.name}` from `{state.name}` too", action.span, replace(action, from_states=more)
            )
    if action.to is not None:
        names = list(states)
        other = names[(names.index(action.to) + 1) % len(names)]
        if other != action.to:
            yield make.action(f"`{action.name}` to `{other}`", action.span, replace(action, to=other))


def _assignments(make: _Maker, action: Action) -> Iterator[Mutant]:
    for index, found in enumerate(action.do):
        rest = (*action.do[:index], *action.do[index + 1 :])
        dropped = make.action(f"`{action.name}` without `{found.text}`", found.span, replace(action, do=rest))
        yield replace(dropped, field=(make.blueprint.name, found.target))
        for told, value in _off_by_one(found.value):
            changed: Assignment = replace(found, value=value, text=f"{found.target} = {value.text}")
            do = (*action.do[:index], changed, *action.do[index + 1 :])
            said = f"`{action.name}` with {told} in `{found.text}`"
            mutant = make.action(said, found.span, replace(action, do=do))
            yield replace(mutant, field=(make.blueprint.name, found.target))


def _joint(make: _Maker, action: Action) -> Iterator[Mutant]:
    for index, clause in enumerate(action.also):
        rest = (*action.also[:index], *action.also[index + 1 :])
        told = f"`{action.name}` without `{clause.blueprint}.{clause.action}`"
        yield make.action(told, clause.span, replace(action, also=rest))


def _outside(make: _Maker) -> Iterator[Mutant]:
    blueprint = make.blueprint
    for state in blueprint.states.values():
        if state.then is not None:
            states = {**blueprint.states, state.name: replace(state, after_ms=None, then=None)}
            yield make(f"`{state.name}` without its timer", state.span, replace(blueprint, states=states))
    for timer in blueprint.timers.values():
        timers = {name: t for name, t in blueprint.timers.items() if name != timer.name}
        yield make(f"without the timer `{timer.name}`", timer.span, replace(blueprint, timers=timers))
    for effect in blueprint.effects.values():
        changes: list[tuple[str, Effect]] = []
        if effect.error is not None:
            changes.append(("without its `error`", replace(effect, error=None)))
        if effect.idempotent:
            changes.append(("not `idempotent`", replace(effect, idempotent=False)))
        for told, changed in changes:
            effects = {**blueprint.effects, effect.name: changed}
            yield make(f"`{effect.name}` {told}", effect.span, replace(blueprint, effects=effects))
    for unique in blueprint.unique.values():
        kept = {name: u for name, u in blueprint.unique.items() if name != unique.name}
        yield make(f"without `unique` `{unique.name}`", unique.span, replace(blueprint, unique=kept))
