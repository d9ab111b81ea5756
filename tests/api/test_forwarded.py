"""Whose word about where a request comes from is believed: that of the proxies which the operator named."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx2
import pytest
from tests.govern.house import House, code, house

from lathe.api.wire.answers import Receive, Scope, Send
from lathe.api.wire.forwarded import HOPS_LIMIT, Proxied, networks_of
from lathe.errors import UsageError
from lathe.govern.throttle import ADDRESS_BURST

NETWORKS = networks_of(["10.0.0.0/8", "fd00::/8"])
PROXY, STRANGER = "10.0.0.1", "203.0.113.9"
Headers = Sequence[tuple[str, str]]


def seen(peer: str | None, headers: Headers) -> Scope:
    """What an application behind proxies is told of a request."""
    found: list[Scope] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(scope)

    async def receive() -> dict[str, object]:
        raise AssertionError("no body is read")

    async def send(message: object) -> None:
        raise AssertionError("nothing is answered")

    given = [(b"host", b"inner:7411"), *((n.encode("latin-1"), v.encode("latin-1")) for n, v in headers)]
    scope = {"type": "http", "scheme": "http", "headers": given, "client": peer and (peer, 4_711)}
    asyncio.run(Proxied(inner, NETWORKS)(scope, receive, send))
    (one,) = found
    return one


def host_of(scope: Scope) -> str:
    (host,) = [value for name, value in scope["headers"] if name == b"host"]
    return str(host.decode())


FORGED = (
    ("x-forwarded-for", "198.51.100.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "lathe.example.com"),
)


@pytest.mark.parametrize("peer", [STRANGER, "127.0.0.1", "::ffff:203.0.113.9", "fe80::1", "no address", None])
def test_what_a_stranger_says_of_itself_is_nothing(peer: str | None) -> None:
    scope = seen(peer, FORGED)
    assert scope["client"] == (peer and (peer, 4_711))
    assert (scope["scheme"], host_of(scope)) == ("http", "inner:7411")


@pytest.mark.parametrize("peer", [PROXY, "::ffff:10.0.0.1", "fd00::1"])
def test_a_proxy_says_where_a_request_comes_from(peer: str) -> None:
    scope = seen(peer, FORGED)
    assert scope["client"] == ("198.51.100.1", 0)
    assert (scope["scheme"], host_of(scope)) == ("https", "lathe.example.com")
    assert not [name for name, _ in scope["headers"] if name.startswith(b"x-forwarded")]


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["198.51.100.1"], "198.51.100.1"),
        (["1.2.3.4, 198.51.100.1"], "198.51.100.1"),  # the first was written by the client
        (["1.2.3.4", "198.51.100.1"], "198.51.100.1"),
        (["1.2.3.4, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),  # two proxies of ours
        (["10.9.9.9, 198.51.100.1"], "198.51.100.1"),  # a client that plays a proxy of ours
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["198.51.100.1:55555"], "198.51.100.1"),
        (["[2001:db8::7]:443"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["::ffff:198.51.100.1"], "198.51.100.1"),
        (["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),  # as far as it can be read
        (["unknown"], PROXY),
        ([""], PROXY),
        ([], PROXY),
        (["198.51.100.1, " + ", ".join(["10.0.0.2"] * HOPS_LIMIT)], "10.0.0.2"),
    ],
)
def test_the_address_is_the_last_one_that_is_no_proxy(lines: list[str], address: str) -> None:
    assert seen(PROXY, [("x-forwarded-for", line) for line in lines])["client"] == (address, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-forwarded-proto", "javascript"),
        ("x-forwarded-proto", ""),
        ("x-forwarded-proto", "https, ftp"),
        ("x-forwarded-host", "evil.example/path"),
        ("x-forwarded-host", "ann@evil.example"),
        ("x-forwarded-host", "evil.example\\"),
        ("x-forwarded-host", "a b"),
        ("x-forwarded-host", "ümlaut"),
        ("x-forwarded-host", ""),
    ],
)
def test_what_a_proxy_passes_on_must_be_what_it_is_called(name: str, value: str) -> None:
    scope = seen(PROXY, [(name, value)])
    assert (scope["scheme"], host_of(scope)) == ("http", "inner:7411")


def test_the_nearest_proxy_has_the_last_word() -> None:
    scope = seen(
        PROXY, [("x-forwarded-proto", "https, http"), ("x-forwarded-host", "evil.example, a.example")]
    )
    assert (scope["scheme"], host_of(scope)) == ("http", "a.example")


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.1/8", "", "*"])
def test_a_proxy_is_named_by_its_address(text: str) -> None:
    with pytest.raises(UsageError, match="proxies"):
        networks_of([text])


async def guess(one: House, peer: str, **headers: str) -> str:
    """Somebody behind `peer` shows a token that is none."""
    transport = httpx2.ASGITransport(Proxied(one.api, NETWORKS), client=(peer, 1))
    given = {"authorization": "Bearer lathe_no_such", **headers}
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=given) as client:
        return code(await client.get("/v1/me"))


def test_guessing_is_slowed_and_told_by_the_address_that_counts() -> None:
    async def main() -> None:
        async with house() as one:
            for number in range(ADDRESS_BURST):
                forged = {"x-forwarded-for": f"192.0.2.{number}"}
                assert await guess(one, STRANGER, **forged) == "LR401.token"
            assert await guess(one, STRANGER, **{"x-forwarded-for": "192.0.2.99"}) == "LR429.guessing"
            for number in range(ADDRESS_BURST):  # its own inventions before what the proxy adds
                forged = {"x-forwarded-for": f"192.0.2.{number}, 198.51.100.1"}
                assert await guess(one, PROXY, **forged) == "LR401.token"
            assert await guess(one, PROXY, **{"x-forwarded-for": "198.51.100.1"}) == "LR429.guessing"
            assert await guess(one, PROXY, **{"x-forwarded-for": "198.51.100.2"}) == "LR401.token"
            account = one.bearers.throttle.account()
            assert account is not None
            told = {address: count for address, _, count in account.counted}
            assert told == {STRANGER: ADDRESS_BURST, "198.51.100.1": ADDRESS_BURST, "198.51.100.2": 1}

    asyncio.run(main())


def test_a_sessions_cookie_is_for_tls_if_the_proxy_says_so() -> None:
    async def main() -> None:
        async with house() as one:
            for peer, is_secure in ((PROXY, True), (STRANGER, False)):
                transport = httpx2.ASGITransport(Proxied(one.api, NETWORKS), client=(peer, 1))
                async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
                    sent = {"token": one.operator}
                    answer = await client.post("/session", json=sent, headers={"x-forwarded-proto": "https"})
                assert answer.status_code == 204
                assert ("; Secure" in answer.headers["set-cookie"]) is is_secure

    asyncio.run(main())
