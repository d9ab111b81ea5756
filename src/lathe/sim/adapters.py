"""Simulated adapters: the other side of every effect, with failures, delays and duplicates.

What was asked for happens, or does not, and the answer says so, or does not, or comes late, or twice. It
keeps to what the language promises of it and to nothing else: what ended well is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from functools import partial
from random import Random

from lathe.effect.base import Attempt, Ending
from lathe.frozen import frozen, mutable
from lathe.lang.model import Effect, Json
from lathe.lang.types import Type
from lathe.machine.event import Cause
from lathe.machine.snapshot import Entity
from lathe.sim.expiring_tokens import Pass
from lathe.sim.loop import POWER, Power, SimLoop
from lathe.sim.menu import Menu
from lathe.sim.oracle import Oracle
from lathe.sim.values import value_of_type

QUICK_SECONDS = 0.05
PROGRESS_LIMIT = 6
"""Callbacks in progress that one execution sends at most."""
LATE_SECONDS = 90.0
CAUSES: tuple[Cause, ...] = ("unreachable", "refused", "invalid")

OUTLIVED_MS = (-1_000, -1, 0, 1, 1_000, 4_000)
"""How long after the end of its token a callback comes that comes about then."""

Progress = Callable[[str, str, int, str, Pass], Awaitable[None]]
"""Take an action of an entity by an effect in progress: entity, effect, number of the invocation, action, and
the token of the try.
"""


@frozen
class _Asked:
    """What an attempt is about."""

    attempt: Attempt
    entity: str
    number: int
    effect: Effect
    given: Pass


@mutable
class _Running:
    """An attempt that is under way, for whoever asks whether two are."""

    number: int
    until: float
    power: Power | None
    is_notice: bool


class Outside:
    """Everything that adapters reach. One for a world: it outlives the processes."""

    def __init__(self, loop: SimLoop, menu: Menu, oracle: Oracle, progress: Progress, *, seed: int) -> None:
        self._loop = loop
        self._menu = menu
        self._oracle = oracle
        self._progress = progress
        self._random = Random(f"{seed}/outside")
        self._running: dict[str, list[_Running]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.given: dict[tuple[str, int], Pass] = {}
        """The token of the newest try of each invocation, by entity and number."""
        self.excused: set[Power] = set()
        """Processes that stood still: what they held may have been taken from them."""

    def adapter(self) -> Adapter:
        """An adapter for one process."""
        return Adapter(self)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        """Something that goes on whatever becomes of the process that asked for it."""
        task = self._loop.create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def perform(self, attempt: Attempt) -> Ending:
        """One try, as the caller sees it."""
        asked = self._asked(attempt)
        if asked is None:
            return Ending(ok=False, cause="invalid", message="it was never asked for")
        running = self._begins(asked)
        try:
            return await self._answered(asked)
        finally:
            self._running[asked.entity].remove(running)

    def _asked(self, attempt: Attempt) -> _Asked | None:
        entity, _, number = attempt.id.rpartition(".")
        found = self._oracle.world.get(entity)
        if found is None:
            self._oracle.fail("asked", f"{attempt.id} is tried, and there is no such entity")
            return None
        table = self._oracle.loaded.table.blueprints[found.blueprint]
        given = self.given[entity, int(number)]
        return _Asked(attempt, entity, int(number), table.effects[attempt.effect].effect, given)

    def _begins(self, asked: _Asked) -> _Running:
        """One at a time: the effects of one entity run one after another, notices apart."""
        power, now = POWER.get(), self._loop.time()
        is_notice = asked.effect.is_notice
        mine = _Running(asked.number, now + asked.attempt.timeout_ms / 1000, power, is_notice)
        others = self._running.setdefault(asked.entity, [])
        if not is_notice and power not in self.excused:
            for other in others:
                is_alive = other.power is None or not (other.power.is_cut or other.power in self.excused)
                is_one_of_two = other.number != asked.number and not other.is_notice
                if is_one_of_two and is_alive and other.until > now:
                    said = f"{asked.entity}.{asked.number} is tried while {other.number} runs"
                    self._oracle.fail("two at a time", said)
        others.append(mine)
        return mine

    async def _answered(self, asked: _Asked) -> Ending:
        """What the other side does, and what comes back of it."""
        menu, random = self._menu, self._random
        patience = asked.attempt.timeout_ms / 1000
        if menu.strikes("raises"):
            raise RuntimeError("an adapter's own fault")
        if menu.strikes("garbage") and self._execute(asked, self._loop.time() + patience):
            return Ending(ok=True, results=self._garbage(asked))
        if menu.strikes("bad"):
            if random.random() < 0.5:
                self._execute(asked, self._loop.time() + patience)
            cause = random.choice(CAUSES)
            return Ending(ok=False, cause=cause, message="no", again=random.random() < 0.5)
        done: asyncio.Future[None] = self._loop.create_future()
        self._spawn(self._work(asked, done, self._loop.time() + patience))
        if menu.strikes("hangs"):
            await asyncio.sleep(patience * 2)
        for _ in range(random.randrange(1, 5) if menu.strikes("drips") else 0):
            await asyncio.sleep(random.random() * patience / 8)
        await done
        return Ending(ok=True, results=self._results(asked))

    async def _work(self, asked: _Asked, done: asyncio.Future[None], until: float) -> None:
        """The other side at work: callbacks, then the thing itself."""
        await asyncio.sleep(self._random.expovariate(1 / QUICK_SECONDS))
        await self._callbacks(asked)
        if self._menu.strikes("tardy"):
            await asyncio.sleep(until - self._loop.time() + self._random.random() * LATE_SECONDS)
        if done.cancelled() and not self._menu.strikes("deaf"):
            return
        if self._execute(asked, until) and not done.done():
            done.set_result(None)

    def _execute(self, asked: _Asked, until: float) -> bool:
        """It happens, unless it is promised that it does not any more. False: only time will tell."""
        if self._loop.time() > until and not asked.effect.late:
            return False
        self._oracle.executes(asked.entity, asked.number, self._loop.now_ms())
        return True

    async def _callbacks(self, asked: _Asked) -> None:
        """Actions that the effect takes while it is under way: now and then twice, or again much later."""
        for _ in range(self._random.randrange(PROGRESS_LIMIT + 1)):
            action = self._possible(asked)
            if action is None:
                return
            if self._menu.strikes("twice"):
                self._spawn(self._call_back(asked, action))
            if self._menu.strikes("stale"):
                self._later(self._random.random() * LATE_SECONDS, partial(self._again, asked, action))
            if self._menu.strikes("outlives"):
                left_ms = asked.given.expires_ms - self._loop.now_ms()
                about_ms = left_ms + self._menu.draw("outlives").choice(OUTLIVED_MS)
                self._later(max(about_ms, 0) / 1000, partial(self._again, asked, action))
            await self._call_back(asked, action)

    def _again(self, asked: _Asked, action: str) -> None:
        self._spawn(self._call_back(asked, action))

    async def _call_back(self, asked: _Asked, action: str) -> None:
        await self._progress(asked.entity, asked.effect.name, asked.number, action, asked.given)

    def _possible(self, asked: _Asked) -> str | None:
        """An action in progress, one that fits the state if there is one."""
        entity = self._oracle.world.get(asked.entity)
        if entity is None:
            return None
        rules = self._oracle.loaded.table.blueprints[entity.blueprint].rules
        mine = [
            rule.action
            for rule in rules.values()
            if rule.action.name not in (asked.effect.ok, asked.effect.error)
            and any((p.kind, p.name) == ("effect", asked.effect.name) for p in rule.action.admits)
        ]
        fitting = [action for action in mine if entity.state in action.from_states] or mine
        return self._random.choice(fitting).name if fitting else None

    def _later(self, seconds: float, what: Callable[[], object]) -> None:
        self._loop.call_later(seconds, what, context=Context())

    def _results(self, asked: _Asked) -> dict[str, Json]:
        """What a good end gives: values for whatever the `ok` action takes."""
        entity = self._oracle.world.get(asked.entity)
        if entity is None or asked.effect.ok is None:
            return {}
        wanted = (
            self._oracle.loaded.table.blueprints[entity.blueprint].rules[asked.effect.ok].action.arguments
        )
        return {name: self._json(wanted[name].type, entity) for name in asked.effect.takes if name in wanted}

    def _json(self, kind: Type, entity: Entity) -> Json:
        value = value_of_type(self._random, kind, (), self._loop.now_ms())
        return sorted(value, key=str) if isinstance(value, frozenset) else value

    def _garbage(self, asked: _Asked) -> dict[str, Json]:
        junk: tuple[Json, ...] = (None, -1, 2**60, "x" * 5_000, [[]], {"a": {}}, True, 0.5)
        return {name: self._random.choice(junk) for name in (*asked.effect.takes, "status", "nobody")}


class Adapter:
    """The outside as one process reaches it."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def perform(self, attempt: Attempt) -> Ending:
        """Try once."""
        return await self._outside.perform(attempt)

    async def close(self) -> None:
        """There is nothing to let go of."""
