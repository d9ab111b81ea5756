"""A layered drawing of boxes and labelled links, without a browser: where everything goes.

A label is a node of its own, on a row between those of the boxes, and a long link keeps a place on
every row that it passes. So nothing lies on anything else: between two rows there are only lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from lathe.frozen import frozen
from lathe.lang.render._order import ordered
from lathe.lang.render._place import placed, spread, straightened
from lathe.lang.render._ranks import downward, ranks

GAP_X = 26.0
ROW_GAP_MIN, ROW_GAP_MAX = 12.0, 44.0
PORT_GAP, PORT_MARGIN = 16.0, 14.0
PASSING = 5.0
"""Half of the room that a line needs where it passes a row."""
STUB = 9.0
"""A line is upright this far from a box, so that its tip points straight at it."""

Point = tuple[float, float]


@frozen
class Node:
    """A box: what it needs left and right of its axis, and its height. `half` is half its own width."""

    left: float
    right: float
    height: float
    half: float


@frozen
class Link:
    """A link between two different nodes, by index, and the size of its label."""

    source: int
    target: int
    width: float
    height: float


@frozen
class Route:
    """The way of a link from source to target, as upright stretches, and the centre of its label."""

    points: tuple[Point, ...]
    label: Point


@frozen
class Layout:
    """`tops` are the middle of each node's upper edge."""

    width: float
    height: float
    tops: tuple[Point, ...]
    routes: tuple[Route, ...]


class _Grid:
    """Boxes, labels and passing lines on their rows."""

    def __init__(self, nodes: Sequence[Node], links: Sequence[Link]) -> None:
        self.nodes = nodes
        self.links = links
        self.extents = [(n.left, n.right) for n in nodes]
        self.heights = [n.height + 2 * STUB for n in nodes]
        down = downward(len(nodes), [(x.source, x.target) for x in links])
        self.levels = [2 * rank for rank in ranks(len(nodes), down)]
        self.chains: list[list[int]] = []
        self.labels: list[int] = []
        for link, (upper, lower) in zip(links, down, strict=True):
            self._chain(link, upper, lower)

    def _chain(self, link: Link, upper: int, lower: int) -> None:
        """The nodes of a link from its upper to its lower end; the label next to where it comes from."""
        first, last = self.levels[upper] + 1, self.levels[lower] - 1
        at = first if upper == link.source else last
        chain = [upper]
        for level in range(first, last + 1):
            half = link.width / 2 if level == at else PASSING
            self.extents.append((half, half))
            self.heights.append(link.height if level == at else 0.0)
            self.levels.append(level)
            chain.append(len(self.levels) - 1)
        self.labels.append(chain[1 + at - first])
        self.chains.append([*chain, lower])

    def rows(self) -> list[list[int]]:
        """By level, in the order in which a walk from the first node meets them."""
        near: dict[int, list[int]] = {}
        for chain in self.chains:
            for upper, lower in pairwise(chain):
                near.setdefault(upper, []).append(lower)
                near.setdefault(lower, []).append(upper)
        rows: list[list[int]] = [[] for _ in range(1 + max(self.levels, default=0))]
        seen: set[int] = set()
        for root in range(len(self.levels)):
            waiting = [root]
            while waiting:
                node = waiting.pop()
                if node not in seen:
                    seen.add(node)
                    rows[self.levels[node]].append(node)
                    waiting += reversed(near.get(node, []))
        return rows

    def steps(self) -> list[tuple[int, int, float]]:
        """The links from row to row; what only passes wants most to be upright."""
        count = len(self.nodes)
        found: list[tuple[int, int, float]] = []
        for chain in self.chains:
            for upper, lower in pairwise(chain):
                passing = (upper >= count) + (lower >= count)
                found.append((upper, lower, (1.0, 2.0, 8.0)[passing]))
        return found


