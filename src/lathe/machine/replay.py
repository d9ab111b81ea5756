"""Replays a saved trace and compares: the same steps, and the same violation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from lathe.frozen import frozen
from lathe.lang.model import App, Argument, Json
from lathe.machine.event import (
    Act,
    Caller,
    CallerKind,
    Cause,
    Create,
    Delivers,
    Ends,
    Event,
    Executes,
    LateExecution,
    Notifies,
    Starts,
    Stops,
    TimerFires,
)
from lathe.machine.migrate import migrate_world
from lathe.machine.outcome import Refusal, Step
from lathe.machine.properties import Broken, broken, false_invariants
from lathe.machine.snapshot import MemoryWorld, Value
from lathe.machine.step import Permit, admitted, step
from lathe.machine.swap import told_misfit, told_swap
from lathe.machine.table import Table, compile_app
from lathe.machine.trace import Trace, TraceStep
from lathe.machine.trace_start import beginning, milliseconds, told_beginning, value_of
from lathe.machine.trace_step import told

STEP_MS = 1_000
"""Time between two replayed events, in milliseconds."""


@frozen
class Replayed:
    """One step of a replay: what the trace says, what happened now, what it breaks."""

    recorded: TraceStep
    actual: TraceStep
    broken: tuple[Broken, ...]

    @property
    def is_same(self) -> bool:
        """Whether the step matches the trace: the same changes, or refused both times."""
        return not parting(self.recorded, self.actual)


def _changes(told_step: TraceStep) -> dict[str, dict[str, tuple[Json, Json]]]:
    """The changes, without times where the replay has its own clock."""
    is_timed = told_step.at is not None
    return {
        part.entity: {
            name: pair for name, pair in part.changes.items() if is_timed or not any(map(_is_time, pair))
        }
        for part in told_step.parts
        if part.changes
    }


def parting(recorded: TraceStep, actual: TraceStep) -> str:
    """Where a step differs from the trace, as a clause with entity and field; empty if it does not."""
    if actual.refused is not None:
        return "" if recorded.refused is not None else f"it is refused: {actual.refused}"
    if recorded.refused is not None:
        return f"it was refused ({recorded.refused}), and is not"
    was, now = _changes(recorded), _changes(actual)
    for entity in sorted({*was, *now}):
        before, after = was.get(entity, {}), now.get(entity, {})
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                told = f"`{name}` of {entity}"
                return f"{told} {_went(before.get(name))} in the trace, and {_went(after.get(name))} now"
    return ""


def _went(pair: tuple[Json, Json] | None) -> str:
    return "stays as it is" if pair is None else f"goes from {_shown(pair[0])} to {_shown(pair[1])}"


def _shown(value: Json) -> str:
    return "unset" if value is None else f"`{value}`"


def _is_time(value: Json) -> bool:
    return isinstance(value, str) and len(value) >= 20 and value[4] == "-" and value.endswith("Z")


@frozen
class Walk:
    """A replayed trace, and the world afterwards with the version then in force."""

    steps: list[Replayed]
    table: Table
    world: MemoryWorld


def replay(
    app: App, trace: Trace, permit: Permit = admitted, *, before: tuple[App, Permit] | None = None
) -> list[Replayed]:
    """The steps of `walk`."""
    return walk(app, trace, permit, before=before).steps


def walk(
    app: App, trace: Trace, permit: Permit = admitted, *, before: tuple[App, Permit] | None = None
) -> Walk:
    """Replay a trace on the model, event by event; steps that the app no longer has are reported as refused.

    `permit` says who may: `by` alone, where the app has no policies. `before` is the version that is
    replaced and who may there, for a trace in which another takes over.
    """
    table, may = (compile_app(before[0]), before[1]) if before is not None else (compile_app(app), permit)
    world = MemoryWorld({}, table.ghosts)
    found: list[Replayed] = []
    for number, recorded in enumerate(trace.steps):
        now = STEP_MS * (number + 1) if recorded.at is None else milliseconds(recorded.at)
        if recorded.event == "given":
            world, given = _given(table, world, recorded)
            found.append(given)
            continue
        if recorded.event == "swap":
            later = compile_app(app)
            moved, swapped = _swapped((table, later), world, recorded, is_known=before is not None)
            found.append(swapped)
            table, world, may = (later, moved, permit) if moved is not None else (table, world, may)
            continue
        try:
            event = event_of(table.app, world, recorded, now)
            outcome = step(table, world, event, permit=may)
            actual = replace(told(table, world, event, outcome), at=recorded.at)
        except LookupError as error:
            outcome = Refusal("missing", recorded.entity, recorded.action, f"the app has no {error}")
            actual = refused(recorded, str(outcome))
        breaks: tuple[Broken, ...] = ()
        if isinstance(outcome, Step):
            after = world.after(outcome.written, outcome.ghosts)
            breaks = tuple(broken(table, world, outcome, after))
            world = after
        found.append(Replayed(recorded, actual, breaks))
    return Walk(found, table, world)


def refused(recorded: TraceStep, why: str) -> TraceStep:
    """Report a step of a trace that cannot be taken now."""
    return TraceStep(recorded.event, recorded.parts[:1], recorded.by, refused=why, at=recorded.at)


def _given(table: Table, world: MemoryWorld, recorded: TraceStep) -> tuple[MemoryWorld, Replayed]:
    """The initial world of a trace."""
    try:
        begun = beginning(table, recorded)
    except LookupError as error:
        return world, Replayed(recorded, refused(recorded, f"the app has no {error}"), ())
    after = world.after(begun.entities, {**world.ghosts, **begun.ghosts})
    actual = told_beginning(table, after, begun.entities, by=recorded.by)
    return after, Replayed(recorded, replace(actual, at=recorded.at), tuple(false_invariants(table, after)))


def _swapped(
    tables: tuple[Table, Table], world: MemoryWorld, recorded: TraceStep, *, is_known: bool
) -> tuple[MemoryWorld | None, Replayed]:
    """The migrated world, if the migration is possible, and the step that says so."""
    old, new = tables
    if not is_known:
        why = "the version before is not at hand (`--against`)"
        return None, Replayed(recorded, replace(recorded, refused=why), ())
    moved = migrate_world(old, new, world)
    if isinstance(moved, tuple):
        return None, Replayed(recorded, told_misfit(new, recorded.entity, moved[0]), ())
    told_step = replace(told_swap(old, new, world, moved), at=recorded.at)
    return moved, Replayed(recorded, told_step, tuple(false_invariants(new, moved)))


def event_of(app: App, world: MemoryWorld, told_step: TraceStep, now: int) -> Event:
    """The machine's event for a step of a trace, in a world, at a moment.

    Raises LookupError for what the app has not, ValueError for what is no time.
    """
    entity = told_step.entity
    match told_step.event:
        case "create":
            blueprint = entity.partition("#")[0]
            arguments = app.blueprints[blueprint].actions["create"].arguments
            return Create(blueprint, entity, _arguments(arguments, told_step), _caller(told_step), now)
        case "act":
            found = world.entities[entity]
            action = app.blueprints[found.blueprint].actions[told_step.action or ""]
            args = _arguments(action.arguments, told_step)
            return Act(entity, action.name, args, _caller(told_step), now, found.visit)
        case "timer":
            return TimerFires(entity, told_step.timer, now)
        case "start":
            return Starts(entity, now)
        case "execute":
            return Executes(entity, now)
        case "stop":
            return Stops(entity, now)
        case "late":
            return LateExecution(entity, told_step.effect or "", now)
        case "notify":
            return Notifies(entity, told_step.effect or "", now, _made(told_step))
        case "swap" | "given":
            raise AssertionError("neither happens to an entity of one version")
        case "deliver":
            return Delivers(entity, now, _made(told_step) or _spare(app, world, told_step))
        case "end":
            return _end(app, world, told_step, now)


def _made(told_step: TraceStep) -> tuple[str, ...]:
    """The entities that a delivery created."""
    return tuple(part.entity for part in told_step.parts if part.action == "create")


def _spare(app: App, world: MemoryWorld, told_step: TraceStep) -> tuple[str, ...]:
    """Ids for creations that were refused when the trace was made."""
    found = world.entities[told_step.entity]
    head = found.head
    count = len(head.deliveries) if head else 0
    return tuple(f"spare#{len(world.entities) + i}" for i in range(count))


def _end(app: App, world: MemoryWorld, told_step: TraceStep, now: int) -> Event:
    found = world.entities[told_step.entity]
    blueprint = app.blueprints[found.blueprint]
    effect = blueprint.effects[told_step.effect or ""]
    arguments: dict[str, Argument] = {}
    for name in (effect.error, effect.ok):
        if name is not None:
            arguments |= blueprint.actions[name].arguments
    results = {n: value_of(arguments.get(n), v) for n, v in told_step.results.items()}
    cause = cast(Cause, told_step.cause or "timeout")
    message = str(told_step.results.get("message", "")) if not told_step.ok else ""
    return Ends(told_step.entity, bool(told_step.ok), now, results, cause, message)


def _caller(told_step: TraceStep) -> Caller:
    kind, _, name = told_step.by.partition(":")
    if kind in ("role", "any"):
        return Caller("role", None, frozenset(n for n in name.split("+") if n), told_step.actor)
    return Caller(cast(CallerKind, kind), name or None, actor=told_step.actor)


def _arguments(arguments: Mapping[str, Argument], told_step: TraceStep) -> dict[str, Value]:
    return {n: value_of(arguments.get(n), v) for n, v in told_step.parts[0].args.items()}
