"""How a process begins where it cannot."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests import children
from tests.api.client import serving
from tests.runtime.processes import free_port

from lathe.api.server import signing_key
from lathe.runtime.config import Config
from lathe.store.base import ReadOnlyError

ROLLOUT = Path(__file__).parents[2] / "examples" / "rollout"


def test_a_file_where_the_data_folder_should_be_is_named(tmp_path: Path) -> None:
    """Not the key that would be kept in it."""
    (tmp_path / "data").write_text("mine")
    with pytest.raises(ReadOnlyError, match="data` is a file, where the data folder should be"):
        signing_key(Config(), str(tmp_path / "data"))


def test_a_port_in_use_is_said_before_anything_is_opened(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment = {
            **os.environ,
            "LATHE_SERVER_PORT": str(port),
            "LATHE_SERVER_KEY": "k" * 32,
            "LATHE_STORE_URL": f"sqlite:{tmp_path / 'data'}",
        }
        done = subprocess.run(
            [sys.executable, "-m", "lathe.cli", "serve"],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f"`127.0.0.1:{port}` cannot be listened at: address already in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_ctrl_c_ends_a_development_server_and_its_stand_in_without_a_traceback(tmp_path: Path) -> None:
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        running = children.begin(
            [sys.executable, "-m", "lathe.cli", "dev", str(ROLLOUT), "--port", str(port), "--data", "data"],
            cwd=tmp_path, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while "/v1/rollout/rollouts" not in (tmp_path / "log").read_text():
            assert running.poll() is None and time.monotonic() < until, (tmp_path / "log").read_text()
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to everybody in the foreground
        assert running.wait(60) == 0
    finally:
        running.kill()
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_what_was_committed_is_counted() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            answer = await client.post("/v1/rollout/rollouts", json={"replicas": 2})
            assert answer.status_code == 201
            for _ in range(2):  # asked twice, counted once
                text = (await client.get("/metrics")).text
                assert "\nlathe_commit_groups_total 1.0\n" in text
                assert "\nlathe_commit_writes_total 1.0\n" in text

    asyncio.run(main())
