"""Who may do what: actions and reading down, roles and internal principals across."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.lang.expr import Expression, Special, walk
from lathe.lang.model import App, Blueprint, Json, Principal
from lathe.lang.render.escape import code, prose
from lathe.lang.render.facts import readers
from lathe.lang.render.markdown import aligned
from lathe.lang.render.phrase import condition
from lathe.lang.render.ruling import Ruling
from lathe.lang.render.words import codes

YES = "yes"
WHERE = "if"
NO = "–"
POLICY = "policy"

_LEGEND = (
    f"`{YES}`: may take it where it is possible. `{WHERE}`: only if a condition about the caller holds, "
    f"which stands below. `{NO}`: may not. A condition about the entity alone is not shown here."
)

_RULED = (
    f"`{POLICY}`: the policies that stand below decide, by the entity, the arguments or who asks. A role is "
    "looked at alone: with another one a policy may say otherwise."
)


def permission_tables(app: App, ruling: Ruling | None = None) -> str:
    """A matrix under a heading for each blueprint, and the legend."""
    lines = [f"# {prose(app.name)}", "", _LEGEND, ""]
    if ruling is not None and ruling.named:
        lines += [_RULED, ""]
    elif app.policies and ruling is None:
        lines += [f"Policies in {codes(sorted(app.policies))} permit and forbid more than this shows.", ""]
    for blueprint in app.blueprints.values():
        lines += _matrix(app, blueprint, ruling)
    return "\n".join(lines).rstrip() + "\n"


def permission_data(app: App, ruling: Ruling | None = None) -> list[Json]:
    """The matrices as data: for each blueprint its columns, and a row of cells for each action and `read`.

    `if` says the condition about the caller, `policies` which have their say.
    """
    return [_data(app, blueprint, ruling) for blueprint in app.blueprints.values()]


def _data(app: App, blueprint: Blueprint, ruling: Ruling | None) -> Json:
    columns = _columns(app, blueprint)
    rows: list[Json] = []
    for name, admits, when in _asked(blueprint):
        named = ruling.named.get((blueprint.name, name), ()) if ruling is not None else ()
        rows.append(
            {
                "action": name,
                "cells": [*_cells(blueprint, (name, admits, when), columns, ruling)],
                **({"if": when.text} if when is not None and _concerns_caller(when) else {}),
                **({"policies": [*named]} if named else {}),
            }
        )
    return {"blueprint": blueprint.name, "columns": [str(who) for who in columns], "rows": rows}


Row = tuple[str, tuple[Principal, ...], Expression | None]


def _asked(blueprint: Blueprint) -> list[Row]:
    """What may be done: `create` first, the actions as written, then `read`."""
    actions = sorted(blueprint.actions.values(), key=lambda action: action.name != "create")
    asked: list[Row] = [(a.name, a.admits, a.when) for a in actions]
    return [*asked, ("read", readers(blueprint), blueprint.read.when if blueprint.read else None)]


def _cells(blueprint: Blueprint, row: Row, columns: list[Principal], ruling: Ruling | None) -> Iterator[str]:
    name, admits, when = row
    for who in columns:
        yield _ruled(_may(admits, when, who), when, ruling, (blueprint.name, name, who))


def _matrix(app: App, blueprint: Blueprint, ruling: Ruling | None) -> list[str]:
    columns, asked = _columns(app, blueprint), _asked(blueprint)
    rows = [[row[0], *_cells(blueprint, row, columns, ruling)] for row in asked]
    lines = [f"## {blueprint.name}", "", *aligned(["", *map(str, columns)], rows), ""]
    below = [line for name, _, when in asked for line in _flag(name, when)]
    if ruling is not None:
        below += _policies(ruling, blueprint, [name for name, _, _ in asked])
    return lines + ([*below, ""] if below else [])


def _ruled(
    plain: str, when: Expression | None, ruling: Ruling | None, key: tuple[str, str, Principal]
) -> str:
    """What `by` alone says, or what policies make of it."""
    if ruling is None or key not in ruling.answers:
        return plain
    answer = ruling.answers[key]
    if answer is None:
        return POLICY
    if not answer:
        return NO
    return WHERE if _concerns_caller(when) and key[2].kind not in ("effect", "timer") else YES


def _policies(ruling: Ruling, blueprint: Blueprint, names: list[str]) -> list[str]:
    """The policies that have their say in each action."""
    named = ((name, ruling.named.get((blueprint.name, name), ())) for name in names)
    return [f"- {code(name)}: {', '.join(policies)}." for name, policies in named if policies]


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


def _flag(name: str, when: Expression | None) -> list[str]:
    if when is None or not _concerns_caller(when):
        return []
    return [f"- {code(name)} only if {condition(when)}."]
