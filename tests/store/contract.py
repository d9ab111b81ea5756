"""What every store must do, whichever it is. `test_contract.py` runs each law against each store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from msgspec.structs import replace
from tests.store.rows import (
    APP,
    BLUEPRINT,
    DIGEST,
    FAR_MS,
    FIRST,
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

from lathe.errors import UsageError
from lathe.lang.expr import Compare, Follow, Literal, Read, Special
from lathe.lang.types import Type
from lathe.store.base import Apply, Bounds, JournalQuery, Query, Store, sort_value
from lathe.store.journal import breaks
from lathe.store.records import GENESIS, Answer, Checkpoint, EntityRow, Governing, Intent, Write

Law = Callable[[Store], Awaitable[None]]
LAWS: list[Law] = []
ACCEPTED = Answer("accepted")
INT = Type("int", low=-100, high=100)


def law(check: Law) -> Law:
    LAWS.append(check)
    return check


async def commit(store: Store, *group: Write) -> list[str]:
    """The verdicts on a group, in short."""
    return [answer.verdict for answer in await store.commit(group)]


async def made(store: Store, *names: str, **more: object) -> list[EntityRow]:
    """The app, and entities in it."""
    if (TENANT, APP) not in await store.governing():
        assert await store.apply(introduction()) == ACCEPTED
    rows = [turned(None, name) for name in names]
    if rows:
        assert await commit(store, *(write(turn, **more) for turn in rows)) == ["accepted"] * len(rows)
    return [row for row, _ in rows]


async def settled(store: Store, position: int) -> None:
    """Until the journal's positions have come so far: at once, where one process decides them."""
    for _ in range(2_000):
        if await store.position() >= position:
            return
        await asyncio.sleep(0.002)
    raise AssertionError(f"the journal stands at {await store.position()}, not {position}")


# Steps.


@law
async def what_is_committed_is_read_back(store: Store) -> None:
    await made(store)
    row, entry = turned(None, "a", fields={"text": 'é\u2028"', "count": -3, "tags": ["x"]})
    assert await commit(store, write((row, entry))) == ["accepted"]
    assert await store.load(TENANT, APP, ["a", "b"]) == {"a": row}
    await settled(store, 1)
    assert await store.history(TENANT, APP, "a") == [replace(entry, position=1)]
    assert await store.entries(JournalQuery(TENANT)) == [replace(entry, position=1)]


@law
async def an_empty_group_is_nothing(store: Store) -> None:
    assert await store.commit([]) == []


@law
async def a_chain_in_one_group_is_accepted(store: Store) -> None:
    (a0,) = await made(store, "a")
    a1, e1 = turned(a0)
    a2, e2 = turned(a1, state="paid")
    assert await commit(store, write((a1, e1)), write((a2, e2))) == ["accepted", "accepted"]
    assert await store.load(TENANT, APP, ["a"]) == {"a": a2}
    assert not [*breaks(await store.history(TENANT, APP, "a"))]


@law
async def what_builds_on_a_refused_write_is_refused_and_nothing_else(store: Store) -> None:
    a0, b0 = await made(store, "a", "b")
    a1, e1 = turned(a0)
    assert await commit(store, write((a1, e1))) == ["accepted"]
    x1 = turned(a0, state="stale")
    x2 = turned(x1[0])
    answers = await store.commit([write(x1), write(turned(b0)), write(x2), write(turned(a1))])
    assert answers == [Answer("stale", "a"), ACCEPTED, Answer("stale", "a"), ACCEPTED]
    assert [e.revision for e in await store.history(TENANT, APP, "a")] == [1, 2, 3]


@law
async def a_revision_of_another_history_is_no_base(store: Store) -> None:
    (a0,) = await made(store, "a")
    ours, theirs = turned(a0, state="ours"), turned(a0, state="theirs")
    assert await commit(store, write(theirs)) == ["accepted"]
    assert await commit(store, write(turned(ours[0]))) == ["stale"]


@law
async def an_entity_is_created_once(store: Store) -> None:
    (a0,) = await made(store, "a")
    assert await commit(store, write(turned(None, "a", state="other"))) == ["stale"]
    assert await store.load(TENANT, APP, ["a"]) == {"a": a0}


@law
async def what_was_read_must_be_so_still(store: Store) -> None:
    a0, b0 = await made(store, "a", "b")
    moved = turned(b0)
    answers = await commit(
        store,
        write(turned(None, "c"), reads=[("b", b0.head)]),
        write(moved),
        write(turned(None, "d"), reads=[("b", b0.head)]),
        write(turned(None, "e"), reads=[("b", moved[0].head)]),
        write(turned(None, "f"), reads=[("nobody", GENESIS)]),
        write(turned(None, "g"), reads=[("nobody", a0.head)]),
    )
    assert answers == ["accepted", "accepted", "stale", "accepted", "accepted", "stale"]


