"""A group on SQLite in a single call, for the common case that every write is accepted.

Each call of SQLite lets go of the interpreter and has to get it back from a busy event loop. Here one
statement puts rows into a view of the connection's own, and triggers write them into the tables: within the
one call a transaction begins, is committed and is on disk. What nobody knows without asking is checked in it:
keys that were used, and leases. Where one does not fit nothing is written, and the group is decided as
`sqlite_commit` does it, as is every group with claims, decisions or leases of timers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import apsw
from msgspec.structs import astuple

from lathe.store.accept import EntityKey, Standing
from lathe.store.duties import POSTPONED
from lathe.store.fold import Net
from lathe.store.records import EntityRow, Entry, Governing, Outgoing, Receipt, Timer, Write
from lathe.store.rows import bind_entry
from lathe.store.sqlite.rows import ENTITY_AGAIN, OUTGOING_AGAIN, RECEIPT_AGAIN, TIMER_AGAIN, held_rows
from lathe.store.tables import columns

ROWS_LIMIT = 512
"""Rows of one call; a larger group is written in several."""
SIZES = (1, 2, 3, 4, 6, 8, *range(12, 65, 4), *range(80, 129, 16), *range(160, ROWS_LIMIT + 1, 32))
"""For so many rows there is a statement, filled up with rows of nulls, which do nothing."""

_ENTRY, _OUTGOING, _ENDED, _LEASE, _TIMER, _DISARMED = range(1, 7)
"""What a row of the view is: its first column."""
_WHOLE, _SAME_STATE = range(1, 3)
"""What is written of an entity of which there is no later entry: all, or what a step changes that leaves its
state. Its place among those of a state is not looked for then, nor written anew.
"""
_NAMES = (
    *Entry.__struct_fields__,
    *("is_last", "body", "created_ms", "changed_ms", "final_ms"),
    *("principal", "key", "request", "status", "answer", "expires_ms", "now_ms"),
)
"""The columns behind it, of an entry: its own, its entity's if there is no later one, its receipt's."""
_NO_ENTITY: tuple[None, ...] = (None,) * 5
_NO_RECEIPT: tuple[None, ...] = (None,) * 7
_NOTHING: tuple[None, ...] = (None,) * (1 + len(_NAMES))
_ELSEWHERE = {"id": "entity", "head": "hash"}
"""Columns of an entity that its entry has under another name."""

Rows = list[tuple[object, ...]]


def _of_entry(names: Iterable[str]) -> str:
    """These columns of a row that is an entry."""
    return ", ".join(f"new.c{1 + _NAMES.index(_ELSEWHERE.get(name, name))}" for name in names)


def _first(count: int) -> str:
    """The first columns of a row that is something else."""
    return ", ".join(f"new.c{number}" for number in range(1, count + 1))


_KEY = "tenant = new.c1 and app = new.c2 and entity = new.c3"
_IS_ANSWERED = f"new.c0 = {_ENTRY} and {_of_entry(['principal'])} is not null"
_IF_UNUSED = RECEIPT_AGAIN.replace(
    "request = excluded.request",
    f"""request = case when receipt.expires_ms > {_of_entry(["now_ms"])} then raise(abort, 'used')
        else excluded.request end""",
)
"""A receipt takes the place of one that has expired; of another one it says so."""
_CHANGING = ("visit", "version", "revision", "digest", "body", "head", "changed_ms")

_TRIGGERS = {
    f"new.c0 = {_ENTRY}": (
        f"insert into journal ({columns(Entry)}) values ({_of_entry(Entry.__struct_fields__)})",
    ),
    f"new.c0 = {_ENTRY} and {_of_entry(['is_last'])} = {_WHOLE}": (
        f"""insert into entity ({columns(EntityRow)}) values ({_of_entry(EntityRow.__struct_fields__)})
        {ENTITY_AGAIN}""",
    ),
    f"new.c0 = {_ENTRY} and {_of_entry(['is_last'])} = {_SAME_STATE}": (
        f"""update entity set {", ".join(f"{name} = {_of_entry([name])}" for name in _CHANGING)}
        where tenant = new.c1 and app = new.c2 and id = {_of_entry(["id"])}""",
    ),
    f"new.c0 = {_ENTRY} and {_of_entry(['is_last'])} is not null": (
        f"""update timer set worker = null, until_ms = 0 where worker = '{POSTPONED}' and
        tenant = new.c1 and app = new.c2 and entity = {_of_entry(["entity"])}""",
    ),
    _IS_ANSWERED: (
        f"""insert into receipt ({columns(Receipt)}) values ({_of_entry(Receipt.__struct_fields__)})
        {_IF_UNUSED}""",
    ),
    f"new.c0 = {_LEASE}": (
        f"""select raise(abort, 'lost') where not exists (select 1 from outgoing
        where {_KEY} and number = new.c4 and worker = new.c5 and until_ms > new.c6)""",
    ),
    f"new.c0 = {_OUTGOING}": (
        f"""insert into outgoing ({columns(Outgoing)}, worker, until_ms) values ({_first(14)})
        {OUTGOING_AGAIN}""",
    ),
    f"new.c0 = {_ENDED}": (f"delete from outgoing where {_KEY} and number = new.c4",),
    f"new.c0 = {_TIMER}": (
        f"""insert into timer ({columns(Timer)}) values ({_first(8)})
        {TIMER_AGAIN}""",
    ),
    f"new.c0 = {_DISARMED}": (f"delete from timer where {_KEY} and name = new.c4",),
}
_VIEW = f"create temp view at_once as select {', '.join(f'null as c{n}' for n in range(len(_NAMES) + 1))}"
_ROW = f"({', '.join('?' * len(_NOTHING))})"
_STATEMENTS = {size: f"insert into at_once values {', '.join([_ROW] * size)}" for size in SIZES}


def prepare(connection: apsw.Connection) -> None:
    """Make the view, and what happens to what is put into it; both are this connection's alone."""
    connection.execute(_VIEW)
    for number, (when, actions) in enumerate(_TRIGGERS.items()):
        said = ";\n".join(actions)
        connection.execute(
            f"create temp trigger at_once_{number} instead of insert on at_once when {when} begin {said}; end"
        )


