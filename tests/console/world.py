"""A console with a world behind it that stands still: real answers of the real API, at a fixed time.

The server runs in a thread. What lives in it is made by commands, as a user would, at the moments that the
test says; nothing moves unless a test moves it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from time import perf_counter
from typing import Any, TypeVar

import httpx2
import uvicorn
from tests.api.client import KEY
from tests.runtime.harness import Scripted, example, install
from tests.runtime.processes import free_port

from lathe.api.access.authentication import Authenticator, DevAuthenticator, TokenAuthenticator
from lathe.api.access.overrides import Overrides
from lathe.api.app import Api
from lathe.api.identity.session import Sessions
from lathe.api.identity.tokens import TokenRoutes
from lathe.api.review.approvals import Approvals
from lathe.api.review.blueprints import Blueprints
from lathe.api.review.checks import CheckRoutes
from lathe.api.review.decisions import DecisionRoutes
from lathe.api.review.recent_checks import Checks, summary
from lathe.api.review.simulations import Simulations, notice
from lathe.api.wire.cursor import Cursors
from lathe.console.app import Console
from lathe.gate.judge import ChildGate
from lathe.govern.decisions import Decisions
from lathe.govern.keyring import Keyring
from lathe.runtime.clock import Ids
from lathe.runtime.config import ApplySettings
from lathe.runtime.metrics import Metrics
from lathe.runtime.node import Node
from lathe.runtime.outbox import Settings
from lathe.runtime.swap import Swapper
from lathe.runtime.tokens import Tokens
from lathe.store.memory import MemoryStore

T = TypeVar("T")

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
"""Now, in this world."""
NOON_MS = int(NOON.timestamp() * 1000)


class StillClock:
    """A clock that moves when it is told to."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms


