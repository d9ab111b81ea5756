"""Apps with Cedar policies, over HTTP: what forbids and permits say is what happens."""

from __future__ import annotations

import asyncio

import httpx2
from tests.api.client import serving


def test_a_forbid_denies_what_by_would_let_through() -> None:
    async def main() -> None:
        async with serving("expense") as client:
            made = await client.post("/v1/expense/expenses", json={"amount": 3})
            assert made.status_code == 201, made.text
            place = made.headers["location"]
            submitted = await client.post(f"{place}/submit")
            assert submitted.status_code == 200, submitted.text
            own = await client.post(f"{place}/approve")
            assert (own.status_code, own.json()["code"]) == (403, "LR403.denied")
            actions = {i["action"]: i for i in (await client.get(f"{place}/actions")).json()["items"]}
            assert actions["approve"]["code"] == "LR403.denied"
            assert (await client.post(f"{place}/reject")).status_code == 200

    asyncio.run(main())


def test_the_journal_says_which_policies_let_each_step_pass() -> None:
    async def main() -> None:
        async with serving("expense", "rollout") as client:
            made = await client.post("/v1/expense/expenses", json={"amount": 21}, headers=as_("ann=employee"))
            place = made.headers["location"]
            assert (await client.post(f"{place}/submit", headers=as_("ann=employee"))).status_code == 200
            approved = await client.post(f"{place}/approve", headers=as_("bob=manager,director"))
            assert approved.status_code == 200, approved.text
            assert await policies_of(client, place) == [
                ["by:Expense.create:role:employee"],
                ["by:Expense.submit:role:employee"],
                ["by:Expense.approve:role:manager", "director_approves"],
            ]
            made = await client.post("/v1/rollout/rollouts", json={"replicas": 1})
            assert made.status_code == 201, made.text
            (only,) = await policies_of(client, made.headers["location"])
            assert only and all(name.startswith("by:Rollout.create:role:") for name in only)

    asyncio.run(main())


def as_(who: str) -> dict[str, str]:
    return {"x-test": who}


async def policies_of(client: httpx2.AsyncClient, place: str) -> list[list[str]]:
    found = (await client.get(f"{place}/journal")).json()["items"]
    return [entry["policies"] for entry in found]
