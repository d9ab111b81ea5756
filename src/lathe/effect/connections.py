"""Connections that are kept open: one pool for plain HTTP, and one of its own for each name under TLS.

Requests go to an address that was looked at, so a pool knows addresses alone. A TLS connection belongs to the
name that its certificate was checked against: what was opened for one name never carries a request to another
at the same address.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

CONNECTIONS_LIMIT = 256
KEPT_LIMIT = 64
"""Idle connections kept in one pool."""
NAMES_LIMIT = 64
"""TLS names with a pool; beyond that the least recently used are closed."""


class _Pool:
    """A client, and its number of users."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        limits = httpx2.Limits(max_connections=CONNECTIONS_LIMIT, max_keepalive_connections=KEPT_LIMIT)
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))  # for apps share a pool
        self.client = httpx2.AsyncClient(
            limits=limits,
            timeout=None,
            follow_redirects=False,
            trust_env=False,
            verify=tls,
            cookies=no_cookies,
        )
        self.users = 0


class Connections:
    """The pools of one adapter. `tls` is the trust store; None: the system's."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls or httpx2.create_ssl_context(trust_env=False)
        self._plain = _Pool(self._tls)
        self._secure: dict[str, _Pool] = {}

    @asynccontextmanager
    async def to(self, url: httpx2.URL) -> AsyncIterator[httpx2.AsyncClient]:
        """A client for one exchange with the host of this URL."""
        pool = self._plain if url.scheme == "http" else self._named(url.host)
        pool.users += 1
        try:
            yield pool.client
        finally:
            pool.users -= 1
            await self._let_go()

    def _named(self, host: str) -> _Pool:
        pool = self._secure.pop(host, None) or _Pool(self._tls)
        self._secure[host] = pool  # the one used last stands last
        return pool

    async def _let_go(self) -> None:
        spare = len(self._secure) - NAMES_LIMIT
        idle = [host for host, pool in self._secure.items() if pool.users == 0]
        for host in idle[: max(spare, 0)]:
            await self._secure.pop(host).client.aclose()

    async def close(self) -> None:
        """Close every connection."""
        for pool in (self._plain, *self._secure.values()):
            await pool.client.aclose()
