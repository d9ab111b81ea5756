"""Re-runs a path of packed states on the machine, and returns it as a trace.

The packed search and `machine.step` must agree at every step; where they do not, that is a defect of
ours and the check says so (LT901) instead of showing a run that could not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from itertools import combinations, pairwise
from typing import cast

from lathe.check.composed.command import BAD_MESSAGE, RECYCLE, Command
from lathe.check.composed.domain import A_TIME
from lathe.check.composed.encode import code_of, encode
from lathe.check.composed.ground import is_policed
from lathe.check.composed.layout import Layout, Slot
from lathe.check.composed.permit import permit_of
from lathe.check.composed.system import System
from lathe.check.search.graph import Graph
from lathe.check.search.picks import Picked, picks
from lathe.errors import InternalError
from lathe.frozen import frozen, mutable
from lathe.lang.model import Action, Argument, Principal
from lathe.lang.types import Type
from lathe.machine.event import (
    Act,
    Caller,
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
from lathe.machine.outcome import Refusal, Step
from lathe.machine.snapshot import Invocation, MemoryWorld, Value
from lathe.machine.step import Permit, step
from lathe.machine.table import Table
from lathe.machine.trace import FalseClause, Trace, TraceStep, identity
from lathe.machine.trace_step import told


@frozen
class Move:
    """One step of a path: a command, and what was picked for its parameters."""

    command: Command
    picked: Picked


@mutable
class Run:
    """A path on the machine so far."""

    system: System
    table: Table
    world: MemoryWorld
    roles: int
    permit: Permit
    names: dict[str, Slot] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)
    steps: list[TraceStep] = field(default_factory=list)
    now: int = 0
    last: Step | Refusal | None = None
    before: MemoryWorld | None = None

    def entity(self, slot: Slot) -> str:
        """The name of the entity that is in a slot now."""
        return next(name for name, where in reversed(self.names.items()) if where is slot)

    def occupants(self) -> dict[str, Slot]:
        """Who is in which slot, the latest of each."""
        latest = {slot.name: name for name, slot in self.names.items()}
        return {name: slot for name, slot in self.names.items() if latest[slot.name] == name}


def moves_along(system: System, graph: Graph, way: list[tuple[int, int]]) -> list[Move]:
    """The commands, with what was picked, that lead along a way of `Graph.way_to`."""
    return [
        move_between(system.layout, system.commands[label], graph.states[here], graph.states[there])
        for (_, here), (label, there) in pairwise(way)
    ]


def move_between(layout: Layout, command: Command, source: int, target: int) -> Move:
    """What to pick for a command so that it leads from one state to the other."""
    for picked, reached in picks(layout, command, command.guard, source):
        if reached == target:
            return Move(command, picked)
    raise InternalError("a step of the search cannot be taken again")


def begin(system: System, table: Table, start: int) -> Run:
    """A run that has not yet begun, from an initial state of the search."""
    roles = sum(v.read(start) << v.offset for v in system.layout.roles)
    return Run(system, table, MemoryWorld({}, table.ghosts), roles, permit_of(system.layout.app))


def follow(run: Run, moves: list[Move], states: list[int] | None = None) -> Run:
    """Take every move on the machine; `states`, if given, are what the search says they lead to."""
    for position, move in enumerate(moves):
        take(run, move)
        if states is not None:
            there = encode(run.system.layout, run.world, run.occupants(), run.roles)
            there = run.system.dead.cleared(there)
            if there != states[position]:
                raise InternalError(f"search and machine disagree after {_describe(move)}")
    return run


def _describe(move: Move) -> str:
    label = move.command.label
    return f"`{label.event}` of `{label.action or label.effect or label.slot.name}` on {label.slot.name}"


def take(run: Run, move: Move, *, may_be_refused: bool = False) -> None:
    """One move on the machine; a refusal is a defect of ours unless it may be."""
    command = move.command
    if command.label.event == RECYCLE:
        gone = run.entity(command.label.slot)
        kept = {name: e for name, e in run.world.entities.items() if name != gone}
        run.world = MemoryWorld(kept, run.world.ghosts)
        del run.names[gone]
        return
    for event in _events(run, move):
        outcome = happen(run, event)
        if isinstance(outcome, Refusal) and not may_be_refused:
            raise InternalError(f"the machine refuses {_describe(move)}: {outcome}")


def happen(run: Run, event: Event) -> Step | Refusal:
    """One event on the machine, told as a step of the trace."""
    run.now += A_TIME
    outcome = step(run.table, run.world, event, permit=run.permit)
    run.steps.append(told(run.table, run.world, event, outcome))
    run.before, run.last = run.world, outcome
    if isinstance(outcome, Step):
        run.world = run.world.after(outcome.written, outcome.ghosts)
    return outcome


def _events(run: Run, move: Move) -> Iterator[Event]:
    """The machine's events for a move; unexplored executions come before the end that needs one."""
    command, label = move.command, move.command.label
    now = run.now + A_TIME
    if label.event == "create":
        name = _new_name(run, label.slot)
        action = label.slot.blueprint.actions["create"]
        args = _arguments(run, move, action)
        blueprint = label.slot.blueprint.name
        yield _by_whom(run, move, lambda by: Create(blueprint, name, args, by, now))
        return
    entity = run.entity(label.slot)
    match label.event:
        case "act":
            action = label.slot.blueprint.actions[label.action or ""]
            visit, args = run.world.entities[entity].visit, _arguments(run, move, action)
            yield _by_whom(run, move, lambda by: Act(entity, action.name, args, by, now, visit))
        case "timer":
            yield TimerFires(entity, label.deadline, now)
        case "start":
            yield Starts(entity, now)
        case "execute":
            yield Executes(entity, now)
        case "stop":
            yield Stops(entity, now)
        case "late":
            yield LateExecution(entity, label.effect or "", now)
        case "notify":
            names = _new_names(run, command, _first(run, entity, "notice", label.effect))
            yield Notifies(entity, label.effect or "", now, names, label.again)
        case "deliver":
            yield Delivers(entity, now, _new_names(run, command, run.world.entities[entity].head))
        case "end":
            yield from _end(run, move, entity, now)


