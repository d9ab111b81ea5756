"""Who follows what happens is told what becomes of decisions, as far as they may see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
from tests.govern.test_decisions import People, with_people

from lathe.api.entities.stream import Followed

TOLD_SECONDS = 5


class Follower:
    """Somebody who follows everything of the house, by their token."""

    def __init__(self, people: People, token: str, app: str | None = None) -> None:
        self._people, self._token, self._app = people, token, app

    async def begin(self) -> Follower:
        one = self._people.one
        headers = {b"authorization": f"Bearer {self._token}".encode()}
        principal = await one.bearers.principal(headers, {"method": "GET"})
        position = await one.store.position()
        stream = one.api.stream.follow(Followed(principal.tenant, position, self._app), principal)
        self._chunks: AsyncIterator[bytes] = stream
        assert (await anext(stream)).startswith(b":")
        self._waiting = asyncio.create_task(self._decision())
        await asyncio.sleep(0)
        return self

    async def told(self) -> dict[str, str]:
        """The next notice about a decision."""
        async with asyncio.timeout(TOLD_SECONDS):
            found = await self._waiting
        self._waiting = asyncio.create_task(self._decision())
        return found

    async def is_silent(self) -> bool:
        """Whether nothing was told; what comes next ends the stream."""
        is_done = self._waiting.done()
        self._waiting.cancel()
        return not is_done

    async def _decision(self) -> dict[str, str]:
        async for chunk in self._chunks:
            if chunk.startswith(b"event: decision\n"):
                return msgspec.json.decode(chunk.partition(b"data: ")[2], type=dict[str, str])
        return {}  # the house is closed


@with_people
async def test_who_decides_and_who_asks_are_told_at_once_and_nobody_else(all_of: People) -> None:
    one = all_of.one
    other = await one.made(one.operator, "carl", kind="person")
    elsewhere = await one.made(one.operator, "eve", kind="person", scopes=["decide"], apps=["other"])
    foreign = await one.made(one.operator, "ola", kind="person", scopes=["operator"], tenant="other")
    bob, ann = await Follower(all_of, all_of.bob).begin(), await Follower(all_of, all_of.ann).begin()
    strangers = [await Follower(all_of, token).begin() for token in (other, elsewhere, foreign)]
    strangers.append(await Follower(all_of, all_of.bob, "other").begin())
    asked = await all_of.asked()
    opened = {"id": asked["id"], "app": "expense", "state": "open"}
    assert await bob.told() == opened
    assert await ann.told() == opened
    assert (await all_of.approve(all_of.bob, asked)).is_success
    assert await bob.told() == {**opened, "state": "approved"}
    assert await all_of.create() == "201"
    assert await bob.told() == {**opened, "state": "used"}
    assert [await stranger.is_silent() for stranger in strangers] == [True] * 4


@with_people
async def test_what_was_governed_before_somebody_follows_is_not_told(all_of: People) -> None:
    first = await all_of.asked()
    await all_of.one.node.engine.catalog.refresh()
    bob = await Follower(all_of, all_of.bob).begin()
    await all_of.one.made(all_of.one.operator, "dan")
    second = await all_of.asked(amount=4)
    assert second["id"] != first["id"]
    assert (await bob.told())["id"] == second["id"]
    assert await bob.is_silent()
