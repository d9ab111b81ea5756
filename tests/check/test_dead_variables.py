"""Dead variables: the system that clears them has the same future, state by state."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from lathe.check.composed.dead import NOTHING_DEAD
from lathe.check.composed.system import System, make_system
from lathe.check.judge.suspects import met, violated
from lathe.check.reporting.trace import begin, follow, moves_along
from lathe.check.search.dead_variables import find_dead, without_dead
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.plain import search
from lathe.check.search.scope import scopes
from lathe.lang.model import App
from lathe.lang.resolve import read_app
from lathe.machine.table import compile_app
from lathe.testing import strategies

EXAMPLES = Path(__file__).parents[2] / "examples"

MOST = 20_000
SEEDS = 120
BATCH = 30


def searched(system: System) -> Graph:
    return search(system, Limits(MOST, process_time() + 30, process_time))


def steps_of(system: System, graph: Graph) -> set[tuple[int, int, int]]:
    """Every step, between cleared states, by its command."""
    clear = system.dead.cleared
    return {
        (clear(graph.states[here]), graph.labels[edge], clear(graph.states[graph.targets[edge]]))
        for here in range(len(graph.states))
        for edge in range(graph.first[here], graph.first[here] + graph.degree[here])
    }


def compare(app: App, instances: dict[str, int]) -> tuple[int, int]:
    """The graph of the cleared system is that of the plain one, its states cleared."""
    plain = make_system(app, instances)
    cleared = without_dead(plain, find_dead(plain))
    every, fewer = searched(plain), searched(cleared)
    if not every.is_complete:
        return 0, 0
    dead = cleared.dead
    assert {dead.cleared(s) for s in every.states} == set(fewer.states)
    seen_by_both = System(plain.layout, plain.commands, plain.initial, plain.held, dead)
    assert steps_of(seen_by_both, every) == steps_of(cleared, fewer)
    assert {v.prop.name for v in violated(plain, every)} == {v.prop.name for v in violated(cleared, fewer)}
    assert [(m.watch.code, m.watch.subject) for m in met(plain, every)] == [
        (m.watch.code, m.watch.subject) for m in met(cleared, fewer)
    ]
    table = compile_app(app)
    for index in range(0, len(fewer.states), max(len(fewer.states) // 20, 1)):
        way = fewer.way_to(index)
        run = begin(cleared, table, fewer.states[way[0][1]])
        follow(run, moves_along(cleared, fewer, way), [fewer.states[i] for _, i in way[1:]])
    return len(every.states), len(fewer.states)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_clearing_what_is_dead_changes_no_step_and_no_verdict(first: int) -> None:
    smaller = 0
    for seed in range(first, first + BATCH):
        app = strategies.app_of_seed(seed)
        try:
            every, fewer = compare(app, scopes(app)[0])
        except AssertionError as error:
            raise AssertionError(f"in the app of seed {seed}") from error
        smaller += fewer < every
    assert smaller, "some random app has something dead"


@pytest.mark.parametrize("name", ["rollout", "approval", "lease_queue", "order"])
def test_examples_have_the_same_future_without_their_dead_variables(name: str) -> None:
    files = {p.name: p.read_bytes() for p in (EXAMPLES / name).glob("*.toml")}
    app = read_app(files).app
    assert app is not None
    every, fewer = compare(app, scopes(app)[-1])
    assert fewer <= every


def test_nothing_dead_clears_nothing() -> None:
    assert NOTHING_DEAD.is_empty
    assert NOTHING_DEAD.cleared(12345) == 12345
