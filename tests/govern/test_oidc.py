"""Tokens of issuers, by a real one on loopback: whom they make, and each way of being taken for one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from tests.govern.house import ORDER, House, code, house
from tests.govern.provider import EC, ED, RSA, Provider, provider, signed, unsigned
from tests.runtime.harness import example

from lathe.errors import UsageError
from lathe.govern.issuer import issuer_of
from lathe.govern.issuers import FRESH_SECONDS, STALE_SECONDS, Issuers
from lathe.govern.refresh import REFRESH_SECONDS
from lathe.govern.verifier import RefusedError, UnavailableError
from lathe.runtime.clock import SystemClock
from lathe.runtime.config import IssuerSettings, read_config

DISCOVERY = "/.well-known/openid-configuration"


def settings(url: str, **more: object) -> IssuerSettings:
    """A table for the issuer of the tests: groups come to roles and scopes."""
    usual: dict[str, object] = {
        "kind": "person", "role_claim": "groups", "role_prefix": "lathe-",
        "role_map": {"buyers": ("customer",)}, "scope_map": {"ops": ("operator",)},
    }  # fmt: skip
    return IssuerSettings(url=url, audience="lathe", **{**usual, **more})  # type: ignore[arg-type]


@asynccontextmanager
async def trusting(**more: object) -> AsyncIterator[tuple[House, Provider]]:
    """A house that trusts an issuer."""
    with provider() as issuer:
        async with house(issuers={"corp": settings(issuer.url, **more)}) as one:
            yield one, issuer


async def refusal(one: House, token: str) -> str:
    """What a token is refused with, after the guard was told."""
    before = one.bearers.throttle.account()
    answer = await one.ask(token, "GET", "/v1/me")
    assert (answer.status_code, code(answer)) == (401, "LR401.token"), answer.text
    after = one.bearers.throttle.account()
    assert before is None and after is not None and len(after.counted) == 1
    one.seconds += REFRESH_SECONDS  # nobody waits for having guessed before
    assert after.counted[0][2] == 1
    return after.counted[0][1]


def test_who_an_issuer_vouches_for_is_a_principal_of_its_own() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            token = issuer.token(groups=["buyers", "lathe-clerk", "lathe-", "lathe-no role", "others"])
            me = (await one.ask(token, "GET", "/v1/me")).json()
            assert me == {
                "principal": "corp:ann", "kind": "person", "tenant": "main", "roles": ["clerk", "customer"],
                "scopes": [], "apps": None, "actions": None, "chain": ["corp:ann"], "actor": "corp:ann",
                "token": None, "expires": me["expires"],
            }  # fmt: skip
            made = await one.ask(token, "POST", ORDER, {"total": 1})
            assert made.status_code == 201, made.text
            entry = (await one.ask(token, "GET", f"{ORDER}/{made.json()['id']}/journal")).json()["items"][0]
            assert entry["actor"] == "corp:ann"

    asyncio.run(main())


def test_without_a_mapping_an_issuers_caller_may_nothing() -> None:
    async def main() -> None:
        bare = {"role_claim": "", "role_prefix": None, "role_map": {}, "scope_map": {}}
        async with trusting(kind="agent", **bare) as (one, issuer):
            token = issuer.token(roles=["customer"], groups=["ops"], scope="operator", scopes=["operator"])
            me = (await one.ask(token, "GET", "/v1/me")).json()
            assert (me["kind"], me["roles"], me["scopes"]) == ("agent", [], [])
            assert code(await one.ask(token, "POST", ORDER, {"total": 1})) == "LR403.denied"
            assert code(await one.ask(token, "GET", "/v1/audit")) == "LR403.scope"

    asyncio.run(main())


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=["rsa", "ec", "ed25519"])
def test_each_kind_of_key_verifies(key: RSAKey | ECKey) -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            for header in ({}, {"typ": "at+jwt"}, {"typ": None}, {"kid": None}):
                answer = await one.ask(signed(issuer.claims(), key, **header), "GET", "/v1/me")
                assert answer.status_code == 200, (header, answer.text)

    asyncio.run(main())


def test_an_algorithm_is_not_the_tokens_to_choose() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            claims = issuer.claims(groups=["ops"])
            for none in ("none", "None", "NONE", "nOnE"):
                assert await refusal(one, unsigned(claims, alg=none)) == "jwt: algorithm"
                assert await refusal(one, unsigned(claims, alg=none, kid="rsa")) == "jwt: algorithm"
            public = RSA.as_pem(private=False)
            texts = (public, public.strip(), json.dumps(RSA.as_dict(private=False)).encode())
            for secret in (*texts, RSA.as_der(private=False), str(RSA.as_dict()["n"]).encode()):
                confused = signed(claims, OctKey.import_key(secret.hex()), kid="rsa")
                assert await refusal(one, confused) == "jwt: algorithm"
            assert await refusal(one, signed(claims, RSA, alg="RS512")) == "jwt: algorithm"
            head, _, rest = signed(claims, EC, kid="rsa").partition(".")
            assert head and await refusal(one, f"{head}.{rest}") == "jwt: key"

    asyncio.run(main())


def test_keys_that_a_token_brings_along_are_not_looked_at() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            foreign = RSAKey.generate_key(2048, {"kid": "rsa"})
            issuer.answers["/stolen"] = json.dumps({"keys": [foreign.as_dict(private=False)]}).encode()
            claims = issuer.claims(groups=["ops"])
            assert await refusal(one, signed(claims, foreign)) == "jwt: signature"
            for header in (
                {"jku": f"{issuer.url}/stolen"},
                {"x5u": f"{issuer.url}/stolen"},
                {"jwk": foreign.as_dict(private=False)},
            ):
                assert await refusal(one, signed(claims, foreign, **header)) == "jwt: signature", header
            assert await refusal(one, signed(claims, foreign, kid="stolen")) == "jwt: key"
            assert "/stolen" not in issuer.asked
            honest = signed(claims, RSA, jku=f"{issuer.url}/stolen")
            assert (await one.ask(honest, "GET", "/v1/me")).status_code == 200

    asyncio.run(main())


def test_a_token_is_for_us_of_them_and_in_time() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            now = int(time.time())
            for reason, claims in (
                ("audience", {"aud": "another"}),
                ("audience", {"aud": ["another", "lathe2"]}),
                ("audience", {"aud": None}),
                ("issuer", {"iss": "https://login.example.com"}),
                ("issuer", {"iss": f"{issuer.url}/"}),
                ("expired", {"exp": now - 60}),
                ("claims", {"exp": None}),
                ("claims", {"exp": str(now + 600)}),
                ("claims", {"exp": True}),
                ("claims", {"exp": 1e300}),
                ("early", {"nbf": now + 60}),
                ("claims", {"iat": now + 60}),
                ("claims", {"sub": None}),
                ("claims", {"sub": 7}),
                ("claims", {"sub": ""}),
                ("claims", {"sub": "bot for ann"}),
                ("claims", {"sub": "ann\n"}),
                ("claims", {"sub": "x" * 256}),
                ("malformed", {"iss": None}),
                ("malformed", {"iss": [issuer.url]}),
            ):
                assert await refusal(one, issuer.token(**claims)) == f"jwt: {reason}", claims
            skewed = issuer.token(exp=now - 10, nbf=now + 10, iat=now + 10, aud=["another", "lathe"])
            assert (await one.ask(skewed, "GET", "/v1/me")).status_code == 200

    asyncio.run(main())


def test_what_is_no_token_of_theirs_is_refused_whatever_it_is() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            good = issuer.token()
            head, claims, signature = good.split(".")
            other = issuer.token(sub="eve").split(".")[1]
            assert await refusal(one, f"{head}.{other}.{signature}") == "jwt: signature"
            assert await refusal(one, f"{head}.{claims}.") == "jwt: signature"
            assert await refusal(one, f"{head}.{claims}.AAAA") == "jwt: signature"
            for bad in ("..", "a.b.c", f".{claims}.{signature}", f"{head}..{signature}", "e30.e30.e30"):
                assert await refusal(one, bad) == "jwt: malformed", bad
            assert await refusal(one, issuer.token(more="x" * 20_000)) == "jwt: malformed"
            for kind in ("logout+jwt", "dpop+jwt", "secevent+jwt"):
                assert await refusal(one, signed(issuer.claims(), typ=kind)) == "jwt: type"
            assert (await one.ask(good, "GET", "/v1/me")).status_code == 200

    asyncio.run(main())


def test_keys_that_should_not_verify_do_not() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            used = RSAKey.generate_key(2048, {"kid": "enc"})
            other = ECKey.generate_key("P-256", {"kid": "es384"})
            shared = OctKey.import_key("s" * 40, {"kid": "shared"})
            issuer.keys = [
                {**used.as_dict(private=False), "use": "enc"},
                {**other.as_dict(private=False), "alg": "ES384"},
                {**shared.as_dict(private=True)},
                {"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"},
                {"kty": "EC", "kid": "off", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
                {"kty": "later", "kid": "unknown"},
                *issuer.keys,
            ]
            claims = issuer.claims()
            assert await refusal(one, signed(claims, used)) == "jwt: key"
            assert await refusal(one, signed(claims, other)) == "jwt: key"
            assert await refusal(one, signed(claims, shared)) == "jwt: algorithm"
            assert (await one.ask(issuer.token(), "GET", "/v1/me")).status_code == 200

    asyncio.run(main())


def test_a_token_that_is_remembered_ends_when_it_says() -> None:
    async def main() -> None:
        async with trusting(skew_seconds=0) as (one, issuer):
            token = issuer.token(groups=["buyers"])
            assert (await one.ask(token, "POST", ORDER, {"total": 1})).status_code == 201
            one.clock.later_ms = 601_000
            assert code(await one.ask(token, "POST", ORDER, {"total": 2})) == "LR401.token"

    asyncio.run(main())


def test_a_key_that_is_withdrawn_counts_no_longer() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            token = issuer.token()
            assert (await one.ask(token, "GET", "/v1/me")).status_code == 200
            issuer.keys = [EC.as_dict(private=False)]
            assert (await one.ask(token, "GET", "/v1/me")).status_code == 200  # within the time that is told
            one.clock.later_ms = int(FRESH_SECONDS * 1_000) + 1
            one.seconds = FRESH_SECONDS + 1
            assert code(await one.ask(token, "GET", "/v1/me")) == "LR401.token"

    asyncio.run(main())


def test_a_new_key_is_known_at_once_and_made_up_ones_do_not_make_us_ask() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            assert (await one.ask(issuer.token(), "GET", "/v1/me")).status_code == 200
            assert issuer.asked == [DISCOVERY, "/keys"]
            new = ECKey.generate_key("P-256", {"kid": "new"})
            issuer.keys.append(new.as_dict(private=False))
            one.seconds += REFRESH_SECONDS
            assert (await one.ask(signed(issuer.claims(), new), "GET", "/v1/me")).status_code == 200
            assert len(issuer.asked) == 4
            made_up = [signed(issuer.claims(), new, kid=f"made-up-{n}") for n in range(8)]
            answers = await asyncio.gather(*(one.ask(token, "GET", "/v1/me") for token in made_up))
            assert {code(answer) for answer in answers} == {"LR401.token"}
            assert len(issuer.asked) == 4

    asyncio.run(main())


def test_many_at_once_ask_the_issuer_once() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            tokens = [issuer.token(sub=f"p{n}") for n in range(9)]
            answers = await asyncio.gather(*(one.ask(token, "GET", "/v1/me") for token in tokens))
            assert {answer.status_code for answer in answers} == {200}
            assert issuer.asked == [DISCOVERY, "/keys"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (DISCOVERY, 500),
        (DISCOVERY, b"{"),
        (DISCOVERY, b"[]"),
        (DISCOVERY, b'{"issuer": "https://login.example.com", "jwks_uri": "https://login.example.com/keys"}'),
        (DISCOVERY, b" " * 1_100_000),
        ("/keys", 404),
        ("/keys", b"no JSON"),
        ("/keys", b'{"keys": {}}'),
    ],
)
def test_an_issuer_whose_keys_cannot_be_had_is_a_503_and_nobodys_guess(
    path: str, answer: bytes | int
) -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            issuer.answers[path] = answer
            got = await one.ask(issuer.token(), "GET", "/v1/me")
            assert (got.status_code, code(got)) == (503, "LR503.issuer"), got.text
            assert got.headers["retry-after"] == "10"
            assert one.bearers.throttle.account() is None and len(one.failures) == 1
            issuer.answers.clear()
            assert code(await one.ask(issuer.token(), "GET", "/v1/me")) == "LR503.issuer"
            one.seconds += REFRESH_SECONDS
            assert (await one.ask(issuer.token(), "GET", "/v1/me")).status_code == 200

    asyncio.run(main())


def test_keys_are_not_got_from_where_the_operator_did_not_point() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            with provider() as inner:
                for place in (inner.url + "/keys", "file:///etc/passwd", "http://10.0.0.1/keys"):
                    told = {"issuer": issuer.url, "jwks_uri": place}
                    issuer.answers[DISCOVERY] = json.dumps(told).encode()
                    one.seconds += REFRESH_SECONDS
                    assert code(await one.ask(issuer.token(), "GET", "/v1/me")) == "LR503.issuer"
                assert inner.asked == []

    asyncio.run(main())


def test_while_an_issuer_is_away_its_keys_count_on_for_a_time() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            assert (await one.ask(issuer.token(), "GET", "/v1/me")).status_code == 200
            issuer.answers[DISCOVERY] = 503
            one.seconds = FRESH_SECONDS + 1
            assert (await one.ask(issuer.token(sub="ben"), "GET", "/v1/me")).status_code == 200
            one.seconds = STALE_SECONDS + 1
            assert code(await one.ask(issuer.token(sub="cid"), "GET", "/v1/me")) == "LR503.issuer"

    asyncio.run(main())


def test_while_an_issuer_is_slow_its_keys_count_on_and_nobody_waits_who_needs_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lathe.govern.refresh.PATIENCE_SECONDS", 0.05)
    seconds = 0.0

    async def main() -> None:
        nonlocal seconds
        answers = asyncio.Event()
        answers.set()
        asked: list[str] = []

        async def get(_: str, url: str) -> bytes:
            asked.append(url.removeprefix(issuer.url))
            await answers.wait()
            found = issuer.answer(asked[-1])
            assert isinstance(found, bytes)
            return found

        with provider() as issuer:
            table = issuer_of("corp", settings(issuer.url))
            failed: list[str] = []
            issuers = Issuers(
                [table],
                get,
                SystemClock(),
                seconds=lambda: seconds,
                failed=lambda work, _: failed.append(work),
            )
            await issuers.find(issuer.token())
            answers.clear()
            seconds = FRESH_SECONDS + 1
            async with asyncio.timeout(20):
                for _ in range(2):
                    await asyncio.gather(*(issuers.find(issuer.token(sub=f"p{n}")) for n in range(9)))
            assert asked == [DISCOVERY, "/keys", DISCOVERY], "one asks, for all"
            new = ECKey.generate_key("P-256", {"kid": "new"})
            issuer.keys = [new.as_dict(private=False)]
            waiting = asyncio.create_task(issuers.find(signed(issuer.claims(), new)))
            await asyncio.sleep(0)
            assert not waiting.done()
            answers.set()
            assert (await waiting).id == "corp:ann"
            with pytest.raises(RefusedError):
                await issuers.find(issuer.token())
            answers.clear()
            seconds += FRESH_SECONDS + 1
            await issuers.find(signed(issuer.claims(), new))
            await issuers.close()
            assert failed == []

    asyncio.run(main())


def test_what_excludes_each_other_is_refused_in_an_issuers_token_too() -> None:
    files = dict(example("order"))
    files["app.toml"] = files["app.toml"].replace(
        b"[role]", b'exclusive = [["customer", "accountant"]]\n\n[role]', 1
    )

    async def main() -> None:
        with provider() as issuer:
            async with house(files=files, issuers={"corp": settings(issuer.url)}) as one:
                both = issuer.token(groups=["lathe-customer", "lathe-accountant"])
                assert code(await one.ask(both, "POST", ORDER, {"total": 1})) == "LR403.exclusive"
                assert await one.made(both, "bot", parent="self", roles=["customer"])
                assert (
                    await one.refused(both, "bot", parent="self", roles=["accountant"]) == "LR409.exclusive"
                )
                customer = issuer.token(groups=["lathe-customer"])
                assert (await one.ask(customer, "POST", ORDER, {"total": 1})).status_code == 201

    asyncio.run(main())


def test_a_part_of_an_issuers_token_is_no_wider_ends_with_it_and_says_whom_it_acts_for() -> None:
    async def main() -> None:
        async with trusting(skew_seconds=0) as (one, issuer):
            ann = issuer.token(groups=["buyers"])
            bot = await one.made(ann, "bot", roles=["customer"])
            me = (await one.ask(bot, "GET", "/v1/me")).json()
            assert (me["chain"], me["actor"], me["kind"]) == (["bot", "corp:ann"], "corp:ann", "agent")
            assert await one.refused(ann, "bot", roles=["clerk"]) == "LR403.scope"
            assert await one.refused(ann, "bot", scopes=["operator"]) == "LR403.scope"
            assert await one.refused(ann, "bot", expires_in=3_600) == "LR403.scope"
            assert await one.refused(ann, "corp:ben", parent="self") == "LR422.token"
            assert await one.refused(one.operator, "corp:ann") == "LR422.token"
            listed = (await one.ask(ann, "GET", "/v1/tokens")).json()["items"]
            assert [item["principal"] for item in listed] == ["bot"]
            ben = issuer.token(sub="ben", groups=["buyers"])
            assert (await one.ask(ben, "GET", "/v1/tokens")).json()["items"] == []
            assert code(await one.ask(ben, "DELETE", f"/v1/tokens/{listed[0]['id']}")) == "LR404.token"
            assert (await one.ask(ann, "DELETE", f"/v1/tokens/{listed[0]['id']}")).status_code == 200
            assert code(await one.ask(bot, "GET", "/v1/me")) == "LR401.token"
            again = await one.made(ann, "bot")
            one.clock.later_ms = 601_000
            assert code(await one.ask(again, "GET", "/v1/me")) == "LR401.token"

    asyncio.run(main())


def test_who_acts_for_somebody_by_the_issuers_word_is_not_that_person() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer):
            token = issuer.token(act={"sub": "bot", "act": {"sub": "gateway"}})
            me = (await one.ask(token, "GET", "/v1/me")).json()
            assert me["chain"] == ["corp:bot", "corp:gateway", "corp:ann"]
            assert (me["principal"], me["kind"], me["actor"]) == ("corp:bot", "agent", "corp:ann")
            deep: dict[str, object] = {"sub": "b0"}
            for n in range(9):
                deep = {"sub": f"b{n + 1}", "act": deep}
            for act in ({}, "bot", {"sub": "a b"}, deep):
                assert await refusal(one, issuer.token(act=act)) == "jwt: claims", act

    asyncio.run(main())


def test_a_browser_signs_in_with_an_issuers_token() -> None:
    async def main() -> None:
        async with trusting() as (one, issuer), one.client() as browser:
            answer = await browser.post("/session", json={"token": issuer.token(groups=["buyers"])})
            assert answer.status_code == 204, answer.text
            cookie = answer.headers["set-cookie"].partition(";")[0]
            me = (await browser.get("/v1/me", headers={"cookie": cookie})).json()
            assert (me["principal"], me["kind"], me["chain"]) == ("corp:ann", "person", ["corp:ann"])
            held = await one.bearers.of_text(cookie.partition("=")[2], "")
            part = await one.bearers.of_text(await one.made(issuer.token(), "corp:ann", parent="self"), "")
            assert (held.is_part, part.is_part) == (False, True)  # she decides by the first alone
            ended = await browser.request(
                "DELETE", "/session", headers={"cookie": cookie, "x-lathe-request": "1"}
            )
            assert ended.status_code == 204
            assert code(await browser.get("/v1/me", headers={"cookie": cookie})) == "LR401.token"

    asyncio.run(main())


def test_several_tables_for_one_issuer_and_what_each_requires() -> None:
    async def main() -> None:
        with provider() as issuer:
            people = settings(issuer.url, require={"hd": "example.com", "email_verified": True})
            robots = settings(issuer.url, kind="service", tenant="acme", require={"client.kind": "robot"})
            async with house(issuers={"people": people, "robots": robots}) as one:
                ann = issuer.token(hd="example.com", email_verified=True)
                robot = issuer.token(sub="r2", client={"kind": ["robot", "tin"]})
                me = [(await one.ask(token, "GET", "/v1/me")).json() for token in (ann, robot)]
                assert [(m["principal"], m["kind"], m["tenant"]) for m in me] == [
                    ("people:ann", "person", "main"), ("robots:r2", "service", "acme"),
                ]  # fmt: skip
                assert await refusal(one, issuer.token(hd="example.com", email_verified=1)) == "jwt: claims"
                assert await refusal(one, issuer.token(hd="evil.com", email_verified=True)) == "jwt: claims"

    asyncio.run(main())


def test_a_caller_of_an_issuer_is_limited_as_its_table_says() -> None:
    async def main() -> None:
        async with trusting(apps=("other",), scope_map={}) as (one, issuer):
            token = issuer.token(groups=["buyers"])
            assert code(await one.ask(token, "POST", ORDER, {"total": 1})) == "LR403.scope"
        async with trusting(actions=("read",), scope_map={}) as (one, issuer):
            token = issuer.token(groups=["buyers"])
            assert code(await one.ask(token, "POST", ORDER, {"total": 1})) == "LR403.scope"
            assert (await one.ask(token, "GET", ORDER)).status_code == 200

    asyncio.run(main())


def test_without_issuers_a_jwt_is_a_token_that_is_not_known() -> None:
    async def main() -> None:
        with provider() as issuer:
            async with house() as one:
                assert await refusal(one, issuer.token()) == "unknown token"
            async with house(issuers={}) as one:
                assert await refusal(one, issuer.token()) == "jwt: issuer"
            assert issuer.asked == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"url": "http://login.example.com"}, "https://"),
        ({"url": "ftp://login.example.com"}, "https://"),
        ({"url": "https://"}, "https://"),
        ({"url": "https://a:b@login.example.com"}, "no password"),
        ({"url": "https://login.example.com/?a=1"}, "no query"),
        ({"url": "https://login.example.com:port"}, "no address"),
        ({"audience": ""}, "audience"),
        ({"algorithms": ["HS256"]}, "HS256"),
        ({"algorithms": ["none"]}, "none"),
        ({"algorithms": []}, "empty"),
        ({"skew_seconds": 301}, "skew_seconds"),
        ({"tenant": "A B"}, "tenant"),
        ({"roles": ["a b"]}, "role"),
        ({"role_map": {"x": ["customer"]}}, "role_claim"),
        ({"role_claim": "groups", "scope_map": {"x": ["all"]}}, "all"),
        ({"role_claim": "g", "scope_map": {"x": ["operator"]}, "apps": ["order"]}, "operator"),
    ],
)
def test_a_table_that_would_be_unsafe_is_refused(table: dict[str, object], said: str) -> None:
    good: dict[str, object] = {"url": "https://login.example.com", "audience": "lathe"}
    lines = "\n".join(f"{key} = {_toml(value)}" for key, value in {**good, **table}.items())
    found = read_config(f"[issuer.corp]\n{lines}".encode(), {}).issuer["corp"]
    with pytest.raises(UsageError, match=said):
        issuer_of("corp", found)


def test_names_of_issuers_are_never_taken_for_others() -> None:
    found = IssuerSettings(url="https://login.example.com", audience="lathe")
    assert issuer_of("corp-2", found).name == "corp-2"
    for name in ("effect", "", "Corp", "a:b", "a b", "-a", "x" * 64):
        with pytest.raises(UsageError):
            issuer_of(name, found)


def test_an_issuer_that_does_not_answer_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lathe.govern.fetching.TIMEOUT_SECONDS", 0.05)

    async def main() -> None:
        waiting = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await waiting.wait()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with house(issuers={"corp": settings(url)}) as one:
            fetcher = one.issuers.fetcher if one.issuers is not None else None
            assert fetcher is not None
            with pytest.raises(UnavailableError, match="did not answer"):
                await fetcher.get("corp", url)
        waiting.set()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)
