"""Calls the API in this process as the caller who asked for a view."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from urllib.parse import quote, urlencode

import msgspec

from lathe.api.wire.answers import Application, Scope
from lathe.api.wire.problem import PROBLEMS, Problem
from lathe.lang.model import Json

KEPT = frozenset({b"authorization", b"cookie", b"host"})
"""Headers that say who calls."""


class Ask:
    """GET requests to an application, with the caller of one request."""

    def __init__(self, application: Application, scope: Scope) -> None:
        self._application = application
        self._scope = scope

    async def get(self, *parts: str, query: Mapping[str, str] | None = None) -> Json:
        """The JSON at `/v1/…`. Raises `Problem` as it was answered."""
        path = "/v1/" + "/".join(parts)
        headers = [pair for pair in self._scope["headers"] if pair[0] in KEPT]
        scope = {
            **self._scope,
            "method": "GET",
            "path": path,
            "raw_path": b"/v1/" + "/".join(quote(part, safe="") for part in parts).encode(),
            "query_string": urlencode(query or {}).encode(),
            "headers": [*headers, (b"accept", b"application/json")],
        }
        status, chunks = 500, list[bytes]()

        async def receive() -> MutableMapping[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, object]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(str(message["status"]))
            elif isinstance(body := message.get("body"), bytes):
                chunks.append(body)

        await self._application(scope, receive, send)
        document: Json = msgspec.json.decode(b"".join(chunks))
        if status == 200:
            return document
        raise _problem(document, status)


def _problem(document: Json, status: int) -> Problem:
    code = str(document.get("code")) if isinstance(document, dict) else ""
    if code not in PROBLEMS:
        return Problem("LR500.defect", f"the API answers {status}")
    assert isinstance(document, dict), "it has a code"
    return Problem(code, str(document.get("detail") or ""))
