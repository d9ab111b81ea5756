"""Why a guard refused: the part that is false, with the values that its reader may know."""

from __future__ import annotations

import asyncio

from tests.api.client import serving
from tests.govern.house import house

CLAIMS = {
    "app.toml": b'app = "claims"\n[role]\nclerk = "files"\nlead = "decides"\n',
    "budget.blueprint.toml": b"""
blueprint = "Budget"
[state]
open = { initial = true, waits = "it is spent" }
[field]
left = { type = "int", range = [0, 9], default = 4 }
[action]
create = { by = "role:lead" }
""",
    "claim.blueprint.toml": b"""
blueprint = "Claim"
[state]
filed = { initial = true, waits = "a lead decides" }
paid = { final = true }
[field]
budget = { type = "ref", to = "Budget", frozen = true }
votes = { type = "set", of = { type = "id" }, max = 3 }
pin = { type = "text", max = 9, secret = true }
amount = { type = "int", range = [0, 9] }
[action]
create = { by = "role:clerk", sets = ["budget", "pin", "amount"], when = "arg.amount > 0" }
[action.vote]
from = "filed"
by = "role:lead"
when = "actor not in votes and len(votes) < 3"
do = ["votes += actor"]
[action.pay]
from = "filed"
to = "paid"
by = "role:lead"
args = { cents = { type = "int", range = [0, 99], default = 0 } }
when = "len(votes) >= 1 and (amount <= budget.left or arg.cents > 50) and pin == 'open'"
[action.comment]
from = "filed"
by = "role:lead"
args = { text = { type = "text", max = 9 } }
when = "arg.text != 'x' and actor in votes"
""",
}


def test_the_part_that_is_false_is_told_with_what_it_read() -> None:
    async def main() -> None:
        async with serving(files=CLAIMS) as client:
            budget = (await client.post("/v1/claims/budgets", json={})).json()["id"]
            made = {"budget": budget, "pin": "none", "amount": 0}
            none = (await client.post("/v1/claims/claims", json=made)).json()
            assert none["detail"] == "`arg.amount > 0` is false (arg.amount = 0)"
            made["amount"] = 7
            place = (await client.post("/v1/claims/claims", json=made)).headers["location"]

            early = (await client.post(f"{place}/pay", json={})).json()
            assert early["detail"] == "`len(votes) >= 1` is false (votes = {})"
            assert (early["false"], early["values"]) == ("len(votes) >= 1", {"votes": []})
            assert early["guard"].startswith("len(votes) >= 1 and")

            assert (await client.post(f"{place}/vote", json={})).status_code == 200
            twice = (await client.post(f"{place}/vote", json={})).json()
            assert twice["false"] == "actor not in votes"
            assert twice["values"] == {"actor": "dev", "votes": ["dev"]}

            dear = (await client.post(f"{place}/pay", json={"cents": 9})).json()
            assert dear["false"] == "amount <= budget.left or arg.cents > 50"
            assert dear["values"] == {"amount": 7, "budget": budget, "arg.cents": 9}  # and not what is left

            locked = (await client.post(f"{place}/pay", json={"cents": 60})).json()
            assert (locked["false"], locked["values"]) == ("pin == 'open'", {"pin": "•••"})

            items = (await client.get(f"{place}/actions")).json()["items"]
            told = {one["action"]: one.get("why") for one in items}
            assert told["vote"] == "`actor not in votes` is false (actor = dev, votes = {dev})"
            assert told["comment"] is None  # what it reads of its text is asked once there is one

    asyncio.run(main())


def test_what_a_guard_reads_of_the_entity_is_asked_before_its_arguments_are_known() -> None:
    async def main() -> None:
        async with serving(files=CLAIMS) as client:
            budget = (await client.post("/v1/claims/budgets", json={})).json()["id"]
            made = {"budget": budget, "pin": "none", "amount": 7}
            place = (await client.post("/v1/claims/claims", json=made)).headers["location"]
            items = (await client.get(f"{place}/actions")).json()["items"]
            told = {one["action"]: one for one in items}["comment"]
            assert (told["possible"], told["code"]) == (False, "LR409.guard")
            assert told["why"] == "`actor in votes` is false (actor = dev, votes = {})"

    asyncio.run(main())


def test_who_may_not_read_the_entity_is_told_the_guard_alone() -> None:
    hidden = CLAIMS["claim.blueprint.toml"].replace(b"[state]", b'read = ["role:clerk"]\n[state]', 1)

    async def main() -> None:
        async with house(files={**CLAIMS, "claim.blueprint.toml": hidden}) as one:
            lead = await one.made(one.operator, "lea", roles=["lead"])
            clerk = await one.made(one.operator, "cle", roles=["clerk"])
            budget = (await one.ask(lead, "POST", "/v1/claims/budgets", {})).json()["id"]
            made = {"budget": budget, "pin": "none", "amount": 7}
            place = (await one.ask(clerk, "POST", "/v1/claims/claims", made)).headers["location"]
            blind = (await one.ask(lead, "POST", f"{place}/pay", {})).json()
            assert blind["code"] == "LR409.guard" and "values" not in blind and "false" not in blind
            assert "detail" not in blind and blind["guard"].startswith("len(votes) >= 1 and")

    asyncio.run(main())