@law
async def a_joint_step_is_all_or_nothing(store: Store) -> None:
    a0, b0 = await made(store, "a", "b")
    assert await commit(store, write(turned(b0))) == ["accepted"]
    assert await commit(store, write(turned(a0), turned(b0))) == ["stale"]
    assert (await store.load(TENANT, APP, ["a"]))["a"] == a0


@law
async def decisions_under_another_version_are_refused(store: Store) -> None:
    (a0,) = await made(store, "a")
    other, epoch = Governing("e" * 64, 1), Governing(DIGEST, 2)
    answers = await store.commit([
        write(turned(a0), governing=other),
        write(turned(a0), governing=epoch),
        write(turned(None, "x", app="none")),
    ])  # fmt: skip
    assert answers == [Answer("governed", APP), Answer("governed", APP), Answer("governed", "none")]


@law
async def tenants_and_apps_do_not_see_each_other(store: Store) -> None:
    await made(store, "a")
    await store.apply(introduction(tenant="zeta"))
    row, entry = turned(None, "a", tenant="zeta", state="theirs")
    assert await commit(store, write((row, entry))) == ["accepted"]
    assert await store.load("zeta", APP, ["a"]) == {"a": row}
    assert await store.load(TENANT, "other", ["a"]) == {}
    await settled(store, 2)
    assert [e.tenant for e in await store.entries(JournalQuery("zeta"))] == ["zeta"]
    assert await store.count("zeta", APP) == {(BLUEPRINT, "theirs"): 1}


@law
async def a_claim_has_one_holder(store: Store) -> None:
    await made(store, "a", claims=(claim("a", "1"),))
    answers = await store.commit([
        write(turned(None, "b"), claims=(claim("b", "1"),)),
        write(turned(None, "c"), claims=(claim("c", "2"),)),
        write(turned(None, "d"), claims=(claim("d", "2"),)),
        write(turned(None, "e"), claims=(claim("e", "1", "other"),)),
    ])  # fmt: skip
    assert answers == [Answer("claimed", "number=1"), ACCEPTED, Answer("claimed", "number=2"), ACCEPTED]
    asked = [("number", b"1"), ("number", b"2"), ("number", b"3"), ("other", b"1")]
    assert await store.holders(TENANT, APP, asked) == {
        ("number", b"1"): "a", ("number", b"2"): "c", ("other", b"1"): "e"
    }  # fmt: skip


@law
async def a_claim_let_go_is_free_in_the_same_write_and_later(store: Store) -> None:
    (a0,) = await made(store, "a", claims=(claim("a", "1"),))
    a1 = turned(a0)
    taken_over = write(a1, turned(None, "b"), released=(claim("a", "1"),), claims=(claim("b", "1"),))
    assert await commit(store, taken_over) == ["accepted"]
    assert await store.holders(TENANT, APP, [("number", b"1")]) == {("number", b"1"): "b"}
    b0 = (await store.load(TENANT, APP, ["b"]))["b"]
    group = [
        write(turned(b0), released=(claim("b", "1"),)),
        write(turned(None, "c"), claims=(claim("c", "1"),)),
    ]
    assert await commit(store, *group) == ["accepted", "accepted"]
    assert await store.holders(TENANT, APP, [("number", b"1")]) == {("number", b"1"): "c"}
    c0 = (await store.load(TENANT, APP, ["c"]))["c"]
    assert await commit(store, write(turned(c0), released=(claim("c", "1"),))) == ["accepted"]
    assert await store.holders(TENANT, APP, [("number", b"1")]) == {}


@law
async def one_write_cannot_claim_the_same_for_two(store: Store) -> None:
    await made(store)
    both = write(turned(None, "a"), turned(None, "b"), claims=(claim("a", "1"), claim("b", "1")))
    assert await store.commit([both]) == [Answer("claimed", "number=1")]


@law
async def nobody_lets_go_of_what_another_holds(store: Store) -> None:
    await made(store, "a", claims=(claim("a", "1"),))
    await made(store, "b", released=(claim("b", "1"),))
    assert await store.holders(TENANT, APP, [("number", b"1")]) == {("number", b"1"): "a"}


