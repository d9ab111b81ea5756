"""`with`: the settings of an effect, read as its adapter declares them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from lathe.errors import Edit
from lathe.lang.adapters import Adapter, SettingSpec
from lathe.lang.model import Placeholder, Setting, Template
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import listed, quoted, quoted_list
from lathe.lang.resolve.naming import is_name
from lathe.lang.resolve.record import Cursor
from lathe.lang.resolve.shapes import described
from lathe.lang.resolve.templates import TemplateNames, read_template
from lathe.lang.types import INT_LIMIT

_ANSWER_PATH = r"(body(\.[A-Za-z0-9_$-]+)*|header\.[A-Za-z0-9-]+)"
_HOST = r"([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?"
_HEADER = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}"
_PHRASES: Mapping[str, str] = {
    "text": "a text",
    "url": "a URL in quotes",
    "word": "a text",
    "choice": "a text",
    "texts": "a list of texts",
    "hosts": "a list of texts",
    "choices": "a list of texts",
    "count": "a whole number",
    "text_table": "a table of texts",
    "json": "a text, number, list or table",
    "takes": 'a table, each like `name = "body.a.b"`',
    "module": "the name of a file under `modules/`",
    "expression": "an expression in quotes",
    "expression_table": "a table of expressions",
    "blueprint": "the name of a blueprint",
    "action": "the name of an action",
    "set_field": "the name of a set field",
}
_HABITS: Mapping[str, str] = {
    "json": "body", "payload": "body", "uri": "url", "endpoint": "url", "verb": "method", "header": "headers",
    "command": "argv", "cmd": "argv", "event": "type", "target": "on",
}  # fmt: skip
"""What settings are called elsewhere."""
MODULE_SUFFIXES = (".wasm", ".wat")
INTERNAL = frozenset({"expression", "expression_table", "blueprint", "action", "set_field"})
"""Settings of `call` and `create`, which become a `Target` instead."""


class SettingPlace(NamedTuple):
    """What the settings of one effect may read."""

    effect: str
    adapter: Adapter
    names: TemplateNames
    modules: Mapping[str, str]


def check_keys(cursor: Cursor, table: Mapping[str, object], adapter: Adapter) -> None:
    """LT106 for settings that the adapter does not have, or lacks."""
    specs = adapter.settings
    meant: set[str] = set()
    for name in table:
        if name not in specs:
            free = set(specs) - set(table)
            meant_by_habit = _HABITS.get(name.lower())
            guess = meant_by_habit if meant_by_habit in free else cursor.faults.closest(name, free)
            message = f"`{adapter.name}` has no setting `{name[:80]}`"
            at = cursor.at(name)
            if guess is not None:
                meant.add(guess)
                at.report_key("LT106", message, help=f"did you mean `{guess}`?", edit=Edit(at.key, guess))
            else:
                at.report_key("LT106", message, help=f"its settings are {listed(specs)}")
    for name, spec in specs.items():
        if spec.required and name not in table and name not in meant:
            message = f"`{adapter.name}` needs the setting `{name}`, {_PHRASES[spec.kind]}"
            cursor.report_key("LT106", message, help=f"add `{name} = …` to `with`")


def read_settings(cursor: Cursor, table: Mapping[str, object], place: SettingPlace) -> dict[str, Setting]:
    """The settings by name, defaults filled in; what `call` and `create` take is left out."""
    check_keys(cursor, table, place.adapter)
    found: dict[str, Setting] = {}
    for name, spec in place.adapter.settings.items():
        if spec.kind in INTERNAL:
            continue
        if name in table:
            found[name] = _read_setting(cursor.at(name), name, table[name], spec, place)
        elif spec.default is not None:
            found[name] = spec.default
        elif spec.named_after:
            found[name] = place.effect
    return found


def _read_setting(
    cursor: Cursor, name: str, value: object, spec: SettingSpec, place: SettingPlace
) -> Setting:
    match spec.kind, value:
        case (("text" | "url"), str()):
            return read_template(cursor, value, place.names, is_text=True, is_url=spec.kind == "url")
        case "word", str():
            return value
        case "choice", str():
            return _read_choice(cursor, name, value, spec)
        case "texts", list():
            return _read_texts(cursor, name, value, place)
        case "hosts", list():
            return _read_hosts(cursor, name, value)
        case "choices", list():
            return _read_choices(cursor, name, value, spec)
        case "count", int() if not isinstance(value, bool):
            return _read_count(cursor, name, value, spec)
        case "text_table", dict():
            return _read_text_table(cursor, name, value, place)
        case "takes", dict():
            return _read_takes(cursor, value)
        case "module", str():
            return _read_module(cursor, value, place)
        case "json", _:
            return _without(cursor, name, _read_json(cursor, value, place), spec)
    new = (
        quoted_list([value])
        if spec.kind in ("texts", "hosts", "choices") and isinstance(value, str)
        else None
    )
    _report_type(cursor, name, value, _PHRASES[spec.kind], new)
    return None


def _report_type(cursor: Cursor, name: str, value: object, phrase: str, new: str | None) -> None:
    message = f"`{name}` is {phrase}, not {described(value)}"
    edit = Edit(cursor.span, new) if new is not None else None
    cursor.report("LT106", message, help=f"write `{new}`" if new else "", edit=edit)


def _read_choice(cursor: Cursor, name: str, value: str, spec: SettingSpec) -> str:
    if value not in spec.choices:
        message = f"`{name}` is one of {listed(spec.choices)}, not `{value[:40]}`"
        guess = cursor.faults.closest(value, spec.choices)
        cure = f"did you mean `{guess}`?" if guess else ""
        cursor.report("LT106", message, help=cure, edit=Edit(cursor.span, quoted(guess)) if guess else None)
    return value


def _read_texts(cursor: Cursor, name: str, values: list[object], place: SettingPlace) -> Setting:
    found: list[Setting] = []
    if not values:
        cursor.report("LT106", f"`{name}` has at least one text")
    if len(values) > limits.SETTING_VALUES:
        cursor.report("LT005", f"`{name}` has at most {limits.SETTING_VALUES} texts")
        return ()
    for index, value in enumerate(values):
        at = cursor.at(index)
        if not isinstance(value, str):
            at.report("LT106", f"`{name}` is a list of texts, and holds {described(value)}")
            continue
        template = read_template(at, value, place.names, is_text=True)
        if index == 0 and any(not isinstance(part, str) for part in template.parts):
            at.report(
                "LT106",
                "the command itself is literal: the operator allows it by name",
                help="no placeholder here",
            )
        found.append(template)
    return tuple(found)


def _read_hosts(cursor: Cursor, name: str, values: list[object]) -> Setting:
    for index, value in enumerate(values):
        at = cursor.at(index)
        if not isinstance(value, str):
            at.report("LT106", f"`{name}` is a list of texts, and holds {described(value)}")
        elif re.fullmatch(_HOST, value) is None:
            at.report("LT106", f"`{value[:80]}` is no host", help='write "api.example.com" or "[::1]:8080"')
    return tuple(sorted({value for value in values if isinstance(value, str)}))


def _read_choices(cursor: Cursor, name: str, values: list[object], spec: SettingSpec) -> Setting:
    for index, value in enumerate(values):
        at = cursor.at(index)
        if isinstance(value, str):
            _read_choice(at, name, value, spec)
        else:
            at.report("LT106", f"`{name}` is a list of texts, and holds {described(value)}")
    return tuple(sorted({value for value in values if isinstance(value, str)}))


def _read_count(cursor: Cursor, name: str, value: int, spec: SettingSpec) -> int:
    if not 1 <= value <= spec.most:
        cursor.report("LT106", f"`{name}` is 1 to {spec.most}, not {value}")
    return value


def _without(cursor: Cursor, name: str, found: Setting, spec: SettingSpec) -> Setting:
    """Report placeholders that may not stand in a setting."""
    waiting = [found]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Template):
            for part in one.parts:
                if isinstance(part, Placeholder) and part.scope in spec.without:
                    message = f"`{name}` may not hold `{{{part.scope}.{part.name}}}`"
                    cure = "put it into `headers`: only the named hosts see it"
                    cursor.faults.add("LT106", one.span, message, help=cure)
        elif isinstance(one, tuple):
            waiting += one
        elif isinstance(one, Mapping):
            waiting += one.values()
    return found


def _read_text_table(cursor: Cursor, name: str, table: dict[str, object], place: SettingPlace) -> Setting:
    found: dict[str, Setting] = {}
    seen: dict[str, str] = {}
    for key, value in table.items():
        at = cursor.at(key)
        if re.fullmatch(_HEADER, key) is None:
            at.report_key("LT106", f"`{key[:80]}` is no name of a header")
        if key.lower() in seen:
            at.report_key(
                "LT006", f"`{key}` is `{seen[key.lower()]}` again: case does not count", help="keep one"
            )
        seen[key.lower()] = key
        if isinstance(value, str):
            found[key] = read_template(at, value, place.names, is_text=True)
        else:
            at.report("LT106", f"a value of `{name}` is a text, not {described(value)}")
    return found


def _read_takes(cursor: Cursor, table: dict[str, object]) -> Setting:
    found: dict[str, Setting] = {}
    for name, value in table.items():
        at = cursor.at(name)
        if not is_name(name):
            at.report_key("LT106", f"`{name[:80]}` is no name of an argument")
        elif not isinstance(value, str):
            at.report("LT106", f'`{name}` is a place in the answer, like "body.a.b", not {described(value)}')
        elif re.fullmatch(_ANSWER_PATH, value) is None:
            at.report(
                "LT106", f"`{value[:80]}` is no place in the answer", help='write "body.a.b" or "header.NAME"'
            )
        else:
            found[name] = value
    return found


def _read_module(cursor: Cursor, value: str, place: SettingPlace) -> str:
    """A module by its file name; `modules/`, and `.wasm` or `.wat`, may be left out."""
    base = value.removeprefix("modules/")
    paths = (
        [f"modules/{base}"]
        if base.endswith(MODULE_SUFFIXES)
        else [f"modules/{base}{s}" for s in MODULE_SUFFIXES]
    )
    found = [path for path in paths if path in place.modules]
    if len(found) > 1:
        cursor.report("LT106", f"there are {listed(found)}", help="write which of them is meant")
    if found:
        return found[0]
    message = f"there is no file `{paths[0][:120]}`"
    known = {name.removeprefix("modules/").rpartition(".")[0]: name for name in place.modules}
    guess = cursor.faults.closest(base.removesuffix(".wasm").removesuffix(".wat"), known)
    if guess is not None:
        cursor.report(
            "LT106", message, help=f"did you mean `{guess}`?", edit=Edit(cursor.span, quoted(guess))
        )
    else:
        cursor.report(
            "LT106", message, help=f"there are {listed(known)}" if known else "add it to `modules/`"
        )
    return paths[0]


def _read_json(cursor: Cursor, value: object, place: SettingPlace) -> Setting:
    """Any JSON; its depth is bounded by that of the file. Text in it is a template."""
    budget = [limits.SETTING_VALUES]
    found = _json_part(cursor, value, place, budget)
    if budget[0] < 0:
        cursor.report("LT005", f"a setting holds at most {limits.SETTING_VALUES} values")
    return found


def _json_part(cursor: Cursor, value: object, place: SettingPlace, budget: list[int]) -> Setting:
    budget[0] -= 1
    if budget[0] < 0:
        return None
    match value:
        case str():
            return read_template(cursor, value, place.names, is_text=False)
        case bool():
            return value
        case int():
            if abs(value) > INT_LIMIT:
                cursor.report("LT005", "a number lies within ±2^53, so that it survives JSON")
            return value
        case float():
            if value != value or abs(value) == float("inf"):
                cursor.report("LT004", "JSON has no such number")
                return None
            return value
        case list():
            return tuple(_json_part(cursor.at(i), part, place, budget) for i, part in enumerate(value))
        case dict():
            return {key: _json_part(cursor.at(key), part, place, budget) for key, part in value.items()}
    cursor.report(
        "LT004", f"JSON has no {described(value).removeprefix('a ')}", help="write it as a text in quotes"
    )
    return None
