"""What every key of the language means, in one sentence each: the hover text of editors.

One table of sections (`action`, `effect`, ...), each a table of keys. A schema can only name keys that
stand here, and a test refuses a key that no schema names.
"""

from __future__ import annotations

from collections.abc import Mapping

ENTRY_DOC = "What this is, for people; shown wherever it is named."

TABLES: Mapping[str, str] = {
    "blueprint": "How one kind of entity may live.",
    "app": "An app: its roles, the bounds of its checks, and properties over several blueprints.",
    "state": "The states. Exactly one is `initial`.",
    "field": "The entity's data, typed.",
    "ghost": "Values that exist only while checking, simulating and monitoring: what the outside saw. "
    "Properties read them; guards, `do` and effects may not. They saturate at their range.",
    "action": "What may be done with an entity. `create` makes one; it has no `from`.",
    "timer": "Deadlines as data: while the time field `at` is set, `then` is taken at that instant, "
    "or as soon after as it is possible.",
    "effect": "What is done outside, after the action that asked for it is durable.",
    "inbound": "Events from outside that take an action, each under a path of its own.",
    "invariant": "What is true in every reachable state.",
    "step": "What is true of every step of an existing entity; may read `old.field` and `old.state`.",
    "sometimes": "What is true in at least one reachable state.",
    "eventually": "From these states every fair run reaches those.",
    "unique": "No two entities in these states agree on these fields; the store enforces it.",
    "cannot": "What the policies deny, in every reachable state, to someone who holds this role alone.",
    "migrate": "For live entities when this version replaces another.",
    "read": "Who may get, list and follow which entities.",
    "role": "The roles that people and agents may hold: `name = \"what it is\"`.",
    "scope": "The bounds of a check: how many instances of each blueprint, and the budget.",
    "also": "One other entity's action, taken together with this one: all or none.",
    "member": "What a set holds: enum, id or ref.",
    "signed": "How a delivery proves where it comes from; times may differ by five minutes.",
}  # fmt: skip

_TYPE_KEYS: Mapping[str, str] = {
    "type": "One of bool, int, enum, text, id, ref, set, time, json.",
    "range": "Lowest and highest value, `[lo, hi]`, within ±2^53. An assignment that leaves it is refused.",
    "explore": "Level 2 explores this `[lo, hi]` instead of `range`; level 1 proves over all of `range`.",
    "of": "An enum's members, or what a set holds: `{ type = \"enum\" | \"id\" | \"ref\", … }`.",
    "to": "The blueprint whose entities this refers to.",
    "max": "Most characters of a text, bytes of a json, members of a set.",
    "doc": ENTRY_DOC,
}  # fmt: skip

_PROPERTY_KEYS: Mapping[str, str] = {
    "that": "The expression that must be true.",
    "when": "The premise: it must be true only where this is.",
    "in": "The states in which it must be true.",
    "doc": ENTRY_DOC,
}

_DEFAULT = "The value before anything is assigned. Without it the field starts unset; int, bool and enum \
need it, or a place in `create`'s `sets`."
_SECRET = "Never in logs, events, lists, reports or policies."

