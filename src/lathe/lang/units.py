"""Durations: `500ms`, `30s`, `15m`, `2h`, `7d`."""

from __future__ import annotations

import re

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")
_LOOSE = r"([0-9]{1,15})\s*([a-z]{1,12})"
_WORDS = {
    "s": ("sec", "secs", "second", "seconds"),
    "m": ("min", "mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
}

MAX_DURATION_MS = 3_650 * _UNITS["d"]
"""Ten years: nothing waits longer."""


def read_duration(text: str) -> int | None:
    """Milliseconds of a duration, or None if the text is none.

    >>> read_duration("15m")
    900000
    """
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else None


def read_duration_range(text: str) -> tuple[int, int] | None:
    """Both ends of `1s..5m` in milliseconds, or None if the text is no such range.

    >>> read_duration_range("1s..5m")
    (1000, 300000)
    """
    low, dots, high = text.partition("..")
    first, last = read_duration(low), read_duration(high)
    if not dots or first is None or last is None:
        return None
    return first, last


def nearest_duration(text: str) -> str | None:
    """The duration that people mean by `15 min`, `2 hours` or `1 D`; None if that cannot be told.

    >>> nearest_duration("15 minutes")
    '15m'
    """
    found = re.fullmatch(_LOOSE, text.strip().lower())
    if found is None:
        return None
    word = found[2]
    unit = "ms" if word in ("ms", "msec", "millis", "milliseconds") else word[0]
    is_known = word == unit or word in _WORDS.get(unit, ())
    return f"{found[1]}{unit}" if is_known and unit in _UNITS else None


def show_duration(milliseconds: int) -> str:
    """The shortest way to write a duration.

    >>> show_duration(900_000)
    '15m'
    """
    for unit, size in reversed(_UNITS.items()):
        if milliseconds % size == 0 and milliseconds >= size:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
