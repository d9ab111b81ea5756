"""The `http` adapter against servers and names that mean it ill: everything is bounded, nothing leaks."""

from __future__ import annotations

import asyncio
import gzip
import resource
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.effect.test_servers import asked, attempt, says, served

from lathe.effect.addresses import Addresses
from lathe.effect.base import Attempt, Ending
from lathe.effect.http import ANSWER_BYTES_LIMIT, Http

LARGE_BYTES = 100 * 2**20
HELD_BYTES = 8 * 2**20
"""What may lie in the buffers of sockets besides what was taken in."""

Write = asyncio.StreamWriter
OK = b"HTTP/1.1 200 OK\r\n"


async def flood(writer: Write, chunk: bytes, *, limit: int = LARGE_BYTES) -> int:
    """Send a chunk again and again until the other side is gone; how many bytes were taken."""
    sent = 0
    try:
        while sent < limit:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
    except OSError:
        return sent
    return sent


@pytest.mark.parametrize(
    "head", [b"content-length: %d\r\n\r\n" % LARGE_BYTES, b"transfer-encoding: chunked\r\n\r\n", b"\r\n"]
)
def test_an_answer_of_a_hundred_megabytes_is_cut(head: bytes) -> None:
    sent = 0

    async def large(_: bytes, writer: Write) -> None:
        nonlocal sent
        writer.write(OK + head)
        chunk = b"x" * 65_536
        sent = await flood(writer, b"10000\r\n" + chunk + b"\r\n" if b"chunked" in head else chunk)

    async def main() -> None:
        async with served(large) as port:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            found = await asked(url=f"http://127.0.0.1:{port}/")
            assert (found.ok, found.cause, found.again) == (False, "invalid", False), found
            assert str(ANSWER_BYTES_LIMIT) in found.message
            await asyncio.sleep(0.05)
            assert sent < ANSWER_BYTES_LIMIT + HELD_BYTES
            grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            assert grown_kib < 32 * 1024

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (OK + b"content-type: text/html\r\ncontent-length: 6\r\n\r\n<html>", "invalid"),
        (OK + b"content-length: 0\r\n\r\n", None),
        (OK + b"content-length: 5\r\n\r\n[1,2]", None),
        (OK + b"content-length: 400\r\n\r\n" + b"[" * 200 + b"]" * 200, None),
        (OK + b"content-length: 200000\r\n\r\n" + b"[" * 100_000 + b"]" * 100_000, "invalid"),
        (OK + b'content-length: 8\r\n\r\n"\\ud800"', "invalid"),
        (OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", "unreachable"),
        (OK + b"content-length: -1\r\n\r\n{}", "unreachable"),
        (OK + b"content-length: 9999999999999999999999\r\n\r\n{}", "unreachable"),
        (OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", "unreachable"),
        (OK + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffffff\r\n{}", "unreachable"),
        (OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}", "unreachable"),
        (OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "unreachable"),
        (b"HTTP/1.1 99999 OK\r\n\r\n", "unreachable"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "unreachable"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + OK + b"content-length: 2\r\n\r\n{}", None),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "unreachable"),
        (OK + b"x: " + b"y" * 200_000 + b"\r\n\r\n", "unreachable"),
        (OK + b"x\0y: z\r\ncontent-length: 0\r\n\r\n", "unreachable"),
        (b"\r\n" * 1000, "unreachable"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "unreachable"),
    ],
)
def test_nonsense_is_a_bad_end_or_read_as_far_as_it_is_http(answer: bytes, cause: str | None) -> None:
    async def main() -> None:
        async with served(says(answer)) as port:
            found = await asked(url=f"http://127.0.0.1:{port}/", take={"x": "body.x"})
            assert found.ok == (cause is None) and (found.ok or found.cause == cause), found
            assert len(found.message) < 1_000

    asyncio.run(main())


def test_a_compressed_bomb_stays_as_small_as_it_came() -> None:
    async def main() -> None:
        bomb = gzip.compress(b"\0" * 200 * 2**20)
        head = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
        async with served(says(head + bomb)) as port:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            found = await asked(url=f"http://127.0.0.1:{port}/", take={"x": "body.x"})
            assert (found.ok, found.cause) == (False, "invalid"), found
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024

    asyncio.run(main())


async def head_of_bytes(_: bytes, writer: Write) -> None:
    writer.write(OK)
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def nothing_but_continue(_: bytes, writer: Write) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)


async def silence(_: bytes, writer: Write) -> None:
    await asyncio.sleep(3_600)


@pytest.mark.parametrize("handler", [head_of_bytes, nothing_but_continue, silence])
def test_what_never_comes_ends_with_its_time(handler: Callable[[bytes, Write], Awaitable[None]]) -> None:
    async def main() -> None:
        async with served(handler) as port:
            with pytest.raises(TimeoutError):
                await asked(0.3, url=f"http://127.0.0.1:{port}/")

    asyncio.run(main())


