"""A simulated world: several processes over one store, clients, adapters, and injected faults."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial
from hashlib import sha256
from random import Random

from lathe.errors import NotFoundError
from lathe.frozen import evolve, frozen
from lathe.runtime.cache import ENTITIES_LIMIT
from lathe.runtime.committer import OverloadedError
from lathe.runtime.engine import BusyError, Command, Committed, Refused, Replayed, Result
from lathe.runtime.swap import RefusedSwap, Swapper
from lathe.sim.adapters import Outside
from lathe.sim.approvals import Asked, approval, asked, denied
from lathe.sim.commands import command_of, progress_of
from lathe.sim.erasure import parted
from lathe.sim.expiring_tokens import Pass, Passes, personal
from lathe.sim.goals import Guide
from lathe.sim.loop import EPOCH_MS, Power, SimLoop
from lathe.sim.menu import Menu, Mix
from lathe.sim.oracle import SKEW_MS, Oracle
from lathe.sim.prepared import Loaded, Prepared
from lathe.sim.promptness import Promptness
from lathe.sim.simulated_process import DisconnectedError, GoneError, OverError, Process, Surroundings
from lathe.sim.store import SimStore
from lathe.sim.values import PEOPLE
from lathe.sim.workload import GAP_SECONDS, Issue, Workload
from lathe.store.audit import Change
from lathe.store.base import JournalQuery, StoreError
from lathe.store.records import Version

TENANT = "main"
TRIES_LIMIT = 4
"""How often a client asks again when it does not know."""
DOUBT_MS = (0, 2, 10)
"""When who is in doubt looks whether a command was taken: at once, and again, each so long after the last."""
STALL_SECONDS = 40.0
SLEEP_SECONDS = 600.0
LEAP_SECONDS = 3.0
"""How long what is due may be late after time has jumped."""
TOKEN_MS = 8_000
"""How soon a token ends that somebody shows, at most."""
CHAOS_SECONDS = 6.0
"""Between two things that go wrong with a process, on average."""
SETTLE_SECONDS = 150
"""How long everything that is due may take once nothing goes wrong any more."""
TIMERS_LIMIT = 3
"""How many timers are waited for at the end: time jumps to each."""
SLACK_MS = 70_000
"""How late something may be then: a timer that is not possible is tried again within a minute."""


@frozen
class Setting:
    """What a seed makes of a run. `without` leaves faults out, `script` says what each client asks.

    `pace` is how many seconds a client waits between two requests, on average; `cached` how many entities a
    process keeps in memory. `first_goal` is the goal with which a guided run begins; None: it is not guided.
    """

    seed: int
    mix: Mix
    nodes: int
    clients: int
    commands: int
    is_shared: bool
    pace: float = GAP_SECONDS
    cached: int = ENTITIES_LIMIT
    first_goal: int | None = None
    without: frozenset[str] = frozenset()
    script: tuple[tuple[Issue, ...], ...] | None = None


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all of them, and let out what one of them raised."""
    await asyncio.wait(tasks)
    for task in tasks:
        task.result()


UNKNOWN = (StoreError, BusyError, OverloadedError, DisconnectedError)
"""What leaves a client in doubt: it asks again, with the same key."""


class Judgement:
    """What a gate would say of a version that is swapped to."""

    verdict = "admitted"
    report = b"{}"

    def __init__(self, loaded: Loaded) -> None:
        self.app = loaded.app.name
        self.digest = loaded.digest


class OpenGate:
    """Versions that are swapped to were admitted before."""

    async def judge(
        self, files: Mapping[str, bytes], *, against: Mapping[str, bytes] | None, accept_bounds: bool
    ) -> Judgement:
        raise AssertionError("what is swapped to was judged")


