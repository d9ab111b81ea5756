"""Names that answer otherwise a moment later: what was looked at is what is connected to, and nothing else.

127.0.0.2 stands for a public address, being allowed; 127.0.0.1 for one that is not.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.effect import modules
from tests.effect.test_servers import attempt
from tests.effect.test_wasm import Bench

from lathe.effect.addresses import Addresses
from lathe.effect.base import Ending
from lathe.effect.http import Http
from lathe.effect.wasm import Ceiling

GOOD, BAD = "127.0.0.2", "127.0.0.1"
NAME = "rebinds.example"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Resolver:
    """Answers a name with each list of addresses in turn, and again with the last."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def getaddrinfo(self, host: str, port: int, **more: Any) -> list[tuple[Any, ...]]:
        assert host == NAME, "addresses are not looked up"
        self.asked += 1
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


class Servers:
    """Two servers on one port, at the good and the bad address, and how often each was reached."""

    def __init__(self) -> None:
        self.port = 0
        self.reached: dict[str, int] = {GOOD: 0, BAD: 0}

    def handler(self, address: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.reached[address] += 1
            try:
                while await reader.readuntil(b"\r\n\r\n"):
                    writer.write(OK)
                    await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        return connected


@asynccontextmanager
async def servers() -> AsyncIterator[Servers]:
    found = Servers()
    good = await asyncio.start_server(found.handler(GOOD), GOOD, 0)
    found.port = good.sockets[0].getsockname()[1]
    bad = await asyncio.start_server(found.handler(BAD), BAD, found.port)
    try:
        yield found
    finally:
        good.close()
        bad.close()
        await asyncio.sleep(0.01)


@pytest.fixture
def resolving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Resolver], None]]:
    def use(resolver: Resolver) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", resolver.getaddrinfo)

    yield use


Use = Callable[[Resolver], None]


def test_a_name_is_resolved_once_and_that_address_is_connected_to(resolving: Use) -> None:
    async def main() -> None:
        async with servers() as both:
            resolver = Resolver((GOOD,), (BAD,))
            resolving(resolver)
            http = Http(lambda app: Addresses((f"{GOOD}/32",)))
            first = await http.perform(attempt(url=f"http://{NAME}:{both.port}/"))
            assert first.ok and resolver.asked == 1 and both.reached == {GOOD: 1, BAD: 0}
            again = await http.perform(attempt(url=f"http://{NAME}:{both.port}/"))
            assert (again.ok, "no public address" in again.message) == (False, True)
            assert both.reached == {GOOD: 1, BAD: 0}, "nor by a connection that is open"
            await http.close()

    asyncio.run(main())


@pytest.mark.parametrize("answer", [(GOOD, BAD), (BAD, GOOD)])
def test_one_bad_address_among_good_ones_is_enough(resolving: Use, answer: tuple[str, ...]) -> None:
    async def main() -> None:
        async with servers() as both:
            resolving(Resolver(answer))
            http = Http(lambda app: Addresses((f"{GOOD}/32",)))
            found = await http.perform(attempt(url=f"http://{NAME}:{both.port}/"))
            assert (found.ok, found.cause) == (False, "refused")
            assert both.reached == {GOOD: 0, BAD: 0}
            await http.close()

    asyncio.run(main())


def test_a_module_gains_nothing_by_a_name_that_rebinds(resolving: Use) -> None:
    async def main() -> None:
        async with servers() as both:
            resolver = Resolver((GOOD,), (BAD,))
            resolving(resolver)
            place = f"{NAME}:{both.port}"
            module = modules.asks(f'{{"url": "http://{place}/"}}')
            bench = Bench(module, (f"{GOOD}/32",), Ceiling(hosts=frozenset({place})))

            async def call() -> Ending:
                return await bench.call(hosts=[place])

            assert (await call()).ok and both.reached == {GOOD: 1, BAD: 0}
            ending = await call()
            assert (ending.ok, "no public address" in ending.message) == (False, True)
            assert both.reached == {GOOD: 1, BAD: 0} and resolver.asked == 2
            await bench.close()

    asyncio.run(main())
