"""The author's own line, with its number and a caret under what is meant."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.cli.colors import Paint
from lathe.cli.output import clean
from lathe.errors import Edit, Span
from lathe.frozen import frozen

ELLIPSIS = "…"


@frozen
class Excerpts:
    """Lines of an app's files, drawn for somebody to read. `width` is in columns."""

    files: Mapping[str, bytes]
    paint: Paint
    width: int

    def draw(self, span: Span, *, gutter: int) -> list[str]:
        """The line on which `span` begins and a line of carets; nothing of a file that is not there."""
        line = self._line(span.file, span.line)
        if line is None or not line.strip():
            return []
        last = span.end_column if span.end_line == span.line else len(line) + 1
        start = min(span.column - 1, len(line))
        end = min(max(last - 1, start + 1), max(len(line), start + 1))
        text, start, end = _window(line, start, end, self.width - gutter - 3)
        carets = " " * _columns(text[:start]) + "^" * max(1, _columns(text[start:end]))
        number = self.paint("faint", f"{span.line:>{gutter}} |")
        return [
            f"{number} {_shown(text)}",
            f"{self.paint('faint', ' ' * gutter + ' |')} {self.paint('caret', carets)}",
        ]

    def edit(self, edit: Edit, *, gutter: int, above: int) -> list[str]:
        """The lines that an edit takes away and those that it puts there; line `above` is seen already."""
        span = edit.span
        old = [self._line(span.file, number) for number in range(span.line, span.end_line + 1)]
        before = [line for line in old if line is not None]
        if len(before) != len(old):
            return []
        whole = before[0][: span.column - 1] + edit.text + before[-1][span.end_column - 1 :]
        after = whole.split("\n") if whole.strip() else []
        room = self.width - gutter - 3
        removed = [
            self.paint("error", f"{n:>{gutter}} - {_cut(s, room)}") for n, s in enumerate(before, span.line)
        ]
        added = [
            self.paint("help", f"{n:>{gutter}} + {_cut(s, room)}") for n, s in enumerate(after, span.line)
        ]
        return added if added and span.line == span.end_line == above else removed + added

    def _line(self, file: str, number: int) -> str | None:
        data = self.files.get(file)
        if data is None:
            return None
        lines = data.decode("utf-8", "replace").split("\n")
        return lines[number - 1].rstrip("\r") if 1 <= number <= len(lines) else None


def _window(line: str, start: int, end: int, room: int) -> tuple[str, int, int]:
    """The part of a long line around `start` to `end`, and where those stand in it."""
    indent = len(line) - len(line.lstrip())
    if indent and start >= indent:
        line, start, end = line[indent:], start - indent, end - indent
    if _columns(line) <= room:
        return line, start, end
    first = max(0, min(start - room // 3, len(line) - room))
    part = line[first : first + room]
    start, end = start - first, min(end - first, len(part))
    if first + room < len(line):
        part = part[:-1] + ELLIPSIS
    if first:
        part = ELLIPSIS + part[1:]
    return part, start, end


def _cut(line: str, room: int) -> str:
    shown = _shown(line)
    return shown if len(shown) <= room else shown[: room - 1] + ELLIPSIS


def _shown(text: str) -> str:
    return clean(text.replace("\t", " "))


def _columns(text: str) -> int:
    """How many columns a terminal gives the text, tabs already counted as one."""
    if text.isascii():
        return len(_shown(text))
    from unicodedata import combining, east_asian_width  # only for such text

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else len(_shown(c)) for c in text)
