"""Hostile values over HTTP: no defect, nothing poisoned, and a repeated `:take` gives what it gave."""

from __future__ import annotations

import asyncio

import pytest
from tests.api.client import serving
from tests.api.test_commands import QUEUE

from lathe.api.access.authentication import Principal
from lathe.runtime.tokens import Grant

pytestmark = pytest.mark.usefixtures("way")

NOTE = {
    "note.blueprint.toml": b"""
blueprint = "Note"
[state]
open = { initial = true, waits = "anybody" }
[field]
what = { type = "json", max = 65536 }
due = { type = "time" }
[action]
create = { by = "role:user", sets = ["what"], args = { due = { type = "time", optional = true } }, \
do = ["due = arg.due"] }
"""
}


def test_no_value_is_a_defect_or_poisons_a_list() -> None:
    async def main() -> None:
        async with serving(files=NOTE) as client:
            bodies = [
                '{"what": 1, "nobody": ' + "[" * 900 + "]" * 900 + "}",
                '{"what": 1, "nobody": ' + "9" * 5000 + "}",
                '{"what": ' + "[" * 900 + "]" * 900 + "}",
                '{"what": ' + "[" * 101 + "]" * 101 + "}",
                '{"what": ' + "9" * 30 + "}",
                '{"what": 1e400}',
                '{"what": "\\ud800"}',
                '{"what": 1, "due": "0001-01-01T00:00:00+23:59"}',
                '{"what": 1, "due": "9999-12-31T23:59:59-23:59"}',
                '{"what": 1, "due": "2026-02-30T00:00:00Z"}',
                '{"what": "a", "what": "b"}',
            ]
            headers = {"content-type": "application/json"}
            for body in bodies:
                made = await client.post("/v1/note/notes", content=body, headers=headers)
                assert made.status_code in (201, 400, 422), (body[:60], made.text)
                assert (await client.get("/v1/note/notes")).status_code == 200, body[:60]
            bad = b'{"what": "\xff"}'
            made = await client.post("/v1/note/notes", content=bad, headers=headers)
            assert (made.status_code, made.json()["code"]) == (400, "LR400.json")
            deep = await client.post(
                "/v1/note/notes", content='{"what": ' + "[" * 99 + "]" * 99 + "}", headers=headers
            )
            assert deep.status_code == 201, deep.text

    asyncio.run(main())


def test_times_keep_their_milliseconds() -> None:
    async def main() -> None:
        async with serving(files=NOTE) as client:
            for millisecond in range(0, 1000, 7):
                due = f"2026-01-31T12:00:00.{millisecond:03d}Z"
                made = await client.post("/v1/note/notes", json={"what": 1, "due": due})
                assert made.json()["fields"]["due"] == due

    asyncio.run(main())


def test_odd_limits_and_paths_are_problems() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            for limit in ("0", "201", "0000010000", "9" * 5000, "-1", "1e3", "٣"):
                found = await client.get("/v1/rollout/rollouts", params={"limit": limit})
                assert (found.status_code, found.json()["code"]) == (400, "LR400.query"), limit
            odd = await client.post("/v1/rollout/rollouts//create", json={"replicas": 1})
            assert odd.status_code == 404
            assert not (await client.get("/v1/rollout/rollouts")).json()["items"]
            async with asyncio.timeout(5):
                assert (await client.head("/v1/events")).status_code == 200

    asyncio.run(main())


def test_a_repeated_take_gives_what_it_gave() -> None:
    async def main() -> None:
        async with serving(files=QUEUE) as client:
            for rank in (1, 2):
                await client.post("/v1/task/tasks", json={"rank": rank})
            headers = {"idempotency-key": "once"}
            first = await client.post("/v1/task/tasks:take", json={"action": "take"}, headers=headers)
            again = await client.post("/v1/task/tasks:take", json={"action": "take"}, headers=headers)
            assert (again.status_code, again.content) == (first.status_code, first.content)
            page = (await client.get("/v1/task/tasks", params={"state": "taken"})).json()
            assert len(page["items"]) == 1
            other = {"action": "take", "where": "rank > 0"}
            found = await client.post("/v1/task/tasks:take", json=other, headers=headers)
            assert (found.status_code, found.json()["code"]) == (422, "LR422.key")

    asyncio.run(main())


def test_a_token_of_an_effect_sees_its_own_entity_alone() -> None:
    grant = Grant("main", "rollout", "Rollout", "a", 1, 1, "patch", 0)
    principal = Principal("effect:rollout/a.1", frozenset(), (), grant)
    assert principal.sees("rollout", "a")
    assert not principal.sees("rollout", "b")
    assert not principal.sees("order", "a")
