"""The image and the unit, as far as they can be read without docker and systemd."""

from __future__ import annotations

import json
import re
from pathlib import Path

from lathe.api.server import GRACE_SECONDS
from lathe.cli.command import SUMMARIES

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
UNIT = (ROOT / "deploy" / "lathe.service").read_text(encoding="utf-8")


def test_the_image_serves_as_nobody_in_particular_and_asks_whether_it_is_ready() -> None:
    assert re.search(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)
    assert re.search(r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)[1] in SUMMARIES  # type: ignore[index]
    found = re.search(r"^HEALTHCHECK .*? CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    program = json.loads(found[1])[2]
    compile(program, "healthcheck", "exec")
    assert "/readyz" in program


def test_the_image_copies_what_a_build_reads() -> None:
    taken = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert taken >= {"src", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    assert all((ROOT / path).exists() for path in taken)


def test_the_unit_lets_a_process_drain_and_runs_what_exists() -> None:
    seconds = re.search(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert seconds is not None and int(seconds[1]) > GRACE_SECONDS
    command = re.search(r"^ExecStart=\S+/lathe (\w+) --config ", UNIT, re.MULTILINE)
    assert command is not None and command[1] in SUMMARIES
    for line in ("DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=lathe"):
        assert f"\n{line}\n" in UNIT
