"""`/v1/apps`: what lives, counted as the caller may see it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from tests.api.client import serving
from tests.runtime.harness import Scripted

from lathe.effect.base import Attempt, Ending
from lathe.runtime.monitor import Alert

APP = b"""app = "small"
[role]
clerk = "c"
"""
OWN = b"""blueprint = "Note"
[read]
by = "role:clerk"
when = "shown"
[state]
kept = { initial = true, after = "1s", then = "close" }
gone = { final = true }
[field]
shown = { type = "bool", frozen = true, default = false }
[action]
create = { by = "role:clerk", sets = ["shown"] }
close = { from = "kept", to = "gone" }
"""


async def states(client: httpx2.AsyncClient, app: str) -> dict[str, Any]:
    found = (await client.get(f"/v1/apps/{app}")).json()
    return {one["state"]: one["count"] for one in found["blueprints"][0]["states"]}


def test_entities_are_counted_by_state_in_the_order_of_the_blueprint() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            for _ in range(2):
                await client.post("/v1/rollout/rollouts", json={"replicas": 2})
            found = (await client.get("/v1/apps")).json()
            assert [item["app"] for item in found["items"]] == ["rollout"]
            told = found["items"][0]["blueprints"][0]["states"]
            assert told[0] == {
                "state": "planned", "kind": "waits", "initial": True, "count": 2,
                "waits": "an operator starts it",
            }  # fmt: skip
            assert [one["state"] for one in told][-2:] == ["done", "rolled_back"]
            assert {one["kind"] for one in told} == {"waits", "runs", "final"}

    asyncio.run(main())


def test_the_position_is_where_events_go_on_from() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            before = (await client.get("/v1/apps")).json()["position"]
            await client.post("/v1/rollout/rollouts", json={"replicas": 2})
            after = (await client.get("/v1/apps/rollout")).json()["position"]
            assert after > before

    asyncio.run(main())


def test_what_may_not_be_read_is_not_counted() -> None:
    async def main() -> None:
        async with serving(files={"app.toml": APP, "note.blueprint.toml": OWN}) as client:
            for shown in (True, False, True):
                assert (await client.post("/v1/small/notes", json={"shown": shown})).status_code == 201
            assert (await states(client, "small"))["kept"] == 2

    asyncio.run(main())


def test_an_app_that_is_not_there() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            answer = await client.get("/v1/apps/none")
            assert (answer.status_code, answer.json()["code"]) == (404, "LR404.app")

    asyncio.run(main())


def test_what_is_being_tried_is_not_overdue() -> None:
    async def main() -> None:
        over = asyncio.Event()

        async def patch(attempt: Attempt) -> Ending:
            await over.wait()
            return Ending(ok=True)

        async with serving("rollout", performer=Scripted(patch=patch)) as client:
            made = (await client.post("/v1/rollout/rollouts", json={"replicas": 1})).json()
            at = f"/v1/rollout/rollouts/{made['id']}"
            await client.post(f"{at}/start", json={"image": "broker:2"})
            async with asyncio.timeout(10):
                while (await client.get(f"{at}/visit")).json()["invocations"][0]["phase"] != "started":
                    await asyncio.sleep(0.01)
            assert (await client.get("/v1/apps/rollout")).json()["overdue"] == []
            over.set()

    asyncio.run(main())


def test_what_was_false_on_a_live_step_is_told_to_who_may_read_it_with_the_first_step() -> None:
    async def main() -> None:
        async with serving(files={"app.toml": APP, "note.blueprint.toml": OWN}) as client:
            made = [await client.post("/v1/small/notes", json={"shown": shown}) for shown in (True, False)]
            seen, unseen = (answer.json()["id"] for answer in made)
            alerts = [
                Alert(kind, "main", app, entity, name, at, "s", "close", at)
                for at, (kind, app, entity, name) in enumerate([
                    ("invariant", "small", seen, "few"), ("step", "small", seen, "grows"),
                    ("invariant", "small", unseen, "few"), ("invariant", "other", seen, "few"),
                    ("overdue", "small", seen, "late"), ("invariant", "small", seen, "few"),
                ])
            ]  # fmt: skip
            client._transport.app.alerts = alerts  # type: ignore[attr-defined]
            (item,) = (await client.get("/v1/apps")).json()["items"]
            assert [(a["entity"], a["name"], a["version"]) for a in item["alerts"]] == [
                (seen, "grows", 1), (seen, "few", 0),
            ]  # fmt: skip
            assert item["alerts"][1] | {"at": ""} == {
                "blueprint": "Note", "plural": "notes", "entity": seen, "state": "kept", "kind": "invariant",
                "name": "few", "action": "close", "version": 0, "said": "s", "at": "", "times": 2,
            }  # fmt: skip

    asyncio.run(main())
