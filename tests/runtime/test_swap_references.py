"""A swap while entities refer to one another: whom they mean is looked up, as they will be."""

from __future__ import annotations

import asyncio

from tests.govern.house import House, house
from tests.runtime.harness import example

from lathe.runtime.config import ApplySettings

FILES = {path: data.decode() for path, data in example("order").items()}
ORDERS = "/v1/order/orders"


async def ordered(one: House) -> str:
    """Somebody's token who has ordered; the payment is on its way."""
    one.applying = ApplySettings(held="never")
    token = await one.made(one.operator, "ann", kind="person", roles=["customer"], scopes=["apply"])
    made = (await one.ask(token, "POST", ORDERS, {"total": 1})).json()["id"]
    async with asyncio.timeout(10):
        while (await one.ask(token, "GET", f"{ORDERS}/{made}")).json()["state"] != "awaiting":
            await asyncio.sleep(0.01)
    return token


def body(old: str, new: str) -> dict[str, object]:
    changed = FILES["payment.blueprint.toml"].replace(old, new)
    assert changed != FILES["payment.blueprint.toml"]
    files = {**FILES, "payment.blueprint.toml": changed}
    return {"files": files, "confirm": "any", "breaking": True}


def test_what_refers_to_others_is_swapped_with_them() -> None:
    async def main() -> None:
        async with house() as one:
            token = await ordered(one)
            sent = body('no_refund_is_forgotten = "refunded >= old.refunded"\n', "")
            swapped = await one.ask(token, "PUT", "/v1/blueprints", sent)
            assert (swapped.status_code, swapped.json().get("moved")) == (200, 0), swapped.text

    asyncio.run(main())
