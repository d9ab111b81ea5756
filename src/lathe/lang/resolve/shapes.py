"""The shapes that values of a file can have, how messages tell them, and how wrong ones are mended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Literal, NamedTuple

from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import quoted, quoted_list

Shape = Literal[
    "text",
    "flag",
    "int",
    "number",
    "words",  # a text, or a list of texts
    "list",  # a list of texts
    "lists",  # a list of lists of texts
    "tables",  # a list of tables
    "table",
    "pair",  # two ints
    "any",
]


class Key(NamedTuple):
    """What stands under a key. `phrase` tells it to people, `example` is how it may be written."""

    shape: Shape
    phrase: str
    required: bool = False
    example: str = "…"


def is_int(value: object) -> bool:
    """Whether it is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return is_int(value) or (isinstance(value, float) and value == value and abs(value) != float("inf"))


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(x, str) for x in value)


SHAPES: Mapping[Shape, Callable[[object], bool]] = {
    "text": _is_text,
    "flag": lambda v: isinstance(v, bool),
    "int": is_int,
    "number": _is_number,
    "words": lambda v: _is_text(v) or _is_list(v),
    "list": _is_list,
    "lists": lambda v: isinstance(v, list) and all(_is_list(x) for x in v),
    "table": lambda v: isinstance(v, dict),
    "tables": lambda v: isinstance(v, list) and all(isinstance(x, dict) for x in v),
    "pair": lambda v: isinstance(v, list) and len(v) == 2 and all(is_int(x) for x in v),
    "any": lambda _: True,
}
_ELEMENTS: Mapping[Shape, Shape] = {
    "words": "text",
    "list": "text",
    "lists": "list",
    "tables": "table",
    "pair": "int",
}


def described(value: object) -> str:
    """A value of the file, as a message tells it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case date() | time():
            return "a date or time"
        case _:
            return "something else"


def culprit(shape: Shape, value: object) -> tuple[int, object] | None:
    """The first element that makes a list wrong, and its index."""
    wanted = _ELEMENTS.get(shape)
    if not isinstance(value, list) or wanted is None:
        return None
    return next(((i, x) for i, x in enumerate(value) if not SHAPES[wanted](x)), None)


def cure(shape: Shape, value: object, *, is_expression: bool = False) -> str | None:
    """The same value in its right shape, as TOML, where that can be told."""
    match value:
        case str() if shape == "flag" and value.lower() in ("true", "false"):
            return value.lower()
        case str() if shape in ("int", "number") and is_digits(value):
            return value
        case str() if shape == "list" and len(value) <= limits.SHORT_TEXT_LENGTH:
            return f"[{quoted(value)}]"
        case [str() as only] if shape == "text" and len(only) <= limits.SHORT_TEXT_LENGTH:
            return quoted(only)
        case list() if shape == "lists" and value and _is_list(value):
            return f"[{quoted_list(value)}]"
        case bool() | int() if shape == "text" and is_expression:
            return quoted(str(value))
        case float() if shape == "int" and value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        case _:
            return None


def is_digits(text: str) -> bool:
    """Whether a text holds a whole number of a usual length."""
    return text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 18
