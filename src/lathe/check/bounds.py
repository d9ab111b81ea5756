"""How much one check may build before it searches anything, by name."""

from __future__ import annotations

from lathe.errors import LatheError, Span

MAX_BRANCHES = 4_096
"""Ways that one step can go: refs, `to_if`, `when` clauses, members of `each`."""

MAX_BINDINGS = 4_096
"""Elements that one quantifier goes through, its loops multiplied."""

MAX_COMBINATIONS = 4_096
"""Choices of arguments that one command tries in each state; beyond it, ranges are sampled."""

MAX_COMMANDS = 20_000
"""Commands of one system."""


class TooLargeError(LatheError, ValueError):
    """A scope is too large to be laid out; its search is not begun."""


class UndecidedError(TooLargeError):
    """What a policy says cannot be told of states that are searched: of which policy."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.span = span


def require(count: int, limit: int, what: str) -> None:
    """Refuse to build more than `limit`; `what` says of what, in the author's words."""
    if count > limit:
        raise TooLargeError(f"{what} can go more than {limit:,} ways")
