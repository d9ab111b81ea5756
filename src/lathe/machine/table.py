"""The transition table: an admitted app as rules that can be run, loaded and swapped as data.

A rule is an action with its guard, assignments and requests lowered to functions, once. Nothing
here decides anything; `machine.step` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lathe.frozen import frozen
from lathe.lang.expr import Expression, Node
from lathe.lang.model import Action, App, Assignment, Blueprint, Effect, Target, target_type
from lathe.lang.types import Type
from lathe.machine.lower import Compiled, lower
from lathe.machine.snapshot import Value

Lowering = Callable[[Node], Compiled]


@frozen
class AssignmentRule:
    """`target = value`, for a field or a ghost; `via` is the ref of another entity's ghost."""

    target: str
    scope: str
    type: Type
    via: Compiled | None
    value: Compiled
    source: Assignment


@frozen
class AlsoRule:
    """One clause of a joint step."""

    on: Compiled
    blueprint: str
    action: str
    args: Mapping[str, Compiled]
    when: Compiled | None


@frozen
class Rule:
    """An action, ready to be taken. `sets` and `begins_visit` are the action's, worked out once."""

    action: Action
    blueprint: str
    sets: tuple[str, ...]
    begins_visit: bool
    guard: Compiled | None
    to_if: Compiled | None
    do: tuple[AssignmentRule, ...]
    ghost: tuple[AssignmentRule, ...]
    also: tuple[AlsoRule, ...]


@frozen
class TargetRule:
    """Whom a `call` or `create` reaches, as functions of the moment when it was asked for."""

    blueprint: str
    action: str
    on: Compiled | None
    args: Mapping[str, Compiled]
    each: str | None


@frozen
class EffectRule:
    """An effect: its model, what an execution does to the world, and its target if it has one."""

    effect: Effect
    world: tuple[AssignmentRule, ...]
    target: TargetRule | None


@frozen
class BlueprintTable:
    """The rules of one blueprint, and what a new entity starts with."""

    blueprint: Blueprint
    rules: Mapping[str, Rule]
    effects: Mapping[str, EffectRule]
    fields: Mapping[str, Value]
    ghosts: Mapping[str, Value]


@frozen
class Table:
    """A whole app, compiled."""

    app: App
    blueprints: Mapping[str, BlueprintTable]
    ghosts: Mapping[str, Value]


def stored(value: object) -> Value:
    """A literal of the model as a value of the machine: sets are frozen sets."""
    if isinstance(value, tuple):
        return frozenset(value)
    assert value is None or isinstance(value, (bool, int, str))
    return value


def compile_app(app: App, *, lowering: Lowering = lower) -> Table:
    """The table of an app. `lowering` turns an expression into a function (tests pass another)."""
    tables = {name: _blueprint(app, blueprint, lowering) for name, blueprint in app.blueprints.items()}
    return Table(app, tables, {g.name: stored(g.default) for g in app.ghosts.values()})


def _blueprint(app: App, blueprint: Blueprint, lowering: Lowering) -> BlueprintTable:
    return BlueprintTable(
        blueprint=blueprint,
        rules={a.name: _rule(app, blueprint, a, lowering) for a in blueprint.actions.values()},
        effects={e.name: _effect(app, blueprint, e, lowering) for e in blueprint.effects.values()},
        fields={f.name: stored(f.default) if f.has_default else None for f in blueprint.fields.values()},
        ghosts={g.name: stored(g.default) for g in blueprint.ghosts.values()},
    )


def _rule(app: App, blueprint: Blueprint, action: Action, lowering: Lowering) -> Rule:
    return Rule(
        action=action,
        blueprint=blueprint.name,
        sets=action.sets,
        begins_visit=action.begins_visit,
        guard=_maybe(action.when, lowering),
        to_if=_maybe(action.to_if, lowering),
        do=_assignments(app, blueprint, action.do, lowering),
        ghost=_assignments(app, blueprint, action.ghost, lowering),
        also=tuple(
            AlsoRule(
                on=lowering(c.on.tree),
                blueprint=c.blueprint,
                action=c.action,
                args=_arguments(c.args, lowering),
                when=_maybe(c.when, lowering),
            )
            for c in action.also
        ),
    )


def _effect(app: App, blueprint: Blueprint, effect: Effect, lowering: Lowering) -> EffectRule:
    target = effect.target
    return EffectRule(
        effect=effect,
        world=_assignments(app, blueprint, effect.world, lowering),
        target=None if target is None else _target(target, lowering),
    )


def _target(target: Target, lowering: Lowering) -> TargetRule:
    return TargetRule(
        blueprint=target.blueprint,
        action=target.action,
        on=_maybe(target.on, lowering),
        args=_arguments(target.args, lowering),
        each=target.each,
    )


def _maybe(expression: Expression | None, lowering: Lowering) -> Compiled | None:
    return None if expression is None else lowering(expression.tree)


def _arguments(args: Mapping[str, Expression], lowering: Lowering) -> dict[str, Compiled]:
    return {name: lowering(value.tree) for name, value in args.items()}


def _assignments(
    app: App, blueprint: Blueprint, found: Iterable[Assignment], lowering: Lowering
) -> tuple[AssignmentRule, ...]:
    return tuple(
        AssignmentRule(
            target=a.target,
            scope=a.scope,
            type=target_type(app, blueprint, a),
            via=_maybe(a.via, lowering),
            value=lowering(a.value.tree),
            source=a,
        )
        for a in found
    )
