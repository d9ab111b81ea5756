"""Source positions of the policies in a file, which Cedar's engine does not report."""

from __future__ import annotations

import re

from lathe.errors import Span
from lathe.frozen import frozen

_TOKEN = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|\s+|;|.', re.DOTALL)

MAX_NESTING = 64
"""Brackets within brackets of one policy: Cedar's own parser dies of many thousands."""

MAX_OPERATORS = 256
"""Operators and attributes of one policy: each nests what stands before it."""

_OPERATOR = re.compile(r"&&|\|\||[-+*.[]|\bif\b")


@frozen
class Piece:
    """One policy of a file: its text, and where in the file that begins."""

    file: str
    text: str
    line: int
    column: int

    def span(self, word: str = "") -> Span:
        """The place of a word of the policy; of its first line, if the word is not there."""
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self.text) if word else None
        start, end = found.span() if found else (0, len(self.text.split("\n", 1)[0]))
        return Span(self.file, *self._place(start), *self._place(end))

    def _place(self, offset: int) -> tuple[int, int]:
        before = self.text[:offset]
        line = before.count("\n")
        return self.line + line, offset - before.rfind("\n") if line else self.column + offset


def pieces(file: str, text: str) -> tuple[Piece, ...]:
    """The policies of a file, each up to its `;`; what stands after the last one is a piece too."""
    found: list[Piece] = []
    start: int | None = None
    for match in _TOKEN.finditer(text):
        token = match[0]
        if start is None and not token.isspace() and not token.startswith("//"):
            start = match.start()
        if token == ";" and start is not None:
            found.append(_piece(file, text, start, match.end()))
            start = None
    if start is not None:
        found.append(_piece(file, text, start, len(text)))
    return tuple(found)


def _piece(file: str, text: str, start: int, end: int) -> Piece:
    line = text.count("\n", 0, start) + 1
    return Piece(file, text[start:end].rstrip(), line, start - text.rfind("\n", 0, start))


def too_deep(piece: Piece) -> str:
    """Why a policy is not even read: it is nested too deep; empty if it is not."""
    depth = deepest = 0
    bare: list[str] = []
    for match in _TOKEN.finditer(piece.text):
        token = match[0]
        if not token.startswith(("//", '"')):
            depth += (token in "([{") - (token in ")]}")
            deepest = max(deepest, depth)
            bare.append(token)
    if deepest > MAX_NESTING:
        return f"it nests more than {MAX_NESTING} deep"
    operators = len(_OPERATOR.findall("".join(bare)))
    return f"it has more than {MAX_OPERATORS} operators" if operators > MAX_OPERATORS else ""
