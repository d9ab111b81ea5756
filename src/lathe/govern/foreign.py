"""Callers whom somebody else vouches for: what is asked of whoever verifies it, and how it says no."""

from __future__ import annotations

from typing import Protocol

from lathe.errors import LatheError
from lathe.govern.principal import Principal

__all__ = ["RefusedError", "UnavailableError", "Verifier", "is_foreign"]

DOTS = 2
"""Between the parts of a signed JWT; neither our tokens nor those of effects have two."""


class RefusedError(LatheError):
    """Nobody stands behind it. `reason` is one of a few short ones: failures are counted by it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnavailableError(LatheError):
    """Whether somebody stands behind it cannot be known now: the issuer's keys cannot be had."""


class Verifier(Protocol):
    """Finds who stands behind a token of somebody else's. Raises `RefusedError`, `UnavailableError`."""

    async def find(self, text: str) -> Principal: ...

    async def close(self) -> None: ...


def is_foreign(text: str) -> bool:
    """Whether a token has the form of a signed JWT."""
    return text.count(".") == DOTS
