"""Goals of guided runs: every action, in every state from which a blueprint allows it.

The goals of an app follow from its blueprints alone, and the seed decides with which goal its run begins, so
a seed means the same whatever other seeds ran before. Goals that are farthest away come first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from lathe.frozen import frozen, mutable
from lathe.lang.model import App, Blueprint
from lathe.lang.render.facts import targets

ASKED = 3
"""How often a guided run asks for what is its goal, before it takes up the next one."""
PATIENCE = 12
"""How many commands it spends on one goal at most: guards may rule it out, which the states do not show."""


@frozen
class Goal:
    """`action`, taken in `state`.

    `left` counts, for each state from which a way leads there, the actions that it takes at least; `ways` are
    those that such a way may begin with.
    """

    blueprint: str
    state: str
    action: str
    left: Mapping[str, int]
    ways: Mapping[str, tuple[str, ...]]

    def next(self, state: str) -> tuple[str, ...]:
        """The actions that lead towards it, or it itself; none where no way leads there."""
        return (self.action,) if state == self.state else self.ways.get(state, ())


@mutable
class Guide:
    """What one run is after: goals in turn, from the one with which it begins."""

    goals: Sequence[Goal]
    at: int
    due_in_ms: Callable[[str, str], int]
    """How soon a timer of an entity is due; not below 0."""
    asked: int = 0
    spent: int = 0

    @property
    def goal(self) -> Goal:
        """The one of now."""
        return self.goals[self.at % len(self.goals)]

    def spend(self, action: str, state: str) -> None:
        """A command was spent on the goal: `action`, asked for in `state`."""
        goal = self.goal
        self.spent += 1
        self.asked += (action, state) == (goal.action, goal.state)
        if self.asked >= ASKED or self.spent >= PATIENCE:
            self.give_up()

    def give_up(self) -> None:
        """Take up the next goal."""
        self.at, self.asked, self.spent = self.at + 1, 0, 0


def goals_of(app: App) -> tuple[Goal, ...]:
    """The goals of an app, the rarest first; none of a state that no way leads to."""
    found: list[tuple[int, Goal]] = []
    for blueprint in app.blueprints.values():
        initial = next(state.name for state in blueprint.states.values() if state.initial)
        for state in blueprint.states:
            left = _left(blueprint, state)
            if initial not in left:
                continue
            ways = _ways(blueprint, left)
            found += [
                (left[initial], Goal(blueprint.name, state, action.name, left, ways))
                for action in blueprint.actions.values()
                if state in action.from_states
            ]
    return tuple(goal for _, goal in sorted(found, key=lambda one: -one[0]))


def _left(blueprint: Blueprint, goal: str) -> dict[str, int]:
    """How many actions it takes at least to come to a state, from each from which a way leads there."""
    left = {goal: 0}
    waiting = deque([goal])
    while waiting:
        to = waiting.popleft()
        for action in blueprint.actions.values():
            for state in action.from_states if to in targets(action) else ():
                if state not in left:
                    left[state] = left[to] + 1
                    waiting.append(state)
    return left


def _ways(blueprint: Blueprint, left: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """The actions by which less is left, by state."""
    found: dict[str, list[str]] = {}
    for action in blueprint.actions.values():
        nearest = min((left[to] for to in targets(action) if to in left), default=None)
        for state in action.from_states:
            if nearest is not None and nearest < left.get(state, 0):
                found.setdefault(state, []).append(action.name)
    return {state: tuple(names) for state, names in found.items()}
