"""Responses as ASGI messages, and the response to each exception that reaches the top."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from lathe.api.wire.problem import Problem
from lathe.errors import NotFoundError, QueueFullError, UsageError
from lathe.govern.principal import GovernError
from lathe.runtime.committer import OverloadedError
from lathe.runtime.engine import BusyError
from lathe.runtime.swap import RefusedSwap
from lathe.store.base import CorruptError, FullError, StoreError, TooLongError, UnstorableError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", b"application/problem+json")
NO_STORE = (b"cache-control", b"no-store")

log = structlog.get_logger("lathe.api")


async def answer(
    send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = (JSON,)
) -> None:
    """Send a whole answer."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, NO_STORE, length]})
    await send({"type": "http.response.body", "body": body})


async def answer_problem(send: Send, problem: Problem) -> None:
    """Send a problem document."""
    await answer(send, problem.status, problem.body(), problem_headers(problem))


def problem_headers(problem: Problem) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of a problem document."""
    return (PROBLEM, *((n.lower().encode(), v.encode()) for n, v in problem.headers.items()))


def problem_of(error: Exception) -> Problem:
    """The problem that an exception is answered with; what is not expected is a defect, and is logged."""
    match error:
        case Problem():
            return error
        case GovernError():
            return Problem(error.code, str(error))
        case NotFoundError():
            return Problem("LR404.app", str(error))
        case UsageError():
            return Problem("LR400.query", str(error))
        case OverloadedError():
            return Problem("LR503.busy", headers={"Retry-After": "1"})
        case QueueFullError():
            return Problem("LR503.busy", str(error), headers={"Retry-After": "5"})
        case BusyError():
            return Problem("LR409.busy", str(error), headers={"Retry-After": "1"})
        case RefusedSwap():
            return Problem(f"LR409.{error.code}", str(error))
        case FullError():
            return Problem("LR507.full", str(error), headers={"Retry-After": "5"}, cause=error.code)
        case CorruptError():
            log.error("damage", error=str(error))
            return Problem("LR503.store", str(error), headers={"Retry-After": "60"}, cause=error.code)
        case TooLongError():
            said = f"{error}: narrow it by state, or by a field that is unique"
            return Problem("LR422.where", said)
        case UnstorableError():
            return Problem("LR422.type", str(error))
        case StoreError():
            said = (
                "; it may have been committed: ask again with the same idempotency key" if error.maybe else ""
            )
            return Problem("LR503.store", f"{error}{said}", headers={"Retry-After": "2"}, cause=error.code)
    log.exception("defect", error=str(error))
    return Problem("LR500.defect", "it was logged")


async def body_of(receive: Receive, *, limit: int) -> bytes:
    """The body of a request. Raises `Problem` (LR413.body) beyond the limit."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client went away")
        chunk = message.get("body", b"")
        size += len(chunk)
        check_size(size, limit=limit)
        if chunk:
            chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def check_size(size_bytes: int, *, limit: int) -> None:
    """Raises `Problem` (LR413.body) beyond the limit."""
    if size_bytes > limit:
        raise Problem("LR413.body", f"a body has at most {limit} bytes")
