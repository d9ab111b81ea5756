"""The outbox worker: leases due invocations, tries them, and takes the step that the result means.

An invocation is leased, not owned: a worker that falls silent loses it, and another tries again. An end
counts once, in the transaction of its step, and only while the lease runs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import msgspec

from lathe.effect.base import Attempt, Ending, Performer, Prompt
from lathe.effect.render import Lookup, MissingError, resolve
from lathe.errors import NotFoundError
from lathe.frozen import frozen
from lathe.lang.adapters import DEFAULT_TIMEOUT_MS
from lathe.lang.model import Effect
from lathe.machine.event import Delivers, Event, Executes, Starts, Stops
from lathe.machine.outcome import Refusal
from lathe.runtime import telemetry
from lathe.runtime.backoff import Backoff, Failed, told_to_loop
from lathe.runtime.catalog import Live
from lathe.runtime.committer import OverloadedError
from lathe.runtime.engine import BusyError, Command, Committed, Engine, Refused, Required, Result
from lathe.runtime.invocation_ends import (
    Key,
    beside,
    ends_badly,
    ends_well,
    is_open,
    is_there,
    key_of,
    notifies,
    request_of,
    results_of,
    told_of,
    why_of,
)
from lathe.runtime.plan import Held
from lathe.runtime.values import InvalidValueError
from lathe.runtime.waking import woken
from lathe.store.base import StoreError
from lathe.store.records import Answer, Outgoing, Receipt

LEASE_MS = 15_000
"""A lease's duration: how long a worker that has died keeps others from an invocation."""
SIDE_BY_SIDE_LIMIT = 256
"""Invocations that one process tries concurrently."""
GATHER_SECONDS = 0.005
"""Minimum time between two lease queries, so that under load each takes a batch."""
POLL_SECONDS = 1.0
"""How long a worker sleeps when nothing wakes it."""
STEP_TRIES = 20
"""How often a step that follows from an invocation is tried again while its lease runs."""
NOTED = "lathe:outbox"
"""Principal of the receipts that make a step count once when only its acknowledgement was lost."""
NOTED_MS = 3_600_000
"""How long such a receipt is kept: far longer than the step is retried."""
LOST_MS = 60_000
"""Delay before a result that no action accepts is offered again."""

DRAIN_SECONDS = 10.0
"""How long running tries may take to finish once the process is told to stop."""

Lookups = Callable[[Outgoing, int], Lookup]
"""Supplies an invocation's token, environment and secrets for one try; the number is its time-out in
milliseconds.
"""
Report = Callable[[str, Outgoing, str], None]
"""Reports to the operator: the kind of event, the invocation, and a message."""


@frozen
class Settings:
    """The worker's parameters, which tests and simulations override."""

    worker: str
    lease_ms: int = LEASE_MS
    side_by_side: int = SIDE_BY_SIDE_LIMIT
    drain_seconds: float = DRAIN_SECONDS
    jitter: Callable[[], float] = random.random


