"""Creating, acting, reading over HTTP."""

from __future__ import annotations

import asyncio

import pytest
from tests.api.client import serving, until

pytestmark = pytest.mark.usefixtures("way")


def test_a_rollout_by_http() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            made = await client.post("/v1/rollout/rollouts", json={"replicas": 3})
            assert made.status_code == 201, made.text
            place = made.headers["location"]
            assert made.json()["state"] == "planned"
            assert made.json()["fields"] == {"image": None, "replicas": 3, "ready": 3, "attempts": 0}
            started = await client.post(f"{place}/start", json={"image": "broker:2"})
            assert (started.status_code, started.json()["state"]) == (200, "rolling")
            await until(client, place, "done")
            got = await client.get(place)
            assert got.headers["etag"] == f'"{got.json()["version"]}"'
            journal = (await client.get(f"{place}/journal")).json()["items"]
            taken = [event["action"] for event in journal if event["action"]]
            assert taken == ["create", "start", "rolled", "passed"]

    asyncio.run(main())


def test_what_is_refused_says_why_and_changes_nothing() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            place = (await client.post("/v1/rollout/rollouts", json={"replicas": 3})).headers["location"]
            cases = {
                (f"{place}/retry", "{}"): (409, "LR409.state"),
                (f"{place}/start", "{}"): (422, "LR422.type"),
                (f"{place}/start", '{"image": 3}'): (422, "LR422.type"),
                (f"{place}/start", '{"image": "x", "more": 1}'): (422, "LR422.type"),
                (f"{place}/start", '{"image": '): (400, "LR400.json"),
                (f"{place}/start", "[]"): (400, "LR400.body"),
                (f"{place}/start", "[" * 100_000): (400, "LR400.json"),
                (f"{place}/nothing", "{}"): (404, "LR404.action"),
                (f"{place}x/start", '{"image": "x"}'): (404, "LR404.entity"),
                ("/v1/rollout/rollouts", '{"replicas": 9}'): (422, "LR422.type"),
                ("/v1/rollout/nothings", "{}"): (404, "LR404.route"),
                ("/v1/nothing/rollouts", "{}"): (404, "LR404.app"),
            }
            for (path, body), (status, code) in cases.items():
                found = await client.post(path, content=body, headers={"content-type": "application/json"})
                assert (found.status_code, found.json()["code"]) == (status, code), (path, body, found.text)
                assert found.headers["content-type"] == "application/problem+json"
            assert (await client.get(place)).json()["version"] == 1

    asyncio.run(main())


LENDING = {
    "app.toml": b'app = "library"\n[role]\nclerk = "lends"\n',
    "copy.blueprint.toml": b"""
blueprint = "Copy"
[state]
shelf = { initial = true, waits = "somebody borrows it" }
lent = { waits = "it comes back" }
[field]
uses = { type = "int", range = [0, 9], default = 0 }
[action]
create = { by = "role:clerk" }
lend = { from = "shelf", to = "lent", by = "entity:Loan", when = "uses < 9", do = ["uses += 1"] }
wear = { from = "shelf", by = "role:clerk", do = ["uses = 9"] }
""",
    "loan.blueprint.toml": b"""
blueprint = "Loan"
[state]
open = { initial = true, waits = "it comes back" }
[field]
copy = { type = "ref", to = "Copy", frozen = true }
[action]
create = { by = "role:clerk", sets = ["copy"], also = [{ on = "arg.copy", action = "lend" }] }
""",
}


def test_a_refusal_by_an_entity_that_takes_part_names_it_and_says_why() -> None:
    async def main() -> None:
        async with serving(files=LENDING) as client:
            worn = (await client.post("/v1/library/copys", json={})).json()["id"]
            copy = (await client.post("/v1/library/copys", json={})).json()["id"]
            await client.post(f"/v1/library/copys/{worn}/wear", json={})
            lent = await client.post("/v1/library/loans", json={"copy": copy})
            assert lent.status_code == 201, lent.text
            for name, code, said in (
                (copy, "LR409.state", "it is possible from shelf only"),
                (worn, "LR409.guard", "`uses < 9` is false"),
            ):
                found = (await client.post("/v1/library/loans", json={"copy": name})).json()
                assert (found["code"], found["action"], found["entity"]) == (code, "lend", name)
                assert found["detail"] == (
                    f"`lend` of the Copy `{name}`, which is taken with it, is refused: {said}"
                )
            lent = (await client.get("/v1/library/loans", params={"where": f"copy == '{copy}'"})).json()
            assert [item["fields"]["copy"] for item in lent["items"]] == [copy]
            none = (await client.get("/v1/library/loans", params={"where": f"copy == '{worn}'"})).json()
            assert none["items"] == []

    asyncio.run(main())


