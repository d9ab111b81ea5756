"""Two processes over one PostgreSQL: what one of them revokes is over on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.govern.house import ORDER, code, house, install_for
from tests.runtime.harness import example
from tests.store.server import Server

from lathe.govern.token import parts_of
from lathe.store.audit import unchained
from lathe.store.postgres import PostgresStore


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
