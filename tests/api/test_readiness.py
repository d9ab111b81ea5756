"""Anybody may ask whether a process is ready, as often as they like: the store is asked now and then."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from tests.api.client import serving

from lathe.api.wire.readiness import BETWEEN_SECONDS, Readiness
from lathe.store.base import StoreError
from lathe.store.memory import MemoryStore


def test_many_who_ask_at_once_are_one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    ping = MemoryStore.ping

    async def counted(store: MemoryStore) -> None:
        nonlocal asked
        asked += 1
        await ping(store)

    monkeypatch.setattr(MemoryStore, "ping", counted)

    async def main() -> None:
        async with serving("rollout") as client:
            for _ in range(2):
                answers = await asyncio.gather(*(client.get("/readyz") for _ in range(100)))
                assert {answer.status_code for answer in answers} == {200}
            assert asked == 2

    asyncio.run(main())


def test_each_answer_is_of_a_question_that_was_not_over_when_it_was_asked_for() -> None:
    async def main() -> None:
        answers: list[Exception | None] = [None, StoreError("away"), None]
        moments: list[float] = []
        clock = asyncio.get_running_loop().time

        async def ping() -> None:
            moments.append(clock())
            found = answers[len(moments) - 1]
            if found is not None:
                raise found

        readiness = Readiness(ping)
        await readiness.check()
        failed = await asyncio.gather(readiness.check(), readiness.check(), return_exceptions=True)
        assert [str(one) for one in failed] == ["away", "away"]
        await readiness.check()
        assert len(moments) == 3
        assert min(b - a for a, b in pairwise(moments)) >= BETWEEN_SECONDS * 0.99

    asyncio.run(main())


def test_who_goes_away_ends_nobodys_question() -> None:
    async def main() -> None:
        answered = asyncio.Event()
        readiness = Readiness(answered.wait)  # type: ignore[arg-type]
        one, other = asyncio.create_task(readiness.check()), asyncio.create_task(readiness.check())
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.sleep(0)
        answered.set()
        await other
        assert one.cancelled()

    asyncio.run(main())
