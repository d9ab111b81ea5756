"""One process of a simulated world: the runtime, with crashes, pauses and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from functools import partial
from random import Random
from typing import TypeVar

from lathe.api.access.authentication import TokenAuthenticator
from lathe.api.access.overrides import Overrides
from lathe.api.wire.problem import Problem
from lathe.effect.base import Performer
from lathe.errors import NotFoundError
from lathe.frozen import evolve, frozen
from lathe.govern.decisions import Decisions
from lathe.govern.keyring import Keyring
from lathe.runtime.backoff import told_to_loop
from lathe.runtime.clock import Ids
from lathe.runtime.committer import OverloadedError
from lathe.runtime.engine import BusyError, Command, Refused, Result, Standing
from lathe.runtime.housekeeping import Housekeeper
from lathe.runtime.intents import Intents
from lathe.runtime.monitor import Alert, Monitor
from lathe.runtime.node import Node
from lathe.runtime.outbox import Settings
from lathe.runtime.plan import Held
from lathe.runtime.tokens import Tokens
from lathe.sim.adapters import Outside
from lathe.sim.approvals import Asked
from lathe.sim.expiring_tokens import KEY, Pass, minted
from lathe.sim.loop import POWER, SimLoop
from lathe.sim.prepared import Prepared
from lathe.sim.store import SimStore
from lathe.store.base import StoreError
from lathe.store.records import Outgoing

T = TypeVar("T")

REBOOT_SECONDS = 5.0


class GoneError(Exception):
    """Who asked is not known any more."""


class OverError(GoneError):
    """What was shown does not count, or not any more."""


class DisconnectedError(Exception):
    """The process that was asked is gone."""


@frozen
class Surroundings:
    """What all processes of a world stand in. `cached` is how many entities each keeps in memory."""

    loop: SimLoop
    store: SimStore
    outside: Outside
    adapters: Sequence[str]
    prepared: Prepared
    random: Random
    log: Callable[[str], None]
    seed: int
    cached: int


class Skewed:
    """The clock of one process."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.off_ms = 0

    def now_ms(self) -> int:
        """The time as this process believes it to be."""
        return self._loop.now_ms() + self.off_ms


