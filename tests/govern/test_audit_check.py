"""Seals on the audit, and sessions of browsers."""

from __future__ import annotations

import asyncio

import pytest
from starlette.routing import Route
from tests.govern.house import KEY, ORDER, House, code, house

from lathe.api.identity.session import Sessions
from lathe.govern.audit_check import verify
from lathe.govern.auditor import Auditor
from lathe.store.audit import Change
from lathe.store.base import UnavailableError


def auditor(one: House) -> Auditor:
    def failed(work: str, error: Exception) -> None:
        raise AssertionError(work) from error

    return Auditor(one.store, one.clock, one.bearers.throttle, key=KEY, failed=failed)


async def wrong(one: House, **more: object) -> list[int]:
    key, anchor = more.get("key", KEY), more.get("anchor")
    return [broken.number async for broken in verify(one.store, key, anchor)]  # type: ignore[arg-type]


def test_what_was_sealed_and_is_gone_or_different_shows() -> None:
    async def main() -> None:
        async with house() as one:
            keeper = auditor(one)
            await keeper.seal()
            await one.made(one.operator, "ann", kind="person")
            await one.made(one.operator, "carl", kind="person")
            await keeper.seal()
            await keeper.seal()
            first, *_ = seals = await one.store.seals(limit=9)
            assert [seal.number for seal in seals] == [3, 1]
            assert await wrong(one) == []
            assert await wrong(one, key=b"x" * 32) == [3, 1]
            rules = one.store._rules  # type: ignore[attr-defined]
            taken = rules.audit.pop()
            assert await wrong(one) == [3]
            rules.seals.pop()
            assert await wrong(one) == []
            assert await wrong(one, anchor=first) == [3]
            rules.audit.append(taken)
            assert await wrong(one, anchor=first) == []

    asyncio.run(main())


def test_failures_that_could_not_be_written_down_are_written_with_the_next() -> None:
    async def main() -> None:
        async with house() as one:
            await one.ask("lathe_x_y", "GET", "/v1/me")
            keeper, govern = auditor(one), one.store.govern

            async def gone(change: Change) -> bool:
                raise UnavailableError("gone")

            one.store.govern = gone  # type: ignore[method-assign]
            with pytest.raises(UnavailableError):
                await keeper.account()
            one.store.govern = govern  # type: ignore[method-assign]
            await one.ask("lathe_x_y", "GET", "/v1/me")
            await keeper.account()
            found = [e for e in await one.store.audit() if e.kind == "authentication.failed"]
            assert len(found) == 1 and b'"count":2' in found[0].body

    asyncio.run(main())


def test_failures_are_counted_and_written_down_once() -> None:
    async def main() -> None:
        async with house() as one:
            for _ in range(3):
                await one.ask("lathe_x_y", "GET", "/v1/me")
            keeper = auditor(one)
            await keeper.account()
            await keeper.account()
            found = [e for e in await one.store.audit() if e.kind == "authentication.failed"]
            assert len(found) == 1 and b'"count":3' in found[0].body

    asyncio.run(main())


def routed(one: House) -> House:
    routes: list[Route] = [*Sessions(one.bearers, one.bearers, one.keyring, one.clock).routes()]
    one.api._starlette.router.routes[:0] = routes
    return one


def test_a_browser_signs_in_asks_from_its_own_page_and_signs_out() -> None:
    async def main() -> None:
        async with house() as made:
            one = routed(made)
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            async with one.client() as browser:
                assert code(await browser.post("/session", json={"token": "x"})) == "LR401.token"
                assert code(await browser.post("/session", data={"token": ann})) == "LR415.type"
                answer = await browser.post("/session", json={"token": ann})
                cookie = answer.headers["set-cookie"].lower()
                assert answer.status_code == 204 and ann not in cookie
                assert "httponly" in cookie and "samesite=strict" in cookie and "secure" not in cookie
                text = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
                browser.cookies.clear()
                browser.headers["cookie"] = f"other=1; lathe={text}"
                me = (await browser.get("/v1/me")).json()
                assert (me["principal"], me["chain"], me["kind"]) == ("ann", ["ann"], "person")
                said = {"x-lathe-request": "1"}
                foreign = (
                    {}, {"origin": "http://test"}, {**said, "origin": "http://evil"},
                    {**said, "origin": "null"}, {**said, "sec-fetch-site": "cross-site"},
                )  # fmt: skip
                for headers in foreign:
                    refused = await browser.post(ORDER, json={"total": 1}, headers=headers)
                    assert code(refused) == "LR403.origin", headers
                own = {**said, "origin": "http://test", "sec-fetch-site": "same-origin"}
                assert (await browser.post(ORDER, json={"total": 1}, headers=own)).status_code == 201
                assert (await browser.delete("/session", headers=own)).status_code == 204
                assert code(await browser.get("/v1/me")) == "LR401.token"
            assert code(await one.ask(ann, "GET", "/v1/me")) == "200"

    asyncio.run(main())
