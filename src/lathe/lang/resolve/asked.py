"""From which actions an effect is requested, and so which arguments its templates and expressions may
read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lathe.lang.expr import Expression, IfElse, Literal, Node, Read, walk
from lathe.lang.model import Action, State
from lathe.lang.resolve.record import Cursor
from lathe.lang.types import UNKNOWN, Type
from lathe.lang.typing_rules import is_comparable


class Asked(NamedTuple):
    """The arguments that may be read: those of any action that asks. `lacking` says why not all may."""

    arguments: Mapping[str, Type]
    lacking: Mapping[str, str]

    def check_reads(self, expression: Expression | None, cursor: Cursor) -> None:
        """LT101 for every argument that some action which asks for the effect does not have."""
        if expression is None:
            return
        for node in walk(expression.tree):
            if isinstance(node, Read) and node.scope == "arg" and node.name in self.lacking:
                cursor.faults.add("LT101", node.span, self.lacking[node.name], help=HELP)


HELP = "keep it in a field and read that, or give every action that asks for the effect this argument"


def asked_by(effect: str, states: Mapping[str, State], actions: Mapping[str, Action]) -> Asked:
    """The arguments that an effect may read."""
    askers = [action for action in actions.values() if _asks(effect, action, states)]
    every: dict[str, Type] = {}
    lacking: dict[str, str] = {}
    for action in askers:
        for argument in action.arguments.values():
            before = every.setdefault(argument.name, argument.type)
            if not is_same(before, argument.type):
                every[argument.name] = UNKNOWN
                what = f"`arg.{argument.name}` has another type in `{action.name}`"
                lacking[argument.name] = f"{what}, which asks for `{effect}` too"
    for name in every:
        without = [action.name for action in askers if name not in action.arguments]
        if without:
            lacking[name] = f"`{without[0]}` asks for `{effect}` too, and has no argument `{name}`"
    return Asked(every, lacking)


def _asks(effect: str, action: Action, states: Mapping[str, State]) -> bool:
    if effect in action.run:
        return True
    entered = [states[name] for name in _entered(action, states) if name in states]
    return any(effect in state.run for state in entered)


def _entered(action: Action, states: Mapping[str, State]) -> list[str]:
    """The states in which a visit may begin with this action."""
    if action.name == "create":
        return [state.name for state in states.values() if state.initial]
    if action.to is not None:
        return [action.to]
    return list(leads_to(action.to_if)) if action.to_if is not None else []


def leads_to(to_if: Expression) -> tuple[str, ...]:
    """The states that `to_if` may give."""
    found: dict[str, None] = {}
    waiting: list[Node] = [to_if.tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, IfElse):
            waiting += [node.otherwise, node.then]
        elif isinstance(node, Literal) and isinstance(node.value, str):
            found[node.value] = None
    return tuple(found)


def is_same(left: Type, right: Type) -> bool:
    """Whether two arguments have one type; ranges and lengths do not count."""
    if left.kind == "set" and right.kind == "set":
        return is_same(left.element or UNKNOWN, right.element or UNKNOWN)
    if left.kind in ("time", "json"):
        return left.kind == right.kind
    return is_comparable(left, right)
