"""Settings of an effect as a request: rendered when the action commits, completed when it is tried.

Fields, arguments, `id` and `visit` are filled in at once. `{token}`, `{env.NAME}` and `{secret.NAME}` stay
names in what is stored, as `{"$lathe": [...]}` with the pieces of the text, and get their values for one try.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from lathe.lang.adapters import ADAPTERS
from lathe.lang.model import Effect, Json, Placeholder, Setting, Template
from lathe.machine.snapshot import Invocation, Value

LATE = frozenset({"token", "env", "secret"})
"""The scopes of placeholders that are never stored."""
MARK = "$lathe"

Lookup = Callable[[str, str], str]
"""The value of a late placeholder, by scope and name. Raises `MissingError`."""


class MissingError(LookupError):
    """A name of the environment, or a secret, that this app was not given."""


def render(effect: Effect, entity: str, invocation: Invocation) -> dict[str, Json]:
    """The request of an invocation, from what it kept of the moment when it was asked for."""
    adapter = ADAPTERS.get(effect.uses)
    specs = adapter.settings if adapter else {}
    rendered: dict[str, Json] = {}
    for name, setting in effect.settings.items():
        is_url = name in specs and specs[name].kind == "url"
        rendered[name] = _render(setting, entity, invocation, is_url=is_url)
    return rendered


def _render(setting: Setting, entity: str, invocation: Invocation, *, is_url: bool) -> Json:
    if isinstance(setting, Template):
        return _text(setting, entity, invocation, is_url=is_url)
    if isinstance(setting, Mapping):
        return {k: _render(v, entity, invocation, is_url=is_url) for k, v in setting.items()}
    if isinstance(setting, tuple):
        return [_render(v, entity, invocation, is_url=is_url) for v in setting]
    assert setting is None or isinstance(setting, (bool, int, float, str)), "expressions are no requests"
    return setting


def _text(template: Template, entity: str, invocation: Invocation, *, is_url: bool) -> Json:
    """A template: one placeholder and nothing else keeps its type, unless it stands in a URL."""
    first = template.parts[0] if len(template.parts) == 1 else None
    if isinstance(first, Placeholder) and first.scope not in LATE and not is_url:
        return plain(_value(first, entity, invocation))
    pieces: list[Json] = []
    for part in template.parts:
        if isinstance(part, str):
            piece: Json = part
        elif part.scope in LATE:
            piece = [part.scope, part.name]
        else:
            said = told(_value(part, entity, invocation))
            piece = quote(said, safe="") if is_url else said
        if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    if all(isinstance(p, str) for p in pieces):
        return "".join(str(p) for p in pieces)
    return {MARK: pieces}


def _value(placeholder: Placeholder, entity: str, invocation: Invocation) -> Value:
    match placeholder.scope:
        case "field":
            return invocation.fields.get(placeholder.name)
        case "arg":
            return invocation.args.get(placeholder.name)
        case "visit":
            return invocation.visit
        case _:
            return entity


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
