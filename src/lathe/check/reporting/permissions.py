"""What policies change about who may do what, whatever state an entity is in: for the matrix."""

from __future__ import annotations

from lathe.check.bounds import UndecidedError
from lathe.check.composed.layout import Layout
from lathe.check.composed.policies import Policed, internal, policed
from lathe.check.composed.system import lay_out, needed
from lathe.check.search.scope import scopes
from lathe.lang.model import App, Blueprint, Principal
from lathe.lang.render.ruling import Ruling


def ruling(app: App) -> Ruling:
    """What the policies of an app say to each kind of principal, and which they are."""
    found, layout = policed(app), lay_out(app, scopes(app)[0], needed(app))
    answers: dict[tuple[str, str, Principal], bool | None] = {}
    named: dict[tuple[str, str], tuple[str, ...]] = {}
    for blueprint in app.blueprints.values():
        for action in (*blueprint.actions, "read"):
            if found.concerns(blueprint.name, action):
                policies = found.decider.slice(blueprint.name, action).policies
                named[blueprint.name, action] = tuple(f"{p} {p.effect}s" for p in policies)
                for who in _kinds(app, blueprint):
                    answers[blueprint.name, action, who] = _answer(found, layout, (blueprint, action), who)
    return Ruling(answers, named)


def _kinds(app: App, blueprint: Blueprint) -> list[Principal]:
    inside = [p for a in blueprint.actions.values() for p in a.admits if p.kind != "role"]
    return [*(Principal("role", role) for role in app.roles), *dict.fromkeys(inside)]


def _answer(found: Policed, layout: Layout, what: tuple[Blueprint, str], who: Principal) -> bool | None:
    """Whether someone may, always or never; None if that depends on what the policies read."""
    blueprint, action = what
    callers = [(("Principal", name), frozenset[str]()) for name in layout.domains.principals]
    if who.kind == "role":
        callers = [(principal, frozenset({who.name or ""})) for principal, _ in callers]
    elif who.kind != "any":
        callers = [(internal(blueprint, who), frozenset())]
    slot = layout.of(blueprint.name)[0]
    try:
        tables = [found.rows(layout.domains, slot, action, [caller]).allowed for caller in callers]
    except UndecidedError:
        return None
    answers = {is_allowed for table in tables for is_allowed in table}
    return answers.pop() if len(answers) == 1 else None
