"""The API in process, over a store in memory, with everything running in the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any, cast

import httptools
import httpx2
import uvicorn
from starlette.routing import Route
from tests.runtime.harness import Scripted, example, install
from uvicorn.server import ServerState

from lathe.api.access.authentication import Authenticator, DevAuthenticator, Principal
from lathe.api.app import Api
from lathe.api.review.blueprints import Blueprints
from lathe.api.review.checks import CheckRoutes
from lathe.api.review.recent_checks import Checks, summary
from lathe.api.review.simulations import Simulations, notice
from lathe.api.server import Gatekeeper
from lathe.api.wire.answers import Scope
from lathe.api.wire.connection import Connection
from lathe.api.wire.cursor import Cursors
from lathe.api.wire.limits import Limits
from lathe.effect.base import Performer
from lathe.runtime.clock import Ids, SystemClock
from lathe.runtime.metrics import Metrics
from lathe.runtime.node import Node
from lathe.runtime.outbox import Settings
from lathe.runtime.swap import Swapper
from lathe.runtime.tokens import Tokens
from lathe.store.memory import MemoryStore

KEY = b"k" * 32


class Named:
    """Lets a test say who calls: `x-test: ann=asker,worker`, or `ann=asker/close` with a limited token."""

    def __init__(self, others: Authenticator) -> None:
        self._others = others

    def known(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal | None:
        return self._named(headers) or self._others.known(headers, scope)

    async def principal(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal:
        return self._named(headers) or await self._others.principal(headers, scope)

    def _named(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        given = headers.get(b"x-test")
        if given is None:
            return None
        name, _, rest = given.decode().partition("=")
        roles, _, actions = rest.partition("/")
        limits = frozenset(actions.split(",")) if actions else None
        return Principal(name, frozenset(roles.split(",")), (name,), actions=limits)

    async def stands(self, principal: Principal) -> None:
        """Whoever a test names is known."""


is_wired: ContextVar[bool] = ContextVar("is_wired", default=False)
"""Whether requests go through the protocol of a connection, as from outside, instead of ASGI's messages."""


class Wire:
    """The transport of a connection, on which one answer is waited for."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.over = asyncio.Event()
        self.is_closed = False
        self._parser = httptools.HttpResponseParser(self)

    def write(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.over.set()

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True
        self.over.set()

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 50_000) if name == "peername" else None

    def __getattr__(self, name: str) -> Any:
        return lambda *given: None


class Wired(httpx2.AsyncBaseTransport):
    """Sends each request on a connection of its own; event streams, which do not end, through ASGI."""

    def __init__(self, api: Api, asgi: httpx2.AsyncBaseTransport) -> None:
        self._asgi, self._api = asgi, api
        self._config = uvicorn.Config(api, http=Connection, ws="none", lifespan="off", log_level="critical")
        self._config.load()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/events":
            return await self._asgi.handle_async_request(request)
        body = await request.aread()
        headers = [(n, v) for n, v in request.headers.raw if n.lower() != b"content-length"]
        lines = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
        lines += [n + b": " + v for n, v in headers] + [b"content-length: %d" % len(body), b"", body]
        wire = Wire()
        loop = asyncio.get_running_loop()
        connection = Connection(self._config, ServerState(), {}, loop, quick=self._api)
        connection.connection_made(cast(asyncio.Transport, wire))
        connection.data_received(b"\r\n".join(lines))
        await wire.over.wait()
        connection.connection_lost(None)
        return httpx2.Response(wire.status, headers=wire.headers, content=wire.body)


@asynccontextmanager
async def serving(
    *names: str,
    performer: Performer | None = None,
    files: Mapping[str, bytes] | None = None,
    limits: Limits | None = None,
    secrets: Mapping[str, str] | None = None,
    gate: Gatekeeper | None = None,
    seed: Callable[[MemoryStore], Awaitable[None]] | None = None,
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a node on which these examples run. With a gate, versions can be checked and loaded."""
    clock = SystemClock()
    store = MemoryStore(clock.now_ms)
    for name in names:
        await install(store, example(name))
    if files is not None:
        await install(store, files)
    if seed is not None:
        await seed(store)
    tokens = Tokens(KEY, clock)
    adapter = performer or Scripted()
    node = Node(
        store,
        clock,
        Ids(clock),
        performers=dict.fromkeys(("http", "emit", "process"), adapter),
        lookups=lambda outgoing, timeout_ms: (
            lambda scope, name: tokens.mint(outgoing, timeout_ms) if scope == "token" else name
        ),
        settings=Settings("test", drain_seconds=0.2),
    )
    await node.start()
    authenticator = Named(DevAuthenticator(tokens))
    checks = Checks(clock.now_ms)
    routes: tuple[Route, ...] = ()
    simulations: Simulations | None = None
    if gate is not None:
        swapper = Swapper(node.engine, gate)
        simulations = Simulations(node.engine, gate, authenticator, checks)
        routes = (
            *Blueprints(node.engine, swapper, authenticator, checks).routes(),
            *CheckRoutes(node.engine, swapper, gate, authenticator, checks).routes(),
            *simulations.routes(),
        )
    api = Api(
        node,
        authenticator,
        cursors=Cursors(KEY),
        metrics=Metrics(),
        seconds=perf_counter,
        limits=limits,
        secrets=lambda tenant, app, name: (secrets or {}).get(name),
        routes=routes,
    )
    checks.on_kept(lambda kept: api.stream.announce("check", kept.tenant, kept.app, summary(kept)))
    if simulations is not None:
        simulations.on_change(
            lambda one: api.stream.announce("simulation", one.tenant, one.subject.app, notice(one))
        )
    asgi = httpx2.ASGITransport(api, raise_app_exceptions=False)
    transport = Wired(api, asgi) if is_wired.get() else asgi
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    if simulations is not None:
        await simulations.stop()
    api.stop()
    await node.stop()


async def until(client: httpx2.AsyncClient, path: str, state: str, *, seconds: float = 5.0) -> None:
    """Wait until an entity is in a state."""
    async with asyncio.timeout(seconds):
        while (await client.get(path)).json()["state"] != state:
            await asyncio.sleep(0.01)
