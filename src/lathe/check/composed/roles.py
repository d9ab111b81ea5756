"""Which roles principals may hold together, and how they are given out while checking."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement, permutations, product

from lathe.lang.model import App

RoleSets = tuple[frozenset[str], ...]

FEW_SETS = 4
"""Sets of roles of which each has further holders; of more, as many as hold all roles."""


def maximal_role_sets(app: App) -> RoleSets:
    """The largest sets of roles that one principal may hold, `exclusive` groups considered."""
    found: set[frozenset[str]] = {frozenset(app.roles)}
    for group in app.exclusive:
        split: set[frozenset[str]] = set()
        for held in found:
            inside = held & set(group)
            if len(inside) < 2:
                split.add(held)
            else:
                split |= {(held - inside) | {kept} for kept in inside}
        found = {a for a in split if not any(a < b for b in split)}
    return tuple(sorted(found, key=sorted))


def distributions(role_sets: RoleSets, principals: int, named: int = 0) -> Iterator[tuple[int, ...]]:
    """Every way to give the sets to so many principals, by their numbers; each role has its holder.

    Where there are too few principals for that, every way there is. The last of them, `named` by policies,
    can be told apart: who of the others holds what makes no difference.
    """
    is_complete = principals >= fewest_holders(role_sets)
    whole = frozenset[str]().union(*role_sets)
    every = range(len(role_sets))
    others = combinations_with_replacement(every, principals - named)
    for held in (a + b for a, b in product(others, product(every, repeat=named))):
        if not is_complete or frozenset[str]().union(*(role_sets[i] for i in held)) == whole:
            yield held


def orders(held: tuple[int, ...], named: int = 0) -> Iterator[tuple[int, ...]]:
    """Every way in which the same sets are held by others, but for the last ones, whom policies name."""
    free = len(held) - named
    yield from ((*who, *held[free:]) for who in sorted(set(permutations(held[:free]))))


def fewest_holders(role_sets: RoleSets) -> int:
    """A number of principals with which each role can have its holder: greedy, so close to the fewest."""
    return len(_covering(role_sets))


def spare_sets(role_sets: RoleSets) -> tuple[int, ...]:
    """The sets that further holders of all roles hold, by their numbers: every one, if these are few."""
    return tuple(range(len(role_sets))) if len(role_sets) <= FEW_SETS else _covering(role_sets)


def _covering(role_sets: RoleSets) -> tuple[int, ...]:
    """Sets in which each role is, by their numbers."""
    left = frozenset[str]().union(*role_sets)
    found: list[int] = []
    while left:
        found.append(max(range(len(role_sets)), key=lambda i: len(role_sets[i] & left)))
        left -= role_sets[found[-1]]
    return tuple(found)
