"""The transition table: one row for each action, in the author's own text."""

from __future__ import annotations

from lathe.lang.model import Action, App, Blueprint
from lathe.lang.render.escape import code, prose
from lathe.lang.render.facts import targets
from lathe.lang.render.markdown import aligned

HEADER = ("from", "action", "who", "guard", "to", "changes", "runs")
NOTHING = "–"


def transition_tables(app: App) -> str:
    """A table under a heading for each blueprint."""
    lines = [f"# {prose(app.name)}", ""]
    for blueprint in app.blueprints.values():
        rows = [_row(blueprint, action) for action in _ordered(blueprint)]
        lines += [f"## {blueprint.name}", "", *aligned(HEADER, rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def _ordered(blueprint: Blueprint) -> list[Action]:
    """`create` first, then as written."""
    return sorted(blueprint.actions.values(), key=lambda action: action.name != "create")


def _row(blueprint: Blueprint, action: Action) -> tuple[str, ...]:
    to = targets(action) or ((blueprint.initial,) if action.name == "create" else ())
    return (
        "any" if action.from_any else ", ".join(action.from_states) or NOTHING,
        action.name,
        ", ".join(str(p) for p in dict.fromkeys((*action.by, *action.admits))) or NOTHING,
        code(action.when.text) if action.when else NOTHING,
        " or ".join(to) or "stays",
        ", ".join(_changes(action)) or NOTHING,
        ", ".join(_runs(blueprint, action, to)) or NOTHING,
    )


def _changes(action: Action) -> list[str]:
    given = [code(f"{name} = arg.{name}") for name in action.sets]
    together = [f"with {code(f'{clause.on.text}.{clause.action}')}" for clause in action.also]
    return given + [code(a.text) for a in action.do] + together


def _runs(blueprint: Blueprint, action: Action, to: tuple[str, ...]) -> list[str]:
    """What it asks for itself, then what the state that it enters asks for."""
    entered = (effect for state in to for effect in blueprint.states[state].run)
    return list(dict.fromkeys((*action.run, *entered)))
