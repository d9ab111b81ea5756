"""The page about incidents is played: a rollout lives, fails, is exported, replayed and kept.

`LATHE_UPDATE_GOLDEN=1 pytest tests/test_incident_page.py` writes what its commands print anew.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from tests import children
from tests.runtime.processes import free_port

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "howto" / "turn-an-incident-into-a-gauge.md"
UPDATE = os.environ.get("LATHE_UPDATE_GOLDEN") == "1"
MARK = "~~~~~~ command "
START_SECONDS = 60.0

_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARIES = re.compile(r"\b01[a-z0-9]{24}\b|sha256:[0-9a-f]{64}|p\d+\b")


def commands(block: str) -> list[str]:
    """The commands of a block, each with the lines that go on with it."""
    found: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif line.startswith(">"):
            found[-1] += f"\n{line[1:].removeprefix(' ')}"
    return found


def said_by(script: list[str], folder: Path, url: str) -> list[str]:
    """What each command prints, one after another in one shell."""
    bin_folder = folder.parent / "bin"
    bin_folder.mkdir()
    lathe = bin_folder / "lathe"
    lathe.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lathe.cli "$@"\n')
    lathe.chmod(0o755)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    lines = "".join(f"echo '{MARK}'\n{command}\n" for command in script)
    done = subprocess.run(
        ["sh", "-c", f"exec 2>&1\n{lines}"],
        cwd=folder, env={**os.environ, "PATH": path, "NO_COLOR": "1", "LATHE_URL": url},
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    return [said.removeprefix("\n") for said in done.stdout.split(MARK)[1:]]


@pytest.fixture
def living(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with a copy of the rollout, which is served; and where."""
    folder = tmp_path / "home"
    ignored = shutil.ignore_patterns("broken", "versions", "*.md")
    shutil.copytree(ROOT / "examples" / "rollout", folder / "rollout", ignore=ignored)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    served = folder / "served"
    shutil.copytree(folder / "rollout", served)
    with (tmp_path / "dev.log").open("wb") as log:
        command = [sys.executable, "-m", "lathe.cli", "dev", str(served), "--port", str(port)]
        process = children.begin(command, cwd=tmp_path, stdout=log, stderr=log)
        try:
            wait_for(url, process)
            yield folder, url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the server has ended"
        with suppress(httpx2.TransportError):
            if httpx2.get(f"{url}/v1/apps/rollout", timeout=5).is_success:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not come up")


@pytest.mark.skipif(sys.platform == "win32", reason="the page is written for a POSIX shell")
def test_commands_print_what_the_page_says(living: tuple[Path, str]) -> None:
    folder, url = living
    text = PAGE.read_text(encoding="utf-8")
    script = [command for block in _CONSOLE.findall(text) for command in commands(block)]
    said = iter([one.replace(url, "http://127.0.0.1:7411") for one in said_by(script, folder, url)])

    def played(block: re.Match[str]) -> str:
        told = [(command.replace("\n", "\n> "), next(said)) for command in commands(block[1])]
        return "```console\n" + "".join(f"$ {command}\n{one}" for command, one in told) + "```"

    actual = _CONSOLE.sub(played, text)
    if UPDATE:
        PAGE.write_text(actual.replace("\n> \n", "\n>\n"), encoding="utf-8")
        return
    assert masked(actual.replace("\n> \n", "\n>\n")) == masked(text)
    assert (folder / "rollout" / "gauges" / "retried_with_a_broker_down.json").exists()


def masked(text: str) -> str:
    """Without what every run has its own of."""
    return _VARIES.sub("…", text)
