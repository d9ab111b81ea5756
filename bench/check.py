"""A cold `lathe check` of a small app: process start, imports, reading, search, report; beside it SPIN.

    python bench/check.py [--quick] [--json]

Cold means a new process each time, with Python's compiled modules on disk as an installation has them, and
no verdict kept from before: looking for one and keeping this one is part of it. One
figure says that nothing heavy was imported on the way. SPIN is given our own export of the app, with its one
command that translates, compiles and runs (`spin -search`, in its own default settings); the two take turns.
If it is not in PATH, it is said to be missing.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from common import ROOT, Row, at_most, is_quick, median_seconds, report

from lathe.check.composed.system import make_system
from lathe.check.export import promela
from lathe.check.search.scope import scopes
from lathe.lang import read_app

APP = "examples/rollout"
COMMAND = ["-m", "lathe.cli", "check", APP, "--level", "2"]
WALL_LIMIT_SECONDS = 0.15
SHARE_OF_SPIN = 0.25
HEAVY = ("numpy", "scipy", "z3", "cedarpy")
RUNS = 15
QUICK_RUNS = 5
SPIN_RUNS = 5


def main() -> int:
    """Measure, print, and answer 1 if a bound was not kept."""
    runs = QUICK_RUNS if is_quick() else RUNS
    with tempfile.TemporaryDirectory() as compiled:
        environment = _environment(compiled)
        wall = median_seconds(lambda: _check(environment), runs=runs)
        start = median_seconds(lambda: _python(["-c", "pass"], environment), runs=runs)
        heavy = _heavy_imports(environment)
        beside = _beside_spin(environment)
    rows = [
        at_most(f"cold `lathe check {APP} --level 2`", round(wall, 4), "s", WALL_LIMIT_SECONDS),
        Row("of that, an empty Python process", round(start, 4), "s"),
        at_most(f"modules imported of {', '.join(HEAVY)}", len(heavy), "modules", 0),
    ]
    if beside is None:
        rows.append(Row("SPIN is missing: not compared", 0, "s"))
    else:
        ours, theirs = beside
        name = "cold `lathe check`, taking turns with SPIN"
        peer = "`spin -search` on our export"
        rows.append(Row(name, round(ours, 4), "s", peer, round(theirs, 4), most=SHARE_OF_SPIN))
    return report(rows, sys.argv[1:])


def _environment(compiled: str) -> dict[str, str]:
    names = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**names, "PYTHONPYCACHEPREFIX": compiled, "PYTHONPATH": str(ROOT / "src")}


def _check(environment: dict[str, str]) -> None:
    done = _python(COMMAND, environment)
    if done.returncode != 0:
        sys.exit(f"`lathe check {APP}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def _heavy_imports(environment: dict[str, str]) -> set[str]:
    told = _python(["-X", "importtime", *COMMAND], environment).stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in told.splitlines()}
    assert "lathe" in imported, "importtime tells nothing"
    return imported & set(HEAVY)


def _beside_spin(environment: dict[str, str]) -> tuple[float, float] | None:
    """Median seconds of our check and of SPIN's, turn by turn; None without SPIN or a compiler for it."""
    if shutil.which("spin") is None or shutil.which("gcc") is None:
        return None
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "system.pml").write_text(_exported())
        for _ in range(SPIN_RUNS):
            start = perf_counter()
            _check(environment)
            between = perf_counter()
            _spin(folder)
            ours.append(between - start)
            theirs.append(perf_counter() - between)
    return statistics.median(ours), statistics.median(theirs)


def _exported() -> str:
    files = {path.name: path.read_bytes() for path in (ROOT / APP).glob("*.toml")}
    app = read_app(files).app
    assert app is not None, "the example can be read"
    return promela(make_system(app, scopes(app)[0]))


def _spin(folder: str) -> None:
    command = ("spin", "-search", "system.pml")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode or not re.search(r"errors: 0\b", done.stdout):
        sys.exit(f"SPIN failed:\n{done.stdout}{done.stderr}")


def _python(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    with tempfile.TemporaryDirectory() as cache:
        own = {**environment, "XDG_CACHE_HOME": cache}
        return subprocess.run(command, env=own, cwd=ROOT, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
