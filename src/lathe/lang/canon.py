"""The canonical form of an app, whatever its text looks like, and the digest of it.

JSON with sorted keys, no white space, defaults filled in. White space, comments, key order, the
order of files and the names of blueprint files have no influence; `doc` texts, policies and the
hashes of modules have. Gauges take no part: they are about the app, not of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from lathe.lang.expr import (
    And,
    Arithmetic,
    Call,
    Compare,
    Expression,
    Follow,
    IfElse,
    Literal,
    Members,
    Negate,
    Node,
    Not,
    Or,
    Population,
    Quantifier,
    Read,
    SetChange,
    Special,
)
from lathe.lang.model import (
    Action,
    Also,
    App,
    Argument,
    Assignment,
    Blueprint,
    Effect,
    Field,
    Ghost,
    Inbound,
    Json,
    Migration,
    Placeholder,
    Property,
    Scope,
    Setting,
    Target,
    Template,
    Value,
)
from lathe.lang.types import Type

FORMAT = "lathe.app/1"


def canonical(app: App) -> bytes:
    """The canonical JSON of an app, in UTF-8. Two texts that say the same give the same bytes."""
    return json.dumps(app_data(app), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def digest(app: App) -> str:
    """SHA-256 over the canonical app: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(canonical(app)).hexdigest()}"


def app_data(app: App) -> Json:
    """The canonical app as JSON data."""
    return {
        "format": FORMAT,
        "app": app.name,
        "doc": app.doc,
        "role": dict(app.roles),
        "exclusive": sorted([_list(sorted(group)) for group in app.exclusive], key=repr),
        "scope": _scope(app.scope),
        "ghost": {name: _ghost(ghost) for name, ghost in app.ghosts.items()},
        "property": {name: _property(entry) for name, entry in app.properties.items()},
        "blueprint": {name: blueprint_data(entry) for name, entry in app.blueprints.items()},
        "policy": dict(app.policies),
        "module": dict(app.modules),
    }


def blueprint_data(blueprint: Blueprint) -> Json:
    """A canonical blueprint as JSON data."""
    read = blueprint.read
    return {
        "doc": blueprint.doc,
        "plural": blueprint.plural,
        "read": None if read is None else {"by": _sorted(read.by), "when": _maybe(read.when)},
        "retain_ms": blueprint.retain_ms,
        "state": {
            name: {
                "initial": state.initial,
                "final": state.final,
                "run": _list(state.run),
                "after_ms": state.after_ms,
                "then": state.then,
                "waits": state.waits,
                "doc": state.doc,
            }
            for name, state in blueprint.states.items()
        },
        "field": {name: _field(field) for name, field in blueprint.fields.items()},
        "ghost": {name: _ghost(ghost) for name, ghost in blueprint.ghosts.items()},
        "action": {name: _action(action) for name, action in blueprint.actions.items()},
        "timer": {
            name: {"at": timer.at, "then": timer.then, "doc": timer.doc}
            for name, timer in blueprint.timers.items()
        },
        "effect": {name: _effect(effect) for name, effect in blueprint.effects.items()},
        "inbound": {name: _inbound(inbound) for name, inbound in blueprint.inbound.items()},
        **_properties(blueprint),
        "migrate": None if blueprint.migrate is None else _migration(blueprint.migrate),
    }


def _properties(blueprint: Blueprint) -> dict[str, Json]:
    return {
        "property": {name: _property(entry) for name, entry in blueprint.properties.items()},
        "eventually": {
            name: {"from": _sorted(entry.from_states), "to": _sorted(entry.to_states), "doc": entry.doc}
            for name, entry in blueprint.eventually.items()
        },
        "unique": {
            name: {"fields": _sorted(entry.fields), "in": _sorted(entry.in_states), "doc": entry.doc}
            for name, entry in blueprint.unique.items()
        },
        "cannot": {
            name: {
                "role": entry.role,
                "do": _sorted(entry.actions),
                "when": _maybe(entry.when),
                "doc": entry.doc,
            }
            for name, entry in blueprint.cannot.items()
        },
    }


def _list(items: Iterable[Json | str]) -> list[Json]:
    return list(items)


def _sorted(items: Iterable[object]) -> list[Json]:
    """Texts whose order says nothing."""
    return _list(sorted(str(item) for item in items))


def _maybe(expression: Expression | None) -> Json:
    return None if expression is None else tree_data(expression.tree)


def _scope(scope: Scope) -> Json:
    return {
        "instances": dict(scope.instances),
        "principals": scope.principals,
        "budget_states": scope.budget_states,
        "budget_seconds": scope.budget_seconds,
    }


def _type(type_: Type) -> dict[str, Json]:
    found: dict[str, Json] = {"type": type_.kind}
    if type_.low is not None or type_.high is not None:
        found["range"] = [type_.low, type_.high]
    if type_.members:
        found["of"] = _list(type_.members)
    if type_.blueprint is not None:
        found["to"] = type_.blueprint
    if type_.element is not None:
        found["of"] = _type(type_.element)
    if type_.maximum is not None:
        found["max"] = type_.maximum
    return found


def _value(value: Value) -> Json:
    return [_value(item) for item in value] if isinstance(value, tuple) else value


def _field(field: Field) -> Json:
    return {
        **_type(field.type),
        "has_default": field.has_default,
        "default": _value(field.default),
        "frozen": field.frozen,
        "secret": field.secret,
        "explore": None if field.explore is None else _list(field.explore),
        "doc": field.doc,
    }


def _ghost(ghost: Ghost) -> Json:
    return {**_type(ghost.type), "default": _value(ghost.default), "doc": ghost.doc}


