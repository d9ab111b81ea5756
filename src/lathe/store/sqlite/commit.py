"""A group on SQLite: read what it touches, let `accept` decide, write, in one transaction.

Each table is written by few statements over many rows (`sqlite_rows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import apsw
import msgspec
from msgspec.structs import astuple

from lathe.store.accept import ClaimKey, EntityKey, Standing, accept, decided, touched
from lathe.store.base import UnavailableError
from lathe.store.duties import POSTPONED
from lathe.store.fold import Net, changed_claims, net
from lathe.store.records import GENESIS, Answer, Claim, Governing, Receipt, Write
from lathe.store.rows import ENTITY, ENTRY, OUTGOING, TIMER, bind_entity, bind_entry
from lathe.store.sqlite import fast_path
from lathe.store.sqlite.file import by_the_system
from lathe.store.sqlite.rows import (
    ENTITY_AGAIN,
    OUTGOING_AGAIN,
    RECEIPT_AGAIN,
    TIMER_AGAIN,
    RowStatement,
    held_rows,
)
from lathe.store.tables import columns


def _insert(table: str, names: str, width: int, otherwise: str = "") -> RowStatement:
    said = f"insert into {table} ({names}) select * from {{rows}} where column1 is not null {otherwise}"
    return RowStatement(said, width)


_HEADS = RowStatement(
    """select json_group_array(json_array(k.column1, hex(e.head))) from {rows} as k cross join entity e
    on e.tenant = k.column2 and e.app = k.column3 and e.id = k.column4""",
    4,
)
_CLAIMS = RowStatement(
    """select c.tenant, c.app, c."unique", c.key, c.entity from {rows} as k cross join claim c
    on c.tenant = k.column1 and c.app = k.column2 and c."unique" = k.column3 and c.key = k.column4""",
    4,
)
_RECEIPTS = RowStatement(
    """select r.tenant, r.principal, r.key from {rows} as k cross join receipt r
    on r.tenant = k.column1 and r.principal = k.column2 and r.key = k.column3 where r.expires_ms > ?""",
    3,
)
_LEASES = RowStatement(
    """select o.tenant, o.app, o.entity, o.number, o.worker from {rows} as k cross join outgoing o
    on o.tenant = k.column1 and o.app = k.column2 and o.entity = k.column3 and o.number = k.column4
    where o.until_ms > ? and o.worker is not null""",
    4,
)
_TIMER_LEASES = RowStatement(
    f"""select t.tenant, t.app, t.entity, t.name, t.worker from {{rows}} as k cross join timer t
    on t.tenant = k.column1 and t.app = k.column2 and t.entity = k.column3 and t.name = k.column4
    where t.until_ms > ? and t.worker <> '{POSTPONED}'""",
    4,
)
_DECISIONS = RowStatement(
    """select d.tenant, d.id, d.revision from {rows} as k cross join decision d
    on d.tenant = k.column1 and d.id = k.column2 where d.state = 'approved' and d.expires_ms > ?""",
    2,
)

_NEW_ENTITY = _insert("entity", ENTITY, 14)
_OLD_ENTITY = _insert("entity", ENTITY, 14, ENTITY_AGAIN)
_ENTRY = _insert("journal", ENTRY, 22)
_OUTGOING = _insert("outgoing", f"{OUTGOING}, worker, until_ms", 14, OUTGOING_AGAIN)
_TIMER = _insert("timer", TIMER, 8, TIMER_AGAIN)
_RECEIPT = _insert("receipt", columns(Receipt), 7, RECEIPT_AGAIN)
_CLAIM = _insert(
    "claim",
    columns(Claim),
    5,
    'on conflict (tenant, app, "unique", key) do update set entity = excluded.entity',
)
_NO_OUTGOING = RowStatement("delete from outgoing where (tenant, app, entity, number) in {rows}", 4)
_NO_TIMER = RowStatement("delete from timer where (tenant, app, entity, name) in {rows}", 4)
_NO_CLAIM = RowStatement('delete from claim where (tenant, app, "unique", key) in {rows}', 4)
_AGAIN = RowStatement(
    f"""update timer set worker = null, until_ms = 0
    where worker = '{POSTPONED}' and (tenant, app, entity) in {{rows}}""",
    3,
)

_USED = RowStatement(
    "update decision set state = 'used', revision = revision + 1 where (tenant, id) in {rows}", 2
)

_heads = msgspec.json.Decoder(list[tuple[int, str]]).decode


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Everything in it, durably, or nothing."""
    if is_busy(connection):
        raise UnavailableError("the store is being filled")
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException as error:
        told = by_the_system(connection, error)
        if is_busy(connection):
            connection.execute("rollback")
        if told is not error:
            raise told from error
        raise


