"""A group on PostgreSQL: one statement locks and reads, `accept` decides, one statement writes.

The order of locks is the same for everybody, so that groups never wait for each other in a circle: what
governs, then entities by id (`FOR UPDATE` if written, `FOR SHARE` if read), then claims, then leases. What
was not there to be locked (a new entity, claim or key) meets the other group at a unique index: the later
one is decided once more, and then sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

from msgspec.structs import astuple

from lathe.frozen import frozen
from lathe.store.accept import (
    ClaimKey,
    DecisionKey,
    EntityKey,
    LeaseKey,
    ReceiptKey,
    Standing,
    decided,
    touched,
)
from lathe.store.dialect import Postgres
from lathe.store.duties import POSTPONED
from lathe.store.fold import Net, OutgoingKey, TimerKey, changed_claims
from lathe.store.postgres.arrays import literal
from lathe.store.records import GENESIS, Claim, EntityRow, Entry, Governing, Outgoing, Receipt, Timer, Write
from lathe.store.rows import names_text
from lathe.store.tables import Row, columns

NOW = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
"""The store's clock."""
SEGMENTS_LIMIT = 4
"""Runs of entities that are locked alike, in order of id; beyond it, all are locked as if written."""

_TYPES: Mapping[str, str] = {"int": "bigint", "str": "text", "bytes": "bytea"}


def kinds(words: str) -> tuple[str, ...]:
    """The types of columns."""
    return tuple(_TYPES[word] for word in words.split())


KEY = kinds("str str str")


@frozen
class _Lock:
    """A part of the statement that locks: `{k}` stands for the keys, numbered by `i`."""

    kinds: tuple[str, ...]
    names: str
    said: str


def _entities(mode: str) -> _Lock:
    said = f"""select 1 as kind, k.i, null::text as t, e.head as b, null::bigint as n from {{k}}
        join entity e on e.tenant = k.a and e.app = k.b and e.id = k.c order by e.tenant, e.app, e.id
        for {mode} of e"""
    return _Lock(KEY, "a, b, c", said)


_GOVERNING = _Lock(
    kinds("str str"),
    "a, b",
    """select 0 as kind, k.i, g.digest as t, null::bytea as b, g.epoch as n from {k}
        join governing g on g.tenant = k.a and g.app = k.b order by g.tenant, g.app for share of g""",
)
_MODES = {True: _entities("update"), False: _entities("share")}
_CLAIMS = _Lock(
    kinds("str str str bytes"),
    "a, b, c, d",
    """select 2 as kind, k.i, c.entity as t, null::bytea as b, null::bigint as n from {k}
        join claim c on c.tenant = k.a and c.app = k.b and c."unique" = k.c and c.key = k.d
        order by c.tenant, c.app, c."unique", c.key for update of c""",
)
_RECEIPTS = _Lock(
    KEY,
    "a, b, c",
    f"""select 3 as kind, k.i, null::text as t, null::bytea as b, r.expires_ms - {NOW} as n from {{k}}
        join receipt r on r.tenant = k.a and r.principal = k.b and r.key = k.c""",
)
_LEASES = _Lock(
    kinds("str str str int"),
    "a, b, c, d",
    f"""select 4 as kind, k.i, o.worker as t, null::bytea as b, null::bigint as n from {{k}}
        join outgoing o on o.tenant = k.a and o.app = k.b and o.entity = k.c and o.number = k.d
        where o.until_ms > {NOW} and o.worker is not null
        order by o.tenant, o.app, o.entity, o.number for update of o""",
)
_TIMER_LEASES = _Lock(
    kinds("str str str str"),
    "a, b, c, d",
    f"""select 5 as kind, k.i, t.worker as t, null::bytea as b, null::bigint as n from {{k}}
        join timer t on t.tenant = k.a and t.app = k.b and t.entity = k.c and t.name = k.d
        where t.until_ms > {NOW} and t.worker <> '{POSTPONED}'
        order by t.tenant, t.app, t.entity, t.name for update of t""",
)

