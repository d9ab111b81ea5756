"""Names that hang: they hold up neither other apps' effects nor any other work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from threading import Event, Lock, current_thread
from time import monotonic
from typing import Any

import pytest
from tests.effect.test_servers import says, served

from lathe.effect.addresses import Addresses
from lathe.effect.base import Attempt
from lathe.effect.http import Http
from lathe.effect.resolver import APP_LIMIT, LOOK_UP_SECONDS, THREADS_LIMIT, Resolver, UnansweredError

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
HELD_SECONDS = 30.0
"""Longer than any of these tests lasts."""


class Names:
    """A system's resolver: names that begin with `hangs` are not found until `let_go`, or until
    `one_goes`; others at once.
    """

    def __init__(self) -> None:
        self.let_go = Event()
        self.one_goes = ""
        self.asked: list[str] = []
        self._lock = Lock()
        self.running = self.most = 0

    def getaddrinfo(self, host: str, port: int, **how: Any) -> list[tuple[Any, ...]]:
        assert current_thread().daemon, "no process waits for it to end"
        with self._lock:
            self.asked.append(host)
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            if host.startswith("hangs"):
                until = monotonic() + HELD_SECONDS
                while not self.let_go.wait(0.002) and self.one_goes != host:
                    assert monotonic() < until, "it is let go"
            if host.startswith("unknown"):
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 2
        finally:
            with self._lock:
                self.running -= 1


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    found = Names()
    monkeypatch.setattr(socket, "getaddrinfo", found.getaddrinfo)
    yield found
    found.let_go.set()


async def begun(names: Names, count: int) -> None:
    """Until so many look-ups have begun in all."""
    async with asyncio.timeout(HELD_SECONDS):
        while len(names.asked) < count:
            await asyncio.sleep(0.001)


def test_an_app_whose_names_hang_holds_up_no_other(names: Names) -> None:
    async def main() -> None:
        resolver = Resolver()
        hung = [asyncio.create_task(resolver.look_up("a", f"hangs{n}", 80)) for n in range(10 * APP_LIMIT)]
        await begun(names, APP_LIMIT)
        assert await resolver.look_up("b", "fine.example", 80) == ["127.0.0.1"]
        assert len(names.asked) == APP_LIMIT + 1, "and it holds only some of the threads"
        names.let_go.set()
        assert await asyncio.gather(*hung) == [["127.0.0.1"]] * len(hung)

    asyncio.run(main())


def test_what_else_uses_threads_waits_for_no_name(names: Names) -> None:
    async def main() -> None:
        resolver = Resolver()
        apps = [f"a{n}" for n in range(THREADS_LIMIT // APP_LIMIT)]
        every = [asyncio.create_task(resolver.look_up(a, f"hangs{n}", 80)) for a in apps for n in range(99)]
        await begun(names, THREADS_LIMIT)
        assert await asyncio.to_thread(lambda: 7) == 7
        assert names.most == THREADS_LIMIT
        for one in every:
            one.cancel()
        await asyncio.gather(*every, return_exceptions=True)

    asyncio.run(main())


def test_a_free_thread_goes_to_the_app_that_has_the_fewest(names: Names) -> None:
    async def main() -> None:
        resolver = Resolver(threads=3, each=2)
        every = [
            asyncio.create_task(resolver.look_up(app, f"{name}{n}", 80))
            for app, name in (("a", "hangs-a"), ("b", "hangs-b"), ("c", "hangs-c"))
            for n in range(3)
        ]
        await begun(names, 3)
        assert sorted(names.asked) == ["hangs-a0", "hangs-a1", "hangs-b0"]
        names.one_goes = "hangs-a1"
        await begun(names, 4)
        assert names.asked[3] == "hangs-c0", "though the others have waited for longer"
        names.let_go.set()
        await asyncio.gather(*every)
        assert len(names.asked) == len(every) and names.most == 3

    asyncio.run(main())


def test_who_asks_waits_no_longer_than_the_bound_and_leaves_nothing_waiting(names: Names) -> None:
    assert 5.0 < LOOK_UP_SECONDS <= 30.0, "a second server is asked after five"

    async def main() -> None:
        resolver = Resolver(each=1, waiting=1, seconds=0.05)
        for name in ("hangs", "waits"):
            with pytest.raises(UnansweredError, match=f"`{name}` was not found within 0.05 seconds"):
                await resolver.look_up("a", name, 80)
        waits = asyncio.create_task(resolver.look_up("a", "waits too", 80))
        await asyncio.sleep(0)
        with pytest.raises(UnansweredError, match="more than 1"):
            await resolver.look_up("a", "one too many", 80)
        with pytest.raises(UnansweredError):
            await waits
        names.let_go.set()
        async with asyncio.timeout(HELD_SECONDS):
            while resolver._running:
                await asyncio.sleep(0.001)
        assert await resolver.look_up("a", "fine", 80) == ["127.0.0.1"]
        assert names.asked == ["hangs", "fine"] and not resolver._waiting

    asyncio.run(main())


def test_what_nobody_waits_for_any_more_is_not_looked_up(names: Names) -> None:
    async def main() -> None:
        resolver = Resolver(each=1)
        first, second = (asyncio.create_task(resolver.look_up("a", f"hangs{n}", 80)) for n in range(2))
        await begun(names, 1)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        names.let_go.set()
        assert await first == ["127.0.0.1"]
        assert await resolver.look_up("a", "fine", 80) == ["127.0.0.1"]
        assert names.asked == ["hangs0", "fine"]

    asyncio.run(main())


def test_an_address_is_not_looked_up(names: Names) -> None:
    async def main() -> None:
        resolver = Resolver()
        for one in ("192.0.2.1", "2001:db8::1", "fe80::1%lo"):
            assert await resolver.look_up("a", one, 80) == [one]
        assert names.asked == []
        assert await resolver.look_up("a", "0x7f.1", 80) == ["127.0.0.1"]
        assert names.asked == ["0x7f.1"], "what the system reads as one is for the system to read"

    asyncio.run(main())


def test_an_effect_says_that_its_name_was_not_found_and_is_tried_again(names: Names) -> None:
    async def main() -> None:
        http = Http(lambda app: Addresses(("127.0.0.1/32",)), resolver=Resolver(seconds=0.05))

        async def asked(app: str, url: str) -> tuple[bool, str, bool, str]:
            one = Attempt("e.1", "main", app, "x", 1, {"url": url}, (), 5_000)
            end = await http.perform(one)
            return end.ok, end.cause, end.again, end.log

        async with served(says(OK)) as port:
            slow = (False, "unreachable", True, "its name was not found in time")
            assert await asked("a", f"http://hangs.example:{port}/") == slow
            unknown = (False, "unreachable", True, "its name is not known")
            assert await asked("a", f"http://unknown.example:{port}/") == unknown
            assert (await asked("b", f"http://fine.example:{port}/"))[0]
        await http.close()

    asyncio.run(main())
