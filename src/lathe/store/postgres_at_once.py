"""A group on PostgreSQL in one statement, for when all of it fits, which is nearly always.

It locks what the group touches in everybody's order, compares it with what the group was decided on, and
writes if there is no difference: one way to the server and back, where lock, write and commit are four. If
there is one, nothing is written, and the group is decided under locks (`postgres_commit`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import astuple

from lathe.store.accept import EntityKey, LeaseKey, Standing, accept, touched
from lathe.store.fold import Net, net
from lathe.store.postgres_commit import NOW, Statement, Writing, kinds
from lathe.store.records import GENESIS, Governing, Write

_GOVERNING = """select g.digest = k.c and g.epoch = k.d as fits from {k} as k(a, b, c, d)
    join governing g on g.tenant = k.a and g.app = k.b order by g.tenant, g.app for share of g"""
_ENTITIES = """select e.head = k.d as fits from {k} as k(a, b, c, d)
    join entity e on e.tenant = k.a and e.app = k.b and e.id = k.c order by e.tenant, e.app, e.id
    for update of e"""
_LEASES = f"""select o.worker = k.e and o.until_ms > {NOW} as fits from {{k}} as k(a, b, c, d, e)
    join outgoing o on o.tenant = k.a and o.app = k.b and o.entity = k.c and o.number = k.d
    order by o.tenant, o.app, o.entity, o.number for update of o"""
_RECEIPTS = f"""select false as fits from {{k}} as k(a, b, c)
    join receipt r on r.tenant = k.a and r.principal = k.b and r.key = k.c where r.expires_ms > {NOW}"""


class AtOnce:
    """The statement. It answers whether the group fitted; a key that was used meanwhile divides by zero."""

    def __init__(self, expected: Standing, receipts: Sequence[tuple[str, ...]], total: Net) -> None:
        self._statement = Statement()
        self._parts: list[str] = []
        governing = [(*app, *astuple(one)) for app, one in sorted(expected.governing.items())]
        heads = [(*key, head) for key, head in sorted(expected.heads.items()) if head != GENESIS]
        leases = [(*key, worker) for key, worker in sorted(expected.leases.items())]
        self._add(_GOVERNING, "str str str int", governing)
        self._add(_ENTITIES, "str str str bytes", heads)
        self._add(_LEASES, "str str str int str", leases)
        self._add(_RECEIPTS, "str str str", receipts)
        self._fits = self._statement.add(self._verdict(len(governing) + len(heads) + len(leases)))
        self._writing = Writing(total, {}, {}, statement=self._statement, if_fits=self._fits)

    def _add(self, said: str, words: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            table = self._statement.unnest(kinds(words), rows)
            self._parts.append(self._statement.add(said.replace("{k}", table)))

    def _verdict(self, count: int) -> str:
        """Whether everything is there, and as expected."""
        self.arguments.append(count)
        rows = " union all ".join(f"select fits from {part}" for part in self._parts)
        found = f"count(*) = ${len(self.arguments)}::bigint and bool_and(fits)"
        return f"select coalesce({found}, false) as fits from ({rows}) as found"

    @property
    def arguments(self) -> list[object]:
        """What the statement is given."""
        return self._statement.arguments

    @property
    def said(self) -> str:
        """The statement."""
        fits = f"{self._fits}.fits"
        if count := self._writing.receipts:
            fits = f"{fits} and 1 / (case when {self._writing.counted} = {count} then 1 else 0 end) = 1"
            fits = f"case when {self._fits}.fits then {fits} else false end"
        return f"with {', '.join(self._statement.parts)} select {fits} from {self._fits}"


def at_once(group: Sequence[Write]) -> AtOnce | None:
    """The statement of a group; None for one that needs more: claims, leases of timers, entities that are
    only read, or writes that do not fit each other.
    """
    entities, claims, receipts, leases = touched(group)
    if claims or not all(entities.values()) or any(isinstance(key[3], str) for key in leases):
        return None
    expected = _expected(group)
    answers = accept(group, expected())
    if any(answer.verdict != "accepted" for answer in answers):
        return None
    return AtOnce(expected(), sorted(receipts), net(group, answers))


def _expected(group: Sequence[Write]) -> Callable[[], Standing]:
    """What the store must hold for all of a group to fit: what the first write of each thing builds on."""
    governing: dict[tuple[str, str], Governing] = {}
    heads: dict[EntityKey, bytes] = {}
    leases: dict[LeaseKey, str] = {}
    for write in group:
        app = (write.tenant, write.app)
        governing.setdefault(app, Governing(write.digest, write.epoch))
        for name, head in write.bases:
            heads.setdefault((*app, name), head)
        if write.lease is not None:
            worker, name, which = write.lease
            leases.setdefault((*app, name, which), worker)
    return lambda: Standing(governing=governing, heads=heads, holders={}, receipts=(), leases=leases)
