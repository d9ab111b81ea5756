"""The store of several processes: PostgreSQL 15 or newer, by URL.

Every process is equal: rows are locked while a group is decided, positions are given by whoever holds the
sequencer's lock, leases by the database's clock. A connection that was lost is opened again at the next call.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import asyncpg
from asyncpg import Connection

from lathe.errors import UsageError
from lathe.store import export, queries
from lathe.store.accept import accept
from lathe.store.audit import Audited, Change, DecisionQuery, DecisionRow, End, Seal, TokenRow
from lathe.store.base import (
    LIST_SECONDS,
    PAGE_LIMIT,
    Apply,
    Bounds,
    JournalQuery,
    Query,
    Referring,
    Swept,
    TooLongError,
    UnavailableError,
    Written,
)
from lathe.store.dialect import Postgres
from lathe.store.fold import net
from lathe.store.postgres import duties, governed
from lathe.store.postgres.commit import NOW, Locking, Writing
from lathe.store.postgres.connection import CLASHES, LOST, Link, check_room, connect, ping, prepare, translate
from lathe.store.postgres.dump import ENTRY, POSITION, dumped, finish, is_empty, take_in
from lathe.store.postgres.fast_path import AtOnce, at_once
from lathe.store.postgres.sequencer import Sequencer
from lathe.store.records import (
    GENESIS,
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
from lathe.store.rows import bind_version, entry_of, version_of
from lathe.store.tables import Row, columns, paged

T = TypeVar("T")

SCHEMA = "lathe"
READERS = 3
"""Connections that only read."""
TRIES = 8
"""How often a group is decided once more because another process was quicker each time."""

_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,40}")
_ENTITY = ", ".join(f'e."{name}"' for name in EntityRow.__struct_fields__)
_VERSION = columns(Version)
_ENTRIES = f"select {ENTRY}, {POSITION} from journal j"
_AFTER = """join batch b on b.id = j.batch
    where b.first >= coalesce((select max(first) from batch where first <= $1 + 1), 0)
    and b.first + j.ordinal > $1"""
"""Entries with a position after the first parameter."""
_UNTIL = "and b.first <= $3 and b.first + j.ordinal <= $3"
"""And up to the third."""
_NEW_VERSION = f"insert into version ({_VERSION}) values ($1, $2, $3, $4, $5, $6, $7, $8)"
_GOVERN = """insert into governing values ($1, $2, $3, $4)
    on conflict (tenant, app) do update set digest = excluded.digest, epoch = excluded.epoch
    where governing.epoch < excluded.epoch returning 1"""


class PostgresStore:
    """See `Store`. `schema` is where its tables are: several stores can share a database.

    One that is opened and not there is made, unless `makes` is false: `AbsentError` then.
    """

    name = "postgres"
    begins_at_once = False
    is_shared = True

    def __init__(self, url: str, *, schema: str = SCHEMA, makes: bool = True) -> None:
        if not _SCHEMA_NAME.fullmatch(schema):
            raise UsageError(f"`{schema}` cannot be the name of a schema")
        self._url, self._schema, self._makes = url, schema, makes
        self._writer = Link(url, schema, is_writer=True)
        self._worker = Link(url, schema)
        self._readers = [Link(url, schema) for _ in range(READERS)]
        self._turn = 0
        self._sequencer = Sequencer(Link(url, schema, is_writer=True), schema)

    async def open(self) -> None:
        try:
            async with self._writer.use() as db:
                await prepare(db, self._schema, makes=self._makes)
            await self._sequencer.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._sequencer.stop()
        for link in (self._writer, self._worker, *self._readers):
            await link.close()

    async def ping(self) -> None:
        if self._writer.was_full:
            await _again(self._writer, check_room)
            self._writer.was_full = False
        await self._change(ping)

    def on_change(self, listener: Callable[[], None]) -> None:
        self._sequencer.listeners.append(listener)

    def on_written(self, listener: Callable[[Sequence[Written]], None]) -> None:
        self._sequencer.written.append(listener)

    async def _change(self, work: Callable[[Connection], Awaitable[T]], link: Link | None = None) -> T:
        """Some work in a transaction, done again where another process was quicker."""
        return await _again(link or self._writer, lambda db: _in_transaction(db, work))

    async def _alone(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """One statement of the worker, which is a transaction by itself."""
        return await _again(self._worker, work)

    async def _fetch(self, statement: str, *bound: object, seconds: float | None = None) -> list[Row]:
        self._turn += 1
        links = self._readers[self._turn % READERS :] + self._readers[: self._turn % READERS]
        link = next((link for link in links if not link.is_used), links[0])
        async with link.use() as db:
            try:
                found = await db.fetch(statement, *map(_storable, bound), timeout=seconds)
            except TimeoutError as error:
                if seconds is None:
                    raise
                raise TooLongError(f"it takes longer than {seconds:g} s") from error
            return [tuple(record) for record in found]

    # Steps.

    async def commit(self, group: Sequence[Write]) -> list[Answer]:
        answers = await _again(self._writer, _Commit(group).run)
        if any(answer.verdict == "accepted" for answer in answers):
            self._writer.was_full = False
            self._sequencer.wake()
        return answers

    # Committed rows.

    async def load(self, tenant: str, app: str, ids: Sequence[str]) -> dict[str, EntityRow]:
        statement = f"select {_ENTITY} from entity e where tenant = $1 and app = $2 and id = any($3::text[])"
        rows = await self._fetch(statement, tenant, app, list(ids))
        found = {row[3]: EntityRow(*row) for row in rows}
        return {name: found[name] for name in ids if name in found}

    async def find(self, query: Query) -> list[EntityRow]:
        statement, bound = queries.find(query, Postgres(), _ENTITY)
        return [EntityRow(*row) for row in await self._fetch(statement, *bound, seconds=LIST_SECONDS)]

    async def count(self, tenant: str, app: str) -> dict[tuple[str, str], int]:
        statement = """select blueprint, state, count(*) from entity
            where tenant = $1 and app = $2 group by blueprint, state"""
        return {(b, s): n for b, s, n in await self._fetch(statement, tenant, app)}

    async def holders(
        self, tenant: str, app: str, claims: Sequence[tuple[str, bytes]]
    ) -> dict[tuple[str, bytes], str]:
        statement = """select c."unique", c.key, c.entity from unnest($3::text[], $4::bytea[]) as k(a, b)
            join claim c on c.tenant = $1 and c.app = $2 and c."unique" = k.a and c.key = k.b"""
        names, keys = [name for name, _ in claims], [key for _, key in claims]
        rows = await self._fetch(statement, tenant, app, names, keys)
        return {(unique, key): entity for unique, key, entity in rows}

    async def entries(self, query: JournalQuery) -> list[Entry]:
        asked = {
            "tenant": query.tenant, "app": query.app, "blueprint": query.blueprint, "entity": query.entity
        }  # fmt: skip
        given = {name: value for name, value in asked.items() if value is not None}
        conditions = "".join(f" and j.{name} = ${n}" for n, name in enumerate(given, 4))
        statement = f"{_ENTRIES} {_AFTER} {_UNTIL}{conditions} order by b.first, j.ordinal limit $2"
        until = sys.maxsize if query.until is None else query.until
        rows = await self._fetch(statement, query.after, query.limit, until, *given.values())
        return [entry_of(row) for row in rows]

    async def hashes(self, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        of_both = " union all ".join(
            f"""(select {POSITION} as position, j.hash from {table} j {_AFTER}
            order by b.first, j.ordinal limit $2)"""
            for table in ("journal", "archived_journal")
        )
        statement = f"{of_both} order by position limit $2"
        return [(position, found) for position, found in await self._fetch(statement, after, limit)]

    async def history(
        self, tenant: str, app: str, entity: str, *, after: int = 0, limit: int = PAGE_LIMIT
    ) -> list[Entry]:
        statement = f"""{_ENTRIES} left join batch b on b.id = j.batch
            where tenant = $1 and app = $2 and entity = $3 and revision > $4 order by revision limit $5"""
        return [entry_of(row) for row in await self._fetch(statement, tenant, app, entity, after, limit)]

    async def position(self) -> int:
        found: int = (await self._fetch("select value from meta where name = 'position'"))[0][0]
        return found

    async def receipt(self, tenant: str, principal: str, key: str) -> Receipt | None:
        statement = f"""select {columns(Receipt)} from receipt
            where tenant = $1 and principal = $2 and key = $3 and expires_ms > {NOW}"""
        rows = await self._fetch(statement, tenant, principal, key)
        return Receipt(*rows[0]) if rows else None

    # Versions.

    async def governing(self) -> dict[tuple[str, str], Governing]:
        rows = await self._fetch("select tenant, app, digest, epoch from governing")
        return {(t, a): Governing(d, e) for t, a, d, e in rows}

    async def version(self, tenant: str, app: str, digest: str) -> Version | None:
        statement = f"""select {_VERSION} from version where tenant = $1 and app = $2 and digest = $3
            order by number desc limit 1"""
        rows = await self._fetch(statement, tenant, app, digest)
        return version_of(rows[0]) if rows else None

    async def versions(self, tenant: str, app: str) -> list[Version]:
        statement = """select tenant, app, digest, '{}', ''::bytea, applied_ms, "by", note from version
            where tenant = $1 and app = $2 order by number desc"""
        return [version_of(row) for row in await self._fetch(statement, tenant, app)]

    async def apply(self, change: Apply) -> Answer:
        try:
            answer = await self._change(lambda db: _apply(db, change, self._schema))
        except _Refused as refused:
            return refused.answers[0]
        self._sequencer.wake()
        return answer

    # Effects and timers.

    async def now_ms(self) -> int:
        found: int = (await self._fetch(f"select {NOW}"))[0][0]
        return found

    async def lease(self, worker: str, *, limit: int, lease_ms: int) -> list[Leased]:
        return await self._alone(lambda db: duties.lease(db, worker, limit, lease_ms))

    async def renew(
        self, worker: str, keys: Sequence[tuple[str, str, str, int]], *, lease_ms: int
    ) -> set[tuple[str, str, str, int]]:
        return await self._alone(lambda db: duties.renew(db, worker, keys, lease_ms))

    async def postpone(self, worker: str, outgoing: Outgoing) -> bool:
        return await self._alone(lambda db: duties.postpone(db, worker, outgoing))

    async def due_timers(self, worker: str, *, limit: int, lease_ms: int) -> list[Timer]:
        return await self._alone(lambda db: duties.due_timers(db, worker, limit, lease_ms))

    async def postpone_timer(self, worker: str, timer: Timer, *, until_ms: int) -> bool:
        return await self._alone(lambda db: duties.postpone_timer(db, worker, timer, until_ms))

    async def next_due_ms(self) -> int | None:
        return await self._alone(duties.next_due_ms)

    async def overdue(self, tenant: str, app: str, *, before_ms: int, limit: int) -> list[Timer | Outgoing]:
        return await self._change(lambda db: duties.overdue(db, tenant, app, before_ms, limit), self._worker)

    async def pending(self, tenant: str, app: str, entity: str) -> list[Timer | Outgoing]:
        return await self._change(lambda db: duties.pending(db, (tenant, app, entity)))

    # Beside the journal.

    async def checkpoints(self, *, limit: int = 1) -> list[Checkpoint]:
        statement = f"select {columns(Checkpoint)} from checkpoint order by position desc limit $1"
        return [Checkpoint(*row) for row in await self._fetch(statement, limit)]

    async def add_checkpoint(self, checkpoint: Checkpoint, *, after: int) -> bool:
        statement = """insert into checkpoint select $1::bigint, $2::bigint, $3::bytea, $4::bytea
            where $1 > $5 and $5 = coalesce((select max(position) from checkpoint), 0) returning 1"""
        bound = (checkpoint.position, checkpoint.at_ms, checkpoint.root, checkpoint.signature, after)

        async def add(db: Connection) -> bool:
            await db.execute("select pg_advisory_xact_lock(hashtextextended($1, 17))", self._schema)
            return bool(await db.fetch(statement, *bound))

        return await self._change(add)

    async def count_intents(self, intents: Sequence[Intent]) -> None:
        await self._change(lambda db: duties.count_intents(db, intents), self._worker)

    async def intents(self, tenant: str, app: str) -> list[Intent]:
        statement = f"""select {columns(Intent)} from intent where tenant = $1 and app = $2
            order by {duties.INTENT_RANK}"""
        return [Intent(*row) for row in await self._fetch(statement, tenant, app)]

    # Who may, and what was governed.

    async def govern(self, change: Change) -> bool:
        try:
            await self._change(lambda db: governed.change(db, change, self._schema))
        except governed.Outdated:
            return False
        return True

    def on_governed(self, listener: Callable[[], None]) -> None:
        self._sequencer.governed.append(listener)

    async def lineage(self, token: str) -> list[TokenRow]:
        return [TokenRow(*row) for row in await self._fetch(governed.LINEAGE, token)]

    async def tokens(
        self, tenant: str, *, after: str = "", limit: int = PAGE_LIMIT, living_ms: int | None = None
    ) -> list[TokenRow]:
        asked = governed.TOKENS if living_ms is None else governed.LIVING_TOKENS
        more = () if living_ms is None else (living_ms,)
        return [TokenRow(*row) for row in await self._fetch(asked, tenant, after, limit, *more)]

    async def derived_tokens(self, token: str, *, after: str = "", limit: int = PAGE_LIMIT) -> list[TokenRow]:
        return [TokenRow(*row) for row in await self._fetch(governed.DERIVED_TOKENS, token, after, limit)]

    async def decision(self, tenant: str, decision: str) -> DecisionRow | None:
        found = await self._fetch(governed.DECISION, tenant, decision)
        return DecisionRow(*found[0]) if found else None

    async def held(self, tenant: str, decision: str) -> bytes | None:
        found = await self._fetch(governed.HELD, tenant, decision)
        return found[0][0] if found else None

    async def decisions(self, query: DecisionQuery) -> list[DecisionRow]:
        bound = (query.tenant, query.state, query.by, query.live_ms, query.before, query.limit)
        return [DecisionRow(*row) for row in await self._fetch(governed.DECISIONS, *bound)]

    async def approved(self, tenant: str, keys: Sequence[bytes]) -> list[DecisionRow]:
        return [DecisionRow(*row) for row in await self._fetch(governed.APPROVED, tenant, list(keys))]

    async def audit_end(self) -> End:
        rows = await self._fetch(governed.END)
        return End(*rows[0]) if rows else End()

    async def audit(
        self, *, tenant: str | None = None, after: int = 0, limit: int = PAGE_LIMIT
    ) -> list[Audited]:
        return [Audited(*row) for row in await self._fetch(governed.AUDIT, after, tenant, limit)]

    async def seals(self, *, limit: int = 1) -> list[Seal]:
        return [Seal(*row) for row in await self._fetch(governed.SEALS, limit)]

    async def add_seal(self, seal: Seal) -> bool:
        return await self._change(lambda db: governed.add_seal(db, seal, self._schema))

    # Keeping house.

    async def sweep(self, bounds: Bounds) -> Swept:
        return await self._change(lambda db: duties.sweep(db, bounds), self._worker)

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
        old = duties.Old((tenant, app, blueprint), final_before_ms, limit, tuple(referring))
        among: list[str] | None = None
        if referring:
            statement, bound = old.statement(is_among=False)
            among = [str(name) for (name,) in await self._fetch(statement, *bound, 0)]
        return await self._change(lambda db: duties.archive(db, old, among), self._worker)

    async def erase(self, tenant: str, app: str, entity: str) -> int:
        return await self._change(lambda db: duties.erase(db, (tenant, app, entity)), self._worker)

    async def backup(self, target: str) -> None:
        await export.write(self.dump(), Path(target))

    async def dump(self) -> AsyncIterator[tuple[str, bytes]]:
        """On a connection of its own, so that it sees one moment and holds nobody up."""
        await self._sequencer.run_once()
        db = await connect(self._url, self._schema)
        try:
            async for row in dumped(db):
                yield row
        except LOST as error:
            raise translate(error) from error
        finally:
            db.terminate()

    async def restore(self, rows: AsyncIterator[tuple[str, bytes]]) -> int:
        count = 0
        async with self._writer.use() as db, db.transaction():
            if not await is_empty(db):
                raise UsageError("the store is not empty")
            async for page in paged(rows):
                await take_in(db, page)
                count += len(page)
            await finish(db)
        self._sequencer.wake()
        return count


class _Refused(Exception):
    """Nothing of a group was accepted: the transaction is rolled back."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(answers)
        self.answers = answers