def _argument(argument: Argument) -> Json:
    return {
        **_type(argument.type),
        "has_default": argument.has_default,
        "default": _value(argument.default),
        "optional": argument.optional,
        "secret": argument.secret,
        "sets": argument.from_sets,
        "explore": None if argument.explore is None else _list(argument.explore),
    }


def _assignment(assignment: Assignment) -> Json:
    return {
        "target": assignment.target,
        "scope": assignment.scope,
        "via": _maybe(assignment.via),
        "value": tree_data(assignment.value.tree),
    }


def _assignments(assignments: tuple[Assignment, ...]) -> list[Json]:
    """Assignments of one list are simultaneous, so their order says nothing."""
    return sorted((_assignment(one) for one in assignments), key=lambda one: json.dumps(one, sort_keys=True))


def _action(action: Action) -> Json:
    return {
        "from": _sorted(action.from_states),
        "to": action.to,
        "to_if": _maybe(action.to_if),
        "by": _sorted(action.by),
        "admits": _sorted(action.admits),
        "when": _maybe(action.when),
        "args": {name: _argument(argument) for name, argument in action.arguments.items()},
        "do": _assignments(action.do),
        "run": _list(action.run),
        "also": [_also(clause) for clause in action.also],
        "ghost": _assignments(action.ghost),
        "fenced": action.fenced,
        "fair": action.fair,
        "doc": action.doc,
    }


def _also(clause: Also) -> Json:
    return {
        "on": tree_data(clause.on.tree),
        "blueprint": clause.blueprint,
        "action": clause.action,
        "args": {name: tree_data(value.tree) for name, value in clause.args.items()},
        "when": _maybe(clause.when),
    }


def _effect(effect: Effect) -> Json:
    return {
        "uses": effect.uses,
        "with": settings_data(effect),
        "target": None if effect.target is None else _target(effect.target),
        "takes": {name: _type(type_) for name, type_ in effect.takes.items()},
        "ok": effect.ok,
        "error": effect.error,
        "timeout_ms": effect.timeout_ms,
        "attempts": effect.attempts,
        "backoff_ms": _list(effect.backoff_ms),
        "idempotent": effect.idempotent,
        "world": _assignments(effect.world),
        "late": effect.late,
        "doc": effect.doc,
    }


def _target(target: Target) -> Json:
    return {
        "blueprint": target.blueprint,
        "action": target.action,
        "on": _maybe(target.on),
        "args": {name: tree_data(value.tree) for name, value in target.args.items()},
        "each": target.each,
    }


def settings_data(effect: Effect) -> dict[str, Json]:
    """The settings of an effect as plain data."""
    return {name: _setting(setting) for name, setting in effect.settings.items()}


def _setting(setting: Setting) -> Json:
    """A setting. Its depth is bounded by that of the file, so the recursion is."""
    if isinstance(setting, Template):
        return {"template": [_part(part) for part in setting.parts]}
    if isinstance(setting, Expression):
        return {"expression": tree_data(setting.tree)}
    if isinstance(setting, tuple):
        return {"list": [_setting(part) for part in setting]}
    if isinstance(setting, Mapping):
        return {"table": {name: _setting(part) for name, part in setting.items()}}
    return setting


def _part(part: str | Placeholder) -> Json:
    return part if isinstance(part, str) else [part.scope, part.name]


def _inbound(inbound: Inbound) -> Json:
    return {
        "path": inbound.path,
        "method": inbound.method,
        "signed": None if inbound.signed_scheme is None else [inbound.signed_scheme, inbound.signed_secret],
        "once": inbound.once,
        "find": None if inbound.find is None else _list(inbound.find),
        "action": inbound.action,
        "args": dict(inbound.args),
        "doc": inbound.doc,
    }


def _property(entry: Property) -> Json:
    return {
        "kind": entry.kind,
        "that": tree_data(entry.that.tree),
        "when": _maybe(entry.when),
        "in": _sorted(entry.in_states),
        "doc": entry.doc,
    }


def _migration(migration: Migration) -> Json:
    return {
        "state": dict(migration.states),
        "field": {name: tree_data(value.tree) for name, value in migration.fields.items()},
    }


def tree_data(node: Node) -> Json:
    """An expression's tree as nested lists: a word for the kind of node, then its parts.

    The parser bounds the depth of a tree, so the recursion is bounded.
    """
    match node:
        case Literal():
            return ["literal", node.value]
        case Read():
            return [node.scope, node.name]
        case Special():
            return [node.name]
        case Follow():
            return ["follow", tree_data(node.base), node.what, node.name]
        case Not() | Negate():
            return ["not" if isinstance(node, Not) else "negate", tree_data(node.operand)]
        case And() | Or():
            return ["and" if isinstance(node, And) else "or", *map(tree_data, node.operands)]
        case Compare() | Arithmetic() | SetChange():
            return [node.op, tree_data(node.left), tree_data(node.right)]
        case IfElse():
            return ["if", tree_data(node.condition), tree_data(node.then), tree_data(node.otherwise)]
        case Members():
            return ["members", *map(tree_data, node.items)]
        case Call():
            return [node.function, *map(tree_data, node.arguments)]
        case Population():
            return ["population", node.blueprint]
        case Quantifier():
            loops: list[Json] = [
                [loop.variable, tree_data(loop.source), _maybe_tree(loop.condition)] for loop in node.loops
            ]
            return [node.function, loops, tree_data(node.body)]


def _maybe_tree(node: Node | None) -> Json:
    return None if node is None else tree_data(node)
