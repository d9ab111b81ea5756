"""`GET …/{id}/trace`: what happened, to whoever may read all of it, and without what is secret."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
from tests.api.client import serving, until
from tests.runtime.harness import Scripted, example, read

from lathe.effect.base import Ending
from lathe.lang.model import App
from lathe.machine import tracejson
from lathe.machine.replay import replay
from lathe.runtime.catalog import permit_of

HOUSE = {
    "app.toml": b'app = "house"\n[role]\nasker = "asks"\nreader = "reads"\n',
    "room.blueprint.toml": b"""
blueprint = "Room"
read = { by = ["role:asker", "role:reader"] }
[state]
free = { initial = true, waits = "a guest" }
[field]
label = { type = "text", max = 20 }
[action]
create = { by = "role:asker", sets = ["label"] }
""",
    "stay.blueprint.toml": b"""
blueprint = "Stay"
read = { by = ["role:asker"] }
[state]
open = { initial = true, waits = "a guest" }
shut = { final = true }
[field]
room = { type = "ref", to = "Room" }
pin = { type = "text", max = 20, secret = true }
[action]
create = { by = "role:asker", sets = ["room", "pin"] }
shut = { from = "open", to = "shut", by = "role:asker", when = "room.label == 'blue'" }
""",
}
HIDING = {
    **HOUSE,
    "room.blueprint.toml": HOUSE["room.blueprint.toml"].replace(
        b'["role:asker", "role:reader"]', b'["role:reader"]'
    ),
}
ASKER, BOTH = {"x-test": "ann=asker"}, {"x-test": "ann=asker,reader"}


async def stay(client: httpx2.AsyncClient) -> str:
    """A stay in a room that has ended."""
    room = await client.post("/v1/house/rooms", json={"label": "blue"}, headers=BOTH)
    body = {"room": room.json()["id"], "pin": "1234-secret"}
    made = await client.post("/v1/house/stays", json=body, headers=BOTH)
    assert made.status_code == 201, made.text
    await asyncio.sleep(0.002)  # moments are told apart by milliseconds
    place = str(made.headers["location"])
    assert (await client.post(f"{place}/shut", headers=BOTH)).status_code == 200
    return place


def again(app: App, document: dict[str, Any]) -> bool:
    trace = tracejson.from_json(document["trace"])
    return all(step.is_same for step in replay(app, trace, permit_of(app)))


def test_what_it_refers_to_is_in_it_and_what_is_secret_is_not() -> None:
    async def main() -> None:
        async with serving(files=HOUSE) as client:
            found = await client.get(f"{await stay(client)}/trace", headers=ASKER)
            assert found.status_code == 200 and "1234" not in found.text
            document = found.json()
            names = [step["entity"] for step in document["trace"]["steps"]]
            assert names == ["Room#1", "Stay#1", "Stay#1"]
            assert document["trace"]["steps"][1]["args"] == {"room": "Room#1", "pin": "•••"}
            assert document["notes"] == [] and len(document["versions"]) == 1
            assert again(read(HOUSE), document)

    asyncio.run(main())


def test_who_may_not_read_what_had_a_part_is_told_nothing_of_it() -> None:
    async def main() -> None:
        async with serving(files=HIDING) as client:
            place = await stay(client)
            assert (await client.get(f"{place}/trace", headers=BOTH)).status_code == 200
            denied = await client.get(f"{place}/trace", headers=ASKER)
            assert denied.status_code == 403 and denied.json()["code"] == "LR403.denied"
            assert "blue" not in denied.text and "Room" not in denied.text
            nobody = await client.get(f"{place}/trace", headers={"x-test": "bob=reader"})
            assert nobody.status_code == 404
            limited = await client.get(f"{place}/trace", headers={"x-test": "ann=asker,reader/Stay.read"})
            assert limited.status_code == 403

    asyncio.run(main())


def test_effects_and_their_results_are_in_it() -> None:
    async def main() -> None:
        scripted = Scripted(probe=lambda attempt: Ending(ok=False, cause="refused", message="sk-token-1"))
        async with serving("rollout", performer=scripted) as client:
            made = await client.post("/v1/rollout/rollouts", json={"replicas": 2})
            place = made.headers["location"]
            await client.post(f"{place}/start", json={"image": "broker:2"})
            await until(client, place, "failed")
            found = (await client.get(f"{place}/trace")).json()
            events = [step["event"] for step in found["trace"]["steps"]]
            assert events == ["create", "act", "start", "end", "start", "end"]
            assert found["trace"]["steps"][-1]["cause"] == "refused"
            assert "sk-token-1" not in json.dumps(found), "no callback takes the message"
            assert again(read(example("rollout")), found)

    asyncio.run(main())


def test_since_begins_in_the_middle() -> None:
    async def main() -> None:
        async with serving(files=HOUSE) as client:
            place = await stay(client)
            last = (await client.get(f"{place}/journal", headers=BOTH)).json()["items"][-1]["time"]
            found = await client.get(f"{place}/trace", params={"since": last}, headers=BOTH)
            steps = found.json()["trace"]["steps"]
            assert steps[0]["event"] == "given" and steps[-1]["action"] == "shut"
            assert "1234" not in found.text and again(read(HOUSE), found.json())
            for wrong, status in (({"since": "yesterday"}, 400), ({"until": last}, 400)):
                assert (await client.get(f"{place}/trace", params=wrong, headers=BOTH)).status_code == status
            late = await client.get(f"{place}/trace", params={"since": "2999-01-01T00:00:00Z"}, headers=BOTH)
            assert late.status_code == 409 and late.json()["code"] == "LR409.trace"

    asyncio.run(main())