@contextmanager
def unsynced(connection: apsw.Connection) -> Iterator[None]:
    """The same, but a power cut may take it back until the next durable one."""
    connection.execute("pragma synchronous = normal")
    try:
        with transaction(connection):
            yield
    finally:
        connection.execute("pragma synchronous = full")


def is_busy(connection: apsw.Connection) -> bool:
    """Whether a transaction is under way."""
    return connection.in_transaction


class Refused(Exception):
    """Rolls a transaction back that changes nothing."""


HEADS_LIMIT = 65_536
"""Heads that are remembered; when there are as many, they are read anew."""


class Committer:
    """What the writer's thread knows beside its connection: what governs, the last position, heads, states.

    All are true because nobody else writes; they are changed only after a commit, and read anew when it is
    not known whether one was done.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.governing: dict[tuple[str, str], Governing] = {}
        self.position = 0
        self._heads: dict[EntityKey, bytes] = {}
        self._states: dict[EntityKey, str] = {}
        """Of some of those, as they were written in one call."""
        self._is_unsure = False
        fast_path.prepare(connection)
        self.refresh()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that may change what is known here."""
        self.settle()
        try:
            with transaction(self.connection):
                yield
        except Refused:
            raise
        except BaseException:
            self._is_unsure = True
            raise

    def settle(self) -> None:
        """Know again what is true, after a commit that failed."""
        if self._is_unsure:
            self.refresh()
            self._is_unsure = False

    def refresh(self) -> None:
        """Know nothing but what is read anew."""
        connection = self.connection
        self.forget()
        found = connection.execute("select tenant, app, digest, epoch from governing")
        self.governing = {(t, a): Governing(d, e) for t, a, d, e in found}
        self.position = last_position(connection)

    def forget(self) -> None:
        """Know no heads any more: entities are changed otherwise than by a group."""
        self._heads.clear()
        self._states.clear()

    def commit(self, group: Sequence[Write], now_ms: int) -> list[Answer]:
        """One group. Nothing is written if nothing was accepted."""
        writes = tuple(group)
        if not writes:
            return []
        answers = self._at_once(writes, now_ms) if fast_path.can_be(writes) else None
        return self._one_by_one(writes, now_ms) if answers is None else answers

    def _at_once(self, group: Sequence[Write], now_ms: int) -> list[Answer] | None:
        """A group in one call; None: something is otherwise than was expected, and nothing is written."""
        self.settle()
        if is_busy(self.connection):
            return None
        standing = fast_path.expected(group, self.governing, self._known_heads(group))
        answers = accept(group, standing)
        if any(answer.verdict != "accepted" for answer in answers):
            return None
        total = net(group, answers)
        rows = fast_path.rows_of(group, total, self._states, self.position, now_ms)
        if len(rows) > fast_path.ROWS_LIMIT:
            return None
        try:
            if not fast_path.put(self.connection, rows):
                return None
        except BaseException as error:
            self._is_unsure = True
            told = by_the_system(self.connection, error)
            if told is not error:
                raise told from error
            raise
        self._heads.update(standing.heads)
        self._states.update(fast_path.states_of(total))
        self.position += len(total.entries)
        return answers

    def _known_heads(self, group: Sequence[Write]) -> dict[EntityKey, bytes]:
        """The heads that a group builds on; those that nobody asked for before are read."""
        keys = {(write.tenant, write.app, name) for write in group for name, _ in write.bases}
        if not self._heads.keys() >= keys:
            if len(self._heads) > HEADS_LIMIT:
                self.forget()
            missing = tuple(keys - self._heads.keys())
            found = self._read_heads(missing)
            self._heads.update({key: found.get(key, GENESIS) for key in missing})
        return {key: self._heads[key] for key in keys}

    def _one_by_one(self, writes: Sequence[Write], now_ms: int) -> list[Answer]:
        """The same with everything looked at that it touches, in a transaction."""
        answers: list[Answer] = []
        written = 0
        with self.writing():
            standing, holders = self._standing(writes, self.governing, now_ms)
            answers = accept(writes, standing)
            written = self._write(writes, answers, standing, holders, now_ms)
        self.position += written
        self._heads.update(standing.heads)
        self._states.clear()
        return answers

    def apply(self, app: tuple[str, str], after: Governing, writes: Sequence[Write], now_ms: int) -> Answer:
        """Inside a transaction: the writes under what governs `app` `after`, all of them or none."""
        self.forget()
        standing, holders = self._standing(writes, {**self.governing, app: after}, now_ms)
        answers = accept(writes, standing)
        refused = next((a for a in answers if a.verdict != "accepted"), None)
        if refused is None:
            self._write(writes, answers, standing, holders, now_ms)
        return refused or Answer("accepted")

    def _standing(
        self, group: Sequence[Write], governing: Mapping[tuple[str, str], Governing], now_ms: int
    ) -> tuple[Standing, dict[ClaimKey, str]]:
        entities, claims, receipts, leases = touched(group)
        db = self.connection
        heads = self._read_heads(tuple(entities))
        holders: dict[ClaimKey, str] = {}
        held: dict[tuple[str, str, str, int | str], str] = {}
        if claims:
            holders = {(t, a, u, k): e for t, a, u, k, e in _CLAIMS.run(db, claims)}
        if leases:
            of_effects = [key for key in leases if isinstance(key[3], int)]
            of_timers = [key for key in leases if isinstance(key[3], str)]
            for statement, keys in ((_LEASES, of_effects), (_TIMER_LEASES, of_timers)):
                held |= {(t, a, e, w): by for t, a, e, w, by in statement.run(db, keys, now_ms)}
        used = [(t, p, k) for t, p, k in _RECEIPTS.run(db, receipts, now_ms)]
        standing = Standing(
            governing=governing, heads=heads, holders=holders, receipts=used, leases=held
        )  # fmt: skip
        if asked := decided(group):
            standing.decisions = {(t, d): n for t, d, n in _DECISIONS.run(db, asked, now_ms)}
        return standing, holders

    def _read_heads(self, keys: tuple[EntityKey, ...]) -> dict[EntityKey, bytes]:
        """The heads of those that exist, in one row: each row more would be a call more."""
        found = _HEADS.run(self.connection, [(n, *key) for n, key in enumerate(keys)])
        return {keys[n]: bytes.fromhex(head) for (listed,) in found for n, head in _heads(listed)}

    def _write(
        self,
        group: Sequence[Write],
        answers: Sequence[Answer],
        standing: Standing,
        holders: Mapping[ClaimKey, str],
        now_ms: int,
    ) -> int:
        """How many entries were written."""
        db, total = self.connection, net(group, answers)
        numbered = enumerate(total.entries, self.position + 1)
        _ENTRY.run(db, [bind_entry(entry, position) for position, entry in numbered])
        self._write_entities(total)
        _RECEIPT.run(db, [astuple(receipt) for receipt in total.receipts])
        new, moved, gone = changed_claims(holders, standing.holders)
        _CLAIM.run(db, [astuple(claim) for claim in (*new, *moved)])
        _NO_CLAIM.run(db, [(c.tenant, c.app, c.unique, c.key) for c in gone])
        _OUTGOING.run(db, held_rows(total, now_ms))
        _NO_OUTGOING.run(db, [key for key, row in total.outgoing.items() if row is None])
        _TIMER.run(db, [astuple(row) for row in total.timers.values() if row is not None])
        _NO_TIMER.run(db, [key for key, row in total.timers.items() if row is None])
        _USED.run(db, total.decisions)
        return len(total.entries)

    def _write_entities(self, total: Net) -> None:
        first = {(e.tenant, e.app, e.entity) for e in total.entries if e.previous == GENESIS}
        new = [bind_entity(row) for key, row in total.entities.items() if key in first]
        old = [bind_entity(row) for key, row in total.entities.items() if key not in first]
        _NEW_ENTITY.run(self.connection, new)
        _OLD_ENTITY.run(self.connection, old)
        if old:
            _AGAIN.run(self.connection, total.entities)


def last_position(connection: apsw.Connection) -> int:
    """The last position that was given to an entry, also if that entry is archived, or swept since."""
    statement = """select max(position) from (select max(position) as position from journal
        union all select max(position) from archived_journal union all select max(position) from checkpoint
        union all select value from meta where name = 'position' union all select 0)"""
    found = connection.execute(statement).get
    assert isinstance(found, int), "a number"
    return found
