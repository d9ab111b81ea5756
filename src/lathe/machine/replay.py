"""A saved trace, run again: whether the same still happens, and breaks the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
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
from lathe.machine.snapshot import MemoryWorld, Scalar, Value
from lathe.machine.step import Permit, admitted, step
from lathe.machine.swap import told_misfit, told_swap
from lathe.machine.table import Table, compile_app
from lathe.machine.telling import told
from lathe.machine.trace import Trace, TraceStep

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
        """Whether the step went as the trace says: the same changes, or refused both times."""
        if (self.recorded.refused is None) != (self.actual.refused is None):
            return False
        return self.recorded.refused is not None or _changes(self.recorded) == _changes(self.actual)


def _changes(told_step: TraceStep) -> dict[str, dict[str, tuple[Json, Json]]]:
    """What changed, times apart: a replay has its own clock."""
    return {
        part.entity: {name: pair for name, pair in part.changes.items() if not any(map(_is_time, pair))}
        for part in told_step.parts
        if part.changes
    }


def _is_time(value: Json) -> bool:
    return isinstance(value, str) and len(value) >= 20 and value[4] == "-" and value.endswith("Z")


def replay(
    app: App, trace: Trace, permit: Permit = admitted, *, before: tuple[App, Permit] | None = None
) -> list[Replayed]:
    """Run a trace on the model, event by event; what no longer fits the app is told as refused.

    `permit` says who may: `by` alone, where the app has no policies. `before` is the version that is
    replaced and who may there, for a trace in which another takes over.
    """
    table, may = (compile_app(before[0]), before[1]) if before is not None else (compile_app(app), permit)
    world = MemoryWorld({}, table.ghosts)
    found: list[Replayed] = []
    for number, recorded in enumerate(trace.steps):
        now = STEP_MS * (number + 1)
        if recorded.event == "swap":
            later = compile_app(app)
            moved, swapped = _swapped((table, later), world, recorded, is_known=before is not None)
            found.append(swapped)
            table, world, may = (later, moved, permit) if moved is not None else (table, world, may)
            continue
        try:
            event = _event(table.app, world, recorded, now)
            outcome = step(table, world, event, permit=may)
            actual = told(table, world, event, outcome)
        except LookupError as error:
            outcome = Refusal("missing", recorded.entity, recorded.action, f"the app has no {error}")
            actual = TraceStep(recorded.event, recorded.parts[:1], recorded.by, refused=str(outcome))
        breaks: tuple[Broken, ...] = ()
        if isinstance(outcome, Step):
            after = world.after(outcome.written, outcome.ghosts)
            breaks = tuple(broken(table, world, outcome, after))
            world = after
        found.append(Replayed(recorded, actual, breaks))
    return found


def _swapped(
    tables: tuple[Table, Table], world: MemoryWorld, recorded: TraceStep, *, is_known: bool
) -> tuple[MemoryWorld | None, Replayed]:
    """The world in the new version, if it has a place there, and the step that says so."""
    old, new = tables
    if not is_known:
        why = "the version before is not at hand (`--against`)"
        return None, Replayed(recorded, replace(recorded, refused=why), ())
    moved = migrate_world(old, new, world)
    if isinstance(moved, tuple):
        return None, Replayed(recorded, told_misfit(new, recorded.entity, moved[0]), ())
    told_step = told_swap(old, new, world, moved)
    return moved, Replayed(recorded, told_step, tuple(false_invariants(new, moved)))


def _event(app: App, world: MemoryWorld, told_step: TraceStep, now: int) -> Event:
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
        case "swap":
            raise AssertionError("a swap is no event of one version")
        case "deliver":
            return Delivers(entity, now, _made(told_step) or _spare(app, world, told_step))
        case "end":
            return _end(app, world, told_step, now)


def _made(told_step: TraceStep) -> tuple[str, ...]:
    """The entities that a delivery created."""
    return tuple(part.entity for part in told_step.parts if part.action == "create")


def _spare(app: App, world: MemoryWorld, told_step: TraceStep) -> tuple[str, ...]:
    """Names for creations that were refused when the trace was made."""
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
    results = {n: _value(arguments.get(n), v) for n, v in told_step.results.items()}
    cause = cast(Cause, told_step.cause or "timeout")
    message = str(told_step.results.get("message", "")) if not told_step.ok else ""
    return Ends(told_step.entity, bool(told_step.ok), now, results, cause, message)


def _caller(told_step: TraceStep) -> Caller:
    kind, _, name = told_step.by.partition(":")
    if kind in ("role", "any"):
        return Caller("role", None, frozenset(n for n in name.split("+") if n), told_step.actor)
    return Caller(cast(CallerKind, kind), name or None, actor=told_step.actor)


def _arguments(arguments: Mapping[str, Argument], told_step: TraceStep) -> dict[str, Value]:
    return {n: _value(arguments.get(n), v) for n, v in told_step.parts[0].args.items()}


def _value(argument: Argument | None, value: Json) -> Value:
    """A machine value from its JSON: lists are sets, RFC 3339 text is a time."""
    if isinstance(value, list):
        return frozenset(cast(list[Scalar], value))
    if argument is not None and argument.type.kind == "time" and isinstance(value, str):
        return int(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1000)
    assert value is None or isinstance(value, (bool, int, str)), "arguments are plain values"
    return value
