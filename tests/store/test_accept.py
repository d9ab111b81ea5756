"""Random groups: what is accepted, against a small model that only counts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from msgspec.structs import replace
from tests.store.rows import APP, claim, introduction, receipt, turned, write
from tests.store.stores import KINDS, Opening

from lathe.store.base import Store
from lathe.store.journal import breaks
from lathe.store.records import GENESIS, EntityRow, Write

NAMES = ("a", "b", "c")
EXAMPLES = {"memory": 300, "sqlite": 40, "postgres": 20}

Choice = tuple[int, tuple[str, ...], tuple[str, ...], str | None, str | None, bool]
CHOICES = st.lists(
    st.tuples(
        st.integers(0, 2),  # how far behind its base is
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True).map(tuple),
        st.lists(st.sampled_from(NAMES), max_size=1).map(tuple),
        st.sampled_from([None, None, "1", "2"]),  # claimed by the first of them
        st.sampled_from([None, None, "k", "l"]),
        st.sampled_from([True] * 9 + [False]),  # decided under what governs
    ),
    max_size=12,
)


class Model:
    """Entities by the tokens of their heads, claims by key, keys that were used."""

    def __init__(self) -> None:
        self.pasts: dict[str, list[EntityRow | None]] = {name: [None] for name in NAMES}
        self.heads: dict[str, bytes] = dict.fromkeys(NAMES, GENESIS)
        self.claims: dict[str, str] = {}
        self.used: set[str] = set()

    def expected(self, made: Write) -> str:
        """The verdict, and what follows from it."""
        if made.epoch != 1:
            return "governed"
        if made.receipt is not None and made.receipt.key in self.used:
            return "receipt"
        if any(self.heads[name] != head for name, head in made.bases):
            return "stale"
        for wanted in made.claims:
            if self.claims.get(wanted.key.decode(), wanted.entity) != wanted.entity:
                return "claimed"
        self.heads |= {row.id: row.head for row in made.entities}
        self.claims |= {c.key.decode(): c.entity for c in made.claims}
        self.used |= {made.receipt.key} if made.receipt else set()
        return "accepted"

    def write(self, choice: Choice) -> Write:
        behind, names, reads, wanted, key, is_current = choice
        turns = []
        for name in names:
            past = self.pasts[name]
            row, entry = turned(past[max(-1 - behind, -len(past))], name)
            past.append(row)
            turns.append((row, entry))
        made = write(*turns, reads=[(n, self.heads[n]) for n in reads if n not in names])
        made = replace(made, claims=(claim(names[0], wanted),) if wanted else ())
        made = replace(made, receipt=receipt(key) if key else None)
        return made if is_current else replace(made, epoch=2)


def tenanted(group: Sequence[Write], tenant: str) -> list[Write]:
    """The same for another tenant: chains do not verify, and nothing else changes."""
    return [
        replace(
            w,
            tenant=tenant,
            entities=tuple(replace(e, tenant=tenant) for e in w.entities),
            entries=tuple(replace(e, tenant=tenant) for e in w.entries),
            claims=tuple(replace(c, tenant=tenant) for c in w.claims),
            receipt=replace(w.receipt, tenant=tenant) if w.receipt else None,
        )
        for w in group
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_accepted_is_what_the_model_says(kind: str, opening: Opening) -> None:
    turn = 0

    @settings(max_examples=EXAMPLES[kind], suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(CHOICES, min_size=1, max_size=3))
    def through(groups: list[list[Choice]]) -> None:
        nonlocal turn
        turn += 1
        tenant = f"t{turn}"
        opening.loop.run_until_complete(follow(store, tenant, groups))

    with opening.kept(kind) as store:
        through()


async def follow(store: Store, tenant: str, groups: list[list[Choice]]) -> None:
    await store.apply(introduction(tenant=tenant))
    model = Model()
    written = 0
    for choices in groups:
        group = [model.write(choice) for choice in choices]
        expected = [model.expected(w) for w in group]
        answers = await store.commit(tenanted(group, tenant))
        assert [a.verdict for a in answers] == expected
        written += sum(
            len(w.entries) for w, verdict in zip(group, expected, strict=True) if verdict == "accepted"
        )
    rows = await store.load(tenant, APP, NAMES)
    assert {name: row.head for name, row in rows.items()} == {
        n: h for n, h in model.heads.items() if h != GENESIS
    }
    entries = [e for name in NAMES for e in await store.history(tenant, APP, name)]
    assert len(entries) == written
    for name in NAMES:
        links = [(e.previous, e.hash) for e in entries if e.entity == name]
        assert [p for p, _ in links] == [GENESIS, *(h for _, h in links)][: len(links)]
    asked = [("number", b"1"), ("number", b"2")]
    held = await store.holders(tenant, APP, asked)
    assert {key.decode(): entity for (_, key), entity in held.items()} == model.claims


def test_a_chain_that_was_tampered_with_is_told() -> None:
    row, first = turned(None, "a")
    _, second = turned(row)
    whole = [first, second]
    assert not [*breaks(whole)]
    told = {
        "is missing": [second],
        "payload is not": [replace(first, payload=b"{}"), second],
        "not chained": [first, replace(second, previous=GENESIS)],
        "not that of what it says": [replace(first, by="role:admin"), second],
    }
    for words, entries in told.items():
        assert any(words in broken.why for broken in breaks(entries)), words
