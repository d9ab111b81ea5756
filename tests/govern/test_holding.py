"""Applications that wait for a person: what is shown of them, and that an approval makes nothing else."""

from __future__ import annotations

import re

import pytest
from tests.govern.house import House, code, house
from tests.govern.test_decisions import DECISIONS, FILES, People, with_people

from lathe.agents.calls import Answer, Workshop, by_runtime, call
from lathe.govern.decision_request import asking_of, packed, unpacked
from lathe.govern.principal import Principal
from lathe.lang.model import Json
from lathe.machine.moment import rfc3339
from lathe.runtime.config import ApplySettings

WEAKER = {
    **FILES,
    "expense.blueprint.toml": FILES["expense.blueprint.toml"].replace(
        b'little_cash = "not in_cash or amount <= 2"', b'little_cash = "not in_cash or amount <= 3"'
    ),
}


@with_people
async def test_a_weaker_version_waits_for_a_person_who_did_not_make_it(all_of: People) -> None:
    one = all_of.one
    agent = await one.made(all_of.ann, "maker", parent="self", scopes=[])
    maker = await one.made(one.operator, "builder", scopes=["apply"])
    before = one.node.engine.catalog.live("main", "expense").digest
    files = {path: data.decode() for path, data in WEAKER.items()}
    body = {"files": files, "confirm": "any", "breaking": True, "note": "cash is fine"}
    assert code(await one.ask(agent, "PUT", "/v1/blueprints", body)) == "LR403.scope"
    planned = await one.ask(maker, "PUT", "/v1/blueprints", {"files": files})
    assert planned.json()["held"] is True
    held = await one.ask(maker, "PUT", "/v1/blueprints", body)
    asked = held.json()["decision"]
    assert (held.status_code, asked["state"], asked["reason"]) == (202, "open", "cash is fine")
    assert [c["path"] for c in asked["changes"] if c["weaker"]] == ["Expense invariant little_cash"]
    assert one.node.engine.catalog.live("main", "expense").digest == before
    again = await one.ask(maker, "PUT", "/v1/blueprints", body)
    assert again.json()["decision"]["id"] == asked["id"]
    assert code(await all_of.approve(maker, asked)) == "LR403.decider"
    until = rfc3339(one.clock.now_ms() + 60_000)
    assert code(await all_of.approve(all_of.bob, asked, "until", until=until)) == "LR422.decision"
    assert code(await all_of.approve(all_of.bob, asked, "policy")) == "LR422.decision"
    assert (await all_of.approve(all_of.bob, asked)).is_success
    edited = {**files, "app.toml": files["app.toml"] + "\n# more\n"}
    other = await one.ask(maker, "PUT", "/v1/blueprints", {**body, "files": edited})
    assert other.status_code == 202 and other.json()["decision"]["id"] != asked["id"], "bound to the bytes"
    stranger = await one.made(one.operator, "stranger", scopes=["apply"])
    assert (await one.ask(stranger, "PUT", "/v1/blueprints", body)).status_code == 202
    applied = await one.ask(maker, "PUT", "/v1/blueprints", body)
    assert applied.status_code == 200 and applied.json()["applied"] == asked["apply"], applied.text
    assert await all_of.state(asked) == "used"
    assert code(await all_of.approve(all_of.bob, other.json()["decision"])) == "LR409.decided"