class World:
    """The node, its API and the console in front of it, in a loop of their own."""

    def __init__(
        self, apps: Mapping[str, Mapping[str, bytes]], *, seed: int = 7, is_open: bool = True
    ) -> None:
        self.first_token = ""
        self._is_open = is_open
        self.port = free_port()
        self.clock = StillClock(NOON_MS)
        self.adapter = Scripted()
        self.over = asyncio.Event()
        self.gate = ChildGate()
        self._apps = apps
        self._random = Random(seed)
        self._loop = asyncio.new_event_loop()
        self._server: uvicorn.Server | None = None
        self._served: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self.api: Api | None = None
        self.node: Node | None = None
        self.simulations: Simulations | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, until `stop`."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        ready = asyncio.run_coroutine_threadsafe(self._serving(), self._loop)
        ready.result(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _serving(self) -> None:
        store = MemoryStore(self.clock.now_ms)
        for files in self._apps.values():
            await install(store, files)
        tokens = Tokens(KEY, self.clock)
        ids = Ids(self.clock, self._random.getrandbits)
        self.node = Node(
            store,
            self.clock,
            ids,
            performers=dict.fromkeys(("http", "emit", "process"), self.adapter),
            lookups=lambda outgoing, timeout_ms: (
                lambda scope, name: tokens.mint(outgoing, timeout_ms) if scope == "token" else name
            ),
            settings=Settings("test", lease_ms=600_000),
        )
        await self.node.start()
        engine, gate, checks = self.node.engine, self.gate, Checks(self.clock.now_ms)
        keyring = Keyring(store, engine.catalog, self.clock, ids)
        bearers = TokenAuthenticator(tokens, keyring, engine.catalog, self.clock, perf_counter)
        authenticator: Authenticator = DevAuthenticator(tokens, bearers) if self._is_open else bearers
        if not self._is_open:
            made = await keyring.first()
            assert made is not None, "the store is empty"
            self.first_token = made.text
        swapper = Swapper(engine, gate)
        simulations = self.simulations = Simulations(engine, gate, authenticator, checks)
        decisions = Decisions(store, engine.catalog, self.clock, ids)
        held = ApplySettings(held="never") if self._is_open else ApplySettings()
        holder = Approvals(decisions, lambda tenant, app: held)
        blueprints = Blueprints(engine, swapper, authenticator, checks, holder)
        deciding = DecisionRoutes(engine, swapper, authenticator, decisions, blueprints)
        self.api = Api(
            self.node,
            authenticator,
            cursors=Cursors(KEY),
            metrics=Metrics(),
            seconds=perf_counter,
            routes=(
                *blueprints.routes(),
                *deciding.routes(),
                *CheckRoutes(engine, swapper, gate, authenticator, checks).routes(),
                *simulations.routes(),
                *TokenRoutes(authenticator, keyring, store).routes(),
                *Sessions(authenticator, bearers, keyring, self.clock).routes(),
            ),
            overrides=Overrides(engine, decisions),
        )
        deciding.commands = self.api.commands
        announce = self.api.stream.announce
        checks.on_kept(lambda kept: announce("check", kept.tenant, kept.app, summary(kept)))
        simulations.on_change(lambda one: announce("simulation", one.tenant, one.subject.app, notice(one)))
        await self.listen()

    async def listen(self) -> None:
        """Take connections, on the same port as before."""
        assert self.api is not None, "it was started"
        config = uvicorn.Config(
            Console(self.api), host="127.0.0.1", port=self.port, log_level="error", lifespan="off",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._served = asyncio.create_task(self._server.serve())
        while not self._server.started:
            assert not self._served.done(), "the server does not come up"
            await asyncio.sleep(0.01)

    def do(self, work: Callable[[World], Awaitable[T]]) -> T:
        """Do something in the server's own loop."""

        async def doing() -> T:
            return await work(self)

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result(30)

    def request(self, method: str, path: str, **more: Any) -> Any:
        """Ask the API, as a user would; the JSON of its answer."""

        async def asking(world: World) -> Any:
            assert world.api is not None
            transport = httpx2.ASGITransport(world.api, raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
                answer = await client.request(method, path, **more)
                assert answer.is_success, answer.text
                return answer.json()

        return self.do(asking)

    def create(self, app: str, plural: str, **sets: Any) -> str:
        """A new entity; its id."""
        found: str = self.request("POST", f"/v1/{app}/{plural}", json=sets)["id"]
        return found

    def act(self, app: str, plural: str, entity: str, action: str, **args: Any) -> None:
        """An action on it."""
        self.request("POST", f"/v1/{app}/{plural}/{entity}/{action}", json=args)

    def until(self, path: str, state: str) -> None:
        """Wait until an entity is in a state."""

        async def waiting(world: World) -> None:
            async with asyncio.timeout(10):
                while await self._state(path) != state:
                    await asyncio.sleep(0.01)

        self.do(waiting)

    async def _state(self, path: str) -> str:
        assert self.api is not None
        transport = httpx2.ASGITransport(self.api, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            found: str = (await client.get(path)).json()["state"]
            return found

    def vanish(self) -> None:
        """The server is gone; what it held is not."""

        async def vanishing(world: World) -> None:
            assert world._server is not None and world.api is not None
            world._server.force_exit = True
            world._server.should_exit = True
            world.api.stream.close()
            assert world._served is not None
            await world._served

        self.do(vanishing)

    def appear(self) -> None:
        """It is back."""

        async def appearing(world: World) -> None:
            assert world.api is not None
            world.api.stream._is_closing = False
            await world.listen()

        self.do(appearing)

    def stop(self) -> None:
        """End everything."""

        async def ending(world: World) -> None:
            assert world.api is not None and world.node is not None
            assert world.simulations is not None
            world.over.set()
            await world.simulations.stop()
            async with asyncio.timeout(60):
                while world.gate.is_looking:  # a child of the gate ends before its loop does
                    await asyncio.sleep(0.01)
            world.api.stop()
            if world._server is not None and world._served is not None:
                world._server.should_exit = True
                await world._served
            await world.node.stop()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.01)  # connections that were closed are told so, and let go

        self.do(ending)
        self._loop.call_soon_threadsafe(self._loop.stop)
        assert self._thread is not None
        self._thread.join(10)
        self._loop.close()


@contextmanager
def world(*names: str, is_open: bool = True, **files: Mapping[str, bytes]) -> Iterator[World]:
    """A world in which these examples, and apps of these files, are loaded.

    In one that is open, who shows no token is the development principal; in one that is not, `first_token` is
    an operator's.
    """
    found = World({**{name: example(name) for name in names}, **files}, is_open=is_open)
    found.start()
    try:
        yield found
    finally:
        found.stop()
