"""How wide a text is without asking a font: the widest that common sans-serif fonts make of it.

The tables hold, by advance width in hundredths of an em, the characters for which neither DejaVu Sans
(the widest font that is usual) nor Liberation Sans (the metrics of Arial and Helvetica) needs more.
"""

from __future__ import annotations

import unicodedata
from math import fsum

_REGULAR = {
    28: "'ijl", 30: "I", 32: " ,.·’", 34: "/:;\\|", 36: "f", 37: "-", 40: "()[]t", 41: "!", 42: "r", 46: '"',
    50: "*J`", 52: "“”", 53: "sz", 55: "c", 56: "?L_–", 58: "k", 60: "vxy", 62: "FTaeo",
    64: "$0123456789bdghnpqu{}", 67: "EKPSY", 69: "ABVXZ", 73: "CR", 74: "U", 75: "N", 76: "H", 78: "&DG",
    79: "OQ", 82: "w", 84: "#+<=>^~↻×", 87: "M", 96: "%", 98: "m", 99: "W", 100: "→…—", 102: "@",
}  # fmt: skip
_BOLD = {
    31: "'", 35: " ijl", 37: "/\\|", 38: ",.I·’", 40: ":;", 42: "-", 44: "f", 46: "!()[]", 48: "t", 50: "`r",
    53: '"*', 56: "J_–", 59: "z", 60: "cs", 62: "?", 64: "L", 65: "x", 66: "vy“”", 67: "k", 68: "ae",
    69: "EFTo", 70: "$0123456789", 72: "bdghnpqu{}", 73: "SYZ", 74: "CP", 77: "B", 78: "AKRVX", 82: "U",
    83: "G", 84: "#+<=>DHN^~↻×", 86: "OQ", 88: "&", 93: "w", 100: "@M→…—", 101: "%", 105: "m", 111: "W",
}  # fmt: skip
_WIDTHS = tuple(
    {character: width / 100 for width, characters in table.items() for character in characters}
    for table in (_REGULAR, _BOLD)
)


def text_width(text: str, size: float, *, is_bold: bool = False) -> float:
    """An upper bound of the width of a line, in the unit of `size`."""
    table = _WIDTHS[is_bold]
    return size * fsum(table.get(c) or table.get(_base(c)) or _foreign_width(c) for c in text)


def is_known(text: str) -> bool:
    """Whether every width is from the table; another text has to be fitted to its estimate."""
    return all(c in _WIDTHS[0] or _base(c) in _WIDTHS[0] for c in text)


def _base(character: str) -> str:
    """The letter under an accent."""
    return unicodedata.normalize("NFD", character)[0]


def _foreign_width(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    return 1.0 if unicodedata.east_asian_width(character) in "WF" else 0.75


def fitted(text: str, size: float, width: float, *, is_bold: bool = False) -> str:
    """The text, cut with an ellipsis where it would be wider."""
    if text_width(text, size, is_bold=is_bold) <= width:
        return text
    kept = ""
    room = width - text_width("…", size, is_bold=is_bold)
    for character in text:
        room -= text_width(character, size, is_bold=is_bold)
        if room < 0:
            break
        kept += character
    return kept.rstrip() + "…"


def wrapped(text: str, size: float, width: float, lines_max: int) -> list[str]:
    """The text in lines of at most this width; what does not fit into the last is cut."""
    words = text.split(" ")
    lines: list[str] = []
    while words and len(lines) < lines_max - 1:
        count = 1
        while count < len(words) and text_width(" ".join(words[: count + 1]), size) <= width:
            count += 1
        lines.append(fitted(" ".join(words[:count]), size, width))
        words = words[count:]
    return [*lines, fitted(" ".join(words), size, width)] if words else lines