@with_people
async def test_what_waits_is_shown_and_applied_byte_by_byte(all_of: People) -> None:
    one = all_of.one
    maker = await one.made(one.operator, "builder", scopes=["apply"])
    odd = {**WEAKER, "modules/odd.wasm": b"\0asm\xff\xfe"}
    files = {path: data.decode() for path, data in WEAKER.items()}
    body = {"files": files, "confirm": "any", "breaking": True}
    asked = (await one.ask(maker, "PUT", "/v1/blueprints", body)).json()["decision"]
    path = f"{DECISIONS}/{asked['id']}/files"
    for token in (maker, all_of.bob):
        found = (await one.ask(token, "GET", path)).json()
        assert (found["apply"], found["files"], found["binary"]) == (asked["apply"], files, {})
    kept = await one.store.held("main", asked["id"])
    question = asking_of(row := await one.decisions.one(await _holder(one, all_of.bob), asked["id"])).question
    assert kept is not None and unpacked(kept, question) == WEAKER and row.revision == 1
    with pytest.raises(AssertionError):
        unpacked(packed(odd), question)
    stranger = await one.made(one.operator, "stranger", scopes=["apply"])
    assert code(await one.ask(stranger, "GET", path)) == "LR404.decision"
    action = await all_of.asked()
    assert code(await one.ask(all_of.bob, "GET", f"{DECISIONS}/{action['id']}/files")) == "LR404.decision"
    again = {"decision": asked["id"], "confirm": "any", "breaking": True}
    assert code(await one.ask(stranger, "PUT", "/v1/blueprints", again)) == "LR404.decision"
    assert code(await one.ask(maker, "PUT", "/v1/blueprints", {**again, "files": files})) == "LR400.body"
    waits = await one.ask(maker, "PUT", "/v1/blueprints", again)
    assert (waits.status_code, waits.json()["decision"]["id"]) == (202, asked["id"])
    assert (await all_of.approve(all_of.bob, asked)).is_success
    # Who decides sees the files, and has its own request to make if it would apply them.
    both = await one.made(one.operator, "both", kind="person", scopes=["apply", "decide"])
    other = await one.ask(both, "PUT", "/v1/blueprints", again)
    assert other.status_code == 202 and other.json()["decision"]["id"] != asked["id"]
    async with house(one.store) as later:  # the process that was asked is gone, with its checks
        applied = await later.ask(maker, "PUT", "/v1/blueprints", again)
        assert applied.json().get("applied") == asked["apply"], applied.text
        version = await later.store.version("main", "expense", asked["apply"])
        assert version is not None and version.files == WEAKER
    assert await all_of.state(asked) == "used"


@with_people
async def test_an_agent_applies_what_was_approved_by_its_tool(all_of: People) -> None:
    one = all_of.one
    maker = await one.made(one.operator, "builder", scopes=["apply"])
    files: dict[str, Json] = {path: data.decode() for path, data in WEAKER.items()}
    async with one.client(maker) as client:
        workshop = Workshop(client, None, by_runtime(client))

        async def apply(**given: Json) -> Answer:
            return await call(workshop, "apply", {"confirm": "any", "breaking": True, **given})

        held = await apply(files=files)
        (name,) = re.findall(r"decision (\w+): open", held.text)
        both = await apply(files=files, decision=name)
        assert both.is_error and "`decision` or files" in both.text
        assert f"decision {name}: open" in (await apply(decision=name)).text, "nobody has decided"
        found = (await one.ask(all_of.bob, "GET", f"{DECISIONS}/{name}")).json()
        assert (await all_of.approve(all_of.bob, found)).is_success
        shown = await call(workshop, "decisions", {"id": name})
        assert shown.text.endswith(f"next: `apply` with `decision: {name}`"), shown.text
        applied = await apply(decision=name)
        assert not applied.is_error and "applied " in applied.text, applied.text
        assert (await apply(decision="nobody")).text.startswith("LR404.decision")
    assert one.node.engine.catalog.live("main", "expense").digest == found["apply"]


