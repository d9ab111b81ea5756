"""Compiled expressions mean what the plain walk over the tree says: values, and the lack of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import HealthCheck, given, settings, strategies as st

from lathe.lang.expr import Expression, Node, Read, walk
from lathe.lang.model import App, Assignment, Blueprint, Property
from lathe.machine.evaluate import EvaluationError, Frame, evaluate
from lathe.machine.lower import lower
from lathe.machine.snapshot import Entity, MemoryWorld, Value
from lathe.testing import strategies
from lathe.testing._dice import Dice
from lathe.testing._events import random_value

from ..support import app_of

MANY = settings(max_examples=150, derandomize=True, suppress_health_check=list(HealthCheck))


@MANY
@given(st.data())
def test_a_compiled_expression_gives_what_the_walk_gives(data: st.DataObject) -> None:
    app = data.draw(strategies.apps())
    world = data.draw(strategies.worlds(app))
    dice = strategies.data_dice(data)
    for blueprint in app.blueprints.values():
        entities = [e for e in world if e.blueprint == blueprint.name]
        for expression in _expressions_of(blueprint):
            for entity in entities:
                _compare(expression.tree, _frame(dice, expression.tree, world, entity))
    for prop in app.properties.values():
        for expression in _asked(prop):
            frame = Frame(world, app_ghosts=world.ghosts, old_app_ghosts=world.ghosts)
            _compare(expression.tree, frame)


def _compare(node: Node, frame: Frame) -> None:
    assert _result(lambda: lower(node)(frame, frame.fields, frame.args)) == _result(
        lambda: evaluate(node, frame)
    )


def _result(call: object) -> tuple[str, Value]:
    assert callable(call), "something to try"
    try:
        value: Value = call()
    except EvaluationError as error:
        return (f"no value: {error.reason}", None)
    return (type(value).__name__, value)


def _frame(dice: Dice, node: Node, world: MemoryWorld, entity: Entity) -> Frame:
    """A frame in which all that the expression reads has some value, or is unset where it may be."""
    frame = Frame(world, entity, entity.fields, ghosts=entity.ghosts, app_ghosts=world.ghosts, now=5_000)
    args, item = dict[str, Value](), None
    for n in walk(node):
        if isinstance(n, Read) and n.scope == "arg":
            args[n.name] = random_value(dice, n.type, world, may_be_unset=n.type.kind != "set")
        elif isinstance(n, Read) and n.scope == "item":
            item = random_value(dice, n.type, world)
    assert not isinstance(item, frozenset), "sets do not nest"
    other = replace(entity, fields={**entity.fields}, visit=7)
    actor = dice.pick(("p1", "boss", None))
    return replace(frame, args=args, item=item, actor=actor, old=other, old_app_ghosts=world.ghosts)


def _expressions_of(blueprint: Blueprint) -> Iterator[Expression]:
    for action in blueprint.actions.values():
        yield from (e for e in (action.when, action.to_if) if e is not None)
        yield from _assigned((*action.do, *action.ghost))
        for clause in action.also:
            yield from (e for e in (clause.on, clause.when, *clause.args.values()) if e is not None)
    for effect in blueprint.effects.values():
        yield from _assigned(effect.world)
        if effect.target is not None:
            yield from (e for e in (effect.target.on, *effect.target.args.values()) if e is not None)
    for prop in blueprint.properties.values():
        yield from _asked(prop)


def _assigned(assignments: tuple[Assignment, ...]) -> Iterator[Expression]:
    for assignment in assignments:
        yield assignment.value
        if assignment.via is not None:
            yield assignment.via


def _asked(prop: Property) -> Iterator[Expression]:
    yield prop.that
    if prop.when is not None:
        yield prop.when


NO_DEFAULT = """
blueprint = "Thing"

[state]
here = { initial = true, waits = "somebody" }

[field]
size = { type = "int", range = [1, 3] }
twice = { type = "int", range = [0, 9], default = 0 }

[action]
create = { by = "role:clerk", sets = ["size"], do = ["twice = size + size"] }
"""


def test_a_field_without_a_value_yet_is_no_number() -> None:
    app: App = app_of(NO_DEFAULT)
    tree = app.blueprints["Thing"].actions["create"].do[0].value.tree
    entity = Entity("Thing#1", "Thing", "here", {"size": None, "twice": 0})
    frame = Frame(MemoryWorld({"Thing#1": entity}), entity, entity.fields)
    assert _result(lambda: lower(tree)(frame, frame.fields, frame.args)) == ("no value: unset", None)
    assert _result(lambda: evaluate(tree, frame)) == ("no value: unset", None)
