"""TOML values with the source position of every key and value, inside inline tables and strings too.

`tomllib` decides what the text means. Places are looked for on the first question, since a file
without faults seldom asks for many.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Any

from lathe.errors import Diagnostic, Span, UnreadableError
from lathe.frozen import frozen
from lathe.lang.scan import MAX_NESTING, Path, Positions, Stretch, character_offsets, scan

MAX_BYTES = 64 * 1024
MAX_KEY_PARTS = 64

_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'[^']*'"
_NOT_TOML = {
    "True": "TOML writes `true`",
    "False": "TOML writes `false`",
    "None": "TOML has no such value: leave the key out",
    "null": "TOML has no such value: leave the key out",
}
_WHERE = r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$"
_TWICE = r"twice|overwrite|[Dd]uplicate|immutable|[Rr]edefine"
_LONG_KEY = re.compile(
    rf"""^[ \t]*+\[?+\[?+(?:[ \t]*+(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.){{{MAX_KEY_PARTS}}}""",
    re.MULTILINE,
)
_LONG_NUMBER = r"[0-9](?:_?[0-9]){4299,}+"


@frozen
class Place:
    """Where a value stands. `span` is all of it, with its quotes; `quote` is its opening quote.

    Of a string on one line without escapes `column` is that of its first character; for any other
    string `marks` gives line and column of the start and end of each decoded character.
    """

    span: Span
    column: int | None = None
    marks: tuple[tuple[int, int, int, int], ...] = ()
    quote: str = ""

    def written(self, text: str) -> str:
        """How text is to be written inside this string, so that it decodes to the same.

        In a string of single quotes, which knows no escapes, quotes inside become double ones.
        """
        if self.quote == '"':
            return text.replace("\\", "\\\\").replace('"', '\\"')
        return text.replace("'", '"') if self.quote == "'" else text

    def within(self, start: int, end: int) -> Span:
        """Where the characters `start` to `end` (exclusive) of the decoded string stand in the file.

        Offsets beyond the string are drawn in; of what is no string it is the whole value.
        """
        file, line = self.span.file, self.span.line
        if self.column is not None:
            last = max(self.column, self.span.end_column - 1)
            first_column = min(self.column + max(start, 0), last)
            return Span(file, line, first_column, line, max(min(self.column + end, last), first_column))
        if not self.marks:
            return self.span
        first = min(max(start, 0), len(self.marks))
        if end <= first or first == len(self.marks):
            at = self.marks[first][:2] if first < len(self.marks) else self.marks[-1][2:]
            return Span(file, *at, *at)
        final = min(end, len(self.marks)) - 1
        return Span(file, *self.marks[first][:2], *self.marks[final][2:])


class Source:
    """One file that could be read: its name, its text, its data, and where everything stands."""

    __slots__ = ("_line_starts", "_positions", "data", "file", "text")

    def __init__(self, file: str, text: str, data: dict[str, Any]) -> None:
        self.file = file
        self.text = text
        self.data = data
        self._positions: Positions | None = None
        self._line_starts = line_starts(text)

    def key(self, path: Path) -> Span:
        """Where a key stands (its last part, if it is dotted), or the nearest one around it.

        An element of an array has no key: its value's place is given.
        """
        found = self._found()
        while path:
            stretch = found.values.get(path) if isinstance(path[-1], int) else found.keys.get(path)
            if stretch is not None:
                return self._span(stretch)
            path = path[:-1]
        return self._top()

    def place(self, path: Path) -> Place:
        """Where a value stands, or the nearest one around it. Of a table it is its header."""
        found = self._found()
        asked = path
        while path and path not in found.values:
            path = path[:-1]
        if not path:
            return Place(self._top())
        stretch = found.values[path]
        span = self._span(stretch)
        raw = self.text[stretch[0] : stretch[1]]
        if path != asked or raw[0] not in "\"'" or (stretch == found.keys.get(path)):
            return Place(span)
        is_long = raw.startswith(('"""', "'''"))
        if not is_long and (raw[0] == "'" or "\\" not in raw):
            return Place(span, span.column + 1, (), raw[0])
        marks = self._marks(raw, stretch[0]) or ((*_inner(span), *_inner(span)),)
        return Place(span, None, marks, raw[:3] if is_long else raw[0])

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its end; empty outside the file."""
        if not 1 <= number <= len(self._line_starts):
            return ""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")

    def _found(self) -> Positions:
        if self._positions is None:
            self._positions = scan(self.text)
        return self._positions

    def _marks(self, raw: str, offset: int) -> tuple[tuple[int, int, int, int], ...]:
        starts = self._line_starts
        return tuple(
            (*_line_column(starts, offset + start), *_line_column(starts, offset + end))
            for start, end in character_offsets(raw)
        )

    def _span(self, stretch: Stretch) -> Span:
        return _span(self.file, self._line_starts, stretch)

    def _top(self) -> Span:
        return Span(self.file, 1, 1, 1, len(self.line(1)) + 1)


def read_source(file: str, raw: bytes) -> Source:
    """Read one file, whatever its bytes are.

    Raises UnreadableError: LT001 (not UTF-8, not TOML), LT005 (too large, too deep, a number with
    too many digits), LT006 (a key or table given twice).
    """
    if len(raw) > MAX_BYTES:
        raise _unreadable(
            "LT005", f"the file has {len(raw)} bytes, and {MAX_BYTES} are the limit", Span(file, 1, 1, 1, 1)
        )
    text = _decode(file, raw)
    long_key = _LONG_KEY.search(text)
    if long_key is not None:
        raise _too_deep(file, text, long_key.span())
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(file, text, str(error)) from error
    except RecursionError as error:
        raise _too_deep(file, text, scan(text).deep or (0, 0)) from error
    except ValueError as error:
        raise _bad_number(file, text) from error
    if _is_too_deep(data):
        raise _too_deep(file, text, scan(text).deep or (0, 0))
    return Source(file, text, data)


def bare_place(text: str, file: str = "<text>") -> Place:
    """A place for text that stands in no file: an argument of a command, a query."""
    starts = line_starts(text)
    marks = tuple((*_line_column(starts, i), *_line_column(starts, i + 1)) for i in range(len(text)))
    return Place(_span(file, starts, (0, len(text))), None, marks)


def line_starts(text: str) -> list[int]:
    """The offset at which each line begins."""
    starts = [0]
    at = text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts


def _line_column(starts: list[int], offset: int) -> tuple[int, int]:
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


def _span(file: str, starts: list[int], stretch: Stretch) -> Span:
    return Span(file, *_line_column(starts, stretch[0]), *_line_column(starts, stretch[1]))


def _inner(span: Span) -> tuple[int, int]:
    """Where the text of an empty string would stand."""
    return span.end_line, max(span.end_column - 1, 1)


def _unreadable(
    code: str, message: str, span: Span, *, help_: str = "", related: tuple[tuple[Span, str], ...] = ()
) -> UnreadableError:
    return UnreadableError((Diagnostic(code, "error", message, span, help_, related),))


def _decode(file: str, raw: bytes) -> str:
    if raw.startswith(b"\xef\xbb\xbf"):
        message = "the file begins with a byte order mark, which TOML does not have"
        raise _unreadable("LT001", message, Span(file, 1, 1, 1, 1), help_="save it as UTF-8 without a mark")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        span = _span(file, line_starts(before), (len(before), len(before)))
        message = f"the file is not UTF-8: byte {error.start + 1} is 0x{raw[error.start]:02x}"
        raise _unreadable("LT001", message, span, help_="save it as UTF-8") from error


def _not_toml(file: str, text: str, message: str) -> UnreadableError:
    where = re.search(_WHERE, message)
    said = message[: where.start()] if where is not None else message
    if re.search(_TWICE, said):
        return _given_twice(file, text)
    starts = line_starts(text)
    if where is not None and where[1]:
        line, column = int(where[1]), int(where[2])
        span = Span(file, line, column, line, column + 1)
    else:
        span = _span(file, starts, (len(text), len(text)))
    message = f"the file is not TOML: {said[:1].lower()}{said[1:]}"
    return _unreadable("LT001", message, span, help_=_toml_cure(text.splitlines(), span))


def _toml_cure(lines: list[str], span: Span) -> str:
    """What is usually meant where the reader of TOML stops."""
    line = lines[span.line - 1] if span.line <= len(lines) else ""
    word = re.match(r"\w*", line[span.column - 1 :])
    if word is not None and word[0] in _NOT_TOML:
        return _NOT_TOML[word[0]]
    unquoted = re.sub(_QUOTED, "", line.split(" #")[0])
    if unquoted.count("{") > unquoted.count("}"):
        name = re.match(r"\s*([\w-]+)\s*=", line)
        header = f"`[…{name[1]}]`" if name is not None else "`[TABLE.NAME]`"
        return f"an inline table `{{ … }}` stands on one line: or write a header, {header}, and a key a line"
    return ""


def _given_twice(file: str, text: str) -> UnreadableError:
    found = scan(text)
    starts = line_starts(text)
    if found.twice:
        path, first, second = found.twice[0]
    elif found.last is not None:
        path, second = found.last
        first = _definition(found, path, second)
    else:
        path, first, second = (), (0, 0), (0, 0)
    name = ".".join(str(part) for part in path)
    related = () if first == second else ((_span(file, starts, first), "it is given here first"),)
    return _unreadable("LT006", f"`{name}` is given twice", _span(file, starts, second), related=related)


def _definition(found: Positions, path: Path, second: Stretch) -> Stretch:
    """What closed the table that a key would be added to: the nearest key around it, given before."""
    while path:
        stretch = found.keys.get(path, second)
        if stretch[0] < second[0]:
            return stretch
        path = path[:-1]
    return second


def _bad_number(file: str, text: str) -> UnreadableError:
    match = re.search(_LONG_NUMBER, text)
    span = _span(file, line_starts(text), match.span() if match is not None else (0, 0))
    return _unreadable("LT005", "a number has too many digits", span)


def _too_deep(file: str, text: str, stretch: Stretch) -> UnreadableError:
    return _unreadable(
        "LT005", f"the file is nested more than {MAX_NESTING} deep", _span(file, line_starts(text), stretch)
    )


def _is_too_deep(data: dict[str, Any]) -> bool:
    level: list[Any] = [data]
    for _ in range(MAX_NESTING + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
