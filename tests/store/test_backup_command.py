"""`lathe store`: what a backup holds comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.runtime.harness import example
from tests.runtime.processes import serving
from tests.store.server import Server

from lathe.api.backup import ROWS, SQLITE
from lathe.store.sqlite.file import NAME


def ran(*words: str, token: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lathe.cli", "store", *words]
    shown = {**os.environ, "LATHE_TOKEN": token}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=shown)


def store(*words: str, token: str = "") -> str:
    done = ran(*words, token=token)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_backup_of_a_postgresql_is_taken_while_it_is_served_and_comes_back(tmp_path: Path) -> None:
    server = Server()
    server.start()
    try:
        with serving(server.url, tmp_path) as process:
            process.apply(example("rollout"))
            made = process.post("/v1/rollout/rollouts", {"replicas": 3})
            assert made.status_code == 201, made.text
            store("backup", "--store", server.url, str(tmp_path / "rows"))
        store("import", "--store", server.url, "--schema", "other", str(tmp_path / "rows"))
        assert store("verify", "--store", server.url, "--schema", "other") == "1 entries: verified\n"
    finally:
        server.remove()


def test_a_backup_of_a_sqlite_is_taken_while_it_is_served_and_can_be_served(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with serving(f"sqlite:{tmp_path / 'data'}", tmp_path) as process:
        process.apply(example("rollout"))
        for _ in range(3):
            process.post("/v1/rollout/rollouts", {"replicas": 3})
        nobody = ran("backup", "--url", process.url, str(copy))
        assert (nobody.returncode, "LR401.token" in nobody.stderr) == (4, True), nobody.stderr
        store("backup", "--url", process.url, str(copy), token=process.token)
        process.post("/v1/rollout/rollouts", {"replicas": 3})
        again = ran("backup", "--url", process.url, str(copy), token=process.token)
        shown = process.headers
        assert (again.returncode, "exists already" in again.stderr) == (2, True), again.stderr
    assert [path.name for path in copy.iterdir()] == [NAME]
    assert not any(path.stat().st_mode & 0o077 for path in (copy, copy / NAME)), "for its owner alone"
    assert store("verify", "--data", str(copy)) == "3 entries: verified\n"
    with serving(f"sqlite:{copy}", tmp_path) as process:
        process.headers = shown
        found = process.get("/v1/rollout/rollouts").json()
        assert len(found["items"]) == 3


class Cut(BaseHTTPRequestHandler):
    """Ends in the middle of what it promised."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header(
            "content-type", self.path.removeprefix("/").partition("/backup")[0].replace("+", "/")
        )
        self.send_header("content-length", "100")
        self.end_headers()
        self.wfile.write(b"a tenth of")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("kind", [SQLITE, ROWS])
def test_of_a_backup_that_broke_off_nothing_is_left(tmp_path: Path, kind: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Cut) as server:
        Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/{kind.replace('/', '+')}"
        done = ran("backup", "--url", url, str(tmp_path / "copy"))
        server.shutdown()
    assert (done.returncode, [*tmp_path.iterdir()]) == (7, []), done.stderr
