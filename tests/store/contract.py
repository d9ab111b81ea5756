"""What every store must do, whichever it is. `test_contract.py` runs each law against each store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from msgspec.structs import replace
from tests.store.rows import (
    APP,
    BLUEPRINT,
    DIGEST,
    FIRST,
    TENANT,
    claim,
    introduction,
    receipt,
    timer,
    turned,
    version,
    write,
)

from lathe.errors import UsageError
from lathe.lang.expr import Compare, Follow, Literal, Read, Special
from lathe.lang.types import Type
from lathe.store.base import Apply, JournalQuery, Query, Retiming, Store, UnstorableError, sort_value
from lathe.store.journal import breaks
from lathe.store.records import GENESIS, Answer, EntityRow, Governing, Timer, Write

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
    assert [e.position for e in await store.entries(JournalQuery(TENANT, after=1, until=3))] == [2, 3]
    assert await store.entries(JournalQuery(TENANT, after=3, until=3)) == []
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


# Timers of another version.


@law
async def timers_take_the_durations_of_the_new_version_and_keep_their_start(store: Store) -> None:
    await made(store)
    turns = {name: turned(None, name, state=state) for name, state in zip("abcd", "xxyz", strict=True)}
    armed = {"a": (timer("a", due_ms=5_000),), "c": (timer("c", due_ms=1), timer("c", "by", due_ms=2))}
    for name, turn in turns.items():
        assert await commit(store, write(turn, timers=armed.get(name, ()))) == ["accepted"]
    new = replace(version("e" * 64), applied_ms=1_000)
    retimings = (
        Retiming(BLUEPRINT, "x", after_ms=700),
        Retiming(BLUEPRINT, "y"),
        Retiming(BLUEPRINT, name="by"),
        Retiming("Other", "z", after_ms=1),
    )
    assert await store.apply(Apply(new, FIRST, retimings=retimings)) == ACCEPTED
    left = await store.overdue(TENANT, APP, before_ms=10**15, limit=10)
    told = [(t.entity, t.name, t.armed_ms, t.due_ms, t.visit) for t in left if isinstance(t, Timer)]
    assert told == [("a", "", 0, 700, 1), ("b", "", 1_000, 1_700, 1)]


@law
async def what_cannot_be_held_is_not_committed_and_said_to_be_so(store: Store) -> None:
    """Whoever commits tries the others of the group without it."""
    (a,) = await made(store, "a")
    good, bad = write(turned(a)), write(turned(None, "b"), receipt=receipt("\ud800"))
    if store.name != "memory":
        with pytest.raises(UnstorableError):
            await store.commit([good, bad])
        assert not await store.load(TENANT, APP, ["b"])
    assert await commit(store, good) == ["accepted"]


@law
async def what_changed_since_it_was_examined_is_looked_at_once_more(store: Store) -> None:
    a0, b0, c0 = await made(store, "a", "b", "c")
    governing = Governing("e" * 64, 2)
    examined = {row.id: row.head for row in (a0, b0, c0)}
    prepared = (write(turned(a0), governing=governing), write(turned(b0), governing=governing))
    b1, d0 = turned(b0), turned(None, "d")
    assert await commit(store, write(b1), write(d0)) == ["accepted", "accepted"]
    seen: list[EntityRow] = []

    def again(rows: Sequence[EntityRow]) -> dict[str, Write | None]:
        seen[:] = rows
        return {row.id: write(turned(row, state="moved"), governing=governing) for row in rows}

    refusing = Apply(version("e" * 64), FIRST, prepared, (), examined, _refuses)
    with pytest.raises(ArithmeticError):
        await store.apply(refusing)
    assert (await store.governing())[TENANT, APP] == FIRST
    assert await store.load(TENANT, APP, ["a", "b"]) == {"a": a0, "b": b1[0]}
    assert await store.apply(Apply(version("e" * 64), FIRST, prepared, (), examined, again)) == ACCEPTED
    assert sorted(row.id for row in seen) == ["b", "d"]
    rows = await store.load(TENANT, APP, ["a", "b", "c", "d"])
    told = {name: (row.state, row.revision) for name, row in rows.items()}
    assert told == {"a": ("open", 2), "b": ("moved", 3), "c": ("open", 1), "d": ("moved", 2)}
    await settled(store, 8)
    assert await commit(store, write(turned(rows["c"]), governing=governing)) == ["accepted"]


def _refuses(rows: Sequence[EntityRow]) -> dict[str, Write | None]:
    raise ArithmeticError("it does not fit")
