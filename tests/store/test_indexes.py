"""What a list is asked for is found by an index, on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.store.contract import commit, made
from tests.store.rows import APP, BLUEPRINT, TENANT, claim, turned, write
from tests.store.server import Server

from lathe.lang.expr import And, Compare, Literal, Members, Read, Special
from lathe.lang.types import Type
from lathe.store import queries
from lathe.store.base import Query, Store
from lathe.store.dialect import Postgres, Sqlite
from lathe.store.memory import MemoryStore
from lathe.store.postgres import duties as postgres_duties, governed as postgres_governed
from lathe.store.postgres.store import PostgresStore
from lathe.store.rows import ENTITY_BACK
from lathe.store.sqlite import duties as sqlite_duties, governed as sqlite_governed
from lathe.store.sqlite.store import SqliteStore

TEXT, STATE, INT = Type("text", maximum=9), Type("state"), Type("int", low=0, high=9)
STATES = Special("state", STATE)
IS_OPEN = Compare("==", STATES, Literal("open", STATE))
ONE_OF = Compare(
    "in", STATES, Members((Literal("open", STATE), Literal("paid", STATE)), Type("set", element=STATE))
)
SMALL = Compare("<", Read("field", "count", INT), Literal(5, INT))
IS_A = Compare("==", Literal("a", TEXT), Special("id", TEXT))
BASE = Query(TENANT, APP, BLUEPRINT)


def asked(**more: object) -> Query:
    return Query(TENANT, APP, BLUEPRINT, **more)  # type: ignore[arg-type]


CASES = {
    "state": (asked(where=And((SMALL, IS_OPEN))), "entity_state"),
    "states": (asked(where=ONE_OF), "entity_state|entity_id|entity_pkey"),  # or in order of id
    "asked states": (asked(states=("open",)), "entity_state"),
    "id": (asked(where=And((IS_A, SMALL))), "entity_id|entity_pkey"),
    "holder": (asked(holder=("number", b"[7]")), "SEARCH c USING PRIMARY KEY|claim_pkey"),
    "created": (asked(sort="created"), "entity_created"),
}

CONDITIONS = {
    "state": "(state = 'open'::text)",
    "asked states": "(state = 'open'::text)",
    "id": "(id = 'a'::text)",
    "holder": "claim_pkey",
    "created": "entity_created",
}
"""What PostgreSQL says of the index that it looks into; which one, of a small table, is open."""


async def filled(store: Store) -> None:
    await store.open()
    await made(store)
    turns = [turned(None, f"e{n}", state=("open", "paid", "sent")[n % 3]) for n in range(60)]
    assert set(await commit(store, *map(write, turns))) == {"accepted"}
    own = write(turned(None, "a"), claims=(claim("a", "[7]"),))
    assert await commit(store, own) == ["accepted"]


def uses(plan: str, names: str) -> bool:
    return any(name in plan for name in names.split("|"))


@pytest.mark.parametrize("case", [*CASES])
def test_sqlite_looks_into_an_index(case: str, tmp_path: Path) -> None:
    query, index = CASES[case]

    async def main() -> None:
        store = SqliteStore(tmp_path)
        await filled(store)
        statement, bound = queries.find(query, Sqlite(), ENTITY_BACK)
        rows = await store._rows(f"explain query plan {statement}", bound)
        plan = "; ".join(str(row[3]) for row in rows)
        assert uses(plan, index) and "SCAN" not in plan, plan
        if case != "states":
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan, plan
        await store.close()

    asyncio.run(main())


def test_postgresql_looks_into_an_index(server: Server) -> None:
    async def main() -> None:
        store = PostgresStore(server.url, schema="indexed")
        await filled(store)
        plans = []
        async with store._writer.use() as db:
            await db.execute("set enable_seqscan = off")
            await db.execute("set enable_bitmapscan = off")
            for case, said in CONDITIONS.items():
                query = CASES[case][0]
                statement, bound = queries.find(query, Postgres(), "e.id")
                rows = await db.fetch(f"explain {statement}", *bound)
                plans.append((said, "\n".join(row[0] for row in rows if "Filter" not in row[0])))
        await store.close()
        for said, plan in plans:
            assert said in plan and "Seq Scan" not in plan, plan

    asyncio.run(main())


INDEXED = {"timer_overdue": "due_ms", "outgoing_overdue": "due_ms", "token_living": "expires_ms"}
"""What the other questions look into, and as far as which column."""


def test_sqlite_scans_neither_what_is_due_later_nor_what_is_over(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path)
        await filled(store)
        asked = (*sqlite_duties.OVERDUE, sqlite_governed.LIVING_TOKENS)
        for (index, column), statement in zip(INDEXED.items(), asked, strict=True):
            rows = await store._rows(f"explain query plan {statement}", (TENANT, APP, 5, 9))
            plan = "; ".join(str(row[3]) for row in rows)
            assert f"USING INDEX {index} (" in plan and f"{column}" in plan and "SCAN" not in plan, plan
            assert index == "token_living" or "TEMP B-TREE" not in plan, plan
        rows = await store._rows(f"explain query plan {sqlite_governed.DERIVED_TOKENS}", ("a", "", 9))
        plan = "; ".join(str(row[3]) for row in rows)
        assert "INDEX token_parent (" in plan and "SCAN t" not in plan, plan
        await store.close()

    asyncio.run(main())


def test_postgresql_scans_neither_what_is_due_later_nor_what_is_over(server: Server) -> None:
    async def main() -> None:
        store = PostgresStore(server.url, schema="overdue")
        await filled(store)
        plans = []
        async with store._writer.use() as db:
            await db.execute("set enable_seqscan = off")
            await db.execute("set enable_bitmapscan = off")
            for asked in postgres_duties.OVERDUE:
                rows = await db.fetch(f"explain {asked}", TENANT, APP, 5, 9)
                plans.append("\n".join(row[0] for row in rows if "Filter" not in row[0]))
            rows = await db.fetch(f"explain {postgres_governed.LIVING_TOKENS}", TENANT, "", 9, 5)
            plans.append("\n".join(row[0] for row in rows if "Filter" not in row[0]))
            rows = await db.fetch(f"explain {postgres_governed.DERIVED_TOKENS}", "a", "", 9)
            derived = "\n".join(row[0] for row in rows)
            assert "token_parent" in derived and "Seq Scan" not in derived, derived
        await store.close()
        for (index, column), plan in zip(INDEXED.items(), plans, strict=True):
            assert f"using {index} " in plan and f"({column} " in plan, plan
            assert index == "token_living" or "Sort" not in plan, plan

    asyncio.run(main())


def test_every_store_finds_who_holds_a_claim(tmp_path: Path, server: Server) -> None:
    async def main() -> None:
        stores: list[Store] = [
            MemoryStore(lambda: 1_000), SqliteStore(tmp_path), PostgresStore(server.url, schema="holders")
        ]  # fmt: skip
        for store in stores:
            await filled(store)
            for query, wanted in (
                (asked(holder=("number", b"[7]")), ["a"]),
                (asked(holder=("number", b"[8]")), []),
                (asked(holder=("number", b"[7]"), states=("paid",)), []),
                (asked(where=IS_A), ["a"]),
            ):
                assert [row.id for row in await store.find(query)] == wanted
            assert len(await store.find(asked(where=ONE_OF))) == 41
            await store.close()

    asyncio.run(main())
