"""Bugs put into a copy of the runtime, one at a time: which level notices, and at what cost.

    python bench/kill.py [--quick] [--plans N] [--seeds N] [--bug PART]

Each bug of `kill_bugs.py` is a changed line of a copied source tree. Level 3 (`lathe.sim`) and level 4
(`lathe.probe`) run against the copy, on examples in turn, until one of them sees a difference. A table goes
to standard output; what nothing caught stands at its end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, process_time

from kill_bugs import BUGS, Bug

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = (
    "lease_queue", "rollout", "saga", "order", "wallet", "subscription", "incident", "approval",
)  # fmt: skip
TIMEOUT_SECONDS = 120.0
QUICK = 6


def main() -> int:
    """Seed every bug that is asked for, and print what noticed it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"every {len(BUGS) // QUICK}th bug alone")
    parser.add_argument("--plans", type=int, default=60, help="plans of level 4 on each example")
    parser.add_argument("--seeds", type=int, default=60, help="seeds of level 3 on each example; 0: none")
    parser.add_argument("--bug", default="", help="only bugs whose name has this in it")
    parser.add_argument("--child", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(_child(asked.child, asked.plans if asked.child == 4 else asked.seeds)))
        return 0
    bugs = [bug for bug in BUGS if asked.bug in bug.name]
    bugs = bugs[:: len(BUGS) // QUICK] if asked.quick else bugs
    missed = _table(bugs, asked.plans, asked.seeds)
    print(f"\ncaught {len(bugs) - len(missed)} of {len(bugs)}; by nothing:")
    for name in missed:
        print(f"- {name}")
    return 0


def _table(bugs: list[Bug], plans: int, seeds: int) -> list[str]:
    """Print a row for each bug; the names of those that nothing caught."""
    missed = []
    print("| bug | file | level 3 | level 4 | what it said |\n|---|---|---|---|---|")
    for bug in bugs:
        with tempfile.TemporaryDirectory() as folder:
            source = _seeded(bug, Path(folder))
            found = {level: _run(source, level, plans, seeds) for level in (3, 4)}
        told = {
            level: f"{one['at']}, {one['seconds']} s" if one["caught"] else "-"
            for level, one in found.items()
        }
        said = str(found[4]["said"] or found[3]["said"])[:90].replace("|", "/").replace("\n", " ")
        print(f"| {bug.name} | {bug.file} | {told[3]} | {told[4]} | {said} |", flush=True)
        if not any(one["caught"] for one in found.values()):
            missed.append(bug.name)
    return missed


def _seeded(bug: Bug, folder: Path) -> Path:
    """A copy of the source with the bug in it."""
    source = folder / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    place = source / "lathe" / bug.file
    text = place.read_text(encoding="utf-8")
    if text.count(bug.old) != 1:
        raise SystemExit(f"`{bug.name}`: its line stands {text.count(bug.old)} times in {bug.file}")
    place.write_text(text.replace(bug.old, bug.new), encoding="utf-8")
    return source


def _run(source: Path, level: int, plans: int, seeds: int) -> Mapping[str, object]:
    """What a process says that runs against the copy. One that does not end, or falls, has noticed too."""
    nothing = {"caught": False, "at": "", "seconds": 0.0, "said": ""}
    if level == 3 and not seeds:
        return nothing
    program = [
        sys.executable, __file__, "--child", str(level), "--plans", str(plans), "--seeds", str(seeds),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(source)}
    try:
        ran = subprocess.run(
            program, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return {**nothing, "caught": True, "at": "no end", "seconds": TIMEOUT_SECONDS}
    if ran.returncode != 0:
        last = ran.stderr.strip().splitlines()[-1:] or [""]
        return {**nothing, "caught": True, "at": "it falls", "said": last[0]}
    found: Mapping[str, object] = json.loads(ran.stdout)
    return found


def _child(level: int, count: int) -> dict[str, object]:
    """Try the examples in turn, a few seeds at a time, until something is seen."""
    began, tried = process_time(), 0
    for first in range(0, count, 5):
        for name in EXAMPLES:
            folder = ROOT / "examples" / name
            files = {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix == ".toml"}
            files.pop("dev.toml", None)
            said = _properties(files, first) if level == 4 else _schedules(files, first)
            tried += 5
            if said:
                seconds = round(process_time() - began, 2)
                return {"caught": True, "at": f"{name}, {tried} seeds", "seconds": seconds, "said": said}
    return {"caught": False, "at": "", "seconds": round(process_time() - began, 2), "said": ""}


def _properties(files: Mapping[str, bytes], first: int) -> str:
    from lathe.lang import read_app
    from lathe.probe import level

    app = read_app(files).app
    assert app is not None, "examples can be read"
    level.SHRINKING_LIMIT = 0
    found = level.probe(app, files, plans=5, first=first, clock=monotonic)
    return found.difference.said if found.difference else ""


def _schedules(files: Mapping[str, bytes], first: int) -> str:
    from lathe.sim.menu import MIXES
    from lathe.sim.prepared import prepare
    from lathe.sim.run import setting_of, simulate

    prepared = prepare(files)
    for seed in range(first, first + 5):
        found = simulate(prepared, setting_of(seed, MIXES[seed % len(MIXES)]))
        if found.violation is not None:
            return str(found.violation.said)
    return ""


if __name__ == "__main__":
    sys.exit(main())
