"""What only PostgreSQL can do wrong: several processes, cut connections, deadlocks, a killed server."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from tests.store.contract import commit, made, settled
from tests.store.duties import full
from tests.store.rows import (
    APP,
    FIRST,
    SOON_MS,
    TENANT,
    claim,
    introduction,
    outgoing,
    receipt,
    turned,
    version,
    write,
)
from tests.store.server import Server

from lathe.errors import UsageError
from lathe.store.base import (
    AbsentError,
    Apply,
    Bounds,
    JournalQuery,
    SchemaError,
    Store,
    StoreError,
    UnavailableError,
)
from lathe.store.postgres.store import PostgresStore
from lathe.store.records import GENESIS, EntityRow
from lathe.store.verify import verify

ROOT = Path(__file__).parent.parent.parent
_numbers = count(1)

Several = Callable[..., Awaitable[None]]


def on_stores(server: Server, check: Several, *, number: int = 2) -> None:
    """As many stores as processes, over one schema."""

    async def run() -> None:
        schema = f"p{next(_numbers)}"
        async with AsyncExitStack() as stack:
            stores = [PostgresStore(server.url, schema=schema) for _ in range(number)]
            for store in stores:
                await store.open()
                stack.push_async_callback(store.close)
            await check(*stores)

    asyncio.run(run())


async def sound(store: Store) -> None:
    """Every chain and every head is whole."""
    assert [broken async for broken in verify(store)] == []


def test_two_processes_write_the_same_entities(server: Server) -> None:
    async def hammer(store: Store, names: list[str], turns: int) -> int:
        accepted = 0
        for turn in range(turns):
            rows = await store.load(TENANT, APP, names)
            chosen = names[turn % 3 :: 2]
            verdicts = await commit(store, *(write(turned(rows[name])) for name in chosen))
            assert set(verdicts) <= {"accepted", "stale"}
            accepted += verdicts.count("accepted")
        return accepted

    async def both(one: Store, two: Store) -> None:
        names = [f"e{n}" for n in range(8)]
        await made(one, *names)
        accepted = await asyncio.gather(hammer(one, names, 15), hammer(two, names[::-1], 15))
        await settled(one, 8 + sum(accepted))
        rows = await two.load(TENANT, APP, names)
        assert sum(row.revision for row in rows.values()) == 8 + sum(accepted)
        await sound(one)

    on_stores(server, both)


def test_of_two_that_want_the_same_one_gets_it_and_nothing_else_suffers(server: Server) -> None:
    async def both(one: Store, two: Store) -> None:
        await made(one)
        for n in range(10):
            groups = [
                [
                    write(turned(None, f"same{n}", state=who)),
                    write(turned(None, f"claims{who}{n}"), claims=(claim(f"claims{who}{n}", f"k{n}"),)),
                    write(turned(None, f"key{who}{n}"), receipt=receipt(f"k{n}")),
                    write(turned(None, f"own{who}{n}")),
                ]
                for who in "ab"
            ]
            found = await asyncio.gather(commit(one, *groups[0]), commit(two, *groups[1]))
            for verdicts, refusal in zip(
                zip(*found, strict=True), ("stale", "claimed", "receipt"), strict=False
            ):
                assert sorted(verdicts) == sorted(["accepted", refusal])
            assert [verdicts[3] for verdicts in found] == ["accepted", "accepted"]
        await sound(one)

    on_stores(server, both)


def test_two_that_read_what_the_other_writes_are_not_both_accepted(server: Server) -> None:
    async def both(one: Store, two: Store) -> None:
        a, b = await made(one, "a", "b")
        for _ in range(15):
            first, second = turned(a), turned(b)
            found = await asyncio.gather(
                commit(one, write(first, reads=[("b", b.head)])),
                commit(two, write(second, reads=[("a", a.head)])),
            )
            assert sorted(verdict for (verdict,) in found) == ["accepted", "stale"]
            a, b = (first[0], b) if found[0] == ["accepted"] else (a, second[0])

    on_stores(server, both)


def test_two_that_read_that_the_other_is_not_there_are_not_both_accepted(server: Server) -> None:
    async def both(one: Store, two: Store) -> None:
        await made(one)
        for n in range(15):
            found = await asyncio.gather(
                commit(one, write(turned(None, f"a{n}"), reads=[(f"b{n}", GENESIS)])),
                commit(two, write(turned(None, f"b{n}"), reads=[(f"a{n}", GENESIS)])),
            )
            assert sorted(verdict for (verdict,) in found) == ["accepted", "stale"]
        assert await one.count(TENANT, APP) == {("Order", "open"): 15}
        await sound(one)

    on_stores(server, both)


def test_batches_go_with_their_last_entry(server: Server) -> None:
    async def alone(store: Store) -> None:
        await made(store, "a")
        final = turned(None, "b", final=True)
        assert await commit(store, write(final), write(turned(None, "c"))) == ["accepted", "accepted"]
        assert await commit(store, write(turned(final[0], final=True, at_ms=1_001))) == ["accepted"]
        await settled(store, 4)
        now = await store.now_ms()
        assert await store.archive(TENANT, APP, "Order", final_before_ms=now, limit=9) == ["b"]
        assert isinstance(store, PostgresStore)
        assert len(await store._fetch("select 1 from batch")) == 3
        swept = await store.sweep(Bounds(archive_ms=-1))
        assert swept.removed["archived_entity"] == 1
        assert len(await store._fetch("select 1 from batch")) == 2
        entries = await store.entries(JournalQuery(TENANT))
        assert [e.position for e in entries] == [1, 3]
        await sound(store)

    on_stores(server, alone, number=1)


def test_nothing_is_committed_under_a_version_that_was_replaced(server: Server) -> None:
    async def both(one: Store, two: Store) -> None:
        (row,) = await made(one, "a")
        applied = asyncio.Event()

        async def write_on(row: EntityRow) -> int:
            while True:
                is_over = applied.is_set()
                turn = turned(row)
                (verdict,) = await commit(one, write(turn))
                assert not (is_over and verdict == "accepted")
                if verdict == "governed":
                    return row.revision
                row = turn[0]

        async def apply() -> None:
            await asyncio.sleep(0.02)
            assert (await two.apply(Apply(version("e" * 64), FIRST))).verdict == "accepted"
            applied.set()

        revision, _ = await asyncio.gather(write_on(row), apply())
        assert (await two.load(TENANT, APP, ["a"]))["a"].revision == revision

    on_stores(server, both)


def test_of_two_first_versions_one_is_applied(server: Server) -> None:
    async def both(one: Store, two: Store) -> None:
        found = await asyncio.gather(one.apply(introduction()), two.apply(introduction()))
        assert sorted(answer.verdict for answer in found) == ["accepted", "governed"]
        assert len(await one.versions(TENANT, APP)) == 1

    on_stores(server, both)


def test_a_reader_never_passes_a_gap(server: Server) -> None:
    async def writing(store: Store, who: str) -> None:
        for n in range(25):
            await commit(store, write(turned(None, f"{who}{n}")), write(turned(None, f"{who}{n}x")))

    async def reading(store: Store, until: int) -> None:
        seen = 0
        while seen < until:
            for entry in await store.entries(JournalQuery(TENANT, after=seen)):
                seen += 1
                assert entry.position == seen
            assert await store.position() >= seen

    async def three(one: Store, two: Store, reader: Store) -> None:
        await made(one)
        await asyncio.gather(writing(one, "a"), writing(two, "b"), reading(reader, 100))

    on_stores(server, three, number=3)


def test_listeners_hear_of_other_processes(server: Server) -> None:
    async def both(one: Store, two: Store) -> None:
        await made(one)
        await asyncio.sleep(0.05)
        heard = asyncio.Event()
        two.on_change(heard.set)
        await commit(one, write(turned(None, "a")))
        await asyncio.wait_for(heard.wait(), 10)

    on_stores(server, both)


def test_nothing_is_leased_twice(server: Server) -> None:
    async def both(one: Store, two: Store) -> None:
        names = [f"e{n}" for n in range(40)]
        await made(one)
        await commit(one, *(write(turned(None, n), outgoing=(outgoing(n),)) for n in names))

        async def take(store: Store, worker: str) -> list[str]:
            found: list[str] = []
            while leased := await store.lease(worker, limit=3, lease_ms=SOON_MS):
                found += [one.outgoing.entity for one in leased]
            return found

        found = await asyncio.gather(take(one, "w1"), take(two, "w2"))
        assert sorted(found[0] + found[1]) == sorted(names)

    on_stores(server, both)


def test_many_runs_of_reads_and_writes_are_locked_in_one_order(server: Server) -> None:
    async def both(one: Store, two: Store) -> None:
        rows = {row.id: row for row in await made(one, *"abcdefgh")}
        for turn in range(6):
            names = "abcdefgh"[turn % 2 :: 2]
            reads = [(n, rows[n].head) for n in "abcdefgh" if n not in names]
            turns = [turned(rows[name]) for name in names]
            groups = [[write(*turns, reads=reads)], [write(*turns, reads=reads[:1])]]
            found = await asyncio.gather(commit(one, *groups[0]), commit(two, *groups[1]))
            assert sorted(verdict for (verdict,) in found) == ["accepted", "stale"]
            rows |= {row.id: row for row, _ in turns}

    on_stores(server, both)


def test_a_group_that_ends_in_a_deadlock_is_decided_once_more(server: Server) -> None:
    async def alone(store: PostgresStore) -> None:
        a, b = await made(store, "a", "b")
        other = await asyncpg.connect(server.url, server_settings={"search_path": store._schema})
        try:
            await other.execute("begin; update entity set state = state where id = 'b'")
            committing = asyncio.ensure_future(commit(store, write(turned(a), turned(b))))
            while not await other.fetchval("select count(*) from pg_locks where not granted"):
                await asyncio.sleep(0)
            try:
                await other.execute("update entity set state = state where id = 'a'")
            except asyncpg.DeadlockDetectedError:
                await other.execute("rollback")
            else:
                await other.execute("commit")
            assert await committing == ["accepted"]
        finally:
            await other.close()

    on_stores(server, alone, number=1)


def test_who_is_never_quick_enough_is_told(server: Server) -> None:
    async def alone(store: PostgresStore) -> None:
        tries = 0

        async def clash(db: object) -> None:
            nonlocal tries
            tries += 1
            raise asyncpg.SerializationError("again")

        with pytest.raises(UnavailableError, match="quicker each time"):
            await store._change(clash)
        assert tries > 1
        await store.ping()

    on_stores(server, alone, number=1)


async def cut(server: Server, store: PostgresStore) -> None:
    """End every connection of a store, but for those that ask for it."""
    other = await asyncpg.connect(server.url)
    await other.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lathe'"
    )
    await other.close()


def test_connections_that_were_cut_are_opened_again(server: Server) -> None:
    async def alone(store: PostgresStore) -> None:
        (row,) = await made(store, "a")
        for _ in range(3):
            await cut(server, store)
            calls: tuple[Callable[[], Awaitable[object]], ...] = (
                store.ping,
                store.now_ms,
                lambda: store.lease("w", limit=1, lease_ms=1),
            )
            for call in calls:
                try:
                    await call()
                except UnavailableError:
                    await call()
            turn = turned(row)
            assert await commit(store, write(turn)) == ["accepted"]
            row = turn[0]
        await settled(store, 4)

    on_stores(server, alone, number=1)


def test_a_name_with_a_nul_is_that_of_nothing(server: Server) -> None:
    async def alone(store: Store) -> None:
        await made(store, "a")
        assert await store.load(TENANT, APP, ["a\0", "\0"]) == {}
        assert await store.history(TENANT, APP, "a\0") == []
        assert await store.receipt(TENANT, "ann", "k\0") is None
        row, entry = turned(None, "b", fields={"note": "a\0b", "other": "\\u0000"})
        assert await commit(store, write((row, entry))) == ["accepted"]
        assert await store.load(TENANT, APP, ["b"]) == {"b": row}

    on_stores(server, alone, number=1)


def test_a_newer_schema_is_refused(server: Server) -> None:
    async def alone(store: PostgresStore) -> None:
        other = await asyncpg.connect(server.url, server_settings={"search_path": store._schema})
        await other.execute("insert into schema_script values (90, 90)")
        await other.close()
        with pytest.raises(SchemaError, match="a newer release"):
            await PostgresStore(server.url, schema=store._schema).open()

    on_stores(server, alone, number=1)


def test_a_store_that_is_only_looked_at_is_not_made(server: Server) -> None:
    async def alone(store: PostgresStore) -> None:
        there = PostgresStore(server.url, schema=store._schema, makes=False)
        await there.open()
        await there.close()
        for _ in range(2):
            with pytest.raises(AbsentError, match="no store in the schema `nothing_is_here`"):
                await PostgresStore(server.url, schema="nothing_is_here", makes=False).open()

    on_stores(server, alone, number=1)


def test_an_address_where_nobody_is_and_one_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be reached"):
        asyncio.run(PostgresStore(f"postgresql://lathe@/postgres?host={tmp_path}").open())
    with pytest.raises(UsageError, match="cannot be read"):
        asyncio.run(PostgresStore("mysql://somewhere").open())
    with pytest.raises(UsageError, match="name of a schema"):
        PostgresStore("postgresql://somewhere", schema='x"; drop')


def test_a_backup_is_an_export(server: Server, tmp_path: Path) -> None:
    async def alone(store: Store) -> None:
        await full(store)
        await store.backup(str(tmp_path / "copy"))
        with pytest.raises(UsageError, match="exists already"):
            await store.backup(str(tmp_path / "copy"))
        kept = [row async for row in store.dump()]
        lines = (tmp_path / "copy").read_bytes().splitlines()
        assert lines == [table.encode() + b"\t" + data for table, data in kept]

    on_stores(server, alone, number=1)


class Proxy:
    """Between a store and its server: can let a commit through and lose the answer."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.loses = b""
        """What a message that commits begins with: no answer to it, or to any other, comes back."""
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        return f"postgresql://lathe@/postgres?host={self.folder}"

    async def open(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._serve, str(self.folder / ".s.PGSQL.5432"))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        there = await asyncio.open_unix_connection(str(self.server.folder / ".s.PGSQL.5432"))
        is_cut = asyncio.Event()

        async def up() -> None:
            while data := await reader.read(65_536):
                if self.loses and data.startswith(self.loses) and b"begin" not in data:
                    is_cut.set()
                there[1].write(data)

        async def down() -> None:
            while (data := await there[0].read(65_536)) and not is_cut.is_set():
                writer.write(data)

        both = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for one in both:
            one.cancel()
        for end in (there[1], writer):
            end.close()
        await asyncio.gather(*both, there[1].wait_closed(), writer.wait_closed(), return_exceptions=True)


