"""One seed on a real store: processes that are killed at random moments, clients, and simulated adapters.

The seed decides what is asked, how the outside answers, and when who is killed; how the processes' own work
falls between that is the machine's. It is judged afterwards, from what the store has (`aftermath`).
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import signal
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from multiprocessing.process import BaseProcess
from random import Random
from time import monotonic

from lathe.effect.base import Attempt, Ending
from lathe.frozen import frozen, mutable
from lathe.lang.model import App, Effect, Json
from lathe.lang.types import Type
from lathe.machine.event import Caller
from lathe.machine.snapshot import MemoryWorld
from lathe.runtime.clock import SystemClock
from lathe.runtime.snapshot import entity_of
from lathe.sim import process as processes
from lathe.sim.aftermath import Aftermath, Asked, judge
from lathe.sim.commands import key_of
from lathe.sim.messages import (
    Answered,
    Ask,
    Begin,
    Broke,
    Cancelled,
    Done,
    Leave,
    Look,
    Message,
    Seen,
    Stepped,
    Try,
    Up,
    receive,
    send,
)
from lathe.sim.oracle import Violation
from lathe.sim.places import Place
from lathe.sim.prepared import Prepared
from lathe.sim.values import value_of_type
from lathe.sim.workload import Issue, Workload
from lathe.store.base import Apply
from lathe.store.records import Version

TENANT = "main"
LEASE_MS = 1_500
COMMANDS = 60
TRIES_LIMIT = 4
GAP_FACTOR = 0.02
"""How much shorter than in a simulated world a client waits, and the outside works."""
GAP_SECONDS_LIMIT = 0.3
QUICK_SECONDS = 0.01
HANG_SECONDS = 2.5
STALL_SECONDS = 3.5
"""Longer than a lease: what a process held is taken from it."""
REBOOT_SECONDS = 0.3
START_SECONDS = 60.0
RUN_SECONDS = 90.0
SETTLE_SECONDS = 75.0
"""How long everything that is due may take at the end: a timer that was not possible waits up to a minute."""
QUIET_SECONDS = 0.3
UP_SECONDS = 0.02
PROGRESS_LIMIT = 4
AFTER_MS = (200, 1_200)
"""What the durations of an app become, from the shortest to the longest."""

STEP_MS = 300
"""By how much they differ."""

_DURATION = re.compile(r'(\b(?:after|timeout|every|backoff)\s*=\s*)"(\d+(?:ms|s|m|h|d))"')


def hastened(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of an app whose timers run in seconds: whole days do not pass in a campaign."""
    found: dict[str, bytes] = {}
    for name, content in files.items():
        if name.endswith(".blueprint.toml"):
            content = _hastened(content.decode()).encode()
        found[name] = content
    return found


def _hastened(text: str) -> str:
    low, high = AFTER_MS
    steps = iter(range(0, 1_000_000, STEP_MS))

    def shorter(match: re.Match[str]) -> str:
        if match[1].startswith("timeout"):
            return f'{match[1]}"2s"'
        return f'{match[1]}"{low + next(steps) % (high - low)}ms"'

    return _DURATION.sub(shorter, text)


@frozen
class Found:
    """What came of a seed."""

    violation: Violation | None
    commands: int
    committed: int
    kills: int
    stalls: int
    tries: int
    seconds: float
    taken: Mapping[tuple[str, str], int]


class Known:
    """What the processes have told, for whoever chooses what to ask next."""

    def __init__(self, prepared: Prepared) -> None:
        self.world = MemoryWorld({}, prepared.first.table.ghosts)
        self.taken: Counter[tuple[str, str]] = Counter()
        self.next_due_ms: int | None = None

    def stepped(self, message: Stepped) -> None:
        """Take over what a step wrote, unless something newer is known."""
        newer = {}
        for row in message.rows:
            entity = entity_of(row)
            known = self.world.get(row.id)
            if known is None or known.version <= entity.version:
                newer[row.id] = entity
        self.world = self.world.after(newer, self.world.ghosts)
        self.taken.update(message.taken)


@mutable
class _Trying:
    """A try that is under way outside."""

    id: int
    entity: str
    number: int
    life: _Life
    until: float
    is_notice: bool
    task: asyncio.Task[None] | None = None


