"""Effects that may still be executed where their entity can ask for no effect any more (LT504)."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.command import Command
from lathe.check.graph import Graph
from lathe.check.layout import STARTED, Slot
from lathe.check.relevance import entered_states
from lathe.check.system import System
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