def _first(run: Run, entity: str, phase: str, effect: str | None) -> Invocation | None:
    listed = run.world.entities[entity].invocations
    return next((i for i in listed if (i.phase, i.effect) == (phase, effect)), None)


def _new_names(run: Run, command: Command, invocation: Invocation | None) -> tuple[str, ...]:
    """Names for what a delivery creates, in the machine's order; one that is refused needs some too."""
    label = command.label
    effect = label.slot.blueprint.effects[label.effect or ""]
    if effect.target is None or effect.target.action != "create" or invocation is None:
        return ()
    if not label.made:
        return tuple(f"{effect.target.blueprint}#refused{i}" for i in range(len(invocation.deliveries)))
    places = list(range(len(label.made)))
    if effect.target.each is not None:
        kind = label.slot.blueprint.fields[effect.target.each].type
        group = invocation.fields[effect.target.each]
        assert isinstance(group, frozenset), "a set has members"
        names = run.occupants()
        rounds = [code_of(run.system.layout, kind, frozenset((m,)), names) for m in sorted(group, key=str)]
        places = [sorted(rounds).index(r) for r in rounds]
    return tuple(_new_name(run, label.made[place]) for place in places)


def _end(run: Run, move: Move, entity: str, now: int) -> Iterator[Event]:
    label = move.command.label
    blueprint = label.slot.blueprint
    effect = blueprint.effects[label.effect or ""]
    active = run.world.entities[entity].active
    if label.is_ok and effect.world and active is not None and not active.executed:
        yield Executes(entity, now)
    if label.is_ok:
        given = _arguments(run, move, blueprint.actions[effect.ok]) if effect.ok is not None else {}
        yield Ends(entity, True, now, {name: v for name, v in given.items() if name in effect.takes})
        return
    code = move.picked.get(BAD_MESSAGE, 0)
    message = run.system.layout.domains.texts[code - 1] if code else ""
    yield Ends(entity, False, now, {}, cast(Cause, label.cause or "timeout"), message)


def _new_name(run: Run, slot: Slot) -> str:
    """A name for a new entity: the blueprint's, with a number that was not given before."""
    blueprint = slot.blueprint.name
    run.made[blueprint] = run.made.get(blueprint, 0) + 1
    name = f"{blueprint}#{run.made[blueprint]}"
    run.names[name] = slot
    return name


