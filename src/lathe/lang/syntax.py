"""A lossless tree of a TOML text, comments included, for the formatter.

It reads text that `tomllib` accepted, so it looks only for where things begin and end. A library that
keeps comments (tomlkit) keeps the author's spacing with them: laying out anew would mean rewriting
every piece of it, and comments inside arrays are not its to move. Lists of what is open stand in for
recursion.
"""

from __future__ import annotations

import re
from dataclasses import field

from lathe.frozen import mutable

_BASIC = r'"(?:[^"\\\n]++|\\.)*+"'
_LITERAL = r"'[^'\n]*+'"
_KEY_PART = re.compile(rf"[ \t]*+([A-Za-z0-9_-]++|{_BASIC}|{_LITERAL})[ \t]*+(\.?)")
_SCALAR = re.compile(
    r'"""(?:[^"\\]++|\\[\s\S]|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']++|'{1,2}(?!'))*'{3,5}"
    rf"|{_BASIC}|{_LITERAL}"
    r"|[^\s,\]}#\"'][^,\]}#\n]*+"
)
_COMMENT = re.compile(r"#[^\n]*+")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACES = re.compile(r"[ \t]*+")

Key = tuple[str, ...]
"""The parts of a dotted key, each as it will be written."""


@mutable
class Scalar:
    """A string, number, date or truth value, as it will be written."""

    flat: str


@mutable
class Element:
    """One element of an array with the comment behind it; without a value, a comment on its own line."""

    value: Value | None
    comment: str = ""


@mutable
class Array:
    """`flat` is the array on one line, None if comments forbid it.

    `breaks`: it, or an array in it, ends in a comma: the author wants one element a line.
    """

    elements: list[Element] = field(default_factory=list)
    breaks: bool = False
    flat: str | None = None

    def close(self, *, ends_in_comma: bool) -> None:
        values = [element.value for element in self.elements if element.value is not None]
        arrays = [value for value in values if isinstance(value, Array)]
        self.breaks = (ends_in_comma and bool(values)) or any(array.breaks for array in arrays)
        texts = [value.flat for value in values if value.flat is not None]
        if len(texts) == len(self.elements) and not any(element.comment for element in self.elements):
            self.flat = f"[{', '.join(texts)}]"


@mutable
class Table:
    """An inline table; `flat` is None if an array in it has comments."""

    keys: list[Key] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    flat: str | None = None

    def close(self) -> None:
        pairs = zip(self.keys, self.values, strict=True)
        texts = [f"{'.'.join(key)} = {value.flat}" for key, value in pairs if value.flat is not None]
        if len(texts) == len(self.keys):
            self.flat = f"{{ {', '.join(texts)} }}" if texts else "{}"


Value = Scalar | Array | Table


@mutable
class Entry:
    """`key = value # comment`."""

    key: Key
    value: Value
    comment: str = ""


@mutable
class Remark:
    """A comment on its own line, or (empty) a blank line."""

    text: str


@mutable
class Section:
    """A table: comments directly above its header, the header, and its lines. The first has no header."""

    above: list[Remark] = field(default_factory=list)
    key: Key = ()
    is_array: bool = False
    comment: str = ""
    lines: list[Entry | Remark] = field(default_factory=list)


def parse(text: str) -> list[Section]:
    """The sections of a valid TOML text, in order; the first holds what stands before any header."""
    return _Parser(text.replace("\r\n", "\n")).run()


