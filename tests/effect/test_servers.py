"""The `http` adapter against servers that misbehave, on real sockets of the loopback interface."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lathe.effect.addresses import Addresses
from lathe.effect.base import Attempt, Ending
from lathe.effect.http import Http
from lathe.effect.process import Process

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[int]:
    handling: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                await handler(head, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)
        await asyncio.sleep(0.01)  # what was closed is let go by the loop


def says(data: bytes) -> Handler:
    async def handle(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return handle


def attempt(seconds: float = 5.0, **request: Any) -> Attempt:
    return Attempt("e.1", "main", "a", "x", 1, request, (), int(seconds * 1000))


async def asked(seconds: float = 5.0, reach: tuple[str, ...] = ("127.0.0.1/32",), **request: Any) -> Ending:
    http = Http(lambda app: Addresses(reach))
    try:
        async with asyncio.timeout(seconds):
            return await http.perform(attempt(**request))
    finally:
        await http.close()


@pytest.mark.parametrize(
    ("answer", "cause", "again"),
    [
        (b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", "refused", False),
        (b"HTTP/1.1 503 No\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n", "unreachable", True),
        (b"HTTP/1.1 408 No\r\ncontent-length: 0\r\n\r\n", "unreachable", True),
        (b"\x00\xff garbage\r\n\r\n", "unreachable", True),
        (b"", "unreachable", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort", "unreachable", True),
        (b"HTTP/1.1 302 F\r\nlocation: http://[::1\r\ncontent-length: 0\r\n\r\n", "invalid", False),
        (b"HTTP/1.1 302 F\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n", "refused", False),
        (b"HTTP/1.1 302 F\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n", "invalid", False),
        (
            b"HTTP/1.1 302 F\r\nlocation: /\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "invalid",
            False,
        ),
    ],
)
def test_a_bad_answer_is_a_bad_end(answer: bytes, cause: str, again: bool) -> None:
    async def main() -> None:
        async with served(says(answer)) as port:
            found = await asked(url=f"http://127.0.0.1:{port}/")
            assert (found.ok, found.cause, found.again) == (False, cause, again), found
            if b"retry-after" in answer:
                assert found.after_ms == 7_000

    asyncio.run(main())


def test_why_it_ended_badly_is_in_our_own_words() -> None:
    """What the other side says may hold anything, and so may an error that quotes it."""

    async def main() -> None:
        secret = b"s3cr3t"
        answers = {
            b"HTTP/1.1 500 No\r\ncontent-length: 6\r\n\r\n" + secret: "it answered 500",
            b"\x00" + secret + b" garbage\r\n\r\n": "its answer is no HTTP, or breaks off",
            b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n" + secret: "the answer is no JSON",
        }
        for answer, why in answers.items():
            async with served(says(answer)) as port:
                found = await asked(url=f"http://127.0.0.1:{port}/", take={"x": "body.x"})
            assert (found.log, found.place) == (why, f"GET 127.0.0.1:{port}")
        found = await asked(url="http://127.0.0.1:9/accounts/7?key=s3cr3t")
        assert (found.cause, found.log, found.place) == ("unreachable", "no connection", "GET 127.0.0.1:9")

    asyncio.run(main())


def test_an_endless_answer_is_cut_and_a_drip_ends_with_its_time() -> None:
    async def endless(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async def drips(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def main() -> None:
        async with served(endless) as port:
            found = await asked(url=f"http://127.0.0.1:{port}/")
            assert (found.ok, found.cause) == (False, "invalid")
        async with served(drips) as port:
            with pytest.raises(TimeoutError):
                await asked(0.3, url=f"http://127.0.0.1:{port}/")

    asyncio.run(main())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ],
)
def test_no_spelling_of_the_loopback_address_is_reached(host: str) -> None:
    async def main() -> None:
        found = await asked(reach=(), url=f"http://{host}:9/")
        assert not found.ok and found.cause in ("refused", "invalid", "unreachable")
        assert (
            found.cause != "unreachable"
            or "public" in found.message
            or "resol" in found.message.lower()
            or ("Name or service" in found.message)
        ), found

    asyncio.run(main())


@pytest.mark.parametrize(
    "address", ["fec0::1", "::7f00:1", "fe80::1", "fc00::1", "2002:7f00:1::", "64:ff9b::7f00:1"]
)
def test_no_other_network_is_taken_for_a_public_one(address: str) -> None:
    assert not Addresses()._may(ip_address(address))


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "\u2603"])
def test_headers_cannot_be_injected(value: str) -> None:
    seen: list[bytes] = []

    async def notes(head: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def main() -> None:
        async with served(notes) as port:
            found = await asked(url=f"http://127.0.0.1:{port}/", headers={"x-name": value})
            assert (found.ok, found.cause, found.again) == (False, "invalid", False)
            assert not any(b"x-evil" in head for head in seen)

    asyncio.run(main())


def test_a_redirect_to_another_port_takes_neither_credentials_nor_body() -> None:
    seen: list[bytes] = []

    async def notes(head: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def main() -> None:
        async with served(notes) as other:
            place = f"location: http://127.0.0.1:{other}/\r\ncontent-length: 0\r\n\r\n".encode()
            secret = {"authorization": "Bearer hidden"}
            async with served(says(b"HTTP/1.1 302 F\r\n" + place)) as port:
                found = await asked(url=f"http://127.0.0.1:{port}/", headers=secret)
                assert found.ok and len(seen) == 1 and b"hidden" not in seen[0]
            async with served(says(b"HTTP/1.1 307 F\r\n" + place)) as port:
                url = f"http://127.0.0.1:{port}/"
                found = await asked(url=url, method="POST", body={"pin": "hidden"}, headers=secret)
                assert (found.ok, found.cause) == (False, "refused") and len(seen) == 1

    asyncio.run(main())


def test_what_a_command_leaves_behind_is_killed_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        process = Process({"a": ["sh"]})
        script = f"sleep 60 >/dev/null 2>&1 & echo $! > {tmp_path}/pid"
        found = await process.perform(attempt(argv=["sh", "-c", script]))
        assert found.ok
        pid = int((tmp_path / "pid").read_text())
        async with asyncio.timeout(5):
            while _runs(pid):
                await asyncio.sleep(0.01)

    asyncio.run(main())


def _runs(pid: int) -> bool:
    """Whether a process runs: one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc/self").exists()
