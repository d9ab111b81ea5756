"""Why something is never possible: guards that are false where an entity is stuck, transitions that bypass
it.
"""

from __future__ import annotations

from collections.abc import Iterator

from lathe.lang.expr import Expression, Literal, Read, Special, walk
from lathe.lang.model import Action, Blueprint, State
from lathe.machine.clauses import false_clauses
from lathe.machine.evaluate import Frame, holds
from lathe.machine.table import Table
from lathe.machine.trace_english import value

MOST_TOLD = 3
"""Guards that are told; of a state with more ways out they would be too much to read."""


def false_guards(table: Table, blueprint: Blueprint, frame: Frame) -> str:
    """The guards that are false in the frame, whoever asks and with whatever arguments; empty if none is.

    "`go` at line 7 needs `tries < 3` (tries = 3)"
    """
    told = list(_told(table, blueprint, frame))
    return "; ".join(told) if 0 < len(told) <= MOST_TOLD else ""


def _told(table: Table, blueprint: Blueprint, frame: Frame) -> Iterator[str]:
    assert frame.entity is not None, "an entity is stuck"
    for action in blueprint.actions.values():
        is_way = action.name != "create" and frame.entity.state in action.from_states
        if not is_way or action.when is None or not _is_settled(action.when):
            continue
        if holds(action.when.tree, frame):
            continue
        clause = false_clauses(table, action.when.tree, frame)[0]
        values = ", ".join(f"{name} = {value(held)}" for name, held in clause.values.items())
        said = f"`{clause.text}`" + (f" ({values})" if values else "")
        yield f"`{action.name}` at line {action.span.line} needs {said}"


def _is_settled(guard: Expression) -> bool:
    """Whether a guard is true or false whoever asks, with whatever arguments."""
    return not any(
        (isinstance(node, Read) and node.scope == "arg")
        or (isinstance(node, Special) and node.name in ("actor", "now"))
        for node in walk(guard.tree)
    )


def reach_help(blueprint: Blueprint, state: State) -> str:
    """What to do about a state that is never reached."""
    into = [a.name for a in blueprint.actions.values() if a.to == state.name]
    chosen = [a for a in blueprint.actions.values() if _may_choose(a, state.name)]
    if state.initial and "create" in blueprint.actions:
        into.insert(0, "create")
    if into:
        return f"{_listed(into)} would enter it but can never be taken: see why, or drop the state"
    if chosen:
        ways = ", ".join(f"`{a.name}` at line {a.span.line}" for a in chosen)
        return (
            f"whenever {ways} is taken, its `to_if` leads elsewhere: look at its condition, or drop the state"
        )
    return f'let an action enter it (`to = "{state.name}"`), or drop the state'


def _waiting(blueprint: Blueprint, action: Action) -> tuple[str, str] | None:
    """An effect whose end takes the action, and another that each visit asks for before it."""
    ends = [e.name for e in blueprint.effects.values() if action.name in (e.ok, e.error)]
    waits = {e.name for e in blueprint.effects.values() if not e.is_notice}
    for asking in blueprint.actions.values():
        state = blueprint.states.get(asking.to or (blueprint.initial if asking.name == "create" else ""))
        every = [*asking.run, *(state.run if state is not None else ())]
        asked = [name for name in every if name in waits]
        behind = [name for name in ends if name in asked[1:] and name != asked[0]]
        if behind:
            return behind[0], asked[0]
    return None


def _may_choose(action: Action, state: str) -> bool:
    """Whether a `to_if` names the state."""
    nodes = walk(action.to_if.tree) if action.to_if is not None else ()
    return any(isinstance(n, Literal) and n.value == state for n in nodes)


def take_help(blueprint: Blueprint, action: Action) -> str:
    """What to do about an action that can never be taken."""
    ends = [e for e in blueprint.effects.values() if e.target is not None and e.error == action.name]
    if ends and not action.by:
        named = _listed([e.name for e in ends])
        drop = f"take `error` out of it and drop `{action.name}`"
        return f"{named} is never refused: {drop}, or see why it never runs"
    if before := _waiting(blueprint, action):
        mine, first = before
        return (
            f"`{mine}` waits for `{first}`, asked for before it: effects run one by one. If the end of "
            f"`{first}` leaves the visit, `{mine}` never starts: ask for it where that leads, or let it stay"
        )
    if action.when is not None:
        where = _listed(list(action.from_states)) or "a new entity"
        return f"its guard `{action.when.text}` is never true in {where}: mend the guard, or drop the action"
    return "no reachable state makes it possible: check its `from`, `by` and arguments, or drop it"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)
