"""An issuer's discovery document (OpenID Connect Discovery 1.0, 4), cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from lathe.errors import UsageError
from lathe.govern.issuer import check_url
from lathe.govern.refresh import Refreshing
from lathe.govern.verifier import UnavailableError
from lathe.lang.model import Json

FRESH_SECONDS = 300.0
"""How long it, keys, and what they verified, count without another look: withdrawn ones count no longer."""
STALE_SECONDS = 3_600.0
"""How long they count while the issuer does not answer."""
WELL_KNOWN = "/.well-known/openid-configuration"

Document = Mapping[str, Json]


class Get(Protocol):
    """Gets a document for an issuer. Raises `UnavailableError`."""

    async def __call__(self, issuer: str, url: str) -> bytes: ...


class Discovery:
    """The document of one issuer. `seconds` is a clock that only grows."""

    def __init__(self, name: str, url: str, get: Get, seconds: Callable[[], float]) -> None:
        self.name = name
        self.url = url
        self._get = get
        self._seconds = seconds
        self._document: Document = {}
        self._got: float | None = None
        self._error: UnavailableError | None = None
        self._renewing = Refreshing(self._renew, seconds)

    async def get(self, url: str) -> bytes:
        """Another document of this issuer. Raises `UnavailableError`."""
        return await self._get(self.name, url)

    async def read(self) -> Document:
        """The document as it is now. Raises `UnavailableError`."""
        self._renewing.rest()
        try:
            found = msgspec.json.decode(await self.get(self.url.rstrip("/") + WELL_KNOWN))
        except (msgspec.DecodeError, RecursionError) as error:
            raise UnavailableError(f"the discovery document of `{self.name}` is no JSON: {error}") from None
        if not isinstance(found, dict) or found.get("issuer") != self.url:
            raise UnavailableError(f"the discovery document of `{self.name}` is not one of `{self.url}`")
        self._document, self._got = found, self._seconds()
        return self._document

    async def known(self) -> Document:
        """The document, five minutes old at most, an hour if it is away. Raises `UnavailableError`."""
        if self._age() >= FRESH_SECONDS:
            await self._renewing.look(is_needed=self._age() >= STALE_SECONDS)
        if self._age() >= STALE_SECONDS:
            raise UnavailableError(f"the discovery document of `{self.name}` cannot be had") from self._error
        return self._document

    async def close(self) -> None:
        """Ask no more."""
        await self._renewing.close()

    async def _renew(self) -> None:
        try:
            await self.read()
            self._error = None
        except UnavailableError as error:
            self._error = error

    def _age(self) -> float:
        return float("inf") if self._got is None else self._seconds() - self._got


def place_in(document: Document, name: str, *, issuer: str) -> str:
    """An address that a document names. Raises `UnavailableError`."""
    found = document.get(name)
    if not isinstance(found, str):
        raise UnavailableError(f"the discovery document of `{issuer}` names no `{name}`")
    try:
        check_url(found, where=name, is_plain=False)
    except UsageError as error:
        raise UnavailableError(f"the discovery document of `{issuer}`: {error}") from None
    return found
