"""Templates: text with `{placeholders}`. `{{` and `}}` stand for braces themselves."""

from __future__ import annotations

from typing import NamedTuple

from lathe.errors import LatheError


class Piece(NamedTuple):
    """A stretch of a template: literal text, or what stands between braces."""

    text: str
    is_placeholder: bool
    start: int
    end: int


class TemplateError(LatheError, ValueError):
    """The text is no template: a brace stands alone. `start` and `end` say where."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start = start
        self.end = end


def split_template(text: str) -> tuple[Piece, ...]:
    """The pieces of a template, in order; neighbouring literals are one. Raises TemplateError."""
    pieces: list[Piece] = []
    literal: list[str] = []
    literal_start = position = 0
    while position < len(text):
        character = text[position]
        if text[position : position + 2] in ("{{", "}}"):
            literal.append(character)
            position += 2
        elif character == "}":
            raise TemplateError("a `}` closes nothing", position, position + 1)
        elif character == "{":
            end = text.find("}", position)
            if end < 0 or "{" in text[position + 1 : end]:
                raise TemplateError("a `{` is not closed", position, position + 1)
            if literal:
                pieces.append(Piece("".join(literal), False, literal_start, position))
            pieces.append(Piece(text[position + 1 : end].strip(), True, position, end + 1))
            literal = []
            position = literal_start = end + 1
        else:
            literal.append(character)
            position += 1
    if literal:
        pieces.append(Piece("".join(literal), False, literal_start, position))
    return tuple(pieces)
