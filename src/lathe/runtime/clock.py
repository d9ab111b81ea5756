"""The sources of time and of ids, which a simulation replaces."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Protocol

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, without the letters that are mistaken for digits."""


class Clock(Protocol):
    """Gives the time of day. Waiting is done with the event loop."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        return time.time_ns() // 1_000_000


class Ids:
    """Opaque ids: 48 bits of time and 80 random ones; of one process, each sorts behind the one before."""

    __slots__ = ("_clock", "_last", "_random")

    def __init__(self, clock: Clock, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._clock = clock
        self._random = random_bits
        self._last = 0

    def new(self) -> str:
        """A new id: 26 characters, lower case."""
        number = self._clock.now_ms() << 80 | self._random(80)
        if number <= self._last:
            number = self._last + 1 + self._random(32)
        self._last = number
        letters = [ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)]
        return "".join(letters)
