"""Expected requests to adapters: an effect's settings filled in by an independent reading of the blueprint.

Written from the page on the language alone. Of an environment, a secret and a token the name stands for the
value, as in this level's lookups.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from lathe.frozen import frozen
from lathe.lang.adapters import ADAPTERS
from lathe.lang.model import Blueprint, Effect, Json, Placeholder, Setting, Template
from lathe.lang.types import Type
from lathe.probe.convert import told
from lathe.reader.world import Request, Value

NAMES = frozenset({"env", "secret", "token"})
TEXT = Type("text")


@frozen
class _Filling:
    """An invocation, and the types of what its settings may name."""

    entity: str
    request: Request
    types: Mapping[tuple[str, str], Type]

    def value(self, hole: Placeholder) -> tuple[Type, Value]:
        """What stands for a placeholder, and its type."""
        kind = self.types.get((hole.scope, hole.name), TEXT)
        if hole.scope == "field":
            return kind, self.request.fields.get(hole.name)
        if hole.scope == "arg":
            return kind, self.request.args.get(hole.name)
        if hole.scope == "visit":
            return kind, self.request.visit
        return kind, hole.name if hole.scope in NAMES else self.entity


def wanted(blueprint: Blueprint, effect: Effect, entity: str, request: Request) -> dict[str, Json]:
    """The settings with which an adapter is asked for an invocation."""
    arguments = [a for action in blueprint.actions.values() for a in action.arguments.values()]
    types = {("field", f.name): f.type for f in blueprint.fields.values()}
    types |= {("arg", a.name): a.type for a in arguments if a.type.kind in ("json", "time")}
    filling = _Filling(entity, request, types)
    adapter = ADAPTERS.get(effect.uses)
    urls = {name for name, spec in adapter.settings.items() if spec.kind == "url"} if adapter else set()
    return {name: _filled(setting, filling, is_url=name in urls) for name, setting in effect.settings.items()}


def _filled(setting: Setting, filling: _Filling, *, is_url: bool) -> Json:
    if isinstance(setting, Template):
        return _text(setting, filling, is_url=is_url)
    if isinstance(setting, tuple):
        return [_filled(one, filling, is_url=is_url) for one in setting]
    if isinstance(setting, Mapping):
        return {name: _filled(one, filling, is_url=is_url) for name, one in setting.items()}
    assert setting is None or isinstance(setting, (bool, int, float, str)), "expressions are no requests"
    return setting


def _text(template: Template, filling: _Filling, *, is_url: bool) -> Json:
    """One placeholder alone keeps its type; in a longer text, and in a URL, it is text."""
    holes = [part for part in template.parts if isinstance(part, Placeholder)]
    if len(template.parts) == 1 and holes and not is_url:
        return told(*filling.value(holes[0]))
    found = ""
    for part in template.parts:
        if isinstance(part, str):
            found += part
            continue
        said = _said(*filling.value(part))
        found += quote(said, safe="") if is_url and part.scope not in NAMES else said
    return found


def _said(kind: Type, value: Value) -> str:
    """A value inside a text: JSON stays the text that it is kept as."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, frozenset):
        return ",".join(sorted(map(str, value)))
    return str(told(kind, value)) if kind.kind == "time" else str(value)
