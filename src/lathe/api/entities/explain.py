"""`?explain=ACTION`: whether the caller may take an action on an entity, and which policies decide it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lathe.api.access.authentication import Principal
from lathe.api.access.denials import completed, explained
from lathe.api.entities.request import body_of
from lathe.api.wire.problem import Problem
from lathe.api.wire.validation import arguments_help, none_of, only
from lathe.lang.model import Action
from lathe.machine.snapshot import Value
from lathe.machine.table import BlueprintTable
from lathe.runtime.catalog import Live
from lathe.runtime.plan import Held
from lathe.runtime.values import InvalidValueError, arguments

PARAMETERS = ("explain", "roles", "args")
ARGS_CHARACTERS_LIMIT = 8_192


def explain(
    live: Live, table: BlueprintTable, held: Held, principal: Principal, asked: Mapping[str, str]
) -> dict[str, object]:
    """`{action, permitted}` with `policies`, or with `nearest` and `forbids`, of an entity that is read.

    `explain` names the action, `args` are its arguments as JSON, `roles` some of the roles that the caller
    holds: what if it held these alone. States and guards are not asked. Raises `Problem`.
    """
    only(asked, *PARAMETERS)
    name = asked["explain"]
    rule = table.rules.get(name)
    if rule is None or name == "create":
        there = [one for one in table.rules if one != "create"]
        said = f"`{table.blueprint.name}` has no action `{name[:80]}` on an entity"
        raise Problem("LR404.action", said, help=none_of(name, there, what="there are"))
    if not principal.takes(table.blueprint.name, name):
        raise Problem("LR403.scope", f"the token is not for `{name}`")
    caller = _narrowed(live, principal, asked.get("roles")).caller(live.app)
    args = completed(rule.action, _args(rule.action, asked.get("args", "")))
    if live.permit(rule.action, held.entity, caller, args):
        policies = live.determining(rule.action, held.entity, caller, args)
        return {"action": name, "permitted": True, "policies": list(policies)}
    what = table.blueprint.name, rule.action
    return {"action": name, "permitted": False, **explained(live, what, caller, args, held, sees=True)}


def _narrowed(live: Live, principal: Principal, text: str | None) -> Principal:
    """The same principal, in some of its roles. Raises `Problem` for others than it holds."""
    if text is None:
        return principal
    wanted = frozenset(role for role in text.split(",") if role)
    strange = wanted - frozenset(live.app.roles)
    if strange:
        raise Problem("LR400.query", f"`{live.app.name}` has no role `{min(strange)[:80]}`")
    if principal.grant is not None or (principal.roles is not None and not wanted <= principal.roles):
        raise Problem("LR403.scope", "`roles` are some of those that the caller holds")
    return replace(principal, roles=wanted)


def _args(action: Action, text: str) -> dict[str, Value]:
    if len(text) > ARGS_CHARACTERS_LIMIT:
        raise Problem("LR400.query", f"`args` has at most {ARGS_CHARACTERS_LIMIT} characters")
    given = body_of(text.encode())
    for name in given:
        if name not in action.arguments:
            said = f"`{name[:80]}` is no argument of it"
            raise Problem("LR422.type", said, argument=name[:80], help=arguments_help(action))
        if action.arguments[name].secret:
            raise Problem("LR422.type", f"`{name}` is secret: no policy sees it", argument=name)
    try:
        return arguments(action.arguments, given)
    except InvalidValueError as error:
        raise Problem("LR422.type", str(error), argument=error.name) from None
