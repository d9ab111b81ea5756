"""A group on SQLite: what is there is read, `accept` decides, what was accepted is written, all in one go.

Each table is written by one `executemany`: the interpreter is entered a few times for a whole group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import apsw
from msgspec.structs import astuple

from lathe.store.accept import ClaimKey, EntityKey, Standing, accept, touched
from lathe.store.base import UnavailableError
from lathe.store.duties import POSTPONED
from lathe.store.fold import Net, changed_claims, net
from lathe.store.records import GENESIS, Answer, Claim, EntityRow, Governing, Outgoing, Receipt, Timer, Write
from lathe.store.rows import ENTITY, ENTRY, OUTGOING, TIMER, bind_entity, bind_entry
from lathe.store.tables import columns


def _marks(count: int) -> str:
    return ", ".join("?" * count)


_HEADS = "select tenant, app, id, head from entity where tenant = ? and app = ? and id = ?"
_CLAIMS = """select tenant, app, "unique", key, entity from claim
    where tenant = ? and app = ? and "unique" = ? and key = ?"""
_RECEIPTS = """select tenant, principal, key from receipt
    where tenant = ? and principal = ? and key = ? and expires_ms > ?"""
_LEASES = """select tenant, app, entity, number, worker from outgoing
    where tenant = ? and app = ? and entity = ? and number = ? and until_ms > ? and worker is not null"""
_TIMER_LEASES = """select tenant, app, entity, name, worker from timer
    where tenant = ? and app = ? and entity = ? and name = ? and until_ms > ? and worker <> ''"""

_NEW_ENTITY = f"insert into entity ({ENTITY}) values ({_marks(14)})"
_OLD_ENTITY = """update entity set state = ?, visit = ?, version = ?, revision = ?, digest = ?, body = ?,
    head = ?, changed_ms = ?, final_ms = ? where tenant = ? and app = ? and id = ?"""
_ENTRY = f"insert into journal ({ENTRY}) values ({_marks(22)})"
_OUTGOING = f"""insert into outgoing ({OUTGOING}) values ({_marks(12)})
    on conflict (tenant, app, entity, number) do update set phase = excluded.phase, due_ms = excluded.due_ms,
    request = excluded.request, attempt = excluded.attempt, visit = excluded.visit, digest = excluded.digest,
    effect = excluded.effect"""
_TIMER = f"insert or replace into timer ({TIMER}) values ({_marks(8)})"
_RECEIPT = f"insert or replace into receipt ({columns(Receipt)}) values ({_marks(7)})"
_CLAIM = f"insert or replace into claim ({columns(Claim)}) values ({_marks(5)})"
_NO_OUTGOING = "delete from outgoing where tenant = ? and app = ? and entity = ? and number = ?"
_NO_TIMER = "delete from timer where tenant = ? and app = ? and entity = ? and name = ?"
_NO_CLAIM = 'delete from claim where tenant = ? and app = ? and "unique" = ? and key = ?'
_AGAIN = f"""update timer set worker = null, until_ms = 0
    where tenant = ? and app = ? and entity = ? and worker = '{POSTPONED}'"""


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Everything in it, durably, or nothing."""
    if is_busy(connection):
        raise UnavailableError("the store is being filled")
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if is_busy(connection):
            connection.execute("rollback")
        raise


def is_busy(connection: apsw.Connection) -> bool:
    """Whether a transaction is under way."""
    return connection.in_transaction


class Refused(Exception):
    """Rolls a transaction back that changes nothing."""