def _by_whom(run: Run, move: Move, made: Callable[[Caller], Event]) -> Event:
    """The event of whoever takes a move; where policies decide, of the first whom they let take it."""
    by, layout = move.command.label.by, run.system.layout
    if by.kind not in ("role", "any"):
        assert by.kind == "effect" or by.kind == "timer" or by.kind == "inbound", "nobody else acts by itself"
        return made(Caller(by.kind, by.name))
    picked = move.picked.get("actor")
    codes = [picked] if picked is not None else list(range(1, len(layout.domains.principals) + 1))
    action = move.command.label.slot.blueprint.actions[move.command.label.action or ""]
    if is_policed(layout, move.command.label.slot, action):
        return _first_open(run, [made(caller) for caller in _policed_callers(run, move, codes)])
    ways = [(code, _roles(run, action, by, code)) for code in codes]
    code, roles = next(((c, r) for c, r in ways if r is not None), ways[0])
    return made(Caller("role", None, roles or frozenset(), layout.domains.ids[code - 1]))


def _first_open(run: Run, events: list[Event]) -> Event:
    """The first that is not denied; the first of all, if all of them are."""
    outcomes = ((event, step(run.table, run.world, event, permit=run.permit)) for event in events)
    is_open = (e for e, outcome in outcomes if not isinstance(outcome, Refusal) or outcome.reason != "denied")
    return next(is_open, events[0])


def _policed_callers(run: Run, move: Move, codes: list[int]) -> Iterator[Caller]:
    """Who may take a move, in each set of roles that policies tell apart, the smallest first."""
    from lathe.check.composed.policies import policed  # only here: it loads cedarpy

    layout, label = run.system.layout, move.command.label
    named = policed(layout.app).decider.slice(label.slot.blueprint.name, label.action or "").reads.roles
    for code in codes:
        sets = layout.role_sets
        if layout.roles:
            sets = (sets[layout.roles[code - 1].read(run.roles)],)
        parts = {
            frozenset(c) for held in sets for n in range(len(held) + 1) for c in combinations(held & named, n)
        }
        for roles in sorted(parts, key=lambda roles: (len(roles), sorted(roles))):
            yield Caller("role", None, roles, layout.domains.ids[code - 1])


def _roles(run: Run, action: Action, by: Principal, code: int) -> frozenset[str] | None:
    """The role by which a principal may take an action, if it needs one; None if it may not."""
    layout = run.system.layout
    if any(p.kind == "any" for p in action.admits):
        return frozenset()
    if not layout.roles:
        return frozenset((by.name,) if by.name else ())
    held = layout.role_sets[layout.roles[code - 1].read(run.roles)]
    wanted = sorted(p.name for p in action.admits if p.kind == "role" and p.name in held)
    return frozenset(wanted[:1]) or None


def _arguments(run: Run, move: Move, action: Action) -> dict[str, Value]:
    """What the caller gives: what was picked, and anything that fits where it makes no difference."""
    found: dict[str, Value] = {}
    params = {p.argument: p for p in move.command.params if p.argument is not None}
    for argument in action.arguments.values():
        param = params.get(argument.name)
        if param is not None and not move.picked.get(f"no_{argument.name}"):
            found[argument.name] = _value(run, argument.type, move.picked[param.name])
        elif param is None and (_is_needed(argument) or move.picked.get(f"no_{argument.name}") == 0):
            found[argument.name] = anything(run.system.layout, argument)
    return found


def _is_needed(argument: Argument) -> bool:
    """Whether a caller may not leave it out."""
    return not (argument.optional or argument.has_default)


def _value(run: Run, kind: Type, code: int) -> Value:
    """The machine value of a code; refs name who is in the slot now."""
    if kind.kind == "ref" and code:
        return run.entity(run.system.layout.of(kind.blueprint or "")[code - 1])
    if kind.kind == "set" and kind.element is not None and kind.element.kind == "ref":
        slots = run.system.layout.of(kind.element.blueprint or "")
        return frozenset(run.entity(s) for s in slots if code >> s.index & 1)
    return run.system.layout.domains.value(kind, code)


def anything(layout: Layout, argument: Argument) -> Value:
    """A value that fits an argument which nothing explored reads."""
    kind = argument.type
    match kind.kind:
        case "text":
            return "text"[: kind.maximum]
        case "json":
            return "null"
        case "id":
            return layout.domains.ids[0]
        case "time":
            return A_TIME
        case "set":
            return frozenset()
        case _:
            return layout.domains.value(kind, 0)


def make_trace(
    run: Run, digest: str, clauses: tuple[FalseClause, ...] = (), loop_from: int | None = None
) -> Trace:
    """The finished trace; its id is made from what happens in it."""
    steps = tuple(run.steps)
    return Trace(identity(steps), run.system.layout.app.name, digest, steps, clauses, loop_from)
