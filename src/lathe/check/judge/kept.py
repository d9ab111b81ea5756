"""Entities that are kept waiting (LT305): what is possible only stays in their state, and no way out ever is.

Asked of states with `waits` that have ways out and actions that stay: one without ways out is where an
entity is meant to be, and one without the others leaves it stuck (LT301).
"""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.composed.command import Command
from lathe.check.composed.layout import Slot
from lathe.check.composed.system import System
from lathe.check.judge.progress import or_all, spread
from lathe.check.judge.standing import Standstill, kept_in
from lathe.check.search.graph import Graph
from lathe.check.search.plain import ListGraph, masks_where
from lathe.lang.model import Action, App, Blueprint, State


def kept(system: System, graph: Graph, count: int) -> list[Standstill]:
    """Every entity that is kept waiting, in each of the first `count` states of the graph."""
    asked = [(slot, code) for slot in system.layout.slots for code in _asked(system.layout.app, slot)]
    if not asked:
        return []
    masks = _leaving(system)
    if not isinstance(graph, ListGraph):
        from lathe.check.arrays.standing import kept as at_once  # only where a search has grown

        return at_once(system, graph, masks, asked, count)
    held = masks_where(system.layout, graph.states, system.held)
    good = spread(graph, [or_all(graph, i, masks) | mask for i, mask in enumerate(held)], None)
    bits = {slot.name: bit for bit, slot in enumerate(system.layout.slots)}
    return [
        kept_in(slot, code, index)
        for index in range(count)
        for slot, code in asked
        if slot.state.read(graph.states[index]) == code and not good[index] >> bits[slot.name] & 1
    ]


def _asked(app: App, slot: Slot) -> Iterator[int]:
    """The codes of the states in which an entity could be kept."""
    blueprint = slot.blueprint
    for code, state in enumerate(blueprint.states.values(), 1):
        here = [a for a in blueprint.actions.values() if state.name in a.from_states]
        ways = [a for a in here if _leads_away(a, state)]
        stays = len(ways) < len(here) or any(a.to_if is not None for a in ways)
        if state.waits is not None and stays and ways and not any(_is_open(app, blueprint, a) for a in ways):
            yield code


def _leads_away(action: Action, state: State) -> bool:
    return action.to is not None and action.to != state.name


def _is_open(app: App, blueprint: Blueprint, action: Action) -> bool:
    """Whether somebody can take an action in any situation, plainly."""
    is_bare = action.when is None and action.to_if is None and not (action.also or action.do)
    is_asked = any(p.kind in ("role", "any") for p in action.admits) and not app.policies
    return is_bare and is_asked and not blueprint.unique


def _leaving(system: System) -> list[int]:
    """For each command the bits of the entities that it brings to another state, or may."""
    bits = {slot.name: 1 << bit for bit, slot in enumerate(system.layout.slots)}
    return [
        sum({bits[share.slot.name] for share in c.shares if not share.is_new and _leaves(c, share.slot)})
        for c in system.commands
    ]


def _leaves(command: Command, slot: Slot) -> bool:
    targets = {s.target for s in command.shares if s.slot is slot and not s.is_new} - {None}
    if slot is command.label.slot and command.state:
        targets -= {tuple(slot.blueprint.states)[command.state - 1]}
    return bool(targets)
