"""Terminal styles by name, so that what draws need not know whether colour is on."""

from __future__ import annotations

from lathe.frozen import frozen

_CODES = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "refused": "1;31",
    "unknown": "1;33",
    "admitted": "1;32",
    "caret": "31",
    "help": "32",
    "strong": "1",
    "faint": "2",
}


@frozen
class Paint:
    """`paint("error", text)` is the text, in that colour if there is any."""

    colour: bool = False

    def __call__(self, role: str, text: str) -> str:
        return f"\x1b[{_CODES[role]}m{text}\x1b[0m" if self.colour and text else text


PLAIN = Paint()
"""No colours."""
