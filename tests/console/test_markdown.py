"""Every view as markdown: what the page tells, to the same caller, and no more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from tests.api.client import serving

from lathe.console.app import Console
from lathe.console.files import FOLDER
from lathe.console.markdown import VIEWS
from lathe.gate.judge import ChildGate

ROUTE = re.compile(r'\{ path: "([^"]*)", page: "')


@asynccontextmanager
async def viewing(
    *names: str, gate: ChildGate | None = None
) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """A client of the API, and one of the console in front of it that asks for markdown."""
    async with serving(*names, gate=gate) as api:

        async def inner(scope: object, receive: object, send: object) -> None:
            await api._transport.app(scope, receive, send)  # type: ignore[attr-defined]

        transport = httpx2.ASGITransport(Console(inner))
        headers = {"accept": "text/markdown"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            yield api, client


async def text_of(client: httpx2.AsyncClient, path: str) -> str:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/markdown")
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


def test_every_view_of_the_router_is_markdown_too() -> None:
    """Also those that a module of its own adds."""
    found = [path for file in (FOLDER / "js").glob("*.js") for path in ROUTE.findall(file.read_text())]
    assert sorted(found) == sorted(VIEWS)


def test_the_overview_counts_by_state() -> None:
    async def main() -> None:
        async with viewing("rollout", "expense") as (api, client):
            await api.post("/v1/rollout/rollouts", json={"replicas": 2})
            text = await text_of(client, "/console/")
            assert "| `rollouts` | `planned` | 1 | an operator starts it |" in text
            assert "## `expense`" in text
            one = await text_of(client, "/console/apps/rollout")
            assert "expense" not in one and "| `rollouts` | `planned` | 1 |" in one

    asyncio.run(main())


def test_a_list_is_filtered_as_on_the_page() -> None:
    async def main() -> None:
        async with viewing("rollout") as (api, client):
            for replicas in (1, 2, 3):
                await api.post("/v1/rollout/rollouts", json={"replicas": replicas})
            text = await text_of(client, "/console/apps/rollout/entities/rollouts?where=replicas%3E1")
            assert "where: `replicas>1`" in text
            assert text.count("| `planned` |") == 2

    asyncio.run(main())


def test_an_entity_says_what_may_be_done_and_why_not() -> None:
    async def main() -> None:
        async with viewing("rollout") as (api, client):
            made = (await api.post("/v1/rollout/rollouts", json={"replicas": 2})).json()
            text = await text_of(client, f"/console/apps/rollout/entities/rollouts/{made['id']}")
            assert "| `start` | yes | `image`: text |" in text
            assert "it is possible from failed, not from planned" in text
            assert "| `create` | `planned` | `dev` |" in text
            assert f"`POST /v1/rollout/rollouts/{made['id']}/ACTION`" in text

    asyncio.run(main())


def test_intents_are_told() -> None:
    async def main() -> None:
        async with viewing("rollout") as (_, client):
            assert "Refusals, counted by shape." in await text_of(client, "/console/apps/rollout/intents")

    asyncio.run(main())


def test_what_is_not_there_is_a_problem() -> None:
    async def main() -> None:
        async with viewing("rollout") as (_, client):
            for path, code in (
                ("/console/apps/none", "LR404.app"),
                ("/console/apps/rollout/entities/rollouts/none", "LR404.entity"),
                ("/console/apps/rollout/entities/none", "LR404.route"),
                ("/console/none", "LR404.route"),
            ):
                answer = await client.get(path)
                assert answer.json()["code"] == code, path
                assert answer.status_code == 404
            near = (await client.get("/console/apps/rollout/rollouts/none")).json()["detail"]
            assert "there are `apps/:app`, " in near and "`apps/:app/entities/:plural/:id`" in near, near

    asyncio.run(main())


def test_hostile_values_stay_in_their_cells() -> None:
    async def main() -> None:
        async with viewing("rollout") as (api, client):
            made = (await api.post("/v1/rollout/rollouts", json={"replicas": 2})).json()
            image = "` | <script>alert(1)</script>\n# head"
            at = f"/v1/rollout/rollouts/{made['id']}/start"
            assert (await api.post(at, json={"image": image})).status_code == 200
            text = await text_of(client, f"/console/apps/rollout/entities/rollouts/{made['id']}")
            assert "\n# head" not in text
            assert "`` ` \\| <script>alert(1)</script> # head ``" in text

    asyncio.run(main())
