"""Request bodies that carry files: bounded in size, in the cost of decoding, and in number at a time.

Decoding blocks the event loop, for a time that grows with the number of values in a body, not with its size:
a long string is one value, a hundred thousand empty ones take a second. So a large body may hold few values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from starlette.requests import Request

from lathe.api.wire.problem import Problem
from lathe.govern.principal import Principal

FILES_BYTES_LIMIT = 32 * 1024 * 1024
FILES_LIMIT = 500
PLAIN_BYTES_LIMIT = 2 * 1024 * 1024
"""Up to this size the number of values is not limited; beyond it, each member without files must be smaller.
"""
STRINGS_LIMIT = 4 * FILES_LIMIT
"""Limit on the strings (keys included) in a larger body."""
HOLDING = frozenset({"files", "binary", "apply"})
"""The members that hold files; anything else in them is rejected when parsed."""
UPLOADS_LIMIT = 8
"""Uploads in progress at a time."""
OF_ONE_LIMIT = 2
"""Uploads in progress of one person or service."""

_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Strings:
    """Counts the strings in JSON that arrives in pieces."""

    def __init__(self) -> None:
        self._quotes = 0
        self._rest = b""

    @property
    def count(self) -> int:
        """The strings that have begun so far."""
        return (self._quotes + 1) // 2

    def feed(self, piece: bytes) -> None:
        """The next piece. A quote ends nothing after an odd number of backslashes."""
        text = self._rest + piece
        whole = text.rstrip(b"\\")
        self._rest = b"\\" * ((len(text) - len(whole)) % 2)
        plain = whole.replace(b"\\\\", b"")
        self._quotes += plain.count(b'"') - plain.count(b'\\"')


async def large_body(request: Request) -> bytes:
    """A body that may hold files. Raises `Problem` (LR413.body, LR400.body, LR400.json)."""
    body, strings = bytearray(), Strings()
    async for piece in request.stream():
        body += piece
        strings.feed(piece)
        if len(body) > FILES_BYTES_LIMIT:
            raise Problem("LR413.body", f"an app has at most {FILES_BYTES_LIMIT} bytes")
        if len(body) > PLAIN_BYTES_LIMIT and strings.count > STRINGS_LIMIT:
            raise Problem("LR400.body", f"a body of this size holds at most {FILES_LIMIT} files")
    if len(body) > PLAIN_BYTES_LIMIT:
        _check_members(body)
    return bytes(body)


def _check_members(body: bytearray) -> None:
    try:
        members = _members_of(body)
    except msgspec.ValidationError as error:
        raise Problem("LR400.body", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("LR400.json", str(error)) from None
    for name, raw in members.items():
        if name not in HOLDING and memoryview(raw).nbytes > PLAIN_BYTES_LIMIT:
            raise Problem("LR413.body", f"`{name[:80]}` has at most {PLAIN_BYTES_LIMIT} bytes")


class Uploads:
    """Limits the uploads in progress."""

    def __init__(self) -> None:
        self._coming: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def one(self, by: Principal) -> Iterator[None]:
        """Count an upload by this caller while it is received. Raises `Problem` (LR503.busy)."""
        key = (by.tenant, by.actor)
        if self._coming[key] >= OF_ONE_LIMIT or self._coming.total() >= UPLOADS_LIMIT:
            raise Problem("LR503.busy", "other checks are being sent", headers={"Retry-After": "2"})
        self._coming[key] += 1
        try:
            yield
        finally:
            self._coming[key] -= 1
            self._coming += Counter()  # none is left of who has nothing coming