EXECUTES, ASKS = b"B", b"Q"


@pytest.mark.parametrize(
    ("read", "loses"), [((), EXECUTES), ((("nobody", GENESIS),), ASKS)], ids=["at once", "under locks"]
)
def test_a_lost_acknowledgement_is_told_as_such(
    server: Server, tmp_path: Path, read: tuple[tuple[str, bytes], ...], loses: bytes
) -> None:
    async def run() -> None:
        proxy = Proxy(server, tmp_path)
        async with await proxy.open():
            store = PostgresStore(proxy.url, schema=f"p{next(_numbers)}")
            await store.open()
            (row,) = await made(store, "a")
            turn = write(turned(row), reads=read)
            proxy.loses = loses
            with pytest.raises(UnavailableError) as caught:
                await store.commit([turn])
            assert caught.value.maybe
            proxy.loses = b""
            assert (await store.load(TENANT, APP, ["a"]))["a"].revision == 2
            assert await commit(store, write(turned(row))) == ["stale"]
            await store.close()
        await asyncio.gather(*proxy.tasks)

    asyncio.run(run())


@pytest.fixture
def own() -> Iterator[Server]:
    made = Server()
    made.start()
    yield made
    made.remove()


def test_a_server_that_was_killed_comes_back_with_all_that_was_acknowledged(own: Server) -> None:
    async def alone(store: Store) -> None:
        (row,) = await made(store, "a")

        async def write_on(row: EntityRow) -> EntityRow:
            with pytest.raises(StoreError) as caught:
                while True:
                    turn = turned(row)
                    assert await commit(store, write(turn)) == ["accepted"]
                    row = turn[0]
            assert isinstance(caught.value, UnavailableError)
            return row

        for _ in range(2):
            writing = asyncio.ensure_future(write_on(row))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(own.stop, signal.SIGQUIT)
            acknowledged = await writing
            with pytest.raises(UnavailableError):
                await store.ping()
            await asyncio.to_thread(own.start)
            row = (await store.load(TENANT, APP, ["a"]))["a"]
            assert row.revision - acknowledged.revision in (0, 1)
            await sound(store)

    on_stores(own, alone, number=1)


