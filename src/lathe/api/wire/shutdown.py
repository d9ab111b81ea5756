"""Requests that are still running when the process must end: each is cancelled and answered with 503.

A process that stops still answers the requests that it has received. One that takes longer than the grace
period allows (a check, a report) is cancelled, and this middleware answers it.
"""

from __future__ import annotations

import asyncio

import structlog

from lathe.api.wire.answers import Application, Message, Receive, Scope, Send, answer_problem
from lathe.api.wire.problem import Problem

AGAIN_SECONDS = 1
"""`Retry-After` in seconds."""

log = structlog.get_logger("lathe.api")


def cut_off(method: str, path: str) -> Problem:
    """The problem of a cancelled request, which is logged."""
    log.warning("cut off", method=method, path=path)
    said = (
        "it was cut off: what it asked for may have been done; with the same idempotency key it is done once"
    )
    if method in ("GET", "HEAD"):
        said = "it was cut off: ask again"
    return Problem("LR503.stopping", said, headers={"Retry-After": str(AGAIN_SECONDS)})


class AnswersCancelled:
    """ASGI middleware that answers a cancelled request with 503."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A response that has begun is broken off."""
        is_begun = False

        async def noting(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await self._inner(scope, receive, noting)
        except asyncio.CancelledError:
            problem = cut_off(str(scope.get("method", "")), str(scope.get("path", "")))
            if not is_begun:
                await answer_problem(send, problem)
