"""What is judged of a large graph is what is judged of the same graph when it is small."""

from __future__ import annotations

from time import process_time

import pytest

from lathe.check.arrays.explore import explore
from lathe.check.arrays.tier import model_of
from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, make_system
from lathe.check.judge.coverage import fingerprint, taken_actions
from lathe.check.judge.late_effects import outliving
from lathe.check.judge.liveness import failures
from lathe.check.judge.progress import call_round, standstills
from lathe.check.judge.suspects import empty_promises, met, never, permitted_after_all, violated
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.plain import search
from lathe.check.search.watch import watches
from lathe.lang.model import App
from lathe.testing import strategies

MOST = 3_000
SEEDS = 160
BATCH = 20


def said(system: System, graph: Graph) -> dict[str, object]:
    """Everything that is judged of a graph, without the numbers of its states."""
    distance = graph.distance
    return {
        "violated": {(v.prop.name, distance[v.index]) for v in violated(system, graph)},
        "met": {(m.watch.code, str(m.watch.subject), distance[m.index]) for m in met(system, graph)},
        "never": {(n.code, n.subject.name) for n in never(system, graph)},
        "empty": [p.name for p in empty_promises(system, graph)],
        "permitted": [(c.name, actions) for c, actions, _ in permitted_after_all(system, graph)],
        "standing": {
            (s.code, s.slot.blueprint.name, s.state, distance[s.index]) for s in standstills(system, graph)
        },
        "failures": {(f.prop.name, f.slot.name, not f.loop) for f in failures(system, graph)},
        "outliving": {
            (o.slot.blueprint.name, o.effect.name, distance[o.index]) for o in outliving(system, graph)
        },
        "rounds": call_round(system, graph) is None,
        "fingerprint": fingerprint(graph),
        "taken": taken_actions(system, graph),
    }


def compare(app: App, instances: int) -> bool:
    system = make_system(app, dict.fromkeys(app.blueprints, instances))
    limits = Limits(MOST, process_time() + 30, process_time)
    plain = search(system, limits)
    if not plain.is_complete:
        return False
    large = explore(model_of(system, watches(system)), system.initial, limits)
    assert said(system, large) == said(system, plain)
    for failure in failures(system, large):
        check_lasso(large, failure.start, failure.way, failure.loop)
    return True


def check_lasso(
    graph: Graph, start: int, way: tuple[tuple[int, int], ...], loop: tuple[tuple[int, int], ...]
) -> None:
    """The way and the loop are steps that there are, and the loop comes back."""
    here = start
    for label, there in (*way, *loop):
        edges = range(graph.first[here], graph.first[here] + graph.degree[here])
        assert (label, there) in {(graph.labels[e], graph.targets[e]) for e in edges}
        here = there
    if loop:
        assert here == (way[-1][1] if way else start)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_both_tiers_say_the_same_of_random_apps(first: int) -> None:
    compared = 0
    for seed in range(first, first + BATCH):
        try:
            compared += compare(strategies.app_of_seed(seed), 1 + seed % 2)
        except TooLargeError:
            continue
        except AssertionError as error:
            raise AssertionError(f"in the app of seed {seed}") from error
    assert compared > BATCH // 2
