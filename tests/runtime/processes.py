"""Real processes: servers that are started, asked and killed.

`verify=False` is for speed: no certificate is looked at on plain HTTP, and loading those of the system would
cost more than the request.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from tests import children
from tests.runtime.forking import Forked

from lathe.cli.assembly import store_of
from lathe.lang import digest, read_app
from lathe.store.base import Apply
from lathe.store.records import Version

START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Process:
    """`lathe serve` on a store. It may be killed and started again, on the same port."""

    def __init__(
        self,
        store: str,
        folder: Path,
        *,
        schema: str = "lathe",
        before: tuple[str, ...] = (),
        is_forked: bool = False,
    ) -> None:
        self._is_forked = is_forked
        self.port = free_port()
        self.folder = folder
        self._before = before
        self._command = (sys.executable, "-m", "lathe.cli", "serve")
        self._environment = {
            **os.environ,
            "LATHE_STORE_URL": store,
            "LATHE_STORE_SCHEMA": schema,
            "LATHE_SERVER_PORT": str(self.port),
            "LATHE_SERVER_KEY": "k" * 32,
        }
        self._running: subprocess.Popen[bytes] | Forked | None = None
        self.headers: dict[str, str] = {}
        """What shows who calls: the operator; once an app is applied, somebody who holds all its roles."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._running = self._begun()
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert self._running.poll() is None, self.log
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=5, verify=False).is_success:
                    self.headers = self.headers or self._operator()
                    return
            except httpx2.TransportError:
                time.sleep(0.02)
        raise AssertionError(f"the server does not come up: {self.log}")

    def _begun(self) -> subprocess.Popen[bytes] | Forked:
        log = self.folder / "server.log"
        if self._is_forked:
            return Forked(self._environment, self.folder, log)
        with log.open("ab") as file:
            return children.begin(
                self._command, before=self._before, env=self._environment, cwd=self.folder, stderr=file,
                stdout=file,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    @property
    def is_running(self) -> bool:
        return self._running is not None

    def refused(self) -> tuple[int, str]:
        """The exit code of a start that does not come up, and what it says."""
        done = subprocess.run(
            (*self._before, *self._command), env=self._environment, cwd=self.folder, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def _operator(self) -> dict[str, str]:
        """The token that the first start on a store printed; none on a later one."""
        found = re.search(rb"lathe_[a-z0-9]{26}_[A-Za-z0-9_-]{43}", (self.folder / "server.log").read_bytes())
        return {"authorization": f"Bearer {found[0].decode()}"} if found else {}

    def get(self, path: str, **more: Any) -> httpx2.Response:
        """One request for a path."""
        return httpx2.get(f"{self.url}{path}", headers=self.headers, verify=False, **more)

    def post(self, path: str, json: object = None) -> httpx2.Response:
        """One request to a path."""
        return httpx2.post(f"{self.url}{path}", json=json, headers=self.headers, verify=False)

    @property
    def token(self) -> str:
        """The token that is shown."""
        return self.headers["authorization"].removeprefix("Bearer ")

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-3_000:]

    def kill(self) -> None:
        """As if the plug were pulled, for this process."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """In order; its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self._running is not None
        self._running.send_signal(how)
        code = self._running.wait(60)
        self._running = None
        return code

    def apply(self, files: Mapping[str, bytes]) -> None:
        body = {"files": {p: b.decode() for p, b in files.items()}, "confirm": "any", "accept_bounds": True}
        answer = httpx2.put(f"{self.url}/v1/blueprints", json=body, headers=self.headers, timeout=120)
        assert answer.is_success, answer.text
        self.hold_roles(files)

    def hold_roles(self, files: Mapping[str, bytes]) -> None:
        """Call as somebody who holds every role of an app from now on."""
        app = read_app(files).app
        assert app is not None, "it was applied"
        wanted = {"principal": "tester", "kind": "person", "roles": sorted(app.roles), "scopes": ["operator"]}
        made = self.post("/v1/tokens", wanted)
        assert made.is_success, made.text
        self.headers = {"authorization": f"Bearer {made.json()['token']}"}


def put(store: str, files: Mapping[str, bytes], *, schema: str = "lathe") -> None:
    """Put an app in force in a store that nobody serves yet: nothing is checked, which takes seconds."""
    app = read_app(files).app
    assert app is not None, "it can be read"
    version = Version("main", app.name, digest(app), dict(files), b"{}", 0, "test")

    async def apply() -> None:
        opened, _ = store_of(store, schema=schema)
        await opened.open()
        assert (await opened.apply(Apply(version, None))).verdict == "accepted"
        await opened.close()

    asyncio.run(apply())


@contextmanager
def serving(
    store: str,
    folder: Path,
    *,
    schema: str = "lathe",
    before: tuple[str, ...] = (),
    is_forked: bool = False,
) -> Iterator[Process]:
    """A server for as long as the block lasts. `before` are words that stand before its command; one that
    `is_forked` starts quickly, from what is loaded already.
    """
    process = Process(store, folder, schema=schema, before=before, is_forked=is_forked)
    try:
        process.start()
        yield process
    finally:
        if process._running is not None:
            process.kill()
