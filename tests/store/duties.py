"""What every store must do about leases, timers, housekeeping and copies: the other half of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from msgspec.structs import replace
from tests.store.contract import ACCEPTED, commit, law, made, settled
from tests.store.rows import (
    APP,
    BLUEPRINT,
    FAR_MS,
    SOON_MS,
    TENANT,
    claim,
    outgoing,
    receipt,
    timer,
    turned,
    write,
)

from lathe.errors import UsageError
from lathe.store.audit import Change, DecisionRow, HeldRow, Said, Seal, TokenRow, audited
from lathe.store.base import Bounds, JournalQuery, Referring, Store
from lathe.store.journal import breaks
from lathe.store.records import Answer, Checkpoint, EntityRow, Intent


async def asked(store: Store, name: str, *rows: object, **more: object) -> EntityRow:
    (row,) = await made(store, name, outgoing=rows, **more)
    return row


@law
async def an_invocation_is_leased_to_one(store: Store) -> None:
    await asked(store, "a", outgoing("a"), outgoing("a", 2, phase="notice"))
    await asked(store, "b", outgoing("b", due_ms=FAR_MS))
    (one,) = await store.lease("w1", limit=1, lease_ms=SOON_MS)
    (two,) = await store.lease("w2", limit=9, lease_ms=SOON_MS)
    assert [one.outgoing, two.outgoing] == [outgoing("a"), outgoing("a", 2, phase="notice")]
    assert one.until_ms > await store.now_ms()
    assert await store.lease("w1", limit=9, lease_ms=SOON_MS) == []
    keys = [(TENANT, APP, "a", 1), (TENANT, APP, "a", 2), (TENANT, APP, "b", 1)]
    assert await store.renew("w1", keys, lease_ms=SOON_MS) == {keys[0]}
    assert await store.next_due_ms() == FAR_MS


@law
async def a_notice_can_be_born_with_a_lease(store: Store) -> None:
    notice = outgoing("a", 1, phase="notice")
    row = await asked(store, "a", notice, outgoing("a", 2), holds=("w1", SOON_MS))
    (leased,) = await store.lease("w2", limit=9, lease_ms=SOON_MS)
    assert leased.outgoing == outgoing("a", 2), "one that others may have to wait for is not"
    held = (TENANT, APP, "a", 1)
    assert await store.renew("w2", [held], lease_ms=SOON_MS) == set()
    assert await store.renew("w1", [held], lease_ms=SOON_MS) == {held}
    end = write(turned(row), ended=(("a", 1),), lease=("w1", "a", 1))
    assert await commit(store, end) == ["accepted"]
    assert await store.pending(TENANT, APP, "a") == [outgoing("a", 2)]


@law
async def a_lease_of_birth_runs_out_and_replaces_none(store: Store) -> None:
    notice = outgoing("a", 1, phase="notice")
    row = await asked(store, "a", notice, holds=("w1", 0))
    (leased,) = await store.lease("w2", limit=9, lease_ms=SOON_MS)
    assert leased.outgoing == notice
    again = write(turned(row), outgoing=(notice,), holds=("w1", SOON_MS))
    assert await commit(store, again) == ["accepted"]
    end = turned(again.entities[0])
    assert await commit(store, write(end, ended=(("a", 1),), lease=("w1", "a", 1))) == ["lease"]
    assert await commit(store, write(end, ended=(("a", 1),), lease=("w2", "a", 1))) == ["accepted"]


@law
async def what_begins_and_ends_in_a_group_is_nobodys(store: Store) -> None:
    await made(store, "b")
    first = turned(None, "a")
    asks = write(first, outgoing=(outgoing("a", 1, phase="notice"),), holds=("w1", SOON_MS))
    assert await commit(store, asks, write(turned(first[0]), ended=(("a", 1),))) == ["accepted"] * 2
    assert await store.pending(TENANT, APP, "a") == []


@law
async def a_lease_that_ran_out_is_anyones(store: Store) -> None:
    await asked(store, "a", outgoing("a"))
    assert len(await store.lease("w1", limit=1, lease_ms=0)) == 1
    assert await store.renew("w1", [(TENANT, APP, "a", 1)], lease_ms=SOON_MS) == set()
    assert await store.postpone("w1", outgoing("a", due_ms=7)) is False
    assert len(await store.lease("w2", limit=1, lease_ms=SOON_MS)) == 1


@law
async def a_postponed_invocation_is_due_later(store: Store) -> None:
    await asked(store, "a", outgoing("a"))
    await store.lease("w1", limit=1, lease_ms=SOON_MS)
    assert await store.postpone("w2", outgoing("a", due_ms=FAR_MS, attempt=1)) is False
    assert await store.postpone("w1", outgoing("a", due_ms=FAR_MS, attempt=1)) is True
    assert await store.lease("w1", limit=1, lease_ms=SOON_MS) == []
    assert await store.next_due_ms() == FAR_MS
    assert await store.overdue(TENANT, APP, before_ms=FAR_MS + 1, limit=9) == [
        outgoing("a", due_ms=FAR_MS, attempt=1)
    ]


@law
async def an_entitys_invocations_are_due_one_after_another(store: Store) -> None:
    rows = (outgoing("a", 1), outgoing("a", 2), outgoing("a", 3, phase="late"))
    a0 = await asked(store, "a", *rows)
    leased = await store.lease("w1", limit=9, lease_ms=SOON_MS)
    assert sorted(one.outgoing.number for one in leased) == [1, 3]
    assert await store.next_due_ms() is None
    started = replace(rows[0], phase="started", attempt=1)
    a1 = turned(a0)
    assert await commit(store, write(a1, outgoing=(started,), lease=("w1", "a", 1))) == ["accepted"]
    assert await store.lease("w2", limit=9, lease_ms=SOON_MS) == []
    assert await store.renew("w1", [(TENANT, APP, "a", 1)], lease_ms=SOON_MS) == {(TENANT, APP, "a", 1)}
    ended = write(turned(a1[0]), ended=(("a", 1),), lease=("w1", "a", 1))
    assert await commit(store, ended) == ["accepted"]
    assert [one.outgoing.number for one in await store.lease("w2", limit=9, lease_ms=SOON_MS)] == [2]


@law
async def a_started_one_goes_before_a_waiting_one(store: Store) -> None:
    await asked(store, "a", outgoing("a", 1), outgoing("a", 2, phase="started"))
    assert [one.outgoing.number for one in await store.lease("w", limit=9, lease_ms=SOON_MS)] == [2]


@law
async def who_lost_the_lease_writes_nothing(store: Store) -> None:
    a0 = await asked(store, "a", outgoing("a"))
    ending = write(turned(a0), ended=(("a", 1),), lease=("w1", "a", 1))
    assert await store.commit([ending]) == [Answer("lease", "a")]
    await store.lease("w1", limit=1, lease_ms=0)
    assert await store.commit([ending]) == [Answer("lease", "a")]
    await store.lease("w2", limit=1, lease_ms=SOON_MS)
    assert await store.commit([ending]) == [Answer("lease", "a")]
    assert await store.commit([replace(ending, lease=("w2", "a", 1))]) == [ACCEPTED]
    assert await store.lease("w2", limit=1, lease_ms=SOON_MS) == []


@law
async def the_longest_due_is_leased_first(store: Store) -> None:
    for name, due in (("a", 30), ("b", 10), ("c", 20)):
        await asked(store, name, outgoing(name, due_ms=due), timers=(timer(name, due_ms=due),))
    leased = await store.lease("w", limit=2, lease_ms=SOON_MS)
    assert [one.outgoing.entity for one in leased] == ["b", "c"]
    assert [t.entity for t in await store.due_timers("w", limit=2, lease_ms=SOON_MS)] == ["b", "c"]
    assert await store.next_due_ms() == 30
    late = await store.overdue(TENANT, APP, before_ms=30, limit=3)
    assert [row.entity for row in late] == ["b", "b", "c"]
    assert await store.overdue("zeta", APP, before_ms=30, limit=3) == []


@law
async def what_is_pending_of_an_entity_is_told_by_due_time(store: Store) -> None:
    later = timer("a", "later", due_ms=FAR_MS)
    await asked(store, "a", outgoing("a", due_ms=20), timers=(timer("a", due_ms=10), later))
    await asked(store, "b", outgoing("b", due_ms=5), timers=())
    assert await store.pending(TENANT, APP, "a") == [timer("a", due_ms=10), outgoing("a", due_ms=20), later]
    assert await store.pending("zeta", APP, "a") == []
    assert await store.pending(TENANT, APP, "c") == []


@law
async def a_timer_is_fired_by_one(store: Store) -> None:
    armed = (timer("a"), timer("a", "deadline", due_ms=5), timer("a", "later", due_ms=FAR_MS))
    (a0,) = await made(store, "a", timers=armed)
    assert await store.due_timers("w1", limit=9, lease_ms=SOON_MS) == [*armed[:2]]
    assert await store.due_timers("w2", limit=9, lease_ms=SOON_MS) == []
    fired = write(turned(a0), disarmed=(("a", ""),), lease=("w2", "a", ""))
    assert await store.commit([fired]) == [Answer("lease", "a")]
    assert await store.commit([replace(fired, lease=("w1", "a", ""))]) == [ACCEPTED]
    assert await store.next_due_ms() == FAR_MS


@law
async def a_timer_that_was_put_off_is_due_when_its_entity_is_written(store: Store) -> None:
    a0, b0 = await made(store, "a", "b")
    a1, b1 = turned(a0), turned(b0)
    assert set(await commit(store, write(a1, timers=(timer("a"),)), write(b1, timers=(timer("b"),)))) == {
        "accepted"
    }
    assert len(await store.due_timers("w", limit=9, lease_ms=SOON_MS)) == 2
    for name in "ab":
        assert await store.postpone_timer("v", timer(name), until_ms=FAR_MS) is False
        assert await store.postpone_timer("w", timer(name), until_ms=FAR_MS) is True
    assert await store.due_timers("w", limit=9, lease_ms=SOON_MS) == []
    assert await store.next_due_ms() == FAR_MS
    assert await commit(store, write(turned(a1[0]))) == ["accepted"]
    assert await store.due_timers("w", limit=9, lease_ms=SOON_MS) == [timer("a")]


@law
async def a_timer_armed_anew_is_nobodys(store: Store) -> None:
    (a0,) = await made(store, "a", timers=(timer("a"),))
    await store.due_timers("w1", limit=9, lease_ms=SOON_MS)
    assert await commit(store, write(turned(a0), timers=(timer("a", due_ms=3),))) == ["accepted"]
    assert await store.due_timers("w2", limit=9, lease_ms=SOON_MS) == [timer("a", due_ms=3)]


# Beside the journal.


@law
async def checkpoints_only_go_on_from_the_last(store: Store) -> None:
    one, two = Checkpoint(5, 1, b"r" * 32), Checkpoint(9, 2, b"s" * 32, b"signed")
    three = Checkpoint(12, 3, b"t" * 32)
    assert await store.checkpoints() == []
    tried = ((one, 2), (one, 0), (one, 0), (two, 0), (two, 5), (one, 9), (three, 5), (two, 9))
    added = [await store.add_checkpoint(c, after=after) for c, after in tried]
    assert added == [False, True, False, False, True, False, False, False]
    assert await store.checkpoints() == [two]
    assert await store.checkpoints(limit=5) == [two, one]


def intent(action: str, count: int = 1, at_ms: int = 1, example: str = "a") -> Intent:
    return Intent(TENANT, APP, BLUEPRINT, action, "open", "guard", "x > 1", count, at_ms, at_ms, example)


@law
async def intents_are_counted_by_shape(store: Store) -> None:
    await store.count_intents([intent("pay"), intent("go", 2, 5)])
    await store.count_intents([intent("pay", 4, 9, "b"), intent("pay", 1, 0, "c")])
    total = replace(intent("pay", 6, 9, "c"), first_ms=0)
    assert await store.intents(TENANT, APP) == [total, intent("go", 2, 5)]
    assert await store.intents("zeta", APP) == []


@law
async def the_rarest_oldest_intents_give_way(store: Store) -> None:
    await store.count_intents([intent(f"a{n}", 2 if n % 2 else 1, n) for n in range(1_003)])
    kept = await store.intents(TENANT, APP)
    assert len(kept) == 1_000
    assert {f"a{n}" for n in range(1_003)} - {i.action for i in kept} == {"a0", "a2", "a4"}


# Keeping house.


@law
async def a_sweep_removes_what_expired_within_its_bound(store: Store) -> None:
    await made(store)
    group = [write(receipt=receipt(f"k{n}", expires_ms=n + 1)) for n in range(5)]
    await commit(store, *group, write(receipt=receipt("kept")))
    swept = await store.sweep(Bounds(rows=3))
    assert (swept.removed["receipt"], swept.more) == (3, True)
    swept = await store.sweep(Bounds(rows=3))
    assert (swept.removed["receipt"], swept.more) == (2, False)
    assert await store.receipt(TENANT, "ann", "kept") is not None


@law
async def final_entities_are_archived_with_their_journal(store: Store) -> None:
    await made(store, "live", timers=(timer("live"),))
    busy = turned(None, "busy", final=True)
    old = turned(None, "old", final=True)
    young = turned(None, "young", final=True, at_ms=9_000)
    assert set(
        await commit(
            store,
            write(busy, outgoing=(outgoing("busy", phase="late"),)),
            write(old, claims=(claim("old", "1"),), timers=(timer("old"),)),
            write(young),
        )
    ) == {"accepted"}
    await settled(store, 4)
    assert await store.archive(TENANT, APP, "Other", final_before_ms=5_000, limit=9) == []
    assert await store.archive(TENANT, APP, BLUEPRINT, final_before_ms=5_000, limit=9) == ["old"]
    assert [*await store.load(TENANT, APP, ["live", "busy", "old", "young"])] == ["live", "busy", "young"]
    assert await store.history(TENANT, APP, "old") == []
    assert [e.position for e in await store.entries(JournalQuery(TENANT))] == [1, 2, 4]
    assert [position for position, _ in await store.hashes(after=0, limit=9)] == [1, 2, 3, 4]
    assert [position for position, _ in await store.hashes(after=1, limit=2)] == [2, 3]
    assert await store.holders(TENANT, APP, [("number", b"1")]) == {}
    assert [t.entity for t in await store.due_timers("w", limit=9, lease_ms=SOON_MS)] == ["live"]
    kept = [row async for row in store.dump()]
    assert [table for table, _ in kept if table.startswith("archived")] == [
        "archived_entity",
        "archived_journal",
    ]
    assert (await store.sweep(Bounds())).removed["archived_entity"] == 0
    assert (await store.sweep(Bounds(archive_ms=0))).removed["archived_entity"] == 1
    assert not [table async for table, _ in store.dump() if table.startswith("archived")]
    assert await commit(store, write(turned(None, "next"))) == ["accepted"]
    await settled(store, 5)


@law
async def whoever_somebody_refers_to_is_not_archived(store: Store) -> None:
    """By a field or a member of a set, written long ago or just now; who refers to itself is nobody."""
    await made(store, "live")
    referring = (Referring("Holder", ("one",), ("some",)), Referring(BLUEPRINT, ("one",)))
    now = await store.now_ms()
    first, _ = held = turned(
        None, "first", blueprint="Holder", fields={"one": "a", "some": ["b", "c"]}, final=True
    )
    assert set(
        await commit(
            store,
            *(write(turned(None, name, final=True)) for name in "abde"),
            write(turned(None, "self", fields={"one": "self"}, final=True)),
            write(held),
            write(turned(None, "none", blueprint="Holder", fields={"one": None, "some": None})),
            write(turned(None, "new", blueprint="Holder", fields={"one": "d"}, at_ms=now)),
        )
    ) == {"accepted"}
    await settled(store, 9)

    async def archived(limit: int = 9, blueprint: str = BLUEPRINT) -> list[str]:
        return await store.archive(
            TENANT, APP, blueprint, final_before_ms=5_000, limit=limit, referring=referring
        )

    assert await archived(limit=1) == ["e"]
    assert await archived() == ["self"]
    assert await archived() == []
    await commit(
        store, write(turned(first, blueprint="Holder", fields={"one": None, "some": ["b"]}, final=True))
    )
    await settled(store, 10)
    assert await archived() == ["a"]
    assert await archived(blueprint="Holder") == ["first"]
    assert await archived() == ["b"]
    assert [*await store.load(TENANT, APP, ["a", "b", "d", "e", "self"])] == ["d"]


@law
async def the_position_survives_the_archive(store: Store) -> None:
    await made(store)
    await commit(store, write(turned(None, "old", final=True)))
    await settled(store, 1)
    assert await store.archive(TENANT, APP, BLUEPRINT, final_before_ms=5_000, limit=9) == ["old"]
    await store.sweep(Bounds(archive_ms=0))
    await store.close()
    await store.open()
    assert await store.position() == 1
    assert await commit(store, write(turned(None, "new"))) == ["accepted"]
    await settled(store, 2)
    assert [e.position for e in await store.entries(JournalQuery(TENANT))] == [2]


@law
async def erased_payloads_leave_a_chain_that_verifies(store: Store) -> None:
    a0, _ = await made(store, "a", "b")
    await commit(store, write(turned(a0, payload=b'{"args":{"name":"ann"}}')))
    assert await store.erase(TENANT, APP, "a") == 2
    assert await store.erase(TENANT, APP, "a") == 0
    entries = await store.history(TENANT, APP, "a")
    assert [e.payload for e in entries] == [None, None]
    assert not [*breaks(entries)]
    assert (await store.history(TENANT, APP, "b"))[0].payload is not None


async def full(store: Store) -> None:
    """Something of everything."""
    a0, _ = await made(store, "a", "b")
    await commit(
        store,
        write(
            turned(a0, fields={"text": "é"}), outgoing=(outgoing("a"),), timers=(timer("a"),),
            claims=(claim("a", "1"),), receipt=receipt("k"),
        ),
        write(turned(None, "old", final=True)),
    )  # fmt: skip
    await settled(store, 4)
    await store.archive(TENANT, APP, BLUEPRINT, final_before_ms=5_000, limit=9)
    await store.add_checkpoint(Checkpoint(3, 1, b"r" * 32), after=0)
    await store.count_intents([intent("pay")])
    said = Said(TENANT, 1, "token.created", "olga", ("olga",), "t", {})
    entries = audited(await store.audit_end(), said)
    await store.govern(Change(entries, (TokenRow(TENANT, "t", "", 9, None, b"{}"),)))
    entries = audited(await store.audit_end(), said)
    row = DecisionRow(TENANT, "d", APP, "open", "olga", b"", 9, 1, b"{}")
    await store.govern(Change(entries, decisions=(row,), held=(HeldRow(TENANT, "d", b"held"),)))
    await store.add_seal(Seal(1, 1, entries[0].hash, 3, b"r" * 32, b"s"))
    await store.erase(TENANT, APP, "b")
    await store.lease("w", limit=9, lease_ms=SOON_MS)


async def replayed(rows: Sequence[tuple[str, bytes]]) -> AsyncIterator[tuple[str, bytes]]:
    for row in rows:
        yield row


@law
async def a_store_that_is_not_empty_takes_nothing_in(store: Store) -> None:
    await full(store)
    dumped = [row async for row in store.dump()]
    with pytest.raises(UsageError, match="not empty"):
        await store.restore(replayed(dumped))


@law
async def closing_and_opening_changes_nothing(store: Store) -> None:
    await full(store)
    before = [row async for row in store.dump()]
    await store.close()
    await store.open()
    await store.ping()
    assert [row async for row in store.dump()] == before
    b0 = (await store.load(TENANT, APP, ["b"]))["b"]
    assert await commit(store, write(turned(b0))) == ["accepted"]
    await settled(store, 5)
