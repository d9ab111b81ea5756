"""Bugs put into a copy of the runtime, one at a time: which level notices, and at what cost.

    python bench/kill.py [--quick] [--plans N] [--seeds N] [--seconds S] [--bug PART] [--keep FILE] [--page]

Each bug of `kill_bugs.py` is a changed line of a copied source tree. Level 3 (`lathe.sim`) and level 4
(`lathe.probe`) run against the copy, on the apps of `kill_apps.py` in turn, until one of them sees a
difference or the processor's time is up. A row for each goes to standard output; `--page` writes the page of
the docs, with what nothing caught and the classic bugs of `kill_protocols.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, process_time

from common import machine
from kill_apps import AT_ONCE, apps_at
from kill_bugs import BUGS, SOUND, WHY_NOT, Bug
from kill_protocols import rows as protocol_rows

Found = dict[str, Mapping[str, object]]
"""What each level says, by its number."""
ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 60.0
"""Of the processor, for one level and one bug."""
PATIENCE_SECONDS = 30
"""Of the processor, beyond the limit, before a run counts as one without end."""
CALLBACKS_LIMIT = 60_000
ENDLESS = "raised:EndlessError"
"""Some random apps go round without end: their worlds are cut there."""
QUICK = 6
PAGE = ROOT / "docs" / "explanation" / "seeded-bugs.md"
BEGIN, END = "<!-- kill: begin -->", "<!-- kill: end -->"


def main() -> int:
    """Seed every bug that is asked for, and print what noticed it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"every {len(BUGS) // QUICK}th bug alone")
    parser.add_argument("--plans", type=int, default=200, help="plans of level 4 on each app; 0: none")
    parser.add_argument("--seeds", type=int, default=200, help="seeds of level 3 on each app; 0: none")
    parser.add_argument("--seconds", type=float, default=LIMIT_SECONDS, help="of the processor, a level")
    parser.add_argument("--bug", default="", help="only bugs whose name has this in it; several with `|`")
    parser.add_argument("--keep", type=Path, help="a file of what was found: what is in it is not run again")
    parser.add_argument("--page", action="store_true", help="write the tables into the page of the docs")
    parser.add_argument("--child", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        limit = int(asked.seconds) + PATIENCE_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 10))
        count = asked.plans if asked.child == 4 else asked.seeds
        print(json.dumps(_child(asked.child, count, asked.seconds)))
        return 0
    every = [SOUND, *BUGS]
    bugs = [bug for bug in every if any(part in bug.name for part in asked.bug.split("|"))]
    bugs = bugs[:: len(BUGS) // QUICK] if asked.quick else bugs
    kept = _kept(asked.keep)
    for bug in bugs:
        if bug.name not in kept:
            kept[bug.name] = _tried(bug, asked)
            if asked.keep is not None:
                asked.keep.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        print(_row(bug, kept[bug.name]), flush=True)
    if asked.page:
        _write_page(kept)
    return 0


def _kept(path: Path | None) -> dict[str, Found]:
    """What an earlier run has found."""
    if path is None or not path.exists():
        return {}
    found: dict[str, Found] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _tried(bug: Bug, asked: argparse.Namespace) -> Found:
    """What levels 3 and 4 say of a bug."""
    with tempfile.TemporaryDirectory() as folder:
        source = _seeded(bug, Path(folder))
        return {str(level): _run(source, level, asked) for level in (3, 4)}


def _row(bug: Bug, found: Found) -> str:
    told = [
        f"{one['at']}, {one['seconds']} s" if one["caught"] else f"- ({one['at']})" for one in found.values()
    ]
    said = " ".join(str(found["4"]["said"] or found["3"]["said"]).split())[:80].replace("|", "/")
    return f"| {bug.name} | `{bug.file}` | {told[0]} | {told[1]} | {said} |"


def _write_page(kept: Mapping[str, Found]) -> None:
    """Write the tables into their page."""
    rows = ["| bug | file | level 3 | level 4 | what it said |", "|---|---|---|---|---|"]
    rows += [_row(bug, kept[bug.name]) for bug in (SOUND, *BUGS) if bug.name in kept]
    seen = [b for b in BUGS if b.name in kept and any(one["caught"] for one in kept[b.name].values())]
    missed = [b for b in BUGS if b.name in kept and b not in seen]
    summary = [
        f"{len(seen)} of {len(BUGS)} are noticed. Not noticed:",
        "",
        *(f"- *{b.name}*: {WHY_NOT.get(b.name, 'nothing catches it yet')}" for b in missed),
    ]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    when = datetime.now(UTC).date().isoformat()
    about = f"`python bench/kill.py --page`, {when}; {machine()['processor']}; processor time."
    parts = [about, "\n".join(rows), "\n".join(summary), "\n".join(protocol_rows())]
    PAGE.write_text(before + BEGIN + "\n" + "\n\n".join(parts) + "\n" + END + after, encoding="utf-8")


def _seeded(bug: Bug, folder: Path) -> Path:
    """A copy of the source with the bug in it."""
    source = folder / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    place = source / "lathe" / bug.file
    text = place.read_text(encoding="utf-8")
    if bug is SOUND:
        return source
    if text.count(bug.old) != 1:
        raise SystemExit(f"`{bug.name}`: its line stands {text.count(bug.old)} times in {bug.file}")
    place.write_text(text.replace(bug.old, bug.new), encoding="utf-8")
    return source


def _run(source: Path, level: int, asked: argparse.Namespace) -> Mapping[str, object]:
    """What a process says that runs against the copy. One that does not end, or falls, has noticed too."""
    nothing = {"caught": False, "at": "", "seconds": 0.0, "said": ""}
    if not (asked.seeds if level == 3 else asked.plans):
        return nothing
    program = [
        sys.executable, __file__, "--child", str(level), "--plans", str(asked.plans), "--seeds",
        str(asked.seeds), "--seconds", str(asked.seconds),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(source)}
    ran = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode == -signal.SIGXCPU:
        return {**nothing, "caught": True, "at": "no end", "seconds": asked.seconds + PATIENCE_SECONDS}
    if ran.returncode != 0:
        last = ran.stderr.strip().splitlines()[-1:] or [""]
        return {**nothing, "caught": True, "at": "it falls", "said": last[0]}
    found: Mapping[str, object] = json.loads(ran.stdout)
    return found


def _child(level: int, count: int, limit_seconds: float) -> dict[str, object]:
    """Try the apps in turn, a few seeds at a time, until something is seen or the processor's time is up."""
    began, tried = process_time(), 0
    for first in range(0, count, AT_ONCE):
        for name, files in apps_at(first):
            said = _properties(files, first) if level == 4 else _schedules(files, first)
            tried += AT_ONCE
            seconds = round(process_time() - began, 2)
            if said:
                return {"caught": True, "at": f"{name}, {tried} seeds", "seconds": seconds, "said": said}
            if seconds > limit_seconds:
                return {"caught": False, "at": f"{tried} seeds", "seconds": seconds, "said": ""}
    seconds = round(process_time() - began, 2)
    return {"caught": False, "at": f"{tried} seeds", "seconds": seconds, "said": ""}


def _properties(files: Mapping[str, bytes], first: int) -> str:
    from lathe.lang import read_app
    from lathe.probe import level

    app = read_app(files).app
    assert app is not None, "examples can be read"
    level.SHRINKING_LIMIT = 0
    found = level.probe(app, files, plans=AT_ONCE, first=first, clock=monotonic)
    return found.difference.said if found.difference else ""


def _schedules(files: Mapping[str, bytes], first: int) -> str:
    from lathe.sim.menu import MIXES
    from lathe.sim.prepared import prepare
    from lathe.sim.run import setting_of, simulate

    prepared = prepare(files)
    for seed in range(first, first + AT_ONCE):
        found = simulate(prepared, setting_of(seed, MIXES[seed % len(MIXES)]), steps_limit=CALLBACKS_LIMIT)
        if found.violation is not None and found.violation.cause != ENDLESS:
            return str(found.violation.said)
    return ""


if __name__ == "__main__":
    sys.exit(main())
