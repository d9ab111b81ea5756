"""The faults that a simulation can inject, by name, with their probabilities in three mixes.

A seed enables some of the faults of its mix, so that each is met alone and in company. Every fault draws from
a stream of its own: leaving one out does not change when the others strike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from random import Random
from typing import Literal, get_args

from lathe.frozen import frozen

Mix = Literal["calm", "moderate", "chaos"]
MIXES: tuple[Mix, ...] = get_args(Mix)


@frozen
class Fault:
    """One way in which something goes wrong. `rate` is how likely it is at each of its occasions (per
    mille), `most` how often it strikes in one run, `share` how many of the seeds that would enable it do.
    """

    name: str
    does: str
    rate: int
    most: int = 1_000
    share: float = 1.0


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("slow", "the store takes up to seconds", 40, 12),
        Fault("hold", "a commit waits until another one has changed the same entity", 60, 20),
        Fault("away", "the store does not answer, and nothing is committed", 40, 30),
        Fault("lost", "a commit happens, and its acknowledgement is lost", 40, 30),
        Fault("late", "a commit happens after its caller was told that nobody knows", 30, 20),
        Fault("full", "the disk is full for a while", 10, 3),
        Fault("crash_before", "a process dies before its commit: the group is lost as a whole", 15, 4),
        Fault("crash_after", "a process dies after its commit, before it tells anybody", 15, 4),
        Fault("crash", "a process dies between any two awaits", 500, 4),
        Fault("stall", "a process stands still for seconds, while the others go on", 400, 3),
        Fault("skew", "the clock of a process jumps, forwards or backwards", 500, 4),
        Fault("sleep", "all processes and the store stand still, as a machine that was suspended", 300, 2),
        Fault("swap", "another version of the app takes over", 500, 4),
        Fault("hangs", "an effect happens, and says nothing until its time is up", 120, 4),
        Fault("bad", "an effect ends badly, having happened or not", 250),
        Fault("garbage", "an effect answers with what fits nothing", 60),
        Fault("raises", "an adapter raises what it should not", 40),
        Fault("drips", "an effect answers a little at a time", 100),
        Fault("tardy", "an effect happens when its time is up already", 100, 6),
        Fault("deaf", "an effect that was told to stop happens all the same", 500),
        Fault("twice", "a callback comes twice", 200),
        Fault("stale", "a callback comes again, long after", 150),
        Fault("hangs_up", "a client goes away before it has its answer", 30),
        Fault("repeats", "a client asks the same again, though it has its answer", 100),
        Fault("old_read", "what was read is under way for a while, and others write meanwhile", 150),
        Fault("brink", "a commit waits until about the moment at which its lease ends", 30, 6),
        Fault("revoke", "somebody is not known any more, or is known again", 500, 6),
        Fault("tidy", "a process archives, sweeps and binds the journal", 1000, 12),
        Fault("erase", "the journal of an entity is erased, archived or not", 300, 3),
        Fault("ends", "somebody's token ends soon, and is shown until it is not taken any more", 500, 6),
        Fault("outlives", "a callback comes about when its token ends", 150, 6),
        Fault("approve", "who may not is let pass by a decision, which ends soon", 150, 12, share=0.35),
    )
}

CALM_SECONDS = 45.0
"""How long what went wrong with a process or the store may make others late."""
DISTURBING = frozenset(
    {
        "slow", "hold", "away", "lost", "late", "full", "crash_before", "crash_after", "crash", "stall",
        "skew", "sleep", "swap", "brink", "old_read", "revoke",
    }
)  # fmt: skip
"""Faults after which what is due may be late so long."""

_SHARE: Mapping[Mix, int] = {"calm": 15, "moderate": 45, "chaos": 80}
"""How many of a hundred faults a seed enables."""
_STRENGTH: Mapping[Mix, float] = {"calm": 0.5, "moderate": 1.0, "chaos": 2.0}


class Menu:
    """The faults of one run. `without` are left out, whatever the seed says."""

    def __init__(
        self,
        seed: int,
        mix: Mix,
        without: Collection[str] = (),
        *,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        unknown = sorted(set(without) - set(FAULTS))
        assert not unknown, f"there is no fault {unknown}"
        chooses = Random(f"{seed}/{mix}/menu")
        chosen = [name for name, one in FAULTS.items() if chooses.randrange(100) < _SHARE[mix] * one.share]
        self.enabled = tuple(name for name in chosen if name not in without)
        self.struck: Counter[str] = Counter()
        self._clock = clock
        self.calm_from = 0.0
        """Until then things may be late for what went wrong, in seconds of the world."""
        self.is_closed = False
        """Whether nothing goes wrong any more."""
        self._random = {name: Random(f"{seed}/{mix}/{name}") for name in self.enabled}
        self._chance = {name: FAULTS[name].rate * _STRENGTH[mix] / 1000 for name in self.enabled}

    def strikes(self, name: str) -> bool:
        """Whether a fault happens at this occasion."""
        random = self._random.get(name)
        if random is None or self.is_closed:
            return False
        if random.random() >= self._chance[name] or self.struck[name] >= FAULTS[name].most:
            return False
        self.struck[name] += 1
        if name in DISTURBING:
            self.disturb(CALM_SECONDS)
        return True

    def disturb(self, seconds: float) -> None:
        """What is due may be late for so long from now on."""
        self.calm_from = max(self.calm_from, self._clock() + seconds)

    def draw(self, name: str) -> Random:
        """What else a fault has to choose."""
        return self._random[name]