def lay_out(nodes: Sequence[Node], links: Sequence[Link]) -> Layout:
    """Places for everything. The first node is on top, as far as the links let it be."""
    grid = _Grid(nodes, links)
    steps = grid.steps()
    rows = ordered(grid.rows(), [(a, b) for a, b, _ in steps])
    x = straightened(rows, grid.chains, placed(rows, steps, grid.extents, GAP_X), grid.extents, GAP_X)
    lefts = [x[n] - grid.extents[n][0] for n in range(len(x))]
    rights = [x[n] + grid.extents[n][1] for n in range(len(x))]
    start = min(lefts, default=0.0)
    x = [place - start for place in x]
    ports = _ports(grid, x)
    bands = _bands(grid, rows, x, ports)
    tops = tuple((x[n], _top(grid, bands, n) + STUB) for n in range(len(nodes)))
    routes = tuple(_route(grid, i, x, ports[i], bands) for i in range(len(links)))
    return Layout(max(rights, default=0.0) - start, bands[-1][1] if bands else 0.0, tops, routes)


def _top(grid: _Grid, bands: Sequence[Point], node: int) -> float:
    top, bottom = bands[grid.levels[node]]
    return (top + bottom - grid.heights[node]) / 2


def _ports(grid: _Grid, x: Sequence[float]) -> list[list[float]]:
    """For each link, where it leaves its upper and reaches its lower end: apart, and upright if it can."""
    ports = [[0.0, 0.0] for _ in grid.chains]
    sides: dict[tuple[int, int], list[tuple[float, int]]] = {}
    for index, chain in enumerate(grid.chains):
        sides.setdefault((chain[0], 0), []).append((x[chain[1]], index))
        sides.setdefault((chain[-1], 1), []).append((x[chain[-2]], index))
    for (node, end), wanted in sides.items():
        wanted.sort()
        room = max(0.0, grid.nodes[node].half - PORT_MARGIN)
        low, high = x[node] - room, x[node] + room
        gap = min(PORT_GAP, 2 * room / max(1, len(wanted) - 1))
        near = [min(max(place, low), high) for place, _ in wanted]
        places = spread(near, [1.0] * len(near), [gap] * (len(near) - 1))
        last = len(places) - 1
        for turn, ((_, index), place) in enumerate(zip(wanted, places, strict=True)):
            ports[index][end] = min(max(place, low + turn * gap), high - (last - turn) * gap)
    return ports


def _bands(
    grid: _Grid, rows: Sequence[Sequence[int]], x: Sequence[float], ports: Sequence[Sequence[float]]
) -> list[Point]:
    """Top and bottom of each row. The more the lines between two rows lean, the farther apart they are."""
    leaning = [0.0] * len(rows)
    for chain, (start, end) in zip(grid.chains, ports, strict=True):
        places = [start, *(x[n] for n in chain[1:-1]), end]
        for node, one, other in zip(chain, places, places[1:], strict=False):
            level = grid.levels[node]
            leaning[level] = max(leaning[level], abs(one - other))
    bands: list[Point] = []
    top = 0.0
    for level, row in enumerate(rows):
        bottom = top + max((grid.heights[n] for n in row), default=0.0)
        bands.append((top, bottom))
        top = bottom + min(ROW_GAP_MAX, max(ROW_GAP_MIN, leaning[level] * 0.16))
    return bands


def _route(
    grid: _Grid, index: int, x: Sequence[float], ports: Sequence[float], bands: Sequence[Point]
) -> Route:
    chain, link = grid.chains[index], grid.links[index]
    upper, lower = chain[0], chain[-1]
    points: list[Point] = [(ports[0], _top(grid, bands, upper) + grid.heights[upper] - STUB)]
    points.append((ports[0], bands[grid.levels[upper]][1]))
    for node in chain[1:-1]:
        points += [(x[node], bands[grid.levels[node]][0]), (x[node], bands[grid.levels[node]][1])]
    points.append((ports[1], bands[grid.levels[lower]][0]))
    points.append((ports[1], _top(grid, bands, lower) + STUB))
    label = grid.labels[index]
    middle = _top(grid, bands, label) + grid.heights[label] / 2
    if upper != link.source:
        points.reverse()
    return Route(tuple(points), (x[label], middle))