KILLED = """
import asyncio, sys
from lathe.store.postgres.store import PostgresStore
from tests.store.rows import APP, TENANT, turned, write

async def run():
    store = PostgresStore(sys.argv[1], schema=sys.argv[2])
    await store.open()
    names = [f"e{n}" for n in range(10)]
    while True:
        rows = await store.load(TENANT, APP, names)
        turns = [turned(rows.get(name), name) for name in names]
        answers = await store.commit([write(turn) for turn in turns])
        told = [f"{row.id}={row.revision}" for (row, _), a in zip(turns, answers) if a.verdict == "accepted"]
        print(*told, flush=True)

asyncio.run(run())
"""


def test_what_was_acknowledged_survives_the_kill_of_one_of_two_processes(server: Server) -> None:
    async def alone(store: PostgresStore) -> None:
        await made(store)
        command = [sys.executable, "-c", KILLED, server.url, store._schema]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) for _ in range(2)]
        told: list[str] = []
        for process in processes:
            assert process.stdout is not None
            for _ in range(6):
                told += (await asyncio.to_thread(process.stdout.readline)).decode().split()
        for process in processes:
            assert process.stdout is not None
            process.send_signal(signal.SIGKILL)
            told += process.stdout.read().decode().split()
            process.wait()
            process.stdout.close()
        assert len(told) == len(set(told)), "no revision is acknowledged twice"
        rows = await store.load(TENANT, APP, [f"e{n}" for n in range(10)])
        for name, _, revision in (one.partition("=") for one in told):
            assert rows[name].revision >= int(revision)
        await sound(store)

    on_stores(server, alone, number=1)
