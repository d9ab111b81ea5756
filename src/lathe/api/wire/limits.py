"""Limits on requests in flight and on their rate; over the limit a request is refused at once with
`Retry-After`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lathe.api.wire.problem import Problem
from lathe.frozen import frozen

BODY_BYTES_LIMIT = 1_048_576
PRINCIPALS_LIMIT = 10_000
"""Callers with a token bucket; beyond that the least recently used is reset."""


@frozen
class Limits:
    """The configured limits. A rate of 0 means none."""

    in_flight: int = 2_048
    per_principal_per_second: float = 0.0
    burst: int = 100
    body_bytes: int = BODY_BYTES_LIMIT
    followers: int = 256


class Throttle:
    """Enforces the limits. `seconds` is a monotonic clock."""

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self.limits = limits
        self._seconds = seconds
        self._in_flight = 0
        self.is_stopping = False
        """Set once the process accepts no more requests."""
        self._buckets: dict[tuple[str, str, str], tuple[float, float]] = {}

    @property
    def in_flight(self) -> int:
        """The number of requests in flight."""
        return self._in_flight

    def enter(self) -> None:
        """Count a request in; call `leave` when it is answered. Raises `Problem` (LR503.stopping,
        LR503.busy).
        """
        if self.is_stopping:
            raise Problem("LR503.stopping", headers={"Retry-After": "1"})
        if self._in_flight >= self.limits.in_flight:
            raise Problem("LR503.busy", headers={"Retry-After": "1"})
        self._in_flight += 1

    def leave(self) -> None:
        """Count an answered request out."""
        self._in_flight -= 1

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A context from `enter` to `leave`."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def spend(self, tenant: str, actor: str, app: str) -> None:
        """Take one request from the bucket of the person or service on whose behalf it is made.

        Raises `Problem` (LR429.rate).
        """
        rate = self.limits.per_principal_per_second
        if rate <= 0:
            return
        key = (tenant, actor, app)
        now = self._seconds()
        left, since = self._buckets.pop(key, (float(self.limits.burst), now))
        left = min(float(self.limits.burst), left + (now - since) * rate)
        if left < 1:
            self._buckets[key] = (left, now)
            raise Problem("LR429.rate", headers={"Retry-After": str(int((1 - left) / rate) + 1)})
        self._buckets[key] = (left - 1, now)
        if len(self._buckets) > PRINCIPALS_LIMIT:
            del self._buckets[next(iter(self._buckets))]
