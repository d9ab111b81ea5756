"""Random small policies for an app: what its schema admits, now and then more than tables hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from lathe.lang.model import Action, App, Blueprint
from lathe.lang.types import Type
from lathe.policy.policies import read_policies
from lathe.policy.schema import quoted

TRIES = 8
SCALARS = ("int", "bool", "enum", "set")


def with_policies(app: App, seed: int) -> App:
    """The app with one to three policies that its schema admits."""
    dice = Random(seed)
    wanted, texts = dice.choice((1, 1, 2, 3)), list[str]()
    for _ in range(TRIES):
        text = _policy(app, dice)
        if not read_policies(replace(app, policies={"own.cedar": text}))[1]:
            texts.append(text)
        if len(texts) == wanted:
            break
    return replace(app, policies={"own.cedar": "\n".join(texts) or "// nothing"})


def _policy(app: App, dice: Random) -> str:
    blueprint = dice.choice(list(app.blueprints.values()))
    action = dice.choice(list(blueprint.actions.values()))
    effect = dice.choice(("forbid", "forbid", "permit"))
    name = f"{blueprint.name}.{action.name}"
    heads = [f"action == Action::{quoted(name)}"] * 4
    head = dice.choice([*heads, f"action in Action::{quoted(blueprint.name)}", "action"])
    conditions = []
    if head.startswith("action =="):
        count = dice.choice((0, 1, 1, 2))
        conditions = [_condition(app, blueprint, action, dice) for _ in range(count)]
    tail = "".join(f"\n{dice.choice(('when', 'when', 'unless'))} {{ {c} }}" for c in conditions)
    return f"{effect}({_who(app, blueprint, dice)}, {head}, resource){tail};"


def _who(app: App, blueprint: Blueprint, dice: Random) -> str:
    ways = ["principal"] * 3 + [
        "principal is Principal",
        'principal == Principal::"ann"',
        "principal is Timer",
    ]
    ways += [f"principal in Role::{quoted(role)}" for role in app.roles]
    ways += [f"principal == Timer::{quoted(blueprint.name)}"]
    ways += [f"principal == Entity::{quoted(name)}" for name in app.blueprints]
    ways += [f"principal == Effect::{quoted(f'{blueprint.name}.{e}')}" for e in blueprint.effects]
    return dice.choice(ways)


def _condition(app: App, blueprint: Blueprint, action: Action, dice: Random) -> str:
    ways = [f"principal in Role::{quoted(role)}" for role in app.roles]
    if action.name != "create":
        ways.append(f"resource.state == {quoted(dice.choice(list(blueprint.states)))}")
        for f in blueprint.fields.values():
            ways += _about(
                f"resource.{f.name}", f"resource has {f.name}", f.type, f.type.kind in SCALARS, dice
            )
    for a in action.arguments.values():
        is_set = not a.optional or a.has_default or a.type.kind == "set"
        ways += _about(f"context.arg.{a.name}", f"context.arg has {a.name}", a.type, is_set, dice)
    return dice.choice(ways or ["true"])


def _about(path: str, has: str, kind: Type, is_set: bool, dice: Random) -> Iterator[str]:
    """What may be asked of an attribute."""
    if not is_set:
        yield has
    guard = "" if is_set else f"{has} && "
    match kind.kind:
        case "int":
            assert kind.low is not None and kind.high is not None, "a declared int has a range"
            order = dice.choice(("<", "<=", "==", "!=", ">"))
            yield f"{guard}{path} {order} {dice.randint(kind.low, kind.high)}"
            yield f"{guard}{path} + 1 > {dice.randint(kind.low, kind.high)}"
        case "bool":
            yield f"{guard}{path}"
        case "enum":
            yield f"{guard}{path} == {quoted(dice.choice(list(kind.members)))}"
        case "text":
            yield f'{guard}{path} == "x"'
            yield f'{guard}{path} != "y"'
        case "id":
            yield f"{guard}principal == {path}"
            yield f'{guard}{path} == Principal::"ann"'
        case "ref":
            yield f"{guard}resource == {path}"
        case "set" if kind.element is not None and kind.element.kind == "enum":
            yield f"{guard}{path}.contains({quoted(dice.choice(list(kind.element.members)))})"
        case "set" if kind.element is not None and kind.element.kind == "id":
            yield f"{guard}{path}.contains(principal)"
        case "set":
            yield f"{guard}{path}.isEmpty()"
        case _:
            return
