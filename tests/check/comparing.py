"""The machine and the packed search side by side, in one state: what one can do and the other cannot.

What the search leaves out on purpose is left out here too: self-loops, recycling, creations for which
the scope has no room, values outside `explore`, a second notice that remembers something else, and times,
which it knows as set or unset alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from lathe.check.composed import ir
from lathe.check.composed.command import RECYCLE, Command
from lathe.check.composed.encode import encode, remember
from lathe.check.composed.invoke import most_pending
from lathe.check.composed.layout import Slot
from lathe.check.composed.lowering import Context, holds
from lathe.check.composed.permit import permit_of
from lathe.check.composed.system import System, applies, make_system
from lathe.check.reporting.trace import Move, Run, begin, follow
from lathe.check.search import plain as packed
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.picks import picks
from lathe.check.search.watch import Watch, watches
from lathe.errors import Span
from lathe.lang.model import App, Principal, Property
from lathe.machine import step as stepping
from lathe.machine.compose import Draft, Refused, Take, take_all
from lathe.machine.evaluate import Frame, entity_frame, holds as evaluated
from lathe.machine.event import Caller, Delivers, Ends, Event, Notifies
from lathe.machine.outcome import Refusal, Step
from lathe.machine.properties import broken
from lathe.machine.snapshot import Entity, Invocation, MemoryWorld, Value
from lathe.machine.step import step
from lathe.machine.table import Table, compile_app

from .enumerate import Happening, Key, happenings

VALUE_REASONS = frozenset({"range", "unset", "zero"})
Edge = tuple[Key, int]
Blame = tuple[Key, str, str]
"""What was going on, whose action could not store a value, which."""


@dataclass(slots=True)
class Side:
    """What one of the two says of a state."""

    edges: dict[Edge, str] = field(default_factory=dict)
    broken: set[tuple[Key, str]] = field(default_factory=set)
    faults: set[Blame] = field(default_factory=set)
    lost: set[Key] = field(default_factory=set)


class Comparison:
    """One system, made ready for comparing it state by state."""

    def __init__(self, system: System, table: Table, begun: Callable[[int], Run] | None = None) -> None:
        self.begun = begun or (lambda start: begin(system, table, start))
        self.system = system
        self.table = table
        self.permit = permit_of(system.layout.app)
        self.noted = watches(system)
        self.step = packed._compile(packed._successors(system, self.noted), "successors")
        self.asked = list(_asked(system))
        self.ghostly = frozenset(_ghost_spans(system.layout.app))

    def at(self, graph: Graph, index: int) -> list[str]:
        """The differences in one state of a graph; empty if there are none."""
        way = graph.way_to(index)
        run = self.begun(graph.states[way[0][1]])
        moves = [self._move(graph, label, (a, b)) for (_, a), (label, b) in pairwise(way)]
        follow(run, moves, [graph.states[i] for _, i in way[1:]])
        here = graph.states[index]
        assert self._packed_properties(here) == self._machine_properties(run), "of what is so in this state"
        return [*self._differences(self._machine(run, here), self._packed(here))]

    def _packed_properties(self, here: int) -> set[tuple[str, str]]:
        """The properties of a state that hold, each with the slot of its entity."""
        conditions = [
            ir.both(applies(prop, context), holds(prop.that.tree, context)) for prop, context in self.asked
        ]
        found = packed.first_where(self.system.layout, [here], conditions)
        return {_owned(*self.asked[number]) for number in found}

    def _machine_properties(self, run: Run) -> set[tuple[str, str]]:
        names = run.occupants()
        frames = {names[e.id].name: entity_frame(run.world, e) for e in run.world}
        frames[""] = Frame(run.world, app_ghosts=run.world.ghosts)
        found = set()
        for prop, context in self.asked:
            frame = frames.get(context.slot.name if context.slot else "")
            if frame is not None and _is_so(prop, frame):
                found.add(_owned(prop, context))
        return found

    def _move(self, graph: Graph, label: int, step: tuple[int, int]) -> Move:
        """One of the choices that lead from a state to the next: all of them must mean the same later."""
        here, there = step
        command = self.system.commands[label]
        found = picks(self.system.layout, command, command.guard, graph.states[here])
        ways = [picked for picked, reached in found if reached == graph.states[there]]
        return Move(command, ways[there % len(ways)])

    def _differences(self, machine: Side, search: Side) -> Iterator[str]:
        sampled = {key_of(c) for c in self.system.commands if any(p.sampled for p in c.params)}
        for edge in sorted(machine.edges.keys() - search.edges.keys()):
            if edge[0] not in sampled:
                yield f"only the machine: {machine.edges[edge]}"
        yield from (f"only the machine breaks: {b}" for b in sorted(machine.broken - search.broken))
        yield from (f"only the search breaks: {b}" for b in sorted(search.broken - machine.broken))
        for edge in sorted(search.edges.keys() - machine.edges.keys()):
            yield f"only the search: {search.edges[edge]}"
        if not sampled:
            yield from (
                f"only the machine refuses a value: {b}" for b in sorted(machine.faults - search.faults)
            )
            yield from (f"only the machine loses an end: {k}" for k in sorted(machine.lost - search.lost))
        yield from (f"only the search finds a fault: {b}" for b in sorted(search.faults - machine.faults))
        yield from (f"only the search loses an end: {k}" for k in sorted(search.lost - machine.lost))

    def _packed(self, here: int) -> Side:
        side, out, labels = Side(), list[int](), list[int]()
        hits: dict[int, int] = {}
        live = bytearray(b"\1" * len(self.noted))
        self.step(here, out.append, labels.append, live, hits)
        for number, there in zip(labels, out, strict=True):
            command = self.system.commands[number]
            if command.label.event != RECYCLE and there != here:
                side.edges[key_of(command), there] = f"{key_of(command)} -> {self.shown(here, there)}"
        for number in hits:
            self._note(side, self.noted[number])
        return side

    def _note(self, side: Side, watch: Watch) -> None:
        if not watch.is_fault:
            side.broken.add((key_of(watch.command), str(watch.subject)))
            return
        fault = watch.command.faults[int(watch.subject)]
        key = key_of(watch.command)
        if fault.code == "LT501":
            side.lost.add(key)
        elif fault.span not in self.ghostly:
            side.faults.add((key, fault.blueprint, fault.action or ""))

    def _machine(self, run: Run, here: int) -> Side:
        side = Side()
        layout = self.system.layout
        for happening in happenings(layout, run.world, run.occupants(), run.roles):
            before, world, outcome = self._take(happening)
            self._blame(side, happening, before, outcome)
            if isinstance(outcome, Refusal) or self._is_cut(outcome, happening):
                continue
            for property_ in broken(self.table, before, outcome, world):
                if property_.prop.kind == "step":
                    owner = world.entities[property_.entity].blueprint if property_.entity else ""
                    side.broken.add((happening.key, f"{owner}.{property_.prop.name}"))
            there = encode(layout, world, happening.names, run.roles)
            if there != here:
                told = f"{happening.key} {happening.events} -> {self.shown(here, there)}"
                side.edges[happening.key, there] = told
        return side

    def _take(self, happening: Happening) -> tuple[MemoryWorld, MemoryWorld, Step | Refusal]:
        """The world before the last event, the one after it, and what came of it."""
        *first, last = happening.events
        before = happening.world
        for event in first:
            prepared = step(self.table, before, event, permit=self.permit)
            assert isinstance(prepared, Step), "what is not counted is never refused"
            before = before.after(prepared.written, prepared.ghosts)
        outcome = step(self.table, before, last, permit=self.permit)
        if isinstance(outcome, Refusal):
            return before, before, outcome
        return before, before.after(outcome.written, outcome.ghosts), outcome

    def _is_cut(self, outcome: Step, happening: Happening) -> bool:
        for part in outcome.parts:
            blueprint = self.system.layout.app.blueprints[part.blueprint]
            action = blueprint.actions[part.action or ""]
            stored = {*action.sets, *(a.target for a in action.do)}
            for name in stored & happening.names[part.entity].fields.keys():
                explore = blueprint.fields[name].explore
                value = part.after.fields[name]
                if explore and isinstance(value, int) and not explore[0] <= value <= explore[1]:
                    return True
        for entity in outcome.written.values():
            slot = happening.names[entity.id]
            for name in slot.notices:
                pending = [i for i in entity.invocations if i.phase == "notice" and i.effect == name]
                if len(pending) > most_pending(slot, name) or self._differ(slot, pending, happening):
                    return True
        return False

    def _differ(self, slot: Slot, pending: list[Invocation], happening: Happening) -> bool:
        """Whether notices of one effect remember different things."""
        kept: list[dict[int, int]] = [{} for _ in pending]
        for invocation, codes in zip(pending, kept, strict=True):
            where = slot.captured[invocation.effect].current
            remember(self.system.layout, slot, invocation, where, (happening.names, codes))
        return any(codes != kept[0] for codes in kept)

    def _blame(self, side: Side, happening: Happening, before: MemoryWorld, outcome: Step | Refusal) -> None:
        """Which value could not be stored, or which end was lost."""
        event = happening.events[-1]
        is_end = isinstance(event, Ends | Delivers)
        if is_end and isinstance(outcome, Refusal) and outcome.reason != "stale":
            side.lost.add(happening.key)
        for refusal in self._refusals(happening, before, outcome):
            if refusal.reason in VALUE_REASONS:
                slot = happening.names[refusal.entity or ""]
                side.faults.add((happening.key, slot.blueprint.name, refusal.action or ""))

    def _refusals(
        self, happening: Happening, before: MemoryWorld, outcome: Step | Refusal
    ) -> Iterator[Refusal]:
        """Why the event was refused, or what it was about before something else was taken instead."""
        if isinstance(outcome, Refusal):
            yield outcome
            if outcome.reason == "stale":
                return
        event = happening.events[-1]
        is_good = isinstance(event, Ends) and event.ok
        is_notified = isinstance(event, Notifies) and _is_call(self.table, before, event)
        if is_good or isinstance(event, Delivers) or is_notified:
            refused = self._refused_first(before, event)
            if refused is not None:
                yield refused

    def _refused_first(self, world: MemoryWorld, event: Event) -> Refusal | None:
        """Why the first choice of an event was refused: `ok`, and the other side of a call."""
        draft = Draft(self.table, world, self.permit, event.now)
        assert isinstance(event, Ends | Delivers | Notifies), "others have one way to go"
        entity = world.entities[event.entity]
        over = _what_is_over(entity, event)
        rest = replace(entity, invocations=tuple(i for i in entity.invocations if i is not over))
        rule = self.table.blueprints[entity.blueprint].effects[over.effect]
        if isinstance(event, Ends) and rule.world and not over.executed:
            return None
        draft.replace(rest)
        try:
            takes = [] if isinstance(event, Ends) else stepping._targets(draft, rule, over, event)
            results: dict[str, Value] = dict(event.results) if isinstance(event, Ends) else {}
            if takes and rule.target is not None and rule.target.action == "create" and not rule.target.each:
                results = {"made": takes[0].entity.id}
            if rule.effect.ok is not None:
                given = draft.offered(rest, rule.effect.ok, results)
                takes.insert(0, Take(rest, rule.effect.ok, given, Caller("effect", rule.effect.name)))
            take_all(draft, *takes)
        except Refused as refused:
            return refused.refusal
        return None

    def shown(self, here: int, there: int) -> str:
        """What is different after a step, variable by variable."""
        changed = []
        for v in self.system.layout.variables:
            if v.read(here) != v.read(there):
                changed.append(f"{v.name} {v.read(here)}→{v.read(there)}")
        return ", ".join(changed)


def _asked(system: System) -> Iterator[tuple[Property, Context]]:
    """Every property of a state, of every slot and of the app."""
    for slot in system.layout.slots:
        for prop in slot.blueprint.properties.values():
            if prop.kind != "step":
                yield prop, Context(system.layout, slot)
    for prop in system.layout.app.properties.values():
        if prop.kind != "step":
            yield prop, Context(system.layout, None)


def _owned(prop: Property, context: Context) -> tuple[str, str]:
    return prop.name, context.slot.name if context.slot else ""


def _is_so(prop: Property, frame: Frame) -> bool:
    """Whether a property applies and holds, by the plain walk."""
    if prop.in_states and frame.entity is not None and frame.entity.state not in prop.in_states:
        return False
    return (prop.when is None or evaluated(prop.when.tree, frame)) and evaluated(prop.that.tree, frame)


def _is_call(table: Table, world: MemoryWorld, event: Notifies) -> bool:
    blueprint = table.blueprints[world.entities[event.entity].blueprint]
    return blueprint.effects[event.effect].target is not None


def _what_is_over(entity: Entity, event: Ends | Delivers | Notifies) -> Invocation:
    if isinstance(event, Notifies):
        listed = (i for i in entity.invocations if (i.phase, i.effect) == ("notice", event.effect))
        return next(listed)
    found = entity.active if isinstance(event, Ends) else entity.head
    assert found is not None, "it has begun, or its turn has come"
    return found


def key_of(command: Command) -> Key:
    """What a command is about, as the independent list says it."""
    label = command.label
    slot = label.slot.name
    match label.event:
        case "create":
            return (slot, "create", _by(label.by))
        case "act":
            return (slot, "act", label.action or "", _by(label.by))
        case "timer":
            return (slot, "timer", label.deadline or "")
        case "deliver" | "end" if _is_delivered(command):
            return (slot, "deliver", label.effect or "")
        case "end":
            return (slot, "end", label.effect or "", "well" if label.is_ok else "badly")
        case _:
            return (slot, label.event, label.effect or "")


def _is_delivered(command: Command) -> bool:
    effect = command.label.slot.blueprint.effects[command.label.effect or ""]
    return effect.target is not None


def _by(principal: Principal) -> str:
    return "role" if principal.kind in ("role", "any") else f"{principal.kind}:{principal.name}"


def _ghost_spans(app: App) -> Iterator[Span]:
    """Where ghosts are assigned: a value that they cannot have refuses nothing."""
    for blueprint in app.blueprints.values():
        for action in blueprint.actions.values():
            yield from (a.span for a in action.ghost)
        for effect in blueprint.effects.values():
            yield from (a.span for a in effect.world)


def differences(app: App, instances: int, *, states: int = 300, sample: int | None = None) -> list[str]:
    """What the two disagree about in the first states of an app, or in so many spread over them."""
    system = make_system(app, dict.fromkeys(app.blueprints, instances))
    graph = packed.search(system, Limits(states, 1.0, lambda: 0.0))
    comparison = Comparison(system, compile_app(app))
    every = range(len(graph.states))
    chosen = every if sample is None else sorted({0, len(every) - 1, *every[:: max(len(every) // sample, 1)]})
    return [f"state {index}: {told}" for index in chosen for told in comparison.at(graph, index)]
