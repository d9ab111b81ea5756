"""A subject of an issuer is one person, whichever way they come in."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace
from tests.govern.house import code, house
from tests.govern.provider import provider
from tests.govern.test_oidc import settings
from tests.govern.test_signin import CALLBACK, PLAIN, Browser


def test_nobody_decides_by_a_session_what_they_asked_for_by_a_token_of_the_same_issuer() -> None:
    async def main() -> None:
        with provider() as issuer:
            issuer.redirects.add(CALLBACK)
            people = settings(issuer.url, sign_in=PLAIN, scope_map={"deciders": ("decide",)})
            agents = replace(settings(issuer.url, kind="agent"), audience="agents")
            async with (
                house(issuers={"corp": people, "corp-agents": agents}) as one,
                one.client() as client,
                one.client() as other,
            ):
                issuer.claimed = {"groups": ["deciders"]}
                await (browser := Browser(one, issuer, client)).signed_in(await browser.sent())
                asked = []
                for claims in (
                    {},  # ann's own token
                    {"aud": "agents"},  # a program of hers, by the table for programs
                    {"aud": "agents", "act": {"sub": "bot"}},  # somebody who acts for her
                    {"aud": "agents", "sub": "bob", "act": {"sub": "ann"}},
                ):
                    body = {"app": "order", "plural": "orders", "action": "create", "args": {"total": 1}}
                    answer = await one.ask(issuer.token(**claims), "POST", "/v1/decisions", body)
                    assert answer.status_code == 201, answer.text
                    asked.append(answer.json())
                by = [each["by"].partition(":")[::2] for each in asked]
                assert by == [("corp", "ann"), *(("corp-agents", who) for who in ("ann", "bot", "ann"))]
                issuer.claimed = {"groups": ["deciders"], "sub": "dora"}
                await (stranger := Browser(one, issuer, other)).signed_in(await stranger.sent())
                for each in asked:
                    said = {"how": "once", "digest": each["digest"]}
                    path, ours = f"/v1/decisions/{each['id']}/approve", {"x-lathe-request": "1"}
                    assert code(await client.post(path, json=said, headers=ours)) == "LR403.decider"
                    assert (await other.post(path, json=said, headers=ours)).json()["state"] == "approved"

    asyncio.run(main())
