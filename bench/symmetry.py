"""What symmetry saves: the lease queue with more and more jobs, searched with it and without.

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
LARGEST = 7
RUNS = 3
GAIN_AT, LEAST_GAIN = 4, 24.0


def main() -> int:
    """Measure, print, and answer 1 if four jobs do not save what their orders alone are."""
    rows: list[Row] = []
    is_kept, is_too_many = True, False
    for jobs in range(1, (GAIN_AT if is_quick() else LARGEST) + 1):
        fewer = _median(jobs, "with")
        every = None if is_too_many else _median(jobs, "without")
        is_too_many = is_too_many or every is None or not every["complete"]
        name = f"lease_queue, {jobs} {'job' if jobs == 1 else 'jobs'}"
        if every is not None and every["complete"]:
            rows.append(Row(f"{name}: states", fewer["states"], "states", "without", every["states"]))
            rows.append(
                Row(f"{name}: time", round(fewer["seconds"], 3), "s", "without", round(every["seconds"], 3))
            )
            is_kept &= jobs != GAIN_AT or every["states"] >= LEAST_GAIN * fewer["states"]
        else:
            rows.append(Row(f"{name}: states; without, over {MOST:,}", fewer["states"], "states"))
            rows.append(Row(f"{name}: time", round(fewer["seconds"], 3), "s"))
    report(rows, sys.argv[1:])
    return int(not is_kept)


def _median(jobs: int, how: str) -> dict[str, float]:
    """The median of a few processes that search the queue."""
    found: list[dict[str, float]] = []
    for _ in range(RUNS):
        done = subprocess.run(
            [sys.executable, str(ROOT / "bench" / "symmetry.py"), "--one", str(jobs), how],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.append(json.loads(done.stdout))
    middle = statistics.median_low(f["seconds"] for f in found)
    return next(f for f in found if f["seconds"] == middle)


def _search(jobs: int, how: str) -> None:
    """Search the queue in this process, and print what was found."""
    from lathe.check.arrays.explore import explore
    from lathe.check.arrays.tier import model_of, seating_in
    from lathe.check.clearing import find_dead, without_dead
    from lathe.check.graph import Limits
    from lathe.check.scope import scopes
    from lathe.check.system import make_system
    from lathe.check.watch import watches
    from lathe.lang import read_app

    files = {p.name: p.read_bytes() for p in (ROOT / "examples" / "lease_queue").glob("*.toml")}
    files["app.toml"] = re.sub(rb"Job = \d+", b"Job = %d" % jobs, files["app.toml"])
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
        _search(int(sys.argv[at + 1]), sys.argv[at + 2])
    else:
        sys.exit(main())
