"""Whatever has a type: fields, ghosts, arguments, and the values that they begin with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from lathe.errors import Edit
from lathe.lang.model import Argument, Field, Ghost, Value
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import listed, quoted
from lathe.lang.resolve.record import Cursor, Key, Record, described, open_record
from lathe.lang.types import BOOL, ID, INT_LIMIT, TIME, UNKNOWN, Type

Role = Literal["field", "ghost", "argument", "member"]

_DOC = Key("text", "a text for people")
_TYPE = Key("text", "one of bool, int, enum, text, id, ref, set, time, json", required=True)
_KIND_KEYS: Mapping[str, Mapping[str, Key]] = {
    "bool": {},
    "int": {
        "range": Key("pair", "the lowest and the highest value, `[lo, hi]`", required=True),
        "explore": Key("pair", "the values to explore, `[lo, hi]`"),
    },
    "enum": {"of": Key("list", "a list of its members", required=True)},
    "text": {"max": Key("int", "the most characters"), "secret": Key("flag", "true or false")},
    "id": {},
    "ref": {"to": Key("text", "the name of a blueprint", required=True)},
    "set": {
        "of": Key("table", 'what it holds: `{ type = "enum" | "id" | "ref", … }`', required=True),
        "max": Key("int", "the most members"),
    },
    "time": {},
    "json": {"max": Key("int", "the most bytes")},
}
_ROLE_KEYS: Mapping[Role, Mapping[str, Key]] = {
    "field": {"default": Key("any", "its first value"), "frozen": Key("flag", "true or false"), "doc": _DOC},
    "ghost": {"default": Key("any", "its first value"), "doc": _DOC},
    "argument": {
        "default": Key("any", "its value when it is left out"),
        "optional": Key("flag", "true or false"),
        "doc": _DOC,
    },
    "member": {},
}
_WITHOUT: Mapping[Role, frozenset[str]] = {
    "field": frozenset(),
    "ghost": frozenset({"secret", "explore"}),
    "argument": frozenset(),
    "member": frozenset({"secret", "max"}),
}
_KINDS: Mapping[Role, tuple[str, ...]] = {
    "field": tuple(_KIND_KEYS),
    "ghost": tuple(_KIND_KEYS),
    "argument": tuple(_KIND_KEYS),
    "member": ("enum", "id", "ref"),
}
_FOREIGN_KINDS = {
    "string": "text", "str": "text", "varchar": "text", "char": "text", "integer": "int", "number": "int",
    "float": "int", "decimal": "int", "money": "int", "uint": "int", "long": "int", "boolean": "bool",
    "flag": "bool", "datetime": "time", "date": "time", "timestamp": "time", "instant": "time", "list": "set",
    "array": "set", "object": "json", "dict": "json", "map": "json", "any": "json", "uuid": "id",
    "user": "id", "principal": "id", "reference": "ref", "link": "ref", "choice": "enum", "union": "enum",
}  # fmt: skip
NEEDS_VALUE = frozenset({"bool", "int", "enum"})
"""Kinds that are never unset."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """The blueprints that a ref may lead to. Unless `is_complete`, others may exist in unreadable files."""

    blueprints: Collection[str]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Typed:
    """A type, and the record it was read from (None: it could not be)."""

    type: Type
    record: Record | None


def read_typed(cursor: Cursor, value: object, role: Role, kinds: Kinds) -> Typed:
    """Read a table with a `type`. What cannot be read has the type that fits everything."""
    what = f"a{'n' if role == 'argument' else ''} {role}"
    if isinstance(value, str):
        message = f"{what} is a table with a `type`, not a text"
        cursor.report("LT004", message, help="write `{ type = … }`", edit=_type_edit(cursor, value, role))
        return Typed(UNKNOWN, None)
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        open_record(cursor, value, what, {"type": _TYPE, **_all_keys(role)})
        return Typed(UNKNOWN, None)
    if kind not in _KINDS[role]:
        _report_kind(cursor.at("type"), kind, role)
        return Typed(UNKNOWN, None)
    own = {name: key for name, key in _KIND_KEYS[kind].items() if name not in _WITHOUT[role]}
    article = "an" if kind[0] in "ie" else "a"
    record = open_record(
        cursor, value, f"{article} `{kind}` {role}", {"type": _TYPE, **own, **_ROLE_KEYS[role]}
    )
    assert record is not None
    return Typed(_READERS[kind](record, kinds), record)


def _all_keys(role: Role) -> dict[str, Key]:
    keys = {name: key for own in _KIND_KEYS.values() for name, key in own.items()}
    loose = {name: Key("any", key.phrase) for name, key in keys.items() if name not in _WITHOUT[role]}
    return {**loose, **_ROLE_KEYS[role]}


def _type_edit(cursor: Cursor, text: str, role: Role) -> Edit | None:
    kind = _FOREIGN_KINDS.get(text.lower(), text)
    if kind not in ("bool", "text", "id", "time", "json") or kind not in _KINDS[role]:
        return None
    return Edit(cursor.span, f'{{ type = "{kind}" }}')


def _report_kind(cursor: Cursor, kind: str, role: Role) -> None:
    allowed = _KINDS[role]
    message = f"there is no type `{kind}`"
    if kind in _KIND_KEYS:
        message = f"a set holds {listed(allowed)}, not `{kind}`"
    guess = _FOREIGN_KINDS.get(kind.lower()) or cursor.faults.closest(kind, allowed)
    if guess not in allowed:
        cursor.report("LT004", message, help=f"the types are {listed(allowed)}")
        return
    note = (
        "; numbers are whole: count in the smallest unit"
        if kind in ("float", "decimal", "money", "number")
        else ""
    )
    cursor.report("LT004", message, help=f"write `{guess}`{note}", edit=Edit(cursor.span, quoted(guess)))


def _read_bool(_record: Record, _kinds: Kinds) -> Type:
    return BOOL


def _read_id(_record: Record, _kinds: Kinds) -> Type:
    return ID


def _read_time(_record: Record, _kinds: Kinds) -> Type:
    return TIME


def _read_int(record: Record, _kinds: Kinds) -> Type:
    found = record.pair("range")
    if found is None:
        return UNKNOWN
    low, high = found
    cursor = record.at("range")
    if low > high:
        cursor.report("LT109", f"the range from {low} to {high} is empty", help=f"write `[{high}, {low}]`",
                      edit=Edit(cursor.span, f"[{high}, {low}]"))  # fmt: skip
        return UNKNOWN
    if low < -INT_LIMIT or high > INT_LIMIT:
        cursor.report("LT109", f"a range lies within ±2^53, which is {INT_LIMIT}")
        return UNKNOWN
    return Type("int", low=low, high=high)


def _read_enum(record: Record, _kinds: Kinds) -> Type:
    if not record.has("of"):
        return UNKNOWN
    words = record.words("of")
    cursor = record.at("of")
    if not words:
        cursor.report("LT109", "an enum has at least one member")
        return UNKNOWN
    if len(words) > limits.ENUM_MEMBERS:
        cursor.report("LT005", f"an enum has at most {limits.ENUM_MEMBERS} members, not {len(words)}")
        return UNKNOWN
    seen: dict[str, None] = {}
    for word in words:
        if word.text in seen:
            word.cursor.report("LT006", f"`{word.text}` is a member twice", help="remove one of them")
        elif not word.text or not word.text.isprintable():
            word.cursor.report("LT004", "a member of an enum is a printable text with at least one character")
        elif len(word.text) > limits.MEMBER_LENGTH:
            word.cursor.report("LT005", f"a member of an enum has at most {limits.MEMBER_LENGTH} characters")
        seen[word.text] = None
    return Type("enum", members=tuple(seen))


def _read_size(record: Record, *, default: int, most: int, unit: str) -> int:
    size = record.number("max")
    if size is None:
        return default
    if size < 1:
        record.at("max").report("LT109", f"`max` is at least 1 of {unit}")
        return default
    if size > most:
        message = f"`max` is at most {most} {unit}, not {size}"
        record.at("max").report("LT005", message, edit=Edit(record.at("max").span, str(most)))
        return default
    return size


def _read_text(record: Record, _kinds: Kinds) -> Type:
    size = _read_size(
        record, default=limits.DEFAULT_TEXT_CHARACTERS, most=limits.TEXT_CHARACTERS, unit="characters"
    )
    return Type("text", maximum=size)


def _read_json(record: Record, _kinds: Kinds) -> Type:
    size = _read_size(record, default=limits.DEFAULT_JSON_BYTES, most=limits.JSON_BYTES, unit="bytes")
    return Type("json", maximum=size)


def _read_ref(record: Record, kinds: Kinds) -> Type:
    name = record.text("to")
    if name is None:
        return UNKNOWN
    if name not in kinds.blueprints:
        if kinds.is_complete:
            known = dict.fromkeys(kinds.blueprints)
            record.at("to").report_unknown("LT101", f"there is no blueprint `{name}`", name, known)
        return UNKNOWN
    return Type("ref", blueprint=name)


def _read_set(record: Record, kinds: Kinds) -> Type:
    if not record.has("of"):
        return UNKNOWN
    element = read_typed(record.at("of"), record.get("of"), "member", kinds).type
    default = len(element.members) if element.kind == "enum" else limits.SET_MEMBERS
    size = _read_size(record, default=default, most=limits.SET_MEMBERS, unit="members")
    return Type("set", element=element, maximum=size)


_READERS = {
    "bool": _read_bool, "int": _read_int, "enum": _read_enum, "text": _read_text, "id": _read_id,
    "ref": _read_ref, "set": _read_set, "time": _read_time, "json": _read_json,
}  # fmt: skip


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
        cursor.report_key("LT003", message, help=f"add `default = {example(typed.type)}`")
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
