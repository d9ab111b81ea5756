"""How fast the search is: the scalable models, and a realistic app with its scope raised.

    python bench/search.py [--quick] [--json]

Each figure is a process of its own, started for it: wall time with Python, numpy and the making of the model
for ours; for SPIN, on our own export of the same guarded commands, the run alone, translation and compilation
apart. The counts of states must agree. A peer that is not there is said to be missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from time import perf_counter

from common import ROOT, Row, is_quick, report
from models import Guarded, model

from lathe.check import ir
from lathe.check.export.promela import changes_text, formula_text

MODELS = ("twophase:8", "philosophers:14", "rollout:4:1:2")
GROWTH = ("philosophers:6", "philosophers:10", "philosophers:13", "philosophers:15", "philosophers:16")
RUNS = 3
CC = ("cc", "-O2", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c")
LEAST_RATIO = 4.0


def main() -> int:
    """Measure, print, and answer 1 if counts differ or a ratio is below the bound."""
    rows: list[Row] = []
    is_kept = True
    for name in MODELS:
        ours = _ours(name)
        rate = ours["states"] / ours["seconds"] / 1e6
        rows.append(Row(f"{name}: {ours['states']:,} states, one core", round(rate, 2), "million states/s"))
        spin = _spin(model(name))
        if spin is None:
            rows.append(Row("SPIN is missing: not compared", 0, "s"))
            continue
        is_kept &= spin["states"] == ours["states"] and spin["seconds"] >= LEAST_RATIO * ours["seconds"]
        told = (
            f"{name}: our run, imports included, against SPIN's run (its compilation {spin['compile']:.1f} s)"
        )
        rows.append(Row(told, round(ours["seconds"], 3), "s", "SPIN", round(spin["seconds"], 3)))
    ours = _ours("order")
    told = f"`order`, three of each, {ours['words']} words a state: the first {ours['states']:,} states"
    rows.append(Row(told, round(ours["states"] / ours["seconds"] / 1e6, 2), "million states/s"))
    for name in GROWTH[: 3 if is_quick() else None]:
        ours = _ours(name)
        told = f"growth, {name}: {ours['states']:,} states"
        rows.append(Row(told, round(ours["states"] / ours["seconds"] / 1e6, 2), "million states/s"))
        if ours["states"] > 1_000_000:
            rows.append(
                Row(f"{name}: peak memory a state", round(ours["bytes"] / ours["states"], 1), "bytes")
            )
    report(rows, sys.argv[1:])
    return int(not is_kept)


def _ours(name: str) -> dict[str, float]:
    """The median of a few processes that search a model."""
    found = []
    for _ in range(RUNS + 1):  # the first writes bytecode, as an installation has it, and does not count
        start = perf_counter()
        done = subprocess.run(
            [sys.executable, str(ROOT / "bench" / "search.py"), "--one", name],
            env=_environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        told: dict[str, float] = json.loads(done.stdout)
        found.append({**told, "seconds": perf_counter() - start})
    found = found[1:]
    middle = statistics.median_low(f["seconds"] for f in found)
    return next(f for f in found if f["seconds"] == middle)


@cache
def _environment() -> dict[str, str]:
    compiled = tempfile.mkdtemp(prefix="bytecode")
    names = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    paths = f"{ROOT / 'src'}{os.pathsep}{ROOT / 'bench'}"
    return {**names, "PYTHONPYCACHEPREFIX": compiled, "PYTHONPATH": paths}


def _search_order() -> None:
    """Search the `order` example with three of each, as far as two million states or so."""
    from time import monotonic

    from lathe.check.arrays.explore import explore
    from lathe.check.arrays.tier import model_of
    from lathe.check.graph import Limits
    from lathe.check.system import make_system
    from lathe.check.watch import watches
    from lathe.lang import read_app

    app = read_app({p.name: p.read_bytes() for p in (ROOT / "examples" / "order").glob("*.toml")}).app
    assert app is not None, "the example can be read"
    system = make_system(app, dict.fromkeys(app.blueprints, 3))
    made = model_of(system, watches(system))
    graph = explore(made, system.initial, Limits(2_000_000, monotonic() + 600, monotonic))
    print(json.dumps({"states": graph.count, "words": made.word_count}))


def _search(name: str) -> None:
    """Search one model in this process, and print what was found."""
    import resource
    from time import monotonic

    from lathe.check.arrays.explore import explore
    from lathe.check.graph import Limits

    if name == "order":
        _search_order()
        return
    made = model(name)
    graph = explore(made.model(), [made.initial], Limits(10**9, monotonic() + 600, monotonic, [made.wrong]))
    assert graph.is_complete, graph.ended_by
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"states": graph.count, "steps": graph.steps, "bytes": peak}))


def _spin(made: Guarded) -> dict[str, float] | None:
    if shutil.which("spin") is None or shutil.which("cc") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.pml").write_text(_promela(made))
        start = perf_counter()
        _run(("spin", "-a", "model.pml"), folder)
        _run(CC, folder)
        compiled = perf_counter() - start
        times, said = [], ""
        for _ in range(RUNS):
            start = perf_counter()
            said = _run(("./pan", "-m8000000", "-E", "-w24"), folder)
            times.append(perf_counter() - start)
    states = re.search(r"(\d+) states, stored", said)
    assert states is not None and "errors: 0" in said, said
    return {"states": int(states[1]), "seconds": statistics.median(times), "compile": compiled}


def _promela(made: Guarded) -> str:
    """The same guarded commands for SPIN: one process, each command a `d_step`."""
    called = {v.index: v.name for v in made.variables}
    lines = [
        f"{'bit' if v.size == 2 else 'byte'} {v.name} = {first};"
        for v, first in zip(made.variables, made.first, strict=True)
    ]
    lines += [*(f"hidden int t{i};" for i in range(4)), "active proctype system() {", "end: do"]
    for name, guard, updates in made.commands:
        changed = changes_text(updates, called)
        lines.append(f"  :: d_step {{ {formula_text(guard, called)} -> {changed} }} // {name}")
    if made.wrong != ir.FALSE:
        lines.append(f"  :: d_step {{ {formula_text(made.wrong, called)} -> assert(false) }}")
    return "\n".join([*lines, "  od", "}"]) + "\n"


def _run(command: tuple[str, ...], folder: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    if "--one" in sys.argv:
        _search(sys.argv[sys.argv.index("--one") + 1])
    else:
        sys.exit(main())
