"""Executes commands: decide with `machine`, queue, group commit, answer.

read → policy → `machine.step` → queue → group commit → answer. A refusal that rests on something queued or
cached is decided once more on committed rows; a write that met a newer row is decided anew. Authentication
and HTTP are the API's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Literal, Protocol

from msgspec.structs import replace

from lathe.frozen import evolve, frozen, record
from lathe.lang.model import Unique
from lathe.machine.event import Create, Event
from lathe.machine.outcome import Refusal, Step
from lathe.machine.snapshot import Entity, Value, Values, claim_of
from lathe.machine.step import Permit, step
from lathe.runtime.allowance import NAME as DECISION, Allowance, Overriding, broken_by
from lathe.runtime.backoff import Backoff, Failed, told_to_loop
from lathe.runtime.cache import ENTITIES_LIMIT, Cache, Key
from lathe.runtime.catalog import Catalog, Live
from lathe.runtime.clock import Clock, Ids
from lathe.runtime.committer import Committer, Heard, OverloadedError, telling
from lathe.runtime.loading import Loading
from lathe.runtime.plan import Held, Planned, Told, plan
from lathe.runtime.snapshot import encode_json
from lathe.runtime.telemetry import Traces
from lathe.store.base import Store, StoreError
from lathe.store.records import Answer, Receipt, Use, Write

ATTEMPTS_LIMIT = 12
"""How often a command is decided anew after a conflicting write, before it fails with `BusyError`."""
LOADS_LIMIT = 2_048
"""How many rows one decision may load."""


class BusyError(Exception):
    """Conflicting writes kept winning; the command can be tried again."""


@record
class Committed:
    """The command's step is durable. `after` are the entities that it wrote."""

    step: Step
    after: Mapping[str, Held]
    live: Live
    write: Write


@record
class Replayed:
    """The idempotency key was used before; this was the answer."""

    receipt: Receipt


@record
class Refused:
    """Nothing changed. `entity` is the command's target, as it is."""

    refusal: Refusal
    entity: Held | None
    live: Live


@frozen
class LeaseLost:
    """The worker's lease expired before its write: another worker has the invocation or timer now."""


@frozen
class DecisionSpent:
    """The decision that would have allowed the command was used or has expired: the caller is denied."""


Result = Committed | Replayed | Refused | LeaseLost | DecisionSpent


Done = Callable[["Committed | Answer | Exception | None"], None]
"""Called with the outcome of a command: committed, or the store's other answer, or what the store raised;
None if the outcome is unknown.
"""
Received = Callable[[Live, Mapping[str, Held]], Receipt]
"""Makes a command's receipt (the answer to repeat for its key) from the entities after the step."""
Standing = Callable[[], Awaitable[None]]
"""Raises if the caller is not authenticated any more."""
Required = Callable[[Live, Held | None], Refusal | None]
"""A precondition on the entity, checked before the machine decides; a refusal or None."""


@record
class Command:
    """A request for a step. `event` makes the machine's event for a time (it may be decided again later).

    `requires` is checked first: it is given the entity and returns a refusal or None. `standing` checks the
    caller's authentication again if tokens or versions have changed since it was done, at the generation
    `stamp` of the catalog. `allowance` is a decision that lets the command pass where it would be denied.
    """

    tenant: str
    app: str
    entity: str
    kind: str
    event: Callable[[int], Event]
    told: Mapping[str, object]
    by: str
    chain: tuple[str, ...] = ()
    receiving: Received | None = None
    key: tuple[str, str] | None = None
    lease: tuple[str, str, int | str] | None = None
    requires: Required | None = None
    standing: Standing | None = None
    stamp: int = 0
    allowance: Allowance | None = None


class _Absent(Exception):
    """The decision needs rows that are not in memory."""

    def __init__(self, entity: str) -> None:
        super().__init__(entity)
        self.entity = entity


Sight = Literal["newest", "committed", "fresh"]
"""The rows on which a command is decided: with queued writes applied, as committed according to the cache, or
read from the store."""


