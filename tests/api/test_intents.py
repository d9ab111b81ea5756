"""What was asked for and refused: counted by its shape, each with what would allow it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from tests.govern.house import House, code, house, install_for

APP = b"""app = "jobs"
[role]
clerk = "asks"
boss = "closes"
"""
JOB = """blueprint = "Job"
[state]
open = { initial = true, waits = "a boss closes it" }
held = { waits = "a boss closes it" }
done = { final = true }
[field]
n = { type = "int", range = [0, 3], default = 0 }
key = { type = "text", max = 5, frozen = true }
last = { type = "ref", to = "Job" }
[unique]
one_key = { fields = ["key"] }
[action]
create = { by = "role:clerk", sets = ["key"] }
add = { from = "open", by = "role:clerk", do = ["n += 2"] }
hold = { from = "open", to = "held", by = "role:clerk", sets = ["last"] }
close = { from = ["open", "held"], to = "done", by = ["role:boss", "entity:Job"], when = "n > 0" }
hand_on = { from = "held", by = "role:clerk", also = [{ on = "last", action = "close" }] }
"""
FILES = {"app.toml": APP, "job.blueprint.toml": JOB.encode()}
JOBS = "/v1/jobs/jobs"


class Asking:
    """A clerk, who asks for things."""

    def __init__(self, one: House, clerk: str) -> None:
        self.one, self.clerk = one, clerk

    async def post(self, path: str, **body: object) -> str:
        """The code, or the id of what was made."""
        answer = await self.one.ask(self.clerk, "POST", JOBS + path, body)
        return str(answer.json()["id"]) if answer.is_success else code(answer)

    async def intents(self) -> Mapping[str, Mapping[str, object]]:
        """What was counted, by its reason."""
        await self.one.api.intents.write_down(self.one.store)
        items = (await self.one.ask(self.clerk, "GET", "/v1/intents?app=jobs")).json()["items"]
        return {item["reason"]: item for item in items}


async def make(one: House) -> Asking:
    return Asking(one, await one.made(one.operator, "cleo", kind="person", roles=["clerk"]))


def test_each_refusal_says_what_would_allow_it() -> None:
    async def main() -> None:
        async with house(files=FILES) as one:
            asking = await make(one)
            first, second = await asking.post("", key="a"), await asking.post("", key="b")
            assert await asking.post("", key="a") == "LR409.unique"
            assert await asking.post(f"/{first}/add") == first
            assert await asking.post(f"/{first}/add") == "LR409.range"
            assert await asking.post(f"/{first}/hand_on") == "LR409.state"
            assert await asking.post(f"/{first}/close") == "LR403.denied"
            assert await asking.post(f"/{first}/frobnicate") == "LR404.action"
            assert await asking.post(f"/{first}/hold", last=second) == first
            assert await asking.post(f"/{first}/hand_on") == "LR409.guard"
            found = await asking.intents()
            told = {reason: (item["action"], item["clause"], item["help"]) for reason, item in found.items()}
            assert told == {
                "unique": ("create", "", "let more than one hold it: loosen `one_key` (key)"),
                "range": ("add", "", "widen the `range` of `n`"),
                "state": ("hand_on", "", 'let it be possible from `open` too: `from = ["held", "open"]`'),
                "denied": (
                    "close",
                    "",
                    "give those who ask for it a role that may, or widen its `by`: "
                    "it is open to `role:boss`, `entity:Job`",
                ),
                "action": (
                    "frobnicate",
                    "",
                    "add `[action.frobnicate]`, or tell those who ask that there are "
                    "`create`, `add`, `hold`, `close`, `hand_on`",
                ),
                "joint": (
                    "hand_on",
                    "close: guard",
                    "see why the other refuses: what is taken in one step is refused in one step",
                ),
            }
            assert found["state"]["example"] == first
            assert str(found["state"]["first"]) <= str(found["state"]["last"])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("n > 0", "n > 1", "the current version has changed since: it may be possible now"),
        (', when = "n > 0"', "", "the current version has changed since: it may be possible now"),
        ("n > 0", "n > 0", 'weaken its guard: `when = "n > 0"`'),
    ],
)
def test_it_is_said_of_the_version_in_force(old: str, new: str, said: str) -> None:
    async def main() -> None:
        async with house(files=FILES) as one:
            asking = await make(one)
            boss = Asking(one, await one.made(one.operator, "bo", kind="person", roles=["boss"]))
            assert await boss.post(f"/{await asking.post('', key='a')}/close") == "LR409.guard"
            changed = {**FILES, "job.blueprint.toml": JOB.replace(old, new).encode()}
            await install_for(one.store, "main", changed)
            await one.node.engine.catalog.refresh()
            assert (await asking.intents())["guard"]["help"] == said

    asyncio.run(main())


def test_of_a_guard_the_condition_that_failed_is_counted() -> None:
    """Two that wish for different things of one guard are two wishes."""

    async def main() -> None:
        guarded = JOB.replace("n > 0", "key != 'b' and n > 0")
        async with house(files={**FILES, "job.blueprint.toml": guarded.encode()}) as one:
            asking = await make(one)
            boss = Asking(one, await one.made(one.operator, "bo", kind="person", roles=["boss"]))
            for key in ("a", "b", "c"):
                assert await boss.post(f"/{await asking.post('', key=key)}/close") == "LR409.guard"
            await one.api.intents.write_down(one.store)
            items = (await one.ask(asking.clerk, "GET", "/v1/intents?app=jobs")).json()["items"]
            help_with = "in its guard: `when = \"key != 'b' and n > 0\"`"
            assert {(item["clause"], item["count"], item["help"]) for item in items} == {
                ("n > 0", 2, f"weaken `n > 0` {help_with}"),
                ("key != 'b'", 1, f"weaken `key != 'b'` {help_with}"),
            }

    asyncio.run(main())


def test_create_with_an_id_is_no_wish_and_says_where_one_creates() -> None:
    async def main() -> None:
        async with house(files=FILES) as one:
            asking = await make(one)
            answer = await one.ask(asking.clerk, "POST", f"{JOBS}/x/create", {"key": "a"})
            assert (answer.status_code, answer.json()["code"]) == (404, "LR404.action")
            assert answer.json()["detail"] == "`create` makes a new entity: POST it to /v1/jobs/jobs"
            assert await asking.intents() == {}

    asyncio.run(main())


@pytest.mark.parametrize(
    "path", ["/v1/apps/job", "/v1/job/jobs", "/v1/intents?app=job", "/v1/blueprints/job/current"]
)
def test_an_app_that_is_not_there_is_answered_with_those_that_are(path: str) -> None:
    async def main() -> None:
        async with house(files=FILES) as one:
            clerk = (await make(one)).clerk
            for answer in (await one.ask(clerk, "GET", path), await one.ask(clerk, "POST", "/v1/job/jobs")):
                assert (answer.status_code, answer.json()["code"]) == (404, "LR404.app"), answer.text
                assert answer.json()["help"] == "did you mean `jobs`? the apps here are `jobs`"
            elsewhere = await one.made(one.operator, "eve", kind="person", apps=["job"])
            answer = await one.ask(elsewhere, "GET", path)
            assert answer.json()["help"] == "no app is loaded yet: `lathe apply FOLDER` loads one"

    asyncio.run(main())
