"""Ranking of a layered drawing: breaks cycles and assigns each node its row.

After Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system structures"
(1981), with the cycle removal and the tightening that are usual today.
"""

from __future__ import annotations

from collections.abc import Sequence

Link = tuple[int, int]

TIGHTENING_ROUNDS = 8


def downward(count: int, links: Sequence[Link]) -> list[Link]:
    """The links, those that close a cycle turned round, so that none goes back up.

    Found depth first from node 0, then from each that is left, in the order of the links.
    """
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        after[source].append(target)
    finished = _finishing_order(count, after)
    return [(s, t) if finished[s] > finished[t] else (t, s) for s, t in links]


def _finishing_order(count: int, after: Sequence[Sequence[int]]) -> list[int]:
    """When the depth-first walk leaves each node; a link to one that is left later closes a cycle."""
    order = [-1] * count
    seen = [False] * count
    clock = 0
    for root in range(count):
        path = [(root, 0)] if not seen[root] else []
        seen[root] = True
        while path:
            node, position = path.pop()
            if position < len(after[node]):
                path.append((node, position + 1))
                target = after[node][position]
                if not seen[target]:
                    seen[target] = True
                    path.append((target, 0))
            else:
                order[node] = clock
                clock += 1
    return order


def ranks(count: int, links: Sequence[Link]) -> list[int]:
    """A row for each node, links leading down by at least one, and as short as is easily had."""
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        after[source].append(target)
        before[target].append(source)
    found = _longest_paths(before, after)
    deepest = max(found, default=0)
    for _ in range(TIGHTENING_ROUNDS):
        if not _tighten(found, before, after):
            break
    for node in range(count):
        if not before[node] and not after[node]:
            found[node] = deepest
    lowest = min(found, default=0)
    return [rank - lowest for rank in found]


def _longest_paths(before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> list[int]:
    found = [0] * len(before)
    open_links = [len(sources) for sources in before]
    ready = [node for node, number in enumerate(open_links) if not number]
    for node in ready:
        for target in after[node]:
            found[target] = max(found[target], found[node] + 1)
            open_links[target] -= 1
            if not open_links[target]:
                ready.append(target)
    assert len(ready) == len(before), "links that go down have no cycle"
    return found


def _tighten(found: list[int], before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> bool:
    """Move each node to the end of its slack on which more of its links are; whether any moved."""
    has_moved = False
    for node in sorted(range(len(found)), key=lambda n: (-found[n], n)):
        down, up = len(after[node]), len(before[node])
        if down <= up or not down:
            continue
        wanted = min(found[target] for target in after[node]) - 1
        has_moved |= wanted != found[node]
        found[node] = wanted
    return has_moved
