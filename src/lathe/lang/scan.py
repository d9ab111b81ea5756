"""Finds the position of every key and value of a TOML text.

The values themselves come from `tomllib`; this scanner only runs over text that it accepted (or,
to find the first of two equal keys, over text up to where it gave up). It keeps a stack of its own,
so nesting costs no recursion.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from dataclasses import field

from lathe.frozen import mutable

Path = tuple[str | int, ...]
Stretch = tuple[int, int]
"""Start and end, as offsets in the text; the end is exclusive."""

MAX_NESTING = 32
"""How many tables and arrays may be inside one another; the scanner goes no deeper."""

_BASIC = r'"(?:[^"\\\n]++|\\.)*+"'
_LITERAL = r"'[^'\n]*+'"
_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_BLANK_OR_COMMA = re.compile(r"(?:[ \t\r\n,]++|#[^\n]*+)*+")
_KEY_PART = re.compile(rf"[ \t]*+([A-Za-z0-9_-]++|{_BASIC}|{_LITERAL})[ \t]*+(\.?)")
_EQUALS = re.compile(r"=[ \t]*+")
_SCALAR = re.compile(
    r'"""(?:[^"\\]++|\\[\s\S]|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']++|'{1,2}(?!'))*'{3,5}"
    rf"|{_BASIC}|{_LITERAL}"
    r"|[^\s,\]}#\"'][^,\]}#\n]*+"
)


@mutable
class Positions:
    """Stretches by path.

    `twice` holds (path, first, second) of keys that were given again, `last` the last key that was
    seen, `deep` where the text went deeper than `MAX_NESTING`.
    """

    keys: dict[Path, Stretch] = field(default_factory=dict)
    values: dict[Path, Stretch] = field(default_factory=dict)
    twice: list[tuple[Path, Stretch, Stretch]] = field(default_factory=list)
    last: tuple[Path, Stretch] | None = None
    deep: Stretch | None = None


@mutable
class _Open:
    """An array (`index` counts) or an inline table (`index` is None) that is not closed yet."""

    path: Path
    start: int
    index: int | None


class _LostError(Exception):
    """The text is no TOML from here on, or too deep."""


def scan(text: str) -> Positions:
    """The places of all keys and values; where the text stops being TOML, those before."""
    scanner = _Scanner(text)
    with suppress(_LostError):
        scanner.run()
    return scanner.found


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found = Positions()
        self.table: Path = ()
        self.defined: set[Path] = set()
        self.counts: dict[Path, int] = {}

    def run(self) -> None:
        while True:
            self.at = self._match(_BLANK).end()
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                self._header()
            else:
                self._values(self._key(self.table))

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _LostError
        return match

    def _parts(self) -> list[tuple[str, Stretch]]:
        parts: list[tuple[str, Stretch]] = []
        dotted = True
        while dotted:
            match = self._match(_KEY_PART)
            parts.append((_key_name(match[1]), match.span(1)))
            dotted = match[2] == "."
            self.at = match.end()
        return parts

    def _header(self) -> None:
        start = self.at
        is_array = self.text.startswith("[[", start)
        self.at += 2 if is_array else 1
        parts = self._parts()
        if not self.text.startswith("]]" if is_array else "]", self.at):
            raise _LostError
        self.at += 2 if is_array else 1
        whole = (start, self.at)
        path: Path = ()
        for name, stretch in parts[:-1]:
            path = self._inside((*path, name), stretch, whole)
        name, stretch = parts[-1]
        path = (*path, name)
        if is_array:
            self._array_item(path, stretch, whole)
        else:
            self._define(path, stretch)
            self.found.values[path] = whole
            self.table = path

    def _inside(self, path: Path, stretch: Stretch, whole: Stretch) -> Path:
        """The table that a part of a header goes through: the last item, of an array of tables."""
        self.found.keys.setdefault(path, stretch)
        self.found.values.setdefault(path, whole)
        return (*path, self.counts[path]) if path in self.counts else path

    def _array_item(self, path: Path, stretch: Stretch, whole: Stretch) -> None:
        if path in self.counts:
            self.counts[path] += 1
            self.found.last = (path, stretch)
        else:
            self._define(path, stretch)
            self.found.values[path] = whole
            self.counts[path] = 0
        self.table = (*path, self.counts[path])
        self.found.keys[self.table] = stretch
        self.found.values[self.table] = whole

    def _key(self, table: Path) -> Path:
        parts = self._parts()
        self.at = self._match(_EQUALS).end()
        path = table
        for name, stretch in parts[:-1]:
            path = (*path, name)
            self.found.keys.setdefault(path, stretch)
            self.found.values.setdefault(path, stretch)
            self.defined.add(path)
        name, stretch = parts[-1]
        path = (*path, name)
        self._define(path, stretch)
        return path

    def _define(self, path: Path, stretch: Stretch) -> None:
        self._bound(len(path) - 1, stretch)
        self.found.last = (path, stretch)
        if path in self.defined:
            self.found.twice.append((path, self.found.keys[path], stretch))
            return
        self.defined.add(path)
        self.found.keys[path] = stretch

    def _bound(self, depth: int, stretch: Stretch) -> None:
        if depth > MAX_NESTING:
            self.found.deep = stretch
            raise _LostError

    def _values(self, path: Path) -> None:
        """The value of `path`, and every key and value inside it."""
        opened: list[_Open] = []
        inside: Path | None = path
        while inside is not None:
            start = self.at
            opener = self.text[start : start + 1]
            if opener == "[" or opener == "{":
                self._bound(len(inside), (start, start + 1))
                opened.append(_Open(inside, start, 0 if opener == "[" else None))
                self.at += 1
            else:
                end = self._match(_SCALAR).end()
                while self.text[end - 1] in " \t\r":
                    end -= 1
                self.found.values[inside] = (start, end)
                self.at = end
            inside = self._next(opened)

    def _next(self, opened: list[_Open]) -> Path | None:
        """Go to the next value inside what is open, closing what ends; None if nothing is open."""
        while opened:
            self.at = self._match(_BLANK_OR_COMMA).end()
            innermost = opened[-1]
            if self.text.startswith("}" if innermost.index is None else "]", self.at):
                self.at += 1
                self.found.values[innermost.path] = (innermost.start, self.at)
                opened.pop()
            elif innermost.index is None:
                return self._key(innermost.path)
            else:
                innermost.index += 1
                return (*innermost.path, innermost.index - 1)
        return None


def _key_name(raw: str) -> str:
    if raw[0] not in "\"'":
        return raw
    if "\\" not in raw:
        return raw[1:-1]
    try:
        name: str = tomllib.loads(f"k={raw}")["k"]
    except tomllib.TOMLDecodeError as error:
        raise _LostError from error
    return name


def character_offsets(raw: str) -> list[Stretch]:
    """For each character of a decoded TOML string, the stretch of `raw` (quotes included) it is from."""
    quotes = 3 if raw.startswith(('"""', "'''")) else 1
    at, end = quotes, len(raw) - quotes
    if quotes == 3:
        at += 2 if raw.startswith("\r\n", at) else 1 if raw.startswith("\n", at) else 0
    has_escapes = raw[0] == '"'
    found: list[Stretch] = []
    while at < end:
        length = _character_length(raw, at, has_escapes=has_escapes)
        if length < 0:
            at -= length
            continue
        found.append((at, at + length))
        at += length
    return found


_CONTINUATION = r"\\[ \t\r]*+\n[ \t\r\n]*+"
_ESCAPE_LENGTHS = {"u": 6, "U": 10, "x": 4}


def _character_length(raw: str, at: int, *, has_escapes: bool) -> int:
    """How long one character is written; negative for a line continuation, which is none."""
    if raw.startswith("\r\n", at):
        return 2
    if not has_escapes or raw[at] != "\\":
        return 1
    continuation = re.compile(_CONTINUATION).match(raw, at)
    if continuation is not None:
        return -len(continuation[0])
    return _ESCAPE_LENGTHS.get(raw[at + 1], 2)
