"""The host functions of one call of a module, as far as they were granted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import field, replace
from typing import Protocol

import msgspec
from msgspec import Struct

from lathe.effect.base import Attempt, Ending
from lathe.effect.http import Exchanged, Http
from lathe.frozen import frozen
from lathe.lang.adapters import METHODS
from lathe.lang.model import Json
from lathe.wasm.interface import HTTP_CALLS_LIMIT, LEVELS, LOG_LINES_LIMIT, Answer, Fault

Audit = Callable[[str, Mapping[str, Json]], None]
"""Receives audit events of modules, with their data."""


@frozen
class Outside:
    """The outside world as modules reach it."""

    http: Http
    now_ms: Callable[[], int]
    audit: Audit
    random: Callable[[int], bytes] = field(default=os.urandom)


class Stoppable(Protocol):
    """The call itself."""

    is_interrupted: bool

    def interrupt(self) -> None: ...


class Request(Struct, forbid_unknown_fields=True, frozen=True):
    """What a module asks of `http`."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = {}
    body: msgspec.Raw = msgspec.Raw(b"null")


class Calls:
    """The host functions of one call; they run on the call's thread, `stop` on the event loop's."""

    def __init__(
        self,
        attempt: Attempt,
        outside: Outside,
        hosts: frozenset[str],
        headers: Mapping[str, Json],
        loop: asyncio.AbstractEventLoop,
        running: Stoppable,
    ) -> None:
        self._attempt = attempt
        self._outside = outside
        self._hosts = hosts
        self._headers = headers
        self._loop = loop
        self._running = running
        self._waiting: Future[Exchanged | Ending] | None = None
        self._lines = 0
        self._requests = 0

    def stop(self) -> None:
        """Stop the call, and the request that it waits for."""
        self._running.interrupt()
        waiting = self._waiting
        if waiting is not None:
            waiting.cancel()

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self._outside.now_ms()

    def random(self, length: int) -> bytes:
        """Cryptographically random bytes."""
        return self._outside.random(length)

    def log(self, level: int, text: str) -> None:
        """Log a line of the module's; beyond `LOG_LINES_LIMIT` lines are dropped, which is noted once."""
        self._lines += 1
        if self._lines > LOG_LINES_LIMIT + 1:
            return
        said = (
            text
            if self._lines <= LOG_LINES_LIMIT
            else f"more than {LOG_LINES_LIMIT} lines: the rest is dropped"
        )
        self._tell("wasm.log", {"said_level": LEVELS[min(max(level, 0), len(LEVELS) - 1)], "said": said})

    def http(self, request: bytes) -> Answer:
        """Send a request to a granted host; a failed one is returned as an error.

        Raises `Fault` for one that is no request, or one too many.
        """
        try:
            asked = msgspec.json.decode(request, type=Request)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as error:
            raise Fault("bad_output", f"its request is none: {error}"[:300]) from None
        if asked.method not in METHODS:
            raise Fault("bad_output", f"its request has a method that is none of {', '.join(METHODS)}")
        self._requests += 1
        if self._requests > HTTP_CALLS_LIMIT:
            raise Fault("too_large", f"a call sends at most {HTTP_CALLS_LIMIT} requests")
        return self._told(asked, self._sent(asked))

    def _sent(self, asked: Request) -> Exchanged | Ending:
        """Raises `Fault` when the call is stopped meanwhile."""
        names = {name.lower() for name in self._headers}
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in names}
        wanted: dict[str, Json] = {
            "method": asked.method,
            "url": asked.url,
            "headers": {**headers, **self._headers},
            "body": msgspec.json.decode(asked.body),
        }
        identity = f"{self._attempt.id}-{self._requests}"
        attempt = replace(self._attempt, id=identity, request=wanted, takes=())
        sending = self._outside.http.exchange(attempt, only=self._hosts)
        self._waiting = asyncio.run_coroutine_threadsafe(sending, self._loop)
        try:
            if self._running.is_interrupted:
                self._waiting.cancel()
            return self._waiting.result()
        except CancelledError:
            raise Fault("interrupted", "it was stopped while it waited for an answer") from None
        finally:
            self._waiting = None

    def _told(self, asked: Request, answer: Exchanged | Ending) -> Answer:
        """The response as the module sees it, with an audit event."""
        if isinstance(answer, Ending):
            self._tell(
                "wasm.http", {"method": asked.method, "url": _place(asked.url), "refused": answer.cause}
            )
            return Answer(False, f"{answer.cause}: {answer.message}"[:500].encode())
        status, headers, body = answer
        self._tell("wasm.http", {"method": asked.method, "url": _place(asked.url), "status": status})
        document = {
            "status": status,
            "headers": {
                name.lower(): value for name, value in headers.items() if name.lower() != "set-cookie"
            },
            "body": body.decode(errors="replace"),
        }
        return Answer(True, msgspec.json.encode(document))

    def _tell(self, event: str, keys: Mapping[str, Json]) -> None:
        self._outside.audit(
            event,
            {
                "invocation": self._attempt.id,
                "app": self._attempt.app,
                "effect": self._attempt.effect,
                **keys,
            },
        )


def _place(url: str) -> str:
    """A request's destination, without its content."""
    return url.partition("?")[0].partition("#")[0][:200]
