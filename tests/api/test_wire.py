"""Bytes on a real socket: what is no HTTP, heads that are too large, odd paths, clients that are too slow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from tests.api.client import serving
from tests.api.test_commands import QUEUE

from lathe.api.wire.connection import HEAD_BYTES_LIMIT, Connection, close_slow

Plug = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Plug]]

SLOW_SECONDS = 0.4


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Connect, Any]]:
    """A served API on a port of its own, and a client that goes past the network."""
    async with serving(files=QUEUE) as client:
        app = client._transport.app  # type: ignore[attr-defined]
        config = uvicorn.Config(
            app, port=0, http=Connection, ws="none", lifespan="off", log_level="critical", access_log=False
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        running = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        looking = asyncio.create_task(
            close_slow(server.server_state.connections, seconds=SLOW_SECONDS, every=0.05)
        )
        port = server.servers[0].sockets[0].getsockname()[1]
        opened: list[asyncio.StreamWriter] = []

        async def connect() -> Plug:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            opened.append(writer)
            return reader, writer

        try:
            yield connect, client
        finally:
            looking.cancel()
            for writer in opened:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()
            server.should_exit = True
            await running


async def answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    """The status and the problem of an answer, after which the connection is closed."""
    async with asyncio.timeout(10):
        whole = await reader.read()
    head, _, body = whole.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower(), whole
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "request_",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /v1/task/tasks HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"POST /v1/task/tasks HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        b"POST /v1/task/tasks HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/task/tasks HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET /v1/task/tasks HTTP/1.1\r\nhost: a\r\nx y: z\r\n\r\n",
        b"GET /v1/task/tasks HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n",
        b"GET \xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /v1/task/tasks\x00 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /v1/task/tasks HTTP/9.9\r\nhost: a\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_problem_and_the_connection_ends(request_: bytes) -> None:
    async def main() -> None:
        async with listening() as (connect, client):
            reader, writer = await connect()
            writer.write(request_)
            status, problem = await answered(reader)
            assert (status, problem["code"]) == (400, "LR400.http"), problem
            assert (await client.get("/v1/task/tasks")).json()["items"] == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "path",
    [
        "/v1/task/./tasks", "/v1/task/x/../tasks", "/v1/../v1/task/tasks", "/./v1/task/tasks",
        "//v1/task/tasks",
        "/v1/task/tasks/.", "/v1/task/tasks/x/../../tasks", "http://other.example.org/v1//task/tasks",
        "/v1/task/tasks/%2e%2e/tasks", "/v1/task%2ftasks",
    ],
)  # fmt: skip
def test_dots_and_doubled_slashes_lead_nowhere(path: str) -> None:
    """A client takes them out of a path; who sends them all the same is not understood."""

    async def main() -> None:
        async with listening() as (connect, client):
            reader, writer = await connect()
            head = f"POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 11\r\n\r\n"
            writer.write(head.encode() + b'{"rank": 1}')
            status, problem = await answered(reader)
            assert status == problem["status"] == 404 or status == 405, problem
            assert (await client.get("/v1/task/tasks")).json()["items"] == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "chunk", [b"x-more: y\r\n" * 1_000, b"x" * 10_000, b"cookie: " + b"y" * 10_000 + b"\r\n"]
)
def test_a_head_that_does_not_end_is_refused(chunk: bytes) -> None:
    async def main() -> None:
        async with listening() as (connect, client):
            reader, writer = await connect()
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n")
            sent = 0
            with suppress(ConnectionError):  # it may be closed before the rest is sent
                while sent < 4 * HEAD_BYTES_LIMIT and not reader.at_eof():
                    writer.write(chunk)
                    await writer.drain()
                    await asyncio.sleep(0.001)
                    sent += len(chunk)
                status, problem = await answered(reader)
                assert (status, problem["code"]) == (431, "LR431.head")
            assert sent <= 2 * HEAD_BYTES_LIMIT + 300_000
            assert (await client.get("/healthz")).status_code == 200

    asyncio.run(main())


async def nothing(writer: asyncio.StreamWriter) -> None:
    """Not a byte."""


async def head(writer: asyncio.StreamWriter) -> None:
    for byte in b"GET /healthz HTTP/1.1\r\nhost: " + b"a" * 10_000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST /v1/task/tasks HTTP/1.1\r\nhost: a\r\ncontent-length: 10000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def body_after_its_answer(writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST /v1/nobody/here HTTP/1.1\r\nhost: a\r\ncontent-length: 10000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("says", [nothing, head, body, body_after_its_answer])
def test_who_is_too_slow_is_let_go_and_holds_up_nobody(
    says: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    async def main() -> None:
        async with listening() as (connect, client):
            plugs = [await connect() for _ in range(5)]
            tasks = [asyncio.create_task(_ignoring(says(writer))) for _, writer in plugs]
            async with asyncio.timeout(10):
                for reader, _ in plugs:
                    await _closed(reader)
            throttle = client._transport.app.throttle
            async with asyncio.timeout(5):
                while throttle.in_flight:
                    await asyncio.sleep(0.01)
            assert (await client.post("/v1/task/tasks", json={"rank": 1})).status_code == 201
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


async def _ignoring(work: Awaitable[None]) -> None:
    try:
        await work
    except ConnectionError:
        return


async def _closed(reader: asyncio.StreamReader) -> None:
    try:
        await reader.read()
    except ConnectionError:
        return


def test_who_reads_events_or_waits_between_requests_is_not_slow() -> None:
    async def main() -> None:
        async with listening() as (connect, client):
            reader, writer = await connect()
            writer.write(b"GET /v1/events?after=0 HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            kept, asking = await connect()
            asking.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            await kept.readuntil(b"}")
            await asyncio.sleep(3 * SLOW_SECONDS)
            await client.post("/v1/task/tasks", json={"rank": 1})
            async with asyncio.timeout(5):
                while b"create" not in await reader.readline():
                    pass
            asking.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            async with asyncio.timeout(5):
                await kept.readuntil(b"}")

    asyncio.run(main())
