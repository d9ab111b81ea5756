"""The order of the nodes on each row, with few crossings: medians, then swaps of neighbours."""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Sequence
from itertools import pairwise

SWEEPS = 16
SWAPS_NODES_MAX = 600
"""Swapping looks at every pair of neighbours; with more nodes than this the medians must do."""

Rows = list[list[int]]


class _Neighbours:
    """Links from row to row, seen from both ends."""

    def __init__(self, count: int, links: Sequence[tuple[int, int]]) -> None:
        self.above: list[list[int]] = [[] for _ in range(count)]
        self.below: list[list[int]] = [[] for _ in range(count)]
        for upper, lower in links:
            self.above[lower].append(upper)
            self.below[upper].append(lower)


def ordered(rows: Rows, links: Sequence[tuple[int, int]]) -> Rows:
    """The same rows with fewer crossings. Links join a row to the next one."""
    count = sum(map(len, rows))
    near = _Neighbours(count, links)
    best, best_crossings = [list(row) for row in rows], _crossings(rows, near)
    current = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        if not best_crossings:
            break
        _sweep(current, near, is_down=sweep % 2 == 0)
        if count <= SWAPS_NODES_MAX:
            _swap(current, near)
        crossings = _crossings(current, near)
        if crossings < best_crossings:
            best, best_crossings = [list(row) for row in current], crossings
    return best


def _positions(row: Sequence[int]) -> dict[int, int]:
    return {node: index for index, node in enumerate(row)}


def _sweep(rows: Rows, near: _Neighbours, *, is_down: bool) -> None:
    indexes = range(1, len(rows)) if is_down else range(len(rows) - 2, -1, -1)
    for index in indexes:
        fixed = _positions(rows[index - 1 if is_down else index + 1])
        around = near.above if is_down else near.below
        rows[index] = _by_median(rows[index], fixed, around)


def _by_median(row: list[int], fixed: dict[int, int], around: Sequence[Sequence[int]]) -> list[int]:
    """Sorted by the median of the neighbours; a node without neighbours keeps its place."""
    medians = {node: _median(sorted(fixed[n] for n in around[node])) for node in row if around[node]}
    moving = iter(sorted(medians, key=lambda node: medians[node]))
    return [next(moving) if node in medians else node for node in row]


def _median(values: Sequence[int]) -> float:
    middle = len(values) // 2
    if len(values) % 2:
        return values[middle]
    if len(values) == 2:
        return (values[0] + values[1]) / 2
    left, right = values[middle - 1] - values[0], values[-1] - values[middle]
    if left + right == 0:
        return values[middle]
    return (values[middle - 1] * right + values[middle] * left) / (left + right)


def _swap(rows: Rows, near: _Neighbours) -> None:
    """Exchange neighbours on a row while that saves crossings."""
    for index, row in enumerate(rows):
        upper = _positions(rows[index - 1]) if index else {}
        lower = _positions(rows[index + 1]) if index + 1 < len(rows) else {}
        has_changed = True
        rounds = 0
        while has_changed and rounds < len(row):
            has_changed = False
            rounds += 1
            for place in range(len(row) - 1):
                left, right = row[place], row[place + 1]
                gain = _pair(near.above[left], near.above[right], upper)
                gain += _pair(near.below[left], near.below[right], lower)
                if gain > 0:
                    row[place], row[place + 1] = right, left
                    has_changed = True


def _pair(left: Sequence[int], right: Sequence[int], fixed: dict[int, int]) -> int:
    """How many crossings between two neighbours' links swapping them would save."""
    gain = 0
    for one in left:
        for other in right:
            gain += (fixed[one] > fixed[other]) - (fixed[one] < fixed[other])
    return gain


def _crossings(rows: Rows, near: _Neighbours) -> int:
    total = 0
    for upper, lower in pairwise(rows):
        place = _positions(lower)
        passed: list[int] = []
        for node in upper:
            ends = sorted(place[n] for n in near.below[node])
            total += sum(len(passed) - bisect(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total
