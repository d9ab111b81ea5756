"""Events as they are committed: what a follower is told, and what following costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.runtime.harness import example, install
from tests.store.contract import commit, made, settled
from tests.store.rows import TENANT, turned, write

from lathe.api.access.authentication import DevAuthenticator
from lathe.api.entities import stream as streams
from lathe.api.entities.commands import Commands
from lathe.api.entities.stream import Followed, Stream
from lathe.api.entities.view import encode
from lathe.api.wire.problem import Problem
from lathe.govern.principal import MAIN
from lathe.lang import digest
from lathe.runtime.clock import Ids, SystemClock
from lathe.runtime.engine import Engine
from lathe.runtime.intents import Intents
from lathe.runtime.tokens import Tokens
from lathe.store.base import JournalQuery
from lathe.store.memory import MemoryStore
from lathe.store.records import Entry


class Counting(MemoryStore):
    """A store that knows which positions it was asked for."""

    def __init__(self) -> None:
        super().__init__(SystemClock().now_ms)
        self.asked: list[JournalQuery] = []

    async def entries(self, query: JournalQuery) -> list[Entry]:
        self.asked.append(query)
        return await super().entries(query)


class Following:
    """A stream over a store, and whoever may follow it."""

    def __init__(self, *, limit: int = 4) -> None:
        clock = SystemClock()
        self.store = Counting()
        self.engine = Engine(self.store, clock, Ids(clock))
        self.named = DevAuthenticator(Tokens(b"k" * 32, clock))
        commands = Commands(self.engine, Intents(clock), self.named.stands)
        self.stream = Stream(self.engine, commands, self.named.stands, limit=limit)


@asynccontextmanager
async def following(*, limit: int = 4) -> AsyncIterator[Following]:
    found = Following(limit=limit)
    await found.engine.start()
    yield found
    await found.engine.stop()


def test_followers_are_told_of_checks_and_of_another_version() -> None:
    async def main() -> None:
        async with following() as one:
            await install(one.store, example("rollout"))
            await one.engine.catalog.refresh()
            followed = one.stream.follow(Followed(MAIN, 0, "rollout"), await one.named.principal({}, {}))
            assert (await anext(followed)).startswith(b":")
            one.stream.announce("check", MAIN, "order", {"id": "0"})
            one.stream.announce("check", MAIN, "rollout", {"id": "1"})
            assert await anext(followed) == b'event: check\ndata: {"id":"1"}\n\n'
            app = await install(one.store, example("rollout/versions/applies"))
            await one.engine.catalog.refresh()
            one.stream.announce("check", MAIN, "rollout", {"id": "2"})
            told = {"app": "rollout", "digest": digest(app)}
            assert await anext(followed) == b'event: check\ndata: {"id":"2"}\n\n'
            one.stream.announce("check", MAIN, "order", {"id": "3"})
            assert await anext(followed) == b"event: version\ndata: " + encode(told) + b"\n\n"

    asyncio.run(main())


def test_who_follows_something_quiet_is_not_told_of_the_rest_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However much happens elsewhere: each position is looked at once, and not too many in one go."""
    monkeypatch.setattr(streams, "LOOKED_AT", 5)

    async def main() -> None:
        async with following() as one:
            rows = await made(one.store, *"abcdefg")
            principal = await one.named.principal({}, {})
            quiet = Followed("other", 0)
            _, reached = await one.stream.page(quiet, principal, limit=9, wait_seconds=0)
            assert reached == 7
            assert [(q.after, q.until) for q in one.store.asked] == [(0, 5), (5, 7)]
            await commit(one.store, write(turned(rows[0])))
            await settled(one.store, 8)
            one.store.asked.clear()
            again = Followed("other", reached)
            assert (await one.stream.page(again, principal, limit=9, wait_seconds=0))[1] == 8
            assert [(q.after, q.until) for q in one.store.asked] == [(7, 8)]

    asyncio.run(main())


def test_who_waits_for_an_event_is_told_nothing_once_nobody_knows_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with following() as one:
            principal = await one.named.principal({}, {})
            waiting = asyncio.create_task(
                one.stream.page(Followed(TENANT, 0), principal, limit=9, wait_seconds=30)
            )
            await asyncio.sleep(0)

            async def gone(_: object) -> None:
                raise Problem("LR401.token", "the token is revoked")

            monkeypatch.setattr(one.stream, "_stands", gone)
            one.engine.catalog.generation += 1
            await made(one.store, "a")
            with pytest.raises(Problem, match="revoked"):
                await waiting
            assert one.stream.followers == 0

    asyncio.run(main())


def test_those_who_wait_for_a_page_count_as_followers() -> None:
    async def main() -> None:
        async with following(limit=1) as one:
            principal = await one.named.principal({}, {})
            waiting = asyncio.create_task(
                one.stream.page(Followed(TENANT, 0), principal, limit=9, wait_seconds=30)
            )
            await asyncio.sleep(0)
            with pytest.raises(Problem, match="too many"):
                await one.stream.page(Followed(TENANT, 0), principal, limit=9, wait_seconds=0)
            waiting.cancel()

    asyncio.run(main())
