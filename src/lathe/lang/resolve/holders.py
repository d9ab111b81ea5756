"""Fields, ghosts and arguments as declared, with their default values."""

from __future__ import annotations

from lathe.errors import Edit
from lathe.lang.model import Argument, Field, Ghost, Value
from lathe.lang.resolve.faults import listed, quoted
from lathe.lang.resolve.record import Cursor, Record
from lathe.lang.resolve.shapes import described
from lathe.lang.resolve.typed import Kinds, read_typed
from lathe.lang.types import UNKNOWN, Type

NEEDS_VALUE = frozenset({"bool", "int", "enum"})
"""Kinds that are never unset."""


def read_default(record: Record, type_: Type) -> tuple[bool, Value]:
    """Whether there is a default, and which. One that does not fit is LT109 and counts as given."""
    if not record.has("default"):
        return type_.kind == "set", () if type_.kind == "set" else None
    cursor, value = record.at("default"), record.get("default")
    match type_.kind:
        case "bool" if isinstance(value, bool):
            return True, value
        case "int" if isinstance(value, int) and not isinstance(value, bool):
            if type_.low is not None and type_.high is not None and not type_.low <= value <= type_.high:
                cursor.report("LT109", f"the default {_short(value)} lies outside {type_.low}..{type_.high}")
            return True, value
        case "enum" if isinstance(value, str):
            if value not in type_.members:
                message = f"the default `{value[:80]}` is no member of the enum"
                cursor.report_unknown("LT109", message, value, set(type_.members))
            return True, value
        case "text" | "id" if isinstance(value, str):
            if type_.maximum is not None and len(value) > type_.maximum:
                cursor.report("LT109", f"the default is longer than {type_.maximum} characters")
            return True, value
        case "set" if isinstance(value, list):
            return True, _set_default(cursor, value, type_)
        case "ref" | "time" | "json":
            kind = type_.kind
            cursor.report("LT109", f"a `{kind}` has no default: it begins unset", help="remove `default`")
        case "unknown":
            pass
        case _:
            _report_default(cursor, value, type_)
    return True, None


def _set_default(cursor: Cursor, value: list[object], type_: Type) -> Value:
    element = type_.element or UNKNOWN
    texts = [item for item in value if isinstance(item, str)]
    if len(texts) != len(value) or (texts and element.kind not in ("enum", "id", "unknown")):
        cursor.report("LT109", f"the default of this set is a list of its members, {element}")
        return ()
    stray = [text for text in texts if element.kind == "enum" and text not in element.members]
    if stray:
        cursor.report("LT109", f"{listed(stray)} is no member of the enum")
    elif type_.maximum is not None and len(set(texts)) > type_.maximum:
        cursor.report("LT109", f"the default has more than {type_.maximum} members")
    return tuple(sorted(set(texts)))


def _report_default(cursor: Cursor, value: object, type_: Type) -> None:
    edit = None
    if type_.kind == "bool" and value in ("true", "True", "false", "False", 0, 1):
        edit = Edit(cursor.span, "true" if value in ("true", "True", 1) else "false")
    elif type_.kind == "int" and isinstance(value, str) and value.isascii() and value.strip("-").isdecimal():
        edit = Edit(cursor.span, value)
    cure = f"write `{edit.text}`" if edit else ""
    cursor.report("LT109", f"the default of {_named(type_)} is not {described(value)}", help=cure, edit=edit)


def _named(type_: Type) -> str:
    return f"{'an' if type_.kind[0] in 'ie' else 'a'} {type_.kind}"


def _short(value: int) -> str:
    return str(value) if abs(value) < 10**20 else "given"


def _read_explore(record: Record, type_: Type) -> tuple[int, int] | None:
    found = record.pair("explore")
    if found is None or type_.low is None or type_.high is None:
        return None
    low, high = found
    if low > high or low < type_.low or high > type_.high:
        message = f"`explore` is a part of the range {type_.low}..{type_.high}, its lower end first"
        record.at("explore").report("LT109", message)
        return None
    return low, high


def read_field(cursor: Cursor, name: str, value: object, kinds: Kinds) -> Field:
    """One entry of `[field]`."""
    typed = read_typed(cursor, value, "field", kinds)
    if typed.record is None:
        return Field(name, typed.type, True, None, False, False, None, "", cursor.key)
    record = typed.record
    has_default, default = read_default(record, typed.type)
    return Field(
        name=name,
        type=typed.type,
        has_default=has_default,
        default=default,
        frozen=record.flag("frozen"),
        secret=record.flag("secret"),
        explore=_read_explore(record, typed.type),
        doc=record.doc(),
        span=cursor.key,
    )


def read_ghost(cursor: Cursor, name: str, value: object, kinds: Kinds) -> Ghost:
    """One entry of `[ghost]`. A bool, int or enum needs a default."""
    typed = read_typed(cursor, value, "ghost", kinds)
    if typed.record is None:
        return Ghost(name, typed.type, None, "", cursor.key)
    has_default, default = read_default(typed.record, typed.type)
    if not has_default and typed.type.kind in NEEDS_VALUE:
        message = f"{_named(typed.type)} ghost needs `default`, its first value"
        cursor.report_key("LT109", message, help=f"add `default = {example(typed.type)}`")
    return Ghost(name, typed.type, default, typed.record.doc(), cursor.key)


def read_argument(cursor: Cursor, name: str, value: object, kinds: Kinds) -> Argument:
    """One entry of an action's `args`."""
    typed = read_typed(cursor, value, "argument", kinds)
    if typed.record is None:
        return Argument(name, typed.type, False, None, True, False, False, None, cursor.key)
    record = typed.record
    has_default, default = read_default(record, typed.type)
    return Argument(
        name=name,
        type=typed.type,
        has_default=has_default,
        default=default,
        optional=record.flag("optional"),
        secret=record.flag("secret"),
        from_sets=False,
        explore=_read_explore(record, typed.type),
        span=cursor.key,
    )


def example(type_: Type) -> str:
    """A value of the type, as TOML."""
    match type_.kind:
        case "int":
            low, high = type_.low or 0, type_.high or 0
            return str(low if low > 0 else min(0, high))
        case "enum":
            return quoted(type_.members[0]) if type_.members else '""'
        case _:
            return "false"
