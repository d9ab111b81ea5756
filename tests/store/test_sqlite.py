"""What only SQLite can do wrong: files, locks, full disks, a process killed in the middle of commits."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import apsw
import pytest
from tests.store.contract import commit, made
from tests.store.duties import full
from tests.store.rows import APP, BLUEPRINT, TENANT, outgoing, receipt, turned, write

from lathe.errors import UsageError
from lathe.store import queries
from lathe.store.base import (
    CorruptError,
    FullError,
    JournalQuery,
    Query,
    ReadOnlyError,
    SchemaError,
    StoreError,
    TooLongError,
    UnavailableError,
)
from lathe.store.migrations import Script, missing, scripts
from lathe.store.records import Answer
from lathe.store.sqlite.commit import Committer
from lathe.store.sqlite.file import NAME, check_version, translate
from lathe.store.sqlite.store import SqliteStore
from lathe.store.tables import Row
from lathe.store.verify import verify

ROUNDS = 3


def on_store(folder: Path, check: Callable[[SqliteStore], Awaitable[None]]) -> None:
    async def run() -> None:
        store = SqliteStore(folder)
        await store.open()
        try:
            await check(store)
        finally:
            await store.close()

    asyncio.run(run())


async def setting(store: SqliteStore, pragma: str) -> None:
    """Change the writer's connection."""
    writer = store._writer
    assert writer is not None
    await writer.call(lambda committer: committer.connection.execute(f"pragma {pragma}").fetchall())


def test_who_follows_a_tenant_or_an_app_reads_along_the_positions(tmp_path: Path) -> None:
    """A question at the end of a long journal costs what is new, not the whole of it."""

    async def planned(store: SqliteStore) -> None:
        asked: list[tuple[str, tuple[object, ...]]] = []

        async def rows(statement: str, bound: Sequence[object] = ()) -> list[Row]:
            asked.append((statement, tuple(bound)))
            return []

        store._rows = rows  # type: ignore[method-assign]
        for query in (JournalQuery(TENANT), JournalQuery(TENANT, app=APP), JournalQuery(None)):
            await store.entries(query)
        for statement, bound in asked:
            plan = await store._read(
                lambda db, s=statement, b=bound: db.execute(f"explain query plan {s}", b).fetchall()
            )
            assert [row[3] for row in plan] == [
                "SEARCH journal USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
            ]

    on_store(tmp_path, planned)


def test_a_list_that_takes_too_long_ends_and_nobody_else_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lathe.store.sqlite.store.LIST_SECONDS", 0.05)
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    monkeypatch.setattr(queries, "find", lambda *_: (endless, ()))

    async def asked(store: SqliteStore) -> None:
        looking = asyncio.create_task(store.find(Query(TENANT, APP, BLUEPRINT)))
        await asyncio.sleep(0)
        assert await store.load(TENANT, APP, ["nobody"]) == {}
        assert not looking.done()
        with pytest.raises(TooLongError, match=r"longer than 0\.05 s"):
            await looking
        assert await store.count(TENANT, APP) == {}

    on_store(tmp_path, asked)


def test_one_process_owns_a_folder(tmp_path: Path) -> None:
    async def again(store: SqliteStore) -> None:
        with pytest.raises(SchemaError, match="in use by another process"):
            await SqliteStore(tmp_path).open()

    on_store(tmp_path, again)
    on_store(tmp_path, lambda store: store.ping())


def test_a_full_disk_commits_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    async def fill(store: SqliteStore) -> None:
        (a0,) = await made(store, "a")
        await setting(store, "max_page_count = 1")
        large = turned(a0, payload=b"x" * 2_000_000)
        with pytest.raises(FullError):
            await store.commit([write(large)])
        assert await store.load(TENANT, APP, ["a"]) == {"a": a0}
        await setting(store, "max_page_count = 1000000")
        assert await commit(store, write(large)) == ["accepted"]
        assert not [broken async for broken in verify(store)]

    on_store(tmp_path, fill)


def test_a_commit_that_failed_after_it_was_done_leaves_a_store_that_goes_on(tmp_path: Path) -> None:
    def fail(*_: object) -> int:
        raise OSError("after the commit")

    async def lose(store: SqliteStore) -> None:
        (a0,) = await made(store, "a")
        writer = store._writer
        assert writer is not None
        await writer.call(lambda committer: committer.connection.set_wal_hook(fail))
        a1, a2 = turned(a0), turned(turned(a0)[0])
        with pytest.raises(OSError, match="after the commit"):
            await store.commit([write(a1)])
        await writer.call(lambda committer: committer.connection.set_wal_hook(None))
        assert await commit(store, write(a1), write(a2)) == ["stale", "accepted"]
        assert [entry.position for entry in await store.history(TENANT, APP, "a")] == [1, 2, 3]

    on_store(tmp_path, lose)


