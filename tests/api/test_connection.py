"""What is written in one turn of the loop leaves in one go, and none of it is lost."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from lathe.api.wire.connection import HELD_BYTES_LIMIT, Connection


class Transport:
    """Takes down what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def get_extra_info(self, name: str) -> Any:
        return None

    def __getattr__(self, name: str) -> Any:
        return lambda *given: None


async def connected(*bodies: bytes) -> Transport:
    """A connection on which one request was answered with these bodies."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for body in bodies:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", log_level="critical")
    config.load()
    transport = Transport()
    connection = Connection(config, ServerState(), {}, asyncio.get_running_loop())
    connection.connection_made(cast(asyncio.Transport, transport))
    connection.data_received(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
    await asyncio.sleep(0.01)
    return transport


def test_head_and_body_leave_together() -> None:
    transport = asyncio.run(connected(b"hello"))
    assert len(transport.sent) == 1
    assert transport.sent[0].startswith(b"HTTP/1.1 200 OK\r\n") and b"hello" in transport.sent[0]


def test_what_is_held_is_sent_before_it_closes() -> None:
    transport = asyncio.run(connected(b"a", b"b"))
    assert transport.is_closed
    assert transport.sent[-1].endswith(b"0\r\n\r\n")


def test_much_is_not_held() -> None:
    transport = asyncio.run(connected(*[b"x" * HELD_BYTES_LIMIT] * 3))
    assert len(transport.sent) >= 3
    assert sum(part.count(b"x") for part in transport.sent) == 3 * HELD_BYTES_LIMIT