ClaimKey = tuple[str, bytes]
"""`Blueprint.unique`, and the claimed values as JSON."""


class _World:
    """The machine's view of the cache while it decides; `seen` records what it read."""

    ghosts: Values

    def __init__(
        self,
        cache: Cache,
        live: Live,
        held: Mapping[ClaimKey, str],
        loaded: Mapping[str, Held | None],
        sight: Sight = "newest",
    ) -> None:
        self._loaded = loaded
        self._look_up = (
            cache.newest if sight == "newest" else cache.committed if sight == "committed" else _unknown
        )
        self._tenant, self._app = live.tenant, live.app.name
        self._held = held
        self._blueprints = live.table.blueprints
        self.ghosts = live.table.ghosts
        self.seen: dict[str, Held | None] = {}
        self.is_allowed = False
        """Whether the step is permitted only by the command's allowance."""

    def get(self, entity: str) -> Entity | None:
        try:
            found = self._look_up((self._tenant, self._app, entity))
        except KeyError:
            if entity not in self._loaded:
                raise _Absent(entity) from None
            found = self._loaded[entity]
        self.seen[entity] = found
        if found is None or found.entity.blueprint not in self._blueprints:
            return None  # or it stayed behind when its blueprint went
        return found.entity

    def population(self, blueprint: str) -> tuple[str, ...]:
        raise AssertionError(f"a step goes through no population of `{blueprint}`")

    def holder(
        self, blueprint: str, unique: Unique, claim: tuple[Value, ...], besides: Collection[str]
    ) -> str | None:
        """Known holders only: the store decides claims in the transaction, and a refused commit names the
        holder.
        """
        found = self._held.get((f"{blueprint}.{unique.name}", encode_json(claim)))
        return None if found in besides else found


def _unknown(key: Key) -> Held | None:
    raise KeyError(key)


class Holder(Protocol):
    """The outbox worker, as far as the engine needs it: notices of a step can be committed already leased to
    it.
    """

    def hold(self, count: int) -> tuple[str, int] | None:
        """The worker's name and lease in milliseconds for `count` more notices; None if it is busy."""

    def let_go(self, count: int) -> None:
        """The write with `count` such notices is committed, or never will be."""


