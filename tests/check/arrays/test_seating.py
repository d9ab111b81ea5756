"""The search with symmetry meets every orbit, at the same distance, and puts each slot where it says."""

from __future__ import annotations

from time import process_time

import pytest

from lathe.check.arrays.explore import explore
from lathe.check.arrays.seating import Seating
from lathe.check.arrays.tier import model_of
from lathe.check.arrays.words import columns, packed_at, word_count
from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, make_system
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.plain import search
from lathe.check.search.symmetry import Exchange, exchanged, find_symmetry
from lathe.check.search.watch import watches
from lathe.lang.model import App
from lathe.testing import strategies

from ...support import app_of, several
from ..exchanging import exchanges, orbit

MOST = 3_000
LARGEST_GROUP = 150
SEEDS = 80
BATCH = 20


def nearest(system: System, graph: Graph, group: list[Exchange]) -> dict[int, int]:
    """How far each orbit is."""
    found: dict[int, int] = {}
    for state, distance in zip(graph.states, graph.distance, strict=True):
        key = orbit(system.layout, group, state)
        found[key] = min(found.get(key, distance), distance)
    return found


def compare(app: App, instances: int) -> tuple[int, int, int]:
    """The states of the plain search, of that with symmetry, and the orbits."""
    system = make_system(app, dict.fromkeys(app.blueprints, instances))
    symmetry = find_symmetry(system)
    group = exchanges(symmetry, LARGEST_GROUP)
    if symmetry.is_trivial or group is None:
        return 0, 0, 0
    limits = Limits(MOST, process_time() + 30, process_time)
    plain = search(system, limits)
    if not plain.is_complete:
        return 0, 0, 0
    seating = Seating(symmetry)
    fewer = explore(model_of(system, watches(system)), system.initial, limits, seating=seating)
    orbits = nearest(system, plain, group)
    assert nearest(system, fewer, group) == orbits
    noted = watches(system)
    assert {(noted[n].code, noted[n].is_fault) for n in fewer.hits} == {
        (noted[n].code, noted[n].is_fault) for n in plain.hits
    }
    check_seats(system, seating, plain.states[:: max(len(plain.states) // 50, 1)])
    return len(plain.states), fewer.count, len(orbits)


def check_seats(system: System, seating: Seating, states: list[int]) -> None:
    """The exchange that is told is the one that was made, and what stands for a state stands for itself."""
    words = columns(states, word_count(system.layout))
    placed = seating.placed(words)
    again = seating(words)
    for row, state in enumerate(states):
        made = exchanged(system.layout, state, seating.exchange_of(placed, row))
        assert packed_at(placed.words, row) == made == packed_at(again, row)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_the_search_with_symmetry_meets_every_orbit(first: int) -> None:
    tried = every = fewer = orbits = 0
    for seed in range(first, first + BATCH):
        try:
            found = compare(strategies.app_of_seed(seed), 2 + seed % 2)
        except TooLargeError:
            continue
        except AssertionError as error:
            raise AssertionError(f"in the app of seed {seed}") from error
        tried += found[0] > 0
        every, fewer, orbits = every + found[0], fewer + found[1], orbits + found[2]
    assert tried >= BATCH // 8
    assert fewer < every
    assert fewer <= 1.1 * orbits


WIDE = """
[state]
open = { initial = true }
done = { final = true }
[field]
a = { type = "int", range = [0, 1000000000000], default = 0 }
b = { type = "int", range = [0, 1000000000000], default = 0 }
c = { type = "bool", default = false }
[action]
create = { by = "role:clerk" }
raise = { from = "open", by = "role:clerk", when = "a == 0", do = ["a = 999999999999"] }
lower = { from = "open", by = "role:clerk", when = "b == 0", do = ["b = 999999999998", "c = True"] }
close = { from = "open", to = "done", by = "role:clerk", when = "a > b and c" }
"""


def test_blocks_of_several_words_are_sorted_whole() -> None:
    system = make_system(app_of(several(Job=WIDE)), {"Job": 3})
    assert system.layout.of("Job")[0].variables()[-1].offset >= 64
    every, fewer, orbits = compare(app_of(several(Job=WIDE)), 3)
    assert fewer == orbits < every
