"""The definition of an entity that cannot progress, shared by both tiers (LT301, LT302, LT303)."""

from __future__ import annotations

from lathe.check.composed.command import RECYCLE, Command
from lathe.check.composed.layout import Slot
from lathe.check.composed.system import System
from lathe.frozen import frozen
from lathe.lang.model import State

_IDLE_EVENTS = frozenset({"create", "late", "notify", "stop", RECYCLE})
"""Events that are nothing that the entity itself does; others may take part in them."""


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
