"""Claims that stand in an issuer's userinfo alone, and signing out at the issuer: a real one on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

import pytest
from tests.govern.test_signin import DISCOVERY, browsing, reasons, refused

from lathe.runtime.config import SignInSettings

ASKING = SignInSettings(userinfo=True)
LEAVING = SignInSettings(sign_out=True)
OURS = {"x-lathe-request": "1"}
PLACE = "userinfo_endpoint"


def test_roles_that_stand_in_userinfo_alone_count_if_the_operator_says_so() -> None:
    async def main() -> None:
        for sign_in, roles in ((ASKING, ["clerk"]), (SignInSettings(), [])):
            async with browsing(sign_in=sign_in) as (browser, _, issuer):
                issuer.more = {PLACE: f"{issuer.url}/userinfo"}
                issuer.userinfo = {"sub": "ann", "groups": ["lathe-clerk"]}
                page, told = await browser.signed_in(await browser.sent())
                assert (page, told) == ("/console/", {})
                assert (await browser.client.get("/v1/me")).json()["roles"] == roles

    asyncio.run(main())


def test_what_the_identity_token_says_stands_whatever_userinfo_says() -> None:
    async def main() -> None:
        async with browsing(sign_in=ASKING) as (browser, _, issuer):
            issuer.more = {PLACE: f"{issuer.url}/userinfo"}
            issuer.claimed = {"groups": ["lathe-clerk"]}
            issuer.userinfo = {
                "sub": "ann", "groups": ["lathe-boss"], "act": {"sub": "bot"}, "iss": "https://other",
                "aud": "other", "exp": 1,
            }  # fmt: skip
            await browser.signed_in(await browser.sent())
            me = (await browser.client.get("/v1/me")).json()
            assert (me["chain"], me["roles"]) == (["corp:ann"], ["clerk"])

    asyncio.run(main())


def test_a_claim_that_is_required_may_stand_in_userinfo() -> None:
    async def main() -> None:
        async with browsing(sign_in=ASKING, require={"employee": True}) as (browser, one, issuer):
            issuer.more = {PLACE: f"{issuer.url}/userinfo"}
            issuer.userinfo = {"sub": "ann"}
            assert await refused(browser, await browser.sent()) == "token"
            assert reasons(one) == ["jwt: claims"]
            issuer.userinfo = {"sub": "ann", "employee": True}
            await browser.signed_in(await browser.sent())
            assert await browser.who() == "corp:ann"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("more", "answer", "code", "reason"),
    [
        ({PLACE: "/userinfo"}, b'{"sub": "eve", "groups": ["lathe-clerk"]}', "token", "oidc: userinfo"),
        ({PLACE: "/userinfo"}, b'{"groups": []}', "unavailable", "oidc: unavailable"),
        ({PLACE: "/userinfo"}, b"a.signed.one", "unavailable", "oidc: unavailable"),
        ({PLACE: "/userinfo"}, b"[]", "unavailable", "oidc: unavailable"),
        ({PLACE: "/userinfo"}, 401, "unavailable", "oidc: unavailable"),
        ({}, b"{}", "unavailable", "oidc: unavailable"),
    ],
)
def test_without_userinfo_of_the_very_subject_nobody_comes_in(
    more: Mapping[str, str], answer: bytes | int, code: str, reason: str
) -> None:
    async def main() -> None:
        async with browsing(sign_in=ASKING) as (browser, one, issuer):
            issuer.more = {name: f"{issuer.url}{path}" for name, path in more.items()}
            issuer.answers["/userinfo"] = answer
            assert await refused(browser, await browser.sent()) == code
            assert reasons(one) == [reason]

    asyncio.run(main())


def test_who_signs_out_is_sent_to_the_issuer_and_is_signed_out_here_before() -> None:
    async def main() -> None:
        async with browsing(sign_in=LEAVING) as (browser, _, issuer):
            issuer.more = {"end_session_endpoint": f"{issuer.url}/leave?tenant=1"}
            await browser.signed_in(await browser.sent())
            assert await browser.who() == "corp:ann"
            left = await browser.client.delete("/session", headers=OURS)
            assert await browser.who() == "LR401.token"
            place, _, query = left.json()["next"].partition("?")
            assert (left.status_code, place) == (200, f"{issuer.url}/leave")
            told = dict(parse_qsl(query))
            assert told == {
                "tenant": "1", "client_id": "lathe", "post_logout_redirect_uri": "http://test/console/",
            }  # fmt: skip

    asyncio.run(main())


@pytest.mark.parametrize(
    ("sign_in", "more", "host"),
    [
        (SignInSettings(), {"end_session_endpoint": "URL/leave"}, "test"),
        (LEAVING, {}, "test"),
        (LEAVING, {"end_session_endpoint": "http://elsewhere.example/leave"}, "test"),
        (LEAVING, {"end_session_endpoint": "URL/leave"}, "a b"),
    ],
)
def test_signing_out_here_needs_nothing_of_the_issuer(
    sign_in: SignInSettings, more: Mapping[str, str], host: str
) -> None:
    async def main() -> None:
        async with browsing(sign_in=sign_in) as (browser, _, issuer):
            issuer.more = {name: text.replace("URL", issuer.url) for name, text in more.items()}
            await browser.signed_in(await browser.sent())
            left = await browser.client.delete("/session", headers={**OURS, "host": host})
            assert left.status_code == 204
            assert await browser.who() == "LR401.token"

    asyncio.run(main())


def test_a_session_that_a_token_of_this_house_began_leads_to_no_issuer() -> None:
    async def main() -> None:
        async with browsing(sign_in=LEAVING) as (browser, one, issuer):
            issuer.more = {"end_session_endpoint": f"{issuer.url}/leave"}
            token = await one.made(one.operator, "corp", kind="person")
            begun = await browser.client.post("/session", json={"token": token}, headers=OURS)
            assert begun.status_code == 204
            assert (await browser.client.delete("/session", headers=OURS)).status_code == 204
            assert DISCOVERY not in issuer.asked

    asyncio.run(main())
