"""What tests start ends with them, with all that it started itself: after a failure, or a kill of the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import children

ROOT = Path(__file__).parents[1]
LEAVES = """
import os, sys, time
from tests import children
from tests.runtime.forking import Forked

NESTED = "import subprocess, time; print(subprocess.Popen(['sleep', '300']).pid, flush=True); time.sleep(300)"

def test_it_leaves_what_it_started(tmp_path):
    pids = os.environ["PIDS"]
    with open(pids, "w") as out:
        left = children.begin([sys.executable, "-c", NESTED], stdout=out)
    served = {**os.environ, "LATHE_STORE_URL": f"sqlite:{tmp_path}", "LATHE_SERVER_PORT": "0"}
    forked = Forked(served, tmp_path, tmp_path / "log")
    while not open(pids).read().endswith(chr(10)):
        time.sleep(0.01)
    with open(pids, "a") as out:
        print(left.pid, forked.pid, "ready", file=out)
    time.sleep(float(os.environ["HELD"]))
    raise AssertionError("as a test that is stopped")
"""


def is_there(pid: int) -> bool:
    """Whether a process runs; one that nobody has asked for its end yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(found: Callable[[], bool], why: str) -> None:
    end = time.monotonic() + 60
    while not found():
        assert time.monotonic() < end, why
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="it looks at /proc")
@pytest.mark.parametrize("is_killed", [False, True])
def test_nothing_is_left_of_a_test_that_fails_or_of_a_run_that_is_killed(
    is_killed: bool, tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_leaves.py").write_text(LEAVES)
    pids = tmp_path / "pids"
    environment = {
        **os.environ, "PIDS": str(pids), "HELD": "300" if is_killed else "0", "PYTHONPATH": str(ROOT)
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        str(tmp_path),
    ]
    run = children.begin(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    until(lambda: pids.exists() and "ready" in pids.read_text(), "it has started them")
    nested, *started = (int(line) for line in pids.read_text().split()[:-1])
    if is_killed:
        assert all(is_there(pid) for pid in (nested, *started))
        run.send_signal(signal.SIGKILL)
        until(lambda: not any(map(is_there, started)), f"{started} are left")
        os.kill(nested, signal.SIGKILL)  # whose parent was killed before it could end it
    else:
        assert run.wait(60) == 1
        until(lambda: not any(map(is_there, (nested, *started))), f"{nested} or {started} are left")
