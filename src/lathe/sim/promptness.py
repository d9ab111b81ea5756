"""Bounded waiting: what is due and possible is taken at once, unless a fault explains the delay.

After a fault, or a jump of the clock, work may be late for a while and is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lathe.machine.event import Event, Starts, TimerFires
from lathe.machine.outcome import Step
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.step import step
from lathe.sim.prepared import Loaded

PROMPT_MS = 2_500
"""How late something may be: two looks of a worker that nobody woke, and what a busy store takes."""

Worlds = Sequence[tuple[Loaded, MemoryWorld]]
Timers = Mapping[str, Mapping[str, tuple[int, int]]]


class Promptness:
    """Judges each step that nobody asks for. What was possible before `calm_from_ms` may be late."""

    def __init__(self, now_ms: Callable[[], int], calm_from_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._calm_from_ms = calm_from_ms
        self._written: dict[str, tuple[int, int]] = {}
        """When each entity was written last, and which of the worlds came of it."""
        self._due: dict[tuple[str, str], int] = {}

    def taken(self, event: Event, outcome: Step, worlds: Worlds, timers: Timers) -> str:
        """What is wrong with the moment of a step; `worlds` end with what came of it. Empty: nothing.

        What a process wrote whose clock is ahead is due when its clock says so.
        """
        said = ""
        if isinstance(event, (Starts, TimerFires)):
            since, index = self._written.get(event.entity, (self._now_ms(), len(worlds)))
            if isinstance(event, TimerFires):
                since = max(since, self._due.get((event.entity, event.deadline or ""), since))
            late_ms = self._now_ms() - since
            is_calm = since >= self._calm_from_ms()
            if late_ms > PROMPT_MS and is_calm and _is_possible(event, worlds[index:-1]):
                said = f"{type(event).__name__} of {event.entity} was possible for {late_ms} ms"
        for name in outcome.written:
            self._written[name] = (max(self._now_ms(), event.now), len(worlds) - 1)
            for timer, (due, _) in timers.get(name, {}).items():
                self._due[name, timer] = due
        return said


def _is_possible(event: Event, worlds: Worlds) -> bool:
    """Whether a step was possible in all of these worlds."""
    return all(
        isinstance(step(loaded.table, world, event, permit=loaded.permit), Step) for loaded, world in worlds
    )
