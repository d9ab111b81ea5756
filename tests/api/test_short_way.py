"""A request to act that takes the short way: what it shares a connection with, what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import pytest
import uvicorn
from tests.api.client import Wire, is_wired, serving
from tests.runtime.harness import TENANT
from uvicorn.server import ServerState

from lathe.api.wire.answers import Scope
from lathe.api.wire.connection import QUICK_BYTES_LIMIT, Connection, Exchange
from lathe.api.wire.forwarded import Proxied, networks_of
from lathe.machine.event import Act, Caller
from lathe.runtime.clock import Ids, SystemClock
from lathe.runtime.conformance import told_of
from lathe.runtime.engine import Command, Committed, Engine
from lathe.store.memory import MemoryStore

TASK = b"""
blueprint = "Task"
[state]
open = { initial = true, waits = "somebody adds" }
[field]
total = { type = "int", range = [0, 9], default = 0 }
[action]
create = { by = "role:worker" }
add = { from = "open", by = "role:worker", when = "total < 9", do = ["total += 1"] }
"""


class EntityRequest:
    """Answers what goes the short way when a test says so; the rest is ASGI's."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.by_asgi: list[str] = []

    def parts(self, path: str) -> list[str] | None:
        return path.split("/")

    def begin(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)

    def answer(self, text: bytes) -> None:
        self.exchanges.pop(0).answer(200, text, ((b"content-type", b"text/plain"),))

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        self.by_asgi.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"asgi"})


class Line:
    """A connection, and all that was sent on it."""

    def __init__(self, asked: EntityRequest, *, seen: Callable[[Scope], Scope] | None = None) -> None:
        config = uvicorn.Config(
            asked.asgi, http=Connection, ws="none", lifespan="off", log_level="critical",
            interface="asgi3",
        )  # fmt: skip
        config.load()
        self.sent = b""
        self.is_closed = False
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"today")]
        loop = asyncio.get_running_loop()
        self.connection = Connection(config, self.state, {}, loop, quick=asked, seen=seen)
        self.connection.connection_made(cast(asyncio.Transport, self))

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, name: str) -> Any:
        return ("10.0.0.1", 50_000) if name == "peername" else None

    def __getattr__(self, name: str) -> Any:
        return lambda *given: None

    def ask(self, body: bytes = b"{}", *more: bytes, path: bytes = b"/v1/a/b/c/d") -> None:
        lines = [b"POST " + path + b" HTTP/1.1", b"host: here", b"content-length: %d" % len(body), *more]
        self.connection.data_received(b"\r\n".join([*lines, b"", body]))


def play(main: Callable[[EntityRequest], Awaitable[None]]) -> None:
    async def run() -> None:
        await main(EntityRequest())

    asyncio.run(run())


def test_it_is_answered_whole_with_the_headers_of_every_answer() -> None:
    async def main(asked: EntityRequest) -> None:
        line = Line(asked)
        line.ask(b'{"n": 1}', b"X-Name: a")
        (exchange,) = asked.exchanges
        assert (exchange.body, exchange.headers[b"x-name"]) == (b'{"n": 1}', b"a")
        assert line.sent == b""
        asked.answer(b"ok")
        assert line.sent == (
            b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
        )

    play(main)


def test_a_proxy_says_for_whom_it_asks() -> None:
    async def main(asked: EntityRequest) -> None:
        line = Line(asked, seen=Proxied(asked.asgi, networks_of(["10.0.0.1"])).seen)
        line.ask(b"{}", b"X-Forwarded-For: 198.51.100.1", b"X-Forwarded-Host: a.example")
        (exchange,) = asked.exchanges
        assert exchange.scope["client"] == ("198.51.100.1", 0)
        assert exchange.headers[b"host"] == b"a.example" and b"x-forwarded-for" not in exchange.headers

    play(main)


def test_a_body_in_pieces_is_waited_for() -> None:
    async def main(asked: EntityRequest) -> None:
        line = Line(asked)
        whole = b"POST /v1/a/b HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\n123456789"
        for at in range(len(whole)):
            assert asked.exchanges == []
            line.connection.data_received(whole[at : at + 1])
        assert asked.exchanges[0].body == b"123456789"

    play(main)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n"),
        (b"Expect: 100-continue\r\nContent-Length: 2", b"{}"),
        (b"Connection: close\r\nContent-Length: 2", b"{}"),
        (b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2", b"{}"),
        (b"Content-Length: %d" % (QUICK_BYTES_LIMIT + 1), b"x" * (QUICK_BYTES_LIMIT + 1)),
    ],
)
def test_what_is_unusual_goes_the_way_of_all_else(head: bytes, body: bytes) -> None:
    async def main(asked: EntityRequest) -> None:
        line = Line(asked)
        line.connection.data_received(b"POST /v1/a/b HTTP/1.1\r\nhost: here\r\n" + head + b"\r\n\r\n" + body)
        await asyncio.sleep(0.01)
        assert (asked.exchanges, asked.by_asgi) == ([], ["/v1/a/b"])
        assert line.sent.endswith(b"asgi")

    play(main)


