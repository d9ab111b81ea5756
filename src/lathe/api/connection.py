"""uvicorn's protocol on a transport that sends an answer in one go.

uvicorn writes the head and the body of an answer apart, and the event loop sends at once what is written: two
system calls, and a client that is woken for a head without a body. Here what is written in one turn of the
loop leaves at its end.
"""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HELD_BYTES_LIMIT = 65_536
"""What is held back until the end of the turn; more is sent at once, so that its flow is controlled."""


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, on a transport that holds back."""
        super().connection_made(cast(asyncio.Transport, _Holding(transport, self.loop)))


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
