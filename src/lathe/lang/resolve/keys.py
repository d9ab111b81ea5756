"""The keys of a blueprint and of the entries of its tables, each with the shape of its value."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.lang.adapters import ADAPTERS
from lathe.lang.resolve.shapes import Key

_DOC = Key("text", "a text for people")
_FLAG = "true or false"
_BY = Key("words", "a principal, or a list of principals")

TOP: Mapping[str, Key] = {
    "blueprint": Key("text", "its name, like `Rollout`", required=True, example='"Rollout"'),
    "doc": _DOC,
    "plural": Key("text", "its segment in paths"),
    "read": Key("any", "principals, or `{ by = [...], when = \"expression\" }`"),
    "retain": Key("text", 'a duration like "30d"', example='"30d"'),
    "state": Key("table", "the table of states", required=True),
    "field": Key("table", "the table of fields"),
    "ghost": Key("table", "the table of ghosts"),
    "action": Key("table", "the table of actions", required=True),
    "timer": Key("table", "the table of deadlines"),
    "effect": Key("table", "the table of effects"),
    "inbound": Key("table", "the table of events from outside"),
    "invariant": Key("table", "what is true in every reachable state"),
    "step": Key("table", "what is true of every step"),
    "sometimes": Key("table", "what is true in some reachable state"),
    "eventually": Key("table", "what every fair run reaches"),
    "unique": Key("table", "what no two entities agree on"),
    "cannot": Key("table", "what the policies deny"),
    "migrate": Key("table", "how live entities come over"),
}  # fmt: skip
STATE: Mapping[str, Key] = {
    "initial": Key("flag", _FLAG),
    "final": Key("flag", _FLAG),
    "run": Key("words", "an effect, or a list of effects"),
    "after": Key("text", 'a duration like "15m"', example='"15m"'),
    "then": Key("text", "the action that the timer takes"),
    "waits": Key("text", "a text: what it waits for"),
    "doc": _DOC,
}
ACTION: Mapping[str, Key] = {
    "from": Key("words", 'a state, a list of states, or "*"'),
    "to": Key("text", "a state, or nothing where it stays", example='"STATE"'),
    "to_if": Key("text", "an expression whose value is a quoted state"),
    "by": _BY,
    "when": Key("text", "an expression in quotes"),
    "sets": Key("list", "a list of fields"),
    "args": Key("table", "a table of arguments, each with its type"),
    "do": Key("list", 'a list of assignments, each like "field = expression"'),
    "run": Key("words", "an effect, or a list of effects"),
    "also": Key("tables", "a list of tables `{ on, action, args, when }`"),
    "fenced": Key("flag", _FLAG),
    "fair": Key("flag", _FLAG),
    "ghost": Key("list", 'a list of assignments, each like "ghost = expression"'),
    "doc": _DOC,
}
NOT_FOR_CREATE = ("from", "to", "to_if")
EFFECT: Mapping[str, Key] = {
    "uses": Key("text", "the name of an adapter", required=True, example='"http"'),
    "with": Key("table", "the table of the adapter's settings"),
    "ok": Key("text", "the action taken when it ends well"),
    "error": Key("text", "the action taken when it ends badly"),
    "timeout": Key("text", 'a duration like "30s"', example='"30s"'),
    "attempts": Key("int", "how often it is tried"),
    "backoff": Key("text", 'two durations like "1s..5m"', example='"1s..5m"'),
    "idempotent": Key("flag", _FLAG),
    "world": Key("list", 'a list of assignments, each like "ghost = expression"'),
    "late": Key("flag", "false, as a promise"),
    "doc": _DOC,
}
TIMER: Mapping[str, Key] = {
    "at": Key("text", "the time field", required=True, example='"FIELD"'),
    "then": Key("text", "the action that is taken", required=True, example='"ACTION"'),
    "doc": _DOC,
}
INBOUND: Mapping[str, Key] = {
    "path": Key("text", "its path under `/in/{app}/`", required=True, example='"paid/{id}"'),
    "method": Key("text", "an HTTP method"),
    "signed": Key(
        "table", "a table `{ scheme, secret }`", example='{ scheme = "standard", secret = "NAME" }'
    ),
    "once": Key("text", 'what identifies a delivery, like "header.webhook-id"'),
    "find": Key("table", 'a table `{ field = "body.a.b" }`'),
    "action": Key("text", "the action that is taken", required=True, example='"ACTION"'),
    "args": Key("table", 'a table, each like `amount = "body.amount"`'),
    "doc": _DOC,
}
SETTINGS_ELSEWHERE: Mapping[str, tuple[str, str]] = {
    name: ("with", f"it is a setting of the adapter: write `with = {{ {name} = … }}`")
    for adapter in ADAPTERS.values()
    for name in adapter.settings
    if name not in EFFECT
}
"""Settings that stand beside `with` instead of under it."""