def can_be(group: Sequence[Write]) -> bool:
    """Whether a group has nothing in it that is decided otherwise."""
    return not any(
        not write.entries
        or write.claims or write.released or write.decision is not None
        or (write.lease is not None and isinstance(write.lease[2], str))
        for write in group
    )  # fmt: skip


def expected(
    group: Sequence[Write], governing: Mapping[tuple[str, str], Governing], heads: Mapping[EntityKey, bytes]
) -> Standing:
    """What a group meets if no key of its was used, and all its leases run: `put` looks."""
    leases = [(write, write.lease) for write in group if write.lease is not None]
    return Standing(
        governing=governing,
        heads=heads,
        holders={},
        receipts=(),
        leases={(w.tenant, w.app, lease[1], lease[2]): lease[0] for w, lease in leases},
    )


def rows_of(
    group: Sequence[Write], total: Net, states: Mapping[EntityKey, str], position: int, now_ms: int
) -> Rows:
    """What to put into the view for a group of which all is accepted; `position` is the last one given.

    `states` is what `states_of` said of entities that are there, as far as it is known.
    """
    rows: Rows = [
        (_LEASE, write.tenant, write.app, write.lease[1], write.lease[2], write.lease[0], now_ms)
        for write in group
        if write.lease is not None
    ]
    for write in group:
        receipt = write.receipt
        for entry in write.entries:
            position += 1
            key = (write.tenant, write.app, entry.entity)
            row = total.entities[key]
            rows.append(
                (
                    _ENTRY,
                    *bind_entry(entry, position),
                    *(_entity(row, states.get(key)) if row.head == entry.hash else _NO_ENTITY),
                    *(_NO_RECEIPT if receipt is None else (*astuple(receipt)[1:], now_ms)),
                )
            )
            receipt = None
    rows += [(_OUTGOING, *row) for row in held_rows(total, now_ms)]
    rows += [(_ENDED, *key) for key, outgoing in total.outgoing.items() if outgoing is None]
    for timer_key, timer in total.timers.items():
        rows.append((_DISARMED, *timer_key) if timer is None else (_TIMER, *astuple(timer)))
    return rows


def _entity(row: EntityRow, state: str | None) -> tuple[object, ...]:
    is_same = row.state == state and row.final_ms is None
    return _SAME_STATE if is_same else _WHOLE, row.body.decode(), row.created_ms, row.changed_ms, row.final_ms


def states_of(total: Net) -> dict[EntityKey, str]:
    """The state of each entity that was written; empty if it is final, for with it goes when it became so."""
    return {key: row.state if row.final_ms is None else "" for key, row in total.entities.items()}


def put(connection: apsw.Connection, rows: Rows) -> bool:
    """Write all of it durably; False: something did not fit, and nothing is written."""
    size = SIZES[bisect_left(SIZES, len(rows))]
    bound = [*chain.from_iterable([row + _NOTHING[len(row) :] for row in rows])]
    bound += _NOTHING * (size - len(rows))
    try:
        connection.execute(_STATEMENTS[size], bound)
    except apsw.ConstraintError:
        return False
    return True
