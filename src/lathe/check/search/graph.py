"""The interface of a search: its input, and the graph that it finds, whichever tier runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from lathe.check.composed.ir import Formula
from lathe.frozen import frozen

Clock = Callable[[], float]
"""Seconds from some fixed moment; passed in, so that a check itself knows no time."""

Ending = Literal["", "states", "seconds", "interrupt", "found", "proof"]
"""What ended a search early; `found`: something is wrong, and the search was large; `proof`: a number went on
counting, and the rest was proved.
"""

ALARM_AT = 32_768
"""States from which on a search ends with the first thing that is wrong."""


@frozen
class Limits:
    """How far a search may go. `stop_at` is a reading of the clock.

    `alarm` are conditions that no state may meet: once one is met, or a fault, a large search stops,
    because its answer is known. Small ones go on and find all that is wrong.
    """

    states: int
    stop_at: float
    clock: Clock
    alarm: Sequence[Formula] | None = None

    def look(self) -> None:
        """Read the clock. Raises OutOfTimeError if it is past `stop_at`; the clock itself may interrupt."""
        if self.clock() > self.stop_at:
            raise OutOfTimeError


class OutOfTimeError(Exception):
    """The seconds of a check ended while what was found was judged: nothing follows from that."""


class Graph(Protocol):
    """What a search found: states by number, those that fewer steps lead to first, and their steps.

    The steps of the state with number i are `targets[first[i] : first[i] + degree[i]]`, and `labels`
    likewise (numbers of commands). `distance` counts the committed steps that lead to a state. `hits`
    holds, for each fault or step check that was met, the state in which it was; `taken` counts the steps
    of each command.
    """

    hits: dict[int, int]
    ended_by: Ending
    judging: Limits | None
    """Until when it may be judged; None: as long as that takes."""

    @property
    def states(self) -> Sequence[int]: ...
    @property
    def distance(self) -> Sequence[int]: ...
    @property
    def first(self) -> Sequence[int]: ...
    @property
    def degree(self) -> Sequence[int]: ...
    @property
    def targets(self) -> Sequence[int]: ...
    @property
    def labels(self) -> Sequence[int]: ...
    @property
    def steps(self) -> int: ...
    @property
    def taken(self) -> Mapping[int, int]: ...
    @property
    def is_complete(self) -> bool: ...
    @property
    def depth(self) -> int: ...
    @property
    def alike(self) -> tuple[str, ...]:
        """What is exchanged: a state stands for all that differ only in which of these is which."""
        ...

    def way_to(self, index: int) -> list[tuple[int, int]]:
        """A shortest way: each command with the state that it leads to; the first has no command, -1."""
        ...


def look(graph: Graph) -> None:
    """Look whether there is time to go on judging a graph. Raises OutOfTimeError if there is none."""
    if graph.judging is not None:
        graph.judging.look()
