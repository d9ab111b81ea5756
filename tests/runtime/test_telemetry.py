"""One trace from a request through its effects to what calls back; nothing of it where there are none."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.api.client import serving, until
from tests.runtime.harness import Scripted

from lathe.effect.base import Attempt, Ending
from lathe.runtime import telemetry
from lathe.runtime.telemetry import Traces, from_environment

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def tracing(client: httpx2.AsyncClient) -> InMemorySpanExporter:
    """The spans of the client's node, from now on."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    api: Any = client._transport
    api.app.node.engine.traces = Traces(provider.get_tracer("test"))
    return exporter


def test_one_trace_goes_from_the_request_to_what_calls_back() -> None:
    clients: list[httpx2.AsyncClient] = []
    headers: list[str] = []

    async def patches(attempt: Attempt) -> Ending:
        """The other side takes a broker down and up, with the trace that it was given."""
        headers.append(attempt.headers["traceparent"])
        place = f"/v1/rollout/rollouts/{attempt.id.partition('.')[0]}"
        for action in ("drain", "progress"):
            answer = await clients[0].post(f"{place}/{action}", headers=dict(attempt.headers))
            assert answer.status_code in (200, 403)
        return Ending(ok=True)

    async def main() -> None:
        async with serving("rollout", performer=Scripted(patch=patches)) as client:
            clients.append(client)
            exporter = tracing(client)
            made = await client.post("/v1/rollout/rollouts", json={"replicas": 3})
            place = made.headers["location"]
            assert all(
                f"{s.context.trace_id:032x}" != TRACE for s in exporter.get_finished_spans() if s.context
            )
            exporter.clear()
            start = {"image": "broker:2"}
            await client.post(f"{place}/start", json=start, headers={"traceparent": PARENT})
            async with asyncio.timeout(5):
                while len([s for s in exporter.get_finished_spans() if s.name == telemetry.INVOCATION]) < 2:
                    await asyncio.sleep(0.01)
            spans = {s.context.span_id: s for s in exporter.get_finished_spans() if s.context}
            names = [s.name for s in spans.values()]
            assert {s.context.trace_id for s in spans.values() if s.context} == {int(TRACE, 16)}
            assert names.count(telemetry.REQUEST) == 3  # start, and what called back
            assert names.count(telemetry.ATTEMPT) == 2  # patch, and the probe that its end asked for
            (sent,) = headers
            _, trace, span, _ = sent.split("-")
            assert trace == TRACE and spans[int(span, 16)].name == telemetry.ATTEMPT
            statuses = [
                (s.attributes or {})[telemetry.STATUS] for s in spans.values() if s.name == telemetry.REQUEST
            ]
            assert 200 in statuses
            await until_done(client, place)

    asyncio.run(main())


async def until_done(client: httpx2.AsyncClient, place: str) -> None:
    api: Any = client._transport
    api.app.node.engine.traces = None
    await until(client, place, "done")


def test_without_traces_nothing_is_carried() -> None:
    adapter = Scripted()

    async def main() -> None:
        async with serving("rollout", performer=adapter) as client:
            place = (await client.post("/v1/rollout/rollouts", json={"replicas": 3})).headers["location"]
            await client.post(f"{place}/start", json={"image": "x"}, headers={"traceparent": PARENT})
            await until(client, place, "done")

    asyncio.run(main())
    assert adapter.attempts and all(not attempt.headers for attempt in adapter.attempts)
    assert all(telemetry.KEPT not in attempt.request for attempt in adapter.attempts)


def test_traces_are_wanted_where_an_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_environment({}) is None
    assert from_environment({"OTEL_SERVICE_NAME": "x"}) is None
