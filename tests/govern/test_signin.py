"""Signing in by a real issuer on loopback: who comes in, and each way of coming in as somebody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from joserfc.jwk import RSAKey
from tests.govern.house import House, code, house
from tests.govern.provider import AUDIENCE, Provider, provider, signed, unsigned
from tests.govern.test_oidc import settings
from tests.runtime.harness import example

from lathe.api.identity.oidc import COOKIE, NEXT_CHARACTERS_LIMIT, page_of
from lathe.errors import UsageError
from lathe.govern.discovery import FRESH_SECONDS, STALE_SECONDS
from lathe.govern.issuer import issuer_of
from lathe.govern.keyring import Keyring, Made
from lathe.govern.refresh import REFRESH_SECONDS
from lathe.govern.signin import SECONDS, client_of
from lathe.govern.throttle import ADDRESS_BURST
from lathe.runtime.config import Secret, SignInSettings
from lathe.runtime.engine import BusyError
from lathe.store.base import UnavailableError

CALLBACK = "http://test/session/oidc/callback"
PLAIN = SignInSettings()
DISCOVERY = "/.well-known/openid-configuration"
START = "/session/oidc/start?issuer=corp"


class Browser:
    """A browser at a house: it keeps cookies, and goes where it is sent."""

    def __init__(self, one: House, issuer: Provider, client: httpx2.AsyncClient) -> None:
        self.house = one
        self.issuer = issuer
        self.client = client

    async def sent(self, path: str = START) -> dict[str, str]:
        """What the browser is sent to the issuer with."""
        answer = await self.client.get(path)
        assert answer.status_code == 303, answer.text
        place, _, query = answer.headers["location"].partition("?")
        assert place == f"{self.issuer.url}/authorize"
        return dict(parse_qsl(query))

    async def back(self, **answer: str) -> tuple[str, dict[str, str]]:
        """Where the browser is sent from the callback: the page, and its query."""
        found = await self.client.get("/session/oidc/callback", params=answer)
        assert (found.status_code, found.headers["cache-control"]) == (303, "no-store"), found.text
        parts = urlsplit(found.headers["location"])
        assert (parts.scheme, parts.netloc) == ("", "")
        return parts.path, dict(parse_qsl(parts.query))

    async def signed_in(self, query: dict[str, str], **more: str) -> tuple[str, dict[str, str]]:
        """Back with a code for what was asked."""
        given = {"code": self.issuer.code(query), "state": query["state"], "iss": self.issuer.url}
        return await self.back(**{**given, **more})

    async def who(self) -> str:
        """Whom the browser is taken for."""
        answer = await self.client.get("/v1/me")
        return str(answer.json()["principal"]) if answer.is_success else code(answer)


@asynccontextmanager
async def browsing(
    *, sign_in: SignInSettings = PLAIN, app: str = "order", **more: object
) -> AsyncIterator[tuple[Browser, House, Provider]]:
    """A browser at a house that people sign in to by an issuer."""
    with provider() as issuer:
        issuer.redirects.add(CALLBACK)
        tables = {"corp": settings(issuer.url, sign_in=sign_in, **more)}
        async with house(files=example(app), issuers=tables) as one, one.client() as client:
            yield Browser(one, issuer, client), one, issuer


async def refused(browser: Browser, query: dict[str, str], **answer: str) -> str:
    """The code that a sign-in ends with on the sign-in page; nobody is signed in."""
    page, told = await browser.signed_in(query, **answer)
    assert page == "/console/" and set(told) <= {"sign_in", "issuer"}
    assert await browser.who() == "LR401.token"
    return told["sign_in"]


def reasons(one: House) -> list[str]:
    """What failures were counted since the last time."""
    account = one.bearers.throttle.account()
    return [] if account is None else [reason for _, reason, _ in account.counted]


def test_a_person_comes_in_by_their_issuer_and_goes_again() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            assert (await browser.client.get("/session/oidc")).json() == {"items": [{"name": "corp"}]}
            issuer.claimed = {"groups": ["buyers", "lathe-clerk"]}
            query = await browser.sent(f"{START}&{urlencode({'next': '/console/apps/order?state=open'})}")
            assert query["redirect_uri"] == CALLBACK and query["code_challenge_method"] == "S256"
            assert (query["response_type"], query["scope"], query["client_id"]) == ("code", "openid", "lathe")
            page, told = await browser.signed_in(query)
            assert (page, told) == ("/console/apps/order", {"state": "open"})
            me = (await browser.client.get("/v1/me")).json()
            assert (me["principal"], me["kind"], me["chain"]) == ("corp:ann", "person", ["corp:ann"])
            assert me["roles"] == ["clerk", "customer"] and me["token"]
            assert COOKIE not in browser.client.cookies
            made = await browser.client.post("/v1/order/orders", json={"total": 1})
            assert code(made) == "LR403.origin"  # the same session as with a token, and as guarded
            ours = {"x-lathe-request": "1"}
            assert (
                await browser.client.post("/v1/order/orders", json={"total": 1}, headers=ours)
            ).status_code == 201
            assert (await browser.client.delete("/session", headers=ours)).status_code == 204
            assert await browser.who() == "LR401.token"
            lines = (await one.ask(one.operator, "GET", "/v1/audit")).json()["items"]
            assert [line["kind"] for line in lines if line["by"] == "corp:ann"] == [
                "token.created",
                "token.revoked",
            ]
            assert reasons(one) == []

    asyncio.run(main())


def test_a_session_outlives_the_identity_token_and_ends_by_itself() -> None:
    async def main() -> None:
        async with browsing(sign_in=SignInSettings(session_seconds=3_600)) as (browser, one, _):
            await browser.signed_in(await browser.sent())
            one.clock.later_ms = 3_000_000
            assert await browser.who() == "corp:ann"
            one.clock.later_ms = 3_601_000
            assert await browser.who() == "LR401.token"

    asyncio.run(main())


def test_an_operator_ends_the_session_of_somebody_who_came_by_an_issuer() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, _):
            await browser.signed_in(await browser.sent())
            token = (await browser.client.get("/v1/me")).json()["token"]
            assert (await one.ask(one.operator, "DELETE", f"/v1/tokens/{token}")).status_code == 200
            assert await browser.who() == "LR401.token"

    asyncio.run(main())


def test_who_came_by_an_issuer_decides_as_a_person() -> None:
    async def main() -> None:
        async with browsing(scope_map={"deciders": ("decide",)}) as (browser, one, issuer):
            issuer.claimed = {"groups": ["deciders"]}
            await browser.signed_in(await browser.sent())
            bot = await one.made(one.operator, "bot")
            body = {"app": "order", "plural": "orders", "action": "create", "args": {"total": 1}}
            asked = (await one.ask(bot, "POST", "/v1/decisions", body)).json()
            said = {"how": "once", "digest": asked["digest"]}
            answer = await browser.client.post(
                f"/v1/decisions/{asked['id']}/approve", json=said, headers={"x-lathe-request": "1"}
            )
            assert (answer.json().get("state"), answer.json().get("decided_by")) == ("approved", "corp:ann")

    asyncio.run(main())


# What must not get anybody in.


def test_a_state_is_of_the_browser_that_began_it() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            mine = await browser.sent()
            assert await refused(browser, mine, state="x" * 43) == "state"
            assert await refused(browser, mine, state="") == "state"
            async with one.client() as other:
                theirs = await Browser(one, issuer, other).sent()
                assert await refused(browser, theirs) == "state"  # another's link, in this browser
            async with one.client() as bare:
                assert await refused(Browser(one, issuer, bare), mine) == "state"  # no cookie at all
            assert set(reasons(one)) == {"oidc: state"} and issuer.forms == []

    asyncio.run(main())


def test_a_cookie_that_is_not_ours_begins_nothing() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            query = await browser.sent()
            good = browser.client.cookies[COOKIE]
            said, _, signature = good.partition(".")
            for bad in (f"{said}.", f"{said}.{signature[:-2]}AA", f".{signature}", "x", "é", "a" * 5_000):
                browser.client.cookies.clear()
                answer = {"code": issuer.code(query), "state": query["state"]}
                found = await browser.client.get(
                    "/session/oidc/callback", params=answer, headers={"cookie": f"{COOKIE}={bad}".encode()}
                )
                assert "sign_in=state" in found.headers["location"], bad
                one.seconds += REFRESH_SECONDS
            assert set(reasons(one)) == {"oidc: state"} and issuer.forms == []

    asyncio.run(main())


def test_a_sign_in_ends_once_and_in_time() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            query = await browser.sent()
            cookie = browser.client.cookies[COOKIE]
            given = {"code": issuer.code(query), "state": query["state"]}
            assert (await browser.back(**given))[1] == {}
            again = {"cookie": f"{COOKIE}={cookie}"}  # as somebody has it who read all that the browser sent
            for params in (given, {**given, "code": issuer.code(query)}):
                async with one.client(None, **again) as thief:
                    found = await thief.get("/session/oidc/callback", params=params)
                    assert "sign_in=state" in found.headers["location"]
                    assert "lathe=" not in found.headers.get("set-cookie", "").replace(COOKIE, "")
            browser.client.cookies.clear()
            query = await browser.sent()
            one.clock.later_ms = 1_000 * SECONDS
            assert await refused(browser, query) == "state"
            assert reasons(one) == ["oidc: state is over"]

    asyncio.run(main())


def test_a_code_that_was_used_or_is_anothers_is_worth_nothing() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            first = await browser.sent()
            used = issuer.code(first)
            assert (await browser.back(code=used, state=first["state"]))[1] == {}
            browser.client.cookies.clear()
            assert await refused(browser, await browser.sent(), code=used) == "code"
            async with one.client() as other:
                theirs = await Browser(one, issuer, other).sent()
            query = await browser.sent()
            stolen = issuer.code(theirs)  # another's code put into this browser's sign-in: PKCE says no
            assert await refused(browser, query, code=stolen) == "code"
            assert issuer.forms[-1]["code_verifier"] and reasons(one) == ["oidc: code"]
            for bad in ("", "x" * 5_000):
                assert await refused(browser, await browser.sent(), code=bad) == "code"

    asyncio.run(main())


def test_pkce_is_never_left_out() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            first, second = await browser.sent(), await browser.sent()
            assert len(first["code_challenge"]) == 43 and first["code_challenge"] != second["code_challenge"]
            assert first["nonce"] != second["nonce"] and first["state"] != second["state"]
            await browser.signed_in(second)
            (form,) = issuer.forms
            assert len(form["code_verifier"]) == 43 and form["redirect_uri"] == CALLBACK
            without = {name: value for name, value in second.items() if name != "code_challenge"}
            assert issuer.authorize(without) == 400
            issuer.more = {"code_challenge_methods_supported": ["plain"]}
            one.seconds = FRESH_SECONDS
            answer = await browser.client.get(START)
            assert "sign_in=unavailable" in answer.headers["location"]

    asyncio.run(main())


def _claimed(**claims: object) -> Callable[[Provider, dict[str, str]], str]:
    return lambda issuer, query: issuer.token(**{"nonce": query["nonce"], **claims})


BAD_TOKENS: dict[str, tuple[Callable[[Provider, dict[str, str]], str], str]] = {
    "another nonce": (_claimed(nonce="x" * 43), "oidc: nonce"),
    "no nonce": (_claimed(nonce=None), "oidc: nonce"),
    "a nonce that is no text": (_claimed(nonce=7), "oidc: nonce"),
    "a nonce of another script": (_claimed(nonce="é"), "oidc: nonce"),
    "another audience": (_claimed(aud="another"), "jwt: audience"),
    "no audience": (_claimed(aud=None), "jwt: audience"),
    "several audiences and no party": (_claimed(aud=[AUDIENCE, "another"]), "oidc: authorized party"),
    "another party": (_claimed(azp="another"), "oidc: authorized party"),
    "another issuer": (_claimed(iss="https://login.example.com"), "jwt: issuer"),
    "no issuer": (_claimed(iss=None), "jwt: malformed"),
    "expired": (_claimed(exp=1), "jwt: expired"),
    "no subject": (_claimed(sub=None), "jwt: claims"),
    "not what is required": (_claimed(email_verified=False), "jwt: claims"),
    "not signed": (
        lambda issuer, query: unsigned(issuer.claims(nonce=query["nonce"])),
        "jwt: algorithm",
    ),
    "signed by a stranger": (
        lambda issuer, query: signed(
            issuer.claims(nonce=query["nonce"]), RSAKey.generate_key(2048, {"kid": "rsa"})
        ),
        "jwt: signature",
    ),
    "no token": (lambda issuer, query: "x", "jwt: malformed"),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_an_identity_token_that_is_not_for_this_sign_in(name: str) -> None:
    make, reason = BAD_TOKENS[name]

    async def main() -> None:
        async with browsing(require={"email_verified": True}) as (browser, one, issuer):
            issuer.claimed = {"email_verified": True}
            query = await browser.sent()
            issuer.answers["/token"] = json.dumps({"id_token": make(issuer, query)}).encode()
            assert await refused(browser, query) == "token"
            assert reasons(one) == [reason]
            del issuer.answers["/token"]
            assert (await browser.signed_in(await browser.sent()))[1] == {}

    asyncio.run(main())


def test_the_answer_says_whose_it_is() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            assert await refused(browser, await browser.sent(), iss="https://mixed.example") == "issuer"
            assert issuer.forms == [] and reasons(one) == ["oidc: issuer"]
            query = await browser.sent()
            assert (await browser.back(code=issuer.code(query), state=query["state"]))[1] == {}
            issuer.more = {"authorization_response_iss_parameter_supported": True}
            one.seconds = FRESH_SECONDS
            browser.client.cookies.clear()
            query = await browser.sent()
            _, told = await browser.back(code=issuer.code(query), state=query["state"])
            assert told["sign_in"] == "issuer" and len(issuer.forms) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("access_denied", "access_denied"),
        ("login_required", "login_required"),
        ("<b>you are hacked</b>", "error"),
        ("", "error"),
        ("x" * 41, "error"),
    ],
)
def test_an_issuer_that_says_no_is_told_on_the_page(said: str, told: str) -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            query = await browser.sent(f"{START}&next=/console/audit")
            given = {"state": query["state"], "iss": issuer.url, "error_description": "call 0190 123"}
            page, query = await browser.back(error=said, **given)
            assert (page, query) == ("/console/audit", {"sign_in": told, "issuer": "corp"})
            assert await browser.who() == "LR401.token" and reasons(one)[0] == "oidc: error"
            assert issuer.forms == []
            page, query = await browser.back(error="access_denied", state="of another page")
            assert query["sign_in"] == "state"  # nobody else makes the page say so
            waiting = await browser.sent()
            assert (await browser.back(error="x", state="of another page"))[1]["sign_in"] == "state"
            assert (await browser.signed_in(waiting))[1] == {}  # or ends what waits

    asyncio.run(main())


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/console/../../evil",
        "/console//evil.example",
        "/console/\\evil.example",
        "/console/%0d%0aset-cookie:x=1\r\nx: y",
        "/console",
        "/v1/me",
        "javascript:alert(1)",
        "/console/#x",
        "/console/" + "a" * NEXT_CHARACTERS_LIMIT,
        "",
    ],
)
def test_nobody_is_led_elsewhere_by_what_comes_next(wanted: str) -> None:
    async def main() -> None:
        async with browsing() as (browser, _, _):
            query = await browser.sent(f"{START}&{urlencode({'next': wanted})}")
            assert (await browser.signed_in(query))[0] == "/console/"

    assert page_of(wanted) == "/console/"
    if wanted in ("https://evil.example/", "/console/../../evil"):
        asyncio.run(main())


def test_it_comes_back_to_the_very_address_that_it_left_from() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            foreign = (await browser.client.get(START, headers={"host": "evil.example"})).headers["location"]
            asked = dict(parse_qsl(urlsplit(foreign).query))
            assert asked["redirect_uri"] == "http://evil.example/session/oidc/callback"
            assert issuer.authorize(asked) == 400  # no issuer sends a code where it was not told to
            assert await refused(browser, asked) == "state"  # and one that did would gain nothing
            assert reasons(one) == ["oidc: redirect"] and issuer.forms == []
            assert code(await browser.client.get(START, headers={"host": "evil.example/x?"})) == "LR400.query"

    asyncio.run(main())


def test_a_parameter_that_is_there_twice_is_none() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            query = await browser.sent()
            given = [("code", issuer.code(query)), ("code", "x"), ("state", query["state"])]
            found = await browser.client.get(f"/session/oidc/callback?{urlencode(given)}")
            assert "sign_in=state" in found.headers["location"] and reasons(one) == ["oidc: repeated"]

    asyncio.run(main())


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_secret_is_shown_as_the_issuer_wants_it(method: str) -> None:
    async def main() -> None:
        sign_in = SignInSettings(secret=Secret(env="s3cret: +%"))
        async with browsing(sign_in=sign_in) as (browser, _, issuer):
            issuer.secret = "s3cret: +%"
            issuer.more = {"token_endpoint_auth_methods_supported": [method]}
            assert (await browser.signed_in(await browser.sent()))[1] == {}
            assert ("client_secret" in issuer.forms[-1]) is (method == "client_secret_post")

    asyncio.run(main())


def test_a_secret_goes_to_no_host_that_was_not_named_for_it() -> None:
    async def main() -> None:
        elsewhere = SignInSettings(secret=Secret(env="s3cret", hosts=("login.example.com",)))
        unread = SignInSettings(secret=Secret())
        for sign_in in (elsewhere, unread):
            async with browsing(sign_in=sign_in) as (browser, _, issuer):
                assert await refused(browser, await browser.sent()) == "unavailable"
                assert issuer.forms == []
        own = SignInSettings(secret=Secret(env="s3cret"))
        async with browsing(sign_in=own) as (browser, _, issuer):
            issuer.more = {"token_endpoint": f"http://localhost:{urlsplit(issuer.url).port}/token"}
            assert await refused(browser, await browser.sent()) == "unavailable"
            assert issuer.forms == []

    asyncio.run(main())


def test_an_issuer_that_is_away_or_talks_nonsense() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            query = await browser.sent()
            for answer, told in (
                (503, "unavailable"),
                (404, "code"),
                (302, "code"),
                (b"[]", "code"),
                (b"nonsense", "code"),
                (b'{"id_token": 7}', "code"),
                (b"x" * 2_000_000, "unavailable"),
            ):
                issuer.answers["/token"] = answer
                assert await refused(browser, query) == told, answer
                one.seconds += 2 * REFRESH_SECONDS
                query = await browser.sent()

    asyncio.run(main())


def test_the_discovery_document_is_asked_for_once_in_a_while() -> None:
    async def main() -> None:
        async with browsing() as (browser, one, issuer):
            for _ in range(5):
                await browser.sent()
            assert issuer.asked == [DISCOVERY]
            one.seconds += FRESH_SECONDS
            issuer.answers[DISCOVERY] = 503
            for _ in range(5):
                await browser.sent()  # by what it said before
            assert issuer.asked == [DISCOVERY] * 2
            one.seconds += STALE_SECONDS
            for _ in range(5):
                answer = await browser.client.get(START)
                assert "sign_in=unavailable" in answer.headers["location"]
            assert issuer.asked == [DISCOVERY] * 3
            del issuer.answers[DISCOVERY]
            one.seconds += REFRESH_SECONDS
            await browser.sent()

    asyncio.run(main())


@pytest.mark.parametrize(
    "more",
    [
        {"issuer": "https://login.example.com"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://login.example.com/authorize"},
        {"authorization_endpoint": "https://ann:pw@login.example.com/"},
    ],
)
def test_a_discovery_document_that_would_lead_elsewhere(more: dict[str, object]) -> None:
    async def main() -> None:
        async with browsing() as (browser, _, issuer):
            issuer.more = more
            answer = await browser.client.get(START)
            assert answer.headers["location"] == "/console/?sign_in=unavailable&issuer=corp"

    asyncio.run(main())


def test_who_fails_often_waits_and_the_issuer_with_them() -> None:
    async def main() -> None:
        async with browsing() as (browser, _, issuer):
            for _ in range(ADDRESS_BURST):
                query = await browser.sent()
                await browser.back(code="guessed", state=query["state"])
            answer = await browser.client.get(START)
            assert code(answer) == "LR429.guessing" and answer.headers["retry-after"]
            assert code(await browser.client.get("/session/oidc/callback?code=x")) == "LR429.guessing"
            assert len(issuer.forms) == ADDRESS_BURST

    asyncio.run(main())


@pytest.mark.parametrize("error", [UnavailableError("it is away"), BusyError("others keep changing it")])
def test_a_session_that_cannot_be_kept_is_told_on_the_page(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> Made:
        raise error

    monkeypatch.setattr(Keyring, "create", fails)

    async def main() -> None:
        async with browsing() as (browser, one, _):
            assert await refused(browser, await browser.sent()) == "unavailable"
            assert reasons(one) == [], "nobody's guess"

    asyncio.run(main())


def test_roles_that_exclude_each_other_begin_no_session() -> None:
    async def main() -> None:
        async with browsing(app="approval") as (browser, _, issuer):
            issuer.claimed = {"groups": ["lathe-manager", "lathe-publisher"]}
            page, told = await browser.signed_in(await browser.sent())
            assert (page, told["sign_in"]) == ("/console/", "LR409.exclusive")
            assert await browser.who() == "LR401.token"

    asyncio.run(main())


def test_without_a_table_nobody_signs_in_by_an_issuer() -> None:
    async def main() -> None:
        with provider() as issuer:
            for tables in (None, {"corp": settings(issuer.url)}):
                async with house(issuers=tables) as one, one.client() as client:
                    assert (await client.get("/session/oidc")).json() == {"items": []}
                    assert code(await client.get(START)) == "LR404.route"
                    found = await client.get("/session/oidc/callback?code=x&state=y")
                    assert found.status_code in (303, 404) and "lathe=" not in str(found.headers)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("more", "sign_in", "said"),
    [
        ({"kind": "agent"}, SignInSettings(), "people"),
        ({}, SignInSettings(scopes=("profile",)), "openid"),
        ({}, SignInSettings(session_seconds=10), "session_seconds"),
        ({}, SignInSettings(session_seconds=90_000), "session_seconds"),
    ],
)
def test_a_table_that_cannot_be_meant(more: dict[str, object], sign_in: SignInSettings, said: str) -> None:
    given = settings("https://login.example.com", **more)
    with pytest.raises(UsageError, match=said):
        client_of(issuer_of("corp", given), sign_in)
