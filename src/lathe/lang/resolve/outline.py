"""First pass over a blueprint: names and types of all it declares, so that the second can resolve references.

Nothing that needs another file but the names of blueprints is read here. An outline holds whatever
could be read; what could not be is in it under its name, so that nobody reports it as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lathe.errors import Edit
from lathe.lang.model import Argument, Field, Ghost
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import quoted
from lathe.lang.resolve.holders import NEEDS_VALUE, example, read_argument, read_field, read_ghost
from lathe.lang.resolve.keys import (
    ACTION,
    EFFECT,
    INBOUND,
    NOT_FOR_CREATE,
    SETTINGS_ELSEWHERE,
    STATE,
    TIMER,
    TOP,
)
from lathe.lang.resolve.naming import RESERVED, RESERVED_ACTIONS, check_blueprint_name, check_name
from lathe.lang.resolve.record import NOWHERE, Cursor, Record, Word, entries, open_record
from lathe.lang.resolve.shapes import Key
from lathe.lang.resolve.typed import Kinds
from lathe.lang.types import UNKNOWN, Type


class ActionOutline(NamedTuple):
    """An action's name, arguments and callers, before its expressions are read."""

    name: str
    cursor: Cursor
    record: Record | None
    arguments: Mapping[str, Argument]
    by: tuple[Word, ...]

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are all there are."""
        return self.record is not None and not {"args", "sets"} & self.record.wrong


class EntryOutline(NamedTuple):
    """An entry of another table; its record is None if it is no table at all."""

    name: str
    cursor: Cursor
    record: Record | None


class Outline(NamedTuple):
    """A blueprint's names and types. With `is_whole`, what is not in here does not exist."""

    name: str
    cursor: Cursor
    top: Record
    states: Mapping[str, EntryOutline]
    fields: Mapping[str, Field]
    ghosts: Mapping[str, Ghost]
    actions: Mapping[str, ActionOutline]
    effects: Mapping[str, EntryOutline]
    timers: Mapping[str, EntryOutline]
    inbound: Mapping[str, EntryOutline]
    field_types: Mapping[str, Type]
    ghost_types: Mapping[str, Type]
    is_whole: bool


def outline_blueprint(cursor: Cursor, kinds: Kinds, *, fallback: str, is_whole: bool) -> Outline:
    """Read what a blueprint has. `fallback` is its name where the file gives none.

    `is_whole` tells whether all that surrounds it is known.
    """
    data = cursor.source.data
    top = open_record(cursor, data, "a blueprint", TOP)
    assert top is not None
    name = top.text("blueprint")
    if name is not None:
        check_blueprint_name(top.at("blueprint"), name)
    ghosts = _read_ghosts(top, kinds)
    fields = _read_fields(top, kinds, ghosts)
    actions = _read_actions(top, fields, ghosts, kinds)
    states = _read_entries(top, "state", "states", STATE, limits.STATES, "a state", reserved=RESERVED)
    records = [entry.record for entry in states.values()] + [entry.record for entry in actions.values()]
    return Outline(
        name=name if name is not None else fallback,
        cursor=cursor,
        top=top,
        states=states,
        fields=fields,
        ghosts=ghosts,
        actions=actions,
        effects=_read_entries(top, "effect", "effects", EFFECT, limits.EFFECTS, "an effect"),
        timers=_read_entries(top, "timer", "deadlines", TIMER, limits.TIMERS, "a deadline"),
        inbound=_read_entries(top, "inbound", "inbound events", INBOUND, limits.INBOUNDS, "an inbound event"),
        field_types={name: field.type for name, field in fields.items()},
        ghost_types={name: ghost.type for name, ghost in ghosts.items()},
        is_whole=is_whole
        and None not in records
        and not top.wrong.intersection(("state", "field", "ghost", "action")),
    )


def _read_entries(
    top: Record,
    key: str,
    plural: str,
    keys: Mapping[str, Key],
    limit: int,
    what: str,
    *,
    reserved: frozenset[str] = frozenset(),
) -> dict[str, EntryOutline]:
    found: dict[str, EntryOutline] = {}
    for name, value, cursor in entries(top.at(key), top.get(key), what=plural, limit=limit):
        check_name(cursor, name, what=what, reserved=reserved)
        elsewhere = SETTINGS_ELSEWHERE if keys is EFFECT else NOWHERE
        found[name] = EntryOutline(name, cursor, open_record(cursor, value, what, keys, elsewhere=elsewhere))
    return found


def _read_ghosts(top: Record, kinds: Kinds) -> dict[str, Ghost]:
    return read_ghosts(top.at("ghost"), top.get("ghost"), kinds)


def read_ghosts(cursor: Cursor, table: object, kinds: Kinds) -> dict[str, Ghost]:
    """A `[ghost]` table, of a blueprint or of the app."""
    found: dict[str, Ghost] = {}
    for name, value, at in entries(cursor, table, what="ghosts", limit=limits.GHOSTS):
        check_name(at, name, what="a ghost", reserved=RESERVED)
        found[name] = read_ghost(at, name, value, kinds)
    return found


