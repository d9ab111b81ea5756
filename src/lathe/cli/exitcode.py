"""What a command's exit code says. The same for every command."""

from __future__ import annotations

from collections.abc import Sequence

from lathe.errors import LatheError

DONE = 0
FINDINGS = 1
USAGE = 2
UNREADABLE = 3
DENIED = 4
CONFLICT = 5
NOT_FOUND = 6
UNAVAILABLE = 7
INTERNAL = 70
INTERRUPTED = 130
"""Ctrl-C, as shells have it, whatever is known by then."""

_BY_URGENCY = (
    INTERNAL, INTERRUPTED, UNAVAILABLE, DENIED, CONFLICT, USAGE, NOT_FOUND, UNREADABLE, FINDINGS, DONE,
)  # fmt: skip


class Stop(LatheError):
    """A command ends here: with a sentence, and with this exit code."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


def worst(codes: Sequence[int]) -> int:
    """One code for several results: the one that needs looking at first."""
    return min(codes, key=_BY_URGENCY.index, default=DONE)


OF_STORE = {
    "unavailable": UNAVAILABLE,
    "full": UNAVAILABLE,
    "read_only": DENIED,
    "denied": DENIED,
    "absent": NOT_FOUND,
    "schema": CONFLICT,
    "corrupt": FINDINGS,
}
"""By what a store fails with, which is told with it."""


def of_os_error(error: OSError) -> int:
    """4 if it was not allowed, 5 if something is in the way, 6 if nothing is there, else 7."""
    match error:
        case PermissionError():
            return DENIED
        case FileExistsError() | IsADirectoryError() | NotADirectoryError():
            return CONFLICT
        case FileNotFoundError():
            return NOT_FOUND
        case _:
            return UNAVAILABLE
