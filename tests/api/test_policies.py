"""Apps with Cedar policies, over HTTP: what forbids and permits say is what happens."""

from __future__ import annotations

import asyncio

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