def test_a_refusal_says_what_would_have_to_be_so() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            place = (await client.post("/v1/rollout/rollouts", json={"replicas": 3})).headers["location"]
            wide = (await client.post("/v1/rollout/rollouts", json={"replicas": 9})).json()
            assert wide["detail"] == "`replicas` does not fit: it takes int 1..5"
            long = (await client.post(f"{place}/start", json={"image": "b" * 201})).json()
            assert long["detail"] == "`image` does not fit: it takes text, 200 characters at most"
            early = (await client.post(f"{place}/retry", json={})).json()
            assert early["detail"] == "it is possible from failed, not from planned"
            slip = (await client.post(f"{place}/strat", json={})).json()
            assert slip["help"].startswith("did you mean `start`? its actions are `create`, ")
            single = (await client.post("/v1/rollout/rollout", json={"replicas": 3})).json()
            assert single["help"] == "did you mean `rollouts`? its collections are `rollouts`"

    asyncio.run(main())


def test_the_same_key_gives_the_same_answer() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            headers = {"idempotency-key": "abc"}
            first = await client.post("/v1/rollout/rollouts", json={"replicas": 3}, headers=headers)
            again = await client.post("/v1/rollout/rollouts", json={"replicas": 3}, headers=headers)
            assert (again.status_code, again.content) == (first.status_code, first.content)
            other = await client.post("/v1/rollout/rollouts", json={"replicas": 2}, headers=headers)
            assert (other.status_code, other.json()["code"]) == (422, "LR422.key")
            page = (await client.get("/v1/rollout/rollouts")).json()
            assert len(page["items"]) == 1
            many = await asyncio.gather(
                *(
                    client.post(
                        "/v1/rollout/rollouts", json={"replicas": 1}, headers={"idempotency-key": "x"}
                    )
                    for _ in range(10)
                )
            )
            assert len({m.json()["id"] for m in many}) == 1

    asyncio.run(main())


def test_a_key_is_of_a_request_with_its_preconditions() -> None:
    async def main() -> None:
        async with serving("lease_queue") as client:
            job = (await client.post("/v1/lease_queue/jobs", json={"work": 1})).headers["location"]
            taken = (await client.post(f"{job}/take")).json()
            sent = {"idempotency-key": "k", "if-visit": str(taken["visit"])}
            first = await client.post(f"{job}/ack", headers=sent)
            again = await client.post(f"{job}/ack", headers=sent)
            assert (first.status_code, again.content) == (200, first.content)
            for other in ({"if-visit": "1"}, {"if-match": '"1"'}):
                found = await client.post(f"{job}/ack", headers={**sent, **other})
                assert (found.status_code, found.json()["code"]) == (422, "LR422.key")
            del sent["if-visit"]
            assert (await client.post(f"{job}/ack", headers=sent)).json()["code"] == "LR422.key"

    asyncio.run(main())


def test_preconditions() -> None:
    async def main() -> None:
        async with serving("rollout", "lease_queue") as client:
            place = (await client.post("/v1/rollout/rollouts", json={"replicas": 3})).headers["location"]
            stale = await client.post(f"{place}/start", json={"image": "x"}, headers={"if-match": '"7"'})
            assert (stale.status_code, stale.json()["code"]) == (412, "LR412.version")
            good = await client.post(f"{place}/start", json={"image": "x"}, headers={"if-match": '"1"'})
            assert good.status_code == 200
            job = (await client.post("/v1/lease_queue/jobs", json={"work": {"a": [1]}})).headers["location"]
            taken = (await client.post(f"{job}/take")).json()
            assert taken["fields"]["work"] == {"a": [1]}
            missing = await client.post(f"{job}/ack")
            assert (missing.status_code, missing.json()["code"]) == (428, "LR428.visit")
            old = await client.post(f"{job}/ack", headers={"if-visit": "1"})
            assert (old.status_code, old.json()["code"]) == (412, "LR412.visit")
            done = await client.post(f"{job}/ack", headers={"if-visit": str(taken["visit"])})
            assert (done.status_code, done.json()["state"]) == (200, "done")

    asyncio.run(main())


