"""The definition of an entity that cannot progress, shared by both tiers (LT301, LT302, LT303)."""

from __future__ import annotations

from collections.abc import Sequence

from lathe.check.composed.command import RECYCLE, Command
from lathe.check.composed.layout import Slot
from lathe.check.composed.system import System
from lathe.frozen import frozen
from lathe.lang.model import State

_IDLE_EVENTS = frozenset({"create", "late", "notify", "stop", RECYCLE})
"""Events that are nothing that the entity itself does; others may take part in them."""

MOST_LISTED = 3
"""States that a finding names, of all that it is about."""


@frozen
class Standstill:
    """An entity that cannot go on as it should: the code, the slot, its state, where it was found."""

    code: str
    slot: Slot
    state: str
    index: int


@frozen
class Masks:
    """For each command, the bits that it makes good; `internal` are the commands nobody outside takes."""

    moves: tuple[int, ...]
    ends: tuple[int, ...]
    internal: bytes


def kept_in(slot: Slot, code: int, index: int) -> Standstill:
    """LT305: the entity in a slot is kept waiting in a state, given by its code."""
    return Standstill("LT305", slot, tuple(slot.blueprint.states)[code - 1], index)


def judged(state: State, can: tuple[int, int, int]) -> str:
    """What is wrong with being in a state, where one can still move, come to rest, leave by itself."""
    moves, rests, leaves = can
    if state.final:
        return ""
    if not moves:
        return "LT301"
    if not rests:
        return "LT302"
    return "" if state.waits is not None or leaves else "LT303"


def left_as_it_should(states: Sequence[str]) -> str:
    """How it is said that it is open whether somebody can go on from some states."""
    named = ", ".join(f"`{name}`" for name in states[:MOST_LISTED])
    more = f" and {len(states) - MOST_LISTED} more" if len(states) > MOST_LISTED else ""
    return f"whether {named}{more} can be left as {'it' if len(states) == 1 else 'they'} should"


def standing_masks(system: System) -> Masks:
    """What each command makes good, for whom."""
    bits = {slot.name: 1 << bit for bit, slot in enumerate(system.layout.slots)}
    moves, ends, internal = [], [], bytearray()
    for command in system.commands:
        is_internal = command.is_internal or command.is_fair
        internal.append(is_internal)
        moves.append(_movers(command, bits))
        left = 0
        for share in command.shares:
            if share.target is not None and not share.is_new:
                left |= bits[share.slot.name]
        ends.append(left if is_internal else 0)
    return Masks(tuple(moves), tuple(ends), bytes(internal))


def _movers(command: Command, bits: dict[str, int]) -> int:
    """The entities for whom the command is something that they do."""
    mask = 0 if command.label.event in _IDLE_EVENTS else bits[command.label.slot.name]
    for share in command.shares:
        if not share.is_new:
            mask |= bits[share.slot.name]
    return mask