_DECISIONS = _Lock(
    kinds("str str"),
    "a, b",
    f"""select 6 as kind, k.i, null::text as t, null::bytea as b, d.revision as n from {{k}}
        join decision d on d.tenant = k.a and d.id = k.b
        where d.state = 'approved' and d.expires_ms > {NOW} order by d.tenant, d.id for update of d""",
)

Keys = Sequence[tuple[object, ...]]
KeyOf = TypeVar("KeyOf", OutgoingKey, TimerKey)


class Statement:
    """A statement of several parts, each of which takes columns as arrays."""

    def __init__(self) -> None:
        self.arguments: list[object] = []
        self.parts: list[str] = []

    def unnest(self, kinds: Sequence[str], rows: Keys) -> str:
        """The rows as a table function, one array a column."""
        marks = []
        for kind, column in zip(kinds, zip(*rows, strict=True), strict=True):
            self.arguments.append(literal(kind, column))
            marks.append(f"${len(self.arguments)}::text::{kind}[]")
        return f"unnest({', '.join(marks)})"

    def add(self, said: str, *, writes: bool = False) -> str:
        """The name of a new part; one that only reads is done before those that come later."""
        name = f"p{len(self.parts)}"
        self.parts.append(f"{name} as {'' if writes else 'materialized '}({said})")
        return name


class Locking:
    """The statement that locks what a group touches, and what its answer means."""

    def __init__(self, group: Sequence[Write], *, with_governing: bool) -> None:
        entities, claims, receipts, leases = touched(group)
        self.statement = Statement()
        self._keys: dict[int, list[tuple[object, ...]]] = {}
        if with_governing:
            self._add(0, _GOVERNING, sorted({(write.tenant, write.app) for write in group}))
        self._keys[1] = []
        for is_written, keys in _segments(entities):
            self._add(1, _MODES[is_written], keys)
        self._add(2, _CLAIMS, sorted(claims))
        self._add(3, _RECEIPTS, sorted(receipts))
        self._add(4, _LEASES, sorted(key for key in leases if isinstance(key[3], int)))
        self._add(5, _TIMER_LEASES, sorted(key for key in leases if isinstance(key[3], str)))
        self._add(6, _DECISIONS, decided(group))

    def _add(self, kind: int, lock: _Lock, keys: Keys) -> None:
        if not keys:
            return
        known = self._keys.setdefault(kind, [])
        table = f"{self.statement.unnest(lock.kinds, keys)} with ordinality as u({lock.names}, o)"
        self.statement.arguments.append(len(known) - 1)
        first = f"${len(self.statement.arguments)}::bigint"
        numbered = f"(select {lock.names}, o + {first} as i from {table}) as k"
        known.extend(keys)
        self.statement.add(lock.said.format(k=numbered))

    @property
    def said(self) -> str:
        """The statement; empty if there is nothing to lock."""
        parts = self.statement.parts
        all_of = " union all ".join(f"select * from p{n}" for n in range(len(parts)))
        return f"with {', '.join(parts)} {all_of}" if parts else ""

    def standing(
        self, found: Sequence[Row], governing: Mapping[tuple[str, str], Governing]
    ) -> tuple[Standing, dict[ClaimKey, str]]:
        """What the rows say; `governing` is used where it was not asked for."""
        heads: dict[EntityKey, bytes] = {}
        holders: dict[ClaimKey, str] = {}
        receipts: list[ReceiptKey] = []
        leases: dict[LeaseKey, str] = {}
        decisions: dict[DecisionKey, int] = {}
        governed = dict(governing)
        for kind, index, text, data, number in found:
            key: Row = self._keys[kind][index]
            match kind:
                case 0:
                    governed[key[0], key[1]] = Governing(text, number)
                case 1:
                    heads[key[0], key[1], key[2]] = data
                case 2:
                    holders[key[0], key[1], key[2], key[3]] = text
                case 3 if number > 0:
                    receipts.append((key[0], key[1], key[2]))
                case 4 | 5:
                    leases[key[0], key[1], key[2], key[3]] = text
                case 6:
                    decisions[key[0], key[1]] = number
        standing = Standing(
            governing=governed,
            heads=heads,
            holders=holders,
            receipts=receipts,
            leases=leases,
            decisions=decisions,
        )
        return standing, holders


