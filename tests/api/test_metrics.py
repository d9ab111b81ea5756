"""`/metrics`: what is counted, under which names, and for whom."""

from __future__ import annotations

import asyncio
import re

from tests.api.client import serving
from tests.govern.house import ORDER, House, code, house, install_for
from tests.runtime.harness import example

from lathe.runtime.clock import SystemClock
from lathe.store.memory import MemoryStore


def commands(text: str) -> dict[str, float]:
    """What was counted of commands, by labels."""
    found = re.findall(r"^lathe_commands_total\{(.*)\} (\S+)$", text, re.MULTILINE)
    return {labels: float(count) for labels, count in found}


async def read(one: House, token: str) -> str:
    return (await one.ask(token, "GET", "/metrics")).text


def test_what_strangers_ask_for_is_counted_together() -> None:
    async def main() -> None:
        async with house() as one:
            for number in range(30):
                one.seconds += 60
                path = f"/v1/app{number}/y/z/w{number}"
                assert code(await one.ask(None, "POST", path)) == "LR401.token"
                assert code(await one.ask("lathe_a_b", "POST", path)) == "LR401.token"
            found = commands(await read(one, one.operator))
            assert found == {'action="",app="",outcome="LR401.token",tenant=""': 60.0}

    asyncio.run(main())


def test_a_known_caller_makes_up_no_names_either() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"], apps=["order"])
            for number in range(10):
                assert code(await one.ask(ann, "POST", f"/v1/app{number}/orders")).startswith("LR40")
                assert code(await one.ask(ann, "POST", f"{ORDER}/x/fly{number}")) == "LR404.action"
                assert code(await one.ask(ann, "POST", f"/v1/order/things{number}")) == "LR404.route"
            order = await one.ask(ann, "POST", ORDER, {"total": 1})
            assert order.status_code == 201
            await one.ask(ann, "POST", ORDER, {"total": "much"})
            await one.ask(ann, "POST", f"{ORDER}/nobody/cancel")
            found = commands(await read(one, one.operator))
            named = {labels: count for labels, count in found.items() if 'app=""' not in labels}
            assert named == {
                'action="create",app="order",outcome="taken",tenant="main"': 1.0,
                'action="create",app="order",outcome="LR422.type",tenant="main"': 1.0,
                'action="cancel",app="order",outcome="LR404.entity",tenant="main"': 1.0,
            }
            assert len(found) - len(named) <= 3

    asyncio.run(main())


def test_the_metrics_are_of_every_tenant_and_for_the_house_alone() -> None:
    async def main() -> None:
        store = MemoryStore(SystemClock().now_ms)
        await install_for(store, "main", example("order"))
        await install_for(store, "other", example("order"))
        async with house(store) as one:
            theirs = await one.made(one.operator, "op", kind="person", scopes=["operator"], tenant="other")
            scraper = await one.made(one.operator, "s", kind="service", scopes=["metrics"], tenant="other")
            for token in (theirs, scraper):
                assert code(await one.ask(token, "GET", "/metrics")) == "LR403.scope"
            bob = await one.made(theirs, "bob", kind="person", roles=["customer"])
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            for token, count in ((bob, 1), (ann, 2)):
                for _ in range(count):
                    assert (await one.ask(token, "POST", ORDER, {"total": 1})).status_code == 201
            text = await read(one, one.operator)
            by_tenant = dict(re.findall(r'lathe_entities\{app="order",.*tenant="(\w+)"\} (\S+)', text))
            assert by_tenant == {"main": "2.0", "other": "1.0"}, text
            taken = 'action="create",app="order",outcome="taken",tenant="%s"'
            assert [commands(text)[taken % tenant] for tenant in ("main", "other")] == [2.0, 1.0]

    asyncio.run(main())


def test_in_development_they_are_read_without_a_token() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            assert (await client.get("/metrics")).status_code == 200

    asyncio.run(main())