class Process:
    """One process of the runtime, with what of its API knows who asks, and what a denial becomes."""

    def __init__(self, around: Surroundings, name: str) -> None:
        self._around = around
        self._loop = around.loop
        self.name = name
        self.clock = Skewed(around.loop)
        self._ids = Ids(self.clock, Random(f"{around.seed}/{name}").getrandbits)
        self._tokens = Tokens(KEY, self.clock)
        self._life = 0
        self._open: dict[Callable[[], None], None] = {}
        """Whoever waits for an answer: each is told that this process is gone."""
        self.is_up = False
        self.boot()

    def boot(self) -> None:
        """Begin anew, from what is durable."""
        self._life += 1
        around = self._around
        self.power = self._loop.power(f"{self.name}.{self._life}")
        performer: Performer = around.outside.adapter()
        self.node = Node(
            around.store,
            self.clock,
            self._ids,
            performers=dict.fromkeys(around.adapters, performer),
            lookups=self._lookups,
            settings=Settings(self.power.name, jitter=around.random.random),
            cached=around.cached,
        )
        engine = self.node.engine
        keyring = Keyring(around.store, engine.catalog, self.clock, self._ids)
        self._bearers = TokenAuthenticator(self._tokens, keyring, engine.catalog, self.clock, self._loop.time)
        self._overrides = Overrides(engine, Decisions(around.store, engine.catalog, self.clock, self._ids))
        monitor = Monitor(_hears_nothing, now_ms=self.clock.now_ms, sampled=lambda: False)
        self.housekeeper = Housekeeper(
            engine, Intents(self.clock), monitor, key=b"simulated", failed=told_to_loop
        )
        engine.catalog.know({v.digest: v.table for v in around.prepared.versions})
        self._loop.create_task(self._start(self.node), name=f"boot {self.power.name}", context=self._inside())

    def _inside(self) -> Context:
        context = Context()
        context.run(POWER.set, self.power)
        return context

    def does(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Have it do something; if it dies, nobody hears of it."""
        return self._loop.create_task(work, context=self._inside())

    async def _start(self, node: Node) -> None:
        while True:
            try:
                await node.start()
                break
            except StoreError:
                await asyncio.sleep(0.2)
        self.is_up = True

    def _lookups(self, outgoing: Outgoing, timeout_ms: int) -> Callable[[str, str], str]:
        """What one try of an invocation is given: its token, wherever its request has a place for it."""
        given = minted(self._tokens, self.clock, outgoing, timeout_ms)
        self._around.outside.given[outgoing.entity, outgoing.number] = given
        return lambda scope, name: f"<{scope}:{name}>"

    def cut(self) -> None:
        """Pull the plug."""
        self._around.log(f"{self.power.name} dies")
        self.is_up = False
        self.power.is_cut = True
        waiting, self._open = list(self._open), {}
        for tell in waiting:
            tell()
        self._loop.call_later(
            self._around.random.random() * REBOOT_SECONDS, self._boot_again, context=Context()
        )

    def _boot_again(self) -> None:
        if not self._loop.is_over:
            self.boot()

    def stall(self, seconds: float) -> None:
        """Stand still for a while."""
        power = self.power
        power.is_stalled = True
        self._around.outside.excused.add(power)
        self._loop.call_later(seconds, self._loop.resume, power, context=Context())

    async def request(
        self,
        command: Command,
        *,
        hangs_up: bool = False,
        shown: Pass | None = None,
        asked: Asked | None = None,
    ) -> Result:
        """Ask for a command, from outside, with what is `shown`. If it is denied, what was `asked` for may
        let it pass. Raises what the engine raises, `OverError` and `DisconnectedError`.
        """
        return await self._asked(partial(self._answer, command, shown, asked), hangs_up=hangs_up)

    async def read(self, tenant: str, app: str, entity: str) -> tuple[Held | None, str]:
        """Ask for an entity: what is shown, and the digest of the version that it was asked of.

        Raises what the engine raises, and `DisconnectedError`.
        """
        return await self._asked(partial(self._read, tenant, app, entity))

    async def _read(self, tenant: str, app: str, entity: str) -> tuple[Held | None, str]:
        engine = self.node.engine
        live = engine.catalog.live(tenant, app)
        return await engine.read(live, entity), live.digest

    async def _asked(self, work: Callable[[], Awaitable[T]], *, hangs_up: bool = False) -> T:
        """Have something done for somebody outside, who hears of it if this process dies meanwhile."""
        if not self.is_up:
            raise DisconnectedError(self.name)
        future: asyncio.Future[T] = self._loop.create_future()

        def is_gone() -> None:
            if not future.done():
                future.set_exception(DisconnectedError(self.name))

        self._open[is_gone] = None
        task = self.does(self._serve(work, future))
        task.add_done_callback(lambda _: is_gone(), context=Context())
        if hangs_up:
            self._loop.call_later(self._around.random.random() * 0.01, task.cancel, context=self._inside())
        try:
            return await future
        finally:
            self._open.pop(is_gone, None)

    async def _serve(self, work: Callable[[], Awaitable[T]], future: asyncio.Future[T]) -> None:
        try:
            result = await work()
        except (StoreError, BusyError, OverloadedError, NotFoundError, GoneError) as error:
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(result)

    async def _answer(self, command: Command, shown: Pass | None, asked: Asked | None) -> Result:
        """What the API makes of a command: who asks, what the engine says, and what that becomes."""
        try:
            if shown is not None:
                principal = await self._bearers.of_text(shown.text, command.entity)
                standing = partial(_all_of, command.standing, partial(self._bearers.stands, principal))
                command = evolve(command, standing=standing)
            result = await self.node.engine.execute(command)
            if asked is None or not isinstance(result, Refused) or result.refusal.reason != "denied":
                return result
            question = asked.question(result.live, command)
            return await self._overrides.lifted(asked.principal, question, asked.args, command, result)
        except Problem as problem:
            if problem.code != "LR401.token":
                raise BusyError(problem.code) from problem
            raise OverError(problem.detail) from problem


async def _all_of(*standings: Standing | None) -> None:
    for standing in standings:
        if standing is not None:
            await standing()


def _hears_nothing(alert: Alert) -> None:
    """Nobody is alerted in a world in which everything is judged."""
