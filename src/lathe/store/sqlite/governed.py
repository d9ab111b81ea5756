"""Tokens, decisions, audit and seals on SQLite: statements, and what is done on the writer's connection."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
from msgspec.structs import astuple

from lathe.store.audit import Audited, Change, DecisionRow, End, HeldRow, Seal, TokenRow, fits
from lathe.store.tables import Row, columns

_TOKEN = columns(TokenRow)
_OF_T = ", ".join(f't."{name}"' for name in TokenRow.__struct_fields__)
LINEAGE = f"""with recursive line(n, {_TOKEN}) as (
    select 0, {_OF_T} from token t where t.id = ?
    union all select line.n + 1, {_OF_T} from token t join line on t.id = line.parent)
    select {_TOKEN} from line order by n"""
DERIVED_TOKENS = f"""with recursive derived(id) as (
    select id from token where id = ?1 union select t.id from token t join derived on t.parent = derived.id)
    select {_OF_T} from derived join token t on t.id = derived.id where t.id > ?2 order by t.id limit ?3"""
TOKENS = f"select {_TOKEN} from token where tenant = ? and id > ? order by id limit ?"
LIVING_TOKENS = f"""select {_TOKEN} from token where tenant = ?1 and +id > ?2 and revoked_ms is null
    and expires_ms > ?4 order by +id limit ?3"""
"""A plus keeps `id` from its index: there are far more that are over."""
AUDIT = f"""select {columns(Audited)} from audit where number > ?1 and (?2 is null or tenant = ?2)
    order by number limit ?3"""
SEALS = f"select {columns(Seal)} from seal order by number desc limit ?"
_DECISION = columns(DecisionRow)
DECISION = f"select {_DECISION} from decision where tenant = ? and id = ?"
DECISIONS = f"""select {_DECISION} from decision where tenant = ?1 and (?2 is null or state = ?2)
    and (?3 is null or "by" = ?3) and expires_ms > ?4 and (?5 is null or id < ?5)
    order by id desc limit ?6"""
APPROVED = f"""select {_DECISION} from decision
    where tenant = ? and key = ? and state = 'approved' and expires_ms > ? order by id"""
_DECIDE = f"""insert into decision ({_DECISION}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (tenant, id) do update set state = excluded.state, key = excluded.key,
    expires_ms = excluded.expires_ms, revision = excluded.revision, body = excluded.body"""
HELD = "select body from held where tenant = ? and decision = ?"
_HOLD = f"insert into held ({columns(HeldRow)}) values (?, ?, ?)"
_NEW_SEAL = """insert into seal select ?1, ?2, ?3, ?4, ?5, ?6
    where not exists (select 1 from seal where number >= ?1)"""
_PUT = f"insert or replace into token ({_TOKEN}) values (?, ?, ?, ?, ?, ?)"
_APPEND = f"insert into audit ({columns(Audited)}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def end(db: apsw.Connection) -> End:
    """Where the audit ends."""
    found: list[Row] = db.execute("select number, hash from audit order by number desc limit 1").fetchall()
    return End(*found[0]) if found else End()


def append(db: apsw.Connection, entries: Sequence[Audited]) -> bool:
    """Inside a transaction: go on with these entries, if the audit ends where they begin."""
    if not fits(entries, end(db)):
        return False
    db.executemany(_APPEND, map(astuple, entries))
    return True


def decide(db: apsw.Connection, decisions: Sequence[DecisionRow]) -> bool:
    """Inside a transaction: take these in, if each comes after the revision that is there."""
    for row in decisions:
        there = db.execute("select revision from decision where tenant = ? and id = ?", (row.tenant, row.id))
        if (there.get or 0) + 1 != row.revision:
            return False
    db.executemany(_DECIDE, map(astuple, decisions))
    return True


def change(db: apsw.Connection, made: Change) -> bool:
    """Inside a transaction that is rolled back if it is False: a change of what governs."""
    if not append(db, made.entries) or not decide(db, made.decisions):
        return False
    db.executemany(_HOLD, map(astuple, made.held))
    db.executemany(_PUT, map(astuple, made.tokens))
    db.executemany("update governing set epoch = epoch + 1 where tenant = ?", [(t,) for t in made.raised])
    return True


def add_seal(db: apsw.Connection, seal: Seal) -> bool:
    """See `Store.add_seal`."""
    db.execute(_NEW_SEAL, astuple(seal))
    return db.changes() > 0
