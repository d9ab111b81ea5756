"""Root causes among things that never happen: each finding names what merely follows from it.

An unreachable state follows from the actions that would enter it, a dead action from its source states, a
side of a joint step from the actions that include it, a `sometimes` from the states that it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lathe.check.judge.suspects import Never
from lathe.frozen import frozen
from lathe.lang.expr import Compare, Literal, Node, walk
from lathe.lang.model import Action, Blueprint, Property, State

Key = tuple[str, str]
"""A blueprint and the name of a state or an action in it."""


MOST_SOUGHT = 3
"""What is told by name of what a wider scope is asked."""
_EVER = {
    "LT201": "is ever reached",
    "LT202": "is ever possible",
    "LT403": "ever holds",
    "LT506": "is ever possible",
    "LT601": "is ever permitted",
}


@frozen
class Root:
    """A cause, and what never happens because of it, in the order in which it was found."""

    cause: Never
    follows: tuple[Never, ...] = ()


def rooted(found: list[Never]) -> list[Root]:
    """The causes, each with what follows from it; what follows from several stands with the first."""
    reasons = _Reasons(found)
    behind: dict[int, list[int]] = {}
    for number, never in enumerate(found):
        for reason in reasons.of(never):
            behind.setdefault(reason, []).append(number)
    told: dict[int, int] = {}
    first = [n for n, never in enumerate(found) if not reasons.of(never)]
    for number in (*first, *range(len(found))):  # what is left goes round, and begins anywhere
        if number not in told:
            _spread(number, behind, told)
    return [
        Root(never, tuple(found[n] for n in range(len(found)) if told[n] == number and n != number))
        for number, never in enumerate(found)
        if told[number] == number
    ]


def sought(found: list[Never], properties: Iterable[str] = ()) -> str:
    """What is asked of a wider scope, in words: "`done` is ever reached and `settles` holds"."""
    said = [f"`{root.cause.subject.name}` {_EVER[root.cause.code]}" for root in rooted(found)]
    said += [f"`{name}` holds" for name in properties]
    more = len(said) - MOST_SOUGHT
    return ", ".join([*said[:MOST_SOUGHT], *([f"{more} more"] if more > 0 else [])])


def _spread(root: int, behind: dict[int, list[int]], told: dict[int, int]) -> None:
    told[root] = root
    asked = [root]
    while asked:
        for number in behind.get(asked.pop(), ()):
            if number not in told:
                told[number] = root
                asked.append(number)


class _Reasons:
    """What may explain each of those that never happen."""

    def __init__(self, found: list[Never]) -> None:
        self._states: dict[Key, int] = {}
        self._actions: dict[Key, int] = {}
        self._callers: dict[Key, list[int]] = {}
        self._unmet: set[Key] = set()
        for number, never in enumerate(found):
            if never.blueprint is None:
                continue
            if isinstance(never.subject, State):
                self._states[never.blueprint.name, never.subject.name] = number
            elif isinstance(never.subject, Action):
                self._actions[never.blueprint.name, never.subject.name] = number
                if not never.is_met:
                    self._unmet.add((never.blueprint.name, never.subject.name))
                for side in never.subject.also:
                    self._callers.setdefault((side.blueprint, side.action), []).append(number)

    def of(self, never: Never) -> list[int]:
        """The numbers of those that explain it; none: it stands for itself."""
        subject, blueprint = never.subject, never.blueprint
        if isinstance(subject, Property):
            return self._of_property(subject, blueprint)
        assert blueprint is not None, "states and actions belong to a blueprint"
        if isinstance(subject, State):
            return self._all(self._actions, ((blueprint.name, a.name) for a in _entering(blueprint, subject)))
        starts = self._all(self._states, ((blueprint.name, s) for s in subject.from_states))
        return starts if starts or not never.is_met else self._of_action(subject, blueprint)

    def _of_action(self, action: Action, blueprint: Blueprint) -> list[int]:
        """A side that is never met explains who takes it along; else who takes it along explains a side."""
        sides = [(side.blueprint, side.action) for side in action.also]
        unmet = [self._actions[side] for side in sides if side in self._unmet]
        if unmet or not action.admits or any(who.kind != "entity" for who in action.admits):
            return unmet
        return self._callers.get((blueprint.name, action.name), [])

    def _of_property(self, prop: Property, blueprint: Blueprint | None) -> list[int]:
        within = [(blueprint.name, s) for s in prop.in_states] if blueprint is not None else []
        found = self._all(self._states, within)
        for name in _states_named((prop.that.tree, *((prop.when.tree,) if prop.when else ()))):
            found += [n for (owner, state), n in self._states.items() if state == name]
        return found

    def _all(self, known: dict[Key, int], keys: Iterable[Key]) -> list[int]:
        """The numbers of all of these, if each is among those that never happen."""
        asked = list(keys)
        return [known[key] for key in asked] if all(key in known for key in asked) else []


def _entering(blueprint: Blueprint, state: State) -> Iterator[Action]:
    for action in blueprint.actions.values():
        leads = action.to == state.name or (action.name == "create" and state.initial)
        if leads or (action.to_if is not None and state.name in _texts(action.to_if.tree)):
            yield action


def _texts(tree: Node) -> set[str]:
    return {str(n.value) for n in walk(tree) if isinstance(n, Literal)}


def _states_named(trees: Iterable[Node]) -> Iterator[str]:
    """What something is said to be equal to."""
    for tree in trees:
        for node in walk(tree):
            if isinstance(node, Compare) and node.op == "==":
                yield from sorted(_texts(node.left) | _texts(node.right))
