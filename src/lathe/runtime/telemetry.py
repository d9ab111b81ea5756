"""OpenTelemetry traces: one spans a request, its effects, and their callbacks.

Every name stands here. OpenTelemetry is an extra (`lathe[otel]`), loaded only where its environment names an
endpoint; without it nothing of this runs. A span begins with whoever sends `traceparent` (W3C), goes into the
outbox with the invocation, and out with each attempt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from lathe.errors import UsageError
from lathe.store.records import Outgoing

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

REQUEST = "lathe.request"
INVOCATION = "lathe.invocation"
ATTEMPT = "lathe.attempt"
"""Spans: a request to the API, a turn of an invocation in the outbox, one attempt of its adapter."""

APP, ENTITY, EFFECT, NUMBER = "lathe.app", "lathe.entity", "lathe.effect", "lathe.number"
CAUSE, OK = "lathe.cause", "lathe.ok"
METHOD, PATH, STATUS = "http.request.method", "url.path", "http.response.status_code"
"""Attributes: ours, and those that OpenTelemetry names."""

PARENT = "traceparent"
KEPT = "$traceparent"
"""The member of a stored request that carries the trace; no setting of an adapter begins with `$`."""
SERVICE = "lathe"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Traces:
    """Creates the spans of one process."""

    def __init__(self, tracer: Tracer) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, *, parent: str | None = None, **attributes: str | int | bool) -> Iterator[Span]:
        """A span for the block, under `parent` (a `traceparent`), else under the current one."""
        context = self._propagator.extract({PARENT: parent}) if parent else None
        told = {_ATTRIBUTES[key]: value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(name, context=context, attributes=told) as span:
            yield span

    def headers(self) -> dict[str, str]:
        """The trace headers of a request."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    def carried(self, outgoing: Sequence[Outgoing]) -> tuple[Outgoing, ...]:
        """The outbox rows, with the current span's context in them."""
        parent = self.headers().get(PARENT)
        if parent is None:
            return tuple(outgoing)
        return tuple(replace(row, request=_with(row.request, parent)) for row in outgoing)


_ATTRIBUTES = {
    "app": APP, "entity": ENTITY, "effect": EFFECT, "number": NUMBER, "method": METHOD, "path": PATH,
}  # fmt: skip


def _with(request: bytes, parent: str) -> bytes:
    members: dict[str, msgspec.Raw] = msgspec.json.decode(request, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**members, KEPT: parent})


def parent_of(request: bytes) -> str | None:
    """The trace context of a stored request."""
    if KEPT.encode() not in request:
        return None
    found = msgspec.json.decode(request).get(KEPT)
    return found if isinstance(found, str) else None


def from_environment(environment: Mapping[str, str]) -> Traces | None:
    """Traces to the endpoint that OpenTelemetry's variables name; None if they name none.

    Sampling is OpenTelemetry's own (`OTEL_TRACES_SAMPLER`). Raises `UsageError` without the extra.
    """
    if not any(environment.get(name) for name in ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise UsageError("an endpoint for traces is named: install `lathe[otel]`, or unset it") from None
    name = environment.get("OTEL_SERVICE_NAME") or SERVICE
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider.get_tracer(SERVICE))