class _Life:
    """One process from its start until it is killed, or leaves."""

    def __init__(self, begin: Begin) -> None:
        mine, theirs = socket.socketpair()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["lathe.sim.process"])
        self.process: BaseProcess = context.Process(target=processes.live, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self._end = mine
        self._writer: asyncio.StreamWriter | None = None
        self.begin = begin
        self.is_up = False
        self.is_gone = False
        self.is_stalled = False
        self.was_stalled = False
        self.waiting: dict[int, asyncio.Future[Message]] = {}
        self.messages = 0

    async def connect(self) -> asyncio.StreamReader:
        """The stream of what it says."""
        reader, self._writer = await asyncio.open_connection(sock=self._end, limit=2**24)
        send(self._writer, self.begin)
        return reader

    def say(self, message: Message) -> None:
        """Tell it something, if it is there."""
        if not self.is_gone and self._writer is not None:
            send(self._writer, message)

    def gone(self) -> None:
        """Whoever waits for it waits no longer."""
        self.is_gone = True
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(ConnectionError())
        self.waiting.clear()

    async def close(self) -> None:
        """Let go of its end."""
        if self._writer is None:
            self._end.close()
            return
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def signal(self, how: signal.Signals) -> None:
        """Send it a signal."""
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, how)


class Killing:
    """One run."""

    def __init__(self, prepared: Prepared, place: Place, seed: int) -> None:
        self._prepared = prepared
        self._app: App = prepared.first.app
        self._place = place
        self._seed = seed
        self._random = Random(f"{seed}/killing")
        self._outside = Random(f"{seed}/outside")
        self.known = Known(prepared)
        self.aftermath = Aftermath()
        self._nodes = self._random.choice((1, 2, 2, 3)) if place.is_shared else 1
        self._lives: list[_Life | None] = [None] * self._nodes
        self._every: list[_Life] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._trying: dict[str, list[_Trying]] = {}
        self._number = 0
        self._is_calm = False
        self.commands = self.kills = self.stalls = self.tries = 0
        first = self._random.randrange(6, 45)  # soon enough that every seed has one
        self._moments = sorted({first, *self._random.sample(range(6, 140), self._random.randint(1, 4))})
        self._told = 0

    async def run(self) -> Found:
        """All of it."""
        started = monotonic()
        await self._install()
        for node in range(self._nodes):
            self._boot(node)
        workload = Workload(self._app, self.known, SystemClock().now_ms(), seed=self._seed)
        clients = self._random.choice((2, 3, 4))
        try:
            async with asyncio.timeout(RUN_SECONDS):
                async with asyncio.TaskGroup() as group:
                    for number in range(clients):
                        group.create_task(self._client(workload, number, COMMANDS // clients))
            self._is_calm = True
            left = await self._settle()
        finally:
            await self._leave()
        violation = self.aftermath.found or await judge(
            self._prepared, self._place.store(), self.aftermath, left
        )
        return Found(
            violation, self.commands, self.aftermath.steps, self.kills, self.stalls, self.tries,
            monotonic() - started, dict(self.known.taken),
        )  # fmt: skip

    async def _install(self) -> None:
        """The app, before anybody is there."""
        first = self._prepared.first
        store = self._place.store()
        await store.open()
        version = Version(TENANT, self._app.name, first.digest, dict(first.files), b"{}", 0, "simulator")
        await store.apply(Apply(version, None))
        await store.close()

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.aftermath.fail(f"raised:{type(error).__name__}", repr(error))

    # Processes.

    def _boot(self, node: int) -> None:
        first = self._prepared.first
        worker = f"node{node}.{len(self._every)}"
        begin = Begin(self._place.url, self._place.schema, first.files, TENANT, worker, LEASE_MS)
        life = self._lives[node] = _Life(begin)
        self._every.append(life)
        self._spawn(self._listen(node, life))

    async def _listen(self, node: int, life: _Life) -> None:
        reader = await life.connect()
        while (message := await receive(reader)) is not None:
            self._told += 1
            if self._moments and self._told >= self._moments[0] and not self._is_calm:
                self._moments.pop(0)
                if self._strike(life):
                    break
            self._take(life, message)
        life.gone()
        if not self._is_calm or life.is_stalled:
            await asyncio.sleep(self._random.random() * REBOOT_SECONDS)
        if self._lives[node] is life:
            self._boot(node)

    def _strike(self, life: _Life) -> bool:
        """Something happens to a process, before what it has just said is heard. True: it is dead."""
        if self._random.random() < 0.2 and not life.is_stalled:
            self.stalls += 1
            life.is_stalled = life.was_stalled = True
            life.signal(signal.SIGSTOP)
            asyncio.get_running_loop().call_later(STALL_SECONDS * self._random.random(), self._resume, life)
            return False
        self.kills += 1
        life.signal(signal.SIGKILL)
        return True

    def _resume(self, life: _Life) -> None:
        life.signal(signal.SIGCONT)
        life.is_stalled = False

    def _take(self, life: _Life, message: Message) -> None:
        match message:
            case Up():
                life.is_up = True
            case Stepped():
                self.known.stepped(message)
                self.aftermath.announced.update(message.hashes)
            case Answered(id=number) | Seen(id=number):
                future = life.waiting.pop(number, None)
                if future is not None and not future.done():
                    future.set_result(message)
            case Try():
                self._begin_try(life, message)
            case Cancelled(id=number):
                self._cancel(life, number)
            case Broke(said=said):
                self.aftermath.fail("defect", said)
            case _:
                raise AssertionError(f"no process says {message}")

    async def _leave(self) -> None:
        """Everybody leaves in order; whoever does not is killed."""
        lives = [life for life in self._lives if life is not None]
        self._lives = [None] * self._nodes
        for life in lives:
            life.signal(signal.SIGCONT)
            life.say(Leave())
        for life in lives:
            await asyncio.to_thread(life.process.join, START_SECONDS)
            if life.process.is_alive():
                self.aftermath.fail("stop", "a process does not stop in order")
                life.signal(signal.SIGKILL)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for life in self._every:
            await life.close()

    # Clients.

    async def _client(self, workload: Workload, number: int, count: int) -> None:
        for _ in range(count):
            if self.aftermath.found is not None:
                return
            issue = workload.next()
            await asyncio.sleep(min(issue.gap_ms / 1000 * GAP_FACTOR, GAP_SECONDS_LIMIT))
            if issue.kind != "read":
                await self._issue(issue)

    async def _issue(self, issue: Issue) -> None:
        for tries in range(TRIES_LIMIT):
            self.commands += 1
            asked = self.aftermath.asks(issue)
            answer = await self._request((issue.node + tries) % self._nodes, issue)
            if answer is None or answer.verdict == "unknown":
                await asyncio.sleep(self._random.random() * 0.1)
                continue
            self.aftermath.answered(asked, answer, key_of(issue))
            return

    async def _request(
        self, node: int, issue: Issue, effect: str | None = None, number: int = 0
    ) -> Answered | None:
        """Ask a process; None if it is gone before it answers."""
        found = await self._ask(node, lambda name: Ask(name, issue, effect, number))
        assert found is None or isinstance(found, Answered), "what is asked is answered"
        return found

    async def _ask(self, node: int, asking: Callable[[int], Message]) -> Message | None:
        """Say something to a process as soon as it is up, and wait for its answer; None if it goes first."""
        life = await self._up(node)
        self._number += 1
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        life.waiting[self._number] = future
        life.say(asking(self._number))
        try:
            return await future
        except ConnectionError:
            return None

    async def _up(self, node: int) -> _Life:
        """The process of a node, once it is up."""
        async with asyncio.timeout(START_SECONDS):
            while True:
                life = self._lives[node]
                if life is not None and life.is_up and not life.is_gone:
                    return life
                await asyncio.sleep(UP_SECONDS)

    # Outside.

    def _begin_try(self, life: _Life, message: Try) -> None:
        """One at a time: the effects of one entity run one after another, notices apart."""
        self.tries += 1
        attempt = message.attempt
        entity, _, number = attempt.id.rpartition(".")
        effect = self._effect(message.blueprint, attempt.effect)
        if effect is None:
            self.aftermath.fail("asked", f"{attempt.id} is tried, and there is no such effect")
            return
        others = self._trying.setdefault(entity, [])
        now = monotonic()
        mine = _Trying(message.id, entity, int(number), life, now + LEASE_MS / 1000, effect.is_notice)
        for other in others:
            is_one_of_two = not (mine.is_notice or other.is_notice) and other.number != mine.number
            is_held = not (other.life.is_gone or other.life.was_stalled) and now < other.until
            if is_one_of_two and is_held:
                said = f"{entity}.{mine.number} is tried while {other.number} runs"
                self.aftermath.fail("two at a time", said)
        others.append(mine)
        mine.task = self._spawn(self._perform(life, message, mine, effect))

    def _cancel(self, life: _Life, number: int) -> None:
        """Nobody waits for a try any more: it is over as soon as this is heard."""
        for trying in [one for ones in self._trying.values() for one in ones]:
            if trying.life is life and trying.id == number and trying.task is not None:
                trying.until = 0.0
                trying.task.cancel()

    def _effect(self, blueprint: str, name: str) -> Effect | None:
        rules = self._prepared.first.table.blueprints.get(blueprint)
        return rules.effects[name].effect if rules is not None and name in rules.effects else None

    async def _perform(self, life: _Life, message: Try, mine: _Trying, effect: Effect) -> None:
        random = self._outside
        try:
            await asyncio.sleep(random.expovariate(1 / QUICK_SECONDS))
            if not effect.is_notice:
                await self._callbacks(mine, message.blueprint, effect)
            draw = 1.0 if self._is_calm else random.random()
            if draw < 0.05:
                await asyncio.sleep(HANG_SECONDS)
            ending: Ending | None
            if draw < 0.08:
                ending = None
            elif draw < 0.12:
                self.aftermath.executed.add((mine.entity, mine.number))
                ending = Ending(ok=True, results=dict.fromkeys((*effect.takes, "nobody"), 2**60))
            elif draw < 0.35:
                ending = Ending(ok=False, cause="refused", message="no", again=random.random() < 0.5)
            else:
                self.aftermath.executed.add((mine.entity, mine.number))
                ending = Ending(ok=True, results=self._results(message.blueprint, effect))
            life.say(Done(message.id, ending))
        finally:
            self._trying[mine.entity].remove(mine)

    async def _callbacks(self, mine: _Trying, blueprint: str, effect: Effect) -> None:
        """Actions that the effect takes while it is under way, through any process."""
        rules = self._prepared.first.table.blueprints[blueprint].rules
        possible = [
            rule.action.name
            for rule in rules.values()
            if rule.action.name not in (effect.ok, effect.error)
            and any((p.kind, p.name) == ("effect", effect.name) for p in rule.action.admits)
        ]
        for _ in range(self._outside.randrange(PROGRESS_LIMIT + 1) if possible else 0):
            action = self._outside.choice(possible)
            by = Caller("effect", effect.name)
            issue = Issue(0, 0, "act", blueprint, mine.entity, action, {}, by)
            node = self._outside.randrange(self._nodes)
            answer = await self._request(node, issue, effect.name, mine.number)
            if answer is not None and answer.verdict == "committed":
                self.aftermath.acknowledged.update(answer.hashes)

    def _results(self, blueprint: str, effect: Effect) -> dict[str, Json]:
        if effect.ok is None:
            return {}
        wanted = self._prepared.first.table.blueprints[blueprint].rules[effect.ok].action.arguments
        return {name: self._json(wanted[name].type) for name in effect.takes if name in wanted}

    def _json(self, kind: Type) -> Json:
        value = value_of_type(self._outside, kind, (), 1_750_000_000_000)
        return sorted(value, key=str) if isinstance(value, frozenset) else value

    # The end.

    async def _settle(self) -> int:
        """Nothing goes wrong any more: until nothing is due, or for as long as that may take. How much is."""
        until = monotonic() + SETTLE_SECONDS
        for life in self._lives:
            if life is not None and life.is_stalled:
                self._resume(life)
        left = -1
        while monotonic() < until and self.aftermath.found is None:
            left = await self._look()
            if left == 0:
                await asyncio.sleep(QUIET_SECONDS)
                left = await self._look()
                if left == 0:
                    return 0
            await asyncio.sleep(0.1)
        return left

    async def _look(self) -> int:
        found = await self._ask(0, Look)
        assert found is None or isinstance(found, Seen), "what is looked for is seen"
        return found.overdue if found is not None else -1


def run_seed(prepared: Prepared, place: Place, seed: int) -> Found:
    """Run one seed on an empty place, and take the place away."""

    async def main() -> Found:
        try:
            return await Killing(prepared, place, seed).run()
        finally:
            await place.remove()

    return asyncio.run(main())


__all__ = ["Asked", "Attempt", "Found", "Killing", "hastened", "run_seed"]
