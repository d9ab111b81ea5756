"""Served faults: a PostgreSQL that is killed, and two processes that decide on the same rows."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from tests.runtime.processes import Process, serving
from tests.store.server import Server

SEATS = {
    "room.blueprint.toml": b"""
blueprint = "Doctor"
[state]
on = { initial = true, waits = "the doctor" }
off = { waits = "the doctor" }
[field]
other = { type = "ref", to = "Doctor" }
[action]
create = { by = "role:chief" }
leave = { from = "on", to = "off", by = "role:chief", when = "other is not None and other.state == 'on'" }
back = { from = "off", to = "on", by = "role:chief" }
[action.pair]
from = "on"
by = "role:chief"
args = { peer = { type = "ref", to = "Doctor" } }
do = ["other = arg.peer"]
"""
}


@pytest.fixture
def own() -> Iterator[Server]:
    server = Server(syncs=True)
    server.start()
    yield server
    server.remove()


def ask(process: Process, method: str, path: str, body: object = None) -> httpx2.Response:
    return httpx2.request(method, f"{process.url}{path}", json=body, headers=process.headers, timeout=30)


BASE = "/v1/doctor/doctors"


def test_while_postgresql_is_gone_answers_say_so_and_then_all_is_there(own: Server, tmp_path: Path) -> None:
    with serving(own.url, tmp_path) as process:
        process.apply(SEATS)
        made = [ask(process, "POST", BASE).json()["id"] for _ in range(5)]
        own.stop(signal.SIGQUIT)
        for _ in range(3):
            refused = ask(process, "POST", BASE)
            assert refused.status_code == 503, refused.text
            assert refused.json()["code"] == "LR503.store" and refused.headers["retry-after"]
        assert ask(process, "GET", "/readyz").status_code == 503
        assert ask(process, "GET", "/healthz").status_code == 200
        own.start()
        until = time.monotonic() + 30
        while (answer := ask(process, "POST", BASE)).status_code != 201:
            assert answer.status_code == 503 and time.monotonic() < until, answer.text
        assert ask(process, "GET", "/readyz").status_code == 200
        found = {item["id"] for item in ask(process, "GET", BASE).json()["items"]}
        assert {*made, answer.json()["id"]} <= found


def test_two_processes_never_let_both_doctors_leave(own: Server, tmp_path: Path) -> None:
    """Write skew: each leaves only while the other is on, which each process knows from its own memory."""
    with serving(own.url, tmp_path) as one, serving(own.url, tmp_path) as two:
        one.apply(SEATS)
        two.headers = one.headers
        until = time.monotonic() + 20
        while ask(two, "GET", BASE).status_code != 200:
            assert time.monotonic() < until, "the other process takes over what is current"
        a, b = (ask(one, "POST", BASE).json()["id"] for _ in range(2))
        for name, other in ((a, b), (b, a)):
            paired = ask(two, "POST", f"{BASE}/{name}/pair", {"peer": other})
            assert paired.status_code == 200, paired.text
        with ThreadPoolExecutor(2) as pool:
            for _ in range(12):
                first = pool.submit(ask, one, "POST", f"{BASE}/{a}/leave")
                second = pool.submit(ask, two, "POST", f"{BASE}/{b}/leave")
                codes = [first.result().status_code, second.result().status_code]
                assert sorted(codes) == [200, 409], codes
                # The process that did not see it go refuses on the row as it is, not on what it remembers.
                gone, process = (a, two) if codes[0] == 200 else (b, one)
                back = ask(process, "POST", f"{BASE}/{gone}/back")
                assert back.status_code == 200, back.text
