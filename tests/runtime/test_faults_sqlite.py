"""Served faults of a data folder: full, too large, read-only, damaged, newer, in use. Each says its cause."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import httpx2
import pytest
from tests.runtime.processes import Process, serving
from tests.store.server import NAMESPACE, fill, has_namespaces

NOTE = {
    "note.blueprint.toml": b"""
blueprint = "Note"
[state]
open = { initial = true, waits = "somebody writes" }
[field]
text = { type = "text", max = 20000 }
[action]
create = { by = "role:writer", sets = ["text"] }
write = { from = "open", by = "role:writer", sets = ["text"] }
"""
}
BASE = "/v1/note/notes"
LARGE = "x" * 20_000
DISK_BYTES = 48 * 2**20


def in_namespace(mount: str, folder: Path) -> tuple[str, ...]:
    """What stands before a command so that it runs with `mount`, which may say `$0` for the folder."""
    return (*NAMESPACE, "sh", "-c", f'{mount} && exec "$@"', str(folder))


def test_a_full_disk_is_told_and_left_behind_when_there_is_room(tmp_path: Path) -> None:
    if not has_namespaces():
        pytest.skip("a small disk needs namespaces of mounts")
    data = tmp_path / "data"
    data.mkdir()
    disk = in_namespace(f'mount -t tmpfs -o size={DISK_BYTES} tmpfs "$0"', data)
    with serving(f"sqlite:{data}", tmp_path, before=disk) as process:
        process.apply(NOTE)
        inside = Path(f"/proc/{process.pid}/root{data}")
        kept = [created(process, LARGE) for _ in range(3)]
        filler = inside / "filler"
        fill(filler)
        refused = until_refused(process, kept)
        assert (refused.status_code, refused.json()["code"]) == (507, "LR507.full"), refused.text
        assert refused.headers["retry-after"]
        ready = process.get("/readyz")
        assert (ready.status_code, ready.json()["cause"]) == (503, "full"), ready.text
        assert {item["id"] for item in items(process)} == set(kept)
        filler.unlink()
        kept.append(eventually_created(process))
        assert process.get("/readyz").status_code == 200
        assert {item["id"] for item in items(process)} == set(kept)
        assert process.stop() == 0
        assert "defect" not in process.log, process.log


def test_a_file_that_may_not_grow_is_told_and_left_behind(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(f"sqlite:{data}", tmp_path) as process:
        process.apply(NOTE)
        kept = [created(process, LARGE) for _ in range(3)]
        hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, hard))
        refused = until_refused(process, kept)
        assert (refused.status_code, refused.json()["code"]) == (507, "LR507.full"), refused.text
        ready = process.get("/readyz")
        assert (ready.status_code, ready.json()["cause"]) == (503, "full"), ready.text
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        kept.append(eventually_created(process))
        assert process.get("/readyz").status_code == 200
        process.kill()
        process.start()
        assert {item["id"] for item in items(process)} == set(kept)
        assert process.stop() == 0
        assert "defect" not in process.log, process.log
    assert verify(data).returncode == 0


def created(process: Process, text: str = "") -> str:
    answer = process.post(BASE, {"text": text})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def until_refused(process: Process, kept: list[str]) -> httpx2.Response:
    """Create until it is refused; what was acknowledged until then is kept."""
    for _ in range(2_000):
        answer = process.post(BASE, {"text": LARGE})
        if answer.status_code != 201:
            return answer
        kept.append(answer.json()["id"])
    raise AssertionError("nothing is refused")


def eventually_created(process: Process) -> str:
    until = time.monotonic() + 20
    while (answer := process.post(BASE, {"text": LARGE})).status_code != 201:
        assert answer.status_code in (503, 507) and time.monotonic() < until, answer.text
    return str(answer.json()["id"])


def items(process: Process) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    path = f"{BASE}?limit=200"
    while True:
        page = process.get(path).json()
        found += page["items"]
        if page["next"] is None:
            return found
        path = f"{BASE}?limit=200&cursor={page['next']}"


def verify(data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lathe.cli", "store", "verify", "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def changing(data: Path) -> Iterator[apsw.Connection]:
    """The file of a folder that nobody serves, to be damaged."""
    connection = apsw.Connection(str(data / "lathe.db"))
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def stopped(tmp_path: Path) -> tuple[Process, Path, list[str]]:
    """A folder that was served, with three entities in it, and who serves it."""
    data = tmp_path / "data"
    with serving(f"sqlite:{data}", tmp_path) as process:
        process.apply(NOTE)
        kept = [created(process, f"note {n}") for n in range(3)]
        assert process.stop() == 0
    return process, data, kept


Damage = Callable[[apsw.Connection], object]


def test_a_start_that_cannot_be_says_why_in_a_line(tmp_path: Path) -> None:
    process, data, _ = stopped(tmp_path)
    url = f"sqlite:{data}"

    def says(process: Process, code: int, *words: str) -> None:
        found, said = process.refused()
        lines = said.strip().splitlines()
        assert found == code and len(lines) == 1, (found, said)
        assert all(word in lines[0] for word in words), said

    with changing(data) as db:
        db.execute("insert into schema_script values (90, 90)")
    says(process, 5, "newer release", "(schema)")
    with changing(data) as db:
        db.execute("delete from schema_script where number = 90")

    process.start()
    says(Process(url, tmp_path), 5, f"`{data}` is in use by another process", "(schema)")
    assert process.stop() == 0

    says(Process(f"sqlite:{tmp_path / 'server.log'}", tmp_path), 4, "server.log", "(read_only)")
    (tmp_path / "folder" / "lathe.db").mkdir(parents=True)
    says(Process(f"sqlite:{tmp_path / 'folder'}", tmp_path), 4, "unable to open", "(read_only)")
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "lathe.db").write_bytes(os.urandom(100_000))
    says(Process(f"sqlite:{tmp_path / 'noise'}", tmp_path), 1, "not a database", "(corrupt)")
    if has_namespaces():
        alone = in_namespace('mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"', data)
        says(Process(url, tmp_path, before=alone), 4, "cannot be written", "(read_only)")
    with changing(data) as db:
        files = json.loads(str(db.execute("select files from version").get))
        name, encoded = files.popitem()
        changed = b64encode(b64decode(encoded).replace(b"20000", b"20001")).decode()
        db.execute("update version set files = ?", (json.dumps({name: changed}),))
    says(process, 1, "`note`", "(corrupt)")
    assert "is not what was stored" in verify(data).stdout


def test_a_folder_without_rights_is_refused_with_its_name(tmp_path: Path) -> None:
    user = ("setpriv", "--reuid", "65534", "--clear-groups") if os.geteuid() == 0 else ()
    tmp_path.chmod(0o755)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    if not user:
        data.chmod(0o500)
    code, said = Process(f"sqlite:{data}", Path("/"), before=user).refused()
    assert code == 4 and str(data) in said and len(said.strip().splitlines()) == 1, said


@pytest.mark.parametrize(
    ("damage", "path"),
    [
        ("update entity set body = '{\"f\": 3}' where id = ?", BASE + "/{id}"),
        ("update entity set body = 'x' where id = ?", BASE + "/{id}"),
        ("update entity set body = 'x' where id = ?", BASE),
        ("update journal set payload = x'00' where entity = ?", BASE + "/{id}/journal"),
        ("update journal set chain = 'x' where entity = ?", BASE + "/{id}/journal"),
        ("update journal set \"by\" = 'role:owner' where entity = ?", BASE + "/{id}/journal"),
    ],
)
def test_a_row_that_is_not_what_was_written_is_told_and_the_rest_is_served(
    tmp_path: Path, damage: str, path: str
) -> None:
    process, data, kept = stopped(tmp_path)
    with changing(data) as db:
        db.execute(damage, (kept[0],))
    process.start()
    try:
        answer = process.get(path.format(id=kept[0]))
        assert (answer.status_code, answer.json()["code"]) == (503, "LR503.store"), answer.text
        assert answer.json()["cause"] == "corrupt"
        assert process.get("/readyz").status_code == 200, "it is one row"
        assert process.get(f"{BASE}/{kept[1]}").status_code == 200
        assert process.post(f"{BASE}/{kept[1]}/write", {"text": "on"}).status_code == 200
        if damage.startswith("update entity"):
            answer = process.post(f"{BASE}/{kept[0]}/write", {"text": "over it"})
            assert (answer.status_code, answer.json()["cause"]) == (503, "corrupt"), answer.text
        assert process.stop() == 0
        assert "defect" not in process.log and "Traceback" not in process.log, process.log
    finally:
        if process.is_running:
            process.kill()
    done = verify(data)
    assert done.returncode == 1 and kept[0] in done.stdout + done.stderr, done
    assert "Traceback" not in done.stderr and "defect" not in done.stderr, done


def test_damaged_pages_are_told_and_the_process_is_not_ready(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(f"sqlite:{data}", tmp_path) as process:
        process.apply(NOTE)
        kept = [created(process, LARGE) for _ in range(30)]
        assert process.stop() == 0
        file = data / "lathe.db"
        content = bytearray(file.read_bytes())
        middle = len(content) // 2  # whatever is read as it starts stands at one of the ends
        place = content.index(LARGE[:4000].encode(), middle) & ~4095
        content[place : place + 2**17] = b"\xff" * min(2**17, len(content) - place)
        file.write_bytes(content)
        process.start()
        codes = {process.get(f"{BASE}/{name}/journal").status_code for name in kept}
        assert 503 in codes and codes <= {200, 503}
        ready = process.get("/readyz")
        assert (ready.status_code, ready.json()["cause"]) == (503, "corrupt"), ready.text
        assert process.get("/healthz").status_code == 200
        assert process.stop() == 0
        assert "Traceback" not in process.log, process.log