async def _again(link: Link, work: Callable[[Connection], Awaitable[T]]) -> T:
    clash: Exception | None = None
    for _ in range(TRIES):
        try:
            async with link.use() as db:
                return await work(db)
        except CLASHES as error:
            clash = error
    assert clash is not None, "only a clash leads here"
    raise translate(clash) from clash


async def _in_transaction(db: Connection, work: Callable[[Connection], Awaitable[T]]) -> T:
    """`begin`, the work, `commit`. Only what is lost during the commit is not known afterwards."""
    await db.execute("begin isolation level read committed")
    try:
        result = await work(db)
    except LOST:
        raise
    except Exception:
        await db.execute("rollback")
        raise
    try:
        await db.execute("commit")
    except LOST as error:
        raise UnavailableError(f"PostgreSQL was lost during a commit: {error}", maybe=True) from error
    return result


class _Commit:
    """A group, which is looked at when its turn comes: at first in one statement, for nearly always that can
    tell what fits; if it cannot, under locks.
    """

    def __init__(self, group: Sequence[Write]) -> None:
        self._group = group
        self._is_first = True

    async def run(self, db: Connection) -> list[Answer]:
        group = tuple(self._group)
        if not group:
            return []
        is_first, self._is_first = self._is_first, False
        if is_first and (whole := at_once(group)) is not None:
            answers = await _tried(db, whole)
            if answers is not None:
                return answers
        locking = Locking(group, with_governing=True)
        try:
            return await _in_transaction(db, lambda db: _decide(db, group, locking, {}, needs_all=False))
        except _Refused as refused:
            return refused.answers


