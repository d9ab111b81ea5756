"""How fast the search is: the scalable models, and a realistic app with its scope raised.

    python bench/search.py [--quick] [--json]

Each figure is a process of its own, with Python, numpy and the making of the model for ours (medians of
three); for SPIN, on our own export of the same guarded commands, the run alone, translation and compilation
apart; for Stateright the same, of a crate that is fetched and built in a throw-away folder (one run each).
Seconds of one core are the processor's, which other work on the machine hardly lengthens; on a quiet one they
are those of the wall. Those of two threads are the wall's. The counts of states must agree. A peer that is
not there is said to be missing; TLC is stopped where it has taken fifty times as long as we. A full run takes
some ten minutes on a quiet machine; `--quick` leaves out TLC and the largest models, and measures once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from common import ROOT, Row, at_least, at_most, is_quick, report, timed
from guarded import run_tlc
from models import Guarded, model
from stateright import run_stateright

from lathe.check.composed import ir
from lathe.check.export.promela import changes_text, formula_text

MODELS = ("twophase:8", "philosophers:14", "rollout:4:1:2")
GROWTH = (
    "philosophers:6", "philosophers:8", "philosophers:10", "philosophers:12", "philosophers:13",
    "philosophers:14", "philosophers:15", "philosophers:16",
)  # fmt: skip
ORDER, LARGE_ORDER = "order:2000000", "order:5000000"
RUNS = 3
LARGE_RUNS = 1
LARGE = ("philosophers:15", "philosophers:16")
CC = ("cc", "-O2", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c")
MOST_OF_A_PEER = 0.25
TLC_RATIO = 50.0
LEAST_RATE = 2.5
MOST_BYTES = 30.0
MOST_BYTES_FROM_STATES = 10_000_000
LEAST_COMPOSED_RATE = 1.0


def main() -> int:
    """Measure, print, and answer 1 if counts differ or a bound is not kept."""
    ours = {name: _ours(name) for name in MODELS}
    found = [*_compared(ours), *_order(), *_growth(ours)]
    return report(found, sys.argv[1:])


def _compared(ours: dict[str, dict[str, float]]) -> Iterator[Row]:
    """The models: their rates against the bound, their times against those of the peers."""
    stateright = run_stateright([model(name) for name in MODELS])
    for number, name in enumerate(MODELS):
        mine = ours[name]
        rate = _rate(mine)
        told = f"{name}: {mine['states']:,} states, one core"
        yield at_least(told, rate, "million states/s", LEAST_RATE)
        both = _ours(name, threads=2)
        spin = _spin(model(name))
        if spin is not None:
            yield _against("SPIN", name, mine, spin["seconds"], spin["states"])
        if stateright is not None:
            theirs = stateright[1][number]
            yield _against("Stateright", name, mine, theirs["cpu1"], theirs["states"])
            told = f"{name}: two threads, seconds of the wall"
            assert theirs["states"] == both["states"], f"{name}: {theirs['states']} states"
            yield Row(told, round(both["wall"], 3), "s", "Stateright", round(theirs["wall2"], 3))
        tlc = None if is_quick() else run_tlc(model(name), most_seconds=TLC_RATIO * mine["seconds"])
        if tlc is not None:
            yield _against_tlc(name, mine, *tlc)
    if tlc is None:
        yield Row(f"TLC is {'left out' if is_quick() else 'missing'}: not compared", 0, "s")
    if spin is None:
        yield Row("SPIN is missing: not compared", 0, "s")
    else:
        yield Row("SPIN's translation and compilation of the last of them", round(spin["compile"], 1), "s")
    if stateright is None:
        yield Row("Stateright is missing: not compared", 0, "s")
    else:
        yield Row("Stateright's build of the three", round(stateright[0], 1), "s")


def _against(peer: str, name: str, mine: dict[str, float], seconds: float, states: float) -> Row:
    assert states == mine["states"], f"{name}: {peer} has {states} states"
    told = f"{name}: our run, imports included, against the peer's run alone"
    return Row(told, round(mine["seconds"], 3), "s", peer, round(seconds, 3), most=MOST_OF_A_PEER)


def _against_tlc(name: str, mine: dict[str, float], seconds: float, states: int | None) -> Row:
    assert states in (None, mine["states"]), f"{name}: TLC has {states} states"
    told = f"{name}: our run, imports included, against the peer's"
    peer = "TLC" if states else "TLC, not done by then"
    return Row(told, round(mine["seconds"], 3), "s", peer, round(seconds, 1), most=1 / TLC_RATIO)


def _order() -> Iterator[Row]:
    """The composition: its rate, and its memory at some ten million states."""
    mine, larger = _ours(ORDER), _ours(LARGE_ORDER, runs=LARGE_RUNS)
    told = f"`order`, three of each, {mine['words']} words a state: the first {mine['states']:,} states"
    rate = _rate(mine)
    yield at_least(told, rate, "million states/s", LEAST_COMPOSED_RATE)
    yield Row(f"`order`: the first {larger['states']:,} states", _rate(larger), "million states/s")
    size = round(larger["bytes"] / larger["states"] / larger["words"], 1)
    told = f"`order`: peak memory a state and word, {larger['states']:,} states"
    yield at_most(told, size, "bytes", MOST_BYTES)


def _growth(known: dict[str, dict[str, float]]) -> Iterator[Row]:
    """From a thousand states to forty million: how fast, and how much memory."""
    for name in GROWTH[: 5 if is_quick() else None]:
        mine = known.get(name) or _ours(name, runs=LARGE_RUNS if name in LARGE else RUNS)
        told = f"growth, {name}: {mine['states']:,} states in {mine['seconds']:.2f} s"
        yield Row(told, _rate(mine), "million states/s")
        if mine["states"] > 1_000_000:
            size = round(mine["bytes"] / mine["states"], 1)
            told = f"{name}: peak memory a state, Python and numpy included"
            if mine["states"] >= MOST_BYTES_FROM_STATES:
                yield at_most(told, size, "bytes", MOST_BYTES)
            else:
                yield Row(told, size, "bytes")


def _rate(mine: dict[str, float]) -> float:
    return round(mine["states"] / mine["seconds"] / 1e6, 2)


def _ours(name: str, *, threads: int = 1, runs: int = RUNS) -> dict[str, float]:
    """The median of a few processes that search a model, after one that writes bytecode."""
    _compiled()
    found = [_once(name, threads) for _ in range(1 if is_quick() else runs)]
    middle = statistics.median_low(f["seconds"] for f in found)
    return next(f for f in found if f["seconds"] == middle)


@cache
def _compiled() -> dict[str, float]:
    """A search for its bytecode alone, which an installation has."""
    return _once("philosophers:4", 2)


def _once(name: str, threads: int) -> dict[str, float]:
    command = [sys.executable, str(ROOT / "bench" / "searched.py"), name, str(threads)]
    done = timed(command, environment=_environment())
    told: dict[str, float] = json.loads(done.stdout)
    return {**told, "seconds": done.cpu, "wall": done.wall}


@cache
def _environment() -> dict[str, str]:
    compiled = tempfile.mkdtemp(prefix="bytecode")
    names = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    paths = f"{ROOT / 'src'}{os.pathsep}{ROOT / 'bench'}"
    return {**names, "PYTHONPYCACHEPREFIX": compiled, "PYTHONPATH": paths}


def _spin(made: Guarded) -> dict[str, float] | None:
    if shutil.which("spin") is None or shutil.which("cc") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.pml").write_text(_promela(made))
        compiled = timed(("spin", "-a", "model.pml"), folder=folder).cpu + timed(CC, folder=folder).cpu
        done = timed(("./pan", "-m8000000", "-E", "-w24"), folder=folder)
    states = re.search(r"(\d+) states, stored", done.stdout)
    assert states is not None and "errors: 0" in done.stdout, done.stdout
    return {"states": int(states[1]), "seconds": done.cpu, "compile": compiled}


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


if __name__ == "__main__":
    sys.exit(main())
