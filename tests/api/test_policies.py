"""Apps with Cedar policies, over HTTP: what forbids and permits say is what happens."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from tests.api.client import serving

pytestmark = pytest.mark.usefixtures("way")


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


def test_a_denial_says_the_nearest_permit_and_what_forbids() -> None:
    async def main() -> None:
        async with serving("expense") as client:
            place = await submitted(client, 3, "ann=employee,manager")
            own = (await client.post(f"{place}/approve", headers=as_("ann=employee,manager"))).json()
            assert own["code"] == "LR403.denied"
            assert "nearest" not in own  # `by` lets her pass
            assert own["forbids"] == [
                {
                    "policy": "not_own",
                    "true": [
                        "`resource has maker` is true",
                        "`resource.maker == principal` is true: both are `ann`",
                    ],
                }
            ]
            other = (await client.post(f"{place}/approve", headers=as_("eve=employee"))).json()
            assert other["nearest"] == {
                "policy": "by:Expense.approve:role:manager",
                "false": ["needs role `manager`; you hold `employee`"],
            }
            place = await submitted(client, 21, "ann=employee")
            large = (await client.post(f"{place}/approve", headers=as_("bob=manager"))).json()
            assert large["forbids"] == [
                {
                    "policy": "large_for_directors",
                    "true": [
                        "`resource.amount > 20` is true: `resource.amount` is `21`",
                        "needs role `director`; you hold `manager`",
                    ],
                }
            ]

    asyncio.run(main())


def test_an_action_is_explained_without_taking_it_also_in_fewer_roles() -> None:
    async def main() -> None:
        async with serving("expense") as client:
            place = await submitted(client, 21, "ann=employee")

            async def explained(who: str, **asked: str) -> httpx2.Response:
                return await client.get(f"{place}/actions", params=asked, headers=as_(who))

            (row,) = (await explained("bob=manager,director", explain="approve")).json()["items"]
            assert row == {
                "action": "approve",
                "permitted": True,
                "policies": ["by:Expense.approve:role:manager", "director_approves"],
            }
            (row,) = (await explained("bob=manager,director", explain="approve", roles="manager")).json()[
                "items"
            ]
            assert row["permitted"] is False
            assert row["forbids"][0]["policy"] == "large_for_directors"
            (row,) = (await explained("joe=accountant", explain="pay", args='{"cash": true}')).json()["items"]
            assert [f["policy"] for f in row["forbids"]] == ["little_cash"]
            wider = await explained("bob=manager", explain="approve", roles="director")
            assert (wider.status_code, wider.json()["code"]) == (403, "LR403.scope")
            for asked, code in (
                ({"explain": "create"}, "LR404.action"),
                ({"explain": "pay", "args": "["}, "LR400.json"),
                ({"explain": "pay", "args": '{"x": 1}'}, "LR422.type"),
                ({"explain": "pay", "roles": "king"}, "LR400.query"),
                ({"explain": "pay", "where": "x"}, "LR400.query"),
            ):
                assert (await explained("joe=accountant", **asked)).json()["code"] == code
            assert (await client.get(place, headers=as_("ann=employee"))).json()["state"] == "submitted"

    asyncio.run(main())


def test_what_one_may_neither_read_nor_act_on_is_not_there() -> None:
    """Whatever an entity holds and wherever it stands, whoever may do nothing with it is told the very same
    as of one that was never made.
    """

    async def main() -> None:
        async with serving(files=HIDING) as client:
            told = set()
            for amount, owner in ((1, "ann"), (9, "ann"), (9, "eve"), (2, "ann")):
                made = await client.post(
                    "/v1/hiding/notes",
                    json={"amount": amount, "pin": "s3cret"},
                    headers=as_(f"{owner}=clerk"),
                )
                assert made.status_code == 201, made.text
                place = made.headers["location"]
                if amount == 2:
                    assert (await client.post(f"{place}/close", headers=as_("kim=clerk"))).status_code == 200
                for given in ({}, {"if-match": '"9"'}, {"if-visit": "9"}, {"idempotency-key": f"k{amount}"}):
                    headers = {**as_("eve=guest"), **given}
                    told.add((await client.post(f"{place}/close", headers=headers)).text)
                for path in ("", "/actions", "/actions?explain=close", "/journal", "/visit", "/trace"):
                    told.add((await client.get(place + path, headers=as_("eve=guest"))).text)
            told.add((await client.post("/v1/hiding/notes/nobody/close", headers=as_("eve=guest"))).text)
            told.add((await client.post("/v1/hiding/notes/nobody/close", headers=as_("ann=clerk"))).text)
            told.add((await client.get("/v1/hiding/notes/nobody", headers=as_("ann=clerk"))).text)
            (only,) = told
            assert '"LR404.entity"' in only

    asyncio.run(main())


def test_who_may_act_and_not_read_is_told_nothing_that_the_entity_holds() -> None:
    """A denial to a reader says why; a refusal to who may only act has no state, version, visit or value."""

    async def main() -> None:
        async with serving(files=HIDING) as client:
            body = {"amount": 9, "pin": "s3cret"}
            made = await client.post("/v1/hiding/notes", json=body, headers=as_("ann=clerk"))
            place = made.headers["location"]
            seen = await client.post(f"{place}/close", headers=as_("kim=clerk"))
            assert (seen.status_code, "`9`" in seen.text) == (403, True)
            blind = await client.post(f"{place}/close", headers=as_("kim=clerk/close"))
            assert blind.json()["code"] == "LR404.entity", "the token is not for reading, a policy forbids it"
            mark = f"{place}/mark"
            told = {}
            for by in ("eve=marker", "kim=clerk/mark"):
                for name, given in (("version", {"if-match": '"7"'}), ("visit", {"if-visit": "7"})):
                    answer = await client.post(mark, headers={**as_(by), **given})
                    told[by, name] = answer.json()
                told[by, "guard"] = (await client.post(mark, json={"most": 3}, headers=as_(by))).json()
            assert (await client.post(mark, json={"most": 9}, headers=as_("eve=marker"))).status_code == 200
            told["eve=marker", "state"] = (await client.post(mark, headers=as_("eve=marker"))).json()
            codes = {name: document["code"] for (_, name), document in told.items()}
            assert codes == {
                "version": "LR412.version", "visit": "LR412.visit", "guard": "LR409.guard",
                "state": "LR409.state",
            }  # fmt: skip
            members = {"type", "title", "status", "code", "detail", "guard", "action"}
            assert all(document.keys() <= members for document in told.values())
            text = str(told)
            assert "marked" not in text and "'open'" not in text and "9" not in text.replace("409", "")

    asyncio.run(main())


HIDING = {
    "app.toml": b"""
