"""What symmetry saves: examples with more and more of the same, searched with it and without.

    python bench/symmetry.py [--quick] [--json]

Each figure is the median of processes that make the system and search it, imports not counted; all were
complete, or the table says where the budget of states ended them.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from time import monotonic

from common import ROOT, Row, is_quick, report

MOST = 4_000_000
RUNS = 3
SCALED = (("lease_queue", "Job", range(1, 8)), ("protocols/two_phase_commit", "Participant", range(3, 9)))
"""Examples, of what they get more and more, and how many."""

QUICK = 3
GAIN_FROM, LEAST_GAIN = 4, 5.0


def main() -> int:
    """Measure, print, and answer 1 if from four on too little is saved."""
    rows: list[Row] = []
    for app, blueprint, counts in SCALED:
        is_too_many = False
        for count in counts[: QUICK if is_quick() else None]:
            fewer = _median(app, blueprint, count, "with")
            every = None if is_too_many else _median(app, blueprint, count, "without")
            is_too_many = every is None or not every["complete"]
            rows += _rows(f"{app.rpartition('/')[2]}, {count} {blueprint}", count, fewer, every)
    return report(rows, sys.argv[1:])


def _rows(name: str, count: int, fewer: dict[str, float], every: dict[str, float] | None) -> list[Row]:
    """How many states there are and what they take; against what they are without, where that ended."""
    states, seconds = fewer["states"], round(fewer["seconds"], 3)
    if every is None or not every["complete"]:
        told = f"{name}: states; without symmetry, more than {MOST:,}"
        return [Row(told, states, "states"), Row(f"{name}: time", seconds, "s")]
    most = 1 / LEAST_GAIN if count >= GAIN_FROM else None
    return [
        Row(f"{name}: states", states, "states", "without", every["states"], most=most),
        Row(f"{name}: time", seconds, "s", "without", round(every["seconds"], 3)),
    ]


def _median(app: str, blueprint: str, count: int, how: str) -> dict[str, float]:
    """The median of a few processes that search an example."""
    found: list[dict[str, float]] = []
    for _ in range(RUNS):
        done = subprocess.run(
            [sys.executable, str(ROOT / "bench" / "symmetry.py"), "--one", app, blueprint, str(count), how],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.append(json.loads(done.stdout))
    middle = statistics.median_low(f["seconds"] for f in found)
    return next(f for f in found if f["seconds"] == middle)


def _search(name: str, blueprint: str, count: str, how: str) -> None:
    """Search an example in this process, and print what was found."""
    from lathe.check.arrays.explore import explore
    from lathe.check.arrays.tier import model_of, seating_in
    from lathe.check.composed.system import make_system
    from lathe.check.search.dead_variables import find_dead, without_dead
    from lathe.check.search.graph import Limits
    from lathe.check.search.scope import scopes
    from lathe.check.search.watch import watches
    from lathe.lang import read_app

    files = {p.name: p.read_bytes() for p in (ROOT / "examples" / name).glob("*.toml")}
    files["app.toml"] = re.sub(
        rf"{blueprint} = \d+".encode(), f"{blueprint} = {count}".encode(), files["app.toml"]
    )
    app = read_app(files).app
    assert app is not None, "the example can be read"
    start = monotonic()
    plain = make_system(app, scopes(app)[0])
    system = without_dead(plain, find_dead(plain))
    seating = seating_in(system) if how == "with" else None
    graph = explore(
        model_of(system, watches(system)),
        [system.dead.cleared(s) for s in system.initial],
        Limits(MOST, monotonic() + 600, monotonic),
        seating=seating,
    )
    told = {"states": graph.count, "complete": graph.is_complete, "seconds": monotonic() - start}
    print(json.dumps(told))


if __name__ == "__main__":
    if "--one" in sys.argv:
        at = sys.argv.index("--one")
        _search(*sys.argv[at + 1 : at + 5])
    else:
        sys.exit(main())
