"""Campaigns of simulated worlds over the API: begun, watched, ended, and a failure opened as a trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx2
import structlog
from tests.api.client import serving
from tests.api.test_checks import broken, checked
from tests.govern.house import code, house, install_for
from tests.runtime.harness import example

from lathe.api.review import simulations
from lathe.api.review.recent_checks import Checks
from lathe.api.review.simulations import Simulations
from lathe.gate.judge import ChildGate
from lathe.lang.model import Json
from lathe.runtime.clock import SystemClock
from lathe.store.memory import MemoryStore

SECONDS = 60.0
PATH = "/v1/simulations"


async def begun(client: httpx2.AsyncClient, **wanted: object) -> dict[str, Any]:
    answer = await client.post(PATH, json=wanted)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def over(client: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    """A campaign, once nothing more comes of it."""
    async with asyncio.timeout(SECONDS):
        while (found := (await client.get(f"{PATH}/{name}")).json())["state"] in ("waiting", "running"):
            await asyncio.sleep(0.02)
    one: dict[str, Any] = found
    return one


class Endless(ChildGate):
    """A gate whose campaigns say one line, and go on."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0

    async def simulate(self, files: Mapping[str, bytes], asked: Mapping[str, Json]) -> AsyncGenerator[bytes]:
        self.running += 1
        try:
            yield b'{"seeds": 4, "failed": 0}'
            await asyncio.sleep(SECONDS)
        finally:
            self.running -= 1


class Dying(ChildGate):
    """A gate whose process cannot be begun, or dies while it is told what to do."""

    async def simulate(self, files: Mapping[str, bytes], asked: Mapping[str, Json]) -> AsyncGenerator[bytes]:
        yield b'{"seeds": 1, "failed": 0}'
        raise BrokenPipeError("it went away")


def test_a_campaign_whose_process_dies_has_failed_and_makes_room() -> None:
    async def main() -> None:
        async with serving("rollout", gate=Dying()) as client:
            for _ in range(simulations.TENANT_LIMIT + 1):
                with structlog.testing.capture_logs() as logs:
                    found = await over(client, (await begun(client, app="rollout"))["id"])
                assert (found["state"], found["said"]) == ("failed", "it was logged")
                assert [line["event"] for line in logs] == ["defect"]

    asyncio.run(main())


def test_one_tenant_does_not_use_up_the_campaigns_of_others() -> None:
    async def main() -> None:
        store = MemoryStore(SystemClock().now_ms)
        for tenant in ("main", "other"):
            await install_for(store, tenant, example("rollout"))
        async with house(store) as one:
            gate = Endless()
            campaigns = Simulations(one.node.engine, gate, one.bearers, Checks(one.clock.now_ms))
            one.api._starlette.router.routes[:0] = campaigns.routes()
            theirs = await one.made(
                one.operator, "op", kind="person", scopes=["apply", "operator"], tenant="other"
            )
            for _ in range(simulations.TENANT_LIMIT):
                assert code(await one.ask(theirs, "POST", PATH, {"app": "rollout"})) == "202"
            assert code(await one.ask(theirs, "POST", PATH, {"app": "rollout"})) == "LR503.busy"
            assert code(await one.ask(one.operator, "POST", PATH, {"app": "rollout"})) == "202"
            await campaigns.stop()

    asyncio.run(main())


def test_what_is_in_force_is_simulated_and_nothing_is_found() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            first = await begun(client, app="rollout", seeds=3, mix="calm")
            assert first["asked"] == {"seed": 0, "seeds": 3, "seconds": None, "mix": "calm"}
            found = await over(client, first["id"])
            assert (found["state"], found["progress"]["seeds"], found["progress"]["failed"]) == ("done", 3, 0)
            assert found["progress"]["virtual_seconds"] > 0
            assert found["progress"]["taken"]["Rollout.create"] > 0
            assert found["digest"].startswith("sha256:")
            listed = (await client.get(f"{PATH}?app=rollout")).json()["items"]
            assert [one["id"] for one in listed] == [first["id"]]
            assert (await client.get(f"{PATH}?app=order")).json() == {"items": []}
            assert (await client.get("/v1/rollout/rollouts")).json()["items"] == [], "nothing lives by it"

    asyncio.run(main())