@pytest.mark.parametrize(
    "path", [b"/v1/a/b?c=d", b"/v1/a/%62", b"/v2/a/b", b"http://here/v1/a/b", b"/v1/a/b;c"]
)
def test_a_path_that_must_be_read_goes_the_way_of_all_else(path: bytes) -> None:
    async def main(asked: EntityRequest) -> None:
        line = Line(asked)
        line.ask(path=path)
        await asyncio.sleep(0.01)
        assert asked.exchanges == [] and len(asked.by_asgi) == 1

    play(main)


def test_requests_of_a_pipeline_are_answered_in_their_order() -> None:
    async def main(asked: EntityRequest) -> None:
        line = Line(asked)
        line.ask(b"1")
        line.ask(b"2")
        line.ask(b"3")
        await asyncio.sleep(0.01)
        assert len(asked.exchanges) == 1 and asked.by_asgi == [], "one after the other"
        asked.answer(b"first")
        await asyncio.sleep(0.01)
        assert asked.by_asgi == ["/v1/a/b/c/d"] * 2
        assert [line.sent.index(b"first"), line.sent.index(b"asgi")] == sorted(
            [line.sent.index(b"first"), line.sent.index(b"asgi")]
        )

    play(main)


def test_a_client_that_is_gone_is_not_answered() -> None:
    async def main(asked: EntityRequest) -> None:
        line = Line(asked)
        line.ask()
        line.connection.connection_lost(ConnectionResetError())
        asked.answer(b"late")
        assert line.sent == b""
        assert line.connection not in line.state.connections

    play(main)


def test_a_process_that_stops_answers_and_hangs_up() -> None:
    async def main(asked: EntityRequest) -> None:
        line = Line(asked)
        line.ask()
        line.connection.shutdown()
        assert not line.is_closed
        asked.answer(b"the last")
        assert line.is_closed and b"connection: close\r\n" in line.sent and line.sent.endswith(b"the last")

    play(main)


def test_a_header_with_a_line_end_is_no_answer() -> None:
    async def main(asked: EntityRequest) -> None:
        line = Line(asked)
        line.ask()
        with pytest.raises(RuntimeError):
            asked.exchanges[0].answer(200, b"", ((b"location", b"/a\r\nset-cookie: b"),))
        assert line.sent == b"" and line.is_closed

    play(main)


def test_a_connection_is_closed_once_it_was_silent_for_long_and_not_before() -> None:
    async def main(asked: EntityRequest) -> None:
        line = Line(asked)
        line.connection.timeout_keep_alive = 0.05  # type: ignore[assignment]
        line.ask()
        asked.answer(b"1")
        line.ask()
        await asyncio.sleep(0.1)
        assert not line.is_closed, "it waits for an answer"
        asked.answer(b"2")
        async with asyncio.timeout(10):
            while not line.is_closed:
                await asyncio.sleep(0.01)

    play(main)


def test_what_others_have_changed_meanwhile_is_decided_anew() -> None:
    """The short way decides on what is in memory; the store refuses that, and it is asked again."""
    stores: list[MemoryStore] = []

    async def seed(store: MemoryStore) -> None:
        stores.append(store)

    async def main() -> None:
        is_wired.set(True)
        async with serving(files={"task.blueprint.toml": TASK}, seed=seed) as client:
            place = (await client.post("/v1/task/tasks", json={})).headers["location"]
            clock = SystemClock()
            other = Engine(stores[0], clock, Ids(clock))
            await other.start()
            worker = Caller("role", None, frozenset({"worker"}), "other")
            name = place.rpartition("/")[2]
            command = Command(
                TENANT,
                "task",
                name,
                "act",
                partial(Act, name, "add", {}, worker),
                told_of(worker),
                "role:worker",
            )
            assert isinstance(await other.execute(command), Committed)
            await other.stop()
            answer = await client.post(f"{place}/add", json={})
            assert (answer.status_code, answer.json()["fields"]) == (200, {"total": 2}), answer.text

    asyncio.run(main())


def test_the_connections_of_tests_speak_http() -> None:
    wire = Wire()
    wire.write(b"HTTP/1.1 204 No Content\r\netag: 1\r\n\r\n")
    assert (wire.status, wire.headers) == (204, [(b"etag", b"1")])
