"""Tables read by a declared schema: unknown, missing and wrongly typed keys are told here alone.

`open_record` compares a table with its `Key`s and gives a `Record`, whose getters hold only values
of the right shape; what was missing or wrong reads as absent and has been reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from typing import Literal, NamedTuple

from lathe.errors import Edit, Span
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import Faults, listed, quoted
from lathe.lang.resolve.habits import ALIASES
from lathe.lang.source import Place, Source

Path = tuple[str | int, ...]
Shape = Literal[
    "text",
    "flag",
    "int",
    "number",
    "words",
    "list",
    "lists",
    "tables",
    "table",
    "pair",
    "text_or_table",
    "any",
]


class Key(NamedTuple):
    """What stands under a key. `phrase` tells it to people: "a state, or a list of states"."""

    shape: Shape
    phrase: str
    required: bool = False


class Cursor(NamedTuple):
    """A place in a file: a value, the key before it, and where faults about them go."""

    source: Source
    path: Path
    faults: Faults

    def at(self, *more: str | int) -> Cursor:
        """The place further in."""
        return Cursor(self.source, (*self.path, *more), self.faults)

    @property
    def key(self) -> Span:
        return self.source.key(self.path)

    @property
    def span(self) -> Span:
        return self.source.place(self.path).span

    @property
    def place(self) -> Place:
        return self.source.place(self.path)

    def report(self, code: str, message: str, *, help: str = "", edit: Edit | None = None) -> None:
        """A fault of the value."""
        self.faults.add(code, self.span, message, help=help, edit=edit)

    def report_key(self, code: str, message: str, *, help: str = "", edit: Edit | None = None) -> None:
        """A fault of the key."""
        self.faults.add(code, self.key, message, help=help, edit=edit)

    def report_unknown(
        self, code: str, message: str, name: str, known: Mapping[str, object] | set[str]
    ) -> None:
        """A fault of a quoted name that is none of `known`, with the one that was probably meant."""
        guess = self.faults.closest(name, known)
        if guess is not None:
            self.report(code, message, help=f"did you mean `{guess}`?", edit=Edit(self.span, quoted(guess)))
        else:
            self.report(code, message, help=f"there are {listed(sorted(known))}" if known else "")


class Word(NamedTuple):
    """One text of a list, or the only one, and its place."""

    text: str
    cursor: Cursor


class Record:
    """The values of a table that have their declared shapes."""

    __slots__ = ("_values", "cursor", "what", "wrong")

    def __init__(
        self, cursor: Cursor, what: str, values: Mapping[str, object], wrong: frozenset[str]
    ) -> None:
        self.cursor = cursor
        self.what = what
        self.wrong = wrong
        self._values = values

    def has(self, key: str) -> bool:
        """Whether the key is there, with a value of its shape."""
        return key in self._values

    def at(self, key: str, *more: str | int) -> Cursor:
        return self.cursor.at(key, *more)

    def get(self, key: str) -> object:
        return self._values.get(key)

    def text(self, key: str) -> str | None:
        value = self._values.get(key)
        return value if isinstance(value, str) else None

    def doc(self) -> str:
        return self.text("doc") or ""

    def flag(self, key: str) -> bool:
        return self._values.get(key) is True

    def number(self, key: str) -> int | None:
        value = self._values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def pair(self, key: str) -> tuple[int, int] | None:
        value = self._values.get(key)
        if not isinstance(value, list):
            return None
        low, high = value
        return low, high

    def table(self, key: str) -> dict[str, object]:
        value = self._values.get(key)
        return value if isinstance(value, dict) else {}

    def words(self, key: str) -> tuple[Word, ...]:
        """The texts under a key that takes one or several."""
        value = self._values.get(key)
        if isinstance(value, str):
            return (Word(value, self.at(key)),)
        if isinstance(value, list):
            return tuple(Word(text, self.at(key, i)) for i, text in enumerate(value))
        return ()

    def word(self, key: str) -> Word | None:
        value = self._values.get(key)
        return Word(value, self.at(key)) if isinstance(value, str) else None

    def tables(self, key: str) -> Iterator[Cursor]:
        """The places of the tables in a list of tables."""
        value = self._values.get(key)
        for index in range(len(value) if isinstance(value, list) else 0):
            yield self.at(key, index)


def open_record(cursor: Cursor, value: object, what: str, keys: Mapping[str, Key]) -> Record | None:
    """Read a table by its keys. `what` names it in messages ("an action"). None: it is no table."""
    if not isinstance(value, dict):
        shown = ", ".join(f"{name} = …" for name in list(keys)[:2])
        cursor.report("LT004", f"{what} is a table, not {described(value)}", help=f"write `{{ {shown} }}`")
        return None
    values: dict[str, object] = {}
    wrong: set[str] = set()
    for name, part in value.items():
        key = keys.get(name)
        if key is None:
            _report_unknown_key(cursor.at(name), name, what, keys, value)
        elif _has_shape(cursor.at(name), name, part, key):
            values[name] = part
        else:
            wrong.add(name)
    for name, key in keys.items():
        if key.required and name not in value:
            cursor.report_key("LT003", f"{what} needs `{name}`, {key.phrase}", help=f"add `{name} = …`")
            wrong.add(name)
    doc = values.get("doc")
    if isinstance(doc, str) and len(doc) > limits.DOC_LENGTH:
        message = f"a `doc` holds at most {limits.DOC_LENGTH} characters, this one {len(doc)}"
        cursor.at("doc").report("LT005", message)
    return Record(cursor, what, values, frozenset(wrong))


def entries(cursor: Cursor, table: object, *, what: str, limit: int) -> Iterator[tuple[str, object, Cursor]]:
    """The named entries of a table such as `[action]`. `what` is their plural, for messages."""
    if not isinstance(table, dict):
        if table is not None:
            cursor.report("LT004", f"`{cursor.path[-1]}` is a table of {what}, not {described(table)}")
        return
    if len(table) > limit:
        cursor.report_key("LT005", f"at most {limit} {what}, not {len(table)}")
    for name, value in list(table.items())[:limit]:
        yield name, value, cursor.at(name)


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


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_int(value) or (isinstance(value, float) and value == value and abs(value) != float("inf"))


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(x, str) for x in value)


_SHAPES: Mapping[Shape, Callable[[object], bool]] = {
    "text": _is_text,
    "flag": lambda v: isinstance(v, bool),
    "int": _is_int,
    "number": _is_number,
    "words": lambda v: _is_text(v) or _is_list(v),
    "list": _is_list,
    "lists": lambda v: isinstance(v, list) and all(_is_list(x) for x in v),
    "table": lambda v: isinstance(v, dict),
    "tables": lambda v: isinstance(v, list) and all(isinstance(x, dict) for x in v),
    "pair": lambda v: isinstance(v, list) and len(v) == 2 and all(_is_int(x) for x in v),
    "text_or_table": lambda v: isinstance(v, str | dict),
    "any": lambda _: True,
}


def _has_shape(cursor: Cursor, name: str, value: object, key: Key) -> bool:
    if _SHAPES[key.shape](value):
        return True
    culprit = _culprit(key.shape, value)
    where, shown = (cursor, value) if culprit is None else (cursor.at(culprit[0]), culprit[1])
    message = f"`{name}` is {key.phrase}, not {described(shown)}"
    if culprit is not None:
        message = f"`{name}` is {key.phrase}, and holds {described(shown)}"
    cure = _cure(key.shape, shown, is_element=culprit is not None)
    if cure is None:
        where.report("LT004", message)
    else:
        where.report("LT004", message, help=f"write `{cure}`", edit=Edit(where.span, cure))
    return False


def _culprit(shape: Shape, value: object) -> tuple[int, object] | None:
    """The first element that makes a list wrong."""
    wanted: Mapping[Shape, Shape] = {"words": "text", "list": "text", "lists": "list", "tables": "table"}
    if not isinstance(value, list) or shape not in wanted:
        return None
    fits = _SHAPES[wanted[shape]]
    return next(((i, x) for i, x in enumerate(value) if not fits(x)), None)


def _cure(shape: Shape, value: object, *, is_element: bool) -> str | None:
    """The same value in its right shape, where that can be told."""
    wanted = "text" if is_element and shape in ("words", "list") else shape
    match value:
        case str() if wanted == "flag" and value.lower() in ("true", "false"):
            return value.lower()
        case str() if wanted in ("int", "number") and value.strip("-").isdecimal() and value.isascii():
            return value
        case str() if wanted == "list" and len(value) <= limits.SHORT_TEXT_LENGTH:
            return f"[{quoted(value)}]"
        case bool() if wanted == "text":
            return quoted(str(value))
        case int() if wanted == "text":
            return quoted(str(value))
        case float() if wanted == "int" and value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        case _:
            return None


def _report_unknown_key(
    cursor: Cursor, name: str, what: str, keys: Mapping[str, Key], table: dict[str, object]
) -> None:
    free = [key for key in keys if key not in table]
    meant = next((alias for alias in ALIASES.get(name.lower(), ()) if alias in free), None)
    guess = meant or cursor.faults.closest(name, free)
    message = f"{what} has no key `{_shown(name)}`"
    if guess is None:
        cursor.report_key("LT002", message, help=f"its keys are {listed(keys, at_most=20)}")
        return
    # A habit needs a thought (`min` is half of a `range`), a slip of the pen only the right letters.
    edit = None if meant else Edit(cursor.key, guess)
    cursor.report_key("LT002", message, help=f"did you mean `{guess}`, {keys[guess].phrase}?", edit=edit)


def _shown(name: str) -> str:
    return name if len(name) <= limits.NAME_LENGTH else f"{name[: limits.NAME_LENGTH]}…"
