"""What a list's `where` becomes in SQL says of every row what the machine says of it, in both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import apsw
import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.store.server import Server
from tests.support import app_of

from lathe.errors import UsageError
from lathe.lang.expr import Arithmetic, Compare, Literal, Loop, Node, Population, Quantifier, Read, Special
from lathe.lang.filter import read_filter
from lathe.lang.types import BOOL, INT, Type
from lathe.store.dialect import Postgres, Sqlite
from lathe.store.records import EntityRow
from lathe.store.sql_filter import check, holds, lower
from lathe.testing import strategies
from lathe.testing._expressions import NULLABLE, Atom, Sight, condition

APP = app_of("""
blueprint = "Thing"

[state]
here = { initial = true, waits = "somebody" }
there = { final = true }

[field]
small = { type = "int", range = [-3, 3], default = 0 }
large = { type = "int", range = [-9007199254740992, 9007199254740992], default = 0 }
lit = { type = "bool", default = false }
kind = { type = "enum", of = ["x", "y"], default = "x" }
note = { type = "text", max = 20 }
who = { type = "id" }
other = { type = "ref", to = "Thing" }
next = { type = "ref", to = "Thing" }
tags = { type = "set", of = { type = "enum", of = ["x", "y"] }, max = 2 }
seen = { type = "set", of = { type = "id" }, max = 3 }
at = { type = "time" }

