"""Served faults of a PostgreSQL: it takes no writes, knows nobody, has no room, or is a newer one's."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import asyncpg
import httpx2
import pytest
from tests.runtime.processes import Process, serving
from tests.runtime.test_faults_sqlite import BASE, NOTE, created
from tests.runtime.test_processes import verified
from tests.store.server import Server, has_namespaces


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.remove()


def said(server: Server, *statements: str) -> None:
    """Say something to the server as its owner."""

    async def run() -> None:
        connection = await asyncpg.connect(server.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def eventually(process: Process, status: int, path: str = BASE) -> httpx2.Response:
    """The answer to a creation, once it has this status."""
    until = time.monotonic() + 30
    while (answer := process.post(path, {"text": "x"})).status_code != status:
        assert answer.status_code in (201, 503) and time.monotonic() < until, answer.text
        time.sleep(0.05)
    return answer


def test_a_database_that_takes_no_writes_is_told_and_waited_for(own: Server, tmp_path: Path) -> None:
    """What a standby does, or an operator who wants nothing to change."""
    with serving(own.url, tmp_path, schema="standby") as process:
        process.apply(NOTE)
        kept = [created(process) for _ in range(3)]
        said(own, "alter system set default_transaction_read_only = on", "select pg_reload_conf()")
        try:
            refused = eventually(process, 503)
            problem = refused.json()
            assert (problem["code"], problem["cause"]) == ("LR503.store", "read_only"), refused.text
            assert refused.headers["retry-after"]
            ready = process.get("/readyz")
            assert (ready.status_code, ready.json()["cause"]) == (503, "read_only"), ready.text
            assert {item["id"] for item in process.get(BASE).json()["items"]} >= set(kept)
            code, words = Process(own.url, tmp_path, schema="standby").refused()
            assert (code, len(words.strip().splitlines())) in {(0, 1), (4, 1)}, words
        finally:
            said(
                own, "set default_transaction_read_only = off",
                "alter system reset default_transaction_read_only", "select pg_reload_conf()",
            )  # fmt: skip
        kept.append(eventually(process, 201).json()["id"])
        assert process.get("/readyz").status_code == 200
        assert {item["id"] for item in process.get(BASE).json()["items"]} >= set(kept)
        assert process.stop() == 0
        assert "Traceback" not in process.log, process.log


@contextmanager
def taken_slots(server: Server) -> Iterator[None]:
    """Every connection that the server would give is held by somebody else."""
    loop = asyncio.new_event_loop()
    held: list[asyncpg.Connection] = []

    async def take() -> None:
        while True:
            try:
                held.append(await asyncpg.connect(server.url))
            except asyncpg.TooManyConnectionsError:
                return

    async def give_back() -> None:
        for connection in held:
            await connection.close()

    loop.run_until_complete(take())
    try:
        yield
    finally:
        loop.run_until_complete(give_back())
        loop.close()


CUT = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lathe'"


def test_without_a_connection_left_answers_say_so_until_there_is_one(own: Server, tmp_path: Path) -> None:
    with serving(own.url, tmp_path, schema="slots") as process:
        process.apply(NOTE)
        kept = created(process)
        loop = asyncio.new_event_loop()
        owner = loop.run_until_complete(asyncpg.connect(own.url))
        loop.run_until_complete(owner.execute(CUT))
        with taken_slots(own):
            loop.run_until_complete(owner.execute(CUT))
            with taken_slots(own):
                refused = eventually(process, 503)
                assert refused.json()["cause"] == "unavailable", refused.text
                code, words = Process(own.url, tmp_path, schema="slots").refused()
                assert code == 7 and "(unavailable)" in words and len(words.strip().splitlines()) == 1, words
        loop.run_until_complete(owner.close())
        loop.close()
        eventually(process, 201)
        assert process.get(f"{BASE}/{kept}").status_code == 200
        assert process.stop() == 0


def test_a_start_that_cannot_be_says_why_in_a_line(own: Server, tmp_path: Path) -> None:
    def says(url: str, schema: str, code: int, *words: str) -> None:
        found, text = Process(url, tmp_path, schema=schema).refused()
        assert found == code and len(text.strip().splitlines()) == 1, (found, text)
        assert all(word in text for word in words), text
        assert "hidden" not in text, text

    says(own.url.replace("/postgres?", "/nowhere?"), "lathe", 6, "nowhere", "(absent)")
    says(own.url.replace("lathe@", "nobody:hidden@"), "lathe", 4, "nobody", "(denied)")
    says("postgres://lathe:hidden@127.0.0.1:1/x", "lathe", 7, "(unavailable)")
    says("postgres://lathe:hidden@no-such-host.invalid/x", "lathe", 7, "(unavailable)")
    with serving(own.url, tmp_path, schema="newer") as process:
        assert process.stop() == 0
    said(own, "insert into newer.schema_script values (90, 90)")
    says(own.url, "newer", 5, "newer release", "(schema)")
    said(own, "create role limited login", "create schema limited")
    says(own.url.replace("lathe@", "limited@"), "limited", 4, "(denied)")


def test_a_login_that_is_taken_away_is_told_and_comes_back(own: Server, tmp_path: Path) -> None:
    said(own, "create role served login", "create schema served authorization served")
    with serving(own.url.replace("lathe@", "served@"), tmp_path, schema="served") as process:
        process.apply(NOTE)
        said(own, "alter role served nologin", CUT)
        refused = eventually(process, 503)
        until = time.monotonic() + 20
        while (refused := process.post(BASE, {"text": ""})).json().get("cause") != "denied":
            assert time.monotonic() < until, refused.text
        ready = process.get("/readyz")
        assert (ready.status_code, ready.json()["cause"]) == (503, "denied"), ready.text
        said(own, "alter role served login")
        eventually(process, 201)
        assert process.get("/readyz").status_code == 200
        assert process.stop() == 0
        assert "Traceback" not in process.log, process.log


FULL = {
    "data": (96, (507, "LR507.full", "full"), "full"),
    "wal": (40, (503, "LR503.store", "unavailable"), "unavailable"),
}
"""How many MiB the disk has, how the first creation without room is refused, why nothing is ready then."""


def large() -> str:
    """A text that cannot be compressed to much less."""
    return os.urandom(9_000).hex()


def filled(process: Process) -> tuple[set[str], httpx2.Response]:
    """What was acknowledged until there was no more room, and the first answer that said so."""
    kept: set[str] = set()
    for _ in range(2_000):
        answer = process.post(BASE, {"text": large()})
        if answer.status_code != 201:
            return kept, answer
        kept.add(str(answer.json()["id"]))
    raise AssertionError("nothing is refused")


def listed(process: Process) -> set[str]:
    """Every entity that there is."""
    found: set[str] = set()
    asked: dict[str, object] = {"limit": 100}
    while True:
        page = process.get(BASE, params=asked).json()
        found.update(item["id"] for item in page["items"])
        if not page["next"]:
            return found
        asked["cursor"] = page["next"]


@pytest.mark.skipif(not has_namespaces(), reason="a small disk needs namespaces of mounts")
@pytest.mark.parametrize("what", [*FULL])
def test_a_full_disk_of_the_server_is_told_and_left_behind_when_there_is_room(
    what: Literal["data", "wal"], tmp_path: Path
) -> None:
    """Where rows find no room they are refused; where the log finds none, PostgreSQL itself ends at once."""
    mib, said, cause = FULL[what]
    server = Server(syncs=True, disk=(what, mib))
    assert server.disk is not None
    server.start()
    try:
        with serving(server.url, tmp_path) as process:
            process.apply(NOTE)
            first = {created(process) for _ in range(3)}
            server.disk.fill()
            kept, refused = filled(process)
            problem = refused.json()
            assert (refused.status_code, problem["code"], problem["cause"]) == said, refused.text
            assert refused.headers["retry-after"] and "No space left on device" in problem["detail"]
            doubtful = "it may have been committed" in problem["detail"]
            for _ in range(2):  # it stays so
                ready = process.get("/readyz")
                assert (ready.status_code, ready.json()["cause"]) == (503, cause), ready.text
            server.disk.empty()
            server.ensure()
            kept.add(str(eventually(process, 201).json()["id"]))
            assert process.get("/readyz").status_code == 200
            found = listed(process)
            assert found >= kept | first and len(found - kept - first) <= doubtful
            assert process.stop() == 0
            assert "defect" not in process.log and "Traceback" not in process.log, process.log
        assert "verified" in verified((server.url, "lathe"))
    finally:
        server.remove()