def _segments(entities: Mapping[EntityKey, bool]) -> list[tuple[bool, list[EntityKey]]]:
    """Runs of entities in order of id that are locked alike."""
    keys = sorted(entities)
    runs = [(is_written, list(run)) for is_written, run in groupby(keys, key=entities.__getitem__)]
    return runs if len(runs) <= SEGMENTS_LIMIT else [(True, keys)]


_ENTITY = columns(EntityRow)
_ENTITY_KINDS = (
    *kinds("str str str str str int int int str bytes bytes int int int"), "jsonb"
)  # fmt: skip
_ENTRY_NAMES = ", ".join(name.strip() for name in columns(Entry).split(",")[:-1])
ENTRY_KINDS = kinds(
    "str str str str int int int str str str str str str str int str int bytes bytes bytes bytes"
)
_OUTGOING_KINDS = kinds("str str str str int str int str str int bytes int str int")
_OUTGOING_NAMES = ", ".join(f"c{n}" for n in range(13))
_TIMER_KINDS = kinds("str str str str str int int int")
_RECEIPT_KINDS = kinds("str str str bytes int bytes int")
_CLAIM_KINDS = kinds("str str str bytes str")
_OLD_ENTITY = """update entity e set state = k.c4, visit = k.c5, version = k.c6, revision = k.c7,
    digest = k.c8, body = k.c9, head = k.c10, changed_ms = k.c12, final_ms = k.c13, fields = k.c14
    from {k} where e.tenant = k.c0 and e.app = k.c1 and e.id = k.c3"""
_OUTGOING = f"""insert into outgoing ({columns(Outgoing)}, worker, until_ms)
    select {_OUTGOING_NAMES}, case when c12 is null then 0 else {NOW} + c13 end from {{k}}
    on conflict (tenant, app, entity, number) do update set phase = excluded.phase, due_ms = excluded.due_ms,
    request = excluded.request, attempt = excluded.attempt, visit = excluded.visit, digest = excluded.digest,
    effect = excluded.effect"""
_TIMER = f"""insert into timer ({columns(Timer)}) select * from {{k}}
    on conflict (tenant, app, entity, name) do update set blueprint = excluded.blueprint,
    visit = excluded.visit, armed_ms = excluded.armed_ms, due_ms = excluded.due_ms, worker = null,
    until_ms = 0"""
_RECEIPT = f"""insert into receipt ({columns(Receipt)}) select * from {{k}}
    on conflict (tenant, principal, key) do update set request = excluded.request, status = excluded.status,
    answer = excluded.answer, expires_ms = excluded.expires_ms
    where receipt.expires_ms <= {NOW} returning 1"""


