"""The collector of diagnostics, and the one way to add to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lathe.errors import Diagnostic, Edit, Span
from lathe.lang.resolve import limits


class Faults:
    """What was found wrong, in the order of finding. A fault told twice at one place counts once."""

    __slots__ = ("_found", "_groups")

    def __init__(self) -> None:
        self._found: dict[tuple[str, Span, str], Diagnostic] = {}
        self._groups: dict[tuple[str, Span, str], str] = {}

    def __len__(self) -> int:
        return len(self._found)

    @property
    def is_full(self) -> bool:
        """Whether so many are known that more would help nobody."""
        return len(self._found) >= limits.DIAGNOSTICS

    def add(
        self,
        code: str,
        span: Span,
        message: str,
        *,
        help: str = "",
        edit: Edit | None = None,
        related: tuple[tuple[Span, str], ...] = (),
        once: str = "",
    ) -> None:
        """Add one error. Of those with the same `once`, only the first in the files is told."""
        found = Diagnostic(code, "error", message, span, help, related, edit)
        self.extend([found])
        if once:
            self._groups[code, span, message] = once

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add what another part found."""
        for found in diagnostics:
            self._found.setdefault((found.code, found.span, found.message), found)

    def in_order(self) -> tuple[Diagnostic, ...]:
        """By file, line, column; the first `limits.DIAGNOSTICS` of them."""
        told: set[str] = set()
        ordered: list[Diagnostic] = []
        for found in sorted(self._found.values(), key=lambda d: (d.span, d.code, d.message)):
            group = self._groups.get((found.code, found.span, found.message))
            if group is None or group not in told:
                ordered.append(replace(found, message=printable(found.message), help=printable(found.help)))
            if group is not None:
                told.add(group)
        return tuple(ordered[: limits.DIAGNOSTICS])

    def closest(self, name: str, candidates: Iterable[str]) -> str | None:
        """The candidate that was probably meant, if one is close."""
        if self.is_full or len(name) > 2 * limits.NAME_LENGTH:
            return None
        from difflib import get_close_matches  # late, since files without faults never need it

        by_lower = {candidate.lower(): candidate for candidate in sorted(candidates)}
        found = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
        return by_lower[found[0]] if found else None


def printable(text: str) -> str:
    """The text on one line, with escapes for what no terminal should be sent."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def listed(names: Iterable[str], *, at_most: int = 12) -> str:
    """Names in backticks with commas between, the first few of many."""
    everything = list(names)
    shown = ", ".join(f"`{name}`" for name in everything[:at_most])
    return shown if len(everything) <= at_most else f"{shown}, …"


def quoted(text: str) -> str:
    """A TOML string of this text."""
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'


def quoted_list(texts: Sequence[str]) -> str:
    """A TOML list of these texts."""
    return f"[{', '.join(quoted(text) for text in texts)}]"
