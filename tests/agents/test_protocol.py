"""The official client: on `/mcp` of a runtime, and on stdin and stdout of `lathe mcp`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent
from tests.api.client import serving

from lathe.agents.mount import Agents
from lathe.agents.tools import TOOLS
from lathe.gate.judge import ChildGate

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
