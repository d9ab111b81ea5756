"""A house with tokens: the API over a store, as `serve` puts it together, in the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import perf_counter

import httpx2
from starlette.routing import Route
from tests.runtime.harness import example, install

from lathe.api.access.authentication import TokenAuthenticator
from lathe.api.access.overrides import Overrides
from lathe.api.app import Api
from lathe.api.identity.oidc import SignInRoutes
from lathe.api.identity.session import Sessions
from lathe.api.identity.tokens import TokenRoutes
from lathe.api.review.approvals import Approvals
from lathe.api.review.blueprints import Blueprints
from lathe.api.review.decisions import DecisionRoutes
from lathe.api.review.recent_checks import Checks
from lathe.api.wire.cursor import Cursors
from lathe.effect.base import Attempt, Ending
from lathe.gate.judge import ChildGate
from lathe.govern.decisions import Decisions
from lathe.govern.issuers import Issuers
from lathe.govern.keyring import Keyring
from lathe.govern.signin import SignIns
from lathe.lang import digest, read_app
from lathe.runtime.catalog import Catalog
from lathe.runtime.clock import Ids, SystemClock
from lathe.runtime.config import ApplySettings, IssuerSettings, aliases_of
from lathe.runtime.metrics import Metrics
from lathe.runtime.node import Node
from lathe.runtime.outbox import Settings
from lathe.runtime.swap import Swapper
from lathe.runtime.tokens import Tokens
from lathe.store.base import Apply, Store
from lathe.store.memory import MemoryStore
from lathe.store.records import Version

KEY = b"k" * 32
ORDER = "/v1/order/orders"


class Silent:
    """An adapter whose other side never answers: an order that was placed stays open."""

    async def perform(self, attempt: Attempt) -> Ending:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def close(self) -> None:
        return


class Clock:
    """The machine's clock, and as much later as a test says."""

    def __init__(self) -> None:
        self.later_ms = 0

    def now_ms(self) -> int:
        return SystemClock().now_ms() + self.later_ms


class House:
    """One process: a client for each token, and what is behind them."""

    def __init__(self, store: Store, issuers: Mapping[str, IssuerSettings] | None = None) -> None:
        self.clock = Clock()
        self.store = store
        ids = Ids(self.clock)
        self.tokens = Tokens(KEY, self.clock)
        self.node = Node(
            store,
            self.clock,
            ids,
            performers=dict.fromkeys(("http", "emit", "process"), Silent()),
            lookups=lambda outgoing, timeout_ms: lambda scope, name: name,
            settings=Settings("test", drain_seconds=0.2),
        )
        catalog = self.node.engine.catalog
        self.keyring = Keyring(store, catalog, self.clock, ids)
        self.seconds = 0.0
        self.failures: list[str] = []
        self.tables = issuers or {}
        self.issuers: Issuers | None = None
        self.sign_in: SignIns | None = None
        if issuers is not None:
            self.issuers = Issuers.of(issuers, self.clock, seconds=lambda: self.seconds, failed=self._failed)
            self.sign_in = SignIns.of(
                self.issuers, issuers, key=KEY, clock=self.clock, read_secret=lambda secret: secret.env
            )
        self.bearers = TokenAuthenticator(
            self.tokens, self.keyring, catalog, self.clock, lambda: self.seconds, self.issuers
        )
        self.api = Api(
            self.node,
            self.bearers,
            cursors=Cursors(KEY),
            metrics=Metrics(),
            seconds=perf_counter,
            routes=self._routes(catalog, ids),
            overrides=Overrides(self.node.engine, self.decisions),
        )
        self.deciding.commands = self.api.commands
        self.operator = ""

    def _failed(self, work: str, error: Exception) -> None:
        self.failures.append(f"{work}: {error}")

    def _routes(self, catalog: Catalog, ids: Ids) -> tuple[Route, ...]:
        """What this process answers beside what its apps do."""
        engine, bearers = self.node.engine, self.bearers
        gate = ChildGate()
        swapper = Swapper(engine, gate)
        checks = Checks(self.clock.now_ms)
        self.applying = ApplySettings()
        self.decisions = Decisions(self.store, catalog, self.clock, ids, aliases=aliases_of(self.tables))
        holder = Approvals(self.decisions, lambda tenant, app: self.applying)
        blueprints = Blueprints(engine, swapper, bearers, checks, holder)
        sessions = Sessions(bearers, bearers, self.keyring, self.clock, self.sign_in)
        self.deciding = DecisionRoutes(engine, swapper, bearers, self.decisions, blueprints)
        return (
            *TokenRoutes(bearers, self.keyring, self.store).routes(),
            *sessions.routes(),
            *SignInRoutes(self.sign_in, sessions, bearers).routes(),
            *blueprints.routes(),
            *self.deciding.routes(),
        )

    def client(self, token: str | None = None, **headers: str) -> httpx2.AsyncClient:
        """A client that shows a token (None: nothing)."""
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        transport = httpx2.ASGITransport(self.api, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers)

    async def ask(
        self, token: str | None, method: str, path: str, body: object = None, **headers: str
    ) -> httpx2.Response:
        async with self.client(token, **headers) as client:
            return await client.request(method, path, json=body)

    async def made(self, by: str, principal: str, **more: object) -> str:
        """A new token's text."""
        answer = await self.ask(by, "POST", "/v1/tokens", {"principal": principal, **more})
        assert answer.status_code == 201, answer.text
        text: str = answer.json()["token"]
        return text

    async def refused(self, by: str, principal: str, **more: object) -> str:
        """The code that a token is refused with."""
        answer = await self.ask(by, "POST", "/v1/tokens", {"principal": principal, **more})
        assert answer.status_code >= 400, answer.text
        code: str = answer.json()["code"]
        return code


@asynccontextmanager
async def house(
    store: Store | None = None,
    *,
    files: Mapping[str, bytes] | None = None,
    issuers: Mapping[str, IssuerSettings] | None = None,
) -> AsyncIterator[House]:
    """A process on a store: one in memory with the order example, if none is given.

    `issuers` are tables as the configuration has them.
    """
    if store is None:
        memory = MemoryStore(SystemClock().now_ms)
        await install(memory, files or example("order"))
        store = memory
    found = House(store, issuers)
    await found.node.start()
    first = await found.keyring.first()
    if first is not None:
        found.operator = first.text
    try:
        yield found
    finally:
        found.api.stop()
        await found.node.stop()
        if found.issuers is not None:
            await found.issuers.close()


async def install_for(store: Store, tenant: str, files: Mapping[str, bytes]) -> None:
    """Make an app current for a tenant, without any check."""
    app = read_app(files).app
    assert app is not None
    version = Version(tenant, app.name, digest(app), dict(files), b"{}", 0, "test")
    answer = await store.apply(Apply(version, (await store.governing()).get((tenant, app.name))))
    assert answer.verdict == "accepted", answer


def code(answer: httpx2.Response) -> str:
    """The code of a problem; the status of anything else."""
    return str(answer.json().get("code", answer.status_code)) if answer.content else str(answer.status_code)


__all__ = ["KEY", "ORDER", "Clock", "House", "code", "house", "install_for"]
