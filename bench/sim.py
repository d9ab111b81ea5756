"""Simulated steps a second on one core, with everything judged; and what a whole check costs.

python bench/sim.py [--json] [--quick]

A step is one callback of the simulated loop: the unit in which a seed chooses what happens next. Every oracle
is on. Seeds of the three mixes in turn, in one process, by processor time; the bound is 50,000 steps
a second.
Then `lathe check --no-cache examples/rollout` as a process of its own, levels 0 to 3, by wall time: at most
2 s; and the same with `--level 2`.
"""

from __future__ import annotations

import statistics
import sys
from time import process_time

from common import ROOT, Row, at_least, at_most, is_quick, report, timed

from lathe.sim.menu import MIXES
from lathe.sim.prepared import prepare
from lathe.sim.run import Outcome, setting_of, simulate

APPS = ("rollout", "lease_queue", "order", "incident")
STEPS_BOUND = 50_000
CHECK_SECONDS_BOUND = 2.0
SEEDS = 30
RUNS = 5


def main() -> int:
    """Measure, and say whether the bounds are kept."""
    seeds = SEEDS // 3 if is_quick() else SEEDS
    rows: list[Row] = []
    for name in APPS:
        rows += measured(name, seeds)
    rows += checked()
    return report(rows, sys.argv[1:])


def files_of(name: str) -> dict[str, bytes]:
    """The files of an example."""
    paths = sorted((ROOT / "examples" / name).iterdir())
    return {path.name: path.read_bytes() for path in paths if path.suffix in (".toml", ".cedar")}


def measured(name: str, seeds: int) -> list[Row]:
    """Medians over several rounds of the same seeds."""
    prepared = prepare(files_of(name))
    rounds: list[tuple[float, float, float]] = []
    for _ in range(RUNS):
        started = process_time()
        found: list[Outcome] = []
        for seed in range(seeds):
            outcome = simulate(prepared, setting_of(seed, MIXES[seed % len(MIXES)]))
            assert outcome.violation is None, (seed, outcome.violation)
            found.append(outcome)
        passed = process_time() - started
        rounds.append(
            (
                sum(o.steps for o in found) / passed,
                sum(o.committed for o in found) / passed,
                sum(o.virtual_seconds for o in found) / passed,
            )
        )
    steps, committed, virtual = (statistics.median(column) for column in zip(*rounds, strict=True))
    return [
        at_least(f"{name}: steps", steps, "a second", STEPS_BOUND),
        Row(f"{name}: committed and taken again by the rules", committed, "a second"),
        Row(f"{name}: virtual time", virtual, "times life"),
    ]


def checked() -> list[Row]:
    """A whole check of the rollout, cold."""
    rows: list[Row] = []
    for level, bound in ((3, CHECK_SECONDS_BOUND), (2, None)):
        command = [sys.executable, "-m", "lathe.cli", "check", "--no-cache", "--level", str(level)]
        path = str(ROOT / "examples" / "rollout")
        runs = [timed([*command, path]) for _ in range(RUNS + 1)][1:]
        name = f"`lathe check examples/rollout`, levels 0 to {level}"
        wall, cpu = (statistics.median(times) for times in zip(*((r.wall, r.cpu) for r in runs), strict=True))
        rows.append(at_most(name, wall, "s", bound) if bound else Row(name, wall, "s"))
        rows.append(Row(f"{name}, of the processor", cpu, "s"))
    return rows


if __name__ == "__main__":
    sys.exit(main())