def _read_fields(top: Record, kinds: Kinds, ghosts: Mapping[str, Ghost]) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for name, value, cursor in entries(top.at("field"), top.get("field"), what="fields", limit=limits.FIELDS):
        check_name(cursor, name, what="a field", reserved=RESERVED)
        if name in ghosts:
            top.cursor.faults.add(
                "LT006",
                ghosts[name].span,
                f"`{name}` is a field already, and fields and ghosts share their names",
                help=f"call the ghost something else, for example `seen_{name}`",
                related=((cursor.key, "the field"),),
            )
        found[name] = read_field(cursor, name, value, kinds)
    return found


def _read_actions(
    top: Record, fields: Mapping[str, Field], ghosts: Mapping[str, Ghost], kinds: Kinds
) -> dict[str, ActionOutline]:
    found: dict[str, ActionOutline] = {}
    maker = find_maker(top.table("action"))
    for name, value, cursor in entries(
        top.at("action"), top.get("action"), what="actions", limit=limits.ACTIONS
    ):
        check_name(cursor, name, what="an action", reserved=RESERVED_ACTIONS)
        keys = ACTION
        if name == "create":
            keys = {key: shape for key, shape in ACTION.items() if key not in NOT_FOR_CREATE}
            if isinstance(value, dict):
                value = _without_from(cursor, value)
        record = open_record(cursor, value, "`create`" if name == "create" else "an action", keys)
        arguments: dict[str, Argument] = {}
        if record is not None:
            arguments = _read_sets(
                record, fields, ghosts, is_create=name == maker, is_whole="field" not in top.wrong
            )
            _read_args(record, arguments, kinds)
        found[name] = ActionOutline(name, cursor, record, arguments, record.words("by") if record else ())
    _check_first_values(top, found, fields)
    return found


def find_maker(actions: Mapping[str, object]) -> str | None:
    """The action that makes an entity: `create`, or what was probably meant to be it."""
    if "create" in actions:
        return "create"
    unbound = [name for name, value in actions.items() if isinstance(value, dict) and "from" not in value]
    return unbound[0] if len(unbound) == 1 else None


def _without_from(cursor: Cursor, value: dict[str, object]) -> dict[str, object]:
    """`create` without the keys that other actions have, each of them reported."""
    for key in NOT_FOR_CREATE:
        if key in value:
            message = f"`create` has no `{key}`: it makes an entity in the initial state"
            cursor.at(key).report_key("LT002", message, help=f"remove `{key}`")
    return {key: part for key, part in value.items() if key not in NOT_FOR_CREATE}


def _read_sets(
    record: Record,
    fields: Mapping[str, Field],
    ghosts: Mapping[str, Ghost],
    *,
    is_create: bool,
    is_whole: bool,
) -> dict[str, Argument]:
    found: dict[str, Argument] = {}
    for word in record.words("sets"):
        name = word.text
        field = fields.get(name)
        if name in found:
            word.cursor.report("LT006", f"`{name}` stands in `sets` twice", help="remove one of them")
        elif name in ghosts and field is None:
            word.cursor.report(
                "LT108", f"`{name}` is a ghost, and `sets` takes fields", help="assign it in `ghost`"
            )
        elif field is None:
            if is_whole:
                _report_unset_field(word, fields)
        elif field.frozen and not is_create:
            message = f"`{name}` is frozen, so only `create` sets it"
            word.cursor.report("LT108", message, help=f"remove it from `sets`, or `frozen` from `{name}`")
        if field is None:
            found[name] = Argument(name, UNKNOWN, True, None, True, False, True, None, word.cursor.span)
        else:
            found[name] = Argument(
                name, field.type, field.has_default, field.default, False, field.secret, True, field.explore,
                word.cursor.span,
            )  # fmt: skip
    return found


def _report_unset_field(word: Word, fields: Mapping[str, Field]) -> None:
    guess = word.cursor.faults.closest(word.text, fields)
    message = f"there is no field `{word.text[:80]}`"
    if guess is not None:
        edit = Edit(word.cursor.span, quoted(guess))
        word.cursor.report("LT108", message, help=f"did you mean `{guess}`?", edit=edit)
    else:
        word.cursor.report("LT108", message, help="add it to `[field]`, or make it an argument in `args`")


def _read_args(record: Record, arguments: dict[str, Argument], kinds: Kinds) -> None:
    own: set[str] = set()
    for name, value, cursor in entries(
        record.at("args"), record.get("args"), what="arguments", limit=limits.ARGUMENTS
    ):
        check_name(cursor, name, what="an argument", reserved=RESERVED)
        if name in arguments:
            message = f"`{name}` is an argument already, by `sets`"
            cursor.report_key("LT006", message, help="remove one of them")
            continue
        arguments[name] = read_argument(cursor, name, value, kinds)
        own.add(name)


def _check_first_values(
    top: Record, actions: Mapping[str, ActionOutline], fields: Mapping[str, Field]
) -> None:
    """A bool, int or enum is never unset, so it has a default or is given to `create`."""
    create = actions.get("create")
    if create is None or create.record is None or "sets" in create.record.wrong:
        return
    for field in fields.values():
        if field.type.kind in NEEDS_VALUE and not field.has_default and field.name not in create.arguments:
            thing = f"{'a' if field.type.kind == 'bool' else 'an'} {field.type.kind}"
            top.cursor.faults.add(
                "LT109",
                field.span,
                f"`{field.name}` is {thing}, never unset: it needs `default` or a place in `create`'s `sets`",
                help=f'add `default = {example(field.type)}`, or `"{field.name}"` to `sets` of `create`',
            )
