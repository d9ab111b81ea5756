"""uvicorn's protocol on a transport that sends an answer in one go.

uvicorn writes the head and the body of an answer apart, and the event loop sends at once what is written: two
system calls, and a client that is woken for a head without a body. Here what is written in one turn of the
loop leaves at its end.

Besides, a head is bounded in size, what is no HTTP is answered by a problem document, and whoever takes too
long to send is let go: uvicorn leaves all three to a proxy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lathe.api.problem import Problem

HEAD_BYTES_LIMIT = 65_536
"""How much of a request's head is taken in; one that comes whole may be a read of the socket larger."""
SLOW_SECONDS = 60.0
"""How long a request may take to arrive, head or body."""
LINGER_SECONDS = 1.0
"""How long a connection on which nothing is asked stays open once this process takes leave: what was sent in
this very moment is answered, and what is sent afterwards finds no connection.
"""
LOOK_SECONDS = 5.0
"""How often that is looked at: it costs a request nothing."""
HELD_BYTES_LIMIT = 65_536
"""What is held back until the end of the turn; more is sent at once, so that its flow is controlled."""


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, on a transport that holds back."""
        super().connection_made(cast(asyncio.Transport, _Holding(transport, self.loop)))

    _head: object = None
    _head_bytes = 0
    _is_last = False
    _awaited: object = None
    _since = 0.0

    def data_received(self, data: bytes) -> None:
        """Take in what came, and no head without an end."""
        super().data_received(data)
        if self._is_in_head():
            self._grown(len(data))
        elif self._is_last:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Take leave: what is asked now, or within a moment, is answered, and is the last."""
        if self._is_in_head() or self.cycle.response_complete:
            self._is_last = True
            self.loop.call_later(LINGER_SECONDS, self._leave)
        else:
            self.cycle.keep_alive = False

    def _leave(self) -> None:
        if self._is_in_head() or self.cycle.response_complete:
            self.transport.close()

    def _is_in_head(self) -> bool:
        """Whether the head of the newest request is not whole yet, or nothing came at all."""
        first: object = self.cycle
        return first is None or self.cycle.scope is not self.scope

    def _grown(self, size: int) -> None:
        """Part of a head came, which is not whole."""
        if self._head is not self.scope:
            self._head, self._head_bytes = self.scope, 0
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_LIMIT and not self.transport.is_closing():
            self._refuse(Problem("LR431.head", f"it has at most {HEAD_BYTES_LIMIT} bytes"))

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and close."""
        self._refuse(Problem("LR400.http"))

    def _refuse(self, problem: Problem) -> None:
        body = problem.body()
        head = f"HTTP/1.1 {problem.status} Refused\r\ncontent-type: application/problem+json\r\n"
        head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def let_go_if_slow(self, now: float, seconds: float) -> None:
        """Close it if the same head or body has been awaited for this long."""
        awaited = self._what_is_awaited()
        if awaited is None or awaited is not self._awaited:
            self._awaited, self._since = awaited, now
        elif now - self._since > seconds:
            self.transport.close()

    def _what_is_awaited(self) -> object:
        """The head or the body that the client has yet to send; None: it is our turn, or the next head's, for
        which uvicorn waits no longer than it keeps a connection.
        """
        if self._is_in_head():
            head: object = self.scope
            return self if head is None else head
        cycle = self.cycle
        return cycle if cycle.more_body and not self.flow.read_paused else None


async def close_slow(
    connections: Collection[object], *, seconds: float = SLOW_SECONDS, every: float = LOOK_SECONDS
) -> None:
    """Look at the connections again and again, until cancelled."""
    while True:
        await asyncio.sleep(every)
        now = asyncio.get_running_loop().time()
        for one in list(connections):
            if isinstance(one, Connection):
                one.let_go_if_slow(now, seconds)


class _Holding:
    """A transport whose `write` waits for the end of the turn; all else is the transport's own."""

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

    def _send(self) -> None:
        if self._held:
            held, self._held, self._size = self._held, [], 0
            self._transport.write(b"".join(held))

    def close(self) -> None:
        self._send()
        self._transport.close()