@law
async def an_idempotency_key_is_used_once(store: Store) -> None:
    await made(store, "a", receipt=receipt("k"))
    assert await store.receipt(TENANT, "ann", "k") == receipt("k")
    assert await store.receipt(TENANT, "bob", "k") is None
    answers = await store.commit([
        write(turned(None, "b"), receipt=receipt("k")),
        write(turned(None, "c"), receipt=receipt("k", principal="bob")),
        write(turned(None, "d"), receipt=receipt("new")),
        write(turned(None, "e"), receipt=receipt("new")),
    ])  # fmt: skip
    assert answers == [Answer("receipt", "k"), ACCEPTED, ACCEPTED, Answer("receipt", "new")]


@law
async def an_expired_key_is_free(store: Store) -> None:
    await made(store, "a", receipt=receipt("k", expires_ms=1))
    assert await store.receipt(TENANT, "ann", "k") is None
    assert await commit(store, write(turned(None, "b"), receipt=receipt("k"))) == ["accepted"]
    assert await store.receipt(TENANT, "ann", "k") == receipt("k")


@law
async def a_receipt_needs_no_entity(store: Store) -> None:
    await made(store)
    assert await commit(store, write(receipt=receipt("k"))) == ["accepted"]
    assert await commit(store, write(receipt=receipt("k"))) == ["receipt"]


# Rows.


async def pages(store: Store, query: Query) -> list[str]:
    found: list[str] = []
    while rows := await store.find(query):
        found += [row.id for row in rows]
        query = Query(
            **{n: getattr(query, n) for n in ("tenant", "app", "blueprint", "states", "where", "sort")},
            descending=query.descending, limit=query.limit, after=sort_value(rows[-1], query.sort),
        )  # fmt: skip
    return found


async def several(store: Store) -> None:
    await made(store)
    turns = [
        turned(None, "a", state="open", at_ms=30, fields={"count": 1, "who": None}),
        turned(None, "b", state="done", at_ms=10, fields={"count": 2, "who": "ann"}),
        turned(None, "c", state="open", at_ms=20, fields={"count": 3, "who": "Bob"}),
        turned(None, "B", state="late", at_ms=20, fields={"count": 4}),
    ]
    assert set(await commit(store, *(write(turn) for turn in turns))) == {"accepted"}


@law
async def lists_are_sorted_and_paged(store: Store) -> None:
    await several(store)
    for limit in (1, 3, 4):
        query = Query(TENANT, APP, BLUEPRINT, limit=limit)
        assert await pages(store, query) == ["B", "a", "b", "c"]
    assert await pages(store, Query(TENANT, APP, BLUEPRINT, descending=True, limit=1)) == [*"cbaB"]
    for sort, order in (("created", "bBca"), ("changed", "bBca"), ("state", "bBac")):
        query = Query(TENANT, APP, BLUEPRINT, sort=sort, limit=2)  # type: ignore[arg-type]
        assert await pages(store, query) == [*order], sort
        query = Query(TENANT, APP, BLUEPRINT, sort=sort, limit=1, descending=True)  # type: ignore[arg-type]
        assert await pages(store, query) == [*reversed(order)], sort
    assert await store.find(Query(TENANT, APP, "Other")) == []


@law
async def lists_are_filtered(store: Store) -> None:
    await several(store)
    assert await pages(store, Query(TENANT, APP, BLUEPRINT, states=("open", "late"))) == [*"Bac"]
    large = Compare(">", Read("field", "count", INT), Literal(1, INT))
    assert await pages(store, Query(TENANT, APP, BLUEPRINT, where=large, limit=1)) == [*"Bbc"]
    assert await pages(store, Query(TENANT, APP, BLUEPRINT, states=("open",), where=large)) == ["c"]
    unset = Compare("is", Read("field", "who", Type("id")), Literal(None, Type("none")))
    assert await pages(store, Query(TENANT, APP, BLUEPRINT, where=unset, limit=1)) == [*"Ba"]
    state = Compare("==", Special("state", Type("state")), Literal("done", Type("state")))
    assert await pages(store, Query(TENANT, APP, BLUEPRINT, where=state)) == ["b"]


@law
async def what_sql_cannot_say_is_refused(store: Store) -> None:
    await made(store, "a")
    ref = Read("field", "other", Type("ref", blueprint=BLUEPRINT))
    through = Compare("==", Follow(ref, "field", "count", INT), Literal(1, INT))
    with pytest.raises(UsageError, match="own rows only"):
        await store.find(Query(TENANT, APP, BLUEPRINT, where=through))


@law
async def entities_are_counted_by_state(store: Store) -> None:
    await several(store)
    counted = await store.count(TENANT, APP)
    assert counted == {(BLUEPRINT, "open"): 2, (BLUEPRINT, "done"): 1, (BLUEPRINT, "late"): 1}


