"""A connection under TLS belongs to the name that its certificate was checked against."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trustme

from lathe.effect import connections
from lathe.effect.addresses import Addresses
from lathe.effect.base import Attempt, Ending
from lathe.effect.http import Http
from lathe.effect.resolver import Resolver

NAMES = ("one.localhost", "two.localhost", "127.0.0.1")


HERE = Addresses(("127.0.0.1/32",))


class Local(Resolver):
    """Every name is here."""

    async def look_up(self, app: str, name: str, port: int) -> list[str]:
        return ["127.0.0.1"]


@asynccontextmanager
async def secure(authority: trustme.CA, *names: str) -> AsyncIterator[tuple[int, list[str]]]:
    """A server with a certificate of these names, which notes the name that each connection was meant for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    met: list[str] = []
    handling: set[asyncio.Task[object]] = set()

    def note(socket: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        met.append(name or "")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                    await writer.drain()
        finally:
            writer.close()

    context.sni_callback = note  # type: ignore[assignment]
    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], met
    finally:
        server.close()
        await asyncio.gather(*handling, return_exceptions=True)


async def asked(http: Http, url: str) -> Ending:
    async with asyncio.timeout(10):
        return await http.perform(Attempt("e.1", "main", "a", "x", 1, {"url": url}, (), 10_000))


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_each_name_has_connections_of_its_own_and_keeps_them() -> None:
    async def main() -> None:
        authority = trustme.CA()
        http = Http(lambda app: HERE, tls=trusting(authority), resolver=Local())
        async with secure(authority, "one.localhost", "two.localhost") as (port, met):
            for name in ("one.localhost", "two.localhost", "one.localhost", "two.localhost"):
                found = await asked(http, f"https://{name}:{port}/")
                assert found.ok, found
            assert met == ["one.localhost", "two.localhost"]
            await http.close()

    asyncio.run(main())


def test_a_name_that_the_certificate_has_not_is_not_reached_over_what_is_open() -> None:
    async def main() -> None:
        authority = trustme.CA()
        http = Http(lambda app: HERE, tls=trusting(authority), resolver=Local())
        async with secure(authority, "one.localhost") as (port, _):
            assert (await asked(http, f"https://one.localhost:{port}/")).ok
            other = await asked(http, f"https://two.localhost:{port}/")
            assert (other.ok, other.cause) == (False, "unreachable") and "certificate" in other.message
            await http.close()

    asyncio.run(main())


def test_names_that_are_kept_are_bounded() -> None:
    async def main() -> None:
        authority = trustme.CA()
        http = Http(lambda app: HERE, tls=trusting(authority), resolver=Local())
        names = [f"n{number}.localhost" for number in range(connections.NAMES_LIMIT + 3)]
        async with secure(authority, *names) as (port, _):
            for name in names:
                assert (await asked(http, f"https://{name}:{port}/")).ok
            assert len(http._connections._secure) == connections.NAMES_LIMIT
            await http.close()

    asyncio.run(main())