KEYS: Mapping[str, Mapping[str, str]] = {
    "blueprint": {
        "blueprint": "The kind of entity: a name like `Rollout`.",
        "doc": "What this kind of entity is.",
        "plural": "Its segment in paths. Default: the lower-case name and `s`.",
        "retain": "Entities final that long are archived with their journal. Default: kept.",
        **{
            name: TABLES[name]
            for name in (
                "read", "state", "field", "ghost", "action", "timer", "effect", "inbound", "invariant",
                "step", "sometimes", "eventually", "unique", "cannot", "migrate",
            )
        },
    },
    "read": {
        "by": "Principals who may. Default: every role with an action here.",
        "when": "Which entities: an expression over their fields.",
        "doc": ENTRY_DOC,
    },
    "state": {
        "initial": "Where `create` puts an entity.",
        "final": "No action is ever possible here.",
        "run": "The effect, or list of effects, asked for by every action that begins a visit here.",
        "after": "How long a visit may last before the action `then` is taken by `timer`.",
        "then": "The action that `timer` takes after `after`.",
        "waits": "It may stay here for ever, and for what.",
        "doc": ENTRY_DOC,
    },
    "field": {
        **_TYPE_KEYS,
        "default": _DEFAULT,
        "frozen": "Only `create`, or a migration, sets it.",
        "secret": _SECRET,
    },
    "argument": {
        **_TYPE_KEYS,
        "default": "The value of an argument that the caller leaves out.",
        "optional": "The caller may leave it out; then it is unset.",
        "secret": _SECRET,
    },
    "ghost": {**_TYPE_KEYS, "default": "The value before anything is assigned."},
    "member": {name: _TYPE_KEYS[name] for name in ("type", "of", "to")},
    "action": {
        "from": "The states in which it is possible: one, a list, or `\"*\"`, every state not final.",
        "to": "The state it leads to. Without `to` and `to_if` it stays, in the same visit.",
        "to_if": "Instead of `to`: an expression whose value is a quoted state.",
        "by": "Who may take it, besides the effects, timers and inbound events wired to it.",
        "when": "The guard, over the state before.",
        "sets": "Fields given by the caller, typed by the field, stored as given.",
        "args": "Other arguments, each with a type; all are read as `arg.NAME`.",
        "do": "Assignments: `\"field = expression\"`, `+=`, `-=`. Simultaneous; each field once.",
        "run": "The effect, or list of effects, that it asks for.",
        "also": "Other entities' actions taken together with it: one transaction, all or none.",
        "fenced": "A caller with a role must name the visit it means; a stale one is refused.",
        "fair": "Some outsider promises to take it if it stays possible.",
        "ghost": "Assignments to ghosts, also one `ref` step away: what this step means to the world.",
        "doc": ENTRY_DOC,
    },
    "also": {
        "on": "A ref field, a ref argument, or one step from either.",
        "action": "The action that the other entity takes.",
        "args": "Its arguments: expressions over this entity before.",
        "when": "The clause is left out where this is false.",
        "doc": ENTRY_DOC,
    },
    "timer": {
        "at": "The time field. Setting it moves the timer; unset stops it.",
        "then": "The action that `timer` takes at that instant.",
        "doc": ENTRY_DOC,
    },
    "effect": {
        "uses": "The adapter: http, call, create, emit, process, wasm, or an installed one.",
        "with": "The adapter's settings. Strings are templates: `{field} {arg.x} {id} {visit} {token} "
        "{env.NAME} {secret.NAME}`; in `call` and `create` values are expressions.",
        "ok": "The action taken when it ends well.",
        "error": "The action taken when it ends badly.",
        "timeout": "How long one attempt may take.",
        "attempts": "How many times it is tried before it has ended badly.",
        "backoff": "Pause between attempts, `\"1s..5m\"`: doubling, jittered.",
        "idempotent": "Repeats of an invocation do no more than one. Default: what the adapter says.",
        "world": "Assignments to ghosts: what each execution does to the world.",
        "late": "`false` promises that the other side never acts on a request after its `timeout`.",
        "doc": ENTRY_DOC,
    },
    "inbound": {
        "path": "Below `/in/{app}/`; may hold `{variables}`.",
        "method": "The HTTP method. Default: POST.",
        "signed": TABLES["signed"],
        "once": "What identifies a delivery, as `header.x` or `body.id`: a second one is not taken again.",
        "find": "Which entity: `{ field = \"body.a.b\" }`, by `id` or a unique field. Absent for `create`.",
        "action": "The action that it takes.",
        "args": "Its arguments, each read from `body.` `query.` `header.` or `path.`.",
        "doc": ENTRY_DOC,
    },
    "signed": {
        "scheme": "One of standard, github, stripe.",
        "secret": "The name of the secret that the operator holds.",
    },
    "invariant": _PROPERTY_KEYS,
    "step": _PROPERTY_KEYS,
    "sometimes": _PROPERTY_KEYS,
    "eventually": {
        "from": "The states that it starts from.",
        "to": "The states of which every fair run from there reaches one.",
        "doc": ENTRY_DOC,
    },
    "unique": {
        "fields": "The fields that must differ; an unset one exempts.",
        "in": "The states that count. Default: all.",
        "doc": ENTRY_DOC,
    },
    "cannot": {
        "role": "The role, held alone.",
        "do": "Actions, or `\"read\"`.",
        "when": "Where it is denied. Default: everywhere.",
        "doc": ENTRY_DOC,
    },
    "migrate": {
        "state": "`old = \"new\"` for each state that is no more.",
        "field": "`name = \"expression over old.*\"`; a new field without default needs one.",
        "doc": ENTRY_DOC,
    },
    "app": {
        "app": "The app's name, the first segment of its paths.",
        "doc": "What this app is.",
        "exclusive": "Roles that no one holds together: `[[\"clerk\", \"manager\"]]`.",
        **{name: TABLES[name] for name in ("role", "scope", "ghost", "invariant", "step", "sometimes")},
    },
    "scope": {
        "principals": "How many principals a check tells apart.",
        "budget_states": "Most distinct states that a search may visit. Default: 2000000.",
        "budget_seconds": "Seconds after which a search stops, undecided.",
    },
}  # fmt: skip
