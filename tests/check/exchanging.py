"""All exchanges of a symmetry, and what they make of a state: what the search must not tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations, product

from lathe.check.composed.layout import Layout
from lathe.check.search.symmetry import Exchange, Symmetry, exchanged


def exchanges(symmetry: Symmetry, most: int) -> list[Exchange] | None:
    """Every element of the group, the identity first; None if there are more than so many."""
    found = []
    for exchange in _exchanges(symmetry):
        found.append(exchange)
        if len(found) > most:
            return None
    return found


def _exchanges(symmetry: Symmetry) -> Iterator[Exchange]:
    groups = [_maps([s.index for s in symmetry.layout.of(b)]) for b in symmetry.blueprints]
    for *moved, ids, texts in product(*groups, _maps(symmetry.ids), _maps(symmetry.texts)):
        yield Exchange(dict(zip(symmetry.blueprints, moved, strict=True)), ids, texts)


def _maps(items: Sequence[int]) -> list[dict[int, int]]:
    return [dict(zip(items, order, strict=True)) for order in permutations(items)]


def orbit(layout: Layout, group: list[Exchange], state: int) -> int:
    """One that stands for all that exchanges make of a state."""
    return min(exchanged(layout, state, g) for g in group)
