"""What simulated worlds go through of what level 2 says is possible, with guided runs and without.

python bench/guided.py [--json] [--quick] [APP...]

What is possible: each action in each state in which a search of level 2 takes it, and each end of an effect
that it meets. Several rounds of seeds in the three mixes in turn; told are medians of: how many were seen
after sixteen seeds, as a check has, and after all, and the seeds until the last one of those that either way
of running ever saw. A round that does not get there counts as one seed more than it has.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from common import ROOT, Row, is_quick, report

from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, make_system
from lathe.check.search.graph import Limits
from lathe.check.search.plain import ListGraph, search
from lathe.check.search.scope import scopes
from lathe.cli.files import load
from lathe.frozen import evolve
from lathe.lang.model import App
from lathe.machine.event import Ends
from lathe.machine.outcome import Step
from lathe.sim.menu import MIXES
from lathe.sim.oracle import Taken
from lathe.sim.prepared import Prepared, prepare
from lathe.sim.run import Outcome, setting_of, simulate

STATES_LIMIT = 30_000
CHECK_SEEDS = 16
SEEDS = 60
ROUNDS = 3

Item = tuple[str, str, str]
"""(blueprint, state, action), or (blueprint, effect, `ok` or `error`)."""


def main() -> int:
    """Measure every example and feature app, or those that are named."""
    names = [a for a in sys.argv[1:] if not a.startswith("--")]
    rows: list[Row] = []
    for folder in apps():
        if not names or folder.name in names:
            rows += measured(folder)
    report(rows, sys.argv[1:])
    return 0


def apps() -> list[Path]:
    """The folders of the apps that are admitted."""
    found = [*(ROOT / "examples").iterdir(), *(ROOT / "bench" / "features").iterdir()]
    admitted = [folder for folder in found if folder.name != "lost_update"]
    return sorted(folder for folder in admitted if list(folder.glob("*.blueprint.toml")))


def measured(folder: Path) -> list[Row]:
    """The rows of one app."""
    prepared = prepare(load(str(folder)).files)
    possible = possible_in(prepared.first.app)
    rounds, seeds = (1, SEEDS // 3) if is_quick() else (ROUNDS, SEEDS)
    runs = {
        guided: [firsts(prepared, possible, n * seeds, seeds, guided=guided) for n in range(rounds)]
        for guided in (True, False)
    }
    ever = set[Item]().union(*(found for each in runs.values() for found in each))
    name = f"{folder.name} ({len(possible)} possible"
    for item in sorted(possible - ever):
        print(f"{folder.name}: never {'.'.join(item)}", file=sys.stderr)

    def median(guided: bool, seeds_most: int) -> float:
        return statistics.median(sum(n < seeds_most for n in f.values()) for f in runs[guided])

    def last(guided: bool) -> float:
        return statistics.median(max(f.get(item, seeds) + 1 for item in ever) for f in runs[guided])

    return [
        Row(f"{name}): seen in {CHECK_SEEDS} seeds", median(True, CHECK_SEEDS), "", "unguided",
            median(False, CHECK_SEEDS)),
        Row(f"{name}): seen in {seeds} seeds", median(True, seeds), "", "unguided", median(False, seeds)),
        Row(f"{name}, {len(ever)} ever seen): seeds until the last", last(True), "", "unguided", last(False)),
    ]  # fmt: skip


def firsts(
    prepared: Prepared, possible: set[Item], first: int, count: int, *, guided: bool
) -> dict[Item, int]:
    """How many seeds passed before each was seen."""
    found: dict[Item, int] = {}
    for number in range(count):
        setting = setting_of(first + number, MIXES[number % len(MIXES)])
        if not guided:
            setting = evolve(setting, first_goal=None)
        outcome = simulate(prepared, setting)
        assert outcome.violation is None, (setting.seed, setting.mix, outcome.violation)
        for item in met_in(outcome):
            if item in possible:
                found.setdefault(item, number)
    return found


def met_in(outcome: Outcome) -> Iterator[Item]:
    """What a run went through."""
    for one in outcome.history:
        if not isinstance(one, Taken) or not isinstance(one.outcome, Step):
            continue
        for part in one.outcome.parts:
            if part.action is not None:
                yield part.blueprint, part.before.state if part.before else "", part.action
        if isinstance(one.event, Ends):
            entity = one.world.entities[one.event.entity]
            assert entity.active is not None, "what ends was under way"
            yield entity.blueprint, entity.active.effect, "ok" if one.event.ok else "error"


def possible_in(app: App) -> set[Item]:
    """What searches of level 2 go through, as far as so many states."""
    found: set[Item] = set()
    for instances in scopes(app):
        try:
            system = make_system(app, instances)
        except TooLargeError:
            break
        graph = search(system, Limits(STATES_LIMIT, float("inf"), time.monotonic))
        found |= set(_taken(system, graph))
        if not graph.is_complete:
            break
    return found


def _taken(system: System, graph: ListGraph) -> Iterator[Item]:
    seen: set[tuple[int, int, int]] = set()
    for index, packed in enumerate(graph.states):
        start = graph.first[index]
        for label in set(graph.labels[start : start + graph.degree[index]]):
            command = system.commands[label]
            for number, share in enumerate(command.shares):
                code = share.slot.state.read(packed)
                if (label, number, code) in seen:
                    continue
                seen.add((label, number, code))
                state = ["", *share.slot.blueprint.states][0 if share.is_new else code]
                yield share.slot.blueprint.name, state, share.action
            told = command.label
            if told.event == "end" and told.effect is not None:
                yield told.slot.blueprint.name, told.effect, "ok" if told.is_ok else "error"


if __name__ == "__main__":
    sys.exit(main())