def take_remarks(lines: list[Entry | Remark]) -> list[Remark]:
    """Take off the comments that stand at the very end, without a blank line behind them."""
    taken: list[Remark] = []
    while lines and isinstance(lines[-1], Remark) and lines[-1].text:
        taken.insert(0, lines[-1])
        lines.pop()
    return taken


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def run(self) -> list[Section]:
        sections = [Section()]
        while self.at < len(self.text):
            at, lines = self._skip_spaces(), sections[-1].lines
            if self.text.startswith("[", at):
                sections.append(self._header(take_remarks(lines)))
            elif at == len(self.text) or self.text[at] in "#\n":
                lines.append(Remark(self._comment()))
            else:
                key = self._key()
                lines.append(Entry(key, self._value(), self._comment()))
            self.at += 1
        return sections

    def _skip_spaces(self) -> int:
        self.at = self._match(_SPACES).end()
        return self.at

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        assert match is not None, "tomllib accepts only what is read here"
        return match

    def _comment(self) -> str:
        """The comment up to the end of this line, empty if there is none."""
        self._skip_spaces()
        if not self.text.startswith("#", self.at):
            return ""
        match = self._match(_COMMENT)
        self.at = match.end()
        return match[0].rstrip(" \t")

    def _header(self, above: list[Remark]) -> Section:
        is_array = self.text.startswith("[[", self.at)
        self.at += 1 + is_array
        key = self._parts()
        self.at += 1 + is_array
        return Section(above, key, is_array, self._comment())

    def _parts(self) -> Key:
        parts: list[str] = []
        dotted = True
        while dotted:
            match = self._match(_KEY_PART)
            parts.append(_key_part(match[1]))
            dotted = match[2] == "."
            self.at = match.end()
        return tuple(parts)

    def _key(self) -> Key:
        """A key and the equals sign behind it."""
        key = self._parts()
        self.at += 1
        self._skip_spaces()
        return key

    def _value(self) -> Value:
        opened: list[Array | Table] = []
        value: Value | None = None
        while value is None or opened:
            if value is None:
                value = self._begin(opened)
            else:
                _put(value, opened[-1])
                value = None
            if value is None:
                value = self._advance(opened)
        return value

    def _begin(self, opened: list[Array | Table]) -> Value | None:
        """A scalar; or None, when a list or table has been opened."""
        start = self.text[self.at]
        if start == "[" or start == "{":
            opened.append(Array() if start == "[" else Table())
            self.at += 1
            return None
        match = self._match(_SCALAR)
        self.at = match.end()
        return Scalar(_scalar(match[0].rstrip(" \t")))

    def _advance(self, opened: list[Array | Table]) -> Value | None:
        """Go to the next value of the innermost list or table; if there is none, that one is closed."""
        innermost = opened[-1]
        if isinstance(innermost, Array):
            ends_in_comma = self._between(innermost)
            if self.text[self.at] != "]":
                return None
            innermost.close(ends_in_comma=ends_in_comma)
        else:
            self._skip_spaces()
            self.at += self.text[self.at] == ","
            if self.text[self._skip_spaces()] != "}":
                innermost.keys.append(self._key())
                return None
            innermost.close()
        self.at += 1
        return opened.pop()

    def _between(self, array: Array) -> bool:
        """Take in comments up to the next element or the end; whether there was a comma."""
        has_comma, same_line = False, bool(array.elements)
        while True:
            match self.text[self._skip_spaces()]:
                case "\n":
                    same_line = False
                case ",":
                    has_comma = True
                case "#":
                    comment = self._comment()
                    last = array.elements[-1] if same_line else None
                    if last is None or last.value is None or last.comment:
                        array.elements.append(Element(None, comment))
                    else:
                        last.comment = comment
                    continue
                case _:
                    return has_comma
            self.at += 1


def _put(value: Value, into: Array | Table) -> None:
    if isinstance(into, Array):
        into.elements.append(Element(value))
    else:
        into.values.append(value)


def _key_part(raw: str) -> str:
    """Without quotes where they are not needed."""
    text = _scalar(raw)
    return text[1:-1] if text.startswith('"') and _BARE.fullmatch(text[1:-1]) else text


def _scalar(raw: str) -> str:
    """Strings in one pair of double quotes, where that takes no escape; all else as it is."""
    if raw[0] not in "\"'":
        return raw
    quotes = 3 if raw.startswith(('"""', "'''")) and len(raw) >= 6 else 1
    inner = raw[quotes:-quotes]
    if '"' in inner or "\n" in inner or (raw[0] == "'" and "\\" in inner):
        return raw
    return f'"{inner}"'
