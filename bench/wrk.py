"""`wrk` (a Debian package) as the client of the benches."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Load:
    """One run: actions a second, p50 and p99 in milliseconds."""

    rate: float
    p50: float
    p99: float


def has_wrk() -> bool:
    """Whether it is installed."""
    return shutil.which("wrk") is not None


def load(base: str, script: Path, *, connections: int, seconds: float) -> Load:
    """Run a Lua script against a server; an answer that is no success ends the bench."""
    command = [
        "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", str(script), base,
    ]  # fmt: skip
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    if failed is not None:
        raise SystemExit(f"{failed[1]} requests failed:\n{told}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    assert rate is not None, told
    return Load(float(rate[1]), _milliseconds(told, "50%"), _milliseconds(told, "99%"))


def _milliseconds(told: str, which: str) -> float:
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)\b", told)
    assert found is not None, told
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
