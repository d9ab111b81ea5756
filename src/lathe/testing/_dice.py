"""Choices, one after another: from Hypothesis, which shrinks them, or from any other source.

The first of everything is the simplest, so that what Hypothesis shrinks to can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """`below(n)` gives an int from 0 to n - 1; everything else is made from that."""

    def __init__(self, below: Callable[[int], int]) -> None:
        self._below = below

    def number(self, low: int, high: int) -> int:
        """An int from `low` to `high`."""
        return low + self._below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True so often."""
        return self._below(100) >= 100 - percent

    def pick(self, items: Sequence[T]) -> T:
        """One of several."""
        return items[self._below(len(items))]

    def some(self, items: Sequence[T], least: int, most: int) -> list[T]:
        """A few of several, in their order."""
        left = list(range(len(items)))
        count = self.number(min(least, len(left)), min(most, len(left)))
        taken = [left.pop(self._below(len(left))) for _ in range(count)]
        return [items[i] for i in sorted(taken)]

    def weighed(self, items: Sequence[tuple[int, T]]) -> T:
        """One of several, each as often as its weight says."""
        at = self._below(sum(weight for weight, _ in items))
        for weight, item in items:
            if at < weight:
                return item
            at -= weight
        raise AssertionError("the weights add up")
