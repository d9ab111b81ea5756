"""Slows down guessing of tokens: failures are limited per address and in total.

Only callers that are not in the cache of known tokens are throttled, so others' failures keep nobody out
whose token was seen before. An IPv6 client has a whole network of addresses, so the network counts as one
address.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

from lathe.frozen import frozen

ADDRESS_BURST = 10
ADDRESS_SECONDS = 2.0
"""Time after which an address may try once more."""
ALL_BURST = 200
ALL_SECONDS = 0.05
ADDRESSES_LIMIT = 10_000
NETWORK_BITS = 64
"""The bits of an IPv6 address that its holder does not choose."""
COUNTED_LIMIT = 20
"""Addresses listed singly in one audit entry; the others are summed up."""


@frozen
class Failures:
    """Failures since the last entry, as (address, reason, count); `others` came from other addresses."""

    counted: tuple[tuple[str, str, int], ...]
    others: int


class Throttle:
    """Counts failures in this process. `seconds` is a monotonic clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._buckets: dict[str, tuple[float, float]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._others = 0

    def wait_seconds(self, address: str) -> int:
        """How long an address must wait before it may try; 0: not at all."""
        own = self._missing(place_of(address), ADDRESS_BURST, ADDRESS_SECONDS) * ADDRESS_SECONDS
        all_of = self._missing("", ALL_BURST, ALL_SECONDS) * ALL_SECONDS
        longest = max(own, all_of)
        return int(longest) + 1 if longest > 0 else 0

    def failed(self, address: str, reason: str) -> None:
        """One failure of an address."""
        place = place_of(address)
        for name, burst, every in ((place, ADDRESS_BURST, ADDRESS_SECONDS), ("", ALL_BURST, ALL_SECONDS)):
            left = self._left(name, burst, every)
            self._buckets.pop(name, None)
            self._buckets[name] = (max(0.0, left - 1), self._seconds())
        if len(self._buckets) > ADDRESSES_LIMIT:
            del self._buckets[next(iter(self._buckets))]
        self._count(place, reason, 1)

    def _count(self, address: str, reason: str, count: int) -> None:
        key = (address, reason)
        if key in self._counts or len(self._counts) < COUNTED_LIMIT:
            self._counts[key] = self._counts.get(key, 0) + count
        else:
            self._others += count

    def account(self) -> Failures | None:
        """Take the failures since the last audit entry; None if there were none."""
        if not self._counts:
            return None
        counted = tuple((*key, count) for key, count in sorted(self._counts.items()))
        found = Failures(counted, self._others)
        self._counts, self._others = {}, 0
        return found

    def take_back(self, failures: Failures) -> None:
        """Return failures whose audit entry could not be written."""
        for address, reason, count in failures.counted:
            self._count(address, reason, count)
        self._others += failures.others

    def _left(self, name: str, burst: int, every: float) -> float:
        left, since = self._buckets.get(name, (float(burst), self._seconds()))
        return min(float(burst), left + (self._seconds() - since) / every)

    def _missing(self, name: str, burst: int, every: float) -> float:
        return max(0.0, 1 - self._left(name, burst, every))


def place_of(address: str) -> str:
    """The key under which an address is counted: itself, or its IPv6 network."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    inner = found.ipv4_mapped
    return str(inner or IPv6Network((found.packed, NETWORK_BITS), strict=False))