def test_a_store_that_became_read_only_says_so(tmp_path: Path) -> None:
    async def freeze(store: SqliteStore) -> None:
        (a0,) = await made(store, "a")
        await setting(store, "query_only = on")
        for attempt in (store.commit([write(turned(a0))]), store.ping()):
            with pytest.raises(ReadOnlyError):
                await attempt
        assert await store.load(TENANT, APP, ["a"]) == {"a": a0}

    on_store(tmp_path, freeze)


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path / "data")
        await store.open()
        await made(store, "a")
        await store.backup(str(tmp_path / "copy"))
        modes.update({path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "data").iterdir()})
        await store.close()

    modes: dict[str, int] = {}
    (tmp_path / "data").mkdir(mode=0o755)  # a folder that somebody else made lets others in
    asyncio.run(main())
    assert {NAME, f"{NAME}-wal", f"{NAME}-shm"} <= modes.keys()
    assert not any(modes.values()), modes
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ReadOnlyError, match="cannot be made"):
        on_store(tmp_path / "file" / "data", lambda store: store.ping())


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"something else entirely " * 400)
    with pytest.raises(CorruptError):
        on_store(tmp_path, lambda store: store.ping())


def test_a_damaged_file_is_told_where_it_is_read(tmp_path: Path) -> None:
    async def write_some(store: SqliteStore) -> None:
        await made(store, *(f"e{n}" for n in range(300)))

    async def read_all(store: SqliteStore) -> None:
        assert [broken async for broken in verify(store)] == []

    on_store(tmp_path, write_some)
    file = tmp_path / NAME
    content = bytearray(file.read_bytes())
    content[20 * 4096 :] = b"\xff" * (len(content) - 20 * 4096)
    file.write_bytes(content)
    with pytest.raises(CorruptError):
        on_store(tmp_path, read_all)


def test_a_newer_schema_is_refused_and_not_touched(tmp_path: Path) -> None:
    on_store(tmp_path, lambda store: store.ping())
    newer = apsw.Connection(str(tmp_path / NAME))
    newer.execute("insert into schema_script values (90, 90)")
    newer.close()
    with pytest.raises(SchemaError, match="a newer release"):
        on_store(tmp_path, lambda store: store.ping())


def test_an_expanded_schema_still_runs_the_release_before(tmp_path: Path) -> None:
    on_store(tmp_path, lambda store: store.ping())
    newer = apsw.Connection(str(tmp_path / NAME))
    newer.execute("insert into schema_script values ((select max(number) + 1 from schema_script), 1)")
    newer.execute("alter table entity add column shade text")
    newer.close()

    async def still(store: SqliteStore) -> None:
        assert len(await made(store, "a", "b")) == 2

    on_store(tmp_path, still)


def test_scripts_are_applied_from_where_a_store_stands() -> None:
    known = (Script(1, 1, ""), Script(2, 1, ""), Script(3, 2, ""))
    assert missing(known, 0, 0) == known
    assert missing(known, 2, 1) == known[2:]
    assert missing(known, 5, 3) == ()
    with pytest.raises(SchemaError):
        missing(known, 5, 4)
    assert scripts("sqlite") and scripts("postgres")


def test_an_old_sqlite_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"3\.51\.2 is too old"):
        check_version("3.51.2")
    check_version("3.51.3")


def test_errors_of_sqlite_are_told_in_our_words() -> None:
    told = translate(apsw.IOError("disk I/O error"))
    assert isinstance(told, UnavailableError) and told.maybe
    assert isinstance(translate(apsw.BusyError("locked")), UnavailableError)
    assert isinstance(translate(apsw.ConstraintError("unique")), StoreError)
    mistake = KeyError("x")
    assert translate(mistake) is mistake


def test_a_backup_is_consistent_while_others_write(tmp_path: Path) -> None:
    async def back_up(store: SqliteStore) -> None:
        rows = await made(store, *(f"e{n}" for n in range(400)))
        copying = asyncio.ensure_future(store.backup(str(tmp_path / "copy" / NAME)))
        while not copying.done():
            turns = [turned(row) for row in rows[:50]]
            assert set(await commit(store, *map(write, turns))) == {"accepted"}
            rows[:50] = [row for row, _ in turns]
        await copying
        with pytest.raises(UsageError, match="exists already"):
            await store.backup(str(tmp_path / "copy" / NAME))

    async def check(store: SqliteStore) -> None:
        assert [broken async for broken in verify(store)] == []
        assert len(await store.load(TENANT, APP, [f"e{n}" for n in range(400)])) == 400

    (tmp_path / "copy").mkdir()
    on_store(tmp_path / "data", back_up)
    on_store(tmp_path / "copy", check)


