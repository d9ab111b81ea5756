"""A cold `lathe check` of a small app: process start, imports, reading, search, report.

    python bench/check.py [--quick] [--json]

Cold means a new process each time, with Python's compiled modules on disk as an installation has
them. The second figure says that nothing heavy was imported on the way.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from common import ROOT, Row, is_quick, median_seconds, report

APP = "examples/rollout"
COMMAND = ["-m", "lathe.cli", "check", APP, "--level", "2"]
WALL_LIMIT_SECONDS = 0.15
HEAVY = ("numpy", "scipy", "z3", "cedarpy")
RUNS = 15
QUICK_RUNS = 5


def main() -> int:
    """Measure, print, and answer 1 if a bound was not kept."""
    with tempfile.TemporaryDirectory() as compiled:
        environment = _environment(compiled)
        runs = QUICK_RUNS if is_quick() else RUNS
        wall = median_seconds(lambda: _check(environment), runs=runs)
        start = median_seconds(lambda: _python(["-c", "pass"], environment), runs=runs)
        heavy = _heavy_imports(environment)
    rows = [
        Row(f"cold `lathe check {APP} --level 2`", round(wall, 4), "s", "the bound", WALL_LIMIT_SECONDS),
        Row("of that, an empty Python process", round(start, 4), "s"),
        Row(f"modules imported of {', '.join(HEAVY)}", len(heavy), "modules", "the bound", 0),
    ]
    report(rows, sys.argv[1:])
    return int(wall > WALL_LIMIT_SECONDS or bool(heavy))


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


def _python(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
