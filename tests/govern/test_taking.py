"""A queue that is taken from by whoever may not take, and what a decision tells of an entity, to whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.govern.house import House, code, house

TICKETS = "/v1/desk/tickets"
TAKE = f"{TICKETS}:take"
FILES = {
    "app.toml": b"""app = "desk"
[role]
clerk = "closes cheap ones"
boss = "closes all"
guest = "sees nothing, and asks"
""",
    "ticket.blueprint.toml": b"""blueprint = "Ticket"
[read]
by = ["role:clerk", "role:boss"]
[state]
open = { initial = true, waits = "somebody closes it" }
closed = { final = true }
[field]
cost = { type = "int", range = [0, 9] }
[action]
create = { by = "role:boss", sets = ["cost"] }
[action.close]
from = "open"
to = "closed"
by = "role:boss"
args = { why = { type = "text", max = 20, optional = true } }
""",
}
POLICIES = {
    **FILES,
    "desk.cedar": b"""@id("cheap")
permit(principal in Role::"clerk", action == Action::"Ticket.close", resource is Ticket)
when { resource.cost < 3 };
@id("guests")
permit(principal in Role::"guest", action == Action::"Ticket.close", resource is Ticket)
when { resource.cost == 0 };
@id("readers")
permit(principal in Role::"clerk", action == Action::"Ticket.read", resource is Ticket);
""",
}


class Desk:
    """A house with a desk, and who is at it."""

    def __init__(self, one: House) -> None:
        self.one = one
        self.clerk = self.boss = self.guest = self.bob = ""

    async def arrive(self) -> Desk:
        one = self.one
        for role in ("clerk", "boss", "guest"):
            setattr(self, role, await one.made(one.operator, role, roles=[role]))
        self.bob = await one.made(one.operator, "bob", kind="person", scopes=["decide"])
        return self

    async def ticket(self, cost: int) -> str:
        made = await self.one.ask(self.boss, "POST", TICKETS, {"cost": cost})
        return str(made.json()["id"])

    async def approve(self, asked: dict[str, str]) -> None:
        said = {"how": "once", "digest": asked["digest"]}
        answer = await self.one.ask(self.bob, "POST", f"/v1/decisions/{asked['id']}/approve", said)
        assert answer.is_success, answer.text


@asynccontextmanager
async def desk(files: dict[str, bytes]) -> AsyncIterator[Desk]:
    async with house(files=files) as one:
        yield await Desk(one).arrive()


def test_who_takes_of_none_is_told_what_to_ask_for_and_takes_it_then() -> None:
    async def main() -> None:
        async with desk(FILES) as at:
            one = at.one
            body = {"action": "close", "args": {"why": "late"}}
            empty = await one.ask(at.clerk, "POST", TAKE, body)
            assert code(empty) == "LR403.denied" and "ask" not in empty.json()
            first, _ = await at.ticket(5), await at.ticket(6)
            denied = await one.ask(at.clerk, "POST", TAKE, body)
            ask = denied.json()["ask"]
            assert (code(denied), ask["entity"], ask["args"]) == ("LR403.denied", first, {"why": "late"})
            hidden = await one.ask(at.guest, "POST", TAKE, body)
            assert code(hidden) == "LR403.denied" and "ask" not in hidden.json(), "they may not read it"
            asked = (await one.ask(at.clerk, "POST", "/v1/decisions", ask)).json()
            await at.approve(asked)
            again = await one.ask(at.clerk, "POST", TAKE, body)
            assert code(again) == "LR403.denied", "an approval is for the entity, and a queue chooses one"
            state = (await one.ask(at.bob, "GET", f"/v1/decisions/{asked['id']}")).json()["state"]
            assert state == "approved", "and it is not used up by that"
            closed = await one.ask(at.clerk, "POST", f"{TICKETS}/{first}/close", {"why": "late"})
            assert closed.status_code == 200, closed.text

    asyncio.run(main())


def test_what_policies_deny_is_passed_over_and_named_beside_nothing() -> None:
    async def main() -> None:
        async with desk(POLICIES) as at:
            one, body = at.one, {"action": "close"}
            none = await one.ask(at.clerk, "POST", TAKE, body)
            assert (none.status_code, none.headers.get("lathe-denied")) == (204, None)
            dear, cheap = await at.ticket(7), await at.ticket(2)
            taken = await one.ask(at.clerk, "POST", TAKE, body)
            assert (taken.status_code, taken.json()["id"]) == (200, cheap)
            denied = await one.ask(at.clerk, "POST", TAKE, body)
            assert (denied.status_code, denied.headers["lathe-denied"]) == (204, dear)
            hidden = await one.ask(at.guest, "POST", TAKE, body)
            assert (hidden.status_code, hidden.headers.get("lathe-denied")) == (204, None)
            narrow = await one.ask(at.clerk, "POST", TAKE, {**body, "where": "cost < 5"})
            assert (narrow.status_code, narrow.headers.get("lathe-denied")) == (204, None)
            ask = (await one.ask(at.clerk, "POST", f"{TICKETS}/{dear}/close")).json()["ask"]
            await at.approve((await one.ask(at.clerk, "POST", "/v1/decisions", ask)).json())
            assert (await one.ask(at.clerk, "POST", TAKE, body)).status_code == 204
            assert (await one.ask(at.clerk, "POST", f"{TICKETS}/{dear}/close")).status_code == 200

    asyncio.run(main())


def test_a_token_that_is_not_for_reading_is_told_of_no_entity() -> None:
    async def main() -> None:
        async with desk(POLICIES) as at:
            dear = await at.ticket(7)
            blind = await at.one.made(at.one.operator, "blind", roles=["clerk"], actions=["close"])
            answer = await at.one.ask(blind, "POST", TAKE, {"action": "close"})
            assert answer.status_code == 204 and dear not in str(answer.headers)

    asyncio.run(main())


def test_who_decides_and_may_read_the_entity_is_told_what_stands_against_it() -> None:
    async def main() -> None:
        async with desk(POLICIES) as at:
            one, dear = at.one, await at.ticket(7)
            judge = await one.made(one.operator, "judge", kind="person", roles=["boss"], scopes=["decide"])
            ask = (await one.ask(at.clerk, "POST", f"{TICKETS}/{dear}/close")).json()
            true = {"policy": "cheap", "false": ["`resource.cost < 3` is false: `resource.cost` is `7`"]}
            asked = (await one.ask(at.clerk, "POST", "/v1/decisions", ask["ask"])).json()
            seen = (await one.ask(judge, "GET", f"/v1/decisions/{asked['id']}")).json()["nearest"]
            (listed,) = (await one.ask(judge, "GET", "/v1/decisions?state=open")).json()["items"]
            assert seen == listed["nearest"] == ask["nearest"] == asked["nearest"] == true

    asyncio.run(main())


def test_of_what_one_may_neither_read_nor_act_on_no_decision_is_asked() -> None:
    async def main() -> None:
        async with desk(POLICIES) as at:
            one, dear = at.one, await at.ticket(7)
            body = {"app": "desk", "plural": "tickets", "action": "close", "args": {}, "reason": "please"}
            told = set()
            for entity in (dear, "nobody"):
                asked = await one.ask(at.guest, "POST", "/v1/decisions", {**body, "entity": entity})
                acted = await one.ask(at.guest, "POST", f"{TICKETS}/{entity}/close")
                assert asked.text == acted.text
                told.add(asked.text)
            (only,) = told
            assert '"LR404.entity"' in only

    asyncio.run(main())


def test_what_the_one_who_asks_may_read_is_not_told_to_who_may_not() -> None:
    async def main() -> None:
        async with desk(POLICIES) as at:
            one, dear = at.one, await at.ticket(7)
            ask = (await one.ask(at.clerk, "POST", f"{TICKETS}/{dear}/close")).json()["ask"]
            asked = (await one.ask(at.clerk, "POST", "/v1/decisions", ask)).json()
            assert "is `7`" in str(asked["nearest"])
            for path in (f"/v1/decisions/{asked['id']}", "/v1/decisions?state=open"):
                told = await one.ask(at.bob, "GET", path)
                assert told.is_success and "is `7`" not in told.text
            await at.approve(asked)
            assert "is `7`" not in (await one.ask(at.bob, "GET", f"/v1/decisions/{asked['id']}")).text

    asyncio.run(main())
