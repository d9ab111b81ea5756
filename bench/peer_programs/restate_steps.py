"""Restate: a virtual object for each entity; served by hypercorn, called through Restate's ingress.

python restate_steps.py PORT
"""

from __future__ import annotations

import asyncio
import sys

import hypercorn
import hypercorn.asyncio
import restate

tasks = restate.VirtualObject("tasks")


@tasks.handler()
async def add(ctx: restate.ObjectContext, by: int) -> int:
    """One durable step: read what is there, write what is new."""
    total = (await ctx.get("total") or 0) + by
    ctx.set("total", total)
    return total


def main() -> None:
    """Serve until killed."""
    config = hypercorn.Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.h2_max_concurrent_streams = 2_147_483_647
    config.keep_alive_max_requests = 2_147_483_647
    asyncio.run(hypercorn.asyncio.serve(restate.app([tasks]), config))


main()