class Writing:
    """The statement that writes what was accepted of a group. It answers how many receipts it wrote.

    It can follow parts that read, and write of several `nets` only those that fit: those for whose number the
    array in the part `if_fits` says so. `places` then are those of the nets' entries in the group.
    """

    def __init__(
        self,
        nets: Sequence[Net],
        before: Mapping[ClaimKey, str],
        after: Mapping[ClaimKey, str],
        *,
        statement: Statement | None = None,
        if_fits: str = "",
        places: Sequence[int] = (),
    ) -> None:
        self._statement = statement or Statement()
        self._if_fits = if_fits
        self._nets = nets
        self._places = places
        self._receipts_part = ""
        self.receipts = sum([len(one.receipts) for one in nets])
        self.asked = "0"
        """How many receipts were to be written, in SQL."""
        self._write_entities()
        self._write_entries()
        self._write_receipts()
        self._write_claims(*changed_claims(before, after))
        self._write_outgoing()
        self._write_timers()
        self._use_decisions()

    @property
    def arguments(self) -> list[object]:
        """What the statement is given."""
        return self._statement.arguments

    @property
    def said(self) -> str:
        """The statement; empty if there is nothing to write."""
        parts = self._statement.parts
        return f"with {', '.join(parts)} select {self.counted}" if parts else ""

    @property
    def counted(self) -> str:
        """How many receipts were written, in SQL."""
        return f"(select count(*) from {self._receipts_part})" if self._receipts_part else "0"

    def _rows(
        self, of_one: Callable[[Net], Iterable[Row]], key: Callable[[Row], Row] | None = None
    ) -> list[Row]:
        """The rows of all nets, each with its net's number at the end, in order of their keys."""
        rows = [(*row, number) for number, one in enumerate(self._nets, 1) for row in of_one(one)]
        if key is not None:
            rows.sort(key=key)
        return rows

    def _add(self, said: str, kinds: Sequence[str], rows: Keys) -> str:
        """A part that writes rows, the columns `c0`, `c1`, … of `{k}`."""
        return self._put(said.replace("{k}", f"{self._table(kinds, rows)} as k")) if rows else ""

    def _table(self, kinds: Sequence[str], rows: Keys) -> str:
        """Those of the rows that are to be written, a table in SQL."""
        names = _names(len(kinds))
        table = f"{self._statement.unnest((*kinds, 'bigint'), rows)} as u({names}, i)"
        if not self._if_fits:
            return f"(select {names} from {table})"
        return f"(select {names} from {self._if_fits}, {table} where fits[i])"

    def _put(self, said: str) -> str:
        return self._statement.add(said, writes=True)

    def _write_entities(self) -> None:
        rows = self._rows(lambda one: map(astuple, one.entities.values()), itemgetter(0, 1, 3))
        first = {(e.tenant, e.app, e.entity, n) for n, one in enumerate(self._nets, 1)
                 for e in one.entries if e.previous == GENESIS}  # fmt: skip
        new: list[Row] = []
        old: list[Row] = []
        for row in rows:
            is_new = (row[0], row[1], row[3], row[-1]) in first
            (new if is_new else old).append((*row[:-1], Postgres.fields(row[9]), row[-1]))
        self._add(f"insert into entity ({_ENTITY}, fields) select * from {{k}}", _ENTITY_KINDS, new)
        self._add(_OLD_ENTITY, _ENTITY_KINDS, old)
        if old:
            self._wake_timers([(row[0], row[1], row[3], row[-1]) for row in old])

    def _wake_timers(self, written: Keys) -> None:
        """Timers that were put off until their entity is written; those that change anyway are left alone."""
        said = f"""update timer t set worker = null, until_ms = 0 from {{k}} where t.tenant = c0
            and t.app = c1 and t.entity = c2 and t.worker = '{POSTPONED}'"""
        changed = self._rows(lambda one: one.timers, itemgetter(0, 1, 2, 3))
        if changed:
            others = self._table(kinds("str str str str"), changed)
            said += f""" and not exists (select 1 from {others} as x(a, b, c, d)
                where x.a = t.tenant and x.b = t.app and x.c = t.entity and x.d = t.name)"""
        self._add(said, KEY, written)

    def _write_entries(self) -> None:
        rows = self._rows(lambda one: map(_entry, one.entries))
        if not rows:
            return
        if self._places:  # as they were decided, whatever chain they are of
            rows = [rows[n] for n in sorted(range(len(rows)), key=self._places.__getitem__)]
        names = _names(len(ENTRY_KINDS))
        table = self._statement.unnest((*ENTRY_KINDS, "bigint"), rows)
        source, count = f"{table} with ordinality as u({names}, i, o)", f"{len(self.arguments)}"
        of_all = f"select count(*) as n from unnest(${count}::text::bigint[]) as u(i)"
        if not self._if_fits:
            numbered = f"(select {names}, o - 1 as o from {source}) as k"
            batch = self._put(f"insert into batch (entries) select n from ({of_all}) as k returning id")
        else:
            fits = self._if_fits
            counting = f"select {names}, row_number() over () - 1 as o"
            numbered = f"({counting} from {fits}, {source} where fits[i]) as k"
            chosen = f"{of_all}, {fits} where fits[i] having count(*) > 0"
            batch = self._put(f"insert into batch (entries) select n from ({chosen}) as k returning id")
        self._put(
            f"""insert into journal ({_ENTRY_NAMES}, batch, ordinal)
            select {names}, {batch}.id, o from {batch}, {numbered}"""
        )

    def _write_receipts(self) -> None:
        rows = self._rows(lambda one: map(astuple, one.receipts), itemgetter(0, 1, 2))
        if not rows:
            return
        self._receipts_part = self._add(_RECEIPT, _RECEIPT_KINDS, rows)
        table = f"unnest(${len(self.arguments)}::text::bigint[]) as u(i)"
        fits = f", {self._if_fits} where fits[i]" if self._if_fits else ""
        self.asked = f"(select count(*) from {table}{fits})"

    def _write_claims(self, new: Sequence[Claim], moved: Sequence[Claim], gone: Sequence[Claim]) -> None:
        insert = f"insert into claim ({columns(Claim)}) select * from {{k}}"
        same = 'c.tenant = c0 and c.app = c1 and c."unique" = c2 and c.key = c3'
        update = f"update claim c set entity = c4 from {{k}} where {same}"
        delete = f"delete from claim c using {{k}} where {same}"
        for said, claims in ((insert, new), (update, moved), (delete, gone)):
            self._add(said, _CLAIM_KINDS, [(*astuple(claim), 1) for claim in claims])

    def _write_outgoing(self) -> None:
        self._add(_OUTGOING, _OUTGOING_KINDS, self._rows(_outgoing, itemgetter(0, 1, 3, 4)))
        delete = """delete from outgoing o using {k} where o.tenant = c0 and o.app = c1
            and o.entity = c2 and o.number = c3"""
        gone = self._rows(lambda one: _gone(one.outgoing), itemgetter(0, 1, 2, 3))
        self._add(delete, kinds("str str str int"), gone)

    def _write_timers(self) -> None:
        self._add(_TIMER, _TIMER_KINDS, self._rows(_timers, itemgetter(0, 1, 3, 4)))
        delete = """delete from timer t using {k} where t.tenant = c0 and t.app = c1
            and t.entity = c2 and t.name = c3"""
        gone = self._rows(lambda one: _gone(one.timers), itemgetter(0, 1, 2, 3))
        self._add(delete, kinds("str str str str"), gone)

    def _use_decisions(self) -> None:
        said = """update decision d set state = 'used', revision = d.revision + 1 from {k}
            where d.tenant = c0 and d.id = c1"""
        self._add(said, kinds("str str"), self._rows(lambda one: one.decisions))


def _names(count: int) -> str:
    return ", ".join([f"c{n}" for n in range(count)])


def _outgoing(one: Net) -> Iterator[Row]:
    """Invocations with the lease that each is born with."""
    for key, row in one.outgoing.items():
        if row is not None:
            yield (*astuple(row), *one.held.get(key, (None, 0)))


def _timers(one: Net) -> Iterator[Row]:
    return (astuple(row) for row in one.timers.values() if row is not None)


def _gone(changes: Mapping[KeyOf, object]) -> list[KeyOf]:
    """The keys of rows that are to be gone."""
    return [key for key, row in changes.items() if row is None]


def _entry(entry: Entry) -> Row:
    return (
        entry.tenant, entry.app, entry.blueprint, entry.entity, entry.revision, entry.version, entry.visit,
        entry.state, entry.kind, entry.action, entry.by, names_text(entry.chain), names_text(entry.policies),
        entry.digest, entry.semantics, entry.step, entry.at_ms, entry.payload, entry.payload_hash,
        entry.previous, entry.hash,
    )  # fmt: skip