@with_people
async def test_an_application_that_was_approved_is_made_once(all_of: People) -> None:
    one = all_of.one
    maker = await one.made(one.operator, "builder", scopes=["apply"])
    files = {path: data.decode() for path, data in WEAKER.items()}
    body = {"files": files, "confirm": "any", "breaking": True}
    asked = (await one.ask(maker, "PUT", "/v1/blueprints", body)).json()["decision"]
    assert (await all_of.approve(all_of.bob, asked)).is_success
    assert "applied" in (await one.ask(maker, "PUT", "/v1/blueprints", body)).json()
    one.applying = ApplySettings(held="never")
    back = {"digest": asked["version"], "confirm": "any"}
    assert (await one.ask(maker, "POST", "/v1/blueprints/expense/rollback", back)).status_code == 200
    one.applying = ApplySettings()
    # The same version in place of the same one, by the same principal: the approval is used up.
    for again in (body, {"decision": asked["id"], "confirm": "any", "breaking": True}):
        answer = await one.ask(maker, "PUT", "/v1/blueprints", again)
        assert answer.status_code == 202 and answer.json()["decision"]["id"] != asked["id"]
    assert code(await all_of.approve(all_of.bob, asked)) == "LR409.decided"


@with_people
async def test_an_approval_is_void_once_what_was_asked_is_edited_whatever_way_it_comes(
    all_of: People,
) -> None:
    one = all_of.one
    maker = await one.made(one.operator, "builder", scopes=["apply"])
    files = {path: data.decode() for path, data in WEAKER.items()}
    body = {"files": files, "confirm": "any", "breaking": True}
    asked = (await one.ask(maker, "PUT", "/v1/blueprints", body)).json()["decision"]
    assert (await all_of.approve(all_of.bob, asked)).is_success
    edited = {**files, "limits.cedar": files["limits.cedar"] + "// more\n"}
    planned = await one.ask(maker, "PUT", "/v1/blueprints", {"files": edited})
    ways = (
        ("PUT", "/v1/blueprints", {**body, "files": edited}),
        ("PUT", "/v1/blueprints", {**body, "files": {**files, "more.cedar": "// a file more\n"}}),
        ("PUT", "/v1/blueprints", {"check": planned.json()["check"], "confirm": "any", "breaking": True}),
        ("PUT", "/v1/blueprints", {**body, "files": edited, "confirm": planned.json()["plan"]["digest"]}),
    )
    for method, path, sent in ways:
        answer = await one.ask(maker, method, path, sent)
        assert answer.status_code == 202 and answer.json()["decision"]["id"] != asked["id"], sent
    other = await one.ask(maker, "POST", DECISIONS, {"apply": {"files": edited}, "reason": ""})
    assert other.json()["id"] != asked["id"]
    assert await all_of.state(asked) == "approved", "and nothing of that has used it"
    assert "applied" in (await one.ask(maker, "PUT", "/v1/blueprints", body)).json()


async def _holder(one: House, token: str) -> Principal:
    return await one.bearers.of_text(token, "")


@with_people
async def test_who_applies_may_be_a_role_and_every_version_may_wait(all_of: People) -> None:
    one = all_of.one
    same = {path: data.decode() for path, data in FILES.items()}
    files = {**same, "app.toml": same["app.toml"].replace("paid by a third", "paid by another")}
    maker = await one.made(one.operator, "builder", roles=["manager"], scopes=["apply"])
    one.applying = ApplySettings(roles=("director",), held="every")
    assert code(await one.ask(maker, "PUT", "/v1/blueprints", {"files": files})) == "LR403.scope"
    one.applying = ApplySettings(roles=("manager",), held="every")
    body = {"apply": {"files": files}, "reason": "clearer"}
    asked = await one.ask(maker, "POST", DECISIONS, body)
    assert asked.status_code == 201, asked.text
    assert (await all_of.approve(all_of.bob, asked.json())).is_success
    applied = await one.ask(maker, "PUT", "/v1/blueprints", {"files": files, "confirm": "any"})
    assert applied.json()["applied"] == asked.json()["apply"]
    back = {"digest": asked.json()["version"], "confirm": "any"}
    held = await one.ask(maker, "POST", "/v1/blueprints/expense/rollback", back)
    assert held.status_code == 202, "a roll-back is an application like any other"
    one.applying = ApplySettings(held="never")
    assert (await one.ask(maker, "POST", "/v1/blueprints/expense/rollback", back)).status_code == 200
    assert code(await one.ask(maker, "POST", DECISIONS, body)) == "LR422.decision"
