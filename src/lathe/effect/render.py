"""Templates in an effect's settings: rendered when the action commits, completed with late values at each
try.

Fields, arguments, `id` and `visit` are filled in at once. `{token}`, `{env.NAME}` and `{secret.NAME}` stay
names in what is stored, as `{"$lathe": [...]}` with the pieces of the text, and get their values for one try.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from urllib.parse import quote

from lathe.frozen import frozen
from lathe.lang.adapters import ADAPTERS
from lathe.lang.model import Blueprint, Effect, Json, Placeholder, Setting, Template
from lathe.lang.types import Kind
from lathe.machine.moment import rfc3339
from lathe.machine.snapshot import Invocation, Value

LATE = frozenset({"token", "env", "secret"})
"""The scopes of placeholders that are never stored."""
MARK = "$lathe"
TOLD_OTHERWISE = frozenset({"json", "time"})
"""Kinds whose stored form differs from the one shown outside."""

Lookup = Callable[[str, str], str]
"""The value of a late placeholder, by scope and name. Raises `MissingError`."""


class MissingError(LookupError):
    """A name of the environment, or a secret, that this app was not given."""


@frozen
class Moment:
    """What a request is rendered from: its entity, and the types of the values that it may name.

    `kinds` are the types of fields and arguments that are no plain JSON inside: `json` and `time`.
    """

    entity: str
    invocation: Invocation
    kinds: Mapping[tuple[str, str], Kind]


def kinds_of(blueprint: Blueprint) -> dict[tuple[str, str], Kind]:
    """The fields and arguments of a blueprint whose stored form differs from the one shown outside."""
    found: dict[tuple[str, str], Kind] = {
        ("field", f.name): f.type.kind for f in blueprint.fields.values() if f.type.kind in TOLD_OTHERWISE
    }
    for action in blueprint.actions.values():
        for argument in action.arguments.values():
            if argument.type.kind in TOLD_OTHERWISE:
                found["arg", argument.name] = argument.type.kind
    return found


def render(effect: Effect, moment: Moment) -> dict[str, Json]:
    """The request of an invocation, from the values captured when it was requested."""
    adapter = ADAPTERS.get(effect.uses)
    specs = adapter.settings if adapter else {}
    rendered: dict[str, Json] = {}
    for name, setting in effect.settings.items():
        is_url = name in specs and specs[name].kind == "url"
        rendered[name] = _render(setting, moment, is_url=is_url)
    return rendered


def _render(setting: Setting, moment: Moment, *, is_url: bool) -> Json:
    if isinstance(setting, Template):
        return _text(setting, moment, is_url=is_url)
    if isinstance(setting, Mapping):
        return {k: _render(v, moment, is_url=is_url) for k, v in setting.items()}
    if isinstance(setting, tuple):
        return [_render(v, moment, is_url=is_url) for v in setting]
    assert setting is None or isinstance(setting, (bool, int, float, str)), "expressions are no requests"
    return setting


def _text(template: Template, moment: Moment, *, is_url: bool) -> Json:
    """Render a template: a lone placeholder keeps its type, unless it is in a URL."""
    first = template.parts[0] if len(template.parts) == 1 else None
    if isinstance(first, Placeholder) and first.scope not in LATE and not is_url:
        return _json(first, moment)
    pieces: list[Json] = []
    for part in template.parts:
        if isinstance(part, str):
            piece: Json = part
        elif part.scope in LATE:
            piece = [part.scope, part.name]
        else:
            said = _said(part, moment)
            piece = quote(said, safe="") if is_url else said
        if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    if all(isinstance(p, str) for p in pieces):
        return "".join(str(p) for p in pieces)
    return {MARK: pieces}


def _value(placeholder: Placeholder, moment: Moment) -> Value:
    invocation = moment.invocation
    match placeholder.scope:
        case "field":
            return invocation.fields.get(placeholder.name)
        case "arg":
            return invocation.args.get(placeholder.name)
        case "visit":
            return invocation.visit
        case _:
            return moment.entity


def _json(placeholder: Placeholder, moment: Moment) -> Json:
    """A placeholder that stands alone: `json` is JSON again, a time is RFC 3339."""
    value = _value(placeholder, moment)
    match moment.kinds.get((placeholder.scope, placeholder.name)):
        case "json" if isinstance(value, str):
            document: Json = json.loads(value)
            return document
        case "time" if isinstance(value, int):
            return rfc3339(value)
    return plain(value)


def _said(placeholder: Placeholder, moment: Moment) -> str:
    """A placeholder inside a text: `json` as it is kept, a time as RFC 3339."""
    value = _value(placeholder, moment)
    if moment.kinds.get((placeholder.scope, placeholder.name)) == "time" and isinstance(value, int):
        return rfc3339(value)
    return told(value)


def plain(value: Value) -> Json:
    """A value as JSON: sets are sorted lists."""
    if isinstance(value, frozenset):
        return [*sorted(value, key=lambda member: (str(type(member)), member))]
    return value


def told(value: Value) -> str:
    """A value inside a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, frozenset):
        return ",".join(str(member) for member in sorted(value, key=str))
    return str(value)


def resolve(request: Json, lookup: Lookup) -> Json:
    """The request with its late placeholders filled in. Raises `MissingError`."""
    if isinstance(request, dict):
        pieces = request.get(MARK)
        if len(request) == 1 and isinstance(pieces, list):
            return "".join(_piece(piece, lookup) for piece in pieces)
        return {name: resolve(value, lookup) for name, value in request.items()}
    if isinstance(request, list):
        return [resolve(value, lookup) for value in request]
    return request


def _piece(piece: Json, lookup: Lookup) -> str:
    if isinstance(piece, list):
        scope, name = piece
        return lookup(str(scope), str(name))
    return str(piece)
