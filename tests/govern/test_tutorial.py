"""The tutorial of two agents and two people, word for word: its commands, and the calls of the agent."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, TextContent
from tests import children
from tests.runtime.processes import free_port

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "two-agents-two-people.md"
BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.M | re.S)
SECONDS = 100


def script_of(text: str, port: int) -> str:
    """The commands of a page as one script; a call of an agent is made by this very module."""
    lines = ["set -euo pipefail", f"shopt -s expand_aliases; alias lathe='{sys.executable} -m lathe.cli'"]
    for kind, body in BLOCK.findall(text):
        if kind == "sh":
            lines.append(body.replace("127.0.0.1:7411", f"127.0.0.1:{port}"))
        else:
            lines.append(f'PAYMENT=$PAYMENT "{sys.executable}" "{__file__}" <<\'CALL\'\n{body}CALL')
    return "\n".join(lines) + "\n"


def test_it_goes_as_the_tutorial_says(tmp_path: Path) -> None:
    port = free_port()
    shutil.copytree(ROOT / "examples" / "order", tmp_path / "order", ignore=shutil.ignore_patterns("broken"))
    environment = {
        **os.environ,
        "LATHE_SERVER_PORT": str(port),
        "LATHE_URL": f"http://127.0.0.1:{port}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    environment.pop("LATHE_TOKEN", None)
    script, output = tmp_path / "script.sh", tmp_path / "output.txt"
    script.write_text(script_of(TUTORIAL.read_text(encoding="utf-8"), port))
    with output.open("w") as written:
        running = children.begin(
            ["bash", "script.sh"], stdin=subprocess.DEVNULL, stdout=written, stderr=written,
            cwd=tmp_path, env=environment,
        )  # fmt: skip
        try:
            running.wait(SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    told = output.read_text()
    log = (tmp_path / "server.log").read_text() if (tmp_path / "server.log").exists() else ""
    assert running.returncode == 0, f"{told}\n{log}"
    denied, asked, passed = (told.index(f"ada: {word}") for word in ("LR403", "decision", "01"))
    assert denied < asked < passed, told
    for said in ("ada may not: 4", "ann may not: 4", "ben may not: 4", "held: 4", "held again: 4"):
        assert said in told, told
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    decided = [(e["kind"], e["by"]) for e in lines if str(e.get("kind", "")).startswith("decision.")]
    assert decided == [
        ("decision.asked", "ada"),
        ("decision.approved", "ben"),
        ("decision.asked", "bo"),
        ("decision.denied", "ann"),
        ("decision.asked", "bo"),
    ]


async def call(said: dict[str, object]) -> str:
    """One call of a tool, by `lathe mcp` in the name of an agent's token."""
    token = Path(f"{said['as']}.token").read_text(encoding="utf-8").strip()
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "lathe.cli", "mcp"], env={**os.environ, "LATHE_TOKEN": token}
    )
    arguments = said["arguments"]
    assert isinstance(arguments, dict)
    async with Client(server) as client:
        found = await client.call_tool(str(said["tool"]), arguments)
    assert isinstance(found, CallToolResult)
    (content,) = found.content
    assert isinstance(content, TextContent)
    return content.text


if __name__ == "__main__":
    parsed = json.loads(os.path.expandvars(sys.stdin.read()))
    sys.stdout.write(f"{parsed['as']}: {asyncio.run(call(parsed))}\n")
