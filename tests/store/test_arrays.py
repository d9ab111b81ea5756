"""Array literals mean what they were made of, whatever stands in them."""

from __future__ import annotations

import asyncio

import asyncpg
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.store.server import Server

from lathe.store.postgres.arrays import literal

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
ODD = st.sampled_from(['"', "\\", ",", "{", "}", "NULL", "null", "", " ", '\\"', "a,b", "\n", "é"])
COLUMNS = (
    ("text", st.lists(TEXT | ODD | st.none(), min_size=1, max_size=5)),
    ("bigint", st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=1, max_size=5)),
    ("bytea", st.lists(st.binary(max_size=5) | st.none(), min_size=1, max_size=5)),
)


def test_arrays_come_back_as_they_were(server: Server) -> None:
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(server.url))

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(st.tuples(*(column for _, column in COLUMNS)))
    def through(columns: tuple[list[object], ...]) -> None:
        for (kind, _), column in zip(COLUMNS, columns, strict=True):
            back = connection.fetchval(f"select $1::text::{kind}[]", literal(kind, column))
            assert loop.run_until_complete(back) == column

    try:
        through()
    finally:
        loop.run_until_complete(connection.close())
        loop.close()