app = "hiding"
[role]
clerk = "writes"
guest = "may close what is small"
marker = "marks, and reads nothing"
""",
    "note.blueprint.toml": b"""
blueprint = "Note"
[state]
open = { initial = true, waits = "somebody closes it" }
closed = { final = true }
marked = { final = true }
[field]
amount = { type = "int", range = [0, 9] }
pin = { type = "text", max = 9, secret = true }
owner = { type = "id" }
[action]
create = { by = "role:clerk", sets = ["amount", "pin"], do = ["owner = actor"] }
close = { from = "open", to = "closed", by = "role:clerk" }
[action.mark]
from = "open"
to = "marked"
by = ["role:marker", "role:clerk"]
args = { most = { type = "int", range = [0, 9], default = 0 } }
when = "amount <= arg.most"
[read]
by = "role:clerk"
""",
    "rules.cedar": b"""
@id("small_for_guests")
permit (principal in Role::"guest", action == Action::"Note.close", resource)
when { resource.amount < 0 };
@id("not_large")
forbid (principal, action == Action::"Note.close", resource) when { resource.amount > 5 };
@id("not_own")
forbid (principal, action == Action::"Note.close", resource)
when { resource has owner && resource.owner == principal };
""",
}


async def submitted(client: httpx2.AsyncClient, amount: int, who: str) -> str:
    made = await client.post("/v1/expense/expenses", json={"amount": amount}, headers=as_(who))
    place = made.headers["location"]
    assert (await client.post(f"{place}/submit", headers=as_(who))).status_code == 200
    return place
