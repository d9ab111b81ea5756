"""The API in process, over a store in memory, with everything running in the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import perf_counter

import httpx2
from tests.runtime.harness import Scripted, example, install

from lathe.api.app import Api
from lathe.api.callers import Authenticator, Development, Principal
from lathe.api.cursor import Cursors
from lathe.api.limits import Limits
from lathe.effect.base import Performer
from lathe.runtime.clock import Ids, SystemClock
from lathe.runtime.metrics import Metrics
from lathe.runtime.node import Node
from lathe.runtime.outbox import Settings
from lathe.runtime.tokens import Tokens
from lathe.store.memory import MemoryStore

KEY = b"k" * 32


class Named:
    """Lets a test say who calls: `x-test: ann=asker,worker`."""

    def __init__(self, others: Authenticator) -> None:
        self._others = others

    def principal(self, headers: Mapping[bytes, bytes]) -> Principal:
        given = headers.get(b"x-test")
        if given is None:
            return self._others.principal(headers)
        name, _, roles = given.decode().partition("=")
        return Principal(name, frozenset(roles.split(",")), (name,))


@asynccontextmanager
async def serving(
    *names: str,
    performer: Performer | None = None,
    files: Mapping[str, bytes] | None = None,
    limits: Limits | None = None,
    secrets: Mapping[str, str] | None = None,
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a node on which these examples run."""
    clock = SystemClock()
    store = MemoryStore(clock.now_ms)
    for name in names:
        await install(store, example(name))
    if files is not None:
        await install(store, files)
    tokens = Tokens(KEY, clock)
    adapter = performer or Scripted()
    node = Node(
        store,
        clock,
        Ids(clock),
        performers=dict.fromkeys(("http", "emit", "process"), adapter),
        lookups=lambda outgoing: (
            lambda scope, name: tokens.mint(outgoing, 60_000) if scope == "token" else name
        ),
        settings=Settings("test"),
    )
    await node.start()
    api = Api(
        node,
        Named(Development(tokens)),
        cursors=Cursors(KEY),
        metrics=Metrics(),
        seconds=perf_counter,
        limits=limits,
        secrets=lambda app, name: (secrets or {}).get(name),
    )
    transport = httpx2.ASGITransport(api, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    api.stop()
    await node.stop()


async def until(client: httpx2.AsyncClient, path: str, state: str, *, seconds: float = 5.0) -> None:
    """Wait until an entity is in a state."""
    async with asyncio.timeout(seconds):
        while (await client.get(path)).json()["state"] != state:
            await asyncio.sleep(0.01)
