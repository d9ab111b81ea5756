"""A node over a store in memory, inside a simulated world: what the tests of the runtime begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lathe.effect.base import Attempt, Ending, Performer
from lathe.frozen import frozen
from lathe.lang import digest, read_app
from lathe.lang.model import App
from lathe.machine.event import Act, Caller, Create
from lathe.machine.snapshot import Value
from lathe.runtime.clock import Ids
from lathe.runtime.conformance import told_of
from lathe.runtime.engine import Command, Committed, Result
from lathe.runtime.node import Node
from lathe.runtime.outbox import Report, Settings
from lathe.sim.loop import SimLoop
from lathe.store.base import Apply
from lathe.store.memory import MemoryStore
from lathe.store.records import Outgoing, Version

EXAMPLES = Path(__file__).parents[2] / "examples"
TENANT = "main"


def example(name: str) -> dict[str, bytes]:
    """The files of an example."""
    return {
        path.name: path.read_bytes()
        for path in sorted((EXAMPLES / name).iterdir())
        if path.suffix in (".toml", ".cedar")
    }


def read(files: Mapping[str, bytes]) -> App:
    """The app of some files."""
    app = read_app(files).app
    assert app is not None
    return app


@frozen
class Admitted:
    """What a gate that admits everything says."""

    app: str
    digest: str
    verdict: str = "admitted"
    report: bytes = b"{}"


class Admits:
    async def judge(
        self, files: Mapping[str, bytes], *, against: Mapping[str, bytes] | None, accept_bounds: bool
    ) -> Admitted:
        app = read_app(files).app
        assert app is not None
        return Admitted(app.name, digest(app))


class Scripted:
    """An adapter that does what a test says: for each effect a function from attempt to ending."""

    def __init__(self, **scripts: Callable[[Attempt], Any]) -> None:
        self.scripts = scripts
        self.attempts: list[Attempt] = []

    async def perform(self, attempt: Attempt) -> Ending:
        self.attempts.append(attempt)
        script = self.scripts.get(attempt.effect)
        found = script(attempt) if script else Ending(ok=True)
        return found if isinstance(found, Ending) else await found

    async def close(self) -> None:
        pass


def node_of(
    loop: SimLoop,
    store: MemoryStore,
    performer: Performer | None = None,
    *,
    worker: str = "one",
    report: Report = lambda kind, outgoing, words: None,
) -> Node:
    """A node in the world of `loop`."""
    performers = dict.fromkeys(("http", "emit", "process"), performer or Scripted())

    def lookups(outgoing: Outgoing, timeout_ms: int) -> Callable[[str, str], str]:
        return lambda scope, name: f"<{scope}:{name}>"

    return Node(
        store,
        loop,
        Ids(loop, loop.random.getrandbits),
        performers=performers,
        lookups=lookups,
        settings=Settings(worker, jitter=loop.random.random),
        report=report,
    )


async def install(store: MemoryStore, files: Mapping[str, bytes]) -> App:
    """Make an app current, without any check."""
    app = read(files)
    key = (TENANT, app.name)
    version = Version(TENANT, app.name, digest(app), dict(files), b"{}", 0, "test")
    answer = await store.apply(Apply(version, (await store.governing()).get(key)))
    assert answer.verdict == "accepted", answer
    return app


def person(app: App, name: str = "ann", roles: frozenset[str] | None = None) -> Caller:
    """A caller that holds every role, or the given ones."""
    return Caller("role", None, frozenset(app.roles) if roles is None else roles, name)


async def create(node: Node, app: App, blueprint: str, by: Caller | None = None, **args: Any) -> str:
    """Create an entity; its id."""
    name = node.engine.ids.new()
    caller = by or person(app)
    command = Command(
        TENANT,
        app.name,
        name,
        "create",
        lambda now: Create(blueprint, name, args, caller, now),
        told_of(caller),
        str(caller),
    )
    result = await node.engine.execute(command)
    assert isinstance(result, Committed), result
    return name


async def act(
    node: Node, app: App, entity: str, action: str, by: Caller | None = None, **args: Value
) -> Result:
    """Take an action."""
    caller = by or person(app)
    command = Command(
        TENANT,
        app.name,
        entity,
        "act",
        lambda now: Act(entity, action, args, caller, now),
        told_of(caller),
        str(caller),
    )
    return await node.engine.execute(command)


async def state_of(node: Node, app: App, entity: str) -> str:
    """The committed state of an entity."""
    held = await node.engine.read(node.engine.catalog.live(TENANT, app.name), entity)
    assert held is not None
    return held.entity.state