async def _tried(db: Connection, whole: AtOnce) -> list[Answer] | None:
    """What became of a group: what fitted is durable now. None if nothing was written."""
    try:
        row: Row = await db.fetchrow(whole.said, *whole.arguments)
    except asyncpg.DivisionByZeroError:  # a key that was used in the meantime
        return None
    except ValueError:  # the driver's: nothing was sent
        raise
    except LOST as error:
        db.terminate()
        raise UnavailableError(f"PostgreSQL was lost during a commit: {error}", maybe=True) from error
    return whole.answers(row)


async def _decide(
    db: Connection,
    group: Sequence[Write],
    locking: Locking,
    governing: dict[tuple[str, str], Governing],
    *,
    needs_all: bool,
) -> list[Answer]:
    """Lock, decide and write. Raises `_Refused` if nothing is to be written."""
    found = await db.fetch(locking.said, *locking.statement.arguments) if locking.said else []
    standing, before = locking.standing([tuple(record) for record in found], governing)
    answers = accept(group, standing)
    refused = [answer for answer in answers if answer.verdict != "accepted"]
    if (needs_all and refused) or (refused and len(refused) == len(answers)):
        raise _Refused(refused if needs_all else answers)
    await _keep_absent(db, group, answers)
    writing = Writing([net(group, answers)], before, standing.holders)
    if writing.said:
        written = await db.fetchval(writing.said, *writing.arguments)
        if written != writing.receipts:
            raise CLASHES[0]("another process used the same idempotency key")
    return answers