class Committer:
    """What the writer's thread knows beside its connection: what governs, and the last position.

    Both are true because nobody else writes; both are changed only after a commit, and read anew when it is
    not known whether one was done.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.governing: dict[tuple[str, str], Governing] = {}
        self.position = 0
        self._is_unsure = False
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
        """Read both anew."""
        connection = self.connection
        found = connection.execute("select tenant, app, digest, epoch from governing")
        self.governing = {(t, a): Governing(d, e) for t, a, d, e in found}
        self.position = last_position(connection)

    def commit(self, group: Sequence[Write], now_ms: int) -> list[Answer]:
        """One group. Nothing is written if nothing was accepted."""
        answers: list[Answer] = []
        written = 0
        with self.writing():
            standing, holders = self._standing(group, self.governing, now_ms)
            answers = accept(group, standing)
            written = self._write(group, answers, standing, holders)
        self.position += written
        return answers

    def apply(self, app: tuple[str, str], after: Governing, writes: Sequence[Write], now_ms: int) -> Answer:
        """Inside a transaction: the writes under what governs `app` `after`, all of them or none."""
        standing, holders = self._standing(writes, {**self.governing, app: after}, now_ms)
        answers = accept(writes, standing)
        refused = next((a for a in answers if a.verdict != "accepted"), None)
        if refused is None:
            self._write(writes, answers, standing, holders)
        return refused or Answer("accepted")

    def _standing(
        self, group: Sequence[Write], governing: Mapping[tuple[str, str], Governing], now_ms: int
    ) -> tuple[Standing, dict[ClaimKey, str]]:
        entities, claims, receipts, leases = touched(group)
        many = self.connection.executemany
        heads: dict[EntityKey, bytes] = {(t, a, i): h for t, a, i, h in many(_HEADS, entities)}
        holders: dict[ClaimKey, str] = {}
        held: dict[tuple[str, str, str, int | str], str] = {}
        if claims:
            holders = {(t, a, u, k): e for t, a, u, k, e in many(_CLAIMS, claims)}
        if leases:
            of_effects = [(*key, now_ms) for key in leases if isinstance(key[3], int)]
            of_timers = [(*key, now_ms) for key in leases if isinstance(key[3], str)]
            for statement, keys in ((_LEASES, of_effects), (_TIMER_LEASES, of_timers)):
                held |= {(t, a, e, w): by for t, a, e, w, by in many(statement, keys)}
        used = many(_RECEIPTS, [(*key, now_ms) for key in receipts]) if receipts else ()
        standing = Standing(
            governing=governing, heads=heads, holders=holders, receipts=used, leases=held
        )  # fmt: skip
        return standing, holders

    def _write(
        self,
        group: Sequence[Write],
        answers: Sequence[Answer],
        standing: Standing,
        holders: Mapping[ClaimKey, str],
    ) -> int:
        """How many entries were written."""
        total = net(group, answers)
        many = self.connection.executemany
        if total.entries:
            numbered = enumerate(total.entries, self.position + 1)
            many(_ENTRY, [bind_entry(entry, position) for position, entry in numbered])
        self._write_entities(total)
        if total.receipts:
            many(_RECEIPT, map(astuple, total.receipts))
        new, moved, gone = changed_claims(holders, standing.holders)
        if new or moved:
            many(_CLAIM, map(astuple, (*new, *moved)))
        if gone:
            many(_NO_CLAIM, [(c.tenant, c.app, c.unique, c.key) for c in gone])
        self._write_outgoing(total.outgoing)
        self._write_timers(total.timers)
        return len(total.entries)

    def _write_entities(self, total: Net) -> None:
        many = self.connection.executemany
        first = {(e.tenant, e.app, e.entity) for e in total.entries if e.previous == GENESIS}
        new = [row for key, row in total.entities.items() if key in first]
        old = (
            [row for key, row in total.entities.items() if key not in first]
            if new
            else total.entities.values()
        )
        if new:
            many(_NEW_ENTITY, map(bind_entity, new))
        if old:
            many(_OLD_ENTITY, map(_changes, old))
            many(_AGAIN, total.entities)

    def _write_outgoing(self, changes: Mapping[tuple[str, str, str, int], Outgoing | None]) -> None:
        if rows := [row for row in changes.values() if row is not None]:
            self.connection.executemany(_OUTGOING, map(astuple, rows))
        if gone := [key for key, row in changes.items() if row is None]:
            self.connection.executemany(_NO_OUTGOING, gone)

    def _write_timers(self, changes: Mapping[tuple[str, str, str, str], Timer | None]) -> None:
        if rows := [row for row in changes.values() if row is not None]:
            self.connection.executemany(_TIMER, map(astuple, rows))
        if gone := [key for key, row in changes.items() if row is None]:
            self.connection.executemany(_NO_TIMER, gone)


def _changes(row: EntityRow) -> tuple[object, ...]:
    return (
        row.state, row.visit, row.version, row.revision, row.digest, row.body.decode(), row.head,
        row.changed_ms, row.final_ms, row.tenant, row.app, row.id,
    )  # fmt: skip


def last_position(connection: apsw.Connection) -> int:
    """The last position that was given to an entry, also if that entry is archived, or swept since."""
    statement = """select max(position) from (select max(position) as position from journal
        union all select max(position) from archived_journal union all select max(position) from checkpoint
        union all select value from meta where name = 'position' union all select 0)"""
    found = connection.execute(statement).get
    assert isinstance(found, int), "a number"
    return found
