"""A process that is told to stop answers whatever has reached it: nobody who was connected is cut off."""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import cast

import httpx2
import pytest
from structlog.testing import capture_logs
from tests.runtime.processes import Process, free_port, serving
from tests.runtime.test_faults_sqlite import BASE, NOTE

from lathe.api import server as servers
from lathe.api.server import Gatekeeper, assemble, serve
from lathe.runtime.config import Config, Server
from lathe.runtime.swap import Judged
from lathe.store.memory import MemoryStore

CLIENTS = 12
ROUNDS = 4


class Client(threading.Thread):
    """Creates as fast as it can until it is not connected any more. `keeps`: on one connection."""

    def __init__(self, process: Process, *, keeps: bool) -> None:
        super().__init__()
        self._process, self._keeps = process, keeps
        self.counts: Counter[str] = Counter()

    def run(self) -> None:
        connection = self._new()
        while True:
            try:
                if not self._keeps or connection.sock is None:
                    connection.close()
                    connection = self._new()
                    connection.connect()
            except ConnectionRefusedError:
                return  # a proxy asks another process then: nothing was sent
            try:
                connection.request("POST", BASE, b'{"text": "x"}', self._process.headers)
                answer = connection.getresponse()
                answer.read()
                self.counts[str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.counts[type(error).__name__] += 1
                return

    def _new(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._process.port, timeout=30)


def test_whoever_was_connected_is_answered(tmp_path: Path) -> None:
    with serving(f"sqlite:{tmp_path / 'data'}", tmp_path) as process:
        process.apply(NOTE)
        counts: Counter[str] = Counter()
        for _ in range(ROUNDS):
            clients = [Client(process, keeps=n % 4 == 0) for n in range(CLIENTS)]
            for client in clients:
                client.start()
            time.sleep(0.3)
            assert process.stop() == 0
            for client in clients:
                client.join()
                counts += client.counts
            process.start()
        assert set(counts) == {"201"} and counts["201"] > ROUNDS * CLIENTS, counts
        made = 0
        path = f"{BASE}?limit=200"
        while path:
            page = process.get(path).json()
            made += len(page["items"])
            path = f"{BASE}?limit=200&cursor={page['next']}" if page["next"] else ""
        assert made == counts["201"], "what was answered is what there is"
        assert process.stop() == 0


def test_who_waits_and_who_follows_are_told_at_once_and_it_is_not_ready(tmp_path: Path) -> None:
    with serving(f"sqlite:{tmp_path / 'data'}", tmp_path) as process:
        process.apply(NOTE)
        found: list[tuple[int, float]] = []

        def waits() -> None:
            headers = {**process.headers, "prefer": "wait=30"}
            body = b'{"action": "write", "args": {"text": "x"}}'
            with closing(http.client.HTTPConnection("127.0.0.1", process.port, timeout=60)) as connection:
                connection.request("POST", f"{BASE}:take", body, headers)
                found.append((connection.getresponse().status, time.monotonic()))

        def follows() -> None:
            with closing(http.client.HTTPConnection("127.0.0.1", process.port, timeout=60)) as connection:
                connection.request("GET", "/v1/events", headers=process.headers)
                answer = connection.getresponse()
                answer.read()
                found.append((answer.status, time.monotonic()))

        threads = [threading.Thread(target=waits), threading.Thread(target=follows)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        begun = time.monotonic()
        assert process.stop() == 0
        for thread in threads:
            thread.join()
        assert sorted(status for status, _ in found) == [200, 204]
        assert all(moment - begun < 15 for _, moment in found), "they did not wait for their time"


class Slow:
    """A gate whose check does not come to an end while anybody waits for it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def judge(
        self, files: Mapping[str, bytes], *, against: Mapping[str, bytes] | None, accept_bounds: bool
    ) -> Judged:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


def test_a_check_that_is_cut_off_is_answered_and_logged_in_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(servers, "GRACE_SECONDS", 1)

    async def main() -> httpx2.Response:
        gate, port, listening = Slow(), free_port(), asyncio.Event()
        config = Config(server=Server("127.0.0.1", port))
        assembly = assemble(config, MemoryStore(lambda: 0), cast(Gatekeeper, gate), key=b"k" * 32, mode="dev")
        served = asyncio.create_task(serve(assembly, listening=listening))
        await listening.wait()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            sent = {"files": {name: data.decode() for name, data in NOTE.items()}}
            asking = asyncio.create_task(client.put("/v1/blueprints", json=sent))
            await gate.asked.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            found = await asking
        await served
        return found

    with capture_logs() as lines, caplog.at_level(logging.DEBUG):
        answer = asyncio.run(main())
    assert (answer.status_code, answer.json()["code"]) == (503, "LR503.stopping"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    cut = [line for line in lines if line["event"] == "cut off"]
    assert cut == [{"event": "cut off", "log_level": "warning", "method": "PUT", "path": "/v1/blueprints"}]
    assert not [one for one in caplog.records if one.exc_info]
