"""Random sequences of what a store can be asked, so that stores can be compared with one another.

A sequence is made along a store in memory: what is written builds on what is there, or on what was there, or
on nothing that ever was. Moments lie far back or far ahead, so that no clock decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

from msgspec.structs import replace
from tests.store.contract import settled
from tests.store.rows import (
    APP,
    BLUEPRINT,
    DIGEST,
    FAR_MS,
    SOON_MS,
    TENANT,
    claim,
    introduction,
    outgoing,
    receipt,
    timer,
    turned,
    version,
    write,
)

from lathe.frozen import frozen
from lathe.store.base import Apply, Bounds, JournalQuery, Query, Retiming, Store
from lathe.store.memory import MemoryStore
from lathe.store.records import EntityRow, Governing, Intent, Outgoing, Timer, Write

NAMES = ("a", "b", "c", "d", "e")
STATES = ("open", "paid", "shut")
WORKERS = ("w1", "w2")
KEYS = ("k1", "k2", "k3", "k4")
GROUP_LIMIT = 4

Does = Callable[[Store], Awaitable[object]]


@frozen
class Asked:
    """One operation, by what it is called."""

    name: str
    does: Does


class Sequencing:
    """Makes the operations of one seed, one after another."""

    def __init__(self, seed: int, along: MemoryStore) -> None:
        self._random = Random(seed)
        self._along = along
        self._past: dict[str, list[EntityRow]] = {name: [] for name in NAMES}
        self._version = 1
        self._moment = 0

    def draw(self) -> float:
        """A number from 0 to 1, for whoever has to decide something else."""
        return self._random.random()

    async def next(self) -> Asked:
        """What is asked now."""
        kinds: dict[Callable[[], Awaitable[Asked]], int] = {
            self._commit: 45, self._lease: 8, self._duty: 12, self._read: 20, self._apply: 4, self._house: 6,
        }  # fmt: skip
        (kind,) = self._random.choices(list(kinds), list(kinds.values()))
        return await kind()

    # What is written.

    async def _commit(self) -> Asked:
        rows = await self._along.load(TENANT, APP, NAMES)
        governing = await self._governing()
        group: list[Write] = []
        for _ in range(self._random.randint(1, GROUP_LIMIT)):
            made = await self._write(rows, governing)
            group.append(made)
            if self._random.random() < 0.7:  # the next one builds on it, whatever becomes of it
                rows = {**rows, **{row.id: row for row in made.entities}}
        for made in group:
            for row in made.entities:
                self._past[row.id].append(row)
        return Asked(f"commit {len(group)}", lambda store: store.commit(group))

    async def _governing(self) -> Governing:
        now = (await self._along.governing()).get((TENANT, APP), Governing(DIGEST, 1))
        return now if self._random.random() < 0.95 else Governing(now.digest, now.epoch + 1)

    async def _write(self, rows: dict[str, EntityRow], governing: Governing) -> Write:
        random = self._random
        names = random.sample(NAMES, 2 if random.random() < 0.2 else 1)
        turns = [turned(self._base(name, rows), name, state=random.choice(STATES), at_ms=self._tick(),
                        final=random.random() < 0.1) for name in names]  # fmt: skip
        reads = [
            (name, rows[name].head if name in rows else bytes(32))
            for name in NAMES
            if name not in names and random.random() < 0.1
        ]
        more: dict[str, Any] = {}
        key = random.choice(KEYS)
        if random.random() < 0.25:
            more["claims"] = (claim(names[0], key),)
        if random.random() < 0.2:
            more["released"] = (claim(names[0], random.choice(KEYS)),)
        if random.random() < 0.25:
            more["receipt"] = receipt(random.choice(KEYS), expires_ms=random.choice((1, FAR_MS, FAR_MS)))
        more |= await self._duties_of(names[0])
        return write(*turns, governing=governing, reads=reads, **more)

    def _base(self, name: str, rows: dict[str, EntityRow]) -> EntityRow | None:
        """What a write builds on: mostly what is there."""
        past = self._past[name]
        if past and self._random.random() < 0.12:
            return self._random.choice(past)
        return rows.get(name)

    def _tick(self) -> int:
        self._moment += 1
        return self._moment

    def _due_ms(self) -> int:
        """When something is due: no two at once, so that there is one order."""
        return self._tick() if self._random.random() < 0.75 else FAR_MS + self._tick()

    async def _duties_of(self, name: str) -> dict[str, Any]:
        """Timers and invocations that a write brings, changes or ends."""
        random, more = self._random, dict[str, Any]()
        if random.random() < 0.3:
            more["timers"] = (timer(name, random.choice(("", "by")), due_ms=self._due_ms()),)
        elif random.random() < 0.15:
            more["disarmed"] = ((name, random.choice(("", "by"))),)
        number = random.randint(1, 4)
        if random.random() < 0.3:
            phase = random.choice(("waiting", "started", "stopping", "late", "notice"))
            more["outgoing"] = (outgoing(name, number, phase=phase, due_ms=self._due_ms()),)
        elif random.random() < 0.15:
            more["ended"] = ((name, number),)
        if random.random() < 0.1:
            more["lease"] = (random.choice(WORKERS), name, random.choice((number, "", "by")))
        return more

    async def _apply(self) -> Asked:
        random = self._random
        now = (await self._along.governing()).get((TENANT, APP))
        expected = now if random.random() < 0.85 else Governing(DIGEST, 99)
        self._version += 1
        new = replace(version(f"{self._version:064d}", note="next"), applied_ms=self._tick())
        governing = Governing(new.digest, expected.epoch + 1 if expected else 1)
        rows = await self._along.load(TENANT, APP, NAMES)
        over = [row for row in rows.values() if random.random() < 0.4]
        writes = tuple(
            write(
                turned(self._base(row.id, rows), row.id, state="moved", at_ms=self._tick()),
                governing=governing,
            )
            for row in over
        )
        retimings = (
            Retiming(BLUEPRINT, random.choice(STATES), after_ms=random.choice((None, self._tick()))),
        )
        for made in writes:
            self._past[made.entities[0].id].append(made.entities[0])
        change = Apply(new, expected, writes, retimings if random.random() < 0.5 else ())
        return Asked("apply", lambda store: store.apply(change))

    # Leases and timers.

    async def _lease(self) -> Asked:
        worker, limit = self._random.choice(WORKERS), self._random.randint(1, 4)
        lease_ms = self._random.choice((0, SOON_MS, SOON_MS))
        if self._random.random() < 0.5:

            async def timers(store: Store) -> object:
                return await store.due_timers(worker, limit=limit, lease_ms=lease_ms)

            return Asked(f"due_timers {worker} {limit} {lease_ms}", timers)

        async def invocations(store: Store) -> object:
            return [one.outgoing for one in await store.lease(worker, limit=limit, lease_ms=lease_ms)]

        return Asked(f"lease {worker} {limit} {lease_ms}", invocations)

    async def _duty(self) -> Asked:
        """Something about a duty that is there, or is not."""
        random = self._random
        worker, name = random.choice(WORKERS), random.choice(NAMES)
        found = await self._along.pending(TENANT, APP, name)
        one = random.choice(found) if found else timer(name)
        match random.randrange(3):
            case 0:
                keys = [(TENANT, APP, name, number) for number in range(1, 5)]
                return Asked(f"renew {worker} {name}", lambda store: _renewed(store, worker, keys))
            case 1 if isinstance(one, Outgoing):
                later = replace(one, due_ms=self._due_ms(), attempt=one.attempt + 1)
                return Asked(f"postpone {worker} {one.id}", lambda store: store.postpone(worker, later))
            case 1 if isinstance(one, Timer):
                until = FAR_MS + self._tick()
                return Asked(
                    f"postpone_timer {worker} {name}",
                    lambda store: store.postpone_timer(worker, one, until_ms=until),
                )
            case _:
                return Asked(f"pending {name}", lambda store: store.pending(TENANT, APP, name))

    # What is read, and housekeeping.

    async def _read(self) -> Asked:
        random = self._random
        name, key = random.choice(NAMES), random.choice(KEYS)
        query = Query(
            TENANT, APP, BLUEPRINT, states=random.choice(((), ("open",), ("paid", "shut"))),
            sort=random.choice(("id", "created", "changed", "state")), descending=random.random() < 0.5,
            limit=random.randint(1, 4),
        )  # fmt: skip
        before = random.choice((self._moment // 2 + 1, FAR_MS * 2))
        after = random.randrange(4)
        last = await self._along.position()

        async def entries(store: Store) -> object:
            await settled(store, last)
            return await store.entries(JournalQuery(TENANT, after=after, app=APP, limit=50))

        async def history(store: Store) -> object:
            await settled(store, last)
            return await store.history(TENANT, APP, name, after=after)

        return random.choice(
            (
                Asked(f"load {name}", lambda store: store.load(TENANT, APP, [name, "nobody"])),
                Asked(f"find {query.sort}", lambda store: store.find(query)),
                Asked("count", lambda store: store.count(TENANT, APP)),
                Asked("holders", lambda store: store.holders(TENANT, APP, _claims())),
                Asked("entries", entries),
                Asked(f"history {name}", history),
                Asked("receipt", lambda store: store.receipt(TENANT, "ann", key)),
                Asked("overdue", lambda store: store.overdue(TENANT, APP, before_ms=before, limit=20)),
                Asked("governing", lambda store: store.governing()),
                Asked("versions", lambda store: store.versions(TENANT, APP)),
                Asked("intents", lambda store: store.intents(TENANT, APP)),
            )
        )

    async def _house(self) -> Asked:
        random, name = self._random, self._random.choice(NAMES)
        intent = Intent(
            TENANT, APP, BLUEPRINT, "go", random.choice(STATES), "guard", "x", 1, 1, self._tick(), name
        )
        before = random.choice((1, self._moment + 1))
        limit = random.randint(1, 3)
        return random.choice(
            (
                Asked("count_intents", lambda store: store.count_intents([intent])),
                Asked("sweep", lambda store: store.sweep(Bounds())),
                Asked(f"erase {name}", lambda store: store.erase(TENANT, APP, name)),
                Asked(
                    f"archive {before}",
                    lambda store: store.archive(TENANT, APP, BLUEPRINT, final_before_ms=before, limit=limit),
                ),
            )
        )


async def _renewed(store: Store, worker: str, keys: Sequence[tuple[str, str, str, int]]) -> object:
    return sorted(await store.renew(worker, keys, lease_ms=SOON_MS))


def _claims() -> list[tuple[str, bytes]]:
    return [("number", key.encode()) for key in KEYS]


async def begin(store: Store) -> None:
    """The app that everything is about."""
    await store.apply(introduction())


async def everything(store: Store) -> list[tuple[str, bytes]]:
    """All that a store holds; what its own clock wrote down is left out."""
    return [row async for row in store.dump() if row[0] != "archived_entity"]
