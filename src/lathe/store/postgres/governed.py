"""Tokens, decisions, audit and seals on PostgreSQL: statements, and what is done in a transaction.

Whoever changes what governs takes one advisory lock first, then the apps' rows in their order; a group takes
only the rows. So changes come one after the other, and none of them waits in a circle. Decisions come last
for both.
"""

from __future__ import annotations

from collections.abc import Sequence

from asyncpg import Connection
from msgspec.structs import astuple

from lathe.store.audit import Audited, Change, DecisionRow, End, HeldRow, Seal, TokenRow, fits
from lathe.store.postgres.sequencer import GOVERNED
from lathe.store.tables import columns

_TOKEN = columns(TokenRow)
_OF_T = ", ".join(f't."{name}"' for name in TokenRow.__struct_fields__)
LINEAGE = f"""with recursive line(n, {_TOKEN}) as (
    select 0, {_OF_T} from token t where t.id = $1
    union all select line.n + 1, {_OF_T} from token t join line on t.id = line.parent)
    select {_TOKEN} from line order by n"""
DERIVED_TOKENS = f"""with recursive derived(id) as (
    select id from token where id = $1 union select t.id from token t join derived on t.parent = derived.id)
    select {_OF_T} from derived join token t on t.id = derived.id where t.id > $2 order by t.id limit $3"""
TOKENS = f"select {_TOKEN} from token where tenant = $1 and id > $2 order by id limit $3"
LIVING_TOKENS = f"""select {_TOKEN} from token where tenant = $1 and id || '' > $2 and revoked_ms is null
    and expires_ms > $4 order by id || '' limit $3"""
"""With a text behind it `id` is kept from its index: there are far more that are over."""
AUDIT = f"""select {columns(Audited)} from audit where number > $1
    and ($2::text is null or tenant = $2) order by number limit $3"""
END = "select number, hash from audit order by number desc limit 1"
SEALS = f"select {columns(Seal)} from seal order by number desc limit $1"
_DECISION = columns(DecisionRow)
DECISION = f"select {_DECISION} from decision where tenant = $1 and id = $2"
DECISIONS = f"""select {_DECISION} from decision where tenant = $1 and ($2::text is null or state = $2)
    and ($3::text is null or "by" = $3) and expires_ms > $4 and ($5::text is null or id < $5)
    order by id desc limit $6"""
APPROVED = f"""select {_DECISION} from decision where tenant = $1 and key = any($2::bytea[])
    and state = 'approved' and expires_ms > (extract(epoch from clock_timestamp()) * 1000)::bigint
    order by id"""
_ASK = f"""insert into decision ({_DECISION}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (tenant, id) do nothing returning 1"""
_DECIDE = """update decision set state = $3, key = $4, expires_ms = $5, revision = $6, body = $7
    where tenant = $1 and id = $2 and revision = $6 - 1 returning 1"""
HELD = "select body from held where tenant = $1 and decision = $2"
_HOLD = f"insert into held ({columns(HeldRow)}) values ($1, $2, $3)"
_NEW_SEAL = """insert into seal
    select $1::bigint, $2::bigint, $3::bytea, $4::bigint, $5::bytea, $6::bytea
    where not exists (select 1 from seal where number >= $1::bigint) returning 1"""
_PUT = f"""insert into token ({_TOKEN}) values ($1, $2, $3, $4, $5, $6)
    on conflict (id) do update set expires_ms = excluded.expires_ms, revoked_ms = excluded.revoked_ms,
    body = excluded.body where token.tenant = excluded.tenant"""
_APPEND = f"insert into audit ({columns(Audited)}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_LOCK_APPS = """select 1 from governing where tenant = any($1::text[]) order by tenant, app for update"""
_RAISE = "update governing set epoch = epoch + 1 where tenant = any($1::text[])"


async def append(db: Connection, entries: Sequence[Audited], schema: str) -> bool:
    """Go on with these entries, if the audit ends where they begin; every process is told at the commit."""
    await db.execute("select pg_advisory_xact_lock(hashtextextended($1, 18))", schema)
    found = await db.fetchrow(END)
    if not fits(entries, End(*found) if found else End()):
        return False
    await db.executemany(_APPEND, list(map(astuple, entries)))
    await db.execute("select pg_notify($1, $2)", schema, GOVERNED)
    return True


async def decide(db: Connection, decisions: Sequence[DecisionRow]) -> bool:
    """Take these in, if each comes after the revision that is there."""
    for row in decisions:
        if row.revision == 1:
            found = await db.fetch(_ASK, *astuple(row))
        else:
            changed = (row.state, row.key, row.expires_ms, row.revision, row.body)
            found = await db.fetch(_DECIDE, row.tenant, row.id, *changed)
        if not found:
            return False
    return True


class Outdated(Exception):
    """A change was decided on what is not so any more: its transaction is rolled back."""


async def change(db: Connection, made: Change, schema: str) -> None:
    """A change of what governs. Raises `Outdated`."""
    if not await append(db, made.entries, schema):
        raise Outdated
    await db.executemany(_PUT, list(map(astuple, made.tokens)))
    if made.raised:
        await db.execute(_LOCK_APPS, list(made.raised))
        await db.execute(_RAISE, list(made.raised))
    if not await decide(db, made.decisions):
        raise Outdated
    await db.executemany(_HOLD, list(map(astuple, made.held)))


async def add_seal(db: Connection, seal: Seal, schema: str) -> bool:
    """See `Store.add_seal`."""
    await db.execute("select pg_advisory_xact_lock(hashtextextended($1, 19))", schema)
    return bool(await db.fetch(_NEW_SEAL, *astuple(seal)))
