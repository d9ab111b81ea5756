"""The interface of adapters: what one is given and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol, runtime_checkable

from lathe.frozen import frozen
from lathe.lang.model import Json
from lathe.machine.event import Cause

MAIN = "main"
"""The operator's own tenant."""


def settings_key(tenant: str, app: str) -> str:
    """The key of an app's settings in the configuration; for another tenant's app `TENANT/APP`."""
    return app if tenant == MAIN else f"{tenant}/{app}"


@frozen
class Attempt:
    """One try of an invocation. `id` is the same for every try: the other side may drop repeats by it.

    `request` are the adapter's settings, every placeholder filled in. `takes` are the names of the results
    that the `ok` action wants. `headers` go with every request (those of a trace). `timeout_ms` is what is
    left for this try; the caller cancels it after that.
    """

    id: str
    tenant: str
    app: str
    effect: str
    number: int
    request: Mapping[str, Json]
    takes: tuple[str, ...]
    timeout_ms: int
    digest: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings_key(self) -> str:
        """The key of its app's settings in the configuration."""
        return settings_key(self.tenant, self.app)


@frozen
class Ending:
    """How a try ended. A bad one with `again` may be tried again, at the earliest after `after_ms`.

    `results` go by name to the `ok` action. `message` is for people: it may be cut. `spent` is what the try
    has used, by unit; it is journaled with the end. `log` says why to the operator: unlike `message`, nothing
    that came from the other side. `place` is where it went, for the log alone: whoever reads the entity need
    not know the hosts that the operator gave.
    """

    ok: bool
    results: Mapping[str, Json] = field(default_factory=dict)
    cause: Cause = "unreachable"
    message: str = ""
    again: bool = False
    after_ms: int | None = None
    spent: Mapping[str, int] = field(default_factory=dict)
    log: str = ""
    place: str = ""


class Performer(Protocol):
    """An adapter. A try is cancelled when its time is up or its visit was left."""

    async def perform(self, attempt: Attempt) -> Ending:
        """Try once. What it raises (but for its cancellation) is a bad end of cause `crashed`."""

    async def close(self) -> None:
        """Close connections."""


@runtime_checkable
class Prompt(Protocol):
    """An adapter that may know the result of a try without waiting."""

    def at_once(self, request: Mapping[str, Json]) -> Ending | None:
        """The result that `perform` would give, if there is nothing to do for it; None: perform it."""
