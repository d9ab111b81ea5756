"""Outbox, timers, intents and housekeeping on PostgreSQL: statements, and the functions that run them.

A lease is taken with `SKIP LOCKED`, so that workers of several processes do not wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from asyncpg import Connection
from msgspec.structs import astuple

from lathe.frozen import frozen
from lathe.store.base import INTENTS_LIMIT, REFERRED_MS, Bounds, Referring, Retiming, Swept
from lathe.store.duties import POSTPONED, overdue_rank
from lathe.store.memory_queries import referring_rows
from lathe.store.postgres.commit import NOW
from lathe.store.records import EntityRow, Intent, Leased, Outgoing, Timer, Version
from lathe.store.tables import Row, columns, intent_key

NEXT = """(o.phase <> 'waiting' or not exists (
    select 1 from outgoing p where p.tenant = o.tenant and p.app = o.app and p.entity = o.entity
    and (p.phase in ('started', 'stopping') or (p.phase = 'waiting' and p.number < o.number))))"""
"""The invocation `o` waits for no other one of its entity."""

_OUTGOING = ", ".join(f'o."{name}"' for name in Outgoing.__struct_fields__)
_TIMER = ", ".join(f't."{name}"' for name in Timer.__struct_fields__)
_LEASE = f"""with clock as (select {NOW} as now), due as (
    select o.tenant, o.app, o.entity, o.number, greatest(o.due_ms, o.until_ms) as since from outgoing o, clock
    where greatest(o.due_ms, o.until_ms) <= clock.now and {NEXT}
    order by since, o.tenant, o.app, o.entity, o.number
    limit $2 for update of o skip locked)
    update outgoing o set worker = $1, until_ms = clock.now + $3 from due, clock
    where o.tenant = due.tenant and o.app = due.app and o.entity = due.entity and o.number = due.number
    returning {_OUTGOING}, o.until_ms, due.since"""
_DUE_TIMERS = f"""with clock as (select {NOW} as now), due as (
    select t.tenant, t.app, t.entity, t.name, greatest(t.due_ms, t.until_ms) as since from timer t, clock
    where greatest(t.due_ms, t.until_ms) <= clock.now
    order by since, t.tenant, t.app, t.entity, t.name
    limit $2 for update of t skip locked)
    update timer t set worker = $1, until_ms = clock.now + $3 from due, clock
    where t.tenant = due.tenant and t.app = due.app and t.entity = due.entity and t.name = due.name
    returning {_TIMER}, due.since"""
_RENEW = f"""with held as (
    select o.tenant, o.app, o.entity, o.number from outgoing o
    join unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) as k(a, b, c, d)
    on o.tenant = k.a and o.app = k.b and o.entity = k.c and o.number = k.d
    where o.worker = $1 and o.until_ms > {NOW} order by 1, 2, 3, 4 for update of o)
    update outgoing o set until_ms = {NOW} + $6 from held
    where o.tenant = held.tenant and o.app = held.app and o.entity = held.entity and o.number = held.number
    returning o.tenant, o.app, o.entity, o.number"""
_POSTPONE = f"""update outgoing set due_ms = $6, attempt = $7, worker = null, until_ms = 0
    where tenant = $2 and app = $3 and entity = $4 and number = $5 and worker = $1 and until_ms > {NOW}
    returning 1"""
_POSTPONE_TIMER = f"""update timer set worker = '{POSTPONED}', until_ms = $6
    where tenant = $2 and app = $3 and entity = $4 and name = $5 and worker = $1 and until_ms > {NOW}
    returning 1"""
_NEXT_DUE = f"""select min(due) from (
    (select greatest(o.due_ms, o.until_ms) as due from outgoing o where o.until_ms <= {NOW} and {NEXT}
        order by 1 limit 1)
    union all
    (select greatest(t.due_ms, t.until_ms) as due from timer t
        where t.until_ms <= {NOW} or t.worker = '{POSTPONED}' order by 1 limit 1)) as found"""


async def lease(db: Connection, worker: str, limit: int, lease_ms: int) -> list[Leased]:
    """See `Store.lease`."""
    found = sorted(map(tuple, await db.fetch(_LEASE, worker, limit, lease_ms)), key=_since_and_key)
    return [Leased(Outgoing(*row[:12]), row[12]) for row in found]


async def due_timers(db: Connection, worker: str, limit: int, lease_ms: int) -> list[Timer]:
    """See `Store.due_timers`."""
    found = sorted(map(tuple, await db.fetch(_DUE_TIMERS, worker, limit, lease_ms)), key=_since_and_key)
    return [Timer(*row[:-1]) for row in found]


def _since_and_key(row: Row) -> Row:
    """Since when a row is due, and its key: `returning` keeps no order."""
    return row[-1], row[0], row[1], row[3], row[4]


async def renew(
    db: Connection, worker: str, keys: Sequence[tuple[str, str, str, int]], lease_ms: int
) -> set[tuple[str, str, str, int]]:
    """See `Store.renew`."""
    if not keys:
        return set()
    return {tuple(row) for row in await db.fetch(_RENEW, worker, *zip(*keys, strict=True), lease_ms)}


async def postpone(db: Connection, worker: str, row: Outgoing) -> bool:
    """See `Store.postpone`."""
    key = (row.tenant, row.app, row.entity, row.number)
    return bool(await db.fetch(_POSTPONE, worker, *key, row.due_ms, row.attempt))


async def postpone_timer(db: Connection, worker: str, row: Timer, until_ms: int) -> bool:
    """See `Store.postpone_timer`."""
    key = (row.tenant, row.app, row.entity, row.name)
    return bool(await db.fetch(_POSTPONE_TIMER, worker, *key, until_ms))


_IN_STATE = """tenant = $1 and app = $2 and blueprint = $3 and name = '' and entity in
    (select id from entity where tenant = $1 and app = $2 and blueprint = $3 and state = $4)"""
_RETIME = f"update timer set due_ms = armed_ms + $5, worker = null, until_ms = 0 where {_IN_STATE}"
_ARM = """insert into timer (tenant, app, blueprint, entity, name, visit, armed_ms, due_ms)
    select tenant, app, blueprint, id, '', visit, $5, $6 from entity e
    where tenant = $1 and app = $2 and blueprint = $3 and state = $4 and not exists
    (select 1 from timer t where t.tenant = $1 and t.app = $2 and t.entity = e.id and t.name = '')"""


async def retime(db: Connection, version: Version, retiming: Retiming) -> None:
    """See `Retiming`; the version is the one that is applied."""
    key = (version.tenant, version.app, retiming.blueprint)
    if not retiming.state:
        said = "delete from timer where tenant = $1 and app = $2 and blueprint = $3 and name = $4"
        await db.execute(said, *key, retiming.name)
    elif retiming.after_ms is None:
        await db.execute(f"delete from timer where {_IN_STATE}", *key, retiming.state)
    else:
        await db.execute(_RETIME, *key, retiming.state, retiming.after_ms)
        now = version.applied_ms
        await db.execute(_ARM, *key, retiming.state, now, now + retiming.after_ms)


async def next_due_ms(db: Connection) -> int | None:
    """See `Store.next_due_ms`."""
    found: int | None = await db.fetchval(_NEXT_DUE)
    return found


_LATE = """where tenant = $1 and app = $2 and due_ms < $3 and blueprint <> ''
    order by due_ms, entity limit $4"""
OVERDUE = (f"select {_TIMER} from timer t {_LATE}", f"select {_OUTGOING} from outgoing o {_LATE}")


async def overdue(
    db: Connection, tenant: str, app: str, before_ms: int, limit: int
) -> list[Timer | Outgoing]:
    """See `Store.overdue`."""
    timers, invocations = [await db.fetch(asked, tenant, app, before_ms, limit) for asked in OVERDUE]
    late: list[Timer | Outgoing] = [Timer(*row) for row in timers]
    late += [Outgoing(*row) for row in invocations]
    return sorted(late, key=overdue_rank)[:limit]


async def pending(db: Connection, key: tuple[str, str, str]) -> list[Timer | Outgoing]:
    """See `Store.pending`."""
    asked = "where tenant = $1 and app = $2 and entity = $3"
    found: list[Timer | Outgoing] = [
        Timer(*row) for row in await db.fetch(f"select {_TIMER} from timer t {asked}", *key)
    ]
    found += [Outgoing(*row) for row in await db.fetch(f"select {_OUTGOING} from outgoing o {asked}", *key)]
    return sorted(found, key=overdue_rank)


_COUNT = f"""insert into intent ({columns(Intent)}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    on conflict (tenant, app, blueprint, action, state, reason, clause) do update set
    count = intent.count + excluded.count, first_ms = least(intent.first_ms, excluded.first_ms),
    last_ms = greatest(intent.last_ms, excluded.last_ms), example = excluded.example"""
INTENT_RANK = "count desc, last_ms desc, blueprint, action, state, reason, clause"
_RAREST = f"""delete from intent where ctid in (
    select ctid from intent where tenant = $1 and app = $2
    order by {INTENT_RANK} offset {INTENTS_LIMIT})"""


async def count_intents(db: Connection, intents: Sequence[Intent]) -> None:
    """See `Store.count_intents`; the order of the shapes is that of all processes."""
    await db.executemany(_COUNT, map(astuple, sorted(intents, key=intent_key)))
    for app in sorted({(i.tenant, i.app) for i in intents}):
        await db.execute(_RAREST, *app)


_OLD = """select id from entity e where tenant = $1 and app = $2 and blueprint = $3 and final_ms < $4
    and not exists (select 1 from outgoing o where o.tenant = e.tenant and o.app = e.app and o.entity = e.id)
    {more} order by final_ms, id limit $5"""
_NUMBERED = """and not exists (select 1 from journal j left join batch b on b.id = j.batch
    where j.tenant = e.tenant and j.app = e.app and j.entity = e.id and b.first is null offset 0)"""
"""Asked of one candidate after another (`offset 0` keeps it from being a join), by the key of its journal:
while nothing is known of the tables, a join goes through the whole journal for each.
"""
_LOCK = "for update of e skip locked"
_KEPT = "with kept as materialized (select distinct k.id from ({rows}) k where k.id <> k.by)"
_UNKEPT = "and e.id not in (select kept.id from kept where kept.id is not null)"
_WRITTEN = "r.tenant = $1 and r.app = $2 and r.blueprint = '{blueprint}' and r.changed_ms >= $6"
_FIELD = "select r.fields->>'{name}' as id, r.id as by from entity r where {written}"
_SET = """select m.value as id, r.id as by from entity r, jsonb_array_elements_text(
    case jsonb_typeof(r.fields->'{name}') when 'array' then r.fields->'{name}' else '[]' end) m
    where {written}"""
_WHERE = "where tenant = $1 and app = $2 and"
_ENTITY = columns(EntityRow)
_MOVES = (
    f"""with moved as (delete from journal {_WHERE} entity = any($3::text[]) returning *)
        insert into archived_journal select * from moved""",
    f"""with moved as (delete from entity {_WHERE} id = any($3::text[]) returning {_ENTITY})
        insert into archived_entity ({_ENTITY}, archived_ms) select {_ENTITY}, {NOW} from moved""",
    f"delete from timer {_WHERE} entity = any($3::text[])",
    f"delete from claim {_WHERE} entity = any($3::text[]) and entity <> ''",
)


@frozen
class Old:
    """What is to be archived: `app` is tenant, app and blueprint; entries without a position stay."""

    app: tuple[str, str, str]
    before_ms: int
    limit: int
    referring: tuple[Referring, ...] = ()

    def statement(self, *, is_among: bool) -> tuple[str, tuple[object, ...]]:
        """What finds to whom nobody refers, as far as those tell who were written since $6; among $7."""
        rows = referring_rows(self.referring, (_FIELD, _SET), _WRITTEN)
        more = f"{_UNKEPT} and e.id = any($7::text[])" if is_among else _UNKEPT
        return f"{_KEPT.format(rows=rows)} {_OLD.format(more=more)}", (*self.app, self.before_ms, self.limit)


async def archive(db: Connection, old: Old, among: Sequence[str] | None) -> list[str]:
    """See `Store.archive`. `among` are those to whom nobody referred a moment ago.

    They are locked first, so that nobody can refer to them any more who is not seen by then.
    """
    app = old.app
    more = _NUMBERED if among is None else f"{_NUMBERED} and e.id = any($6::text[])"
    bound = (*app, old.before_ms, old.limit, *([] if among is None else [list(among)]))
    found = [str(row[0]) for row in await db.fetch(f"{_OLD.format(more=more)} {_LOCK}", *bound)]
    if found and among is not None:
        statement, bound = old.statement(is_among=True)
        since = await db.fetchval(f"select {NOW} - {REFERRED_MS}::bigint")
        found = [str(row[0]) for row in await db.fetch(statement, *bound, since, found)]
    if found:
        for move in _MOVES:
            await db.execute(move, *app[:2], found)
    return found


_EXPIRED = f"""delete from receipt where ctid in (select ctid from receipt where expires_ms <= {NOW}
    order by expires_ms limit $1 for update skip locked)"""
_AGED = f"""with aged as (select tenant, app, id from archived_entity where archived_ms <= {NOW} - $1
        order by archived_ms limit $2 for update skip locked),
    entries as (delete from archived_journal j using aged
        where j.tenant = aged.tenant and j.app = aged.app and j.entity = aged.id returning j.batch),
    gone as (delete from archived_entity e using aged
        where e.tenant = aged.tenant and e.app = aged.app and e.id = aged.id returning 1)
    select (select count(*) from gone), array(select distinct batch from entries)"""
_EMPTIED = """delete from batch b where id = any($1::bigint[])
    and not exists (select 1 from journal j where j.batch = b.id)
    and not exists (select 1 from archived_journal j where j.batch = b.id)"""
_OVER = f"""delete from token where id in (select id from token
    where least(expires_ms, coalesce(revoked_ms, expires_ms)) <= {NOW} - $1 order by id limit $2)"""
_DECIDED = f"""delete from decision where (tenant, id) in (select tenant, id from decision
    where expires_ms <= {NOW} - $1 order by expires_ms limit $2)"""
_LEFT = """delete from held where not exists
    (select 1 from decision d where d.tenant = held.tenant and d.id = held.decision)"""
_MORE = f"select exists (select 1 from receipt where expires_ms <= {NOW})"
_MORE_AGED = f"select exists (select 1 from archived_entity where archived_ms <= {NOW} - $1)"


async def sweep(db: Connection, bounds: Bounds) -> Swept:
    """See `Store.sweep`."""
    expired = _count(await db.execute(_EXPIRED, bounds.rows))
    is_more = bool(await db.fetchval(_MORE))
    aged = 0
    if bounds.archive_ms is not None:
        aged, batches = await db.fetchrow(_AGED, bounds.archive_ms, bounds.rows)
        await db.execute(_EMPTIED, batches)  # no entry needs its position any more
        is_more = is_more or bool(await db.fetchval(_MORE_AGED, bounds.archive_ms))
    over = 0
    if bounds.tokens_ms is not None:
        over = _count(await db.execute(_OVER, bounds.tokens_ms, bounds.rows))
    decided = 0
    if bounds.decisions_ms is not None:
        decided = _count(await db.execute(_DECIDED, bounds.decisions_ms, bounds.rows))
        if decided:
            await db.execute(_LEFT)
    removed = {"receipt": expired, "archived_entity": aged, "token": over, "decision": decided}
    return Swept(removed, is_more or bounds.rows in (over, decided))


def _count(status: str) -> int:
    """How many rows a statement says that it changed: `DELETE 3`."""
    return int(status.rpartition(" ")[2])


async def erase(db: Connection, key: tuple[str, str, str]) -> int:
    """See `Store.erase`."""
    erased = 0
    for table in ("journal", "archived_journal"):
        erased += _count(
            await db.execute(
                f"update {table} set payload = null {_WHERE} entity = $3 and payload is not null", *key
            )
        )
    return erased
