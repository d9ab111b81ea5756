"""What every store must do with tokens, the audit and seals: more laws of the contract."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace
from tests.store.contract import ACCEPTED, commit, law, made
from tests.store.rows import APP, DIGEST, TENANT, introduction, turned, version, write

from lathe.store.audit import Audited, Change, End, Said, Seal, TokenRow, audited, unchained
from lathe.store.base import Apply, Bounds, Store
from lathe.store.records import Answer, Governing


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


def test_a_line_that_was_changed_or_left_out_shows() -> None:
    entries = list(audited(End(), said("a"), said("b"), said("c")))
    assert [*unchained(entries)] == []
    edited = replace(entries[1], body=b"{}")
    assert [b.number for b in unchained([entries[0], edited, entries[2]])] == [2]
    assert [b.number for b in unchained([entries[0], entries[2]])] == [2]
    assert [b.number for b in unchained(entries[1:])] == [1]
    resealed: Audited = audited(End(1, entries[0].hash), said("other"))[0]
    assert [b.number for b in unchained([entries[0], resealed, entries[2]])] == [3]
