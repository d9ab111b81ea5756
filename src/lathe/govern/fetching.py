"""Fetches documents of issuers, within the `http` adapter's limits on addresses, size, redirects and time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from lathe.effect.addresses import Addresses
from lathe.effect.base import MAIN, Attempt, Ending
from lathe.effect.http import Http
from lathe.govern.verifier import UnavailableError
from lathe.lang.model import Json

TIMEOUT_SECONDS = 5.0


class Fetcher:
    """Gets documents. `allowed` are, by issuer, hosts and networks that are reached besides public ones."""

    def __init__(self, allowed: Mapping[str, Iterable[str]], *, tls: ssl.SSLContext | None = None) -> None:
        addresses = {issuer: Addresses(hosts) for issuer, hosts in allowed.items()}
        self._http = Http(addresses.__getitem__, tls=tls)

    async def get(self, issuer: str, url: str, headers: Mapping[str, Json] | None = None) -> bytes:
        """The document at an address, on its own host alone. Raises `UnavailableError`."""
        status, body = await self._asked(
            issuer, {"method": "GET", "url": url, "headers": {**(headers or {})}}, None
        )
        if status != 200:
            raise UnavailableError(f"`{url[:200]}` answers {status}")
        return body

    async def post(
        self, issuer: str, url: str, form: Mapping[str, str], headers: Mapping[str, Json]
    ) -> tuple[int, bytes]:
        """The answer to a form, whatever its status. Raises `UnavailableError` if there is none."""
        return await self._asked(issuer, {"method": "POST", "url": url, "headers": {**headers}}, form)

    async def _asked(
        self, issuer: str, request: Mapping[str, Json], form: Mapping[str, str] | None
    ) -> tuple[int, bytes]:
        url = str(request["url"])
        attempt = Attempt(
            id=f"issuer-{issuer}", tenant=MAIN, app=issuer, effect="issuer", number=0,
            request=request, takes=(), timeout_ms=int(TIMEOUT_SECONDS * 1_000),
        )  # fmt: skip
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self._http.exchange(attempt, only=(place_of(url),), form=form)
        except TimeoutError:
            raise UnavailableError(
                f"`{url[:200]}` did not answer within {TIMEOUT_SECONDS:g} seconds"
            ) from None
        if isinstance(answer, Ending):
            raise UnavailableError(f"`{url[:200]}` cannot be read: {answer.message}")
        status, _, body = answer
        return status, body

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


def place_of(url: str) -> str:
    """`host:port` of an address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