_PLACEHOLDERS = """insert into entity (tenant, app, blueprint, id, state, visit, version, revision, digest,
        body, head, created_ms, changed_ms, fields)
    select a, b, '', c, '', 0, 0, 0, '', '', '', 0, 0, '{}'
    from unnest($1::text[], $2::text[], $3::text[]) as k(a, b, c) order by a, b, c"""
_NO_PLACEHOLDERS = """delete from entity e using unnest($1::text[], $2::text[], $3::text[]) as k(a, b, c)
    where e.tenant = k.a and e.app = k.b and e.id = k.c"""


async def _keep_absent(db: Connection, group: Sequence[Write], answers: Sequence[Answer]) -> None:
    """Lock what an accepted write read as not being there: a row that is made and removed again holds its
    place in the index until the commit, so that whoever wants to create it waits, or has been quicker.
    """
    absent: set[tuple[str, str, str]] = set()
    for write, answer in zip(group, answers, strict=True):
        if answer.verdict == "accepted":
            written = {row.id for row in write.entities}
            read = (name for name, head in write.bases if head == GENESIS and name not in written)
            absent.update((write.tenant, write.app, name) for name in read)
    if absent:
        columns_of = [list(column) for column in zip(*sorted(absent), strict=True)]
        await db.execute(_PLACEHOLDERS, *columns_of)
        await db.execute(_NO_PLACEHOLDERS, *columns_of)


