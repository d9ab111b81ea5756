"""Who may do what: actions and reading down, roles and internal principals across."""

from __future__ import annotations

from lathe.lang.expr import Expression, Special, walk
from lathe.lang.model import Action, App, Blueprint, Principal
from lathe.lang.render.escape import code, prose
from lathe.lang.render.facts import readers
from lathe.lang.render.markdown import aligned
from lathe.lang.render.phrase import condition
from lathe.lang.render.words import codes

YES = "yes"
WHERE = "if"
NO = "–"

_LEGEND = (
    f"`{YES}`: may take it where it is possible. `{WHERE}`: only if a condition about the caller holds, "
    f"which stands below. `{NO}`: may not. A condition about the entity alone is not shown here."
)


def permission_tables(app: App) -> str:
    """A matrix under a heading for each blueprint, and the legend."""
    lines = [f"# {prose(app.name)}", "", _LEGEND, ""]
    if app.policies:
        lines += [f"Policies in {codes(sorted(app.policies))} permit and forbid more than this shows.", ""]
    for blueprint in app.blueprints.values():
        lines += _matrix(app, blueprint)
    return "\n".join(lines).rstrip() + "\n"


def _matrix(app: App, blueprint: Blueprint) -> list[str]:
    columns = _columns(app, blueprint)
    actions = sorted(blueprint.actions.values(), key=lambda action: action.name != "create")
    rows = [[a.name, *(_may(a.admits, a.when, column) for column in columns)] for a in actions]
    when = blueprint.read.when if blueprint.read else None
    rows.append(["read", *(_may(readers(blueprint), when, column) for column in columns)])
    lines = [f"## {blueprint.name}", "", *aligned(["", *map(str, columns)], rows), ""]
    conditions = [*_flagged(actions), *_flag("read", when)]
    return lines + ([*conditions, ""] if conditions else [])


def _columns(app: App, blueprint: Blueprint) -> list[Principal]:
    """Every role of the app, used or not, then the internal principals that may do something here."""
    found = dict.fromkeys(Principal("role", name) for name in app.roles)
    admitted = [p for a in blueprint.actions.values() for p in a.admits] + list(readers(blueprint))
    order = ("role", "any", "inbound", "entity", "effect", "timer")
    found.update(dict.fromkeys(sorted(admitted, key=lambda p: (order.index(p.kind), p.name or ""))))
    return list(found)


def _may(admitted: tuple[Principal, ...], when: Expression | None, who: Principal) -> str:
    is_open = who in admitted or (who.kind == "role" and Principal("any") in admitted)
    if not is_open:
        return NO
    return WHERE if _concerns_caller(when) and who.kind not in ("effect", "timer") else YES


def _concerns_caller(when: Expression | None) -> bool:
    nodes = walk(when.tree) if when else ()
    return any(isinstance(node, Special) and node.name == "actor" for node in nodes)


def _flagged(actions: list[Action]) -> list[str]:
    return [line for action in actions for line in _flag(action.name, action.when)]


def _flag(name: str, when: Expression | None) -> list[str]:
    if when is None or not _concerns_caller(when):
        return []
    return [f"- {code(name)} only if {condition(when)}."]