def test_a_head_without_an_end_is_cut() -> None:
    sent = 0

    async def endless(_: bytes, writer: Write) -> None:
        nonlocal sent
        writer.write(OK)
        sent = await flood(writer, b"x-more: y\r\n" * 1_000)

    async def main() -> None:
        async with served(endless) as port:
            found = await asked(url=f"http://127.0.0.1:{port}/")
            assert (found.ok, found.cause) == (False, "unreachable"), found
            await asyncio.sleep(0.05)
            assert sent < HELD_BYTES

    asyncio.run(main())


def test_who_does_not_read_is_not_waited_for_longer_than_the_time() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            port = deaf.getsockname()[1]
            with pytest.raises(TimeoutError):
                body = {"large": "x" * 20_000_000}
                await asked(0.5, url=f"http://127.0.0.1:{port}/", method="POST", body=body)

    asyncio.run(main())


def test_no_cookie_is_kept_for_anybody() -> None:
    heads: list[bytes] = []

    async def sets(head: bytes, writer: Write) -> None:
        heads.append(head.lower())
        writer.write(OK + b"set-cookie: session=secret; path=/\r\ncontent-length: 0\r\n")
        writer.write(b"connection: close\r\n\r\n")

    async def main() -> None:
        http = Http(lambda app: Addresses(("127.0.0.1/32",)))
        async with served(sets) as port:
            for app in ("a", "b"):
                one = Attempt("e.1", "main", app, "x", 1, {"url": f"http://127.0.0.1:{port}/"}, (), 5_000)
                assert (await http.perform(one)).ok
        await http.close()
        assert len(heads) == 2 and not any(b"cookie" in head for head in heads)

    asyncio.run(main())


class Names:
    """Answers lookups of names with these addresses, one list after another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

        def look_up(host: str, port: int, **how: Any) -> Any:
            assert not host.replace(".", "").isdigit() and ":" not in host, "addresses are not looked up"
            self.asked.append(host)
            found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            families = [(socket.AF_INET6 if ":" in one else socket.AF_INET, one) for one in found]
            return [(family, socket.SOCK_STREAM, 6, "", (one, port)) for family, one in families]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.10", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "fd00:ec2::254", "fe80::1%lo", "2002:7f00:1::", "64:ff9b::169.254.169.254",
        "ff02::1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("public_first", [False, True])
def test_a_name_at_an_address_that_is_not_public_is_not_reached(
    monkeypatch: pytest.MonkeyPatch, address: str, public_first: bool
) -> None:
    Names(monkeypatch, ["93.184.215.14", address] if public_first else [address])

    async def main() -> None:
        found = await asked(reach=(), url="http://metadata.example.org/")
        assert (found.ok, found.cause, found.again) == (False, "refused", False), found
        assert "metadata.example.org" in found.message and "reach" in found.message

    asyncio.run(main())


def test_a_name_that_answers_otherwise_a_moment_later_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked up once, and the connection goes to the address that was looked at."""
    names = Names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    hosts: list[bytes] = []

    async def notes(head: bytes, writer: Write) -> None:
        hosts.append(head)
        writer.write(OK + b"content-length: 0\r\n\r\n")

    async def main() -> None:
        async with served(notes) as port:
            found = await asked(url=f"http://rebinding.example.org:{port}/")
            assert found.ok, found
            assert names.asked == ["rebinding.example.org"]
            assert b"host: rebinding.example.org" in hosts[0].lower()

    asyncio.run(main())


def test_a_redirect_to_a_name_at_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, ["169.254.169.254"])

    async def main() -> None:
        answer = b"HTTP/1.1 302 F\r\nlocation: http://metadata.example.org/\r\ncontent-length: 0\r\n\r\n"
        async with served(says(answer)) as port:
            found = await asked(url=f"http://127.0.0.1:{port}/")
            assert (found.ok, found.cause) == (False, "refused") and "169.254.169.254" in found.message

    asyncio.run(main())


def test_a_request_whose_answer_never_came_is_the_same_request_when_it_is_sent_again() -> None:
    """A time-out after success: the other side may drop the repeat by its key."""
    done: list[bytes] = []

    async def at_first_silent(head: bytes, writer: Write) -> None:
        key = next(line for line in head.lower().splitlines() if line.startswith(b"idempotency-key:"))
        done.append(key)
        if len(done) == 1:
            await asyncio.sleep(3_600)
        writer.write(OK + b"content-length: 0\r\n\r\n")

    async def main() -> None:
        http = Http(lambda app: Addresses(("127.0.0.1/32",)))
        async with served(at_first_silent) as port:
            one = attempt(url=f"http://127.0.0.1:{port}/", method="POST", body={"cents": 7})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await http.perform(one)
            found: Ending = await http.perform(one)
            assert found.ok and len(done) == 2 and done[0] == done[1]
        await http.close()

    asyncio.run(main())
