"""The Prometheus metrics of a process: every name is declared here."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

# When a counter was made says nothing that Prometheus asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of a process. A bound counter costs a third of a microsecond, so they are always on."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.commands = Counter(
            "lathe_commands_total", "Commands by what became of them.",
            ("tenant", "app", "action", "outcome"), registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "lathe_command_seconds", "Time from request to answer.", buckets=SECONDS, registry=registry
        )
        self.groups = Counter("lathe_commit_groups_total", "Groups committed.", registry=registry)
        self.writes = Counter("lathe_commit_writes_total", "Writes in those groups.", registry=registry)
        self.queue = Gauge("lathe_commit_queue", "Writes that wait for a group.", registry=registry)
        self.cached = Gauge("lathe_cached_entities", "Entities in memory.", registry=registry)
        self.running = Gauge("lathe_effects_running", "Effects that are being tried.", registry=registry)
        self.entities = Gauge(
            "lathe_entities", "Entities by state.", ("tenant", "app", "blueprint", "state"), registry=registry
        )
        self.overdue = Gauge(
            "lathe_overdue", "Timers and effects that should have happened.", registry=registry
        )
        self.alerts = Counter(
            "lathe_alerts_total", "What a person should look at, by kind.", ("kind",), registry=registry
        )
        self.failures = Counter(
            "lathe_failures_total", "What a worker failed with, by its work.", ("work",), registry=registry
        )
        self.followers = Gauge("lathe_event_followers", "Open event streams.", registry=registry)

    def text(self) -> bytes:
        """All metrics in the text format of `/metrics`."""
        return generate_latest(self.registry)
