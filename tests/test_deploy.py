"""The image and the unit, as far as they can be read without docker and systemd."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lathe.api.server import GRACE_SECONDS
from lathe.cli.client import JUDGED_SECONDS
from lathe.cli.command import SUMMARIES

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
UNIT = (ROOT / "deploy" / "lathe.service").read_text(encoding="utf-8")
BY_PORT = (ROOT / "deploy" / "lathe@.service").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "howto" / "production.md").read_text(encoding="utf-8")


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


def test_a_database_that_is_away_is_waited_for_however_long() -> None:
    seconds = re.search(r"^RestartSec=(\d+)$", UNIT, re.MULTILINE)
    assert "\nRestart=on-failure\n" in UNIT and seconds is not None
    assert "\nStartLimitIntervalSec=0\n" in UNIT.partition("[Service]")[0], "it is a key of [Unit]"


def test_the_unit_of_several_processes_is_the_same_but_for_port_and_folder() -> None:
    ours, theirs = (
        {line for line in text.splitlines() if line and not line.startswith("#")} for text in (UNIT, BY_PORT)
    )
    assert {line.replace(" at port %i", "").replace("-%i", "") for line in theirs - ours} == {
        *(ours - theirs), "Environment=LATHE_SERVER_PORT=%i",
    }  # fmt: skip


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("text", [UNIT, BY_PORT])
def test_systemd_takes_the_units(text: str, tmp_path: Path) -> None:
    unit = tmp_path / ("lathe@7411.service" if text is BY_PORT else "lathe.service")
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def nginx() -> str:
    """What the page says of nginx, as a whole configuration."""
    outside, inside = re.findall(r"```nginx\n(.*?)```", PAGE, re.DOTALL)
    server = f"server {{ listen 127.0.0.1:7410; location / {{ proxy_pass http://lathe; {inside} }} }}"
    return f"events {{}} http {{ {outside} {server} }}"


def test_no_process_is_passed_over_for_having_been_restarted() -> None:
    servers = re.findall(r"^ +server ([^{;]*);$", nginx(), re.MULTILINE)
    assert len(servers) == 2 and all(server.endswith(" max_fails=0") for server in servers)


@pytest.mark.skipif(shutil.which("nginx", path="/usr/sbin:/usr/bin") is None, reason="there is no nginx here")
def test_nginx_takes_what_the_page_says(tmp_path: Path) -> None:
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    assert program is not None
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid; error_log {tmp_path}/log; {nginx()}")
    done = subprocess.run(
        [program, "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_proxy_waits_for_as_long_as_a_check_may_take() -> None:
    seconds = re.search(r"proxy_read_timeout (\d+)s;", nginx())
    assert seconds is not None and int(seconds[1]) >= JUDGED_SECONDS
