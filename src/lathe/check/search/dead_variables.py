"""Dead variables: what nothing can read any more before it is overwritten, in a state of its entity.

States that differ in nothing else have the same future (they are bisimilar), so a large search lets
each step that leads to such a state set them to 0 and meets one state instead of many. Found by a
backward analysis over control states, as compilers find dead registers (Aho, Lam, Sethi, Ullman,
*Compilers*, 9.2.5); for explicit-state search by Holzmann (*The Engineering of a Model Checker*, SPIN 1999).

Only fields, ghosts and what invocations remember can be dead. What is in flight never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field, replace

from lathe.check.composed import ir
from lathe.check.composed.command import Command
from lathe.check.composed.dead import NOTHING_DEAD, Dead
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import Slot
from lathe.check.composed.lowering import Context, holds
from lathe.check.composed.premises import is_met, premise
from lathe.check.composed.system import System, applies
from lathe.frozen import frozen, mutable
from lathe.lang.model import App, Property

MAX_ANALYSED = 60_000
"""Commands times slots; beyond it nothing is looked at, and nothing is dead."""


@mutable
class _Flow:
    """What can happen to an entity in one of its states: read at once, and steps to other states."""

    live: set[int] = field(default_factory=set)
    steps: list[tuple[tuple[int, ...], dict[int, frozenset[int]]]] = field(default_factory=list)


_NOTHING: frozenset[int] = frozenset()


@frozen
class _Part:
    """A formula, and the variables that it and each formula in it reads, by identity: formulas are shared."""

    formula: Formula
    reads: frozenset[int]
    within: dict[int, frozenset[int]]

    def at(self, state: int, code: int) -> tuple[Formula, frozenset[int]]:
        """The formula where a control state is known, and what it still reads."""
        if state not in self.reads:
            return self.formula, self.reads
        formula = self._settled(self.formula, state, code)
        return formula, self._left(formula)

    def _settled(self, x: Formula, state: int, code: int) -> Formula:
        """As `ir.settled`; what does not read the state is passed over."""
        if state not in self.within[id(x)]:
            return x
        if x.op == "v":
            return ir.const(code)
        return ir.rebuilt(x, [self._settled(y, state, code) for y in x.args])

    def _left(self, x: Formula) -> frozenset[int]:
        """What a settled formula reads: of the parts that are as they were, it is known."""
        known = self.within.get(id(x))
        if known is not None:
            return known
        if x.op == "v":
            return frozenset((x.value,))
        return _NOTHING.union(*map(self._left, x.args))


def _part(formula: Formula) -> _Part:
    within: dict[int, frozenset[int]] = {}
    _note(formula, within)
    return _Part(formula, within[id(formula)], within)


def _note(x: Formula, within: dict[int, frozenset[int]]) -> frozenset[int]:
    """Note what a formula reads, and each formula in it."""
    found = within.get(id(x))
    if found is None:
        found = frozenset((x.value,)) if x.op == "v" else _NOTHING.union(*(_note(y, within) for y in x.args))
        within[id(x)] = found
    return found


@frozen
class _Seen:
    """What a command reads and changes, formula by formula."""

    command: Command
    guard: _Part
    asked: tuple[_Part, ...]
    updates: tuple[tuple[int, _Part], ...]
    touches: frozenset[int]


def _seen(command: Command) -> _Seen:
    guard = _part(command.guard)
    conditions = [f.condition for f in command.faults] + [broken for _, broken in command.checks]
    asked = tuple(map(_part, conditions))
    updates = tuple((index, _part(f)) for index, f in command.updates.items())
    parts = [guard, *asked, *(part for _, part in updates)]
    return _Seen(command, guard, asked, updates, frozenset(command.updates).union(*(p.reads for p in parts)))


def find_dead(system: System) -> Dead:
    """What is dead in each state of each slot, seen from every command and every property."""
    if len(system.commands) * len(system.layout.slots) > MAX_ANALYSED:
        return NOTHING_DEAD
    asked = list(map(_part, _asked(system)))
    seen = list(map(_seen, system.commands))
    slots = []
    for slot in system.layout.slots:
        candidates = _candidates(slot)
        near = {*candidates, slot.state.index}
        live = _live(
            slot, candidates, [c for c in seen if c.touches & near], [f for f in asked if f.reads & near]
        )
        slots.append((slot, tuple(frozenset(candidates - found) for found in live)))
    return Dead(tuple(slots), tuple((slot, tuple(_mask(system, d) for d in dead)) for slot, dead in slots))


def _mask(system: System, dead: Iterable[int]) -> int:
    variables = system.layout.variables
    return sum(variables[i].mask << variables[i].offset for i in dead)


def _candidates(slot: Slot) -> set[int]:
    """The variables that can be dead: those with more than one value that belong to nothing in flight."""
    found = [*slot.fields.values(), *slot.ghosts.values()]
    for captured in slot.captured.values():
        found += [*captured.current.values(), *captured.stopping.values(), *captured.late.values()]
    return {v.index for v in found if v.width}


def _asked(system: System) -> Iterator[Formula]:
    """Everything that is asked of a state beside what commands ask."""
    layout = system.layout
    yield from system.held
    for prop in layout.app.properties.values():
        yield from _parts(prop, Context(layout, None))
    for slot in layout.slots:
        context = Context(layout, slot)
        for prop in slot.blueprint.properties.values():
            yield from _parts(prop, context)
        for cannot in slot.blueprint.cannot.values():
            if cannot.when is not None:
                yield is_met(cannot.when.tree, context)
        yield from _read_by_policies(layout.app, slot)


def _read_by_policies(app: App, slot: Slot) -> Iterator[Formula]:
    """What decisions about an entity read, which may be asked for in every state of it."""
    if app.policies:
        from lathe.check.composed.policies import policed  # only here: it loads cedarpy

        is_there = ir.no(ir.eq(slot.state.formula, FALSE))
        names = {key[3] for key in policed(app).keys(slot.blueprint.name) if key[0] == "field"}
        for name in sorted(names & slot.fields.keys()):
            yield ir.both(is_there, ir.eq(slot.fields[name].formula, TRUE))


def _parts(prop: Property, context: Context) -> Iterator[Formula]:
    """When a property applies, when it says something, and, unless it is about a step, what it says."""
    yield applies(prop, context)
    yield premise(prop, context) or TRUE
    if prop.kind != "step":
        yield holds(prop.that.tree, context)


def _live(slot: Slot, candidates: set[int], commands: list[_Seen], asked: list[_Part]) -> list[set[int]]:
    """For each state code, the candidates that something may still read."""
    flows = []
    for code in range(slot.state.size):
        flow = _Flow()
        for part in asked:
            flow.live |= part.at(slot.state.index, code)[1] & candidates
        for seen in commands:
            if seen.command.label.slot is not slot or seen.command.state in (None, code):
                _add_command(flow, seen, (slot, code), candidates)
        flows.append(flow)
    changed = True
    while changed:
        changed = any(_pull(flow, flows) for flow in flows)
    return [flow.live for flow in flows]


def _add_command(flow: _Flow, seen: _Seen, here: tuple[Slot, int], candidates: set[int]) -> None:
    """What a command reads of a slot in one of its states, where it leads, and what is kept on the way."""
    slot, code = here
    state = slot.state.index
    for part in seen.asked:
        flow.live |= part.at(state, code)[1] & candidates
    guard, reads = seen.guard.at(state, code)
    if guard == FALSE:
        return
    flow.live |= reads & candidates
    moved: dict[int, frozenset[int]] = {}
    target = ir.const(code)
    for index, part in seen.updates:
        value, reads = part.at(state, code)
        needed = reads & candidates
        if index in candidates:
            moved[index] = needed
        else:
            flow.live |= needed
            target = value if index == state else target
    codes = (target.value,) if ir.is_const(target) else tuple(range(slot.state.size))
    flow.steps.append((codes, moved))


def _pull(flow: _Flow, flows: list[_Flow]) -> bool:
    """Take over what is live after each step; tells whether that added anything."""
    before = len(flow.live)
    for codes, moved in flow.steps:
        for code in codes:
            for index in tuple(flows[code].live):
                flow.live |= moved.get(index, {index})
    return len(flow.live) > before


def without_dead(system: System, dead: Dead) -> System:
    """The same system, in which every step clears what is dead where it leads."""
    if dead.is_empty:
        return system
    commands = tuple(_clearing(c, dead) for c in system.commands)
    return replace(system, commands=commands, dead=dead)


def _clearing(command: Command, dead: Dead) -> Command:
    updates = dict(command.updates)
    for slot, by_code in dead.slots:
        if any(v.index in updates for v in slot.variables()):
            _clear(command, slot, by_code, updates)
    return command if updates == command.updates else replace(command, updates=updates)


def _clear(
    command: Command, slot: Slot, by_code: tuple[frozenset[int], ...], updates: dict[int, Formula]
) -> None:
    """Add to the updates what becomes dead with the state that a slot is in afterwards."""
    is_own = command.label.slot is slot and command.state is not None
    before = ir.const(command.state or 0) if is_own else slot.state.formula
    after = updates.get(slot.state.index, before)
    was_dead = by_code[command.state or 0] if is_own else frozenset()
    for variable in slot.variables():
        if variable.index not in updates and slot.state.index not in updates:
            continue
        codes = [code for code, dead in enumerate(by_code) if variable.index in dead]
        gone = ir.either(*(ir.eq(after, ir.const(code)) for code in codes))
        if gone == FALSE:
            continue
        value = ir.choose(gone, FALSE, updates.get(variable.index, variable.formula))
        if value == FALSE and variable.index in was_dead:
            updates.pop(variable.index, None)
        else:
            updates[variable.index] = value
