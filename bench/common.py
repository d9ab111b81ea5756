"""What every bench shares: the machine it ran on, medians, and the form of what it prints."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
LEAST_RUNS = 5
HEAD = ("measured", "value", "against", "value", "ratio", "bound")
COLUMNS = len(HEAD)


AT_LEAST, AT_MOST = "at least", "at most"
"""What a figure is held against where the other value is a bound that we set ourselves."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `peer` is what it is held against: another tool, or a bound that we set ourselves.

    `least` and `most` bound the ratio: how many times the peer's value ours has to be, or may be.
    """

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    least: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the peer's value ours is."""
        return round(self.value / self.peer_value, 3) if self.peer_value else None

    @property
    def is_kept(self) -> bool:
        """Whether it is within its bounds; without any it is."""
        if self.peer_value is None:
            return True
        least = self.least is None or self.value >= self.least * self.peer_value
        return least and (self.most is None or self.value <= self.most * self.peer_value)

    @property
    def verdict(self) -> str:
        """What the table says of its bounds; empty if there are none."""
        if self.peer_value is None or (self.least, self.most) == (None, None):
            return ""
        held = "held" if self.is_kept else "missed"
        if self.peer in (AT_LEAST, AT_MOST):
            return held
        asked = f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"
        return f"{asked}: {held}"


def at_least(name: str, value: float, unit: str, bound: float) -> Row:
    """A figure that has a lower bound."""
    return Row(name, value, unit, AT_LEAST, bound, least=1)


def at_most(name: str, value: float, unit: str, bound: float) -> Row:
    """A figure that has an upper bound."""
    return Row(name, value, unit, AT_MOST, bound, most=1)


def median_seconds(run: Callable[[], object], *, runs: int) -> float:
    """The median wall time of at least five runs, after one that does not count."""
    assert runs >= LEAST_RUNS, runs
    run()
    times = []
    for _ in range(runs):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return statistics.median(times)


@dataclass(frozen=True, slots=True)
class Done:
    """What a process printed, and its seconds: of the wall, and of the processor in all of its threads."""

    stdout: str
    wall: float
    cpu: float
    returncode: int


def timed(
    command: Sequence[str],
    *,
    folder: str | None = None,
    environment: Mapping[str, str] | None = None,
    most_cpu_seconds: int | None = None,
) -> Done:
    """Run a process to its end, or until it has had so much of the processor; nothing else may run beside."""
    limit = (
        [] if most_cpu_seconds is None else ["sh", "-c", f'ulimit -t {most_cpu_seconds} && exec "$@"', "sh"]
    )
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    done = subprocess.run(
        [*limit, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    wall, after = perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode and most_cpu_seconds is None:
        sys.exit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Done(done.stdout, wall, cpu, done.returncode)


def machine() -> dict[str, str | int]:
    """What the figures depend on, and nothing that names the machine."""
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def report(rows: Sequence[Row], arguments: Sequence[str]) -> int:
    """Print the rows: as JSON with `--json`, else as a table under the machine's description.

    Answers the exit code: 1 if a bound was not kept.
    """
    if "--json" in arguments:
        data = [{**asdict(row), "ratio": row.ratio} for row in rows]
        print(json.dumps({"machine": machine(), "rows": data}))
    else:
        print(", ".join(f"{name} {value}" for name, value in machine().items()), end="\n\n")
        print(table(rows))
    return int(not all(row.is_kept for row in rows))


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    cells = [HEAD, ("---",) * COLUMNS]
    for row in rows:
        peer = "" if row.peer_value is None else f"{row.peer_value:g} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:g}"
        cells.append((row.name, f"{row.value:g} {row.unit}", row.peer, peer, ratio, row.verdict))
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def refuse_other_options(page: str | None, *allowed: str) -> None:
    """Print the bench's own words and stop, for `--help` and for options that it has not."""
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    if any(word not in (*allowed, "--json", "--quick") for word in options):
        sys.exit((page or "").strip())


def is_quick() -> bool:
    """Whether fewer runs will do."""
    return "--quick" in sys.argv[1:]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _memory_gib() -> int:
    if not hasattr(os, "sysconf"):
        return 0
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
