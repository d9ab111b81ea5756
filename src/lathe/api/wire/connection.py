"""uvicorn's HTTP protocol class, with a fast path for plain actions, the most frequent request.

A request to create or to act is read whole and answered in one call each: no scope, no task, no messages.
What is read and checked is the same, by the same parser. What is in any way unusual (chunked, large, the last
of its connection, behind another one that is not answered yet, with `Expect` or an upgrade) goes uvicorn's
way, and so does all else.

uvicorn writes the head and the body of an answer apart, and the event loop sends at once what is written: two
system calls, and a client that is woken for a head without a body. Here what is written in one turn of the
loop leaves at its end.

Besides, a head is bounded in size, what is no HTTP is answered by a problem document, and whoever takes too
long to send is let go: uvicorn leaves all three to a proxy.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Protocol, cast

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from lathe.api.wire.answers import Scope
from lathe.api.wire.problem import Problem

HEAD_BYTES_LIMIT = 65_536
"""Limit on the size of a request's head; a head that arrives in one read may exceed it by that read."""
SLOW_SECONDS = 60.0
"""How long the head or the body of a request may take to arrive."""
LINGER_SECONDS = 1.0
"""How long an idle connection stays open after shutdown began, so that a request sent at that moment is
answered.
"""
LOOK_SECONDS = 5.0
"""How often slow connections are looked for; requests pay nothing for it."""
HELD_BYTES_LIMIT = 65_536
"""Writes up to this size are buffered until the end of the event loop's turn; larger ones are sent at once,
for flow control.
"""
QUICK_BYTES_LIMIT = HIGH_WATER_LIMIT
"""The largest body for the fast path: what uvicorn reads before it applies back pressure."""
DIGITS_LIMIT = 9
_PLAIN = re.compile(rb"/v1/[0-9A-Za-z_./~@:$&+,=-]+").fullmatch
"""A path without percent-encoding."""

Headers = tuple[tuple[bytes, bytes], ...]


class Quick(Protocol):
    """The application behind the fast path."""

    def parts(self, path: str) -> list[str] | None:
        """The path's segments, if the fast path handles it."""

    def begin(self, exchange: Exchange) -> None:
        """Answer now or later. Never raises."""


class _Deaf:
    """A stand-in for the event that uvicorn sets when a client disconnects."""

    def set(self) -> None:
        """Nobody waits for it."""


class Exchange:
    """A complete request, and its reply. Public names that are not documented here are those that uvicorn
    expects of its request-response cycle.
    """

    __slots__ = (
        "_connection", "body", "disconnected", "headers", "keep_alive", "more_body", "parts",
        "response_complete", "scope",
    )  # fmt: skip

    message_event = _Deaf()

    def __init__(
        self,
        connection: Connection,
        parts: list[str],
        headers: Mapping[bytes, bytes],
        scope: Scope,
    ) -> None:
        self._connection = connection
        self.parts = parts
        """The path's segments."""
        self.headers = headers
        """Headers by lower-case name; the last of repeated ones."""
        self.scope = scope
        """ASGI's method and client."""
        self.body = b""
        self.keep_alive = True
        self.more_body = True
        self.disconnected = False
        self.response_complete = False

    def answer(self, status: int, body: bytes, headers: Headers) -> None:
        """Send a complete response; ignored if the client has disconnected. Raises `RuntimeError` for an
        invalid header.
        """
        assert not self.response_complete, "it is answered once"
        if self.disconnected:
            return
        pieces = [self._connection.opening(status)]
        for name, value in headers:
            if HEADER_VALUE_RE.search(value):
                self.abandon()
                raise RuntimeError("a header holds a control character")
            pieces += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            pieces.append(b"connection: close\r\n")
        pieces += (b"content-length: %d\r\n\r\n" % len(body), body)
        self.response_complete = True
        self._connection.sent(b"".join(pieces), self)

    def abandon(self) -> None:
        """Close the connection without a response."""
        self.response_complete = True
        self._connection.transport.close()

    def later(self, answering: Coroutine[object, object, None]) -> None:
        """Answer in a task, which a shutdown waits for."""
        tasks = self._connection.tasks
        task = self._connection.loop.create_task(answering)
        tasks.add(task)
        task.add_done_callback(tasks.discard)


