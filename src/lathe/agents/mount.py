"""`/mcp` in front of an application: the agents' tools, answered in the name of whoever asks."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import httpx2

from lathe.api.app import Api
from lathe.api.wire.answers import Application, Receive, Scope, Send, answer_problem, problem_of
from lathe.api.wire.problem import Problem

if TYPE_CHECKING:
    from lathe.agents.server import Mcp

PATH = "/mcp"
HERE = "http://127.0.0.1"
TIMEOUT_SECONDS = 75.0


class Agents:
    """An ASGI application around another one. The SDK is loaded with the first request."""

    def __init__(self, inner: Application, api: Api) -> None:
        self._inner = inner
        self._api = api
        self._mcp: Mcp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Who calls must be known before anything is listed."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._inner(scope, receive, send)
            return
        try:
            await self._api.principal(scope)
            mcp = self._loaded()
            await mcp.start()
        except Exception as error:  # noqa: BLE001  every failure is answered, as what it is
            await answer_problem(send, problem_of(error))
            return
        await mcp(scope, receive, send)

    @property
    def is_loaded(self) -> bool:
        """Whether anybody asked yet."""
        return self._mcp is not None

    async def close(self) -> None:
        """End what is being answered."""
        if self._mcp is not None:
            await self._mcp.close()

    def _loaded(self) -> Mcp:
        if self._mcp is None:
            if find_spec("mcp") is None:
                raise Problem("LR501.extra", "install `lathe[mcp]` to serve agents here")
            from lathe.agents.server import Mcp

            self._mcp = Mcp(self._client)
        return self._mcp

    def _client(self, headers: dict[str, str]) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(self._api, raise_app_exceptions=False)
        return httpx2.AsyncClient(
            transport=transport, base_url=HERE, headers=headers, timeout=TIMEOUT_SECONDS
        )
