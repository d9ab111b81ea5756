"""What a reviewer looks at, as markdown."""

from __future__ import annotations

import asyncio

from tests.api.test_checks import broken, checked
from tests.console.test_markdown import text_of, viewing

from lathe.gate.judge import ChildGate


def test_a_refused_check_names_the_fault_its_run_and_the_cure() -> None:
    async def main() -> None:
        async with viewing("rollout", gate=ChildGate()) as (api, client):
            found = await checked(api, broken("rollout", "drain_too_early"))
            base = f"/console/checks/{found['id']}"
            listed = await text_of(client, "/console/checks")
            assert str(found["id"]) in listed and "refused" in listed
            report = await text_of(client, base)
            assert "**LT401** `rollout.blueprint.toml:91`" in report
            assert "Help:" in report and "`traces/" in report
            name = report.partition("`traces/")[2].partition("`")[0]
            run = await text_of(client, f"{base}/traces/{name}")
            assert "1. `role:operator` `create` `Rollout#1`" in run
            assert "False: `replicas - ready <= 1` with replicas = `2`, ready = `0`" in run
            assert "[invariant]" in await text_of(client, f"{base}/source?file=rollout.blueprint.toml")
            changes = await text_of(client, f"{base}/changes")
            assert (
                "| changed | `Rollout action drain when` | `ready == replicas` | `ready > 0` | weaker |"
                in changes
            )
            assert "`rolling`" in await text_of(client, f"{base}/graph")
            assert "`role:operator`" in await text_of(client, f"{base}/permissions")

    asyncio.run(main())


def test_a_version_in_force_and_its_history_are_told() -> None:
    async def main() -> None:
        async with viewing("rollout", gate=ChildGate()) as (_, client):
            assert "`roll_back`" in await text_of(client, "/console/apps/rollout/versions/current")
            assert "sha256:" in await text_of(client, "/console/apps/rollout/history")
            for path in ("nothing", "traces/0"):
                answer = await client.get(f"/console/apps/rollout/versions/current/{path}")
                assert answer.json()["code"] == "LR404.route"
            assert (await client.get("/console/checks/0")).json()["code"] == "LR404.check"

    asyncio.run(main())
