"""Tokens, audit and seals on SQLite: statements, and what is done on the writer's connection."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
from msgspec.structs import astuple

from lathe.store.audit import Audited, Change, End, Seal, TokenRow, fits
from lathe.store.tables import Row, columns

_TOKEN = columns(TokenRow)
_OF_T = ", ".join(f't."{name}"' for name in TokenRow.__struct_fields__)
LINEAGE = f"""with recursive line(n, {_TOKEN}) as (
    select 0, {_OF_T} from token t where t.id = ?
    union all select line.n + 1, {_OF_T} from token t join line on t.id = line.parent)
    select {_TOKEN} from line order by n"""
TOKENS = f"select {_TOKEN} from token where tenant = ? and id > ? order by id limit ?"
AUDIT = f"""select {columns(Audited)} from audit where number > ?1 and (?2 is null or tenant = ?2)
    order by number limit ?3"""
SEALS = f"select {columns(Seal)} from seal order by number desc limit ?"
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


def change(db: apsw.Connection, made: Change) -> bool:
    """Inside a transaction: a change of what governs, or nothing."""
    if not append(db, made.entries):
        return False
    db.executemany(_PUT, map(astuple, made.tokens))
    db.executemany("update governing set epoch = epoch + 1 where tenant = ?", [(t,) for t in made.raised])
    return True


def add_seal(db: apsw.Connection, seal: Seal) -> bool:
    """See `Store.add_seal`."""
    db.execute(_NEW_SEAL, astuple(seal))
    return db.changes() > 0
