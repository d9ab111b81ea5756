"""A client for benches: HTTP/1.1 on connections that stay open, as little as that takes.

It shows the worker's token, or the operator's, that `serve` left in the environment when it connects.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and the moments (`perf_counter`) at which it was asked and answered."""

    status: int
    body: bytes
    asked: float
    answered: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.answered - self.asked

    def json(self) -> dict[str, object]:
        """The body."""
        found: dict[str, object] = json.loads(self.body)
        return found


class Wire:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, token: str
    ) -> None:
        self._reader, self._writer, self._host, self._token = reader, writer, host, token

    @classmethod
    async def open(cls, base: str, token: str = "BENCH_TOKEN") -> Wire:
        """Connect to where `base` says, with the token that the variable `token` has."""
        place = urlsplit(base)
        assert place.hostname is not None, base
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        return cls(reader, writer, place.netloc, os.environ.get(token, ""))

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        """One request with a JSON body."""
        data = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {self._token}\r\n"
            f"content-length: {len(data)}\r\n\r\n"
        )
        asked = perf_counter()
        self._writer.write(head.encode() + data)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        length = next((int(x.partition(":")[2]) for x in lines if x.startswith("content-length:")), 0)
        found = await self._reader.readexactly(length)
        return Answer(int(lines[0].split()[1]), found, asked, perf_counter())

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()
