"""The command line as its users meet it: in this process, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lathe.cli.main import run

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "cli"
UPDATE = os.environ.get("LATHE_UPDATE_GOLDEN") == "1"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command line answered."""

    code: int
    out: str
    err: str


@pytest.fixture
def lathe(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run one command line in this process."""

    def call(*arguments: str | Path) -> Said:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Said(code, out, err)

    return call


@pytest.fixture
def process() -> Callable[..., Said]:
    """Run one command line in a process of its own."""

    def call(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> Said:
        command = [sys.executable, "-m", "lathe.cli", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, check=False
        )
        said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in said.out + said.err
        return said

    return call


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare with a golden file; `LATHE_UPDATE_GOLDEN=1` writes it anew."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if UPDATE:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


TICKET = """\
blueprint = "Ticket"

[state]
open = { initial = true, waits = "a worker claims it" }
done = { final = true }

[field]
left = { type = "int", range = [0, 3], default = 1 }

[action]
create = { by = "role:asker" }
finish = { from = "open", to = "done", by = "role:worker", when = "left == 1" }

[invariant]
little_left = "left <= 1"
"""


@pytest.fixture
def ticket(tmp_path: Path) -> Path:
    """A folder with a small app that is admitted."""
    folder = tmp_path / "ticket"
    folder.mkdir()
    (folder / "app.toml").write_text('app = "ticket"\n\n[role]\nasker = "asks"\nworker = "works"\n')
    (folder / "ticket.blueprint.toml").write_text(TICKET)
    return folder
