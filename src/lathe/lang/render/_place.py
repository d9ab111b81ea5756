"""Horizontal positions in a layered drawing: each node near its neighbours, with minimum gaps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import fsum

ROUNDS = 40
INFINITE = float("inf")


def spread(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The places closest to those wanted (least squares) in this order, `gaps[i]` after place i at least.

    Isotonic regression by pooling adjacent violators.
    """
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    blocks: list[tuple[float, float, int]] = []
    for place, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, size = place - offset, weight, 1
        while blocks and blocks[-1][0] > mean:
            before, before_total, before_size = blocks.pop()
            mean = (before * before_total + mean * total) / (before_total + total)
            total, size = total + before_total, size + before_size
        blocks.append((mean, total, size))
    means = [mean for mean, _, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def placed(
    rows: Sequence[Sequence[int]],
    links: Sequence[tuple[int, int, float]],
    extents: Sequence[tuple[float, float]],
    gap: float,
) -> list[float]:
    """A place for the axis of each node. `extents` is what it needs left and right of its axis.

    A link is (upper, lower, weight): how much it wants to be upright.
    """
    near: list[list[tuple[int, float]]] = [[] for _ in extents]
    for upper, lower, weight in links:
        near[upper].append((lower, weight))
        near[lower].append((upper, weight))
    found = [0.0] * len(extents)
    gaps = [[extents[a][1] + gap + extents[b][0] for a, b in pairwise(r)] for r in rows]
    for row, between in zip(rows, gaps, strict=True):
        for node, place in zip(row, spread([0.0] * len(row), [1.0] * len(row), between), strict=True):
            found[node] = place
    level = {node: index for index, row in enumerate(rows) for node in row}
    for turn in range(ROUNDS):
        _round(rows, near, gaps, level, found, turn)
    return found


def _round(
    rows: Sequence[Sequence[int]],
    near: Sequence[Sequence[tuple[int, float]]],
    gaps: Sequence[Sequence[float]],
    level: dict[int, int],
    found: list[float],
    turn: int,
) -> None:
    """One pass: down looking up, up looking down, and in the last quarter looking both ways."""
    looks_both_ways = turn >= ROUNDS * 3 // 4
    is_down = turn % 2 == 0
    indexes = range(len(rows)) if is_down else range(len(rows) - 1, -1, -1)
    for index in indexes:
        row = rows[index]
        wanted: list[float] = []
        weights: list[float] = []
        for node in row:
            seen = [(n, w) for n, w in near[node] if looks_both_ways or (level[n] < index) is is_down]
            total = fsum(w for _, w in seen)
            wanted.append(fsum(found[n] * w for n, w in seen) / total if total else found[node])
            weights.append(total or 0.1)
        for node, place in zip(row, spread(wanted, weights, gaps[index]), strict=True):
            found[node] = place


def straightened(
    rows: Sequence[Sequence[int]],
    chains: Sequence[Sequence[int]],
    places: Sequence[float],
    extents: Sequence[tuple[float, float]],
    gap: float,
) -> list[float]:
    """The same places, but each chain (without its ends) upright over as many rows as there is room for."""
    found = list(places)
    left = {b: a for row in rows for a, b in pairwise(row)}
    right = {a: b for row in rows for a, b in pairwise(row)}
    for chain in chains:
        stretch: list[int] = []
        low, high = -INFINITE, INFINITE
        for node in chain[1:-1]:
            least, most = -INFINITE, INFINITE
            if node in left:
                least = found[left[node]] + extents[left[node]][1] + gap + extents[node][0]
            if node in right:
                most = found[right[node]] - extents[right[node]][0] - gap - extents[node][1]
            if max(low, least) > min(high, most):
                _stand(found, stretch, low, high)
                stretch, low, high = [], -INFINITE, INFINITE
            stretch.append(node)
            low, high = max(low, least), min(high, most)
        _stand(found, stretch, low, high)
    return found


def _stand(found: list[float], stretch: Sequence[int], low: float, high: float) -> None:
    """Put all of them on one axis: where the middle one is, as far as there is room."""
    if not stretch:
        return
    middle = sorted(found[node] for node in stretch)[len(stretch) // 2]
    for node in stretch:
        found[node] = min(max(middle, low), high)
