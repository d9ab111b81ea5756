"""Who is told what: answers, lists and `:take` for callers who may see little."""

from __future__ import annotations

import asyncio

import pytest
from tests.api.client import serving

from lathe.api.entities import reading

pytestmark = pytest.mark.usefixtures("way")

BOX = {
    "app.toml": b'app = "box"\n[role]\nasker = "asks"\nreader = "reads"\n',
    "letter.blueprint.toml": b"""
blueprint = "Letter"
read = { by = ["role:reader"], when = "to == actor" }
[state]
open = { initial = true, waits = "a clerk" }
shut = { final = true }
[field]
to = { type = "id" }
said = { type = "text", max = 40 }
[action]
create = { by = "role:asker", sets = ["to", "said"] }
shut = { from = "open", to = "shut", by = "role:asker" }
open_for = { from = "open", to = "shut", by = ["role:asker", "role:reader"], when = "to == actor" }
""",
}
ANN, BOB = {"x-test": "ann=asker"}, {"x-test": "bob=reader"}


def test_who_may_not_read_is_told_that_it_was_taken_and_nothing_else() -> None:
    async def main() -> None:
        async with serving(files=BOX) as client:
            body = {"to": "bob", "said": "hidden"}
            keyed = {**ANN, "idempotency-key": "k"}
            made = await client.post("/v1/box/letters", json=body, headers=keyed)
            assert made.status_code == 201 and set(made.json()) == {"id", "version", "visit", "at", "event"}
            again = await client.post("/v1/box/letters", json=body, headers=keyed)
            assert again.content == made.content and "hidden" not in again.text
            place = made.headers["location"]
            assert (await client.get(place, headers=ANN)).status_code == 404
            assert (await client.get(place, headers=BOB)).json()["fields"]["said"] == "hidden"
            refused = await client.post(f"{place}/open_for", headers=ANN)
            assert refused.status_code == 409 and "state" not in refused.json(), refused.text
            shut = await client.post(f"{place}/shut", headers=ANN)
            assert shut.status_code == 200 and not {"state", "fields"} & set(shut.json())

    asyncio.run(main())


def test_a_replayed_creation_says_where_it_is_and_what_version() -> None:
    async def main() -> None:
        async with serving(files=BOX) as client:
            headers = {"idempotency-key": "k"}
            body = {"to": "dev", "said": "x"}
            made = await client.post("/v1/box/letters", json=body, headers=headers)
            await client.post(f"{made.headers['location']}/shut")
            again = await client.post("/v1/box/letters", json=body, headers=headers)
            assert again.headers["idempotent-replayed"] == "true"
            for name in ("location", "etag"):
                assert again.headers[name] == made.headers[name]

    asyncio.run(main())


def test_a_reader_of_few_comes_back_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SCANNED_LIMIT", 20)
    monkeypatch.setattr(reading, "PAGE_LIMIT", 10)

    async def main() -> None:
        async with serving(files=BOX) as client:
            for number in range(95):
                body = {"to": "bob" if number % 40 == 35 else "eve", "said": str(number)}
                await client.post("/v1/box/letters", json=body, headers=ANN)
            seen, requests, cursor = [], 0, None
            while True:
                params = {"limit": "5", "sort": "created", **({"cursor": cursor} if cursor else {})}
                page = (await client.get("/v1/box/letters", params=params, headers=BOB)).json()
                seen += [i["fields"]["said"] for i in page["items"]]
                requests += 1
                cursor = page["next"]
                if cursor is None:
                    break
            assert seen == ["35", "75"]
            assert 4 <= requests <= 6
            nobody = (await client.get("/v1/box/letters?limit=5", headers=ANN)).json()
            assert nobody == {"items": [], "next": None}

    asyncio.run(main())


def test_text_with_a_nul_is_refused_on_every_store_alike() -> None:
    async def main() -> None:
        async with serving(files=BOX) as client:
            for body in ({"to": "bob", "said": "a\0b"}, {"to": "\0", "said": "x"}):
                made = await client.post("/v1/box/letters", json=body)
                assert (made.status_code, made.json()["code"]) == (422, "LR422.type")
                assert "NUL" in made.json()["detail"]

    asyncio.run(main())


TASKS = {
    "app.toml": b'app = "shop"\n[role]\nasker = "asks"\nworker = "works"\n',
    "task.blueprint.toml": b"""
blueprint = "Task"
[state]
open = { initial = true, waits = "a worker" }
taken = { final = true }
[field]
owner = { type = "id" }
[action]
create = { by = "role:asker", sets = ["owner"] }
take = { from = "open", to = "taken", by = "role:worker" }
""",
    "own.cedar": b"""
forbid (principal, action == Action::"Task.take", resource)
unless { resource has owner && resource.owner == principal };
""",
}


def test_take_passes_over_what_a_policy_denies() -> None:
    async def main() -> None:
        async with serving(files=TASKS) as client:
            for owner in ("eve", "eve", "bob", "eve"):
                await client.post("/v1/shop/tasks", json={"owner": owner})
            worker = {"x-test": "bob=worker"}
            path, body = "/v1/shop/tasks:take", {"action": "take"}
            found = await client.post(path, json=body, headers=worker)
            assert found.status_code == 200, found.text
            assert found.json()["fields"]["owner"] == "bob"
            assert (await client.post(path, json=body, headers=worker)).status_code == 204
            typed = await client.post(path, content=b"{}", headers={**worker, "content-type": "text/plain"})
            assert (typed.status_code, typed.json()["code"]) == (415, "LR415.type")

    asyncio.run(main())


def test_a_filter_of_take_finds_nothing_that_the_caller_may_not_read() -> None:
    """Ann may shut any letter, and read none: she cannot guess what one says."""

    async def main() -> None:
        async with serving(files=BOX) as client:
            await client.post("/v1/box/letters", json={"to": "bob", "said": "hidden"}, headers=ANN)
            path, body = "/v1/box/letters:take", {"action": "shut", "where": 'said == "hidden"'}
            assert (await client.post(path, json=body, headers=ANN)).status_code == 204
            assert (await client.post(path, json={"action": "shut"}, headers=ANN)).status_code == 200
            await client.post("/v1/box/letters", json={"to": "bob", "said": "hidden"}, headers=ANN)
            mine = {"action": "open_for", "where": 'said == "hidden"'}
            assert (await client.post(path, json=mine, headers=BOB)).status_code == 200

    asyncio.run(main())


def test_take_is_denied_to_whom_no_entity_is_open() -> None:
    async def main() -> None:
        files = {name: text for name, text in TASKS.items() if not name.endswith(".cedar")}
        async with serving(files=files) as client:
            headers = {"x-test": "ann=asker"}
            found = await client.post("/v1/shop/tasks:take", json={"action": "take"}, headers=headers)
            assert (found.status_code, found.json()["code"]) == (403, "LR403.denied")

    asyncio.run(main())
