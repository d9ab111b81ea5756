"""The API in process, over a store in memory, with everything running in the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from time import perf_counter

import httpx2
from starlette.routing import Route
from tests.runtime.harness import Scripted, example, install

from lathe.api.answers import Scope
from lathe.api.app import Api
from lathe.api.blueprints import Blueprints
from lathe.api.callers import Authenticator, Development, Principal
from lathe.api.checks import CheckRoutes
from lathe.api.cursor import Cursors
from lathe.api.kept import Checks, summary
from lathe.api.limits import Limits
from lathe.api.server import Gatekeeper
from lathe.api.simulations import Simulations, notice
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

    async def principal(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal:
        given = headers.get(b"x-test")
        if given is None:
            return await self._others.principal(headers, scope)
        name, _, rest = given.decode().partition("=")
        roles, _, actions = rest.partition("/")
        limits = frozenset(actions.split(",")) if actions else None
        return Principal(name, frozenset(roles.split(",")), (name,), actions=limits)

    async def stands(self, principal: Principal) -> None:
        """Whoever a test names is known."""


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
        settings=Settings("test"),
    )
    await node.start()
    authenticator = Named(Development(tokens))
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
    transport = httpx2.ASGITransport(api, raise_app_exceptions=False)
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