[action]
create = { by = "role:clerk" }
go = { from = "here", to = "there", by = "role:clerk" }
""")
THING = APP.blueprints["Thing"]
FIELDS = {f.name: f.type for f in THING.fields.values()}
ATOMS = (
    *(Atom(name, kind, kind.kind in NULLABLE) for name, kind in FIELDS.items()),
    Atom("state", Type("state", blueprint="Thing", members=("here", "there")), False),
    Atom("id", Type("text"), False),
)
SIGHT = Sight(shapes={}, names=ATOMS, atoms=ATOMS)
IDS = ("boss", "p1", "Thing#1")
VALUES = {
    "small": st.integers(-3, 3) | st.none(),
    "large": st.integers(-(2**53), 2**53),
    "lit": st.booleans() | st.none(),
    "kind": st.sampled_from(["x", "y", None]),
    "note": st.sampled_from(["x", "yy", "", "é'\"\\", "\x00", None]),
    "who": st.sampled_from([*IDS, None]),
    "other": st.sampled_from([*IDS, None]),
    "next": st.sampled_from([*IDS, None]),
    "tags": st.lists(st.sampled_from("xy"), unique=True) | st.none(),
    "seen": st.lists(st.sampled_from(IDS), unique=True),
    "at": st.integers(0, 2**45) | st.none(),
}
ROWS = st.lists(
    st.tuples(st.sampled_from(["here", "there"]), st.fixed_dictionaries({}, optional=VALUES)), max_size=6
)
MANY = settings(max_examples=200, suppress_health_check=list(HealthCheck))


class Database(Protocol):
    def listed(self, node: Node, rows: list[EntityRow]) -> set[str]: ...


class InSqlite:
    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.connection.execute("create table entity (id text, state text, body text)")

    def listed(self, node: Node, rows: list[EntityRow]) -> set[str]:
        self.connection.execute("delete from entity")
        values = [(r.id, r.state, r.body.decode()) for r in rows]
        self.connection.executemany("insert into entity values (?, ?, ?)", values)
        parameters: list[Any] = []
        said = lower(node, Sqlite(), parameters)
        found = self.connection.execute(f"select e.id from entity e where {said}", parameters)
        return {str(name) for (name,) in found}


class InPostgres:
    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Any) -> None:
        self.loop, self.connection = loop, connection

    def listed(self, node: Node, rows: list[EntityRow]) -> set[str]:
        return self.loop.run_until_complete(self._listed(node, rows))

    async def _listed(self, node: Node, rows: list[EntityRow]) -> set[str]:
        values = [(r.id, r.state, fields_of(r.body)) for r in rows]
        await self.connection.execute("truncate entity")
        await self.connection.executemany("insert into entity values ($1, $2, $3)", values)
        parameters: list[Any] = []
        said = lower(node, Postgres(), parameters)
        found = await self.connection.fetch(
            f"select e.id from entity e where {said}", *map(Postgres.storable, parameters)
        )
        return {name for (name,) in found}


def fields_of(body: bytes) -> str:
    return Postgres.fields(body)


@contextmanager
def database(kind: str, server: Server) -> Iterator[Database]:
    if kind == "sqlite":
        yield InSqlite()
        return
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(server.url, statement_cache_size=0))
    loop.run_until_complete(
        connection.execute("create temp table entity (id text, state text, fields jsonb)")
    )
    try:
        yield InPostgres(loop, connection)
    finally:
        loop.run_until_complete(connection.close())
        loop.close()


def rows_of(drawn: list[tuple[str, dict[str, object]]]) -> list[EntityRow]:
    return [
        EntityRow(
            tenant="t", app="a", blueprint="Thing", id=f"Thing#{number}", state=state, visit=1, version=1,
            revision=1, digest="d", body=msgspec.json.encode({"fields": fields}), head=b"",
            created_ms=0, changed_ms=0,
        )
        for number, (state, fields) in enumerate(drawn)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_sql_says_what_the_machine_says(kind: str, server: Server) -> None:
    @MANY
    @given(st.data(), ROWS)
    def through(data: st.DataObject, drawn: list[tuple[str, dict[str, object]]]) -> None:
        text = condition(strategies.data_dice(data), SIGHT, 3)
        node = read_filter(THING, text).tree
        rows = rows_of(drawn)
        try:
            check(node)
        except UsageError:
            return
        assert where.listed(node, rows) == {r.id for r in rows if holds(node, r)}, text

    with database(kind, server) as where:
        through()


WRITTEN = {
    "small // 2 == -1": [-2, -1],
    "small % 2 == 1 and small < 0": [-3, -1],
    "small // small == 1": [-3, -2, -1, 1, 2, 3],
    "lit or 6 // small == 3": [2],
    "not (6 // small == 3)": [-3, -2, -1, 1, 3],
    "small in (1, 2) or small == 3": [1, 2, 3],
    "sum(1 for a in tags if small > 0) == 2": [1, 2, 3],
    "len({'x', 'y', 'x'}) == 2 and small == 0": [0],
    "len(tags + {'x'}) == 2 and small == 0": [0],
    "small == 0 and len(tags - {'y'}) == 1 and 'y' not in tags - {'y'}": [0],
    "sum(small for a in tags) == 4": [2],
    "all(any(a == b for b in tags) for a in tags) and small == 1": [1],
    "min(small, 0, 2) == -3 or abs(-small) == 3": [-3, 3],
}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_some_that_are_easily_got_wrong(kind: str, server: Server) -> None:
    rows = rows_of([("here", {"small": n, "lit": False, "tags": ["x", "y"]}) for n in range(-3, 4)])
    with database(kind, server) as where:
        for text, numbers in WRITTEN.items():
            node = read_filter(THING, text).tree
            listed = where.listed(node, rows)
            assert sorted(int(name[6:]) - 3 for name in listed) == numbers, text
            assert listed == {r.id for r in rows if holds(node, r)}, text


FIELD = Read("field", "small", FIELDS["small"])
LARGE = Read("field", "large", FIELDS["large"])
NOT_OF_ONE_ROW: dict[str, Node] = {
    "one row at a time": Quantifier(
        "any", Literal(True, BOOL), (Loop("a", Population("Thing", Type("set")), None),), BOOL
    ),
    "reads fields": Compare("==", Read("ghost", "spent", INT), Literal(1, INT)),
    "cannot read `actor`": Compare("is", Special("actor", Type("id")), Literal(None, Type("none"))),
    "cannot read `blob`": Compare("is", Read("field", "blob", Type("json")), Literal(None, Type("none"))),
    "cannot read `x'": Compare("==", Read("field", "x' or 1 --", INT), Literal(1, INT)),
    "too large": Compare("<", Arithmetic("*", LARGE, LARGE, INT), Literal(1, INT)),
    "at most 200": Compare("<", FIELD, FIELD),
}


@pytest.mark.parametrize("words", NOT_OF_ONE_ROW)
def test_what_is_refused(words: str) -> None:
    node = NOT_OF_ONE_ROW[words]
    if words == "at most 200":
        for _ in range(7):
            node = Compare("==", node, node)
    with pytest.raises(UsageError, match=words):
        lower(node, Sqlite(), [])
