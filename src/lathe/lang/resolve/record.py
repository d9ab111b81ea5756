"""Reads a table by a declared schema; unknown, missing and ill-typed keys are reported here only.

`open_record` compares a table with its `Key`s and gives a `Record`, whose getters hold only values
of the right shape; what was missing or wrong reads as absent and has been reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from lathe.errors import Edit, Span
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import Faults, listed, quoted
from lathe.lang.resolve.habits import ALIASES
from lathe.lang.resolve.shapes import SHAPES, Key, culprit, cure, described
from lathe.lang.source import Place, Source

Path = tuple[str | int, ...]
NOWHERE: Mapping[str, tuple[str, str]] = MappingProxyType({})


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

    def report(
        self, code: str, message: str, *, help: str = "", edit: Edit | None = None, once: str = ""
    ) -> None:
        """A fault of the value."""
        self.faults.add(code, self.span, message, help=help, edit=edit, once=once)

    def report_key(self, code: str, message: str, *, help: str = "", edit: Edit | None = None) -> None:
        """A fault of the key."""
        self.faults.add(code, self.key, message, help=help, edit=edit)

    def report_unknown(
        self, code: str, message: str, name: str, known: Iterable[str], *, once: bool = False
    ) -> None:
        """A fault of a quoted name that is none of `known`, with the one that was probably meant.

        With `once`, a name that is simply not there is told at its first use alone.
        """
        known = sorted(known)
        guess = self.faults.closest(name, known)
        if guess is not None:
            self.report(code, message, help=f"did you mean `{guess}`?", edit=Edit(self.span, quoted(guess)))
        else:
            help_ = f"there are {listed(known)}" if known else ""
            self.report(code, message, help=help_, once=message if once else "")


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


def open_record(
    cursor: Cursor,
    value: object,
    what: str,
    keys: Mapping[str, Key],
    *,
    elsewhere: Mapping[str, tuple[str, str]] = NOWHERE,
) -> Record | None:
    """Read a table by its keys. `what` names it in messages ("an action"). None: it is no table.

    `elsewhere` has names that belong under one of the keys: which, and how to write it there. A key
    that an unknown one was probably meant to be counts as wrong, so that nobody misses it.
    """
    if not isinstance(value, dict):
        shown = ", ".join(f"{name} = {key.example}" for name, key in list(keys.items())[:2])
        cursor.report("LT004", f"{what} is a table, not {described(value)}", help=f"write `{{ {shown} }}`")
        return None
    values: dict[str, object] = {}
    wrong: set[str] = set()
    for name, part in value.items():
        key = keys.get(name)
        if key is None and name in elsewhere:
            owner, help_ = elsewhere[name]
            cursor.at(name).report_key("LT002", f"{what} has no key `{name}`", help=help_)
            wrong.add(owner)
        elif key is None:
            wrong.add(_report_unknown_key(cursor.at(name), name, what, keys, value) or name)
        elif _has_shape(cursor.at(name), name, part, key):
            values[name] = part
        else:
            wrong.add(name)
    for name, key in keys.items():
        if key.required and name not in value and name not in wrong:
            message = f"{what} needs `{name}`, {key.phrase}"
            is_heading = key.shape == "table" and not cursor.path
            help_ = (
                f"add `[{name}]`, and under it a line for each"
                if is_heading
                else f"add `{name} = {key.example}`"
            )
            cursor.report_key("LT003", message, help=help_)
            wrong.add(name)
    doc = values.get("doc")
    if isinstance(doc, str) and len(doc) > limits.DOC_LENGTH:
        message = f"a `doc` holds at most {limits.DOC_LENGTH} characters, this one {len(doc)}"
        cursor.at("doc").report("LT005", message)
    return Record(cursor, what, values, frozenset(wrong))


def entries(cursor: Cursor, table: object, *, what: str, limit: int) -> Iterator[tuple[str, object, Cursor]]:
    """The named entries of a table such as `[action]`; `what` is their plural, for messages.

    Too many are reported and still read, so that nobody misses them: a file is small.
    """
    if not isinstance(table, dict):
        if table is not None:
            message = f"`{cursor.path[-1]}` is a table of {what}, not {described(table)}"
            cursor.report("LT004", message, help=_as_table(cursor, table))
        return
    if len(table) > limit:
        cursor.report_key("LT005", f"at most {limit} {what}, not {len(table)}")
    for name, value in table.items():
        yield name, value, cursor.at(name)


def _has_shape(cursor: Cursor, name: str, value: object, key: Key) -> bool:
    if SHAPES[key.shape](value):
        return True
    new = cure(key.shape, value, is_expression="expression" in key.phrase)
    found = None if new is not None else culprit(key.shape, value)
    where, message = cursor, f"`{name}` is {key.phrase}, not {described(value)}"
    if found is not None:
        where, message = cursor.at(found[0]), f"`{name}` is {key.phrase}, and holds {described(found[1])}"
    elif isinstance(value, list) and key.shape == "pair":
        message = f"`{name}` is {key.phrase}, not a list of {len(value)}"
    elif key.shape == "tables" and isinstance(value, dict):
        cursor.report("LT004", message, help=f"put it into a list: `{name} = [{{ … }}]`")
        return False
    if new is not None:
        where.report("LT004", message, help=f"write `{new}`", edit=Edit(where.span, new))
    else:
        help_ = _as_table(cursor, value) if key.shape == "table" else ""
        where.report(
            "LT004", message, help=help_ if key.example == "…" else f"write `{name} = {key.example}`"
        )
    return False


def _as_table(cursor: Cursor, value: object) -> str:
    """How a table is written, for who wrote a list."""
    if not isinstance(value, list):
        return ""
    name = cursor.path[-1]
    is_top = len(cursor.path) == 1
    if is_top:
        return f"write `[{name}]`, and under it a line `NAME = …` for each"
    return f"write `{name} = {{ NAME = … }}`"


def _report_unknown_key(
    cursor: Cursor, name: str, what: str, keys: Mapping[str, Key], table: Mapping[str, object]
) -> str | None:
    """LT002, and the key that was probably meant."""
    free = [key for key in keys if key not in table]
    meant = next((alias for alias in ALIASES.get(name.lower(), ()) if alias in free), None)
    guess = meant or cursor.faults.closest(name, free)
    message = f"{what} has no key `{_shown(name)}`"
    if guess is None:
        cursor.report_key("LT002", message, help=f"its keys are {listed(keys, at_most=20)}")
        return None
    # A habit needs a thought (`min` is half of a `range`), a slip of the pen only the right letters.
    edit = None if meant else Edit(cursor.key, guess)
    cursor.report_key("LT002", message, help=f"did you mean `{guess}`, {keys[guess].phrase}?", edit=edit)
    return guess


def _shown(name: str) -> str:
    return name if len(name) <= limits.NAME_LENGTH else f"{name[: limits.NAME_LENGTH]}…"
