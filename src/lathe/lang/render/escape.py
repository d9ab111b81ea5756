"""Free text made inert for the notation it is put into. Names are restricted; docs and guards are not."""

from __future__ import annotations

import re
import unicodedata

_CODE_SPAN = re.compile(r"(`[^`]+`)")
_MARKDOWN_SPECIAL = re.compile(r"[\\`<\[\]]")
_BLOCK_START = re.compile(r"^(?:[#>+=~|*-]|\d+(?=[.)]))")
_MERMAID_SAFE = frozenset(" _.,/+*()|=·→'?!")
_WIDE = frozenset("WF")


def one_line(text: str) -> str:
    """The text on one line: white space collapsed, control and direction characters gone."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, maximum: int) -> str:
    """At most `maximum` characters, an ellipsis for the rest."""
    return text if len(text) <= maximum else text[: maximum - 1].rstrip() + "…"


def prose(text: str) -> str:
    """The author's prose in Markdown: code spans stay, links, HTML and block marks do not."""
    parts = _CODE_SPAN.split(one_line(text))
    parts[::2] = (_MARKDOWN_SPECIAL.sub(lambda m: "\\" + m[0], part) for part in parts[::2])
    return _BLOCK_START.sub(_escaped_start, "".join(parts))


def _escaped_start(match: re.Match[str]) -> str:
    mark = match[0]
    return mark + "\\" if mark.isdigit() else "\\" + mark


def code(text: str) -> str:
    """A Markdown code span that holds exactly this text, whatever backticks are in it."""
    line = one_line(text)
    runs = re.findall(r"`+", line)
    fence = "`" * (1 + max(map(len, runs), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def cell(markdown: str) -> str:
    """Finished Markdown as the cell of a table."""
    return markdown.replace("|", "\\|")


def mermaid_label(text: str) -> str:
    """A Mermaid label: every character that could mean something is written as an entity."""
    return "".join(c if _is_mermaid_safe(c) else f"#{ord(c)};" for c in one_line(text))


def _is_mermaid_safe(character: str) -> bool:
    return character.isalnum() or character in _MERMAID_SAFE


def dot_string(text: str) -> str:
    """A quoted DOT string; its line breaks stay."""
    lines = (one_line(line) for line in text.split("\n"))
    escaped = (x.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for x in lines)
    return '"' + "\\n".join(escaped) + '"'


def xml_text(text: str) -> str:
    """Text content or a double-quoted attribute of XML."""
    return (
        one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    )


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(_columns_of(c) for c in text)


def _columns_of(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
