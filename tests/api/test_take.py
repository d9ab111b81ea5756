"""`:take` keeps to its bounds: how many entities it tries, and what wakes who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx2
import pytest
from tests.api.client import serving

from lathe.api.app import Api
from lathe.api.entities.commands import Commands, Reply
from lathe.api.entities.request import EntityRequest
from lathe.store.base import Query
from lathe.store.memory import MemoryStore
from lathe.store.records import EntityRow

QUEUE = {
    "task.blueprint.toml": b"""
blueprint = "Task"
[state]
open = { initial = true, waits = "a worker" }
taken = { final = true }
[field]
rank = { type = "int", range = [0, 100] }
[action]
create = { by = "role:worker", sets = ["rank"] }
take = { from = "open", to = "taken", by = "role:worker", when = "rank > 0" }
"""
}
PATH = "/v1/task/tasks"
TAKE = {"action": "take"}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lathe.api.entities.take.TRIED_LIMIT", 8)
    monkeypatch.setattr("lathe.api.entities.take.CANDIDATES", 4)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The app of each look into the store, as it is made."""
    found: list[str] = []
    find = MemoryStore.find

    async def counted(store: MemoryStore, query: Query) -> list[EntityRow]:
        found.append(query.app)
        await asyncio.sleep(0)
        return await find(store, query)

    monkeypatch.setattr(MemoryStore, "find", counted)
    yield found


async def created(client: httpx2.AsyncClient, *ranks: int) -> list[str]:
    return [(await client.post(PATH, json={"rank": rank})).json()["id"] for rank in ranks]


@pytest.mark.usefixtures("few")
def test_so_many_are_tried_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    take = Commands.take

    async def counted(commands: Commands, asked: EntityRequest) -> Reply:
        if asked.action == "take":
            tried.append(asked.entity)
        return await take(commands, asked)

    monkeypatch.setattr(Commands, "take", counted)

    async def main() -> None:
        async with serving(files=QUEUE) as client:
            made = await created(client, *[0] * 8)
            none = await client.post(f"{PATH}:take", json=TAKE)
            assert (none.status_code, tried) == (204, made), "all of them were tried"
            last = (await created(client, 1))[0]
            tried.clear()
            for headers in ({}, {"prefer": "wait=30"}):
                found = await client.post(f"{PATH}:take", json=TAKE, headers=headers)
                assert (found.status_code, found.json()["code"]) == (422, "LR422.take"), found.text
            assert tried == made * 2
            found = await client.post(f"{PATH}:take", json={**TAKE, "where": "rank > 0"})
            assert found.json()["id"] == last

    asyncio.run(main())


def test_who_waits_is_woken_by_its_own_app(looks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lathe.api.entities.take.POLL_SECONDS", 60.0)

    async def main() -> None:
        async with serving("rollout", files=QUEUE) as client:
            headers = {"prefer": "wait=60"}
            waiting = asyncio.create_task(client.post(f"{PATH}:take", json=TAKE, headers=headers))
            while not looks:
                await asyncio.sleep(0)
            for _ in range(20):
                assert (await client.post("/v1/rollout/rollouts", json={"replicas": 1})).status_code == 201
            assert looks == ["task"]
            made = await created(client, 1)
            assert (await waiting).json()["id"] == made[0]

    asyncio.run(main())


@pytest.mark.usefixtures("looks")
def test_no_waiter_takes_the_wake_up_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lathe.api.entities.take.POLL_SECONDS", 60.0)

    async def main() -> None:
        async with serving(files=QUEUE) as client:
            headers = {"prefer": "wait=30"}
            waiting = [
                asyncio.create_task(client.post(f"{PATH}:take", json=TAKE, headers=headers)) for _ in range(8)
            ]
            await asyncio.sleep(0.02)
            made = await created(client, *[1] * 8)
            found = [answer.json()["id"] for answer in await asyncio.gather(*waiting)]
            assert sorted(found) == sorted(made)
            api = client._transport.app  # type: ignore[attr-defined]
            assert isinstance(api, Api) and api.taking.waiting == 0

    asyncio.run(main())
