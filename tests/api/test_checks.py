"""What a reviewer asks: checks that are kept, descriptions, differences, replays, survivors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx2
from tests.api.client import serving
from tests.runtime.harness import EXAMPLES, example

from lathe.gate.judge import ChildGate


def texts(folder: Path) -> dict[str, str]:
    """The files of an app, as a request has them."""
    found = (p for p in sorted(folder.iterdir()) if p.suffix in (".toml", ".cedar"))
    return {p.name: p.read_text() for p in found if p.name != "dev.toml"}


def broken(name: str, variant: str) -> dict[str, str]:
    return texts(EXAMPLES / name / "broken" / variant)


async def checked(client: httpx2.AsyncClient, files: Mapping[str, str]) -> dict[str, object]:
    answer = await client.post("/v1/checks", json={"files": files})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_refused_check_has_all_that_a_reviewer_needs_and_is_kept() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            files = broken("rollout", "drain_too_early")
            found = await checked(client, files)
            assert (found["verdict"], found["app"], found["in_force"]) == ("refused", "rollout", False)
            kept = (await client.get(f"/v1/checks/{found['id']}")).json()
            assert kept["files"] == files
            finding = kept["report"]["findings"][0]
            assert finding["code"] == "LT401"
            line = finding["line"] - finding["excerpt"]["line"]
            assert finding["property"] in finding["excerpt"]["lines"][line]
            assert finding["end_column"] > finding["column"]
            assert finding["help"]
            assert finding["trace"]["format"] == "lathe.trace/1"
            clause = finding["trace"]["clauses"][0]
            assert clause["text"] in finding["message"]
            assert set(clause["values"]) == {"ready", "replicas"}
            listed = (await client.get("/v1/checks?app=rollout")).json()["items"]
            assert [item["id"] for item in listed] == [found["id"]]
            assert listed[0]["first"]["code"] == "LT401"
            assert (await client.get("/v1/checks?app=order")).json() == {"items": []}
            for path in ("checks", "simulations", f"checks/{found['id']}/description"):
                slip = (await client.get(f"/v1/{path}?ap=order")).json()
                assert (slip["code"], slip["detail"]) == ("LR400.query", "there is no parameter `ap`")

    asyncio.run(main())


def test_the_same_files_are_the_same_check() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            files = broken("rollout", "misspelt")
            first, again = await checked(client, files), await checked(client, files)
            assert first["id"] == again["id"]
            assert len((await client.get("/v1/checks")).json()["items"]) == 1
            assert first["app"] == "rollout", "what cannot be read still says what it is called"

    asyncio.run(main())


def test_a_description_has_graph_permissions_and_what_differs_from_what_runs() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            found = await checked(client, broken("rollout", "dead_end"))
            told = (await client.get(f"/v1/checks/{found['id']}/description")).json()
            blueprint = told["graph"]["blueprints"][0]
            assert {s["name"] for s in blueprint["states"] if s["final"]} == {"done"}
            edges = {(e["source"], e["target"]) for e in blueprint["edges"]}
            assert ("planned", "rolling") in edges
            assert told["permissions"][0]["columns"][0] == "role:operator"
            changes = {c["path"]: c for c in told["diff"]["changes"]}
            assert changes["Rollout state rolled_back"]["was"] == "final"
            assert told["diff"]["graph"]["blueprints"][0]["name"] == "Rollout"
            current = (await client.get("/v1/blueprints/rollout/current/description")).json()
            assert "diff" not in current, "it does not differ from itself"
            gone = await client.get("/v1/blueprints/rollout/current/description?against=sha256:0")
            assert gone.json()["code"] == "LR404.version"

    asyncio.run(main())


def test_what_cannot_be_read_has_no_description_and_a_check_that_is_not_kept_is_not_found() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            found = await checked(client, broken("rollout", "misspelt"))
            told = (await client.get(f"/v1/checks/{found['id']}/description")).json()
            assert told == {"why": "the files cannot be read"}
            assert (await client.get("/v1/checks/0000")).json()["code"] == "LR404.check"
            asked = await client.post(f"/v1/checks/{found['id']}/survivors")
            assert asked.json()["code"] == "LR409.refused"
            asked = await client.post(f"/v1/checks/{found['id']}/replay", json={"trace": {}})
            assert asked.json()["code"] == "LR409.refused"

    asyncio.run(main())


def test_a_trace_is_replayed_by_a_version_and_goes_otherwise_where_the_fault_is_mended() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            found = await checked(client, broken("rollout", "drain_too_early"))
            trace = found["report"]["findings"][0]["trace"]  # type: ignore[index]
            same = await client.post(f"/v1/checks/{found['id']}/replay", json={"trace": trace})
            assert same.json()["same"] is True
            assert same.json()["verdicts"][0].startswith("refused: ")
            assert same.json()["steps"][-1]["broken"][0]["clauses"][0]["text"]
            mended = await client.post("/v1/blueprints/rollout/current/replay", json={"trace": trace})
            assert mended.json()["same"] is False
            assert mended.json()["steps"][-1]["step"]["refused"] == "its guard is false"
            bad = await client.post("/v1/blueprints/rollout/current/replay", json={"trace": {"steps": 1}})
            assert bad.json()["code"] == "LR400.body"

    asyncio.run(main())


def test_a_run_is_gone_on_with_by_hand_and_nothing_lives_by_it() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            found = await checked(client, broken("rollout", "drain_too_early"))
            trace = found["report"]["findings"][0]["trace"]  # type: ignore[index]
            path = f"/v1/checks/{found['id']}/fork"
            told = (await client.post(path, json={"trace": trace, "at": 4})).json()
            drain = next(one for one in told["choices"] if one["step"]["action"] == "drain")
            assert drain["breaks"] == ["one_broker_down"]
            body = {"trace": trace, "at": 4, "take": [drain["step"]]}
            assert (await client.post(path, json=body)).json()["broken"][0]["property"] == "one_broker_down"
            mended = (await client.post("/v1/blueprints/rollout/current/fork", json=body)).json()
            assert mended["refused"] == {"event": 5, "why": "its guard is false"}
            assert (await client.get("/v1/rollout/rollouts")).json()["items"] == []
            whole = (await client.post(path, json={"trace": trace})).json()
            assert len(whole["trace"]["steps"]) == len(trace["steps"])
            wrongs: list[dict[str, object]] = [{}, {"trace": {}}, {"trace": trace, "at": -1}]
            for wrong in (*wrongs, {"trace": trace, "take": [1]}):
                assert (await client.post(path, json=wrong)).json()["code"] == "LR400.body", wrong
            unread = await checked(client, broken("rollout", "misspelt"))
            answer = await client.post(f"/v1/checks/{unread['id']}/fork", json=body)
            assert answer.json()["code"] == "LR409.refused"

    asyncio.run(main())


def test_survivors_are_asked_for_once() -> None:
    async def main() -> None:
        async with serving(gate=ChildGate()) as client:
            small = {
                "app.toml": 'app = "door"\n[role]\nuser = "opens it"\n',
                "door.blueprint.toml": (
                    'blueprint = "Door"\n[state]\nshut = { initial = true, waits = "a user" }\n'
                    'open = { waits = "a user" }\n[action]\ncreate = { by = "role:user" }\n'
                    'unlock = { from = "shut", to = "open", by = "role:user" }\n'
                    'lock = { from = "open", to = "shut", by = "role:user" }\n'
                ),
            }
            found = await checked(client, small)
            assert found["verdict"] == "admitted", found
            told = (await client.post(f"/v1/checks/{found['id']}/survivors")).json()
            assert told["tried"] >= told["killed"] >= 0
            assert all(finding["code"] == "LT405" for finding in told["findings"])
            again = await client.post(f"/v1/checks/{found['id']}/survivors")
            assert again.json() == told

    asyncio.run(main())


def test_what_was_read_is_what_is_loaded_and_a_refusal_is_kept() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            found = await checked(client, texts(EXAMPLES / "rollout" / "versions" / "applies"))
            assert found["verdict"] == "admitted", found
            plan = (await client.put("/v1/blueprints", json={"check": found["id"]})).json()
            assert (plan["plan"]["possible"], plan["check"]) == (True, found["id"])
            body = {"check": found["id"], "confirm": plan["plan"]["digest"], "breaking": True}
            assert (await client.put("/v1/blueprints", json=body)).json()["applied"] == found["digest"]
            kept = (await client.get(f"/v1/checks/{found['id']}")).json()
            assert (kept["outcome"], kept["in_force"]) == ("applied", True)
            refused = await client.put(
                "/v1/blueprints", json={"files": broken("rollout", "dead_end"), "confirm": "any"}
            )
            assert refused.json()["code"] == "LR409.refused"
            kept = (await client.get(f"/v1/checks/{refused.json()['check']}")).json()
            assert (kept["outcome"], kept["source"]) == ("refused", "apply")
            assert (await client.put("/v1/blueprints", json={"check": "0"})).json()["code"] == "LR404.check"

    asyncio.run(main())


def test_going_back_to_what_fits_nobody_says_the_way() -> None:
    first = {n: b.decode() for n, b in example("rollout").items() if n.endswith(".toml")}
    name = "rollout.blueprint.toml"
    move = '\n[migrate]\nstate = { planned = "ready_to_go" }\n'
    second = {**first, name: first[name].replace("planned", "ready_to_go") + move}

    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as client:
            old = (await client.get("/v1/blueprints/rollout")).json()["digest"]
            assert (await client.post("/v1/rollout/rollouts", json={"replicas": 2})).status_code == 201
            sent = {"files": second, "confirm": "any", "breaking": True, "accept_bounds": True}
            applied = await client.put("/v1/blueprints", json=sent)
            assert applied.status_code == 200, applied.text
            back = {"digest": old, "confirm": "any"}
            refused = await client.post("/v1/blueprints/rollout/rollback", json=back)
            assert (refused.status_code, refused.json()["code"]) == (409, "LR409.refused")
            assert "load its files" in refused.json()["help"]

    asyncio.run(main())