class Outbox:
    """The outbox worker of this process. Run `run` in a task of its own; call `wake` when something may be
    due.
    """

    def __init__(
        self,
        engine: Engine,
        performers: Mapping[str, Performer],
        lookups: Lookups,
        settings: Settings,
        report: Report = lambda kind, outgoing, words: None,
        failed: Failed = told_to_loop,
    ) -> None:
        self._engine = engine
        self._failed = failed
        self._performers = performers
        self._prompt = {name: one.at_once for name, one in performers.items() if isinstance(one, Prompt)}
        self._lookups = lookups
        self._settings = settings
        self._report = report
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._leased: dict[Key, Outgoing] = {}
        self._asked: list[Outgoing] = []
        self._telling: set[Key] = set()
        """Notices whose step is queued without a task, because there is nothing to try."""
        self._stopped: set[Key] = set()
        self._wake = asyncio.Event()
        self._is_closing = False
        self._is_cut_off = False
        self._leased_at = 0.0
        self._promised = 0
        engine.watch(self._notice)

    @property
    def running(self) -> int:
        """How many invocations are being tried."""
        return len(self._running) + len(self._telling)

    def wake(self) -> None:
        """Look for due invocations soon."""
        self._wake.set()

    async def run(self) -> None:
        """Try what is due until `close`."""
        renewing = asyncio.create_task(self._renew(), name="outbox renewal")
        self._engine.holder = self
        backoff = Backoff()
        try:
            while not self._is_closing:
                self._wake.clear()
                try:
                    await self._gather()
                    taken = await self._take()
                    is_full = self.running >= self._settings.side_by_side
                    wait = 0.0 if taken else POLL_SECONDS if is_full else await self._idle_seconds()
                    backoff.reset()
                except StoreError:
                    wait = POLL_SECONDS
                except Exception as error:  # noqa: BLE001  a defect: told, and the others' effects go on
                    self._failed("outbox", error)
                    wait = backoff.next()
                if wait > 0:
                    await woken(self._wake, wait)
            await self._drain()
        finally:
            renewing.cancel()
            await self._cut_off()

    def close(self) -> None:
        """Start nothing more; running tries may finish within the drain limit. Those cancelled then are
        released, so another worker tries them at once.
        """
        self._is_closing = True
        self._engine.holder = None
        self._wake.set()

    def hold(self, count: int) -> tuple[str, int] | None:
        """See `Holder`: notices of this process's steps are committed already leased."""
        if self.running + self._promised + count > self._settings.side_by_side:
            return None
        self._promised += count
        return self._settings.worker, self._settings.lease_ms

    def let_go(self, count: int) -> None:
        """See `Holder`."""
        self._promised -= count

    async def _drain(self) -> None:
        """Wait for running tries, cancel the rest, and release their leases."""
        if self._running:
            await asyncio.wait([*self._running.values()], timeout=self._settings.drain_seconds)
        left = dict(self._leased)
        await self._cut_off()
        for outgoing in left.values():
            with suppress(StoreError):  # then its lease runs out
                await self._postpone(outgoing, outgoing.attempt, 0)

    async def _cut_off(self) -> None:
        self._is_cut_off = True
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _gather(self) -> None:
        """Wait so that due invocations accumulate: each lease query is a commit."""
        now = asyncio.get_running_loop().time()
        if now < self._leased_at + GATHER_SECONDS:
            await asyncio.sleep(self._leased_at + GATHER_SECONDS - now)
        self._leased_at = asyncio.get_running_loop().time()

    async def _idle_seconds(self) -> float:
        due = await self._engine.store.next_due_ms()
        if due is None:
            return POLL_SECONDS
        return min(max((due - await self._engine.store.now_ms()) / 1000, 4 * GATHER_SECONDS), POLL_SECONDS)

    async def _take(self) -> int:
        """Lease due invocations up to the limit, and start them."""
        free = self._settings.side_by_side - self.running
        if free <= 0:
            return 0
        found = await self._engine.store.lease(
            self._settings.worker, limit=free, lease_ms=self._settings.lease_ms
        )
        for leased in found:
            self._begin(leased.outgoing)
        return len(found)

    def _begin(self, outgoing: Outgoing) -> None:
        """Start a task for an invocation that this worker has leased."""
        key = key_of(outgoing)
        if key not in self._running and key not in self._telling:
            task = asyncio.create_task(self._handle(outgoing), name=f"invocation {outgoing.id}")
            self._running[key] = task
            self._leased[key] = outgoing
            task.add_done_callback(partial(self._done, key))

    def _begin_soon(self, outgoing: Outgoing) -> None:
        """Start a notice; if it may consist of its step alone, only after its whole group was answered."""
        if not self._prompt:
            self._begin(outgoing)
            return
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._begin_asked)
        self._asked.append(outgoing)

    def _begin_asked(self) -> None:
        """Start the notices of a committed group."""
        asked, self._asked = self._asked, []
        for outgoing in asked:
            try:
                if not self._tell(outgoing):
                    self._begin(outgoing)
            except Exception as error:  # noqa: BLE001  a defect: told, and the others' notices go on
                self._failed("effect", error)

    def _tell(self, outgoing: Outgoing) -> bool:
        """Take the step of a notice that needs no try, no read and no waiting; False if it must be handled
        like others.
        """
        engine, key = self._engine, key_of(outgoing)
        table = engine.catalog.known(outgoing.digest)
        if table is None or engine.traces is not None or is_open(outgoing) or key in self._running:
            return False
        effect = table.blueprints[outgoing.blueprint].effects[outgoing.effect].effect
        at_once = self._prompt.get(effect.uses)
        if effect.target is not None or at_once is None:
            return False
        request = request_of(outgoing)
        ending = at_once(request)
        if ending is None or not ending.ok:
            return False
        command = self._command(outgoing, "notify", notifies(outgoing, ()), told_of(effect, ending, request))
        try:
            is_begun = engine.begin(command, partial(self._told, outgoing, key))
        except (OverloadedError, NotFoundError):
            return False
        if is_begun:
            self._telling.add(key)
        return is_begun

    def _told(self, outgoing: Outgoing, key: Key, found: Committed | Answer | Exception | None) -> None:
        """The outcome of a notice's step; one that was not accepted is handled like any other."""
        if self.running >= self._settings.side_by_side:
            self._wake.set()
        self._telling.discard(key)
        if found is not None and not isinstance(found, Committed) and not self._is_cut_off:
            self._begin(outgoing)

    def _done(self, key: Key, task: asyncio.Task[None]) -> None:
        was_full = self.running >= self._settings.side_by_side
        self._running.pop(key, None)
        outgoing = self._leased.pop(key, None)
        self._stopped.discard(key)
        if was_full or outgoing is None or outgoing.phase != "notice":
            self._wake.set()  # nothing waits for a notice
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._failed("effect", error)  # its lease runs out, and it is tried again
        elif error is not None:
            raise error

    def _notice(self, committed: Committed) -> None:
        """A step of this process has left a visit: its started invocations are cancelled."""
        live = committed.live
        for entity in committed.step.written.values():
            for invocation in entity.invocations:
                if invocation.phase == "stopping":
                    self._stop((live.tenant, live.app.name, entity.id, invocation.number))
        write = committed.write
        if write.holds is not None:
            for outgoing in write.outgoing:
                if outgoing.phase == "notice":
                    self._begin_soon(outgoing)
        if write.outgoing and (write.holds is None or any(row.phase != "notice" for row in write.outgoing)):
            self._wake.set()

    def _stop(self, key: Key) -> None:
        task = self._running.get(key)
        if task is not None and key not in self._stopped:
            self._stopped.add(key)
            task.cancel()

    async def _renew(self) -> None:
        """Extend the leases of running invocations; cancel those that another process stopped or took."""
        while True:
            await asyncio.sleep(self._settings.lease_ms / 3000)
            keys = list(self._running)
            if not keys:
                continue
            try:
                kept = await self._engine.store.renew(
                    self._settings.worker, keys, lease_ms=self._settings.lease_ms
                )
                if self._engine.store.is_shared:
                    await self._look_for_stops(keys)
            except StoreError:
                continue
            except Exception as error:  # noqa: BLE001  a defect: told, and what runs is held on to
                self._failed("renewal", error)
                continue
            for key in sorted(set(keys) - kept):
                if (task := self._running.get(key)) is not None:
                    task.cancel()

    async def _look_for_stops(self, keys: list[Key]) -> None:
        """Another process's commit may have left the visit of an invocation that runs here."""
        for key in keys:
            tenant, app, entity, number = key
            try:
                live = self._engine.catalog.live(tenant, app)
            except NotFoundError:
                continue
            held = await self._engine.read(live, entity)
            phases = {i.number: i.phase for i in held.entity.invocations} if held else {}
            if phases.get(number) not in ("started", "notice", "waiting"):
                self._stop(key)

    async def _handle(self, outgoing: Outgoing) -> None:
        try:
            await self._traced(outgoing)
        except (StoreError, BusyError, OverloadedError, NotFoundError) as error:
            self._report("later", outgoing, str(error))
        except asyncio.CancelledError:
            if key_of(outgoing) not in self._stopped or self._is_cut_off:
                raise
            with suppress(StoreError, BusyError, OverloadedError, NotFoundError):  # its lease runs out
                await self._step(outgoing, self._stop_of(outgoing))

    async def _traced(self, outgoing: Outgoing) -> None:
        """One step of an invocation's life, in a span of the trace that requested it."""
        traces = self._engine.traces
        if traces is None:
            await self._advance(outgoing)
            return
        told = {"app": outgoing.app, "entity": outgoing.entity, "effect": outgoing.effect}
        with traces.span(telemetry.INVOCATION, parent=telemetry.parent_of(outgoing.request), **told):
            await self._advance(outgoing)

    async def _advance(self, outgoing: Outgoing) -> None:
        """One step of an invocation's life, according to its phase."""
        effect = await self._effect(outgoing)
        if outgoing.phase == "stopping":
            await self._step(outgoing, self._stop_of(outgoing))
        elif outgoing.phase == "notice":
            await self._notify(outgoing, effect)
        elif effect.target is not None:
            await self._deliver(outgoing, effect)
        else:
            if outgoing.phase == "waiting":
                start = self._command(outgoing, "start", lambda now: Starts(outgoing.entity, now), {})
                started = await self._step(outgoing, start)
                if not isinstance(started, Committed):
                    return
            await self._try(outgoing, effect)

    async def _effect(self, outgoing: Outgoing) -> Effect:
        """The effect as defined by the version that requested it."""
        table = await self._engine.catalog.table(outgoing.tenant, outgoing.app, outgoing.digest)
        return table.blueprints[outgoing.blueprint].effects[outgoing.effect].effect

    async def _step(self, outgoing: Outgoing, command: Command) -> Result:
        """Execute the following step, retrying while the lease lasts: a result must not be lost because the
        store does not answer.
        """
        for tries in range(STEP_TRIES):
            try:
                return await self._engine.execute(command)
            except (StoreError, BusyError, OverloadedError) as error:
                self._report("later", outgoing, str(error))
                await asyncio.sleep(min(0.05 * 2**tries, 5.0))
        return await self._engine.execute(command)

    def _command(
        self,
        outgoing: Outgoing,
        kind: str,
        event: Callable[[int], Event],
        told: Mapping[str, object],
        requires: Required | None = None,
        *,
        once: str = "",
    ) -> Command:
        """The command of a step that follows from an invocation. `once` names one that the entity's state
        does not make idempotent.
        """
        return Command(
            tenant=outgoing.tenant,
            app=outgoing.app,
            entity=outgoing.entity,
            kind=kind,
            event=event,
            told={"effect": outgoing.effect, "number": outgoing.number, **told},
            by=f"effect:{outgoing.effect}",
            lease=(self._settings.worker, outgoing.entity, outgoing.number),
            requires=requires or partial(is_there, outgoing),
            key=(NOTED, once) if once else None,
            receiving=partial(self._noted, once) if once else None,
        )

    def _stop_of(self, outgoing: Outgoing) -> Command:
        """The step that ends an invocation whose visit has been left."""
        return self._command(outgoing, "stop", lambda now: Stops(outgoing.entity, now), {})

    def _noted(self, once: str, live: Live, after: Mapping[str, Held]) -> Receipt:
        expires_ms = self._engine.clock.now_ms() + NOTED_MS
        return Receipt(live.tenant, NOTED, once, b"", 0, b"", expires_ms)

    async def _deliver(self, outgoing: Outgoing, effect: Effect) -> None:
        """A call or creation is delivered, in one transaction with the caller's `ok`."""
        new_ids: list[str] = []
        command = self._command(
            outgoing,
            "deliver",
            lambda now: Delivers(outgoing.entity, now, tuple(new_ids)),
            {"new_ids": new_ids},
            partial(self._is_named, outgoing, effect, new_ids),
        )
        await self._after_end(outgoing, await self._step(outgoing, command))

    def _is_named(
        self, outgoing: Outgoing, effect: Effect, new_ids: list[str], live: Live, held: Held | None
    ) -> Refusal | None:
        """Require that the invocation is open and that `new_ids` has an id for each entity it will create, on
        the rows of the decision itself: an earlier look may have seen older ones.
        """
        refusal = is_there(outgoing, live, held)
        if refusal is None and held is not None and effect.target and effect.target.action == "create":
            mine = next(i for i in held.entity.invocations if i.number == outgoing.number)
            new_ids.extend(self._engine.ids.new() for _ in range(len(mine.deliveries) - len(new_ids)))
        return refusal

    async def _notify(self, outgoing: Outgoing, effect: Effect) -> None:
        """Perform a notice: tried until it succeeds or its attempts are used up; nothing waits for it."""
        told: Mapping[str, object] = {}
        new_ids: list[str] = []
        if effect.target is not None:
            told = {"new_ids": new_ids}
        else:
            ending = await self._attempt(outgoing, effect)
            if not ending.ok:
                if await self._again(outgoing, effect, ending):
                    return
                self._report("notice", outgoing, f"it ended badly: {why_of(ending, tried=outgoing.attempt)}")
            told = told_of(effect, ending, request_of(outgoing), tried=outgoing.attempt)
        named = partial(self._is_named, outgoing, effect, new_ids)
        await self._step(
            outgoing, self._command(outgoing, "notify", notifies(outgoing, new_ids), told, named)
        )

    async def _try(self, outgoing: Outgoing, effect: Effect) -> None:
        """One try of a started invocation, and its result unless it is retried."""
        ending = await self._attempt(outgoing, effect)
        if not ending.ok and await self._again(outgoing, effect, ending):
            return
        live = self._engine.catalog.live(outgoing.tenant, outgoing.app)
        if ending.ok:
            try:
                results = results_of(live, outgoing, ending.results)
            except InvalidValueError as error:
                ending = replace(ending, ok=False, cause="invalid", message=str(error))
        if ending.ok:
            if effect.world:
                executes = partial(Executes, outgoing.entity)
                execute = self._command(outgoing, "execute", executes, {}, once=self._engine.ids.new())
                await self._step(outgoing, execute)
            event: Callable[[int], Event] = partial(ends_well, outgoing.entity, results)
            told = {"ok": True, "results": results, **beside(ending, tried=0)}
        else:
            event = partial(ends_badly, outgoing.entity, ending)
            self._report("ended", outgoing, why_of(ending, tried=outgoing.attempt))
            more = beside(ending, tried=outgoing.attempt)
            told = {"ok": False, "cause": ending.cause, "message": ending.message, **more}
        result = await self._step(outgoing, self._command(outgoing, "end", event, told))
        await self._after_end(outgoing, result)

    async def _after_end(self, outgoing: Outgoing, result: Result) -> None:
        """A result that no action accepts is reported to the operator and offered again later."""
        if isinstance(result, Refused) and result.refusal.reason != "stale":
            self._report("lost", outgoing, str(result.refusal))
            await self._postpone(outgoing, outgoing.attempt, LOST_MS)

    async def _attempt(self, outgoing: Outgoing, effect: Effect) -> Ending:
        """Try once with a time-out; every failure becomes a bad end."""
        performer = self._performers.get(effect.uses)
        if performer is None:
            said = f"no adapter `{effect.uses}` is installed"
            return Ending(ok=False, cause="invalid", message=said, log=said)
        timeout_ms = effect.timeout_ms or DEFAULT_TIMEOUT_MS
        try:
            request = resolve(request_of(outgoing), self._lookups(outgoing, timeout_ms))
        except MissingError as error:
            return Ending(ok=False, cause="invalid", message=str(error), log=str(error))
        assert isinstance(request, dict), "a request is a table of settings"
        attempt = Attempt(
            id=outgoing.id,
            tenant=outgoing.tenant,
            app=outgoing.app,
            effect=outgoing.effect,
            number=outgoing.attempt + 1,
            request=request,
            takes=tuple(effect.takes),
            timeout_ms=timeout_ms,
            digest=outgoing.digest,
        )
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await self._performed(performer, attempt)
        except TimeoutError:
            said = f"no end within {timeout_ms} ms"
            return Ending(ok=False, cause="timeout", message=said, again=True, log=said)
        except Exception as error:  # noqa: BLE001  whatever an adapter raises is a bad end, and is told
            said = f"{type(error).__name__}: {error}"
            self._report("crashed", outgoing, said)
            return Ending(ok=False, cause="crashed", message=said, again=True, log=type(error).__name__)

    async def _performed(self, performer: Performer, attempt: Attempt) -> Ending:
        traces = self._engine.traces
        if traces is None:
            return await performer.perform(attempt)
        with traces.span(telemetry.ATTEMPT, effect=attempt.effect, number=attempt.number) as span:
            ending = await performer.perform(replace(attempt, headers=traces.headers()))
            span.set_attribute(telemetry.OK, ending.ok)
            if not ending.ok:
                span.set_attribute(telemetry.CAUSE, ending.cause)
            return ending

    async def _again(self, outgoing: Outgoing, effect: Effect, ending: Ending) -> bool:
        """Whether a bad end is retried later."""
        attempt = outgoing.attempt + 1
        if not ending.again or attempt >= effect.attempts:
            return False
        low, high = effect.backoff_ms
        wait = min(low * 2 ** min(attempt - 1, 32), high) * (0.5 + self._settings.jitter() / 2)
        await self._postpone(outgoing, attempt, max(int(wait), ending.after_ms or 0))
        return True

    async def _postpone(self, outgoing: Outgoing, attempt: int, wait_ms: int) -> None:
        now = await self._engine.store.now_ms()
        later = msgspec.structs.replace(outgoing, attempt=attempt, due_ms=now + wait_ms)
        await self._engine.store.postpone(self._settings.worker, later)
        self._wake.set()
