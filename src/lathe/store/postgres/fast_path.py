"""A group on PostgreSQL in a single statement, which writes the part of it that still fits.

It locks what the group touches in the global lock order, compares it with the rows that the group was decided
on, and writes the chains that still match: one round trip, where begin, lock, write and commit are four. A
chain whose heads have changed is stale; the rest of the group is not affected. If any is refused for another
reason, or may fit in part, nothing is written, and the group is decided under locks (`postgres.commit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import astuple

from lathe.store.accept import EntityKey, LeaseKey, touched
from lathe.store.fold import net
from lathe.store.postgres.arrays import literal
from lathe.store.postgres.commit import NOW, Statement, Writing, kinds
from lathe.store.records import GENESIS, Answer, Governing, Write
from lathe.store.tables import Row

WHOLE = 1_000
"""What a row counts without which nothing is known of its chain; others count one."""
USED = 1_000_000
"""What a row counts that must not be there, so that the sum is never right."""

_GOVERNING = f"""select g.digest = k.c and g.epoch = k.d as fits, 0 as i, {WHOLE} as c
    from {{k}} as k(a, b, c, d)
    join governing g on g.tenant = k.a and g.app = k.b order by g.tenant, g.app for share of g"""
_ENTITIES = """select e.head = k.d as fits, k.i, k.c, k.j from {k} as k(a, b, id, d, i, c, j)
    join entity e on e.tenant = k.a and e.app = k.b and e.id = k.id order by e.tenant, e.app, e.id
    for update of e"""
_LEASES = f"""select o.worker = k.e and o.until_ms > {NOW} as fits, k.i, {WHOLE} as c
    from {{k}} as k(a, b, c, d, e, i)
    join outgoing o on o.tenant = k.a and o.app = k.b and o.entity = k.c and o.number = k.d
    order by o.tenant, o.app, o.entity, o.number for update of o"""
_RECEIPTS = f"""select true as fits, k.i, {USED} as c from {{k}} as k(a, b, c, i)
    join receipt r on r.tenant = k.a and r.principal = k.b and r.key = k.c where r.expires_ms > {NOW}"""
_SUMS = f"""select array_agg(c = 0 order by i) as fits,
    bool_and(c = 0 or c < 0 and c % {WHOLE} <> 0) as is_known
    from (select i, sum(c) as c from (select n - 1 as i, -w as c
        from unnest({{wanted}}::text::int[]) with ordinality as u(w, n) {{found}}) as all_of_them
    group by i) as one"""
"""By chain: 0 if all that it needs is there; less, and no multiple of `WHOLE`, if it is but for its heads."""


class Chain:
    """Writes of a group that are accepted together if `heads` and `leases` are what the store holds: each of
    them but the first builds on one before it. `places` are theirs in the group, `inner` the heads that they
    give to one another.
    """

    __slots__ = ("heads", "inner", "leases", "places")

    def __init__(self) -> None:
        self.places: list[int] = []
        self.heads: dict[EntityKey, bytes] = {}
        self.inner: list[tuple[EntityKey, bytes]] = []
        self.leases: dict[LeaseKey, str] = {}

    @property
    def is_plain(self) -> bool:
        """Whether all of it is stale if one of its heads is not there."""
        if len(self.places) == 1:
            return len(self.heads) == 1 or GENESIS not in self.heads.values()
        return len(self.heads) == 1

    def take_in(self, other: Chain) -> bool:
        """Be both; False if both begin with the same entity, which then has two heads."""
        if self.heads.keys() & other.heads.keys():
            return False
        self.places = sorted(self.places + other.places)
        self.heads.update(other.heads)
        self.inner += other.inner
        return all(self.leases.setdefault(key, worker) == worker for key, worker in other.leases.items())


class _Chaining:
    """Finds the chains of a group: by what each write builds on, (entity, head)."""

    def __init__(self) -> None:
        self._ends: dict[tuple[EntityKey, bytes], Chain] = {}
        self._known: set[tuple[EntityKey, bytes]] = set()
        """Heads that chains begin with, or go on from."""

    def add(self, place: int, write: Write) -> bool:
        """Take in the next write; False if it cannot be said what it is a part of."""
        chain = Chain()
        tenant, app = write.tenant, write.app
        begun: list[tuple[EntityKey, bytes]] = []
        for name, head in write.bases:
            start = ((tenant, app, name), head)
            if start in self._known:
                return False
            self._known.add(start)
            before = self._ends.pop(start, None)
            if before is None:
                begun.append(start)
                continue
            if before is not chain and not self._joined(chain, before):
                return False
            chain = before
            chain.inner.append(start)
        for key, head in begun:
            if key in chain.heads:
                return False
            chain.heads[key] = head
        chain.places.append(place)
        if write.lease is not None:
            worker, name, which = write.lease
            if chain.leases.setdefault((tenant, app, name, which), worker) != worker:
                return False
        for row in write.entities:
            self._ends[(tenant, app, row.id), row.head] = chain
        return True

    def _joined(self, chain: Chain, before: Chain) -> bool:
        """Make two chains the one that is `before`."""
        if not before.take_in(chain):
            return False
        for end, one in self._ends.items():
            if one is chain:
                self._ends[end] = before
        return True

    @property
    def chains(self) -> list[Chain]:
        """All of them, in the order in which they end."""
        return list({id(chain): chain for chain in self._ends.values()}.values())


def chained(group: Sequence[Write]) -> list[Chain] | None:
    """The chains of a group; None if some write is not plainly of one."""
    found = _Chaining()
    if all(write.entities and found.add(place, write) for place, write in enumerate(group)):
        return found.chains
    return None


class AtOnce:
    """The statement of a group, and what its answer means. A key that was used meanwhile divides by zero."""

    def __init__(
        self, group: Sequence[Write], chains: Sequence[Chain], governing: Mapping[tuple[str, str], Governing]
    ) -> None:
        self._group = group
        self._chains = chains
        self._statement = Statement()
        self._parts: list[str] = []
        self._wanted = [WHOLE * len(governing), *(0 for _ in chains)]
        self._entities = ""
        self._fits = self._looked(governing)
        everybody = [Answer("accepted")] * len(group)
        nets = [net([group[n] for n in chain.places], everybody[: len(chain.places)]) for chain in chains]
        places = [place for chain in chains for place in chain.places for _ in group[place].entries]
        self._writing = Writing(nets, {}, {}, statement=self._statement, if_fits=self._fits, places=places)

    def _looked(self, governing: Mapping[tuple[str, str], Governing]) -> str:
        """The part that knows which chains fit, after those that lock. Chains count from 1; what governs them
        all is 0.
        """
        self._add(_GOVERNING, "str str str int", [(*app, *astuple(one)) for app, one in governing.items()])
        self._entities = self._add(_ENTITIES, "str str str bytes int int int", list(self._rows_of_heads()))
        self._add(_LEASES, "str str str int str int", list(self._rows_of_leases()))
        self._add(_RECEIPTS, "str str str int", list(self._rows_of_receipts()))
        found = "".join(f" union all select i, c from {part} where fits" for part in self._parts)
        self.arguments.append(literal("bigint", self._wanted))
        said = _SUMS.format(wanted=f"${len(self.arguments)}", found=found)
        sums = self._statement.add(said)
        return self._statement.add(f"select case when is_known then fits[2:] end as fits from {sums}")

    def _rows_of_heads(self) -> Iterator[Row]:
        for number, chain in enumerate(self._chains, 1):
            counts = 1 if chain.is_plain else WHOLE
            for at, (key, head) in enumerate(chain.heads.items()):
                if head != GENESIS:
                    self._wanted[number] += counts
                    yield (*key, head, number, counts, at)
            for key, head in chain.inner:
                yield (*key, head, number, USED, -1)

    def _rows_of_leases(self) -> Iterator[Row]:
        for number, chain in enumerate(self._chains, 1):
            for key, worker in chain.leases.items():
                self._wanted[number] += WHOLE
                yield (*key, worker, number)

    def _rows_of_receipts(self) -> Iterator[Row]:
        for number, chain in enumerate(self._chains, 1):
            for place in chain.places:
                receipt = self._group[place].receipt
                if receipt is not None:
                    yield (receipt.tenant, receipt.principal, receipt.key, number)

    def _add(self, said: str, words: str, rows: Sequence[Row]) -> str:
        if not rows:
            return ""
        part = self._statement.add(said.replace("{k}", self._statement.unnest(kinds(words), sorted(rows))))
        self._parts.append(part)
        return part

    @property
    def arguments(self) -> list[object]:
        """What the statement is given."""
        return self._statement.arguments

    @property
    def said(self) -> str:
        """The statement: one row, as `answers` takes it. Texts, for the driver looks up what an array is."""
        fits, writing = self._fits, self._writing
        wanted, there = "array_to_string(fits, '')", "null"
        if writing.receipts:
            same = f"{writing.counted} = {writing.asked}"
            wanted = f"case when 1 / (case when {same} then 1 else 0 end) = 1 then {wanted} end"
        if self._entities:
            there = f"""(select string_agg(e.i || '.' || e.j, ' ') from {self._entities} as e
                where e.fits and not {fits}.fits[e.i])"""
        return f"with {', '.join(self._statement.parts)} select {wanted}, {there} from {fits}"

    def answers(self, row: Row) -> list[Answer] | None:
        """What became of each write; None: nothing was written, and it is to be decided under locks."""
        fits, there = row
        if fits is None:
            return None
        met = frozenset((there or "").split())
        answers = [Answer("accepted")] * len(self._group)
        for number, (chain, is_written) in enumerate(zip(self._chains, fits, strict=True), 1):
            if is_written == "f":
                other = next(key for at, key in enumerate(chain.heads) if f"{number}.{at}" not in met)
                for place in chain.places:
                    answers[place] = Answer("stale", other[2])
        return answers


def at_once(group: Sequence[Write]) -> AtOnce | None:
    """The statement of a group; None for one that needs more: claims, leases of timers, decisions, entities
    that are only read, the same key twice, or writes that cannot be parted into chains.
    """
    entities, claims, receipts, leases = touched(group)
    if claims or not all(entities.values()) or any(isinstance(key[3], str) for key in leases):
        return None
    if len(receipts) != sum(write.receipt is not None for write in group):
        return None
    governing: dict[tuple[str, str], Governing] = {}
    for write in group:
        known = governing.get((write.tenant, write.app))
        if known is None:
            known = governing[write.tenant, write.app] = Governing(write.digest, write.epoch)
        if write.decision is not None or (known.digest, known.epoch) != (write.digest, write.epoch):
            return None
    chains = chained(group)
    return None if chains is None else AtOnce(group, chains, governing)
