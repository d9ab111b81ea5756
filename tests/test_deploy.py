"""The image and the units, as far as they can be read without docker and systemd."""

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
from lathe.cli.commands.store import command as store_command
from lathe.runtime.config import read_config

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
UNIT = (ROOT / "deploy" / "lathe.service").read_text(encoding="utf-8")
BY_PORT = (ROOT / "deploy" / "lathe@.service").read_text(encoding="utf-8")
BACKUP = (ROOT / "deploy" / "lathe-backup.service").read_text(encoding="utf-8")
TIMER = (ROOT / "deploy" / "lathe-backup.timer").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "howto" / "production.md").read_text(encoding="utf-8")


def test_the_image_serves_as_nobody_in_particular_and_asks_whether_it_is_ready() -> None:
    assert re.search(r"^USER ([1-9]\d*):([1-9]\d*)$", DOCKERFILE, re.MULTILINE)
    assert re.search(r'^CMD \["(\w+)",', DOCKERFILE, re.MULTILINE)[1] in SUMMARIES  # type: ignore[index]
    found = re.search(r"^HEALTHCHECK .*? CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    program = json.loads(found[1])[2]
    compile(program, "healthcheck", "exec")
    assert "/readyz" in program


def test_what_is_mounted_over_the_configuration_of_the_image_counts() -> None:
    """A variable of the image would win over it: a PostgreSQL named there would be passed over in silence."""
    assert not re.search(r"^ENV ", DOCKERFILE, re.MULTILINE)
    made = re.search(r"printf '(.*?)' > (\S+)$", DOCKERFILE, re.MULTILINE)
    assert made is not None and f'"--config", "{made[2]}"' in DOCKERFILE and f":{made[2]}:ro" in PAGE
    config = read_config(made[1].replace(r"\n", "\n").encode(), {})
    assert config.store.url == f"sqlite:{re.findall(r'^VOLUME (.*)$', DOCKERFILE, re.MULTILINE)[0]}"


def test_a_container_may_drain_and_what_it_leaves_behind_is_ended() -> None:
    for text in (DOCKERFILE, PAGE):
        (run,) = re.findall(r"docker run (?:.*\\\n)*.*", text)
        assert "--init" in run
        assert int(re.findall(r"--stop-timeout (\d+)", run)[0]) > GRACE_SECONDS


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


def settings(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.replace("\\\n", " ").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("unit", [UNIT, BY_PORT, BACKUP])
def test_a_unit_is_shut_in_as_far_as_lathe_still_works(unit: str) -> None:
    """Each of these was tried on a booted system. Modules are compiled; a check sets its own limits, which
    @resources allows; which sort is quick is asked of /proc/cpuinfo.
    """
    said = settings(unit)
    assert not {"MemoryDenyWriteExecute", "ProcSubset", "PrivateNetwork", "IPAddressDeny"} & said.keys()
    assert said["SystemCallFilter"] == ["@system-service", "~@privileged"]
    assert said["CapabilityBoundingSet"] == [""] and said["ProtectSystem"] == ["strict"]


def test_a_copy_for_whoever_asks_is_made_on_a_disk() -> None:
    assert "TMPDIR=/var/tmp" in settings(UNIT)["Environment"]


def test_a_backup_is_made_by_commands_that_exist_and_verified() -> None:
    (script,) = settings(BACKUP)["ExecStart"]
    assert re.findall(r"/lathe store (\w+)", script) == ["backup", "import", "verify"] and "-euc" in script
    assert set(re.findall(r"--[a-z-]+", script)) <= {o for p in store_command.params for o in p.opts}
    assert settings(TIMER)["OnCalendar"]


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
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    texts = {"lathe.service": UNIT, "lathe@7411.service": BY_PORT, "lathe-backup.service": BACKUP}
    units = [tmp_path / name for name in (*texts, "lathe-backup.timer")]
    for unit in units:
        text = texts.get(unit.name, TIMER)
        unit.write_text(re.sub(r"^ExecStart=/opt/\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    command = ["systemd-analyze", "verify", "--man=no", *map(str, units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
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
