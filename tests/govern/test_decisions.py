"""Decisions by people, through the API: what one lets pass, and every way of getting one that is none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from tests.govern.house import House, code, house, install_for
from tests.runtime.harness import example, install, read

from lathe.govern.decisions import OPEN_LIMIT
from lathe.lang import digest
from lathe.machine.moment import rfc3339
from lathe.machine.table import compile_app
from lathe.policy.engine import Decider
from lathe.policy.permit import permit_by
from lathe.runtime.clock import SystemClock
from lathe.runtime.conformance import Replayer, steps_of
from lathe.store.audit import unchained
from lathe.store.base import JournalQuery
from lathe.store.memory import MemoryStore

EXPENSES = "/v1/expense/expenses"
DECISIONS = "/v1/decisions"
FILES = example("expense")


class People:
    """Ann and her agent, who may hand in nothing; bob and dora, who may decide."""

    def __init__(self, one: House) -> None:
        self.one = one
        self.ann = self.bot = self.bob = self.dora = ""

    async def arrive(self) -> People:
        one = self.one
        roles = ["accountant"]
        self.ann = await one.made(one.operator, "ann", kind="person", roles=roles, scopes=["decide"])
        self.bot = await one.made(self.ann, "bot", roles=roles, scopes=["decide"], parent="self")
        self.bob = await one.made(one.operator, "bob", kind="person", scopes=["decide"])
        self.dora = await one.made(one.operator, "dora", kind="person", roles=["employee"], scopes=["decide"])
        return self

    async def denied(self, token: str, amount: int = 3) -> dict[str, Any]:
        """What a creation that is denied can be asked for with."""
        answer = await self.one.ask(token, "POST", EXPENSES, {"amount": amount})
        assert code(answer) == "LR403.denied", answer.text
        asked: dict[str, Any] = answer.json()["ask"]
        return asked

    async def asked(self, token: str | None = None, amount: int = 3, **more: object) -> dict[str, Any]:
        """A request that is open."""
        token = token or self.bot
        answer = await self.one.ask(
            token, "POST", DECISIONS, {**await self.denied(token, amount), "reason": "lunch", **more}
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def approve(
        self, token: str, asked: Mapping[str, Any], how: str = "once", **more: object
    ) -> httpx2.Response:
        body = {"how": how, "digest": asked["digest"], **more}
        return await self.one.ask(token, "POST", f"{DECISIONS}/{asked['id']}/approve", body)

    async def create(self, token: str | None = None, amount: int = 3) -> str:
        """The code that a creation ends with."""
        return code(await self.one.ask(token or self.bot, "POST", EXPENSES, {"amount": amount}))

    async def state(self, asked: Mapping[str, Any]) -> str:
        found = await self.one.ask(self.bob, "GET", f"{DECISIONS}/{asked['id']}")
        return str(found.json()["state"])


def with_people(test: Any) -> Any:
    """Run a test with people in a house in which expenses are handed in."""

    def run() -> None:
        async def main() -> None:
            async with house(files=FILES) as one:
                await test(await People(one).arrive())

        asyncio.run(main())

    run.__name__ = test.__name__
    return run


@with_people
async def test_what_was_denied_is_asked_for_approved_and_passes_once(all_of: People) -> None:
    asked = await all_of.asked()
    assert (asked["state"], asked["by"], asked["chain"]) == ("open", "bot", ["bot", "ann"])
    assert (asked["action"], asked["args"], asked["entity"]) == ("create", {"amount": 3}, None)
    assert (await all_of.asked())["id"] == asked["id"], "the same again is the same request"
    assert await all_of.create() == "LR403.denied"
    assert (await all_of.approve(all_of.bob, asked)).json()["state"] == "approved"
    made = await all_of.one.ask(all_of.bot, "POST", EXPENSES, {"amount": 3})
    assert made.status_code == 201, made.text
    assert await all_of.state(asked) == "used"
    assert await all_of.create() == "LR403.denied", "once is once"
    entry = (await all_of.one.store.history("main", "expense", made.json()["id"]))[0]
    assert (entry.policies, entry.chain) == ((f"decision:{asked['id']}",), ("bot", "ann"))


@with_people
async def test_an_approval_is_for_the_very_same_request(all_of: People) -> None:
    one = all_of.one
    other = await one.made(all_of.ann, "other", parent="self")
    assert (await all_of.approve(all_of.bob, await all_of.asked())).is_success
    assert await all_of.create(amount=4) == "LR403.denied"
    assert await all_of.create(other) == "LR403.denied", "another agent of the same person"
    assert await all_of.create(all_of.ann) == "LR403.denied", "the person alone"
    toml = FILES["app.toml"].replace(b"auditor = ", b'guest = "looks"\nauditor = ')
    changed = {**FILES, "app.toml": toml}
    await install_for(one.store, "main", changed)
    await one.node.engine.catalog.refresh()
    assert await all_of.create() == "LR403.denied", "another version of the app"


@with_people
async def test_nobody_decides_what_they_have_a_part_in(all_of: People) -> None:
    one = all_of.one
    asked = await all_of.asked()
    part = await one.made(all_of.bob, "bob", kind="person", parent="self")
    agent_of_bob = await one.made(all_of.bob, "helper", parent="self")
    agent = await one.made(one.operator, "robot", scopes=["operator"])
    service = await one.made(one.operator, "cron", kind="service", scopes=["decide"])
    nobody = await one.made(one.operator, "carl", kind="person")
    elsewhere = await one.made(one.operator, "eve", kind="person", scopes=["decide"], apps=["other"])
    limited = await one.made(one.operator, "ed", kind="person", scopes=["decide"], actions=["approve"])
    foreign = await one.made(one.operator, "ola", kind="person", scopes=["operator"], tenant="other")
    for token, refusal in {
        all_of.bot: "LR403.decider",
        all_of.ann: "LR403.decider",
        part: "LR403.decider",
        agent_of_bob: "LR403.decider",
        agent: "LR403.decider",
        service: "LR403.decider",
        nobody: "LR404.decision",
        elsewhere: "LR404.decision",
        limited: "LR403.scope",
        foreign: "LR404.decision",
    }.items():
        for work in ("approve", "deny"):
            body = {"how": "once", "digest": asked["digest"]} if work == "approve" else {}
            answer = await one.ask(token, "POST", f"{DECISIONS}/{asked['id']}/{work}", body)
            assert code(answer) == refusal, (token, work, answer.text)
    assert await all_of.state(asked) == "open"


@with_people
async def test_a_browser_decides_for_the_person_who_signed_in_and_no_part_of_its_does(
    all_of: People,
) -> None:
    one = all_of.one
    asked = await all_of.asked()
    signed_in = await one.ask(all_of.bob, "POST", "/session", {"token": all_of.bob})
    session = next(iter(signed_in.cookies.values()))
    part = await one.made(session, "bob", kind="person", parent="self")
    assert code(await all_of.approve(part, asked)) == "LR403.decider"
    of_ann = next(iter((await one.ask(None, "POST", "/session", {"token": all_of.ann})).cookies.values()))
    assert code(await all_of.approve(of_ann, asked)) == "LR403.decider"
    assert (await all_of.approve(session, asked)).is_success


@with_people
async def test_who_asks_cannot_make_whoever_decides(all_of: People) -> None:
    one = all_of.one
    olga = await one.made(one.operator, "olga", kind="person", scopes=["operator"])
    robot = await one.made(one.operator, "robot", scopes=["operator"])
    assert await one.refused(robot, "puppet", kind="person", scopes=["decide"]) == "LR403.scope"
    assert await one.refused(robot, "puppet", kind="person", scopes=["operator"]) == "LR403.scope"
    puppet = await one.made(olga, "puppet", kind="person", scopes=["decide"])
    asked = await all_of.asked(olga)
    assert code(await all_of.approve(puppet, asked)) == "LR403.decider"
    bob = (await one.ask(all_of.bob, "GET", "/v1/me")).json()["token"]
    assert code(await one.ask(robot, "POST", f"/v1/tokens/{bob}:rotate", {})) == "LR403.scope"
    taken = (await one.ask(olga, "POST", f"/v1/tokens/{bob}:rotate", {})).json()["token"]
    assert code(await all_of.approve(taken, asked)) == "LR403.decider"
    agent_of_olga = await one.made(olga, "helper", parent="self", scopes=[])
    of_agent = await all_of.asked(agent_of_olga, amount=4)
    assert code(await all_of.approve(puppet, of_agent)) == "LR403.decider"
    assert (await all_of.approve(all_of.dora, asked)).is_success


@with_people
async def test_one_approves_what_one_saw_and_in_time(all_of: People) -> None:
    one = all_of.one
    asked, other = await all_of.asked(), await all_of.asked(amount=4)
    assert code(await all_of.approve(all_of.bob, {**asked, "digest": other["digest"]})) == "LR409.digest"
    assert code(await all_of.approve(all_of.bob, {**asked, "digest": ""})) == "LR409.digest"
    assert (await all_of.approve(all_of.bob, asked)).is_success
    assert code(await all_of.approve(all_of.dora, asked)) == "LR409.decided", "it is approved"
    denied = await one.ask(all_of.dora, "POST", f"{DECISIONS}/{asked['id']}/deny", {"note": "no"})
    assert denied.json()["state"] == "denied", "what was not used is taken back"
    assert await all_of.create() == "LR403.denied"
    withdrawn = await one.ask(all_of.ann, "POST", f"{DECISIONS}/{other['id']}/withdraw")
    assert withdrawn.json()["state"] == "withdrawn"
    assert code(await all_of.approve(all_of.bob, other)) == "LR409.decided"
    late = await all_of.asked(amount=5)
    assert code(await one.ask(all_of.bob, "POST", f"{DECISIONS}/{late['id']}/withdraw")) == "LR403.decider"
    one.clock.later_ms = 25 * 3_600_000
    assert code(await all_of.approve(all_of.bob, late)) == "LR409.decided"
    assert await all_of.state(late) == "expired"
    assert (await one.ask(all_of.bob, "GET", f"{DECISIONS}?state=open")).json()["items"] == []


@with_people
async def test_whoever_is_revoked_decides_nothing_more_and_uses_nothing(all_of: People) -> None:
    one = all_of.one
    asked = await all_of.asked()
    assert (await all_of.approve(all_of.bob, asked)).is_success
    bot = (await one.ask(all_of.bot, "GET", "/v1/me")).json()["token"]
    bob = (await one.ask(all_of.bob, "GET", "/v1/me")).json()["token"]
    for token in (bot, bob):
        assert (await one.ask(one.operator, "DELETE", f"/v1/tokens/{token}")).is_success
    assert await all_of.create() == "LR401.token"
    assert code(await all_of.approve(all_of.bob, asked)) == "LR401.token"


@with_people
async def test_an_approval_for_a_time_lets_the_same_pass_until_then(all_of: People) -> None:
    one = all_of.one
    until = rfc3339(one.clock.now_ms() + 3_600_000)
    asked = await all_of.asked()
    assert code(await all_of.approve(all_of.bob, asked, "until")) == "LR422.decision"
    assert code(await all_of.approve(all_of.bob, asked, until=until)) == "LR422.decision"
    assert code(await all_of.approve(all_of.bob, asked, args="any")) == "LR422.decision"
    far = rfc3339(one.clock.now_ms() + 31 * 86_400_000)
    assert code(await all_of.approve(all_of.bob, asked, "until", until=far)) == "LR422.decision"
    past = rfc3339(one.clock.now_ms() - 1)
    assert code(await all_of.approve(all_of.bob, asked, "until", until=past)) == "LR422.decision"
    assert (await all_of.approve(all_of.bob, asked, "until", until=until)).json()["expires"] == until
    assert [await all_of.create() for _ in range(2)] == ["201", "201"]
    assert await all_of.create(amount=4) == "LR403.denied"
    assert await all_of.state(asked) == "approved"
    wider = await all_of.asked(amount=4)
    assert (await all_of.approve(all_of.bob, wider, "until", until=until, args="any")).is_success
    assert await all_of.create(amount=5) == "201"
    await one.ask(all_of.dora, "POST", f"{DECISIONS}/{wider['id']}/deny")
    assert await all_of.create(amount=5) == "LR403.denied"


def test_an_approval_for_a_time_ends_by_the_clock_of_the_store() -> None:
    async def main() -> None:
        later = 0
        store = MemoryStore(lambda: SystemClock().now_ms() + later)
        await install(store, FILES)
        async with house(store) as one:
            all_of = await People(one).arrive()
            asked = await all_of.asked()
            until = rfc3339(one.clock.now_ms() + 60_000)
            assert (await all_of.approve(all_of.bob, asked, "until", until=until)).is_success
            assert await all_of.create() == "201"
            later = 61_000
            assert await all_of.create() == "LR403.denied"

    asyncio.run(main())


@with_people
async def test_what_is_forbidden_or_promised_no_decision_lets_pass(all_of: People) -> None:
    one = all_of.one
    auditor = await one.made(one.operator, "aud", roles=["auditor"])
    answer = await one.ask(auditor, "POST", EXPENSES, {"amount": 3})
    assert (code(answer), "ask" in answer.json()) == ("LR403.denied", False), "`[cannot]` says so"
    body = {"app": "expense", "plural": "expenses", "action": "create", "args": {"amount": 3}}
    assert code(await one.ask(auditor, "POST", DECISIONS, body)) == "LR403.denied"
    made = (await one.ask(all_of.dora, "POST", EXPENSES, {"amount": 3})).json()["id"]
    assert (await one.ask(all_of.dora, "POST", f"{EXPENSES}/{made}/submit")).is_success
    own = await one.ask(all_of.dora, "POST", f"{EXPENSES}/{made}/approve")
    assert (code(own), "ask" in own.json()) == ("LR403.denied", False), "a policy forbids one's own"


def test_what_only_the_app_itself_does_nobody_is_let_do() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            order = (await one.ask(ann, "POST", "/v1/order/orders", {"total": 1})).json()["id"]
            for _ in range(200):
                state = (await one.ask(ann, "GET", f"/v1/order/orders/{order}")).json()["state"]
                if state == "awaiting":
                    break
                await asyncio.sleep(0.01)
            answer = await one.ask(ann, "POST", f"/v1/order/orders/{order}/pay")
            assert (code(answer), "ask" in answer.json()) == ("LR403.denied", False)
            body = {"app": "order", "plural": "orders", "entity": order, "action": "pay"}
            assert code(await one.ask(ann, "POST", DECISIONS, body)) == "LR403.denied"

    asyncio.run(main())


def test_a_decision_breaks_no_property_that_was_proven_of_who_may() -> None:
    """Whoever approves a document never releases it: the roles exclude each other, nothing else says so."""

    async def main() -> None:
        files = example("approval")
        promise = b'do = ["create", "edit", "submit", "release"]'
        toml = files["document.blueprint.toml"].replace(promise, b'do = ["create", "edit", "submit"]')
        async with house(files={**files, "document.blueprint.toml": toml}) as one:
            path = "/v1/approval/documents"
            clerk = await one.made(one.operator, "cleo", kind="person", roles=["clerk"])
            manager = await one.made(one.operator, "mia", kind="person", roles=["manager"])
            other = await one.made(one.operator, "max", kind="person", roles=["manager"])
            bob = await one.made(one.operator, "bob", kind="person", scopes=["decide"])
            made = (await one.ask(clerk, "POST", path, {"body": "x"})).json()["id"]
            assert (await one.ask(clerk, "POST", f"{path}/{made}/submit")).is_success
            approved = await one.ask(manager, "POST", f"{path}/{made}/approve", **{"if-visit": "2"})
            assert approved.is_success, approved.text
            outcomes = []
            for token in (manager, other):
                denied = await one.ask(token, "POST", f"{path}/{made}/release")
                asked = (await one.ask(token, "POST", DECISIONS, denied.json()["ask"])).json()
                body = {"how": "once", "digest": asked["digest"]}
                await one.ask(bob, "POST", f"{DECISIONS}/{asked['id']}/approve", body)
                outcomes.append(await one.ask(token, "POST", f"{path}/{made}/release"))
            assert code(outcomes[0]) == "LR403.denied" and "would be false" in outcomes[0].json()["detail"]
            assert outcomes[1].is_success, outcomes[1].text

    asyncio.run(main())


@with_people
async def test_what_needs_no_decision_or_cannot_be_is_not_asked(all_of: People) -> None:
    one = all_of.one
    body = {"app": "expense", "plural": "expenses", "action": "create", "args": {"amount": 3}}
    assert code(await one.ask(all_of.dora, "POST", DECISIONS, body)) == "LR422.decision"
    for changed, refusal in (
        ({"app": "nothing"}, "LR404.app"),
        ({"plural": "nothing"}, "LR404.route"),
        ({"action": "nothing"}, "LR404.action"),
        ({"entity": "nothing", "action": "pay", "args": {"cash": False}}, "LR404.entity"),
        ({"args": {"amount": "3"}}, "LR422.type"),
        ({"args": {"amount": 3_000}}, "LR422.type"),
        ({"reason": "x" * 2_001}, "LR422.decision"),
        ({"args": 3}, "LR400.body"),
        ({"colour": 3}, "LR400.body"),
    ):
        assert code(await one.ask(all_of.bot, "POST", DECISIONS, {**body, **changed})) == refusal, changed
    assert code(await one.ask(all_of.bob, "GET", f"{DECISIONS}/nothing")) == "LR404.decision"
    assert code(await one.ask(all_of.bob, "GET", f"{DECISIONS}?state=nothing")) == "LR400.query"


@with_people
async def test_requests_are_bounded_with_all_who_act_for_somebody(all_of: People) -> None:
    other = await all_of.one.made(all_of.ann, "other", parent="self")
    for number in range(OPEN_LIMIT):
        await all_of.asked((all_of.bot, other)[number % 2], amount=number + 1)
    body = await all_of.denied(other, amount=OPEN_LIMIT + 1)
    assert code(await all_of.one.ask(other, "POST", DECISIONS, body)) == "LR429.decisions"
    seen = (await all_of.one.ask(all_of.bob, "GET", f"{DECISIONS}?state=open&limit=7")).json()
    rest = (await all_of.one.ask(all_of.bob, "GET", f"{DECISIONS}?before={seen['next']}")).json()
    assert (len(seen["items"]), len(rest["items"])) == (7, OPEN_LIMIT - 7)
    stranger = await all_of.one.made(all_of.one.operator, "sam", roles=["accountant"])
    assert (await all_of.one.ask(stranger, "GET", DECISIONS)).json()["items"] == []


def test_two_processes_use_an_approval_once() -> None:
    async def main() -> None:
        store = MemoryStore(SystemClock().now_ms, is_shared=True)
        await install(store, FILES)
        async with house(store) as one, house(store) as two:
            all_of = await People(one).arrive()
            assert (await all_of.approve(all_of.bob, await all_of.asked())).is_success
            answers = await asyncio.gather(
                *(each.ask(all_of.bot, "POST", EXPENSES, {"amount": 3}) for each in (one, two) * 4)
            )
            assert sorted(code(answer) for answer in answers) == ["201", *["LR403.denied"] * 7]
            assert sum((await store.count("main", "expense")).values()) == 1

    asyncio.run(main())


@with_people
async def test_a_standing_policy_is_checked_like_any_change(all_of: People) -> None:
    one = all_of.one
    asked = await all_of.asked()
    assert 'principal == Principal::"ann"' in asked["policy"]
    assert 'when { principal in Role::"accountant" }' in asked["policy"]
    made = await all_of.approve(all_of.bob, asked, "policy", note="for good")
    assert (made.status_code, made.json().get("verdict")) == (200, "admitted"), made.text
    assert (made.json()["state"], made.json()["how"]) == ("approved", "policy")
    live = one.node.engine.catalog.live("main", "expense")
    assert made.json()["applied"] == live.digest and live.app.policies["decisions.cedar"] == asked["policy"]
    assert await all_of.create() == "201" and await all_of.create(amount=9) == "201"
    assert await all_of.create(await one.made(one.operator, "sam", roles=["accountant"])) == "LR403.denied"


def test_a_standing_policy_that_breaks_a_promise_is_refused() -> None:
    """The verifier says no: nothing is applied, and the request stays open."""

    async def main() -> None:
        promise = (
            b'accountant_hands_in_nothing = { role = "accountant", do = ["create"], when = "amount > 9" }\n'
        )
        toml = FILES["expense.blueprint.toml"].replace(b"[cannot]\n", b"[cannot]\n" + promise)
        broken = {**FILES, "expense.blueprint.toml": toml}
        async with house(files=broken) as one:
            all_of = await People(one).arrive()
            before = one.node.engine.catalog.live("main", "expense").digest
            answer = await one.ask(all_of.bot, "POST", EXPENSES, {"amount": 3})
            asked = (await one.ask(all_of.bot, "POST", DECISIONS, answer.json()["ask"])).json()
            refused = await all_of.approve(all_of.bob, asked, "policy")
            assert code(refused) == "LR409.refused" and refused.json()["report"]["verdict"] == "refused"
            assert one.node.engine.catalog.live("main", "expense").digest == before
            assert await all_of.state(asked) == "open"

    asyncio.run(main())


@with_people
async def test_the_audit_and_the_journal_tell_what_was_decided(all_of: People) -> None:
    one = all_of.one
    asked = await all_of.asked()
    await all_of.approve(all_of.bob, asked, note="once is fine")
    assert await all_of.create() == "201"
    lines = (await one.ask(one.operator, "GET", "/v1/audit")).json()["items"]
    told = [(e["kind"], e["by"], e["chain"]) for e in lines if e["subject"] == asked["id"]]
    assert told == [
        ("decision.asked", "bot", ["bot", "ann"]),
        ("decision.approved", "bob", ["bob"]),
    ]
    assert [*unchained(await one.store.audit())] == []
    about = next(e["about"] for e in lines if e["kind"] == "decision.approved")
    assert (about["digest"], about["note"]) == (asked["digest"], "once is fine")
    app = read(FILES)
    entries = await one.store.entries(JournalQuery("main"))
    replayer = Replayer({digest(app): compile_app(app)}, lambda one: permit_by(Decider(one)))
    assert [parting for step in steps_of(entries) for parting in replayer.take(step)] == []


@pytest.mark.parametrize("path", ["", "/x", "/x/approve", "/x/deny", "/x/withdraw"])
def test_the_other_side_of_an_effect_decides_nothing(path: str) -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            assert (await one.ask(ann, "POST", "/v1/order/orders", {"total": 1})).status_code == 201
            async with asyncio.timeout(5):
                while not (leased := await one.store.lease("test", limit=1, lease_ms=1_000)):
                    await asyncio.sleep(0.01)
            token = one.tokens.mint(leased[0].outgoing, 60_000)
            method = "POST" if path.count("/") == 2 else "GET"
            assert code(await one.ask(token, method, DECISIONS + path, {})) == "LR403.scope"

    asyncio.run(main())
