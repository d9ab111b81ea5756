"""The store of one process: SQLite in a folder, which that process owns.

One thread writes, whole groups at a time, with every commit on disk before anyone is told; another one reads
what is committed. The event loop only hands over and takes back.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import apsw

from lathe.errors import UsageError
from lathe.store import queries
from lathe.store.audit import Audited, Change, DecisionQuery, DecisionRow, End, Seal, TokenRow
from lathe.store.base import (
    LIST_SECONDS,
    PAGE_LIMIT,
    AbsentError,
    Apply,
    Bounds,
    CorruptError,
    JournalQuery,
    Query,
    ReadOnlyError,
    Referring,
    Swept,
    Written,
)
from lathe.store.dialect import Sqlite
from lathe.store.records import (
    Answer,
    Checkpoint,
    EntityRow,
    Entry,
    Governing,
    Intent,
    Leased,
    Outgoing,
    Receipt,
    Timer,
    Version,
    Write,
)
from lathe.store.rows import ENTITY_BACK, ENTRY, bind_version, entities, entries, version_of
from lathe.store.sqlite import duties, governed
from lathe.store.sqlite.commit import Committer, Refused, last_position, transaction, unsynced
from lathe.store.sqlite.dump import dumped, is_empty, take_in
from lathe.store.sqlite.file import (
    NAME,
    Copy,
    check_version,
    connect_reader,
    connect_writer,
    translate,
    within,
)
from lathe.store.sqlite.lock import FolderLock
from lathe.store.sqlite.threads import Worker
from lathe.store.tables import Row, columns, paged

T = TypeVar("T")

_VERSION = columns(Version)
_NEW_VERSION = f"insert into version ({_VERSION}) values (?, ?, ?, ?, ?, ?, ?, ?)"
_ENTRIES = f"select {ENTRY} from journal where"
_RECEIPT = f"""select {columns(Receipt)} from receipt
    where tenant = ? and principal = ? and key = ? and expires_ms > ?"""


def system_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


class SqliteStore:
    """See `Store`. One that is opened and not there is made, unless `makes` is false: `AbsentError` then."""

    name = "sqlite"
    begins_at_once = True
    is_shared = False

    def __init__(self, folder: Path, *, clock: Callable[[], int] = system_ms, makes: bool = True) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._clock, self._makes = clock, makes
        self._lock = FolderLock(folder)
        self._listeners: list[Callable[[], None]] = []
        self._governed: list[Callable[[], None]] = []
        self._damage: CorruptError | None = None
        """What SQLite found: it is met again only where it is, and the file is no good all the same."""
        self._writer: Worker[Committer] | None = None
        self._reader: Worker[apsw.Connection] | None = None
        self._lister: Worker[apsw.Connection] | None = None
        """Looks for what may take a while, so that steps do not wait for lists."""

    async def open(self) -> None:
        assert self._writer is None, "it is opened once"
        check_version()
        if not self._makes and not self._path.exists():
            raise AbsentError(f"there is no store in `{self._folder}`")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ReadOnlyError(f"`{self._folder}` cannot be made: {error.strerror}") from error
        self._lock.take()
        writer: Worker[Committer] = Worker("lathe-writer", self._translate)
        reader: Worker[apsw.Connection] = Worker("lathe-reader", self._translate)
        lister: Worker[apsw.Connection] = Worker("lathe-lister", self._translate)
        try:
            await writer.start(lambda: Committer(connect_writer(self._path)))
            self._writer = writer
            await reader.start(lambda: connect_reader(self._path))
            self._reader = reader
            await lister.start(lambda: connect_reader(self._path))
            self._lister = lister
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        readers, writer = (self._lister, self._reader), self._writer
        self._lister = self._reader = self._writer = None
        for reader in readers:
            if reader is not None:
                await reader.stop(lambda connection: connection.close())
        if writer is not None:
            await writer.stop(lambda committer: committer.connection.close())
        self._lock.release()
        self._listeners.clear()
        self._governed.clear()

    def _translate(self, error: Exception) -> Exception:
        told = translate(error)
        if isinstance(told, CorruptError):
            self._damage = told
        return told

    async def ping(self) -> None:
        if self._damage is not None:
            raise CorruptError(str(self._damage))
        now = self._clock()

        def write(db: apsw.Connection) -> None:
            db.execute("insert or replace into meta values ('ping_ms', ?)", (now,))

        await self._change(write)

    def on_change(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def on_written(self, listener: Callable[[Sequence[Written]], None]) -> None:
        """Nobody writes beside this process."""

    async def _change(self, job: Callable[[apsw.Connection], T], *, is_lease: bool = False) -> T:
        """A job on the writer's connection, in a transaction of its own. Of a lease that a power cut takes
        back nothing but time is lost: it is on disk no sooner than the next step.
        """
        assert self._writer is not None, "the store is open"
        begin = unsynced if is_lease else transaction

        def changing(committer: Committer) -> T:
            with begin(committer.connection):
                return job(committer.connection)

        return await self._writer.call(changing)

    async def _read(self, job: Callable[[apsw.Connection], T]) -> T:
        assert self._reader is not None, "the store is open"
        return await self._reader.call(job)

    async def _listed(
        self, statement: str, bound: Sequence[object], *, seconds: float = math.inf
    ) -> list[Row]:
        """Rows that may take a while. Raises `TooLongError`."""
        assert self._lister is not None, "the store is open"
        return await self._lister.call(lambda db: within(seconds, db, statement, tuple(bound)))

    async def _rows(self, statement: str, bound: Sequence[object] = ()) -> list[Row]:
        return await self._read(lambda db: db.execute(statement, tuple(bound)).fetchall())

    def _tell(self, _: object = None) -> None:
        for listener in self._listeners:
            asyncio.get_running_loop().call_soon(listener)

    def _tell_governed(self) -> None:
        self._tell()
        for listener in self._governed:
            asyncio.get_running_loop().call_soon(listener)

    # Steps.

    def commit(self, group: Sequence[Write]) -> asyncio.Future[list[Answer]]:
        assert self._writer is not None, "the store is open"
        now = self._clock()
        answers = self._writer.submit(lambda committer: committer.commit(group, now))
        answers.add_done_callback(self._tell)
        return answers

    # Committed rows.

    async def load(self, tenant: str, app: str, ids: Sequence[str]) -> dict[str, EntityRow]:
        statement = f"select {ENTITY_BACK} from entity e where tenant = ? and app = ? and id = ?"
        bound = [(tenant, app, name) for name in ids]
        rows = await self._read(lambda db: entities(db.executemany(statement, bound)))
        return {row.id: row for row in rows}

    async def find(self, query: Query) -> list[EntityRow]:
        statement, bound = queries.find(query, Sqlite(), ENTITY_BACK)
        return entities(await self._listed(statement, bound, seconds=LIST_SECONDS))

    async def count(self, tenant: str, app: str) -> dict[tuple[str, str], int]:
        statement = """select blueprint, state, count(*) from entity
            where tenant = ? and app = ? group by blueprint, state"""
        return {(b, s): n for b, s, n in await self._listed(statement, (tenant, app))}

    async def holders(
        self, tenant: str, app: str, claims: Sequence[tuple[str, bytes]]
    ) -> dict[tuple[str, bytes], str]:
        statement = """select "unique", key, entity from claim
            where tenant = ? and app = ? and "unique" = ? and key = ?"""
        bound = [(tenant, app, *claim) for claim in claims]
        rows: list[Row] = await self._read(lambda db: db.executemany(statement, bound).fetchall())
        return {(unique, key): entity for unique, key, entity in rows}

    async def entries(self, query: JournalQuery) -> list[Entry]:
        asked = {
            "tenant": query.tenant, "app": query.app, "blueprint": query.blueprint, "entity": query.entity
        }  # fmt: skip
        given = {name: value for name, value in asked.items() if value is not None}
        # A plus keeps its condition from an index. Only an entity's entries are few enough to be sorted each
        # time; everything else is read along the positions, behind which there is little.
        plain = "" if query.entity is not None else "+"
        conditions = "".join(f" and {plain}{name} = ?" for name in given)
        until = sys.maxsize if query.until is None else query.until
        statement = f"{_ENTRIES} position > ? and position <= ?{conditions} order by position limit ?"
        return entries(await self._listed(statement, (query.after, until, *given.values(), query.limit)))

    async def hashes(self, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        statement = """select position, hash from journal where position > ?1
            union all select position, hash from archived_journal where position > ?1
            order by position limit ?2"""
        return [(position, found) for position, found in await self._rows(statement, (after, limit))]

    async def history(
        self, tenant: str, app: str, entity: str, *, after: int = 0, limit: int = PAGE_LIMIT
    ) -> list[Entry]:
        statement = (
            f"{_ENTRIES} tenant = ? and app = ? and entity = ? and revision > ? order by revision limit ?"
        )
        return entries(await self._rows(statement, (tenant, app, entity, after, limit)))

    async def position(self) -> int:
        return await self._read(last_position)

    async def receipt(self, tenant: str, principal: str, key: str) -> Receipt | None:
        rows = await self._rows(_RECEIPT, (tenant, principal, key, self._clock()))
        return Receipt(*rows[0]) if rows else None

    # Versions.

    async def governing(self) -> dict[tuple[str, str], Governing]:
        rows = await self._rows("select tenant, app, digest, epoch from governing")
        return {(t, a): Governing(d, e) for t, a, d, e in rows}

    async def version(self, tenant: str, app: str, digest: str) -> Version | None:
        statement = f"""select {_VERSION} from version where tenant = ? and app = ? and digest = ?
            order by number desc limit 1"""
        rows = await self._rows(statement, (tenant, app, digest))
        return version_of(rows[0]) if rows else None

    async def versions(self, tenant: str, app: str) -> list[Version]:
        statement = """select tenant, app, digest, '{}', x'', applied_ms, "by", note from version
            where tenant = ? and app = ? order by number desc"""
        return [version_of(row) for row in await self._rows(statement, (tenant, app))]

    async def apply(self, change: Apply) -> Answer:
        assert self._writer is not None, "the store is open"
        now = self._clock()
        answer = await self._writer.call(lambda committer: _apply(committer, change, now))
        self._tell_governed()
        return answer

    # Effects and timers.

    async def now_ms(self) -> int:
        return self._clock()

    async def lease(self, worker: str, *, limit: int, lease_ms: int) -> list[Leased]:
        now = self._clock()
        if not await self._read(lambda db: duties.has_due(db, "outgoing", now)):
            return []
        until = now + lease_ms
        return await self._change(lambda db: duties.lease(db, worker, now, limit, until), is_lease=True)

    async def renew(
        self, worker: str, keys: Sequence[tuple[str, str, str, int]], *, lease_ms: int
    ) -> set[tuple[str, str, str, int]]:
        now = self._clock()
        until = now + lease_ms
        return await self._change(lambda db: duties.renew(db, worker, keys, now, until), is_lease=True)

    async def postpone(self, worker: str, outgoing: Outgoing) -> bool:
        now = self._clock()
        return await self._change(lambda db: duties.postpone(db, worker, outgoing, now))

    async def due_timers(self, worker: str, *, limit: int, lease_ms: int) -> list[Timer]:
        now = self._clock()
        if not await self._read(lambda db: duties.has_due(db, "timer", now)):
            return []
        until = now + lease_ms
        return await self._change(lambda db: duties.due_timers(db, worker, now, limit, until), is_lease=True)

    async def postpone_timer(self, worker: str, timer: Timer, *, until_ms: int) -> bool:
        now = self._clock()
        return await self._change(lambda db: duties.postpone_timer(db, worker, timer, now, until_ms))

    async def next_due_ms(self) -> int | None:
        now = self._clock()
        return await self._read(lambda db: duties.next_due_ms(db, now))

    async def overdue(self, tenant: str, app: str, *, before_ms: int, limit: int) -> list[Timer | Outgoing]:
        return await self._read(lambda db: duties.overdue(db, tenant, app, before_ms, limit))

    async def pending(self, tenant: str, app: str, entity: str) -> list[Timer | Outgoing]:
        return await self._read(lambda db: duties.pending(db, (tenant, app, entity)))

    # Beside the journal.

    async def checkpoints(self, *, limit: int = 1) -> list[Checkpoint]:
        statement = f"select {columns(Checkpoint)} from checkpoint order by position desc limit ?"
        return [Checkpoint(*row) for row in await self._rows(statement, (limit,))]

    async def add_checkpoint(self, checkpoint: Checkpoint, *, after: int) -> bool:
        statement = """insert into checkpoint select ?1, ?2, ?3, ?4
            where ?1 > ?5 and ?5 = coalesce((select max(position) from checkpoint), 0)"""
        bound = (checkpoint.position, checkpoint.at_ms, checkpoint.root, checkpoint.signature, after)

        def add(db: apsw.Connection) -> bool:
            db.execute(statement, bound)
            return db.changes() > 0

        return await self._change(add)

    async def count_intents(self, intents: Sequence[Intent]) -> None:
        await self._change(lambda db: duties.count_intents(db, intents))

    async def intents(self, tenant: str, app: str) -> list[Intent]:
        statement = f"""select {columns(Intent)} from intent where tenant = ? and app = ?
            order by {duties.INTENT_RANK}"""
        return [Intent(*row) for row in await self._rows(statement, (tenant, app))]

    # Who may, and what was governed.

    async def govern(self, change: Change) -> bool:
        assert self._writer is not None, "the store is open"
        is_made = await self._writer.call(lambda committer: _govern(committer, change))
        self._tell_governed()
        return is_made

    def on_governed(self, listener: Callable[[], None]) -> None:
        self._governed.append(listener)

    async def lineage(self, token: str) -> list[TokenRow]:
        return [TokenRow(*row) for row in await self._rows(governed.LINEAGE, (token,))]

    async def tokens(
        self, tenant: str, *, after: str = "", limit: int = PAGE_LIMIT, living_ms: int | None = None
    ) -> list[TokenRow]:
        asked = governed.TOKENS if living_ms is None else governed.LIVING_TOKENS
        more = () if living_ms is None else (living_ms,)
        return [TokenRow(*row) for row in await self._rows(asked, (tenant, after, limit, *more))]

    async def derived_tokens(self, token: str, *, after: str = "", limit: int = PAGE_LIMIT) -> list[TokenRow]:
        return [TokenRow(*row) for row in await self._rows(governed.DERIVED_TOKENS, (token, after, limit))]

    async def decision(self, tenant: str, decision: str) -> DecisionRow | None:
        found = await self._rows(governed.DECISION, (tenant, decision))
        return DecisionRow(*found[0]) if found else None

    async def held(self, tenant: str, decision: str) -> bytes | None:
        found = await self._rows(governed.HELD, (tenant, decision))
        return found[0][0] if found else None

    async def decisions(self, query: DecisionQuery) -> list[DecisionRow]:
        bound = (query.tenant, query.state, query.by, query.live_ms, query.before, query.limit)
        return [DecisionRow(*row) for row in await self._rows(governed.DECISIONS, bound)]

    async def approved(self, tenant: str, keys: Sequence[bytes]) -> list[DecisionRow]:
        now = self._clock()
        found = [await self._rows(governed.APPROVED, (tenant, key, now)) for key in keys]
        return sorted((DecisionRow(*row) for rows in found for row in rows), key=lambda row: row.id)

    async def audit_end(self) -> End:
        return await self._read(governed.end)

    async def audit(
        self, *, tenant: str | None = None, after: int = 0, limit: int = PAGE_LIMIT
    ) -> list[Audited]:
        return [Audited(*row) for row in await self._rows(governed.AUDIT, (after, tenant, limit))]

    async def seals(self, *, limit: int = 1) -> list[Seal]:
        return [Seal(*row) for row in await self._rows(governed.SEALS, (limit,))]

    async def add_seal(self, seal: Seal) -> bool:
        return await self._change(lambda db: governed.add_seal(db, seal))

    # Keeping house.

    async def sweep(self, bounds: Bounds) -> Swept:
        now = self._clock()
        return await self._change(lambda db: duties.sweep(db, bounds, now))

    async def archive(
        self,
        tenant: str,
        app: str,
        blueprint: str,
        *,
        final_before_ms: int,
        limit: int,
        referring: Sequence[Referring] = (),
    ) -> list[str]:
        assert self._writer is not None and self._lister is not None, "the store is open"
        now = self._clock()
        old = duties.Old((tenant, app, blueprint), final_before_ms, limit, tuple(referring))
        among = await self._lister.call(old.names) if referring else None

        def moving(committer: Committer) -> list[str]:
            committer.forget()
            db, position = committer.connection, committer.position
            with transaction(db):
                return duties.archive(db, old, among, now, position)

        return await self._writer.call(moving)

    async def erase(self, tenant: str, app: str, entity: str) -> int:
        return await self._change(lambda db: duties.erase(db, (tenant, app, entity)))

    async def backup(self, target: str) -> None:
        writer = self._writer
        assert writer is not None, "the store is open"
        copy = await writer.call(lambda committer: Copy(committer.connection, Path(target)))
        try:
            while not await writer.call(lambda _: copy.step()):
                await asyncio.sleep(0)
            await writer.call(lambda _: copy.finish())
        except BaseException:
            await writer.call(lambda _: copy.abandon())
            raise

    async def dump(self) -> AsyncIterator[tuple[str, bytes]]:
        """On a connection of its own, so that it sees one moment and holds nobody up."""
        worker: Worker[apsw.Connection] = Worker("lathe-dump", self._translate)
        await worker.start(lambda: connect_reader(self._path))
        try:
            rows = await worker.call(dumped)
            while page := await worker.call(lambda _: list(islice(rows, PAGE_LIMIT))):
                for row in page:
                    yield row
        finally:
            await worker.stop(lambda connection: connection.close(True))

    async def restore(self, rows: AsyncIterator[tuple[str, bytes]]) -> int:
        writer = self._writer
        assert writer is not None, "the store is open"
        if not await self._read(is_empty):
            raise UsageError("the store is not empty")
        await writer.call(lambda committer: _execute(committer, "begin immediate"))
        count = 0
        try:
            async for page in paged(rows):
                count += len(page)
                await writer.call(partial(_take_in, page))
        except BaseException:
            await writer.call(lambda committer: _execute(committer, "rollback"))
            raise
        await writer.call(_end_restore)
        return count


def _apply(committer: Committer, change: Apply, now_ms: int) -> Answer:
    version = change.version
    app = (version.tenant, version.app)
    committer.settle()
    if committer.governing.get(app) != change.expected:
        return Answer("governed", version.app)
    after = change.governing
    answer = Answer("accepted")
    writes: tuple[Write, ...] = ()
    try:
        with committer.writing():
            writes = change.writes_with(_changed(committer.connection, change))
            answer = committer.apply(app, after, writes, now_ms)
            if answer.verdict == "accepted" and not governed.append(committer.connection, change.audit):
                answer = Answer("audit")
            if answer.verdict == "accepted" and not governed.decide(committer.connection, change.decisions):
                answer = Answer("decision")
            if answer.verdict != "accepted":
                raise Refused
            for retiming in change.retimings:
                duties.retime(committer.connection, version, retiming)
            committer.connection.execute(
                "insert or replace into governing values (?, ?, ?, ?)", (*app, after.digest, after.epoch)
            )
            committer.connection.execute(_NEW_VERSION, bind_version(version))
    except Refused:
        return answer
    committer.governing[app] = after
    committer.position += sum(len(write.entries) for write in writes)
    return answer


def _changed(db: apsw.Connection, change: Apply) -> list[EntityRow]:
    """What was written since it was examined."""
    if change.again is None:
        return []
    app = (change.version.tenant, change.version.app)
    heads = db.execute("select id, head from entity where tenant = ? and app = ?", app)
    changed = change.changed((str(name), bytes(head)) for name, head in heads)
    statement = f"select {ENTITY_BACK} from entity e where tenant = ? and app = ? and id = ?"
    return entities(db.executemany(statement, [(*app, name) for name in changed]))


def _govern(committer: Committer, change: Change) -> bool:
    try:
        with committer.writing():
            if not governed.change(committer.connection, change):
                raise Refused
    except Refused:
        return False
    committer.refresh()
    return True


def _take_in(page: Sequence[tuple[str, bytes]], committer: Committer) -> None:
    for table, data in page:
        take_in(committer.connection, table, data)


def _execute(committer: Committer, statement: str) -> None:
    committer.connection.execute(statement)


def _end_restore(committer: Committer) -> None:
    committer.connection.execute("commit")
    committer.refresh()
