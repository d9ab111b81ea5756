"""What nobody uses up for others: tries, room for tokens, and requests in a time."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from tests.govern.house import ORDER, House, code, house, install_for
from tests.runtime.harness import example

from lathe.api.wire.limits import Limits
from lathe.govern.token import parts_of
from lathe.runtime.clock import SystemClock
from lathe.store.memory import MemoryStore


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for 32 tokens, 16 of them no parts; of each 8 parts and 3 sessions."""
    for name, limit in (("TOKENS_LIMIT", 32), ("RESERVED", 16), ("PARTS_LIMIT", 8), ("SESSIONS_LIMIT", 3)):
        monkeypatch.setattr(f"lathe.govern.token_quota.{name}", limit)


async def fill(one: House, token: str, **more: object) -> int:
    """Delegate a token until that is refused; how many parts it made."""
    for count in range(100):
        answer = await one.ask(token, "POST", "/v1/tokens", {"principal": "p", "parent": "self", **more})
        if answer.status_code != 201:
            assert code(answer) == "LR409.tokens", answer.text
            return count
    raise AssertionError("it may delegate without end")


@pytest.mark.usefixtures("little_room")
def test_what_is_over_takes_no_room() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            assert await fill(one, ann, expires_in=1) == 8
            one.clock.later_ms += 1_001
            assert await fill(one, ann) == 8
            revoked = await one.ask(one.operator, "DELETE", f"/v1/tokens/{(parts_of(ann) or ('',))[0]}")
            assert revoked.status_code in (200, 204)
            bob = await one.made(one.operator, "bob", kind="person", roles=["customer"])
            assert await fill(one, bob) == 8

    asyncio.run(main())


@pytest.mark.usefixtures("little_room")
def test_a_part_uses_up_neither_the_room_of_the_whole_nor_that_of_others() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            bot = await one.made(ann, "bot")
            deep = await one.made(bot, "deep")
            assert await fill(one, deep) == 2
            assert await fill(one, bot) == 4 - 3
            assert await fill(one, ann) == 8 - 5
            for name in ("bob", "carl", "dora"):
                other = await one.made(one.operator, name, kind="person", roles=["customer"])
                await fill(one, other)
            for token in (one.operator, ann):
                codes = [code(await one.ask(None, "POST", "/session", {"token": token})) for _ in range(4)]
                assert codes == ["204"] * 3 + ["LR409.tokens"]
            assert code(await one.ask(None, "POST", "/session", {"token": bot})) == "LR409.tokens", "a part"
            await one.made(one.operator, "erin", kind="person", roles=["customer"])

    asyncio.run(main())


def test_guessing_is_slowed_but_not_for_who_is_known() -> None:
    async def main() -> None:
        async with house() as one:
            assert code(await one.ask(one.operator, "GET", "/v1/me")) == "200"
            name = (parts_of(one.operator) or ("",))[0]
            codes = [
                code(await one.ask(f"lathe_{name}_{secrets.token_urlsafe(32)}", "GET", "/v1/me"))
                for _ in range(12)
            ]
            assert codes == ["LR401.token"] * 10 + ["LR429.guessing"] * 2
            slowed = await one.ask("lathe_a_b", "GET", "/v1/me")
            assert (slowed.status_code, slowed.headers["retry-after"]) == (429, "3")
            assert code(await one.ask(one.operator, "GET", "/v1/me")) == "200"
            one.seconds += 2.5
            assert code(await one.ask("lathe_a_b", "GET", "/v1/me")) == "LR401.token"

    asyncio.run(main())


def test_others_failures_keep_nobody_out_who_is_known_whatever_is_governed_meanwhile() -> None:
    async def main() -> None:
        async with house() as one:
            for number in range(300):
                one.bearers.throttle.failed(f"198.51.{number // 200}.{number % 200}", "unknown token")
            for _ in range(12):
                one.bearers.throttle.failed("127.0.0.1", "unknown token")
            assert code(await one.ask("lathe_a_b", "GET", "/v1/me")) == "LR429.guessing"
            assert code(await one.ask(one.operator, "GET", "/v1/me")) == "LR429.guessing", "not known yet"
            one.seconds += 60
            await one.made(one.operator, "ann", kind="person", roles=["customer"])
            for _ in range(300):
                one.bearers.throttle.failed("127.0.0.1", "unknown token")
            assert code(await one.ask("lathe_a_b", "GET", "/v1/me")) == "LR429.guessing"
            bob = await one.ask(one.operator, "POST", "/v1/tokens", {"principal": "bob"})
            answers = [one.ask(one.operator, "GET", "/v1/me") for _ in range(5)]  # all look it up anew
            assert [code(each) for each in await asyncio.gather(*answers)] == ["200"] * 5
            assert bob.status_code == 201

    asyncio.run(main())


def test_a_token_that_is_known_no_more_waits_like_any_other() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            assert code(await one.ask(ann, "GET", "/v1/me")) == "200"
            await one.ask(one.operator, "DELETE", f"/v1/tokens/{(parts_of(ann) or ('',))[0]}")
            for _ in range(12):
                one.bearers.throttle.failed("127.0.0.1", "unknown token")
            codes = [code(await one.ask(ann, "GET", "/v1/me")) for _ in range(2)]
            assert codes == ["LR401.token", "LR429.guessing"]

    asyncio.run(main())


def test_a_rate_is_of_whom_it_is_for_in_the_end_and_of_one_tenant() -> None:
    async def main() -> None:
        store = MemoryStore(SystemClock().now_ms)
        for tenant in ("main", "other"):
            await install_for(store, tenant, example("order"))
        async with house(store) as one:
            one.api.throttle.limits = Limits(per_principal_per_second=0.001, burst=3)
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            bots = [await one.made(ann, f"bot{number}") for number in range(3)]
            codes = [code(await one.ask(each, "POST", ORDER, {"total": 1})) for each in (*bots, ann)]
            assert codes == ["201"] * 3 + ["LR429.rate"]
            theirs = await one.made(one.operator, "op", kind="person", scopes=["operator"], tenant="other")
            same = await one.made(theirs, "ann", kind="person", roles=["customer"])
            assert code(await one.ask(same, "POST", ORDER, {"total": 1})) == "201"

    asyncio.run(main())
