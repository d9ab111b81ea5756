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
"""Callers whose rates are remembered; beyond that the ones unused for longest start afresh."""


@frozen
class Limits:
    """What the operator allows. A rate of 0 is none."""

    in_flight: int = 2_048
    per_principal_per_second: float = 0.0
    burst: int = 100
    body_bytes: int = BODY_BYTES_LIMIT
    followers: int = 256


class Throttle:
    """Keeps to the limits. `seconds` is a clock that only grows."""

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self.limits = limits
        self._seconds = seconds
        self._in_flight = 0
        self.is_stopping = False
        """Set once the process takes no more."""
        self._buckets: dict[tuple[str, str, str], tuple[float, float]] = {}

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return self._in_flight

    def enter(self) -> None:
        """One more request; `leave` when it is answered. Raises `Problem` (LR503.stopping, LR503.busy)."""
        if self.is_stopping:
            raise Problem("LR503.stopping", headers={"Retry-After": "1"})
        if self._in_flight >= self.limits.in_flight:
            raise Problem("LR503.busy", headers={"Retry-After": "1"})
        self._in_flight += 1

    def leave(self) -> None:
        """A request is answered."""
        self._in_flight -= 1

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A request, from `enter` to `leave`."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def spend(self, tenant: str, actor: str, app: str) -> None:
        """One request to an app by whom it is for in the end, however many act for them, from their bucket.

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
