"""Effects that may still execute after their entity can request none any more (LT504)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lathe.check.composed import ir
from lathe.check.composed.command import Command
from lathe.check.composed.layout import STARTED, Slot
from lathe.check.composed.relevance import entered_states
from lathe.check.composed.system import System
from lathe.check.search.graph import Graph
from lathe.check.search.plain import ListGraph
from lathe.frozen import frozen
from lathe.lang.adapters import ADAPTERS
from lathe.lang.model import Blueprint, Effect


@frozen
class Outliving:
    """An effect that a command leaves behind in a state of no return, and where that begins."""

    slot: Slot
    effect: Effect
    command: Command
    index: int
    target: int


def outliving(system: System, graph: Graph) -> list[Outliving]:
    """The first of each effect: its visit is left, started or ended badly, and nothing more is asked for."""
    last = {name: powerless_states(b) for name, b in system.layout.app.blueprints.items()}
    leaving = {
        command.index: slots for command in system.commands if (slots := tuple(_leavers(command, last)))
    }
    found: dict[tuple[str, str], Outliving] = {}
    if not isinstance(graph, ListGraph):
        for command, slot, index, target in _places_at_once(system, graph, leaving):
            effect = _left_behind(command, slot, graph.states[index])
            key = (slot.blueprint.name, effect.name if effect else "")
            if effect is not None and _is_nearer(graph, index, found.get(key)):
                found[key] = Outliving(slot, effect, command, index, target)
        return list(found.values())
    for index in range(len(graph.states)) if leaving else ():
        start = graph.first[index]
        for position in range(start, start + graph.degree[index]):
            for slot in leaving.get(graph.labels[position], ()):
                command = system.commands[graph.labels[position]]
                effect = _left_behind(command, slot, graph.states[index])
                key = (slot.blueprint.name, effect.name if effect else "")
                if effect is not None and _is_nearer(graph, index, found.get(key)):
                    found[key] = Outliving(slot, effect, command, index, graph.targets[position])
    return list(found.values())


def _places_at_once(
    system: System, graph: Graph, leaving: Mapping[int, tuple[Slot, ...]]
) -> Iterator[tuple[Command, Slot, int, int]]:
    """For each way to leave something behind, the first place in a large graph where it is done."""
    from lathe.check.arrays import judge  # only where a search has grown: it loads numpy

    for label, slots in leaving.items():
        for slot in slots:
            assert slot.run is not None and slot.phase is not None, "only what runs can be left behind"
            started = ir.eq(slot.phase.formula, ir.const(STARTED))
            running = slot.run.formula
            codes = range(1, len(slot.effects) + 1)
            asked = [ir.both(ir.eq(running, ir.const(code)), started) for code in codes]
            for edge in judge.first_steps(judge.arrays_of(graph), system.layout, label, asked):
                if edge is not None:
                    yield system.commands[label], slot, *edge


def _is_nearer(graph: Graph, index: int, known: Outliving | None) -> bool:
    return known is None or graph.distance[index] < graph.distance[known.index]


def powerless_states(blueprint: Blueprint) -> frozenset[str]:
    """The states from which no sequence of actions asks for any effect."""
    left = set(blueprint.states)
    changed = True
    while changed:
        changed = False
        for action in blueprint.actions.values():
            entered = entered_states(blueprint, action)
            asks = bool(action.run) or any(blueprint.states[s].run or s not in left for s in entered)
            if asks and left & set(action.from_states):
                left -= set(action.from_states)
                changed = True
    return frozenset(left)


def _leavers(command: Command, last: dict[str, frozenset[str]]) -> Iterator[Slot]:
    """The entities that a command takes out of a visit for a state of no return, asking for nothing."""
    for share in command.shares:
        blueprint, target = share.slot.blueprint, share.target
        if share.is_new or share.slot.run is None or target not in last[blueprint.name]:
            continue
        if not blueprint.states[target].run and not blueprint.actions[share.action].run:
            yield share.slot


def _left_behind(command: Command, slot: Slot, packed: int) -> Effect | None:
    """The effect of a slot that may be executed after the command: cancelled, or badly ended."""
    assert slot.run is not None and slot.phase is not None, "only what runs can be left behind"
    code = slot.run.read(packed)
    if not code or slot.phase.read(packed) != STARTED:
        return None
    effect = slot.effects[code - 1]
    adapter = ADAPTERS.get(effect.uses)
    if adapter is not None and adapter.harmless.holds_for(effect.settings) and not effect.world:
        return None
    is_own_end = command.label.event == "end" and command.label.slot is slot
    if is_own_end and (command.label.is_ok or not effect.late):
        return None
    return effect
