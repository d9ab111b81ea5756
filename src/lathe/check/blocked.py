"""Why nothing leads out of where an entity is stuck: the guards that are false there, with what they read."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.lang.expr import Expression, Read, Special, walk
from lathe.lang.model import Blueprint
from lathe.machine.clauses import false_clauses
from lathe.machine.evaluate import Frame, holds
from lathe.machine.reading import value
from lathe.machine.table import Table

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
