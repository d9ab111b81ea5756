"""Outbox, timers, intents and housekeeping of the SQLite store: each function is one job in a transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence

import apsw
from msgspec.structs import astuple

from lathe.frozen import frozen
from lathe.store.base import INTENTS_LIMIT, REFERRED_MS, Bounds, Referring, Retiming, Swept
from lathe.store.duties import POSTPONED, overdue_rank
from lathe.store.memory_queries import referring_rows
from lathe.store.records import Intent, Leased, Outgoing, Timer, Version
from lathe.store.rows import ENTITY, ENTRY, OUTGOING, TIMER
from lathe.store.sqlite.rows import RowStatement
from lathe.store.tables import Row, columns

NEXT = """(o.phase <> 'waiting' or not exists (
    select 1 from outgoing p where p.tenant = o.tenant and p.app = o.app and p.entity = o.entity
    and (p.phase in ('started', 'stopping') or (p.phase = 'waiting' and p.number < o.number))))"""
"""The invocation `o` waits for no other one of its entity."""

_O = ", ".join(f'o."{name}"' for name in Outgoing.__struct_fields__)
_DUE = f"""select {_O} from outgoing o where max(o.due_ms, o.until_ms) <= ? and {NEXT}
    order by max(o.due_ms, o.until_ms), o.tenant, o.app, o.entity, o.number limit ?"""
_DUE_TIMERS = f"""select {TIMER} from timer where max(due_ms, until_ms) <= ?
    order by max(due_ms, until_ms), tenant, app, entity, name limit ?"""
_HOLD = RowStatement(
    """with held as {rows} update outgoing set worker = ?, until_ms = ?
    where (tenant, app, entity, number) in held""",
    4,
)
_HOLD_TIMER = RowStatement(
    """with held as {rows} update timer set worker = ?, until_ms = ?
    where (tenant, app, entity, name) in held""",
    4,
)
_RENEW = """update outgoing set until_ms = ? where tenant = ? and app = ? and entity = ? and number = ?
    and worker = ? and until_ms > ? returning tenant, app, entity, number"""
_POSTPONE = """update outgoing set due_ms = ?, attempt = ?, worker = null, until_ms = 0
    where tenant = ? and app = ? and entity = ? and number = ? and worker = ? and until_ms > ?"""
_POSTPONE_TIMER = f"""update timer set worker = '{POSTPONED}', until_ms = ?
    where tenant = ? and app = ? and entity = ? and name = ? and worker = ? and until_ms > ?"""
_NEXT_DUE = f"""select min(due) from (
    select * from (select max(o.due_ms, o.until_ms) as due from outgoing o where o.until_ms <= ?1 and {NEXT}
        order by max(o.due_ms, o.until_ms) limit 1)
    union all
    select * from (select max(due_ms, until_ms) as due from timer
        where until_ms <= ?1 or worker = '{POSTPONED}' order by max(due_ms, until_ms) limit 1))"""


def has_due(db: apsw.Connection, table: str, now_ms: int) -> bool:
    """Whether anything may be due: so that asking costs no transaction."""
    found = db.execute(
        f"select exists (select 1 from {table} where max(due_ms, until_ms) <= ?)", (now_ms,)
    ).get
    return bool(found)


def lease(db: apsw.Connection, worker: str, now_ms: int, limit: int, until_ms: int) -> list[Leased]:
    """See `Store.lease`."""
    found = [Outgoing(*row) for row in db.execute(_DUE, (now_ms, limit))]
    _HOLD.run(db, [(o.tenant, o.app, o.entity, o.number) for o in found], worker, until_ms)
    return [Leased(outgoing, until_ms) for outgoing in found]


def renew(
    db: apsw.Connection,
    worker: str,
    keys: Sequence[tuple[str, str, str, int]],
    now_ms: int,
    until_ms: int,
) -> set[tuple[str, str, str, int]]:
    """See `Store.renew`."""
    return set(db.executemany(_RENEW, [(until_ms, *key, worker, now_ms) for key in keys]))


def postpone(db: apsw.Connection, worker: str, row: Outgoing, now_ms: int) -> bool:
    """See `Store.postpone`."""
    key = (row.tenant, row.app, row.entity, row.number)
    db.execute(_POSTPONE, (row.due_ms, row.attempt, *key, worker, now_ms))
    return db.changes() > 0


def due_timers(db: apsw.Connection, worker: str, now_ms: int, limit: int, until_ms: int) -> list[Timer]:
    """See `Store.due_timers`."""
    found = [Timer(*row) for row in db.execute(_DUE_TIMERS, (now_ms, limit))]
    _HOLD_TIMER.run(db, [(t.tenant, t.app, t.entity, t.name) for t in found], worker, until_ms)
    return found


def postpone_timer(db: apsw.Connection, worker: str, row: Timer, now_ms: int, until_ms: int) -> bool:
    """See `Store.postpone_timer`."""
    key = (row.tenant, row.app, row.entity, row.name)
    db.execute(_POSTPONE_TIMER, (until_ms, *key, worker, now_ms))
    return db.changes() > 0


_IN_STATE = """tenant = ?1 and app = ?2 and blueprint = ?3 and name = '' and entity in
    (select id from entity where tenant = ?1 and app = ?2 and blueprint = ?3 and state = ?4)"""
_RETIME = f"update timer set due_ms = armed_ms + ?5, worker = null, until_ms = 0 where {_IN_STATE}"
_ARM = """insert into timer (tenant, app, blueprint, entity, name, visit, armed_ms, due_ms)
    select tenant, app, blueprint, id, '', visit, ?5, ?6 from entity e
    where tenant = ?1 and app = ?2 and blueprint = ?3 and state = ?4 and not exists
    (select 1 from timer t where t.tenant = ?1 and t.app = ?2 and t.entity = e.id and t.name = '')"""


def retime(db: apsw.Connection, version: Version, retiming: Retiming) -> None:
    """See `Retiming`; the version is the one that is applied."""
    key = (version.tenant, version.app, retiming.blueprint)
    if not retiming.state:
        said = "delete from timer where tenant = ? and app = ? and blueprint = ? and name = ?"
        db.execute(said, (*key, retiming.name))
    elif retiming.after_ms is None:
        db.execute(f"delete from timer where {_IN_STATE}", (*key, retiming.state))
    else:
        db.execute(_RETIME, (*key, retiming.state, retiming.after_ms))
        now = version.applied_ms
        db.execute(_ARM, (*key, retiming.state, now, now + retiming.after_ms))


def next_due_ms(db: apsw.Connection, now_ms: int) -> int | None:
    """See `Store.next_due_ms`."""
    found: int | None = db.execute(_NEXT_DUE, (now_ms,)).get
    return found


_LATE = "where tenant = ? and app = ? and due_ms < ? order by due_ms, entity limit ?"
OVERDUE = (f"select {TIMER} from timer {_LATE}", f"select {OUTGOING} from outgoing {_LATE}")


def overdue(db: apsw.Connection, tenant: str, app: str, before_ms: int, limit: int) -> list[Timer | Outgoing]:
    """See `Store.overdue`."""
    timers, invocations = (db.execute(asked, (tenant, app, before_ms, limit)) for asked in OVERDUE)
    late: list[Timer | Outgoing] = [Timer(*row) for row in timers]
    late += [Outgoing(*row) for row in invocations]
    return sorted(late, key=overdue_rank)[:limit]


def pending(db: apsw.Connection, key: tuple[str, str, str]) -> list[Timer | Outgoing]:
    """See `Store.pending`."""
    asked = "where tenant = ? and app = ? and entity = ?"
    found: list[Timer | Outgoing] = [
        Timer(*row) for row in db.execute(f"select {TIMER} from timer {asked}", key)
    ]
    found += [Outgoing(*row) for row in db.execute(f"select {OUTGOING} from outgoing {asked}", key)]
    return sorted(found, key=overdue_rank)


_COUNT = f"""insert into intent ({columns(Intent)}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (tenant, app, blueprint, action, state, reason, clause) do update set
    count = count + excluded.count, first_ms = min(first_ms, excluded.first_ms),
    last_ms = max(last_ms, excluded.last_ms), example = excluded.example"""
INTENT_RANK = "count desc, last_ms desc, blueprint, action, state, reason, clause"
_RAREST = f"""delete from intent where tenant = ?1 and app = ?2
    and (blueprint, action, state, reason, clause) in (
        select blueprint, action, state, reason, clause from intent where tenant = ?1 and app = ?2
        order by {INTENT_RANK} limit -1 offset {INTENTS_LIMIT})"""


def count_intents(db: apsw.Connection, intents: Sequence[Intent]) -> None:
    """See `Store.count_intents`."""
    db.executemany(_COUNT, map(astuple, intents))
    db.executemany(_RAREST, {(i.tenant, i.app) for i in intents})


_OLD = """select id from entity e where tenant = ?1 and app = ?2 and blueprint = ?3 and final_ms < ?4
    and not exists (select 1 from outgoing o where o.tenant = e.tenant and o.app = e.app and o.entity = e.id)
    {more} order by final_ms, id limit ?5"""
_AMONG = "and e.id in (select value from json_each(?7))"
_KEPT = "and e.id not in (select id from ({rows}) where id is not null)"
_WRITTEN = "r.tenant = ?1 and r.app = ?2 and r.blueprint = '{blueprint}' and r.changed_ms >= ?6"
_FIELD = (
    """select nullif(json_extract(r.body, '$.fields."{name}"'), r.id) as id from entity r where {written}"""
)
_SET = """select nullif(m.value, r.id) as id from entity r, json_each(r.body, '$.fields."{name}"') m
    where {written}"""
_MOVES = (
    f"""insert into archived_journal ({ENTRY}) select {ENTRY} from journal
        where tenant = ?1 and app = ?2 and entity = ?3""",
    "delete from journal where tenant = ?1 and app = ?2 and entity = ?3",
    f"""insert into archived_entity ({ENTITY}, archived_ms) select {ENTITY}, ?4 from entity
        where tenant = ?1 and app = ?2 and id = ?3""",
    "delete from entity where tenant = ?1 and app = ?2 and id = ?3",
    "delete from timer where tenant = ?1 and app = ?2 and entity = ?3",
    "delete from claim where tenant = ?1 and app = ?2 and entity = ?3",
)


@frozen
class Old:
    """What is to be archived: `app` is tenant, app and blueprint."""

    app: tuple[str, str, str]
    before_ms: int
    limit: int
    referring: tuple[Referring, ...] = ()

    def names(self, db: apsw.Connection, since_ms: int = 0, among: Sequence[str] | None = None) -> list[str]:
        """Whom that is, `among` some, as far as those tell who were written since then."""
        rows = referring_rows(self.referring, (_FIELD, _SET), _WRITTEN)
        more = [_KEPT.format(rows=rows)] if rows else []
        more += [_AMONG] if among is not None else []
        bound: list[object] = [*self.app, self.before_ms, self.limit]
        bound += [since_ms] if rows or among is not None else []
        bound += [json.dumps(list(among))] if among is not None else []
        return [str(name) for (name,) in db.execute(_OLD.format(more=" ".join(more)), bound)]


def archive(
    db: apsw.Connection, old: Old, among: Sequence[str] | None, now_ms: int, position: int
) -> list[str]:
    """See `Store.archive`. `among` are those to whom nobody referred a moment ago."""
    app = old.app
    found = old.names(db, now_ms - REFERRED_MS, among)
    if found:
        db.execute("insert or replace into meta values ('position', ?)", (position,))
    for move in _MOVES:
        bound = [(*app[:2], name, now_ms) if "?4" in move else (*app[:2], name) for name in found]
        db.executemany(move, bound)
    return found


_EXPIRED = """delete from receipt where (tenant, principal, key) in
    (select tenant, principal, key from receipt where expires_ms <= ? order by expires_ms limit ?)"""
_OVER = """delete from token where id in (select id from token
    where min(expires_ms, coalesce(revoked_ms, expires_ms)) <= ? order by id limit ?)"""
_DECIDED = """delete from decision where (tenant, id) in
    (select tenant, id from decision where expires_ms <= ? order by expires_ms limit ?)"""
_LEFT = """delete from held where not exists
    (select 1 from decision d where d.tenant = held.tenant and d.id = held.decision)"""
_AGED = "select tenant, app, id from archived_entity where archived_ms <= ? order by archived_ms limit ?"


def sweep(db: apsw.Connection, bounds: Bounds, now_ms: int) -> Swept:
    """See `Store.sweep`."""
    db.execute(_EXPIRED, (now_ms, bounds.rows))
    expired = db.changes()
    aged: list[Row] = []
    if bounds.archive_ms is not None:
        aged = list(db.execute(_AGED, (now_ms - bounds.archive_ms, bounds.rows)))
        for table, name in (("archived_journal", "entity"), ("archived_entity", "id")):
            db.executemany(f"delete from {table} where tenant = ? and app = ? and {name} = ?", aged)
    over = 0
    if bounds.tokens_ms is not None:
        db.execute(_OVER, (now_ms - bounds.tokens_ms, bounds.rows))
        over = db.changes()
    decided = 0
    if bounds.decisions_ms is not None:
        db.execute(_DECIDED, (now_ms - bounds.decisions_ms, bounds.rows))
        decided = db.changes()
        if decided:
            db.execute(_LEFT)
    removed = {"receipt": expired, "archived_entity": len(aged), "token": over, "decision": decided}
    return Swept(removed, bounds.rows in (over, decided) or _is_more(db, bounds, now_ms))


def _is_more(db: apsw.Connection, bounds: Bounds, now_ms: int) -> bool:
    """Whether another sweep would find something."""
    left = db.execute("select exists (select 1 from receipt where expires_ms <= ?)", (now_ms,)).get
    if not left and bounds.archive_ms is not None:
        before = (now_ms - bounds.archive_ms,)
        left = db.execute("select exists (select 1 from archived_entity where archived_ms <= ?)", before).get
    return bool(left)


def erase(db: apsw.Connection, key: tuple[str, str, str]) -> int:
    """See `Store.erase`."""
    erased = 0
    for table in ("journal", "archived_journal"):
        db.execute(
            f"""update {table} set payload = null
            where tenant = ? and app = ? and entity = ? and payload is not null""",
            key,
        )
        erased += db.changes()
    return erased
