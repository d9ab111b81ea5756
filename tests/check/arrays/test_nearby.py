"""Who can go on with a few steps of a larger scope: never more than its whole search says, mostly as much."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from lathe.check.arrays import nearby
from lathe.check.arrays.graph import ArrayGraph
from lathe.check.arrays.judge import arrays_of
from lathe.check.arrays.nearby import ends, left_in_doubt
from lathe.check.arrays.tier import search_arrays
from lathe.check.composed.system import System, make_system
from lathe.check.judge.progress import located, situations
from lathe.check.judge.standing import Standstill
from lathe.check.search.graph import Limits
from lathe.check.search.watch import watches
from lathe.check.widening.wider import Wider, enlarged, wider as wider_than
from lathe.lang.model import App
from lathe.lang.resolve import read_app
from lathe.testing import strategies

EXAMPLES = Path(__file__).parents[3] / "examples"
SEEDS = 15
STATES = 20_000


def searched(system: System, initial: tuple[int, ...]) -> ArrayGraph | None:
    return search_arrays(system, watches(system), limits(), initial)


def limits() -> Limits:
    return Limits(STATES, 1.0, lambda: 0.0)


def in_whole(
    small: System, graph: ArrayGraph, wider: Wider, doubtful: list[Standstill]
) -> set[tuple[int, str]]:
    """Who still cannot go on, by the whole search of the larger scope."""
    large, starts = enlarged(small.layout, wider, [graph.states[s.index] for s in doubtful])
    wide = searched(large, tuple(dict.fromkeys(starts)))
    assert wide is not None
    if not wide.is_complete:
        pytest.skip("too large to be searched whole")
    codes = {(s.index, s.slot.name) for s in situations(large, wide, len(set(starts)))}
    places = located(large, wide, starts)
    return {
        (s.index, s.slot.name)
        for s, place in zip(doubtful, places, strict=True)
        if (place.index, place.slots[s.slot.name]) in codes
    }


def compared(app: App, instances: int) -> tuple[int, int, int]:
    """How many standstills there are, how many are left in doubt, and how many are left in the end."""
    small = make_system(app, dict.fromkeys(app.blueprints, instances))
    graph = searched(small, small.initial)
    if graph is None or not graph.is_complete:
        return 0, 0, 0
    doubtful = list(situations(small, graph, graph.count))
    wider = wider_than(small, graph, is_staffed=True)
    if wider is None or not doubtful:
        return 0, 0, 0
    left = left_in_doubt((small, graph), partial(enlarged, small.layout, wider), doubtful, limits())
    expected = in_whole(small, graph, wider, doubtful)
    assert expected <= {(s.index, s.slot.name) for s in left}
    return len(doubtful), len(left), len(expected)


def read(folder: str) -> App:
    found = read_app({p.name: p.read_bytes() for p in sorted((EXAMPLES / folder).glob("*.toml"))}).app
    assert found is not None
    return found


def test_a_few_steps_are_enough_where_everybody_is_helped() -> None:
    all_of_them, left, _ = compared(read("protocols/philosophers"), 2)
    assert all_of_them
    assert left == 0


def test_who_is_stuck_stays_so() -> None:
    _, left, expected = compared(read("protocols/philosophers/broken/any_fork_first"), 2)
    assert left == expected > 0


def test_what_is_helped_is_helped_in_the_whole_search_too() -> None:
    total = [0, 0, 0]
    for seed in range(SEEDS):
        try:
            found = compared(strategies.app_of_seed(seed), 1 + seed % 2)
        except AssertionError as error:
            raise AssertionError(f"in the app of seed {seed}") from error
        except pytest.skip.Exception:
            continue
        total = [a + b for a, b in zip(total, found, strict=True)]
    assert total[0] >= total[1] >= total[2] > 0


def test_what_a_few_states_do_not_help_stays_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "NEAR_STATES", 0)
    _, left, expected = compared(read("protocols/philosophers"), 2)
    assert left >= expected == 0


def test_an_end_is_in_each_component_that_is_not_left() -> None:
    system = make_system(read("protocols/philosophers"), {"Fork": 2, "Philosopher": 1})
    graph = searched(system, system.initial)
    assert graph is not None
    large = arrays_of(graph)
    found = ends(large, large.distance.values.nonzero()[0])  # type: ignore[attr-defined]
    assert found
    for index in range(1, large.count):
        reached, waiting = {index}, [index]
        while waiting:
            here = waiting.pop()
            span = slice(int(large.edges.first[here]), int(large.edges.first[here + 1]))
            more = set(large.edges.targets[span].tolist()) - reached - {0}
            reached |= more
            waiting += more
        assert reached & set(found)