def test_lists_are_filtered_sorted_and_paged() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            for replicas in (1, 2, 3, 4, 5):
                await client.post("/v1/rollout/rollouts", json={"replicas": replicas})
            found = await client.get(
                "/v1/rollout/rollouts", params={"where": "replicas >= 3 and image is None"}
            )
            assert [i["fields"]["replicas"] for i in found.json()["items"]] == [3, 4, 5]
            seen: list[int] = []
            cursor: str | None = None
            while True:
                params = {"limit": "2", "sort": "-created", **({"cursor": cursor} if cursor else {})}
                page = (await client.get("/v1/rollout/rollouts", params=params)).json()
                seen += [i["fields"]["replicas"] for i in page["items"]]
                cursor = page["next"]
                if cursor is None:
                    break
            assert sorted(seen) == [1, 2, 3, 4, 5]
            forged = await client.get("/v1/rollout/rollouts", params={"cursor": "abcd"})
            assert (forged.status_code, forged.json()["code"]) == (400, "LR400.cursor")
            bad = await client.get("/v1/rollout/rollouts", params={"where": "nothing == 3"})
            assert (bad.status_code, bad.json()["code"]) == (422, "LR422.where")

    asyncio.run(main())


def test_what_may_be_done_now_and_why_not_the_rest() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            place = (await client.post("/v1/rollout/rollouts", json={"replicas": 3})).headers["location"]
            items = {i["action"]: i for i in (await client.get(f"{place}/actions")).json()["items"]}
            assert items["start"]["possible"] is True
            image = {"type": "text", "required": True, "schema": {"type": "string", "maxLength": 200}}
            assert items["start"]["args"] == {"image": image}
            assert items["retry"]["possible"] is False
            assert items["retry"]["code"] == "LR409.state"
            assert items["rolled"]["possible"] is False

    asyncio.run(main())


def test_the_document_follows_what_is_loaded() -> None:
    async def main() -> None:
        async with serving("rollout", "order") as client:
            document = (await client.get("/openapi.json")).json()
            assert document["openapi"] == "3.1.0"
            assert "/v1/rollout/rollouts/{id}/start" in document["paths"]
            assert "/v1/order/orders" in document["paths"]
            ready = await client.get("/readyz")
            assert ready.json() == {"ok": True, "store": "memory"}
            metrics = (await client.get("/metrics")).text
            assert "lathe_commit_groups_total" in metrics

    asyncio.run(main())


QUEUE = {
    "task.blueprint.toml": b"""
blueprint = "Task"
[state]
open = { initial = true, waits = "a worker" }
taken = { final = true }
[field]
rank = { type = "int", range = [0, 100] }
[action]
create = { by = "role:worker", sets = ["rank"] }
take = { from = "open", to = "taken", by = "role:worker" }
"""
}


def test_workers_take_each_task_once() -> None:
    async def main() -> None:
        async with serving(files=QUEUE) as client:
            for number in range(20):
                await client.post("/v1/task/tasks", json={"rank": number})
            asked = {"action": "take", "where": "rank >= 0"}
            found = await asyncio.gather(*(client.post("/v1/task/tasks:take", json=asked) for _ in range(25)))
            taken = [f.json()["id"] for f in found if f.status_code == 200]
            assert len(taken) == len(set(taken)) == 20
            assert sum(f.status_code == 204 for f in found) == 5

    asyncio.run(main())


def test_a_worker_waits_for_a_job() -> None:
    async def main() -> None:
        async with serving("lease_queue") as client:
            headers = {"prefer": "wait=5"}
            waiting = asyncio.create_task(
                client.post("/v1/lease_queue/jobs:take", json={"action": "take"}, headers=headers)
            )
            await asyncio.sleep(0.05)
            made = await client.post("/v1/lease_queue/jobs", json={"work": 1})
            assert (await waiting).json()["id"] == made.json()["id"]

    asyncio.run(main())


EMITS = {
    "task.blueprint.toml": b"""
blueprint = "Task"
[state]
open = { initial = true, waits = "a worker" }
[field]
rank = { type = "int", range = [0, 100] }
[action]
create = { by = "role:worker", sets = ["rank"], run = "made" }
[effect.made]
uses = "emit"
with = { type = "task.made", data = { rank = "{rank}" } }
"""
}


def test_what_is_emitted_is_on_the_event() -> None:
    async def main() -> None:
        async with serving(files=EMITS) as client:
            place = (await client.post("/v1/task/tasks", json={"rank": 7})).headers["location"]
            async with asyncio.timeout(5):
                while True:
                    items = (await client.get(f"{place}/journal")).json()["items"]
                    if items[-1]["kind"] == "notify":
                        break
                    await asyncio.sleep(0.01)
            assert items[-1]["emitted"] == {"type": "task.made", "data": {"rank": 7}}

    asyncio.run(main())