def test_a_failed_restore_leaves_the_store_empty(tmp_path: Path) -> None:
    async def fail(store: SqliteStore) -> None:
        async def rows():  # type: ignore[no-untyped-def]
            yield "claim", b'{"tenant":"t","app":"a","unique":"u","key":"YQ==","entity":"e"}'
            yield "claim", b'{"tenant":3}'

        with pytest.raises(UsageError, match="cannot be read"):
            await store.restore(rows())
        assert [row async for row in store.dump()] == []

    on_store(tmp_path, fail)


def test_verification_tells_what_was_tampered_with(tmp_path: Path) -> None:
    on_store(tmp_path, full)
    changes = {
        "the checkpoint at 3 does not hold": "update checkpoint set root = zeroblob(32)",
        "its payload is not": "update journal set payload = x'00' where entity = 'a' and revision = 1",
        "not that of what it says": "update journal set \"by\" = 'x' where entity = 'a' and revision = 2",
        "not what its journal adds up to": "update entity set revision = 7 where id = 'a'",
        "an entity that is not there": "delete from entity where id = 'a'",
        "is missing": "delete from journal where entity = 'a' and revision = 1",
    }
    for words, change in changes.items():
        connection = apsw.Connection(str(tmp_path / NAME))
        connection.execute("begin")
        connection.execute(change)
        connection.execute("commit")
        connection.close()

        async def check(store: SqliteStore, words: str = words) -> None:
            assert any(words in broken.why for broken in [b async for b in verify(store)]), words

        on_store(tmp_path, check)


KILLED = """
import asyncio, sys
from pathlib import Path
from lathe.store.records import Answer
from lathe.store.sqlite.store import SqliteStore
from lathe.store.sqlite.commit import Committer
from tests.store.rows import APP, TENANT, introduction, turned, write

async def run():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    await store.apply(introduction())
    names = [f"e{n}" for n in range(20)]
    rows = await store.load(TENANT, APP, names)
    while True:
        turns = [turned(rows.get(name), name) for name in names]
        await store.commit([write(turn) for turn in turns])
        rows = {row.id: row for row, _ in turns}
        print(rows["e0"].revision, flush=True)

asyncio.run(run())
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent.parent,
        )
        assert process.stdout is not None
        for _ in range(8):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        process.wait()
        process.stdout.close()

        async def check(store: SqliteStore, least: int = acknowledged) -> None:
            rows = await store.load(TENANT, APP, [f"e{n}" for n in range(20)])
            revisions = {row.revision for row in rows.values()}
            assert len(rows) == 20 and len(revisions) == 1, "a group is committed or not"
            assert min(revisions) >= least
            assert [broken async for broken in verify(store)] == []

        on_store(tmp_path, check)


def test_after_a_lease_commits_are_synced_again(tmp_path: Path) -> None:
    async def check(store: SqliteStore) -> None:
        writer = store._writer
        assert writer is not None

        def synced(committer: Committer) -> object:
            return committer.connection.execute("pragma synchronous").get

        await store.lease("w1", limit=5, lease_ms=1_000)
        await made(store, "a")
        await store.commit([write(turned(None, "b"), outgoing=(outgoing("b", 1),))])
        assert len(await store.lease("w1", limit=5, lease_ms=1_000)) == 1
        assert await writer.call(synced) == 2, "full"

    on_store(tmp_path, check)


def test_groups_of_every_size_are_written_whole(tmp_path: Path) -> None:
    async def check(store: SqliteStore) -> None:
        await made(store, "a")
        for size in (1, 3, 5, 65, 200):
            names = [f"{size}-{n}" for n in range(size)]
            group = [write(turned(None, name), receipt=receipt(name)) for name in names]
            assert {a.verdict for a in await store.commit(group)} == {"accepted"}
            rows = await store.load(TENANT, APP, names)
            await store.commit([write(turned(rows[name])) for name in names])
            rows = await store.load(TENANT, APP, names)
            assert {row.revision for row in rows.values()} == {2} and len(rows) == size
            assert await store.commit(group) == [Answer("receipt", name) for name in names]
        assert [broken async for broken in verify(store)] == []

    on_store(tmp_path, check)