class Engine:
    """The commands of one process. `start` before the first, `stop` after the last.

    `cached` entities stay in memory.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        failed: Failed = told_to_loop,
        cached: int = ENTITIES_LIMIT,
    ) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        self.cache = Cache(cached)
        self._loading = Loading(store, self.cache)
        self.catalog = Catalog(store, self.cache.forget_app, failed)
        self.traces: Traces | None = None
        """Set where the operator wants traces."""
        self.holder: Holder | None = None
        """Set by the worker of the outbox, where one runs."""
        self.committer = Committer(store, self._settled)
        self._watchers: list[Callable[[Committed], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._following: list[asyncio.Task[None]] = []
        self._is_stale = asyncio.Event()

    async def start(self) -> None:
        """Load what is current and begin to commit. Raises why a version cannot be loaded."""
        self.store.on_governed(self._is_stale.set)
        await self.catalog.refresh(is_first=True)
        for error in self.catalog.failures.values():
            raise error
        self._task = asyncio.create_task(self.committer.run(), name="committer")
        self._following = [asyncio.create_task(self._follow(), name="governing")]
        if self.store.is_shared:
            self.store.on_written(self._loading.hear)
            self._following.append(asyncio.create_task(self._loading.run(), name="loading"))

    async def stop(self) -> None:
        """Commit what is queued, then end."""
        self.committer.close()
        for task in self._following:
            task.cancel()
        if self._task is not None:
            await self._task

    async def _follow(self) -> None:
        """Refresh the catalog whenever some process has changed versions, tokens or decisions."""
        backoff = Backoff()
        while True:
            await self._is_stale.wait()
            self._is_stale.clear()
            try:
                await self.catalog.refresh()
                backoff.reset()
            except StoreError:  # until it can be asked, it refuses what is stale
                await asyncio.sleep(backoff.next())
                self._is_stale.set()

    def watch(self, watcher: Callable[[Committed], None]) -> None:
        """Call `watcher` for every committed step of this process, after its commit."""
        self._watchers.append(watcher)

    def _settled(self, write: Write, answer: Answer | None) -> None:
        self.cache.settle(write, answer)
        if write.holds is not None and self.holder is not None:
            self.holder.let_go(_notices(write))

    async def execute(self, command: Command) -> Result:
        """Execute a command. Raises `BusyError`, `OverloadedError`, `NotFoundError`, `StoreError`."""
        held: dict[ClaimKey, str] = {}
        stamp = command.stamp
        for attempt in range(ATTEMPTS_LIMIT):
            while command.standing is not None and stamp != self.catalog.generation:
                stamp = self.catalog.generation
                await command.standing()
            live = self.catalog.live(command.tenant, command.app)
            try:
                outcome, world, now = await self._decide(live, command, held)
            except LookupError:
                if await self._is_current(live):
                    raise
                continue  # it met an entity as another version has it
            if isinstance(outcome, Refusal):
                refused = await self._surely_refused(live, command, held, outcome, world)
                if refused is not None:
                    return refused
                continue
            answer = await self._commit(live, command, outcome, world, now)
            if isinstance(answer, Committed):
                return answer
            over = await self._over(command, live, answer, held, attempt)
            if over is not None:
                return over
        raise BusyError(f"others keep changing `{command.entity}`")

    def begin(self, command: Command, done: Done) -> bool:
        """Decide and queue a command without waiting, if every row that it needs is in memory and it is not
        refused.

        `done` is called in the event loop once its group is committed or not. Returns False if nothing was
        done; then, as after an answer that is not `accepted`, use `execute`. Raises `OverloadedError`,
        `NotFoundError`.
        """
        if command.standing is not None and command.stamp != self.catalog.generation:
            return False
        live = self.catalog.live(command.tenant, command.app)
        try:
            found, world, now = self._decided(live, command, {}, {})
        except (_Absent, LookupError):
            return False
        if found.__class__ is Refusal:
            return False
        assert isinstance(found, Step), "it is a step or a refusal"
        planned = self._planned(live, command, found, world, now)

        def heard(answer: Answer | Exception | None) -> None:
            if isinstance(answer, Answer) and answer.verdict == "accepted":
                done(self._committed(live, found, planned))
            else:
                done(answer)

        planned = self._queue(planned, world, heard)
        return True

    def _queue(self, planned: Planned, world: _World, heard: Heard) -> Planned:
        """Queue a write, its notices held by this process if it can try them. Raises `OverloadedError`."""
        holder, count = self.holder, _notices(planned.write)
        holds = holder.hold(count) if count and holder is not None else None
        if holds is not None:
            planned = replace(planned, write=replace(planned.write, holds=holds))
        try:
            self.committer.queue(planned.write, heard)
        except OverloadedError:
            if holds is not None and holder is not None:
                holder.let_go(count)
            raise
        self.cache.queue(planned, world.seen)
        return planned

    def _committed(self, live: Live, found: Step, planned: Planned) -> Committed:
        """Notify the watchers of a durable step."""
        committed = Committed(found, planned.after, live, planned.write)
        for watcher in self._watchers:
            watcher(committed)
        return committed

    async def _is_current(self, live: Live) -> bool:
        """Whether this version is still the current one, according to the store."""
        await self.catalog.refresh()
        return self.catalog.live(live.tenant, live.app.name) is live

    async def _surely_refused(
        self,
        live: Live,
        command: Command,
        held: Mapping[ClaimKey, str],
        outcome: Refusal,
        world: _World,
    ) -> Refused | Replayed | None:
        """Decide a refusal again on committed rows, as it may rest on queued or stale ones; None: it was
        stale.
        """
        keys = self._keys(live, world.seen)
        found: Step | Refusal = outcome
        if self.store.is_shared:
            await self.catalog.refresh()
            live = self.catalog.live(command.tenant, command.app)
            found, world, _ = await self._decide(live, command, held, "fresh")
        elif self.cache.is_pending(keys):
            found, world, _ = await self._decide(live, command, held, "committed")
        if isinstance(found, Refusal):
            return await self._refused(command, live, found, world)
        self.cache.forget(keys)
        if self.cache.is_pending(keys):
            await self.committer.turn()
        return None

    async def _decide(
        self, live: Live, command: Command, held: Mapping[ClaimKey, str], sight: Sight = "newest"
    ) -> tuple[Step | Refusal, _World, int]:
        """Let the machine decide, loading every row that it asks for."""
        loaded: dict[str, Held | None] = {}
        for _ in range(LOADS_LIMIT):
            try:
                return self._decided(live, command, held, loaded, sight)
            except _Absent as absent:
                loaded[absent.entity] = await self.load(live, absent.entity)
        raise BusyError(f"`{command.entity}` needs more than {LOADS_LIMIT} others")

    def _decided(
        self,
        live: Live,
        command: Command,
        held: Mapping[ClaimKey, str],
        loaded: Mapping[str, Held | None],
        sight: Sight = "newest",
    ) -> tuple[Step | Refusal, _World, int]:
        """Let the machine decide on rows in memory and in `loaded`. Raises `_Absent` for any other."""
        now = self.clock.now_ms()
        world = _World(self.cache, live, held, loaded, sight)
        if command.requires is not None:
            world.get(command.entity)
            missing = command.requires(live, world.seen[command.entity])
            if missing is not None:
                return missing, world, now
        event = command.event(now)
        if isinstance(event, Create) and event.blueprint not in live.table.blueprints:
            return Refusal("action", None, "create"), world, now  # another version is current
        if command.allowance is None:
            return step(live.table, world, event, permit=live.permit), world, now
        return self._allowed(live, command.allowance, event, world), world, now

    def _allowed(self, live: Live, allowance: Allowance, event: Event, world: _World) -> Step | Refusal:
        """Decide with an allowance; refuse if a property would break: the verifier assumed no overrides."""
        permit = Overriding(allowance, live)
        found = step(live.table, world, event, permit=permit)
        if not permit.is_used or isinstance(found, Refusal):
            return found
        name = broken_by(live, world, found)
        if name is not None:
            return Refusal("denied", allowance.entity, allowance.action, f"`{name}` would be false")
        world.is_allowed = True
        return evolve(found, reads=frozenset(world.seen))

    async def preview(self, live: Live, event: Event, permit: Permit | None = None) -> Step | Refusal:
        """The result that an event would have now, with queued writes applied; nothing is changed.

        Raises `BusyError` if another version takes over meanwhile.
        """
        permit = permit or live.permit
        loaded: dict[str, Held | None] = {}
        for _ in range(LOADS_LIMIT):
            try:
                found = step(live.table, _World(self.cache, live, {}, loaded), event, permit=permit)
            except _Absent as absent:
                loaded[absent.entity] = await self.load(live, absent.entity)
                continue
            except LookupError as error:
                if await self._is_current(live):
                    raise
                raise BusyError("another version takes over just now") from error
            return (await self._claimed(live, found) or found) if isinstance(found, Step) else found
        raise BusyError(f"it reads more than {LOADS_LIMIT} entities")

    async def _claimed(self, live: Live, found: Step) -> Refusal | None:
        """The refusal of a step whose unique claim another entity holds, which only the store knows."""
        wanted: dict[ClaimKey, str] = {}
        for entity in found.written.values():
            for unique in live.table.blueprints[entity.blueprint].blueprint.unique.values():
                claim = claim_of(unique, entity)
                if claim is not None:
                    wanted[f"{entity.blueprint}.{unique.name}", encode_json(claim)] = entity.id
        if not wanted:
            return None
        holders = await self.store.holders(live.tenant, live.app.name, list(wanted))
        for claim_key, holder in holders.items():
            if holder not in found.written:
                return Refusal("unique", wanted[claim_key], None)
        return None

    async def load(self, live: Live, entity: str) -> Held | None:
        """Load a committed entity into the cache; None if there is none."""
        return await self._loading.load(live.tenant, live.app.name, entity)

    async def read(self, live: Live, entity: str) -> Held | None:
        """An entity as it is committed."""
        key = (live.tenant, live.app.name, entity)
        if self.store.is_shared or key not in self.cache:
            return await self.load(live, entity)
        return self.cache.committed(key)

    async def _commit(
        self, live: Live, command: Command, found: Step, world: _World, now: int
    ) -> Committed | Answer:
        planned = self._planned(live, command, found, world, now)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        planned = self._queue(planned, world, telling(future))
        answer = await future
        if answer.verdict != "accepted":
            return answer
        return self._committed(live, found, planned)

    def _planned(self, live: Live, command: Command, found: Step, world: _World, now: int) -> Planned:
        """The rows to write for a step that the machine has decided."""
        before = world.seen
        use = _use(command.allowance) if world.is_allowed and command.allowance is not None else None
        policies = (DECISION + use.id,) if use is not None else ()
        told = Told(command.kind, now, command.by, command.chain, command.told, policies)
        receiving = None if command.receiving is None else partial(command.receiving, live)
        planned = plan(live, found, before, told, receiving=receiving, lease=command.lease, decision=use)
        if self.traces is not None and planned.write.outgoing:
            planned = _carrying(self.traces, planned)
        return planned

    async def _over(
        self, command: Command, live: Live, answer: Answer, held: dict[ClaimKey, str], attempt: int
    ) -> Result | None:
        """The result of a write that was not accepted; None to decide the command again."""
        if answer.verdict == "lease":
            return LeaseLost()
        if answer.verdict == "decision":
            return DecisionSpent()
        if answer.verdict == "receipt":
            return await self._replayed(command)
        if answer.verdict == "governed":
            await self.catalog.refresh()
        elif answer.verdict == "claimed":
            held.update(await self._held_claims(live, answer.subject))
        elif attempt > 1:
            await asyncio.sleep(0.001 * attempt)
        return None

    async def _held_claims(self, live: Live, claim: str) -> dict[ClaimKey, str]:
        """The claim for which a write was refused, with its holder, for the next decision.

        `claim` is the unique's name and its key. Empty if it was released since.
        """
        name, _, key = claim.partition("=")
        return await self.store.holders(live.tenant, live.app.name, [(name, key.encode())])

    async def _replayed(self, command: Command) -> Result | None:
        if command.key is None:
            return None
        receipt = await self.store.receipt(command.tenant, *command.key)
        return None if receipt is None else Replayed(receipt)

    async def _refused(
        self, command: Command, live: Live, refusal: Refusal, world: _World
    ) -> Refused | Replayed:
        """The refusal, unless this very request was executed before."""
        replayed = await self._replayed(command)
        if isinstance(replayed, Replayed):
            return replayed
        return Refused(refusal, world.seen.get(command.entity), live)

    def _keys(self, live: Live, names: Collection[str]) -> list[Key]:
        return [(live.tenant, live.app.name, name) for name in names]


def _notices(write: Write) -> int:
    """How many notices a write asks for."""
    return sum([row.phase == "notice" for row in write.outgoing]) if write.outgoing else 0


def _carrying(traces: Traces, planned: Planned) -> Planned:
    """The same write, with the current span in what it puts into the outbox."""
    write = replace(planned.write, outgoing=traces.carried(planned.write.outgoing))
    return replace(planned, write=write)


def _use(allowance: Allowance) -> Use:
    return Use(allowance.decision, allowance.revision, allowance.is_once)
