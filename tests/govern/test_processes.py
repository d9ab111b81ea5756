"""Two processes over one PostgreSQL: what one of them revokes is over on the other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.govern.house import ORDER, code, house, install_for
from tests.runtime.harness import example
from tests.runtime.processes import serving
from tests.store.server import Server

from lathe.govern.token import parts_of
from lathe.store.audit import unchained
from lathe.store.postgres.store import PostgresStore


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    made.start()
    yield made
    made.remove()


def test_nothing_is_committed_after_a_revocation_on_the_other_process(server: Server) -> None:
    async def main() -> None:
        here, there = PostgresStore(server.url, schema="gov"), PostgresStore(server.url, schema="gov")
        await here.open()
        await there.open()
        await install_for(here, "main", example("order"))
        async with house(here) as one, house(there) as two:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            bot = await one.made(ann, "bot")
            taken = 0

            async def keep_on() -> None:
                nonlocal taken
                while code(await two.ask(bot, "POST", ORDER, {"total": 1})) == "201":
                    taken += 1

            working = [asyncio.create_task(keep_on()) for _ in range(4)]
            while taken < 20:
                await asyncio.sleep(0.005)
            name = (parts_of(ann) or ("",))[0]
            answer = await one.ask(one.operator, "DELETE", f"/v1/tokens/{name}")
            assert answer.status_code == 200
            before = await here.count("main", "order")
            for _ in range(3):
                assert code(await two.ask(bot, "POST", ORDER, {"total": 1})) == "LR401.token"
            await asyncio.gather(*working)
            orders = sum(n for (blueprint, _), n in before.items() if blueprint == "Order")
            after = await here.count("main", "order")
            assert sum(n for (blueprint, _), n in after.items() if blueprint == "Order") == orders == taken
            assert [*unchained(await there.audit())] == []
        await here.close()
        await there.close()

    asyncio.run(main())


def test_what_one_server_revokes_is_over_on_the_other_at_once_with_its_streams(
    server: Server, tmp_path: Path
) -> None:
    """Two processes of the operating system, with nothing in common but the database."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with (
        serving(server.url, folders[0], schema="revoked") as one,
        serving(server.url, folders[1], schema="revoked") as two,
    ):
        operator = one.headers
        one.apply(example("order"))
        wanted = {"principal": "ann", "kind": "person", "roles": ["customer"]}
        made = httpx2.post(f"{one.url}/v1/tokens", json=wanted, headers=operator).json()
        shown = {"authorization": f"Bearer {made['token']}"}
        answers: list[tuple[float, int]] = []
        streamed: list[float] = []

        def work() -> None:
            """Place orders by the other process until it says no; when each was sent."""
            with httpx2.Client(base_url=two.url, headers=shown) as client:
                while not answers or answers[-1][1] == 201:
                    begun = time.monotonic()
                    answers.append((begun, client.post(ORDER, json={"total": 1}).status_code))

        def follow() -> None:
            events = f"{two.url}/v1/events?app=order"
            with httpx2.stream("GET", events, headers=shown, timeout=60) as stream:
                for _ in stream.iter_bytes():
                    pass
            streamed.append(time.monotonic())

        threads = [threading.Thread(target=target, daemon=True) for target in (work, follow)]
        for thread in threads:
            thread.start()
        while len(answers) < 20:
            time.sleep(0.005)
        gone = httpx2.delete(f"{one.url}/v1/tokens/{made['id']}", headers=operator)
        revoked = time.monotonic()
        assert gone.status_code == 200, gone.text
        for thread in threads:
            thread.join(30)
        assert all(status == 401 for begun, status in answers if begun > revoked)
        assert [status for _, status in answers][-1] == 401
        for _ in range(3):
            assert httpx2.post(f"{two.url}{ORDER}", json={"total": 1}, headers=shown).status_code == 401
        assert streamed, "the stream that it opened has ended"
        taken = sum(status == 201 for _, status in answers)
        listed = httpx2.get(f"{one.url}{ORDER}?limit=200", headers=one.headers).json()["items"]
        assert len(listed) == min(taken, 200)
