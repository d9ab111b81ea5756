"""`lathe mcp`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.util import find_spec

from lathe.cli import exitcode, files
from lathe.cli.client import connected, where_option
from lathe.cli.command import command as make_command
from lathe.cli.exitcode import Stop
from lathe.gate import Options, check_files
from lathe.lang.model import Json

CHECK_SECONDS = 30.0
"""How long one check may take: an agent waits for it."""


@make_command("mcp", examples=("lathe mcp", "lathe mcp --url https://lathe.example"))
@where_option
def command(*, url: str | None, data: str | None) -> int:
    """Serve an agent on stdin and stdout by the Model Context Protocol: ten tools.

    Checks run here; everything else is asked of the runtime, in the name of LATHE_TOKEN.
    """
    if find_spec("mcp") is None:
        raise Stop("it needs `pip install 'lathe[mcp]'`", code=exitcode.UNAVAILABLE)
    from lathe.agents.calls import Workshop
    from lathe.agents.server import stdio

    async def main() -> None:
        async with connected(url, data) as client:
            await stdio(Workshop(client, _load, _judge))

    asyncio.run(main())
    return exitcode.DONE


def _load(path: str) -> Mapping[str, bytes]:
    return files.load(path).files


async def _judge(contents: Mapping[str, bytes], accept_bounds: bool) -> Mapping[str, Json]:
    from lathe.check.reporting import reportjson  # only here

    options = Options(budget_seconds=CHECK_SECONDS, accept_bounds=accept_bounds)
    report = (await asyncio.to_thread(check_files, contents, options)).report
    return reportjson.to_json(report, contents)
