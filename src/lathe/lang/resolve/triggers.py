"""What takes actions from outside the entity's own life: `[timer]` and `[inbound]`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lathe.errors import Edit
from lathe.lang.model import Deadline, Inbound, Unique
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import listed, quoted
from lathe.lang.resolve.joint import report_stray
from lathe.lang.resolve.naming import is_name
from lathe.lang.resolve.outline import Outline
from lathe.lang.resolve.record import Cursor, Record, Word, open_record
from lathe.lang.resolve.shapes import Key, described
from lathe.lang.resolve.states import check_action, check_timed_action, required_arguments

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
SCHEMES = ("github", "standard", "stripe")
SIGNED: Mapping[str, Key] = {
    "scheme": Key("text", "one of standard, github, stripe", required=True, example='"standard"'),
    "secret": Key("text", "the name of a secret of the operator", required=True, example='"NAME"'),
}
_LITERAL = r"[A-Za-z0-9._~-]{1,64}"
_SECRET = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_PLACE = r"body(\.[A-Za-z0-9_$-]+)+|query\.[A-Za-z0-9_.~-]+|header\.[A-Za-z0-9-]+|path\.[a-z][a-z0-9_]*"
_PLACES = "`body.a.b`, `query.NAME`, `header.NAME` or `path.NAME`"


Variables = frozenset[str] | None
"""The variables of a path; None where it is wrong."""


def read_timers(outline: Outline) -> dict[str, Deadline]:
    """All deadlines."""
    found: dict[str, Deadline] = {}
    for name, entry in outline.timers.items():
        record = entry.record
        if record is None:
            continue
        at, then = record.word("at"), record.word("then")
        if at is not None:
            _check_time_field(outline, at)
        if then is not None:
            check_timed_action(outline, then)
        if at is not None and then is not None:
            found[name] = Deadline(name, at.text, then.text, record.doc(), entry.cursor.key)
    return found


def _check_time_field(outline: Outline, word: Word) -> None:
    field = outline.fields.get(word.text)
    times = {name: None for name, f in outline.fields.items() if f.type.kind == "time"}
    if field is None:
        if "field" not in outline.top.wrong:
            message = f"`at` is a time field, and there is no field `{word.text[:80]}`"
            word.cursor.report_unknown("LT106", message, word.text, times)
    elif field.type.kind not in ("time", "unknown"):
        message = f"`at` is a time field, and `{word.text}` is of type {field.type.kind}"
        cure = f"there are {listed(times)}" if times else 'add a field `{ type = "time" }`'
        word.cursor.report("LT106", message, help=cure)


def read_inbounds(outline: Outline, unique: Mapping[str, Unique]) -> dict[str, Inbound]:
    """All events from outside."""
    found: dict[str, Inbound] = {}
    for name, entry in outline.inbound.items():
        record = entry.record
        if record is None:
            continue
        path, variables = _read_path(record)
        action = record.word("action")
        known = action is not None and check_action(outline, action)
        scheme, secret = _read_signed(record)
        find = _read_find(
            outline, record, unique, variables, action=action.text if action and known else None
        )
        args = _read_args(outline, record, variables, action=action.text if action and known else None)
        if action is not None:
            once = _read_once(record, variables)
            found[name] = Inbound(
                name, path, _read_method(record), scheme, secret, once, find, action.text, args,
                record.doc(), entry.cursor.key,
            )  # fmt: skip
    return found


def _read_path(record: Record) -> tuple[str, Variables]:
    """The path without a leading slash, and its variables."""
    text = record.text("path")
    if text is None:
        return "", None
    cursor = record.at("path")
    path = text.removeprefix("/")
    segments = path.split("/")
    if len(segments) > limits.PATH_SEGMENTS:
        cursor.report("LT005", f"a path has at most {limits.PATH_SEGMENTS} segments")
        return path, None
    variables: set[str] = set()
    is_sound = True
    for segment in segments:
        name = segment[1:-1]
        if segment.startswith("{") and segment.endswith("}") and is_name(name):
            if name in variables:
                cursor.report("LT006", f"`{{{name}}}` stands in the path twice", help="rename one of them")
            variables.add(name)
        elif re.fullmatch(_LITERAL, segment) is None or segment in (".", ".."):
            message = (
                f"`{segment[:80]}` is no segment of a path" if segment else "a segment of the path is empty"
            )
            cure = "a segment is letters, digits and `-._~`, or `{name}` alone"
            cursor.report("LT106", message, help=cure)
            is_sound = False
    return path, frozenset(variables) if is_sound else None


def _read_method(record: Record) -> str:
    method = record.text("method")
    if method is None:
        return "POST"
    if method not in METHODS:
        cursor = record.at("method")
        message = f"`{method[:40]}` is no method: one is {listed(METHODS)}"
        edit = Edit(cursor.span, quoted(method.upper())) if method.upper() in METHODS else None
        cursor.report("LT106", message, help=f"write {edit.text}" if edit else "", edit=edit)
    return method


def _read_signed(record: Record) -> tuple[str | None, str | None]:
    if not record.has("signed"):
        return None, None
    signed = open_record(record.at("signed"), record.get("signed"), "`signed`", SIGNED)
    if signed is None:
        return None, None
    scheme, secret = signed.text("scheme"), signed.text("secret")
    if scheme is not None and scheme not in SCHEMES:
        message = f"there is no scheme `{scheme[:40]}`"
        signed.at("scheme").report_unknown("LT106", message, scheme, SCHEMES)
    if secret is not None and re.fullmatch(_SECRET, secret) is None:
        message = "`secret` is the name of a secret, never the secret: letters, digits and `_`"
        signed.at("secret").report("LT106", message)
    return scheme, secret


def _read_place(cursor: Cursor, value: object, variables: Variables, what: str) -> str | None:
    """Where something stands in a delivery."""
    if not isinstance(value, str):
        cursor.report(
            "LT004", f"{what} is a place in the delivery, not {described(value)}", help=f"write {_PLACES}"
        )
        return None
    if re.fullmatch(_PLACE, value) is None:
        message = f"{what} is {_PLACES}, and `{value[:80]}` is none"
        new = f"header.{value}" if "-" in value else f"body.{value}"
        edit = Edit(cursor.span, quoted(new)) if re.fullmatch(_PLACE, new) and "." not in value else None
        cursor.report("LT106", message, help=f'did you mean "{new}"?' if edit else "", edit=edit)
        return None
    if value.startswith("path.") and variables is not None and value[5:] not in variables:
        message = f"the path has no variable `{value[5:]}`"
        known = {f"path.{name}": None for name in variables}
        cursor.report_unknown("LT106", message, value, known)
    return value


def _read_once(record: Record, variables: Variables) -> str | None:
    if not record.has("once"):
        return None
    return _read_place(record.at("once"), record.get("once"), variables, "`once`")


def _read_find(
    outline: Outline,
    record: Record,
    unique: Mapping[str, Unique],
    variables: Variables,
    *,
    action: str | None,
) -> tuple[str, str] | None:
    if not record.has("find"):
        if action is not None and action != "create" and "find" not in record.wrong:
            message = (
                f"`{record.cursor.path[-1]}` needs `find`, which tells what {outline.name} takes `{action}`"
            )
            record.cursor.report_key("LT003", message, help='add `find = { id = "body.id" }`')
        return None
    cursor, table = record.at("find"), record.table("find")
    if action == "create":
        record.at("find").report_key(
            "LT106", "`create` makes an entity, so there is none to find", help="remove `find`"
        )
        return None
    if len(table) != 1:
        cursor.report("LT106", f"`find` names one field, not {len(table)}", help='write `{ id = "body.id" }`')
        return None
    name, value = next(iter(table.items()))
    place = _read_place(cursor.at(name), value, variables, "what is looked for")
    _check_findable(outline, cursor.at(name), name, unique)
    return None if place is None else (name, place)


def _check_findable(outline: Outline, cursor: Cursor, name: str, unique: Mapping[str, Unique]) -> None:
    if name == "id" or any(entry.fields == (name,) for entry in unique.values()):
        return
    named = {field for entry in unique.values() for field in entry.fields}
    is_known = all(entry.fields for entry in unique.values()) and named <= outline.fields.keys()
    if {"field", "unique"} & outline.top.wrong or not is_known:
        return
    if name not in outline.fields:
        message = f"there is no field `{name[:80]}` to find by"
        guess = cursor.faults.closest(name, {"id", *outline.fields})
        cure, edit = (
            (f"did you mean `{guess}`?", Edit(cursor.key, guess)) if guess else ("find by `id`", None)
        )
        cursor.report_key("LT106", message, help=cure, edit=edit)
        return
    message = f"`{name}` may be the same in several: `find` takes `id`, or a field that is `[unique]` alone"
    cursor.report_key("LT106", message, help=f'add `{name}_once = {{ fields = ["{name}"] }}` to `[unique]`')


def _read_args(
    outline: Outline, record: Record, variables: Variables, *, action: str | None
) -> dict[str, str]:
    cursor, table = record.at("args"), record.table("args")
    entry = outline.actions.get(action or "")
    found: dict[str, str] = {}
    meant: set[str | None] = set()
    for name, value in table.items():
        at = cursor.at(name)
        if entry is not None and name not in entry.arguments:
            meant.add(report_stray(at, name, entry, code="LT106"))
        place = _read_place(at, value, variables, f"`{name[:80]}`")
        if place is not None:
            found[name] = place
    if entry is not None and entry.is_whole and "args" not in record.wrong:
        for name in required_arguments(outline, entry.name):
            if name not in table and name not in meant:
                where = cursor if record.has("args") else record.cursor
                message = f"`{action}` needs the argument `{name}`, and nothing in the delivery gives it"
                where.report_key("LT106", message, help=f'add `{name} = "body.{name}"` to `args`')
    return found
