"""Replays a trace on the real runtime (engine, plans, commits, swaps) over a store in memory.

The model goes alongside. What the runtime takes, refuses and writes must be what the model does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from lathe.errors import LatheError
from lathe.machine.event import (
    Act,
    Caller,
    Create,
    Delivers,
    Ends,
    Event,
    LateExecution,
    Notifies,
    TimerFires,
)
from lathe.machine.outcome import Refusal, Step
from lathe.machine.properties import Broken, broken, false_invariants
from lathe.machine.replay import STEP_MS, Replayed, event_of, refused
from lathe.machine.snapshot import Entity, MemoryWorld
from lathe.machine.step import step
from lathe.machine.swap import told_swap
from lathe.machine.trace import Trace, TraceStep
from lathe.machine.trace_start import milliseconds
from lathe.machine.trace_step import told
from lathe.runtime.clock import Ids
from lathe.runtime.conformance import told_of
from lathe.runtime.engine import Command, Committed, Engine
from lathe.runtime.snapshot import entity_of
from lathe.runtime.swap import RefusedSwap, Swapper
from lathe.sim.loop import SimLoop, run as run_loop
from lathe.sim.prepared import Loaded
from lathe.sim.world import TENANT, Judgement, OpenGate
from lathe.store.base import Apply
from lathe.store.memory import MemoryStore
from lathe.store.records import Version


class UnplayableError(LatheError):
    """The runtime cannot be brought to where the trace begins."""


class _Clock:
    """The time of the step that is taken."""

    def __init__(self) -> None:
        self.at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms


def replay_by_runtime(loaded: Loaded, trace: Trace, before: Loaded | None = None) -> list[Replayed]:
    """Run a trace by the runtime, step by step, as `machine.replay.replay` does on the model.

    `before` is the version that is replaced, for a trace in which another takes over. Raises
    UnplayableError for a trace that begins in the middle.
    """
    if any(one.event == "given" for one in trace.steps):
        raise UnplayableError(
            "the trace begins in the middle, and a runtime begins with nothing: replay it on the model"
        )

    async def main(loop: SimLoop) -> list[Replayed]:
        playing = _Playing(loop, before or loaded)
        await playing.begin()
        return [await playing.play(number, one, loaded) for number, one in enumerate(trace.steps)]

    return run_loop(main, 0)[0]


class _Playing:
    """The runtime as it is played on, and the world of the model beside it."""

    def __init__(self, loop: SimLoop, first: Loaded) -> None:
        self._clock = _Clock()
        self._store = MemoryStore(self._clock.now_ms)
        self._engine = Engine(self._store, self._clock, Ids(loop, Random(0).getrandbits))
        self._loaded = first
        self._world = MemoryWorld({}, first.table.ghosts)

    async def begin(self) -> None:
        """Make the first version current, and start."""
        first = self._loaded
        version = Version(TENANT, first.app.name, first.digest, dict(first.files), b"{}", 0, "replay")
        await self._store.apply(Apply(version, None))
        await self._engine.start()

    async def play(self, number: int, recorded: TraceStep, loaded: Loaded) -> Replayed:
        """Take one step."""
        self._clock.at_ms = STEP_MS * (number + 1) if recorded.at is None else milliseconds(recorded.at)
        if recorded.event == "swap":
            return await self._swap(recorded, loaded)
        table, world = self._loaded.table, self._world
        try:
            event = event_of(table.app, world, recorded, self._clock.at_ms)
            outcome = step(table, world, event, permit=self._loaded.permit)
        except LookupError as error:
            return Replayed(recorded, refused(recorded, f"the app has no {error}"), ())
        result = await self._engine.execute(_command(self._loaded, world, recorded, event))
        actual = replace(told(table, world, event, outcome), at=recorded.at)
        if isinstance(result, Committed) != isinstance(outcome, Step):
            does = "takes" if isinstance(result, Committed) else "refuses"
            return Replayed(
                recorded, refused(recorded, f"LT811: the runtime {does} it, the model does not"), ()
            )
        if isinstance(outcome, Refusal):
            return Replayed(recorded, actual, ())
        wrong = await self._otherwise(outcome.written, has_ghosts=not table.app.ghosts)
        if wrong:
            return Replayed(recorded, refused(recorded, wrong), ())
        after = world.after(outcome.written, outcome.ghosts)
        breaks: tuple[Broken, ...] = tuple(broken(table, world, outcome, after))
        self._world = after
        return Replayed(recorded, actual, breaks)

    async def _otherwise(self, written: Mapping[str, Entity], *, has_ghosts: bool) -> str:
        """What the store has otherwise than the model; no process keeps ghosts of the app."""
        rows = await self._store.load(TENANT, self._loaded.app.name, sorted(written))
        for name, now in sorted(written.items()):
            found = entity_of(rows[name]) if name in rows else None
            if found is not None and not has_ghosts:
                found = replace(found, ghosts=now.ghosts)
            if found != now:
                return f"LT811: the runtime has {found}, the model makes {now}"
        return ""

    async def _swap(self, recorded: TraceStep, loaded: Loaded) -> Replayed:
        """Another version takes over, as an operator would let it."""
        if loaded.digest == self._loaded.digest:
            return Replayed(
                recorded, refused(recorded, "the version before is not at hand (`--against`)"), ()
            )
        swapper = Swapper(self._engine, OpenGate())
        try:
            await swapper.apply(
                TENANT, loaded.files, Judgement(loaded), confirm=None, by="replay", allow_breaking=True
            )
        except RefusedSwap as error:
            return Replayed(recorded, refused(recorded, str(error)), ())
        await self._engine.catalog.refresh()
        before, old = self._world, self._loaded
        rows = await self._store.load(TENANT, loaded.app.name, sorted(before.entities))
        entities = {name: entity_of(rows[name]) for name in before.entities if name in rows}
        ghosts = {n: before.ghosts.get(n, value) for n, value in loaded.table.ghosts.items()}
        self._loaded, self._world = loaded, MemoryWorld(entities, ghosts)
        shown = replace(told_swap(old.table, loaded.table, before, self._world), at=recorded.at)
        return Replayed(recorded, shown, tuple(false_invariants(loaded.table, self._world)))


def _command(loaded: Loaded, world: MemoryWorld, recorded: TraceStep, event: Event) -> Command:
    """The command that the API, the outbox or a timer would give."""
    caller = event.by if isinstance(event, Act | Create) else Caller("timer")
    entity = event.id if isinstance(event, Create) else event.entity
    told_with: dict[str, object] = {"effect": recorded.effect, "number": _number(world, event)}
    match event:
        case Act() | Create():
            told_with = dict(told_of(caller))
        case TimerFires():
            told_with = {"timer": event.deadline or ""}
        case Ends(ok=True):
            told_with |= {"ok": True, "results": event.results}
        case Ends():
            told_with |= {"ok": False, "cause": event.cause, "message": event.message}
        case Delivers() | Notifies():
            told_with |= {"new_ids": event.new_ids}
        case _:
            pass
    return Command(
        tenant=TENANT,
        app=loaded.app.name,
        entity=entity,
        kind=recorded.event,
        event=lambda now: event,
        told=told_with,
        by=str(caller) if isinstance(event, Act | Create | TimerFires) else f"effect:{recorded.effect}",
    )


def _number(world: MemoryWorld, event: Event) -> int | None:
    """The number of the invocation that an event is about, where there is one alone."""
    found = world.get("" if isinstance(event, Create) else event.entity)
    if found is None or isinstance(event, LateExecution | Notifies):
        return None
    meant = found.active or found.head
    return meant.number if meant is not None else None
