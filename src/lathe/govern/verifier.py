"""Interfaces for credentials that an outside issuer signs, and the errors of verifying them.

LatheError
├── RefusedError         the credential is not valid
├── UnavailableError     the issuer cannot be asked now
└── SignInError          a browser's sign-in failed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lathe.errors import LatheError
from lathe.frozen import frozen
from lathe.govern.principal import Principal

__all__ = [
    "RefusedError",
    "SignIn",
    "SignInError",
    "SignInStarted",
    "SignedIn",
    "UnavailableError",
    "Verifier",
    "is_foreign",
]

DOTS = 2
"""Dots between the parts of a signed JWT; Lathe's own tokens do not have two."""


class RefusedError(LatheError):
    """The credential is not valid. `reason` is one of a few short words, by which failures are counted."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnavailableError(LatheError):
    """The credential cannot be verified now, because the issuer cannot be reached."""


class Verifier(Protocol):
    """Verifies tokens of other issuers. Raises `RefusedError`, `UnavailableError`."""

    async def find(self, text: str) -> Principal: ...

    async def close(self) -> None: ...


class SignInError(LatheError):
    """A failed sign-in."""

    def __init__(self, code: str, reason: str, *, said: str = "") -> None:
        super().__init__(said or f"the sign-in failed: {code}")
        self.code = code
        self.reason = reason
        self.issuer = ""
        self.next = ""


@frozen
class SignInStarted:
    """A sign-in that was begun: the issuer's URL, and the cookie to return with."""

    url: str
    cookie: str


@frozen
class SignedIn:
    """A completed sign-in: the principal, and the page to return to."""

    principal: Principal
    next: str


class SignIn(Protocol):
    """Signs people in by issuers. `redirect` is the address at which a browser comes back, to the letter."""

    def names(self) -> tuple[str, ...]: ...

    async def begin(self, issuer: str, *, redirect: str, next: str) -> SignInStarted:
        """Raises `UnavailableError`."""

    async def end(self, cookie: str, answer: Mapping[str, str], *, redirect: str) -> SignedIn:
        """Raises `SignInError`."""

    async def leave(self, principal: Principal, *, redirect: str) -> str | None:
        """The URL at which a browser ends the session at its issuer, which redirects to `redirect`; None if
        the issuer has none.
        """


def is_foreign(text: str) -> bool:
    """Whether a token has the form of a signed JWT."""
    return text.count(".") == DOTS