class Connection(HttpToolsProtocol):
    """A client's connection. Without `quick`, every request takes uvicorn's own path. `seen` resolves the
    client of a request that may come through a proxy (`lathe.api.wire.forwarded`).
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        quick: Quick | None = None,
        seen: Callable[[Scope], Scope] | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._quick = quick
        self._seen = seen
        self._exchange: Exchange | None = None
        self._said: tuple[list[tuple[bytes, bytes]], bytes] = ([], b"")
        self._idle_since: float | None = None
        self._scope: dict[str, object] = {}
        self._is_in_head = True
        self._is_last = False
        self._head: object = None
        self._head_bytes = 0
        self._awaited: object = None
        self._since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start, on a buffering transport."""
        super().connection_made(cast(asyncio.Transport, _Holding(transport, self.loop)))
        self._scope = {"type": "http", "method": "POST", "client": self.client}

    # What uvicorn does for every request, as little of it as the short way needs.

    def on_message_begin(self) -> None:
        """A request begins."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has arrived."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Choose the fast path or uvicorn's."""
        self._is_in_head = False
        headers = dict(self.headers)
        parts = self._quick_parts(headers)
        if parts is not None:
            scope: Scope = self._scope
            if self._seen is not None:
                scope = self._seen({**scope, "headers": self.headers})
                headers = dict(scope["headers"])
            self._exchange = Exchange(self, parts, headers, scope)
            self.cycle = cast(RequestResponseCycle, self._exchange)
            return
        self._exchange = None
        url, given = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers += given
        self.expect_100_continue = any(n == b"expect" and v.lower() == b"100-continue" for n, v in given)
        super().on_headers_complete()

    def _quick_parts(self, headers: Mapping[bytes, bytes]) -> list[str] | None:
        """The path's segments, if the request may take the fast path."""
        url = self.url
        if self._quick is None or _PLAIN(url) is None or self.parser.get_method() != b"POST":
            return None
        before = cast(RequestResponseCycle | None, self.cycle)
        if self._is_last:
            return None
        if before is not None and not before.response_complete:
            return None  # it waits for the one before it
        if b"transfer-encoding" in headers or b"expect" in headers or b"upgrade" in headers:
            return None
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > DIGITS_LIMIT or int(length) > QUICK_BYTES_LIMIT:
            return None
        if self.flow.write_paused or self.limit_concurrency is not None or self.root_path:
            return None
        if self.parser.get_http_version() != "1.1" or self.parser.should_upgrade():
            return None
        if not self.parser.should_keep_alive():
            return None
        return self._quick.parts(url.decode("ascii"))

    def on_body(self, body: bytes) -> None:
        """A piece of the body has arrived."""
        if self._exchange is None:
            super().on_body(body)
        else:
            self._exchange.body += body

    def on_message_complete(self) -> None:
        """The request is complete."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            super().on_message_complete()
        else:
            assert self._quick is not None, "it has let this one pass"
            exchange.more_body = False
            self._quick.begin(exchange)

    def opening(self, status: int) -> bytes:
        """The status line, and the headers that every response has."""
        headers = self.server_state.default_headers
        if self._said[0] is not headers:
            lines = [name + b": " + value + b"\r\n" for name, value in headers]
            self._said = headers, b"".join(lines)
        return STATUS_LINE[status] + self._said[1]

    def sent(self, data: bytes, exchange: Exchange) -> None:
        """Send a complete response, after those that are buffered."""
        cast(_Holding, self.transport).write_now(data)
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    # One timer for a connection, not one for each answer.

    def _unset_keepalive_if_required(self) -> None:
        """Cancel the keep-alive time-out."""
        self._idle_since = None
        if self.transport.is_closing() and self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def on_response_complete(self) -> None:
        """Start the next pipelined request, or the keep-alive time-out."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._sleep(self.timeout_keep_alive)

    def _sleep(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection after the keep-alive time-out."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._sleep(left)
        else:
            self.transport.close()

    # Heads and bodies that do not end.

    def data_received(self, data: bytes) -> None:
        """Feed received bytes to the parser, bounding the head's size."""
        super().data_received(data)
        if self._is_in_head:
            self._grown(len(data))
        elif self._is_last:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Shut down: a request that arrives now, or within a moment, is answered as the last."""
        if self._is_in_head or self.cycle.response_complete:
            self._is_last = True
            self.loop.call_later(LINGER_SECONDS, self._leave)
        else:
            self.cycle.keep_alive = False

    def _leave(self) -> None:
        if self._is_in_head or self.cycle.response_complete:
            self.transport.close()

    def _grown(self, size: int) -> None:
        """Count the bytes of an incomplete head."""
        if self._head is not self.headers:
            self._head, self._head_bytes = self.headers, 0
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_LIMIT and not self.transport.is_closing():
            self._refuse(Problem("LR431.head", f"it has at most {HEAD_BYTES_LIMIT} bytes"))

    def send_400_response(self, msg: str) -> None:
        """Answer 400 to bytes that are not HTTP, and close."""
        self._refuse(Problem("LR400.http"))

    def _refuse(self, problem: Problem) -> None:
        body = problem.body()
        head = f"HTTP/1.1 {problem.status} Refused\r\ncontent-type: application/problem+json\r\n"
        head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def let_go_if_slow(self, now: float, seconds: float) -> None:
        """Close the connection if the same head or body has been awaited for too long."""
        awaited = self._what_is_awaited()
        if awaited is None or awaited is not self._awaited:
            self._awaited, self._since = awaited, now
        elif now - self._since > seconds:
            self.transport.close()

    def _what_is_awaited(self) -> object:
        """What the client has yet to send, head or body; None if it is our turn, or uvicorn's keep-alive
        time-out applies.
        """
        if self._is_in_head:
            head: object = self.headers
            return self if head is None else head
        cycle = self.cycle
        return cycle if cycle.more_body and not self.flow.read_paused else None


async def close_slow(
    connections: Collection[object], *, seconds: float = SLOW_SECONDS, every: float = LOOK_SECONDS
) -> None:
    """Close connections that are too slow, until cancelled."""
    while True:
        await asyncio.sleep(every)
        now = asyncio.get_running_loop().time()
        for one in list(connections):
            if isinstance(one, Connection):
                one.let_go_if_slow(now, seconds)


class _Holding:
    """A transport that buffers `write` until the end of the turn; everything else is passed on."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._size += len(data)
        if self._size > HELD_BYTES_LIMIT:
            self._send()

    def write_now(self, data: bytes) -> None:
        self._send()
        self._transport.write(data)

    def _send(self) -> None:
        if self._held:
            held, self._held, self._size = self._held, [], 0
            self._transport.write(b"".join(held))

    def close(self) -> None:
        self._send()
        self._transport.close()
