"""A runtime in this process for benches: a store of its own in a folder, and entities made in bulk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lathe.lang import digest, read_app
from lathe.lang.model import App
from lathe.machine.event import Act, Caller, Create, Event
from lathe.machine.snapshot import Value
from lathe.runtime.clock import Ids, SystemClock
from lathe.runtime.conformance import told_of
from lathe.runtime.engine import Command, Committed
from lathe.runtime.node import Node
from lathe.runtime.outbox import Settings
from lathe.store.base import Apply
from lathe.store.records import Version
from lathe.store.sqlite.store import SqliteStore

TENANT = "main"
TOGETHER = 512
"""Commands at once: a whole group."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a gate that admits everything says of an app."""

    app: str
    digest: str
    verdict: str = "admitted"
    report: bytes = b"{}"


class Admits:
    """A gate that looks at nothing: what it says is not what is measured."""

    async def judge(
        self, files: Mapping[str, bytes], *, against: Mapping[str, bytes] | None, accept_bounds: bool
    ) -> Admitted:
        app = app_of(files)
        return Admitted(app.name, digest(app))


def app_of(files: Mapping[str, bytes]) -> App:
    """The app of some files."""
    app = read_app(files).app
    assert app is not None, "a bench's app can be read"
    return app


@asynccontextmanager
async def node_on(folder: Path, files: Mapping[str, bytes], *, works: bool = False) -> AsyncIterator[Node]:
    """A node on a SQLite store in a folder, with the app current; its workers run if it `works`."""
    clock = SystemClock()
    store = SqliteStore(folder)
    await store.open()
    node = Node(
        store, clock, Ids(clock), performers={},
        lookups=lambda outgoing, timeout_ms: lambda scope, name: name, settings=Settings("bench"),
    )  # fmt: skip
    app = app_of(files)
    if (TENANT, app.name) not in await store.governing():
        version = Version(TENANT, app.name, digest(app), dict(files), b"{}", clock.now_ms(), "bench")
        await store.apply(Apply(version, None))
    try:
        await (node.start() if works else node.engine.start())
        yield node
    finally:
        await (node.stop() if works else node.engine.stop())
        await store.close()


class Living:
    """Makes and moves entities of one app as whoever holds all its roles."""

    def __init__(self, node: Node, app: App) -> None:
        self._node = node
        self._app = app.name
        self._caller = Caller("role", None, frozenset(app.roles), "bench")

    async def create(
        self, blueprint: str, count: int, args: Callable[[int], Mapping[str, Value]]
    ) -> list[str]:
        """Many entities; the arguments by number."""
        names = [self._node.engine.ids.new() for _ in range(count)]

        def event(number: int) -> Callable[[int], Event]:
            given = args(number)
            return lambda now: Create(blueprint, names[number], given, self._caller, now)

        await self._all(count, lambda n: self._command(names[n], "create", event(n)))
        return names

    async def act(self, names: list[str], action: str, args: Mapping[str, Value], *, times: int) -> None:
        """An action on each of the entities, so many times."""
        count = len(names) * times

        def event(name: str) -> Callable[[int], Event]:
            return lambda now: Act(name, action, args, self._caller, now)

        def command(number: int) -> Command:
            name = names[number % len(names)]
            return self._command(name, "act", event(name))

        await self._all(count, command)

    async def _all(self, count: int, command: Callable[[int], Command]) -> None:
        for first in range(0, count, TOGETHER):
            some = range(first, min(first + TOGETHER, count))
            found = await asyncio.gather(*(self._node.engine.execute(command(n)) for n in some))
            assert all(isinstance(one, Committed) for one in found), found[0]

    def _command(self, name: str, kind: str, event: Callable[[int], Event]) -> Command:
        told, by = told_of(self._caller), str(self._caller)
        return Command(TENANT, self._app, name, kind, event, told, by)
