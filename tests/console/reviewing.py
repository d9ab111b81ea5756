"""What the tests of the reviewer's pages share: refused changes, reports as files, a live `lathe dev`."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests import children
from tests.api.test_checks import texts
from tests.console.world import World
from tests.runtime.harness import EXAMPLES
from tests.runtime.processes import free_port

from lathe.check.reporting.reportjson import to_json
from lathe.gate import check_files

SECONDS = 60.0


def broken(app: str, variant: str) -> dict[str, str]:
    """The files of a broken variant."""
    return texts(EXAMPLES / app / "broken" / variant)


def check(world: World, files: dict[str, str]) -> dict[str, Any]:
    """A check of these files, kept by the server."""
    found: dict[str, Any] = world.request("POST", "/v1/checks", json={"files": files})
    return found


def ended(world: World, **wanted: object) -> dict[str, Any]:
    """A campaign of simulated worlds, once it is over."""
    begun = world.request("POST", "/v1/simulations", json=wanted)
    end = time.monotonic() + SECONDS
    while True:
        found: dict[str, Any] = world.request("GET", f"/v1/simulations/{begun['id']}")
        if found["state"] not in ("waiting", "running"):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def report_of(files: dict[str, str]) -> dict[str, Any]:
    """What `lathe check --json` prints of these files."""
    contents = {name: text.encode() for name, text in files.items()}
    found: dict[str, Any] = json.loads(json.dumps(to_json(check_files(contents).report, contents)))
    return found


@dataclass
class Dev:
    """A `lathe dev` that watches a copy of an example."""

    url: str
    folder: Path

    def write(self, files: dict[str, str]) -> None:
        """Put other files in place."""
        for name, text in files.items():
            (self.folder / name).write_text(text)


@contextmanager
def developing(app: str, place: Path) -> Iterator[Dev]:
    """Serve a copy of an example, as somebody does who works on it."""
    folder = place / app
    ignored = shutil.ignore_patterns("broken", "versions", "dev.toml")
    shutil.copytree(EXAMPLES / app, folder, ignore=ignored)
    port, log = free_port(), place / "log"
    command = [sys.executable, "-m", "lathe.cli", "dev", str(folder), "--port", str(port), "--data", "data"]
    with log.open("wb") as out:
        process = children.begin(command, cwd=place, stdout=out, stderr=out)
    try:
        _until_served(process, log, f"/v1/{app}/")
        yield Dev(f"http://127.0.0.1:{port}", folder)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)


def _until_served(process: subprocess.Popen[bytes], log: Path, wanted: str) -> None:
    end = time.monotonic() + SECONDS
    while wanted not in log.read_text():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def newest_check(dev: Dev) -> dict[str, Any]:
    """The summary of the check that was asked for last."""
    found: dict[str, Any] = httpx2.get(f"{dev.url}/v1/checks").json()["items"][0]
    return found


def created(dev: Dev, path: str, **sets: object) -> str:
    """An entity of a development server; its id."""
    answer = httpx2.post(f"{dev.url}{path}", json=sets)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found
