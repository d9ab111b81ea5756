"""The official client: on `/mcp` of a runtime, and on stdin and stdout of `lathe mcp`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import CallToolResult, TextContent
from tests.api.client import serving

from lathe.agents.mount import Agents
from lathe.agents.tools import TOOLS
from lathe.api.app import Api
from lathe.api.wire.answers import Scope
from lathe.gate.judge import ChildGate
from lathe.govern.principal import Principal
from lathe.store.base import UnavailableError

EXAMPLES = Path(__file__).parents[2] / "examples"


def text(result: object) -> str:
    assert isinstance(result, CallToolResult)
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_a_runtime_answers_the_official_client() -> None:
    async def main() -> None:
        async with serving("rollout", gate=ChildGate()) as inner:
            api = inner._transport.app  # type: ignore[attr-defined]
            application = Agents(api, api)
            transport = httpx2.ASGITransport(application)
            async with (
                httpx2.AsyncClient(transport=transport) as http,
                Client(streamable_http_client("http://127.0.0.1/mcp", http_client=http)) as client,
            ):
                listed = await client.list_tools()
                assert [tool.name for tool in listed.tools] == [tool.name for tool in TOOLS]
                told = await client.call_tool("list", {})
                assert "rollout/rollouts" in text(told)
                wrong = await client.call_tool("get", {"app": "rollout", "plural": "rollouts", "id": "x"})
                assert isinstance(wrong, CallToolResult) and wrong.is_error and "LR404" in text(wrong)
            assert application.is_loaded
            await application.close()

    asyncio.run(main())


def test_who_is_not_known_is_told_nothing() -> None:
    async def main() -> None:
        async with serving("rollout") as inner:
            api = inner._transport.app  # type: ignore[attr-defined]
            application = Agents(api, api)
            transport = httpx2.ASGITransport(application)
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
                answer = await http.post("/mcp", json={}, headers={"authorization": "Bearer forged"})
            assert answer.status_code == 401 and answer.json()["code"] == "LR401.token"
            assert not application.is_loaded

    asyncio.run(main())


async def asked(application: Agents) -> httpx2.Response:
    transport = httpx2.ASGITransport(application, raise_app_exceptions=False)
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
        asyncio.timeout(9),
    ):
        return await http.post("/mcp", json={})


def test_a_store_that_is_away_is_a_problem_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(api: Api, scope: Scope) -> Principal:
        raise UnavailableError("it is away")

    async def main() -> None:
        async with serving("rollout") as inner:
            api = inner._transport.app  # type: ignore[attr-defined]
            monkeypatch.setattr(Api, "principal", away)
            answer = await asked(Agents(api, api))
            assert (answer.status_code, answer.json()["code"]) == (503, "LR503.store")

    asyncio.run(main())


def test_a_server_that_cannot_begin_is_told_and_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def broken(manager: StreamableHTTPSessionManager) -> AsyncIterator[None]:
        raise RuntimeError("it cannot begin")
        yield

    monkeypatch.setattr(StreamableHTTPSessionManager, "run", broken)

    async def main() -> None:
        async with serving("rollout") as inner:
            api = inner._transport.app  # type: ignore[attr-defined]
            application = Agents(api, api)
            for _ in range(2):
                answer = await asked(application)
                assert (answer.status_code, answer.json()["code"]) == (500, "LR500.defect")
            await application.close()

    asyncio.run(main())


def test_what_a_call_reached_the_runtime_with_is_closed_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[httpx2.AsyncClient] = []

    async def main() -> None:
        async with serving("rollout") as inner:
            api = inner._transport.app  # type: ignore[attr-defined]
            application = Agents(api, api)
            new = application._client

            def noted(headers: dict[str, str]) -> httpx2.AsyncClient:
                made.append(new(headers))
                return made[-1]

            monkeypatch.setattr(application, "_client", noted)
            transport = httpx2.ASGITransport(application)
            async with (
                httpx2.AsyncClient(transport=transport) as http,
                Client(streamable_http_client("http://127.0.0.1/mcp", http_client=http)) as client,
            ):
                await client.call_tool("list", {})
                assert made and all(one.is_closed for one in made)
            await application.close()

    asyncio.run(main())


def test_an_agent_on_this_machine_checks_a_folder_without_a_runtime() -> None:
    async def main() -> None:
        command = StdioServerParameters(
            command=sys.executable, args=["-m", "lathe.cli", "mcp", "--url", "http://127.0.0.1:9"]
        )
        async with Client(command) as client:
            good = await client.call_tool("check", {"path": str(EXAMPLES / "rollout")})
            assert "rollout: admitted" in text(good)
            broken = str(EXAMPLES / "rollout" / "broken" / "drain_too_early")
            bad = text(await client.call_tool("check", {"path": broken}))
            assert "LT401" in bad and "false: replicas - ready <= 1" in bad and "help: let `drain`" in bad
            lost = text(await client.call_tool("list", {}))
            assert "no runtime answers at http://127.0.0.1:9" in lost and "lathe dev" in lost

    asyncio.run(main())
