"""The search on arrays finds what the plain search finds: states, levels, steps, and what was met."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from time import process_time

import numpy as np
import pytest

from lathe.check.arrays import explore as explore_module, visited
from lathe.check.arrays.explore import explore
from lathe.check.arrays.graph import ArrayGraph
from lathe.check.arrays.tier import model_of
from lathe.check.arrays.visited import Key, key_of
from lathe.check.arrays.words import Column, Words
from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, make_system
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.plain import search
from lathe.check.search.watch import watches
from lathe.lang.model import App
from lathe.lang.resolve import read_app
from lathe.testing import strategies

EXAMPLES = Path(__file__).parents[3] / "examples"
MOST = 4_000
SEEDS = 160
BATCH = 20


def limits() -> Limits:
    return Limits(MOST, process_time() + 30, process_time)


def on_arrays(system: System, *, key: Key = key_of, threads: int = 1) -> ArrayGraph:
    return explore(model_of(system, watches(system)), system.initial, limits(), key=key, threads=threads)


def steps_of(graph: Graph) -> Counter[tuple[int, int, int]]:
    states = list(graph.states)
    first, degree, targets, labels = graph.first, graph.degree, graph.targets, graph.labels
    return Counter(
        (states[here], labels[edge], states[targets[edge]])
        for here in range(len(states))
        for edge in range(first[here], first[here] + degree[here])
    )


def compare(app: App, instances: int, key: Key = key_of) -> bool:
    """Both graphs are the same, but for the numbers of their states."""
    system = make_system(app, dict.fromkeys(app.blueprints, instances))
    plain = search(system, limits())
    if not plain.is_complete:
        return False
    large = on_arrays(system, key=key)
    assert large.is_complete
    assert dict(zip(large.states, large.distance, strict=True)) == dict(
        zip(plain.states, plain.distance, strict=True)
    )
    assert large.steps == plain.steps
    assert steps_of(large) == steps_of(plain)
    assert large.hits.keys() == plain.hits.keys()
    for index in range(0, large.count, max(large.count // 7, 1)):
        check_way(large, index)
    return True


def check_way(graph: ArrayGraph, index: int) -> None:
    """A way is one of steps that there are, as long as the distance says."""
    way = graph.way_to(index)
    for (_, here), (label, there) in pairwise(way):
        edges = range(graph.first[here], graph.first[here] + graph.degree[here])
        assert (label, there) in {(graph.labels[e], graph.targets[e]) for e in edges}
    assert way[-1][1] == index
    assert sum(bool(graph.weights[label]) for label, _ in way[1:]) == graph.distance[index]


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_both_tiers_find_the_same_graph(first: int) -> None:
    compared = 0
    for seed in range(first, first + BATCH):
        try:
            compared += compare(strategies.app_of_seed(seed), 1 + seed % 2)
        except TooLargeError:
            continue
        except AssertionError as error:
            raise AssertionError(f"in the app of seed {seed}") from error
    assert compared > BATCH // 2


def crowded(words: Words) -> Column:
    """A key that many states share."""
    return np.asarray(key_of(words) & np.uint64(7))


@pytest.mark.parametrize("instances", [1, 2])
@pytest.mark.parametrize("name", ["rollout", "approval", "lease_queue", "order"])
def test_both_tiers_find_the_same_graph_of_the_examples(name: str, instances: int) -> None:
    files = {p.name: p.read_bytes() for p in (EXAMPLES / name).glob("*.toml")}
    app = read_app(files).app
    assert app is not None
    compare(app, instances)
    compare(app, instances, crowded)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore_module, "CHUNK", 50)
    monkeypatch.setattr(visited, "RANGE_STATES", 100)
    files = {p.name: p.read_bytes() for p in (EXAMPLES / "approval").glob("*.toml")}
    app = read_app(files).app
    assert app is not None
    system = make_system(app, dict.fromkeys(app.blueprints, 2))
    alone, together = (on_arrays(system, threads=threads) for threads in (1, 4))
    assert all(np.array_equal(a, b) for a, b in zip(alone.words, together.words, strict=True))
    assert (alone.waves, alone.taken, alone.hits) == (together.waves, together.taken, together.hits)
