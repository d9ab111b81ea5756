"""Shrinks a failing run: fewer faults, commands and processes, and a plainer schedule.

Each try is a whole run; it counts if it fails for the same cause. The tries are bounded and their order is
fixed, so that the same seed shrinks to the same run everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from lathe.frozen import evolve, mutable
from lathe.sim.prepared import Prepared
from lathe.sim.run import Outcome, simulate
from lathe.sim.workload import Issue
from lathe.sim.world import Setting

TRIES_LIMIT = 150
STEPS_FACTOR = 3
"""How many times as many steps as the first failure a try may take."""


@mutable
class _Shrinking:
    """The smallest failing run so far, and how many tries are left."""

    prepared: Prepared
    best: Outcome
    left: int
    steps_limit: int

    def tries(self, setting: Setting, *, tape: Sequence[int] | None = None) -> bool:
        """Run it; keep it if it still fails for the same cause."""
        if self.left <= 0:
            return False
        self.left -= 1
        found = simulate(self.prepared, setting, tape=tape, steps_limit=self.steps_limit)
        cause = self.best.violation
        if cause is None or found.violation is None or found.violation.cause != cause.cause:
            return False
        self.best = found
        return True


def shrink(prepared: Prepared, failing: Outcome, *, tries: int = TRIES_LIMIT) -> Outcome:
    """A small run that fails for the same cause. `failing` itself if nothing smaller does."""
    assert failing.violation is not None, "only what fails is shrunk"
    state = _Shrinking(prepared, failing, tries, failing.steps * STEPS_FACTOR + 1_000)
    scripted = evolve(failing.setting, script=failing.script)
    if not state.tries(scripted):
        return failing
    _without_faults(state)
    _without_commands(state)
    setting = state.best.setting
    for nodes in range(1, setting.nodes):
        if state.tries(evolve(setting, nodes=nodes)):
            break
    state.tries(state.best.setting, tape=())
    return state.best


def _without_faults(state: _Shrinking) -> None:
    """Leave out one fault after the other: first all at once."""
    struck = sorted(name for name, count in state.best.faults.items() if count)
    setting = state.best.setting
    if state.tries(evolve(setting, without=setting.without | set(struck))):
        return
    for name in struck:
        setting = state.best.setting
        state.tries(evolve(setting, without=setting.without | {name}))


def _without_commands(state: _Shrinking) -> None:
    """Leave out runs of commands, from half of them down to single ones."""
    size = max(sum(map(len, state.best.script)) // 2, 1)
    while True:
        at = 0
        while at < sum(map(len, state.best.script)):
            setting = evolve(state.best.setting, script=_cut(state.best.script, at, size))
            if not state.tries(setting):
                at += size
        if size == 1 or state.left <= 0:
            return
        size //= 2


def _cut(script: Sequence[Sequence[Issue]], start: int, size: int) -> tuple[tuple[Issue, ...], ...]:
    """A script without some commands, counted through all clients."""
    position = 0
    kept: list[tuple[Issue, ...]] = []
    for issues in script:
        numbered = enumerate(issues, position)
        kept.append(tuple(issue for n, issue in numbered if not start <= n < start + size))
        position += len(issues)
    return tuple(kept)