async def _changed(db: Connection, change: Apply) -> list[EntityRow]:
    """What was written since it was examined; who writes waits for the lock on what governs the app."""
    if change.again is None:
        return []
    app = (change.version.tenant, change.version.app)
    heads = await db.fetch("select id, head from entity where tenant = $1 and app = $2", *app)
    changed = change.changed((name, head) for name, head in heads)
    statement = f"select {_ENTITY} from entity e where tenant = $1 and app = $2 and id = any($3::text[])"
    return [EntityRow(*row) for row in await db.fetch(statement, *app, changed)] if changed else []


async def _apply(db: Connection, change: Apply, schema: str) -> Answer:
    version, after = change.version, change.governing
    app = (version.tenant, version.app)
    if not await governed.append(db, change.audit, schema):
        raise _Refused([Answer("audit")])
    statement = "select digest, epoch from governing where tenant = $1 and app = $2 for update"
    found = await db.fetchrow(statement, *app)
    if (Governing(*found) if found else None) != change.expected:
        raise _Refused([Answer("governed", version.app)])
    writes = change.writes_with(await _changed(db, change))
    if writes:
        locking = Locking(writes, with_governing=False)
        await _decide(db, writes, locking, {app: after}, needs_all=True)
    for retiming in change.retimings:
        await duties.retime(db, version, retiming)
    if not await db.fetch(_GOVERN, *app, after.digest, after.epoch):
        raise CLASHES[0]("another process applied a version at the same moment")
    await db.execute(_NEW_VERSION, *bind_version(version))
    if not await governed.decide(db, change.decisions):
        raise _Refused([Answer("decision")])
    return Answer("accepted")


def _storable(value: object) -> object:
    """PostgreSQL's texts have no NUL: a name with one is that of nothing."""
    if isinstance(value, list):
        return [Postgres.storable(item) for item in value]
    return Postgres.storable(value)
