"""What must be so: `[invariant] [step] [sometimes] [eventually] [unique] [cannot]`, and `[migrate]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from lathe.errors import Span
from lathe.lang.expr import Expression
from lathe.lang.model import Cannot, Eventually, Migration, Property, Unique
from lathe.lang.names import Names
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import Faults
from lathe.lang.resolve.naming import check_name, is_name
from lathe.lang.resolve.outline import Outline
from lathe.lang.resolve.principals import Known
from lathe.lang.resolve.record import Cursor, Record, Word, entries, open_record
from lathe.lang.resolve.shapes import Key, described
from lathe.lang.resolve.states import check_action, check_state, read_state_list
from lathe.lang.resolve.world import (
    POLICY_SPECIALS,
    PROPERTY_SPECIALS,
    STEP_SPECIALS,
    World,
    read_condition,
    read_expression,
    read_policy_condition,
)
from lathe.lang.types import BOOL

Kind = Literal["invariant", "step", "sometimes"]
KINDS: tuple[Kind, ...] = ("invariant", "step", "sometimes")
PLACES: Mapping[Kind, str] = {
    "invariant": "an invariant",
    "step": "a step property",
    "sometimes": "a `sometimes`",
}

_DOC = Key("text", "a text for people")
_STATES = Key("words", "a list of states")
APP_PROPERTY: Mapping[str, Key] = {
    "that": Key("text", "an expression in quotes", required=True, example='"expression"'),
    "when": Key("text", "an expression in quotes"),
    "doc": _DOC,
}
PROPERTY: Mapping[str, Key] = {**APP_PROPERTY, "in": _STATES}
EVENTUALLY: Mapping[str, Key] = {
    "from": Key("words", "a list of states", required=True, example='["STATE"]'),
    "to": Key("words", "a list of states", required=True, example='["STATE"]'),
    "doc": _DOC,
}
UNIQUE: Mapping[str, Key] = {
    "fields": Key("words", "a list of fields", required=True, example='["FIELD"]'),
    "in": _STATES,
    "doc": _DOC,
}
CANNOT: Mapping[str, Key] = {
    "role": Key("text", "a role", required=True, example='"ROLE"'),
    "do": Key("words", 'a list of actions, or "read"', required=True, example='["ACTION"]'),
    "when": Key("text", "an expression in quotes"),
    "doc": _DOC,
}
MIGRATE: Mapping[str, Key] = {
    "state": Key("table", 'a table, each like `old = "new"`'),
    "field": Key("table", 'a table, each like `name = "old.name"`'),
    "doc": _DOC,
}


class PropertyNames:
    """The one name space that all properties of a blueprint, or of an app, share."""

    __slots__ = ("_seen", "faults")

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._seen: dict[str, tuple[Span, str]] = {}

    def take(self, cursor: Cursor, name: str, table: str) -> None:
        """Report a name that is none, or is taken."""
        check_name(cursor, name, what="a property")
        if name in self._seen:
            before, other = self._seen[name]
            self.faults.add(
                "LT006",
                cursor.key,
                f"`{name}` is a property of `[{other}]` already",
                help="all properties share their names: rename one of them",
                related=((before, f"in `[{other}]`"),),
            )
        self._seen.setdefault(name, (cursor.key, table))


def read_property_table(
    cursor: Cursor,
    table: object,
    kind: Kind,
    names: Names,
    taken: PropertyNames,
    *,
    keys: Mapping[str, Key],
    read_states: Callable[[Record], tuple[str, ...]],
    is_whole: bool,
) -> dict[str, Property]:
    """The entries of one of `[invariant] [step] [sometimes]`."""
    found: dict[str, Property] = {}
    for name, value, at in entries(cursor, table, what="properties", limit=limits.PROPERTIES):
        taken.take(at, name, kind)
        if isinstance(value, dict):
            record = open_record(at, value, _a_property(kind), keys)
            assert record is not None
            that = read_condition(record, "that", names, is_whole=is_whole)
            when = read_condition(record, "when", names, is_whole=is_whole)
            states, doc = read_states(record), record.doc()
        else:
            that = _read_short(at, value, kind, names, is_whole=is_whole)
            when, states, doc = None, (), ""
        if that is not None:
            found[name] = Property(name, kind, that, when, states, doc, at.key)
    return found


def _a_property(kind: Kind) -> str:
    return PLACES[kind]


def _read_short(
    cursor: Cursor, value: object, kind: Kind, names: Names, *, is_whole: bool
) -> Expression | None:
    if not isinstance(value, str | bool):
        message = f"{_a_property(kind)} is an expression in quotes, or a table, not {described(value)}"
        cursor.report("LT004", message, help='write `{ that = "expression" }`')
        return None
    return read_expression(cursor, value, names, expect=BOOL, is_whole=is_whole)


def read_properties(world: World, outline: Outline, taken: PropertyNames) -> dict[str, Property]:
    """All invariants, step properties and `sometimes` of a blueprint."""
    found: dict[str, Property] = {}
    for kind in KINDS:
        specials = STEP_SPECIALS if kind == "step" else PROPERTY_SPECIALS
        names = world.names(outline, PLACES[kind], specials=specials, with_ghosts=True, populations=True)
        found |= read_property_table(
            outline.top.at(kind),
            outline.top.get(kind),
            kind,
            names,
            taken,
            keys=PROPERTY,
            read_states=lambda record: read_state_list(outline, record, "in"),
            is_whole=outline.is_whole,
        )
    return found


def read_eventually(outline: Outline, taken: PropertyNames) -> dict[str, Eventually]:
    """`[eventually]`."""
    found: dict[str, Eventually] = {}
    for name, record in _records(outline, "eventually", EVENTUALLY, "an `eventually`", taken):
        from_states = read_state_list(outline, record, "from")
        to_states = read_state_list(outline, record, "to")
        found[name] = Eventually(name, from_states, to_states, record.doc(), record.cursor.key)
    return found


def _records(
    outline: Outline, table: str, keys: Mapping[str, Key], what: str, taken: PropertyNames
) -> list[tuple[str, Record]]:
    found = []
    top = outline.top
    for name, value, cursor in entries(
        top.at(table), top.get(table), what="properties", limit=limits.PROPERTIES
    ):
        taken.take(cursor, name, table)
        record = open_record(cursor, value, what, keys)
        if record is not None:
            found.append((name, record))
    return found


def read_unique(outline: Outline, taken: PropertyNames) -> dict[str, Unique]:
    """`[unique]`."""
    found: dict[str, Unique] = {}
    for name, record in _records(outline, "unique", UNIQUE, "a `unique`", taken):
        fields: dict[str, None] = {}
        for word in record.words("fields"):
            if word.text in fields:
                word.cursor.report(
                    "LT006", f"`{word.text}` stands in `fields` twice", help="remove one of them"
                )
            _check_unique_field(outline, word)
            fields[word.text] = None
        if record.has("fields") and not fields:
            record.at("fields").report("LT004", "`fields` names at least one field")
        states = read_state_list(outline, record, "in")
        found[name] = Unique(name, tuple(fields), states, record.doc(), record.cursor.key)
    return found


def _check_unique_field(outline: Outline, word: Word) -> None:
    field = outline.fields.get(word.text)
    if field is None:
        if "field" not in outline.top.wrong:
            message = f"there is no field `{word.text[:80]}`"
            word.cursor.report_unknown("LT101", message, word.text, outline.fields)
    elif field.type.kind == "json":
        word.cursor.report("LT102", f"`{word.text}` is json, which is carried and never compared")


def read_cannot(world: World, outline: Outline, taken: PropertyNames, known: Known) -> dict[str, Cannot]:
    """`[cannot]`."""
    names = world.names(outline, "a `cannot`", specials=POLICY_SPECIALS)
    found: dict[str, Cannot] = {}
    for name, record in _records(outline, "cannot", CANNOT, "a `cannot`", taken):
        role = record.word("role")
        if role is not None and known.roles is not None and role.text not in known.roles:
            message = f"there is no role `{role.text[:80]}`"
            role.cursor.report_unknown("LT107", message, role.text, known.roles, once=True)
        actions: dict[str, None] = {}
        for word in record.words("do"):
            if word.text in actions:
                word.cursor.report("LT006", f"`{word.text}` stands in `do` twice", help="remove one of them")
            elif word.text != "read":
                check_action(outline, word)
            actions[word.text] = None
        if record.has("do") and not actions:
            record.at("do").report("LT004", "`do` names at least one action")
        when = read_policy_condition(outline, record, names)
        if role is not None:
            found[name] = Cannot(name, role.text, tuple(actions), when, record.doc(), record.cursor.key)
    return found


def read_migration(outline: Outline) -> Migration | None:
    """`[migrate]`: what comes from `old.*` is of unknown type."""
    if not outline.top.has("migrate"):
        return None
    record = open_record(outline.top.at("migrate"), outline.top.get("migrate"), "`[migrate]`", MIGRATE)
    if record is None:
        return None
    states: dict[str, str] = {}
    for old, new in record.table("state").items():
        cursor = record.at("state", old)
        if not is_name(old):
            cursor.report_key("LT004", f"`{old[:80]}` is no name of a state")
        if isinstance(new, str):
            check_state(outline, Word(new, cursor))
            states[old] = new
        else:
            cursor.report("LT004", f"`{old[:80]}` comes into a state, not {described(new)}")
    return Migration(states, _read_moved_fields(outline, record), outline.top.at("migrate").key)


def _read_moved_fields(outline: Outline, record: Record) -> dict[str, Expression]:
    fields: dict[str, Expression] = {}
    for name, value in record.table("field").items():
        cursor = record.at("field", name)
        field = outline.fields.get(name)
        if field is None:
            if "field" not in outline.top.wrong:
                _report_moved(outline, cursor, name)
        elif not isinstance(value, str | int):
            cursor.report("LT004", f"`{name}` is an expression in quotes, not {described(value)}")
        else:
            names = Names(f"the new `{name}`", specials=frozenset({"old"}), old_unknown=True)
            moved = read_expression(cursor, value, names, expect=field.type, is_whole=True)
            if moved is not None:
                fields[name] = moved
    return fields


def _report_moved(outline: Outline, cursor: Cursor, name: str) -> None:
    guess = cursor.faults.closest(name, outline.fields)
    cure = f"did you mean `{guess}`?" if guess else "name a field of this version"
    cursor.report_key("LT108", f"there is no field `{name[:80]}`", help=cure)