@law
async def the_journal_has_positions_without_gaps(store: Store) -> None:
    rows = await made(store, *"abc")
    assert await commit(store, write(turned(rows[0])), write(turned(rows[0])), write(turned(rows[1]))) == [
        "accepted", "stale", "accepted"
    ]  # fmt: skip
    await settled(store, 5)
    found = await store.entries(JournalQuery(TENANT))
    assert [e.position for e in found] == [1, 2, 3, 4, 5]
    assert [e.entity for e in found] == [*"abcab"]
    assert await store.position() == 5
    assert [e.position for e in await store.entries(JournalQuery(TENANT, after=2, limit=2))] == [3, 4]
    assert [e.position for e in await store.entries(JournalQuery(TENANT, entity="a"))] == [1, 4]
    assert [e.position for e in await store.entries(JournalQuery(TENANT, app=APP, entity="a", after=1))] == [
        4
    ]
    assert len(await store.entries(JournalQuery(TENANT, blueprint=BLUEPRINT, app=APP))) == 5
    assert await store.entries(JournalQuery(TENANT, blueprint="Other")) == []
    assert await store.entries(JournalQuery(TENANT, app="other")) == []
    assert [e.revision for e in await store.history(TENANT, APP, "a", after=1)] == [2]
    assert [e.revision for e in await store.history(TENANT, APP, "a", limit=1)] == [1]


@law
async def listeners_are_told(store: Store) -> None:
    told = asyncio.Event()
    store.on_change(told.set)
    await made(store, "a")
    await asyncio.wait_for(told.wait(), 10)


# Versions.


@law
async def a_version_governs_from_its_application_on(store: Store) -> None:
    assert await store.governing() == {}
    change = introduction()
    assert await store.apply(change) == ACCEPTED
    assert await store.governing() == {(TENANT, APP): FIRST}
    assert await store.apply(change) == Answer("governed", APP)
    other = version("e" * 64, note="two")
    assert await store.apply(Apply(other, Governing("x", 1))) == Answer("governed", APP)
    assert await store.apply(Apply(other, FIRST)) == ACCEPTED
    assert await store.apply(Apply(version(note="back"), Governing("e" * 64, 2))) == ACCEPTED
    assert await store.governing() == {(TENANT, APP): Governing(DIGEST, 3)}
    assert [v.note for v in await store.versions(TENANT, APP)] == ["back", "two", ""]
    assert [v.files for v in await store.versions(TENANT, APP)] == [{}, {}, {}]
    assert await store.version(TENANT, APP, "e" * 64) == other
    assert await store.version(TENANT, APP, "f" * 64) is None
    assert await store.version("zeta", APP, DIGEST) is None


@law
async def an_application_brings_all_entities_over_or_none(store: Store) -> None:
    a0, b0 = await made(store, "a", "b")
    assert await commit(store, write(turned(b0))) == ["accepted"]
    change = Apply(version("e" * 64), FIRST)
    over = [write(turned(row, state="new"), governing=change.governing) for row in (a0, b0)]
    assert await store.apply(Apply(change.version, FIRST, tuple(over))) == Answer("stale", "b")
    assert await store.load(TENANT, APP, ["a"]) == {"a": a0}
    assert await store.governing() == {(TENANT, APP): FIRST}
    assert await store.apply(Apply(change.version, FIRST, (over[0],))) == ACCEPTED
    assert (await store.load(TENANT, APP, ["a"]))["a"].state == "new"
    assert await commit(store, write(turned(a0))) == ["governed"]


# Effects and timers.


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
async def checkpoints_only_go_forward(store: Store) -> None:
    one, two = Checkpoint(5, 1, b"r" * 32), Checkpoint(9, 2, b"s" * 32, b"signed")
    assert await store.checkpoints() == []
    assert [await store.add_checkpoint(c) for c in (one, one, two, one)] == [True, False, True, False]
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
    assert await store.archive(TENANT, APP, "Other", final_before_ms=5_000, limit=9) == 0
    assert await store.archive(TENANT, APP, BLUEPRINT, final_before_ms=5_000, limit=9) == 1
    assert [*await store.load(TENANT, APP, ["live", "busy", "old", "young"])] == ["live", "busy", "young"]
    assert await store.history(TENANT, APP, "old") == []
    assert [e.position for e in await store.entries(JournalQuery(TENANT))] == [1, 2, 4]
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
async def the_position_survives_the_archive(store: Store) -> None:
    await made(store)
    await commit(store, write(turned(None, "old", final=True)))
    await settled(store, 1)
    assert await store.archive(TENANT, APP, BLUEPRINT, final_before_ms=5_000, limit=9) == 1
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
    await store.add_checkpoint(Checkpoint(3, 1, b"r" * 32))
    await store.count_intents([intent("pay")])
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
