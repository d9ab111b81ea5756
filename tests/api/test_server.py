"""How a process begins where it cannot."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path


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
