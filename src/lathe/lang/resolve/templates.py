"""Templates in settings: what each placeholder names, and where it may stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from lathe.errors import Edit
from lathe.lang.model import Placeholder, Template
from lathe.lang.resolve.asked import HELP, Asked
from lathe.lang.resolve.faults import listed
from lathe.lang.resolve.record import Cursor
from lathe.lang.template import Piece, TemplateError, split_template
from lathe.lang.types import TEXT, UNKNOWN, Type

_LATE = ("env", "secret")
_OUTSIDE_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_HOST_GIVEN = r"(?:https?://|\0(?:://)?)[^/?#]*[/?#]"
_SCHEME = r"https?://[^/?#]|\0"
_FORMS = "`{field}`, `{arg.x}`, `{id}`, `{visit}`, `{token}`, `{env.NAME}` and `{secret.NAME}`"
_PLAIN = frozenset({"bool", "int", "enum", "text", "id", "ref", "time", "unknown"})


class TemplateNames(NamedTuple):
    """What a template may read. Unless `is_whole`, unknown names are not reported."""

    fields: Mapping[str, Type]
    ghosts: frozenset[str]
    asked: Asked
    is_whole: bool


def read_template(
    cursor: Cursor, text: str, names: TemplateNames, *, is_text: bool, is_url: bool = False
) -> Template:
    """Read a template. With `is_text` its value is text, so a set or json cannot stand in it."""
    try:
        pieces = split_template(text)
    except TemplateError as error:
        cursor.faults.add(
            "LT106",
            cursor.place.within(error.start, error.end),
            f"in a template {error}",
            help="write `{{` and `}}` for the braces themselves",
        )
        return Template((), cursor.span)
    parts: list[str | Placeholder] = []
    is_mixed = len(pieces) > 1 or is_text
    for piece in pieces:
        if piece.is_placeholder:
            parts.append(_read_placeholder(cursor, piece, names, is_mixed=is_mixed))
        else:
            parts.append(piece.text)
    if is_url:
        _check_url(cursor, pieces)
    return Template(tuple(parts), cursor.span)


def _read_placeholder(cursor: Cursor, piece: Piece, names: TemplateNames, *, is_mixed: bool) -> Placeholder:
    head, dot, name = piece.text.partition(".")
    if not dot and head in ("id", "visit"):
        return Placeholder("id" if head == "id" else "visit", head)
    if not dot and head == "token":
        return Placeholder("token", head)
    if dot and head in _LATE:
        if re.fullmatch(_OUTSIDE_NAME, name) is None:
            _report(
                cursor,
                piece,
                "LT106",
                f"`{name[:80]}` names nothing of the operator's",
                "write letters, digits and `_`",
            )
        return Placeholder("env" if head == "env" else "secret", name)
    if dot and head == "arg":
        type_ = _argument(cursor, piece, name, names)
        scope = Placeholder("arg", name)
    else:
        type_ = _field(cursor, piece, names)
        scope = Placeholder("field", piece.text)
    if is_mixed and type_.kind not in _PLAIN:
        message = f"`{piece.text}` is {type_.kind}, which cannot stand in a text"
        _report(
            cursor, piece, "LT106", message, "let it stand alone, as a value of `body`, `data` or `input`"
        )
    return scope


def _argument(cursor: Cursor, piece: Piece, name: str, names: TemplateNames) -> Type:
    asked = names.asked
    if name in asked.lacking:
        _report(cursor, piece, "LT101", asked.lacking[name], HELP)
    elif name not in asked.arguments and names.is_whole:
        message = f"no action that asks for this effect has an argument `{name[:80]}`"
        _report_unknown(cursor, piece, message, {f"arg.{known}" for known in asked.arguments}, names)
    return asked.arguments.get(name, TEXT)


def _field(cursor: Cursor, piece: Piece, names: TemplateNames) -> Type:
    text = piece.text
    if text in names.fields:
        return names.fields[text]
    if text in names.ghosts:
        message = f"`{text}` is a ghost, and effects may not read ghosts"
        _report(cursor, piece, "LT101", message, "keep it in a field as well")
    elif names.asked.arguments.get(text, TEXT).kind == "unknown":
        return UNKNOWN
    elif text in names.asked.arguments:
        message = f"`{text}` is an argument"
        _report(cursor, piece, "LT101", message, f"write `{{arg.{text}}}`", f"{{arg.{text}}}")
    elif names.fields.get(text.partition(".")[0], TEXT).kind == "ref":
        message = f"a template takes no step through a ref, as `{text[:80]}` would"
        _report(cursor, piece, "LT101", message, "keep it in a field as well, or pass it as an argument")
    elif names.is_whole:
        message = f"a template cannot read `{text[:80]}`" if text else "a placeholder has a name in it"
        _report_unknown(cursor, piece, message, {*names.fields, "id", "visit", "token"}, names)
    return TEXT


def _report_unknown(
    cursor: Cursor, piece: Piece, message: str, known: set[str], names: TemplateNames
) -> None:
    if not names.is_whole:
        return
    guess = cursor.faults.closest(piece.text, known)
    if guess is not None:
        _report(cursor, piece, "LT101", message, f"did you mean `{{{guess}}}`?", f"{{{guess}}}")
        return
    fields = f"; the fields are {listed(names.fields)}" if names.fields else ""
    _report(cursor, piece, "LT101", message, f"it can read {_FORMS}{fields}")


def _report(cursor: Cursor, piece: Piece, code: str, message: str, cure: str, new: str | None = None) -> None:
    span = cursor.place.within(piece.start, piece.end)
    cursor.faults.add(code, span, message, help=cure, edit=None if new is None else Edit(span, new))


def _check_url(cursor: Cursor, pieces: tuple[Piece, ...]) -> None:
    """Scheme, host and port come from literals and `env` alone."""
    before = ""
    for piece in pieces:
        if not piece.is_placeholder:
            before += piece.text.replace("\0", "")
        elif piece.text.startswith("env."):
            before += "\0"
        elif re.match(_HOST_GIVEN, before) is None:
            message = f"`{{{piece.text}}}` would form the scheme, host or port of a URL"
            cure = "begin with `https://HOST/` or `{env.NAME}/`, and let it stand behind that"
            _report(cursor, piece, "LT106", message, cure)
            return
        else:
            before += "x"
    if re.match(_SCHEME, before) is None:
        cursor.report("LT106", "a URL begins with `http://`, `https://` or `{env.NAME}`")
