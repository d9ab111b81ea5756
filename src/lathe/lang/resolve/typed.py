"""Declarations that have a type: fields, ghosts, arguments, and their defaults."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from lathe.errors import Edit
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import listed, quoted
from lathe.lang.resolve.record import Cursor, Record, open_record
from lathe.lang.resolve.shapes import Key
from lathe.lang.types import BOOL, ID, INT_LIMIT, TIME, UNKNOWN, Type

Role = Literal["field", "ghost", "argument", "member"]

_DOC = Key("text", "a text for people")
_TYPE = Key("text", "one of bool, int, enum, text, id, ref, set, time, json", required=True, example='"text"')
_KIND_KEYS: Mapping[str, Mapping[str, Key]] = {
    "bool": {},
    "int": {
        "range": Key(
            "pair", "the lowest and the highest value, `[lo, hi]`", required=True, example="[0, 10]"
        ),
        "explore": Key("pair", "the values to explore, `[lo, hi]`", example="[0, 3]"),
    },
    "enum": {"of": Key("list", "a list of its members", required=True, example='["a", "b"]')},
    "text": {"max": Key("int", "the most characters"), "secret": Key("flag", "true or false")},
    "id": {},
    "ref": {"to": Key("text", "the name of a blueprint", required=True, example='"Blueprint"')},
    "set": {
        "of": Key("table", "a table that says what it holds", required=True, example='{ type = "id" }'),
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


class Kinds(NamedTuple):
    """The blueprints that a ref may lead to. Unless `is_complete`, others may exist in unreadable files."""

    blueprints: Collection[str]
    is_complete: bool


class Typed(NamedTuple):
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
        help = 'few values: name them, as `{ type = "enum", of = ["h9", "h10"] }`; more: an entity for each'
        cursor.report("LT004", f"a set holds {listed(allowed)}, not `{kind}`", help=help)
        return
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
        record.at("max").report("LT109", "`max` is at least 1")
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
            message = f"there is no blueprint `{name[:80]}`"
            record.at("to").report_unknown("LT101", message, name, kinds.blueprints, once=True)
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
