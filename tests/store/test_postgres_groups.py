"""One statement for a group on PostgreSQL, and what it tells other processes of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from asyncpg import DeadlockDetectedError
from tests.store.contract import commit, made, settled
from tests.store.rows import APP, TENANT, claim, outgoing, receipt, turned, write
from tests.store.server import Server
from tests.store.test_postgres import on_stores, sound

from lathe.store.base import JournalQuery, Store
from lathe.store.postgres import sequencer, store as postgres
from lathe.store.postgres.commit import Locking
from lathe.store.postgres.fast_path import at_once
from lathe.store.postgres.sequencer import PAGE, PAGE_BYTES, Sequencer
from lathe.store.records import GENESIS, Write


def test_every_process_hears_what_was_written(server: Server) -> None:
    async def both(one: Store, two: Store) -> None:
        await made(one)
        await settled(one, 0)
        heard: dict[str, int] = {}
        two.on_written(lambda written: heard.update({entity: revision for _, _, entity, revision in written}))
        names = [f"e{n}" for n in range(PAGE + 5)]
        rows = [turned(None, name) for name in names]
        again = turned(rows[0][0])
        assert set(await commit(one, *map(write, rows), write(again))) == {"accepted"}
        async with asyncio.timeout(20):
            while len(heard) < len(names):
                await asyncio.sleep(0.01)
        assert heard == {name: 2 if name == "e0" else 1 for name in names}
        heard.clear()
        long = [str(n).rjust(PAGE_BYTES // 4, "l") for n in range(5)]
        assert set(await commit(one, *(write(turned(None, name)) for name in long))) == {"accepted"}
        await settled(one, len(names) + 1 + len(long))
        assert await commit(one, write(turned(None, "last"))) == ["accepted"]
        async with asyncio.timeout(20):
            while "last" not in heard:
                await asyncio.sleep(0.01)
        assert heard == {"last": 1}, "what is too long for a notification is not told"

    on_stores(server, both)


def test_positions_are_given_again_after_a_clash(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is the same, and so is what was prepared on it."""
    monkeypatch.setattr(sequencer, "POLL_SECONDS", 0.01)
    real, clashes = sequencer.Sequencer.run_once, [DeadlockDetectedError("it went round"), None]

    async def clashing(self: Sequencer) -> None:
        await real(self)
        if (clash := clashes.pop(0) if clashes else None) is not None:
            raise clash

    async def alone(store: Store) -> None:
        await made(store)
        monkeypatch.setattr(sequencer.Sequencer, "run_once", clashing)
        for number in (1, 2, 3):
            assert await commit(store, write(turned(None, f"e{number}"))) == ["accepted"]
            await settled(store, number)
        assert clashes == [], "it went on after it"

    on_stores(server, alone, number=1)


def test_of_very_much_that_was_written_only_that_it_was_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "TOLD_LIMIT", 3)

    async def both(one: Store, two: Store) -> None:
        await made(one)
        told: list[object] = []
        two.on_written(told.append)
        heard = asyncio.Event()
        await asyncio.sleep(0.05)
        two.on_change(heard.set)
        await commit(one, *(write(turned(None, f"e{n}")) for n in range(4)))
        await asyncio.wait_for(heard.wait(), 10)
        await settled(two, 4)
        assert told == []

    on_stores(server, both)


def test_a_group_that_needs_more_is_decided_under_locks() -> None:
    row = turned(None, "a")
    assert at_once([write(row)]) is not None
    assert at_once([write(row), write(turned(row[0]))]) is not None, "the second builds on the first"
    assert at_once([write(row, claims=(claim("a", "1"),))]) is None
    assert at_once([write(row, reads=(("b", GENESIS),))]) is None
    assert at_once([write(row, lease=("w1", "a", "deadline"))]) is None, "the lease of a timer"
    assert at_once([write(row, lease=("w1", "a", 1))]) is not None
    assert at_once([write(row), write(row)]) is None, "they do not fit each other"
    assert at_once([write(row, receipt=receipt("k")), write(turned(None, "b"), receipt=receipt("k"))]) is None


def test_what_fits_of_a_group_is_written_in_one_statement(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What met other heads is refused without a second look; nothing else of the group is concerned."""

    async def alone(store: Store) -> None:
        a, b, c, d = await made(store, "a", "b", "c", "d")
        assert await commit(store, write(turned(a)), write(turned(c))) == ["accepted", "accepted"]
        c = (await store.load(TENANT, APP, ["c"]))["c"]
        monkeypatch.setattr(postgres, "Locking", lambda *_, **__: pytest.fail("it was looked at twice"))
        stale, fresh, b2 = turned(a, state="late"), turned(c), turned(b)
        group = [
            write(stale, receipt=receipt("1")),
            write(fresh, outgoing=(outgoing("c", 1),)),
            write(turned(stale[0]), receipt=receipt("2")),
            write(b2, receipt=receipt("3")),
            write(turned(d), turned(b2[0])),
            write(turned(None, "e")),
        ]
        answers = await store.commit(group)
        assert [f"{answer.verdict} {answer.subject}".strip() for answer in answers] == [
            "stale a", "accepted", "stale a", "accepted", "accepted", "accepted"
        ]  # fmt: skip
        rows = await store.load(TENANT, APP, list("abcde"))
        assert [row.revision for row in rows.values()] == [2, 3, 3, 2, 1]
        assert await store.receipt(TENANT, "ann", "1") is None
        assert await store.receipt(TENANT, "ann", "3") is not None
        await settled(store, 4 + 2 + 5)
        entries = await store.entries(JournalQuery(TENANT, after=6))
        assert [entry.entity for entry in entries] == ["c", "b", "d", "b", "e"], "as they were decided"
        await sound(store)

    on_stores(server, alone, number=1)


def test_of_two_writes_on_different_heads_of_an_entity_the_one_that_fits_is_taken(server: Server) -> None:
    """What was queued behind a refused write builds on nothing; what is decided anew may be in its group."""

    async def alone(store: Store) -> None:
        (a,) = await made(store, "a")
        lost = turned(turned(a, state="lost")[0])
        again = turned(a, state="again")
        assert at_once([write(lost), write(again)]) is not None
        assert await commit(store, write(lost), write(again), write(turned(again[0]))) == [
            "stale", "accepted", "accepted"
        ]  # fmt: skip
        await sound(store)

    on_stores(server, alone, number=1)


@pytest.mark.parametrize("why", ["a key in use", "a lease that is not there", "one of two heads"])
def test_what_is_refused_otherwise_is_decided_under_locks(
    server: Server, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def alone(store: Store) -> None:
        a, b, c = await made(store, "a", "b", "c")
        key = receipt("k")
        assert await commit(store, write(turned(c), receipt=key)) == ["accepted"]
        first = turned(a)
        group, verdicts = {
            "a key in use": ([write(first, receipt=key)], ["receipt"]),
            "a lease that is not there": ([write(first, lease=("w1", "a", 1))], ["lease"]),
            "one of two heads": ([write(first), write(turned(first[0]), turned(c))], ["accepted", "stale"]),
        }[why]
        decided: list[object] = []

        def locking(group: Sequence[Write], *, with_governing: bool) -> Locking:
            decided.append(group)
            return Locking(group, with_governing=with_governing)

        monkeypatch.setattr(postgres, "Locking", locking)
        assert await commit(store, *group, write(turned(b))) == [*verdicts, "accepted"]
        assert decided, "it could not be told at once"
        await sound(store)

    on_stores(server, alone, number=1)
