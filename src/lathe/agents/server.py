"""The tools over the Model Context Protocol, by its official SDK (`pip install lathe[mcp]`).

`stdio` serves one agent on this machine; `Mcp` answers `/mcp` of a runtime (streamable HTTP, no sessions: any
process may answer), each request in the name of the token that it carries.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import httpx2
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from lathe import __version__
from lathe.agents.calls import Answer, Workshop, by_runtime, call
from lathe.agents.telling import Row
from lathe.agents.tools import TOOLS
from lathe.api.wire.answers import Receive, Scope, Send

Context = ServerRequestContext[object]

INSTRUCTIONS = (
    "Lathe runs verified state machines. To build: explain language, check, diff, apply. "
    "To use: list, actions, act. Answers say what to do next."
)
FORWARDED = ("authorization", "traceparent")
"""Headers of an agent's request that go on to the API: who it is, and which trace it is part of."""


def server(workshop: Callable[[Context], AbstractAsyncContextManager[Workshop]]) -> Server[object]:
    """A server of the ten tools; `workshop` gives what they work with, while one request is answered."""

    async def listed(context: Context, asked: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=described())

    async def called(context: Context, asked: types.CallToolRequestParams) -> types.CallToolResult:
        given: Row = asked.arguments or {}
        async with workshop(context) as work:
            return _result(await call(work, asked.name, given))

    return Server(
        "lathe",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=listed,
        on_call_tool=called,
    )


def described() -> list[types.Tool]:
    """The tools as the protocol tells them."""
    return [
        types.Tool(
            name=tool.name,
            description=tool.description,
            input_schema=tool.schema,
            annotations=types.ToolAnnotations(
                read_only_hint=tool.is_read_only, destructive_hint=tool.is_destructive or None
            ),
        )
        for tool in TOOLS
    ]


def _result(answer: Answer) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=answer.text)], is_error=answer.is_error
    )


async def stdio(workshop: Workshop) -> None:
    """Serve the agent at the other end of stdin and stdout, until it goes."""
    made = server(lambda _: nullcontext(workshop))
    async with stdio_server() as (reading, writing):
        await made.run(reading, writing, made.create_initialization_options())


class Mcp:
    """`/mcp` of one runtime, as an ASGI application."""

    def __init__(self, client: Callable[[dict[str, str]], httpx2.AsyncClient]) -> None:
        """`client` makes one that reaches the runtime's API with the headers given."""
        self._client = client
        self._manager = StreamableHTTPSessionManager(
            server(self._workshop), json_response=True, stateless=True
        )
        self._running: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Begin, if it has not. Raises what the SDK fails to begin with, each time."""
        if self._started is None:
            loop = asyncio.get_running_loop()
            self._started = loop.create_future()
            self._running = loop.create_task(self._run(self._started), name="mcp")
        await asyncio.shield(self._started)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, once it is started."""
        await self._manager.handle_request(scope, receive, send)

    async def close(self) -> None:
        """End it; what is being answered is cut off."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self, started: asyncio.Future[None]) -> None:
        try:
            async with self._manager.run():
                started.set_result(None)
                await asyncio.Event().wait()
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)
        finally:
            started.cancel()

    @asynccontextmanager
    async def _workshop(self, context: Context) -> AsyncIterator[Workshop]:
        request = context.request
        headers = (
            {} if request is None else {n: request.headers[n] for n in FORWARDED if n in request.headers}
        )
        async with self._client(headers) as client:
            yield Workshop(client, None, by_runtime(client))