class World:
    """Everything of one run. `over` is done when the run has found something."""

    def __init__(self, loop: SimLoop, prepared: Prepared, setting: Setting) -> None:
        self.loop = loop
        self.prepared = prepared
        self.setting = setting
        self.app = prepared.first.app
        self.random = Random(f"{setting.seed}/world")
        self.menu = Menu(setting.seed, setting.mix, setting.without, clock=loop.time)
        self.over: asyncio.Future[None] = loop.create_future()
        promptness = Promptness(loop.now_ms, lambda: EPOCH_MS + int(self.menu.calm_from * 1000))
        self.oracle = Oracle(prepared, self._end, promptness, now_ms=loop.now_ms)
        loop.on_failure = self._raised
        self.store = SimStore(loop, self.menu, self.oracle, seed=setting.seed, is_shared=setting.is_shared)
        self.store.crash = self._crash
        slack_ms = SKEW_MS if "skew" in self.menu.enabled else 0
        self.passes = Passes(self.oracle.fail, loop.now_ms, slack_ms=slack_ms)
        self.outside = Outside(loop, self.menu, self.oracle, self._progress, seed=setting.seed)
        self.adapters = sorted({e.uses for b in self.app.blueprints.values() for e in b.effects.values()})
        self.workload = Workload(
            self.app,
            self.oracle,
            loop.now_ms(),
            seed=setting.seed,
            pace=setting.pace,
            due_in_ms=lambda: (self.oracle.next_due_ms or 0) - loop.now_ms(),
            guide=self._guide(),
        )
        self.asked: list[list[Issue]] = [[] for _ in range(setting.clients)]
        self.processes: list[Process] = []
        self._digest = sha256()
        self.commands = 0
        self.refusals = 0

    def _guide(self) -> Guide | None:
        first, goals = self.setting.first_goal, self.prepared.goals
        return Guide(goals, first, self._due_in_ms) if first is not None and goals else None

    def _due_in_ms(self, entity: str, timer: str) -> int:
        due = self.oracle.due_ms(entity, timer)
        return max(due - self.loop.now_ms(), 0) if due is not None else 0

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def _raised(self, error: BaseException) -> None:
        self.oracle.fail(f"raised:{type(error).__name__}", f"{type(error).__name__}: {error}")

    def log(self, line: str) -> None:
        """Note what happened: two runs of a seed have the same log."""
        self._digest.update(f"{self.loop.time():.6f} {line}\n".encode())

    @property
    def digest(self) -> str:
        """What the log comes to."""
        return self._digest.hexdigest()

    # The run.

    async def run(self) -> None:
        """All of it: install, let everybody work, mend everything, wait for what is due."""
        self._install()
        self.processes = [Process(self._around(), f"node{n}") for n in range(self.setting.nodes)]
        clients = [self._spawn(self._client(n), f"client {n}") for n in range(self.setting.clients)]
        chaos = self._spawn(self._chaos(), "chaos")
        working = self._spawn(_all(clients), "clients")
        await asyncio.wait([working, self.over], return_when=asyncio.FIRST_COMPLETED)
        chaos.cancel()
        if not self.over.done():
            working.result()
            await self._settle()

    def _around(self) -> Surroundings:
        return Surroundings(
            loop=self.loop, store=self.store, outside=self.outside, adapters=self.adapters,
            prepared=self.prepared, random=self.random, log=self.log, seed=self.setting.seed,
            cached=self.setting.cached,
        )  # fmt: skip

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        return self.loop.create_task(work, name=name, context=Context())

    def _install(self) -> None:
        first = self.prepared.first
        version = Version(TENANT, self.app.name, first.digest, dict(first.files), b"{}", 0, "simulator")
        self.store.install(version)

    # Clients.

    async def _client(self, number: int) -> None:
        script = self.setting.script
        if script is not None:
            for issue in script[number]:
                await self._issue(number, issue)
            return
        share = self.setting.commands // self.setting.clients
        for _ in range(share):
            await self._issue(number, self.workload.next())

    async def _issue(self, client: int, issue: Issue) -> None:
        """Wait, ask, and ask again while the answer is not known."""
        self.asked[client].append(issue)
        await asyncio.sleep(issue.gap_ms / 1000)
        if issue.leap_ms:
            self._leap(issue.leap_ms / 1000)
        if issue.looks:
            self._spawn(self._looks(self._process(issue), issue.entity, issue.looks), "looks")
        if issue.kind == "read":
            await self._read(self._process(issue), issue.entity)
            return
        wanted = None
        if issue.kind == "act" and issue.by.actor is not None and self.menu.strikes("approve"):
            issue = denied(issue)
            wanted = await self._approve(issue)
        command = self.command(issue)
        for tries in range(TRIES_LIMIT):
            process = self._process(issue, tries)
            if issue.by.actor in self.oracle.gone:
                return
            command = evolve(command, stamp=process.node.engine.catalog.generation)
            since, shown, shown_ms = self.oracle.count, self.passes.of(issue.by.actor), self.loop.now_ms()
            self.commands += 1
            try:
                result = await process.request(
                    command, hangs_up=self.menu.strikes("hangs_up"), shown=shown, asked=wanted
                )
            except UNKNOWN as error:
                self.log(f"{issue.entity} {issue.action} {type(error).__name__}")
                self._spawn(self._looks(process, issue.entity, DOUBT_MS), "doubt")
                await asyncio.sleep(self.random.random() * 2)
                continue
            except OverError:
                self.passes.over(issue.by.actor, shown)
                return
            except (NotFoundError, GoneError):
                return
            self.passes.counted(shown, shown_ms)
            self._judge(issue, command, result, since)
            if wanted is not None and isinstance(result, Committed):
                await self._asks_as_well(process, issue, wanted)
            if not (issue.key and self.menu.strikes("repeats")):
                return

    async def _approve(self, issue: Issue) -> Asked:
        """A decision lets pass what somebody asks for; it may be asked for twice at once."""
        random, found = self.menu.draw("approve"), asked(issue)
        number, command = self.menu.struck["approve"], self.command(evolve(issue, key=None))
        row = approval(found, self.oracle.loaded, command, number, now_ms=self.loop.now_ms(), random=random)
        with suppress(StoreError):
            await self.store.govern(Change((), decisions=(row,)))
        self.log(f"{issue.entity} {issue.action} is let pass by {row.id}")
        if random.random() < 0.5:
            self._spawn(self._asks_as_well(random.choice(self.processes), issue, found), "a twin")
        return found

    async def _asks_as_well(self, process: Process, issue: Issue, wanted: Asked) -> None:
        """Somebody tries to use what was let pass for another request that is the same."""
        since, command = self.oracle.count, self.command(evolve(issue, key=None))
        with suppress(*UNKNOWN, NotFoundError, GoneError):
            self._judge(issue, command, await process.request(command, asked=wanted), since)

    def _leap(self, seconds: float) -> None:
        """Time passes at once for everybody: what was held or tried may be taken from whoever had it."""
        self.outside.excused.update(p.power for p in self.processes)
        self.loop.jump(seconds)
        self.menu.disturb(LEAP_SECONDS)

    def _judge(self, issue: Issue, command: Command, result: Result, since: int) -> None:
        """What a client makes of its answer."""
        self.log(f"{issue.entity} {issue.action} {type(result).__name__}")
        match result:
            case Committed():
                self.oracle.acknowledged(result)
            case Replayed():
                assert command.key is not None, "only a key is replayed"
                self.oracle.replayed(command.key, result.receipt.answer)
            case Refused():
                self.refusals += 1
                self.oracle.refused(command, result, since, is_alone=not self.setting.is_shared)
            case _:
                self.oracle.fail("lease", f"{issue.entity}: a client holds no lease")

    def _process(self, issue: Issue, tries: int = 0) -> Process:
        """Which process is asked: each time another one."""
        return self.processes[(issue.node + tries) % len(self.processes)]

    async def _looks(self, process: Process, entity: str, gaps_ms: Sequence[int]) -> None:
        """Somebody looks on, at a screen that is drawn anew all the time."""
        for gap_ms in gaps_ms:
            await self._read(process, entity)
            await asyncio.sleep(gap_ms / 1000)

    async def _read(self, process: Process, entity: str) -> None:
        """Ask a process for an entity: what it says must be so, or have been so since it was asked."""
        if not process.is_up or process.power.is_stalled:
            return
        since = self.oracle.count
        try:
            held, digest = await process.read(TENANT, self.app.name, entity)
        except (StoreError, NotFoundError, DisconnectedError):
            return
        self.oracle.read(entity, held, since, digest)

    def command(self, issue: Issue) -> Command:
        """A command as the API makes it."""
        made = command_of(issue, tenant=TENANT, app=self.app.name, now_ms=self.loop.now_ms)
        return evolve(made, standing=partial(self._standing, issue.by.actor))

    async def _standing(self, who: str | None) -> None:
        """Whether who asked is still known, as the API asks it. Raises `GoneError`."""
        await self.store.ping()
        if who in self.oracle.gone:
            raise GoneError(who)

    async def _progress(self, entity: str, effect: str, number: int, action: str, given: Pass) -> None:
        """An action by an effect in progress: with a token that is bound to its invocation."""
        command = progress_of(entity, effect, number, action, tenant=TENANT, app=self.app.name)
        process = self.random.choice(self.processes)
        since, shown_ms = self.oracle.count, self.loop.now_ms()
        try:
            result = await process.request(command, shown=given)
        except OverError:
            return self.passes.over(None, given)
        except (*UNKNOWN, NotFoundError):
            return None
        self.passes.counted(given, shown_ms)
        self.log(f"{entity} {action} by {effect}.{number} {type(result).__name__}")
        if isinstance(result, Committed):
            self.oracle.acknowledged(result)
            before = next((p.before for p in result.step.parts if p.entity == entity), None)
            active = before.active if before is not None else None
            if active is None or active.number != number:
                self.oracle.fail(
                    "stale callback", f"{entity}: `{action}` by {effect}.{number}, which is over"
                )
        elif isinstance(result, Refused):
            self.oracle.refused(command, result, since, is_alone=not self.setting.is_shared)

    # What goes wrong.

    def _crash(self, power: Power) -> None:
        for process in self.processes:
            if process.power is power and not power.is_cut:
                process.cut()

    async def _chaos(self) -> None:
        menu, random = self.menu, self.random
        while True:
            await asyncio.sleep(random.expovariate(1 / CHAOS_SECONDS))
            process = random.choice(self.processes)
            if process.is_up and menu.strikes("crash"):
                process.cut()
            if process.is_up and not process.power.is_stalled and menu.strikes("stall"):
                self.log(f"{process.name} stands still")
                process.stall(random.random() * STALL_SECONDS)
            if menu.strikes("skew"):
                process.clock.off_ms = random.randrange(-SKEW_MS, SKEW_MS)
            if menu.strikes("sleep"):
                self.log("everything stands still")
                self._leap(random.random() * SLEEP_SECONDS)
            if menu.strikes("revoke"):
                self._spawn(self._revoke(random.choice(PEOPLE)), "revocation")
            if menu.strikes("tidy"):
                self._spawn(self._inside(process, self._tidy(process)), "tidy")
            if menu.strikes("swap"):
                self._spawn(self._swap(process), "swap")
            if menu.strikes("erase"):
                self._spawn(self._inside(process, self._erase()), "erasure")
            if menu.strikes("ends"):
                self._spawn(self._ends(menu.draw("ends")), "a token that ends")

    async def _erase(self) -> None:
        """The journal of somebody who is there, or was, is erased; whoever reads it then is told nothing."""
        random, names = self.menu.draw("erase"), self.store.names()
        if not names:
            return
        entity = random.choice(names)
        with suppress(StoreError):
            await self.store.erase(TENANT, self.app.name, entity)
            self.log(f"{entity} is erased")
            self.oracle.served(await self.store.history(TENANT, self.app.name, entity))
            self.oracle.served(await self.store.entries(JournalQuery(TENANT, app=self.app.name)))

    async def _ends(self, random: Random) -> None:
        """Somebody has a token that ends soon, and shows it from then on."""
        who, now_ms = random.choice(PEOPLE), self.loop.now_ms()
        self.passes.made += 1
        expires_ms = now_ms + random.randrange(TOKEN_MS)
        shown, row = personal(TENANT, who, self.passes.made, now_ms=now_ms, expires_ms=expires_ms)
        with suppress(StoreError):
            await self.store.govern(Change((), tokens=(row,)))
            self.passes.gives(who, shown)

    async def _revoke(self, who: str) -> None:
        """Somebody is not known any more from the moment in which the store has it, or is known again."""
        self.log(f"{who} {'is back' if who in self.oracle.gone else 'is gone'}")
        with suppress(StoreError):
            await self.store.know(who, is_known=who in self.oracle.gone)

    async def _swap(self, process: Process) -> None:
        """Another version takes over, through one of the processes."""
        loaded = self.random.choice(self.prepared.versions)
        if not process.is_up:
            return
        await self._inside(process, self._swap_inside(process, loaded))

    async def _inside(self, process: Process, work: Coroutine[object, object, None]) -> None:
        """Have a process do something; if it dies, nobody hears of it."""
        await asyncio.wait([process.does(work)], timeout=SLEEP_SECONDS)

    async def _tidy(self, process: Process) -> None:
        """What a process does from time to time, whenever that is."""
        said = "tidied"
        try:
            await process.housekeeper.archive()
            await process.housekeeper.sweep()
            await process.housekeeper.bind()
        except StoreError as error:
            said = type(error).__name__
        self.log(f"{process.name} {said}, {self.oracle.archive} archived")

    async def _swap_inside(self, process: Process, loaded: Loaded) -> None:
        swapper = Swapper(process.node.engine, OpenGate(), compare=self.prepared.changes)
        said = "swapped"
        try:
            await swapper.apply(
                TENANT, loaded.files, Judgement(loaded), confirm=None, by="simulator", allow_breaking=True
            )
        except (StoreError, RefusedSwap, BusyError, NotFoundError) as error:
            said = type(error).__name__
        self.log(f"{process.name} {said} {loaded.digest[:8]}")

    # The end.

    async def _settle(self) -> None:
        """Nothing goes wrong any more: what is due happens, and nothing is overdue without a cause."""
        self.menu.is_closed = True
        for process in self.processes:
            process.clock.off_ms = 0
        await self._quieten()
        if not self.over.done() and "tidy" in self.menu.enabled:
            await self._inside(self.processes[0], self._tidy(self.processes[0]))
        for _ in range(TIMERS_LIMIT):
            await self._quieten()
            due = self.store.next_timer_ms()
            if self.over.done() or due is None or not self._is_quiet():
                break
            self.loop.jump(max(due - self.loop.now_ms(), 0) / 1000)
        if self.over.done():
            return
        self._check_overdue()
        self._check_workers()
        if self.oracle.archive or self.oracle.erased:
            wrong = self.store.verified()
            if wrong:
                self.oracle.fail("verify", wrong)
        if self.oracle.erased:
            self._check_export()

    async def _quieten(self) -> None:
        """Wait until nothing is due, for as long as that may take."""
        for _ in range(SETTLE_SECONDS):
            await asyncio.wait([self.over], timeout=1.0)
            if self.over.done() or self._is_quiet():
                return

    def _is_quiet(self) -> bool:
        """Whether nothing is due, and everybody is there."""
        if not all(p.is_up and not p.power.is_stalled for p in self.processes):
            return False
        return self.store.is_quiet()

    def _check_overdue(self) -> None:
        before = self.loop.now_ms() - SLACK_MS
        for row in self.store.overdue_now(TENANT, self.app.name, before_ms=before):
            self.oracle.overdue(row, self.loop.now_ms())

    def _check_export(self) -> None:
        """What is exported has nothing that was erased, and what is left of it is still what it says."""
        entries = self.store.exported()
        self.oracle.served(entries)
        tables = {version.digest: version.table for version in self.prepared.versions}
        wrong = parted(entries, tables)
        if wrong:
            self.oracle.fail("verify", wrong)

    def _check_workers(self) -> None:
        for process in self.processes:
            failure = process.node.failure
            if failure is not None:
                self.oracle.fail(f"worker:{type(failure).__name__}", f"a worker has ended: {failure!r}")
