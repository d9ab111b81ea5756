"""Moments as the outside has them: RFC 3339, UTC, with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999."""


def rfc3339(moment_ms: int) -> str:
    """A moment as text, in UTC, with milliseconds; one that no text has is the nearest that has."""
    if not FIRST_MS <= moment_ms <= LAST_MS:
        moment_ms = min(max(moment_ms, FIRST_MS), LAST_MS)
    seconds, rest = divmod(moment_ms, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """The text of a whole second: most moments that are told are of the last one."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
