"""Temporal: a workflow for each entity, one update for each action, waited for until it is completed.

    python temporal_steps.py ADDRESS CONNECTIONS SECONDS DURABILITY

Worker and client share one process; the worker keeps all of the workflows in its cache.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from load import ENTITIES, printed, tasks
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "peer"


@workflow.defn
class Task:
    """One entity. It starts over before its history grows long, as Temporal asks for."""

    @workflow.init
    def __init__(self, total: int) -> None:
        self.total = total

    @workflow.run
    async def run(self, total: int) -> None:
        """Live on."""
        await workflow.wait_condition(lambda: workflow.info().is_continue_as_new_suggested())
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self.total)

    @workflow.update
    async def add(self, by: int) -> int:
        """One action."""
        self.total += by
        return self.total


async def main() -> None:
    """Measure, and print one line."""
    address, connections, seconds, durability = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    client = await Client.connect(address)
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[Task],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=2 * ENTITIES,
        max_concurrent_workflow_tasks=200,
    )
    async with worker:
        many = asyncio.Semaphore(32)

        async def start(number: int) -> None:
            async with many:
                await client.start_workflow(
                    Task.run, 0, id=f"task-{connections}-{number}", task_queue=QUEUE,
                    task_timeout=timedelta(seconds=30),
                )  # fmt: skip

        await asyncio.gather(*(start(n) for n in range(ENTITIES)))

        async def act(number: int) -> None:
            await client.get_workflow_handle(f"task-{connections}-{number}").execute_update(Task.add, 1)

        await tasks(act, connections, 1.0)
        times, took = await tasks(act, connections, seconds)
        printed(times, took, durability)


asyncio.run(main())
