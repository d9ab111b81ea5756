"""`…/visit`: what runs, which timers are armed, and when they are due; and what a form must know."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from tests.api.client import serving, until


def test_a_visit_tells_its_timer_and_its_invocation() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            made = (await client.post("/v1/rollout/rollouts", json={"replicas": 2})).json()
            at = f"/v1/rollout/rollouts/{made['id']}"
            before = (await client.get(f"{at}/visit")).json()
            assert before["timers"] == [] and before["invocations"] == []
            assert (before["waits"], before["entries"]) == ("an operator starts it", 1)
            await client.post(f"{at}/start", json={"image": "broker:2"})
            await until(client, at, "rolling")
            told = (await client.get(f"{at}/visit")).json()
            (timer,) = told["timers"]
            assert (timer["timer"], timer["action"]) == ("", "fail")
            armed, due = (datetime.fromisoformat(timer[name]) for name in ("armed", "due"))
            assert due - armed == timedelta(minutes=15)
            (invocation,) = told["invocations"]
            assert (invocation["number"], invocation["effect"], invocation["visit"]) == (1, "patch", 2)

    asyncio.run(main())


def test_a_visit_of_nothing_is_not_there() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            answer = await client.get("/v1/rollout/rollouts/none/visit")
            assert (answer.status_code, answer.json()["code"]) == (404, "LR404.entity")

    asyncio.run(main())


def test_actions_and_creation_tell_what_a_form_asks_for() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            (told,) = (await client.get("/v1/apps/rollout")).json()["blueprints"]
            assert told["create"]["args"]["replicas"] == {
                "type": "int 1..5",
                "required": True,
                "schema": {"type": "integer", "minimum": 1, "maximum": 5},
            }
            assert told["fields"]["image"]["schema"] == {"type": "string", "maxLength": 200}
            made = (await client.post("/v1/rollout/rollouts", json={"replicas": 2})).json()
            items = (await client.get(f"/v1/rollout/rollouts/{made['id']}/actions")).json()["items"]
            start = next(one for one in items if one["action"] == "start")
            assert start["args"]["image"]["schema"] == {"type": "string", "maxLength": 200}

    asyncio.run(main())
