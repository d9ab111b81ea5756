"""Our search and others on the same system: SPIN on our export of each example, and TLC where it is had.

    python bench/peers.py [--json]

SPIN is looked for in PATH, TLC's `tla2tools.jar` in the environment's TLA2TOOLS; what is not there is said to
be missing. Counts of distinct states must agree, and so must whether something unsafe can happen (invariants,
ranges, step properties, lost ends), for the good apps and every broken variant that can be searched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, perf_counter

from common import ROOT, Row, report

from lathe.check.export import promela, tla
from lathe.check.export.tla import configuration
from lathe.check.graph import Graph, Limits
from lathe.check.scope import scopes
from lathe.check.search import search
from lathe.check.suspects import met, violated
from lathe.check.system import System, make_system
from lathe.lang import read_app

CC = ("cc", "-O2", "-w", "-DSAFETY", "-DNOREDUCE", "-DVECTORSZ=4096", "-o", "pan", "pan.c")
MOST_STATES = 200_000


def main() -> int:
    """Compare, print, and answer 1 if anything differs."""
    rows: list[Row] = []
    missing: set[str] = set()
    differs = False
    for folder in _folders():
        system, graph = _ours(folder)
        if system is None or graph is None or not graph.is_complete:
            continue
        name = folder.relative_to(ROOT / "examples").as_posix()
        wrong = bool(violated(system, graph) or met(system, graph))
        for peer, found in (("SPIN", _spin(system)), ("TLC", _tlc(system))):
            if found is None:
                missing.add(peer)
                continue
            states, is_wrong, _ = found
            extra = len(system.initial) > 1 and peer == "SPIN"
            if is_wrong != wrong or (not wrong and states != len(graph.states) + extra):
                differs = True
                print(f"{name}: {peer} says {states} states, wrong {is_wrong}", file=sys.stderr)
            rows.append(_row(name, len(graph.states), wrong, (peer, states, is_wrong)))
    rows += [Row(f"{peer} is missing: not compared", 0, "states") for peer in sorted(missing)]
    report(rows, sys.argv[1:])
    return int(differs)


def _row(name: str, count: int, wrong: bool, theirs: tuple[str, int, bool]) -> Row:
    peer, states, is_wrong = theirs
    if wrong and is_wrong:
        return Row(f"{name}: both find it unsafe", count, "states", peer, None)
    return Row(f"{name}: both find it {'un' * is_wrong}safe", count, "states", peer, states)


def _folders() -> list[Path]:
    good = [p.parent for p in (ROOT / "examples").glob("*/app.toml")]
    return [*sorted(good), *sorted(p.parent for p in (ROOT / "examples").glob("*/broken/*/app.toml"))]


def _ours(folder: Path) -> tuple[System | None, Graph | None]:
    files = {p.name: p.read_bytes() for p in folder.glob("*.toml") if p.name != "expect.toml"}
    app = read_app(files).app
    if app is None:
        return None, None
    system = make_system(app, scopes(app)[0])
    return system, search(system, Limits(MOST_STATES, monotonic() + 60, monotonic))


Found = tuple[int, bool, float]
"""Distinct states, whether something unsafe was found, seconds of the run."""


def _spin(system: System) -> Found | None:
    if shutil.which("spin") is None or shutil.which("cc") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "system.pml").write_text(promela(system))
        _run(("spin", "-a", "system.pml"), folder)
        _run(CC, folder)
        start = perf_counter()
        said = _run(("./pan", "-m2000000", "-E"), folder)
        seconds = perf_counter() - start
    states = re.search(r"(\d+) states, stored", said)
    return int(states[1]) if states else 0, not re.search(r"errors: 0\b", said), seconds


def _tlc(system: System) -> Found | None:
    jar = os.environ.get("TLA2TOOLS")
    if jar is None or shutil.which("java") is None:
        return None
    module = tla(system)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "system.tla").write_text(module)
        Path(folder, "system.cfg").write_text(configuration(module))
        start = perf_counter()
        command = ("java", "-XX:+UseParallelGC", "-cp", jar, "tlc2.TLC", "-deadlock", "-workers", "2")
        said = _run((*command, "-config", "system.cfg", "system.tla"), folder, fails=True)
        seconds = perf_counter() - start
    states = re.search(r"(\d+) distinct states found", said)
    if states is None:
        sys.exit(said)
    return int(states[1]), "Error:" in said, seconds


def _run(command: tuple[str, ...], folder: str, *, fails: bool = False) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and not fails:
        sys.exit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
