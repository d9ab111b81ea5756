"""`/v1/intents`: refused requests, counted by kind, each with the change that would allow it."""

from __future__ import annotations

from lathe.api.entities.guards import conjuncts
from lathe.lang.expr import Expression
from lathe.lang.model import Action, Blueprint
from lathe.lang.unparse import unparse
from lathe.machine.moment import rfc3339
from lathe.machine.table import BlueprintTable
from lathe.runtime.catalog import Live
from lathe.runtime.intents import CLAUSE_CHARACTERS_LIMIT, JOINT
from lathe.store.records import Intent


def told(live: Live, intent: Intent) -> dict[str, object]:
    """An intent as JSON data."""
    return {
        "blueprint": intent.blueprint,
        "action": intent.action,
        "state": intent.state,
        "reason": intent.reason,
        "clause": intent.clause,
        "count": intent.count,
        "example": intent.example,
        "first": rfc3339(intent.first_ms),
        "last": rfc3339(intent.last_ms),
        "help": allowing(live, intent),
    }


def allowing(live: Live, intent: Intent) -> str:
    """What of the current version would have to be otherwise; that it is already, if it is.

    It says what would let the refused pass, not that this would be right: the verifier has the next word.
    """
    table = live.table.blueprints.get(intent.blueprint)
    if table is None:
        return f"the current version has no `{intent.blueprint}`"
    rule = table.rules.get(intent.action)
    if rule is None:
        return _missing(table, intent)
    action = rule.action
    match intent.reason:
        case "state" if intent.state not in action.from_states and action.name != "create":
            states = ", ".join(f'"{one}"' for one in (*action.from_states, intent.state))
            return f"let it be possible from `{intent.state}` too: `from = [{states}]`"
        case "guard" if action.when is not None and intent.clause in _conditions(action.when):
            part = "" if intent.clause == _cut(action.when.text) else f"`{intent.clause}` in "
            return f"weaken {part}its guard: `when = {_quoted(action.when.text)}`"
        case "denied":
            return _denied(live, action)
        case "range":
            return _range(table.blueprint, action)
        case "unique":
            return _unique(table.blueprint)
        case _ if intent.reason == JOINT:
            return "see why the other refuses: what is taken in one step is refused in one step"
    return "the current version has changed since: it may be possible now"


def _conditions(guard: Expression) -> set[str]:
    """What is counted of a guard: each condition that must hold, or all of it where that cannot be told."""
    return {_cut(guard.text), *(_cut(unparse(part)) for part in conjuncts(guard.tree))}


def _cut(text: str) -> str:
    return text[:CLAUSE_CHARACTERS_LIMIT]


def _missing(table: BlueprintTable, intent: Intent) -> str:
    there = ", ".join(f"`{name}`" for name in table.rules)
    return f"add `[action.{intent.action}]`, or tell those who ask that there are {there}"


def _denied(live: Live, action: Action) -> str:
    if live.app.policies:
        return (
            "a role or a policy that permits it, and no `forbid`; `lathe policy why` says what is in the way"
        )
    by = ", ".join(f"`{one}`" for one in action.by) or "nobody outside"
    return f"give those who ask for it a role that may, or widen its `by`: it is open to {by}"


def _range(blueprint: Blueprint, action: Action) -> str:
    numbers = [
        f"`{one.target}`"
        for one in action.do
        if one.target in blueprint.fields and blueprint.fields[one.target].type.kind == "int"
    ]
    named = ", ".join(dict.fromkeys(numbers))
    return f"widen the `range` of {named}" if named else "widen the `range` of what it changes"


def _unique(blueprint: Blueprint) -> str:
    named = ", ".join(f"`{name}` ({', '.join(one.fields)})" for name, one in blueprint.unique.items())
    return f"let more than one hold it: loosen {named}" if named else "it may be held twice by now"


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'
