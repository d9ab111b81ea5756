"""What every store must do with tokens, the audit and seals: more laws of the contract."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace
from tests.store.contract import ACCEPTED, commit, law, made
from tests.store.rows import APP, DIGEST, TENANT, introduction, turned, version, write

from lathe.store.audit import (
    Audited,
    Change,
    DecisionQuery,
    DecisionRow,
    End,
    HeldRow,
    Said,
    Seal,
    TokenRow,
    audited,
    unchained,
)
from lathe.store.base import Apply, Bounds, Store
from lathe.store.records import Answer, Governing, Use

LATE = 4_000_000_000_000


def token(name: str, parent: str = "", *, tenant: str = TENANT, expires_ms: int = 5_000) -> TokenRow:
    return TokenRow(tenant, name, parent, expires_ms, None, b'{"of":"%s"}' % name.encode())


def said(subject: str = "t", *, tenant: str = TENANT) -> Said:
    return Said(tenant, 1_000, "token.created", "olga", ("olga",), subject, {"kind": "agent", "é": 1})


async def govern(store: Store, *tokens: TokenRow, raised: tuple[str, ...] = ()) -> bool:
    entries = audited(await store.audit_end(), said(tokens[0].id if tokens else "t"))
    return await store.govern(Change(entries, tokens, raised))


@law
async def a_token_is_found_with_those_that_it_comes_from(store: Store) -> None:
    parent, child, other = token("p"), token("c", "p"), token("z", tenant="other")
    assert await govern(store, parent, child, other)
    assert await store.lineage("c") == [child, parent]
    assert await store.lineage("p") == [parent]
    assert await store.lineage("nobody") == []
    assert await store.tokens(TENANT) == [child, parent]
    assert await store.tokens(TENANT, after="c", limit=1) == [parent]
    assert await store.tokens("other") == [other]
    over = replace(child, revoked_ms=7, body=b"{}")
    assert await govern(store, over)
    assert await store.lineage("c") == [over, parent]


@law
async def what_comes_from_a_token_is_listed_page_by_page(store: Store) -> None:
    rows = [token("m"), token("a", "m"), token("z", "a"), token("b", "z"), token("n"), token("c", "n")]
    assert await govern(store, *rows)
    named = {row.id: row for row in rows}
    assert await store.derived_tokens("m") == [named[name] for name in "abmz"]
    assert await store.derived_tokens("m", limit=2) == [named["a"], named["b"]]
    assert await store.derived_tokens("m", after="b") == [named["m"], named["z"]]
    assert await store.derived_tokens("z") == [named["b"], named["z"]]
    assert await store.derived_tokens("nobody") == await store.derived_tokens("") == []


@law
async def the_audit_is_one_chain(store: Store) -> None:
    assert await store.audit_end() == End()
    for name in "abc":
        assert await govern(store, token(name))
    found = await store.audit()
    assert [(e.number, e.subject) for e in found] == [(1, "a"), (2, "b"), (3, "c")]
    assert [*unchained(found)] == []
    assert await store.audit_end() == End(3, found[-1].hash)
    assert await store.audit(after=1, limit=1) == found[1:2]
    assert await store.audit(tenant="other") == []


@law
async def of_two_changes_decided_on_the_same_end_one_is_made(store: Store) -> None:
    end = await store.audit_end()
    changes = [Change(audited(end, said(name)), (token(name),)) for name in "ab"]
    made_of = await asyncio.gather(*map(store.govern, changes))
    assert sorted(made_of) == [False, True]
    assert len(await store.audit()) == len(await store.tokens(TENANT)) == 1


@law
async def a_change_that_raises_the_epoch_refuses_what_was_decided_before(store: Store) -> None:
    (a0,) = await made(store, "a")
    told: list[int] = []
    store.on_governed(lambda: told.append(1))
    assert await govern(store, token("t"), raised=("other",))
    assert (await store.governing())[TENANT, APP] == Governing(DIGEST, 1)
    assert await govern(store, token("t"), raised=(TENANT,))
    assert (await store.governing())[TENANT, APP] == Governing(DIGEST, 2)
    assert await store.commit([write(turned(a0))]) == [Answer("governed", APP)]
    assert await commit(store, write(turned(a0), governing=Governing(DIGEST, 2))) == ["accepted"]
    for _ in range(1_000):
        if told:
            return
        await asyncio.sleep(0.002)
    raise AssertionError("nobody was told")


@law
async def a_version_is_applied_with_its_line_of_the_audit_or_not_at_all(store: Store) -> None:
    first = audited(End(), said("v1"))
    assert await store.apply(Apply(introduction().version, None, audit=first)) == ACCEPTED
    governing = Governing(DIGEST, 1)
    again = Apply(version("e" * 64), governing, audit=audited(End(), said("v2")))
    assert (await store.apply(again)).verdict == "audit"
    assert (await store.governing())[TENANT, APP] == governing
    end = await store.audit_end()
    assert await store.apply(Apply(version("e" * 64), governing, audit=audited(end, said("v2")))) == ACCEPTED
    assert [e.subject for e in await store.audit()] == ["v1", "v2"]


@law
async def seals_only_grow(store: Store) -> None:
    def seal(number: int) -> Seal:
        return Seal(number, 5, b"h" * 32, 0, b"r" * 32, b"s")

    assert await store.seals() == []
    assert await store.add_seal(seal(2)) and await store.add_seal(seal(3))
    assert not await store.add_seal(seal(3)) and not await store.add_seal(seal(1))
    assert await store.seals(limit=5) == [seal(3), seal(2)]


@law
async def tokens_that_are_over_are_swept(store: Store) -> None:
    late = 4_000_000_000_000
    over, gone, live = (
        token("a"),
        replace(token("b", expires_ms=late), revoked_ms=7),
        token("c", expires_ms=late),
    )
    assert await govern(store, over, gone, live)
    assert (await store.sweep(Bounds())).removed["token"] == 0
    assert (await store.sweep(Bounds(tokens_ms=60_000))).removed["token"] == 2
    assert await store.tokens(TENANT) == [live]


@law
async def those_tokens_alone_that_live_are_read(store: Store) -> None:
    rows = [token("a", expires_ms=5), token("b", "a", expires_ms=6), token("c"), token("d", expires_ms=9)]
    assert await govern(store, *rows, token("z", tenant="other"))
    assert await govern(store, replace(rows[2], revoked_ms=1))
    assert await store.tokens(TENANT, living_ms=4) == [rows[0], rows[1], rows[3]]
    assert await store.tokens(TENANT, living_ms=5) == [rows[1], rows[3]]
    assert await store.tokens(TENANT, living_ms=4, limit=1) == rows[:1]
    assert await store.tokens(TENANT, living_ms=4, after="b") == rows[3:]
    assert await store.tokens(TENANT, living_ms=9) == []


def decision(name: str, *, state: str = "open", revision: int = 1, expires_ms: int = LATE) -> DecisionRow:
    return DecisionRow(TENANT, name, APP, state, "ann", b"k-" + name.encode(), expires_ms, revision, b"{}")


async def decide(store: Store, *rows: DecisionRow) -> bool:
    entries = audited(await store.audit_end(), said(rows[0].id))
    return await store.govern(Change(entries, decisions=rows))


@law
async def a_decision_changes_one_revision_at_a_time(store: Store) -> None:
    a, b = decision("a"), decision("b")
    assert await decide(store, a) and await decide(store, b)
    assert await store.decision(TENANT, "a") == a
    assert await store.decision(TENANT, "c") is None and await store.decision("other", "a") is None
    assert not await decide(store, a), "it is there already"
    assert not await decide(store, decision("c", revision=2)), "it is not there yet"
    denied = replace(a, state="denied", revision=2)
    assert await decide(store, denied)
    assert not await decide(store, replace(a, state="approved", revision=2))
    assert await store.decision(TENANT, "a") == denied
    assert len(await store.audit()) == 3, "what was not changed has no line"


@law
async def decisions_are_listed_the_newest_first(store: Store) -> None:
    rows = [decision("a"), replace(decision("b"), by="bob"), decision("c", expires_ms=5)]
    for row in rows:
        assert await decide(store, row)
    assert await decide(store, replace(rows[0], state="denied", revision=2))

    async def names(**asked: Any) -> list[str]:
        return [row.id for row in await store.decisions(DecisionQuery(TENANT, **asked))]

    assert await names() == ["c", "b", "a"]
    assert await names(state="open") == ["c", "b"]
    assert await names(by="ann", live_ms=5) == ["a"]
    assert await names(before="c", limit=1) == ["b"]
    assert await store.decisions(DecisionQuery("other")) == []


@law
async def an_approval_lets_one_write_pass_and_no_more(store: Store) -> None:
    (a0,) = await made(store, "a")
    assert await decide(store, decision("d"))
    use = Use("d", 2, True)
    assert await store.commit([replace(write(turned(a0)), decision=use)]) == [Answer("decision", "d")]
    assert await decide(store, decision("d", state="approved", revision=2))
    assert [row.id for row in await store.approved(TENANT, [b"x", b"k-d"])] == ["d"]
    a1 = turned(a0)
    both = [replace(write(a1), decision=use), replace(write(turned(a1[0])), decision=use)]
    assert await store.commit(both) == [ACCEPTED, Answer("decision", "d")]
    assert await store.approved(TENANT, [b"k-d"]) == []
    found = await store.decision(TENANT, "d")
    assert found is not None and (found.state, found.revision) == ("used", 3)
    assert await store.commit([both[1]]) == [Answer("decision", "d")]
    assert not await decide(store, decision("d", state="denied", revision=3)), "it was used meanwhile"


@law
async def an_approval_for_a_time_lets_pass_until_then(store: Store) -> None:
    (a0,) = await made(store, "a")
    for name, expires_ms in (("d", LATE), ("over", 5)):
        assert await decide(store, decision(name))
        assert await decide(store, decision(name, state="approved", revision=2, expires_ms=expires_ms))
    a1 = turned(a0)
    a2 = turned(a1[0])
    writes = [
        replace(write(one), decision=Use(name, 2, False))
        for one, name in ((a1, "d"), (a2, "d"), (turned(a2[0]), "over"))
    ]
    assert await store.commit(writes) == [ACCEPTED, ACCEPTED, Answer("decision", "over")]
    assert [row.id for row in await store.approved(TENANT, [b"k-d", b"k-over"])] == ["d"]


@law
async def two_groups_at_once_use_an_approval_once(store: Store) -> None:
    heads = await made(store, "a", "b")
    assert await decide(store, decision("d"))
    assert await decide(store, decision("d", state="approved", revision=2))
    writes = [replace(write(turned(head)), decision=Use("d", 2, True)) for head in heads]
    answers = await asyncio.gather(*(store.commit([one]) for one in writes))
    assert sorted(answer.verdict for (answer,) in answers) == ["accepted", "decision"]


@law
async def a_version_uses_an_approval_with_it_or_is_not_applied(store: Store) -> None:
    assert await store.apply(introduction()) == ACCEPTED
    assert await decide(store, decision("d"))
    used = decision("d", state="used", revision=3)

    async def apply() -> Answer:
        lines = audited(await store.audit_end(), said("v2"))
        return await store.apply(
            Apply(version("e" * 64), Governing(DIGEST, 1), audit=lines, decisions=(used,))
        )

    assert (await apply()).verdict == "decision"
    assert (await store.governing())[TENANT, APP] == Governing(DIGEST, 1)
    assert await decide(store, decision("d", state="approved", revision=2))
    assert await apply() == ACCEPTED
    assert await store.decision(TENANT, "d") == used


@law
async def what_is_held_is_as_long_as_its_decision(store: Store) -> None:
    a, b = decision("a", expires_ms=5), decision("b")
    held = HeldRow(TENANT, "a", b"files of a"), HeldRow(TENANT, "b", b"\x00\xff")
    entries = audited(await store.audit_end(), said("a"))
    assert await store.govern(Change(entries, decisions=(a, b), held=held))
    assert [await store.held(TENANT, name) for name in "abc"] == [b"files of a", b"\x00\xff", None]
    assert await store.held("other", "a") is None
    stale = audited(await store.audit_end(), said("c"))
    refused = Change(stale, decisions=(a,), held=(HeldRow(TENANT, "c", b"never"),))
    assert not await store.govern(refused)
    assert await store.held(TENANT, "c") is None
    await store.sweep(Bounds(decisions_ms=60_000))
    assert [await store.held(TENANT, name) for name in "ab"] == [None, b"\x00\xff"]


@law
async def decisions_that_are_over_are_swept(store: Store) -> None:
    assert await decide(store, decision("a", expires_ms=5)) and await decide(store, decision("b"))
    assert (await store.sweep(Bounds())).removed["decision"] == 0
    assert (await store.sweep(Bounds(decisions_ms=60_000))).removed["decision"] == 1
    assert [row.id for row in await store.decisions(DecisionQuery(TENANT))] == ["b"]


def test_a_line_that_was_changed_or_left_out_shows() -> None:
    entries = list(audited(End(), said("a"), said("b"), said("c")))
    assert [*unchained(entries)] == []
    edited = replace(entries[1], body=b"{}")
    assert [b.number for b in unchained([entries[0], edited, entries[2]])] == [2]
    assert [b.number for b in unchained([entries[0], entries[2]])] == [2]
    assert [b.number for b in unchained(entries[1:])] == [1]
    resealed: Audited = audited(End(1, entries[0].hash), said("other"))[0]
    assert [b.number for b in unchained([entries[0], resealed, entries[2]])] == [3]