def test_a_failure_is_grouped_by_its_cause_and_opened_as_a_trace() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            check = await checked(client, broken("rollout", "drain_too_early"))
            found = await over(client, (await begun(client, check=check["id"], seeds=4))["id"])
            (cause,) = found["progress"]["causes"]
            assert cause["cause"] == "property:one_broker_down"
            assert cause["count"] == found["progress"]["failed"] >= len(cause["runs"]) > 0
            run = cause["runs"][0]
            path = f"{PATH}/{found['id']}/runs/{run['mix']}/{run['seed']}"
            told = (await client.get(path)).json()
            assert (told["ok"], told["violation"]["cause"]) == (False, cause["cause"])
            assert told["trace"]["clauses"][0]["text"]
            assert (await client.get(path)).json() == told
            replayed = await client.post(f"/v1/checks/{check['id']}/replay", json={"trace": told["trace"]})
            assert replayed.json()["verdicts"] == ["refused: one_broker_down"]

    asyncio.run(main())


def test_a_campaign_ends_when_it_is_told_to() -> None:
    async def main() -> None:
        gate = Endless()
        async with serving("rollout", gate=gate) as client:
            name = (await begun(client, app="rollout"))["id"]
            async with asyncio.timeout(SECONDS):
                while (await client.get(f"{PATH}/{name}")).json()["state"] != "running":
                    await asyncio.sleep(0.01)
            ended = (await client.post(f"{PATH}/{name}/cancel")).json()
            assert (ended["state"], ended["progress"]["seeds"], gate.running) == ("cancelled", 4, 0)
            again = (await client.post(f"{PATH}/{name}/cancel")).json()
            assert again == ended

    asyncio.run(main())


def test_campaigns_are_bounded_and_those_that_run_end_with_the_process() -> None:
    async def main() -> None:
        gate = Endless()
        async with serving("rollout", gate=gate) as client:
            for _ in range(simulations.TENANT_LIMIT):
                await begun(client, app="rollout")
            more = await client.post(PATH, json={"app": "rollout"})
            assert more.json()["code"] == "LR503.busy"
            assert more.headers["retry-after"] == "30"
            await asyncio.sleep(0)
            assert gate.running == simulations.TENANT_LIMIT
        assert gate.running == 0

    asyncio.run(main())


def test_a_process_of_its_own_ends_with_its_campaign() -> None:
    async def main() -> None:
        gate = ChildGate()
        async with serving("rollout", gate=gate) as client:
            name = (await begun(client, app="rollout", seconds=SECONDS))["id"]
            async with asyncio.timeout(SECONDS):
                while (await client.get(f"{PATH}/{name}")).json()["progress"] is None:
                    await asyncio.sleep(0.02)
            assert (await client.post(f"{PATH}/{name}/cancel")).json()["state"] == "cancelled"
            # The line is free again: the next does not wait for what was ended.
            assert (await over(client, (await begun(client, app="rollout", seeds=1))["id"]))[
                "state"
            ] == "done"

    asyncio.run(main())


def test_what_cannot_be_simulated_is_refused() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            for wanted in (
                {}, {"app": "rollout", "check": "0"}, {"app": "rollout", "seeds": 0},
                {"app": "rollout", "seed": -1}, {"app": "rollout", "seconds": 10_000},
                {"app": "rollout", "mix": "storm"}, {"app": "rollout", "jobs": 4},
            ):  # fmt: skip
                assert (await client.post(PATH, json=wanted)).json()["code"] == "LR400.body", wanted
            assert (await client.post(PATH, json={"check": "0"})).json()["code"] == "LR404.check"
            assert (await client.post(PATH, json={"app": "order"})).json()["code"] == "LR404.app"
            assert (await client.get(f"{PATH}/0")).json()["code"] == "LR404.simulation"
            unread = await checked(client, broken("rollout", "misspelt"))
            found = await over(client, (await begun(client, check=unread["id"]))["id"])
            assert (found["state"], found["said"]) == ("failed", "the files cannot be read")

    asyncio.run(main())
