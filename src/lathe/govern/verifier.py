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


class SignInError(LatheError):
    """A sign-in that ends without anybody. `code` is told to the browser: one of ours, or the issuer's own
    (RFC 6749, 4.1.2.1); `reason` is counted. `issuer` and `next` are empty where they are not known.
    """

    def __init__(self, code: str, reason: str, *, said: str = "") -> None:
        super().__init__(said or f"the sign-in failed: {code}")
        self.code = code
        self.reason = reason
        self.issuer = ""
        self.next = ""


@frozen
class SignInStarted:
    """A sign-in that a browser takes to its issuer: where it goes, and the cookie that it comes back with."""

    url: str
    cookie: str


@frozen
class SignedIn:
    """Who came back from an issuer, and the page that they wanted."""

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
        """Where somebody's browser goes to end their session at the issuer, which sends it on to `redirect`;
        None if it does not.
        """


def is_foreign(text: str) -> bool:
    """Whether a token has the form of a signed JWT."""
    return text.count(".") == DOTS
