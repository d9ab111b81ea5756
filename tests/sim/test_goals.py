"""Guided runs: where they want to come, and that they come there."""

from __future__ import annotations

from collections import Counter

from lathe.frozen import evolve
from lathe.machine.outcome import Step
from lathe.sim.goals import ASKED, PATIENCE, Guide, goals_of
from lathe.sim.menu import MIXES
from lathe.sim.oracle import Taken
from lathe.sim.prepared import prepare
from lathe.sim.run import Outcome, setting_of, simulate

from ..runtime.harness import example

STAIRS = b"""
blueprint = "Stairs"

[state]
ground = { initial = true }
first = {}
second = {}
roof = { final = true }

[action]
create = { by = "any" }
up = { from = "ground", to = "first", by = "any" }
on = { from = "first", to = "second", by = "any" }
fall = { from = ["first", "second"], to = "ground", by = "any" }
jump = { from = "*", by = "any" }
out = { from = "second", to = "roof", by = "any" }
"""
"""The farther up, the more ways lead down."""


def seen(outcome: Outcome) -> Counter[tuple[str, str]]:
    """How often each action was taken in each state."""
    parts = [
        part
        for one in outcome.history
        if isinstance(one, Taken) and isinstance(one.outcome, Step)
        for part in one.outcome.parts
    ]
    return Counter((part.before.state, part.action or "") for part in parts if part.before is not None)


def test_the_goals_are_all_that_the_states_allow_the_farthest_first() -> None:
    goals = goals_of(prepare({"stairs.blueprint.toml": STAIRS}).first.app)
    assert [(goal.state, goal.action) for goal in goals] == [
        ("second", "fall"), ("second", "jump"), ("second", "out"),
        ("first", "on"), ("first", "fall"), ("first", "jump"),
        ("ground", "up"), ("ground", "jump"),
    ]  # fmt: skip


def test_a_goal_knows_the_shortest_way() -> None:
    out = next(g for g in goals_of(prepare({"stairs.blueprint.toml": STAIRS}).first.app) if g.action == "out")
    assert out.left == {"second": 0, "first": 1, "ground": 2}
    assert [out.next(state) for state in ("ground", "first", "second")] == [("up",), ("on",), ("out",)]
    assert out.next("roof") == (), "no way leads back from there"


def test_a_goal_is_left_when_it_was_asked_for_or_took_too_long() -> None:
    goals = goals_of(prepare({"stairs.blueprint.toml": STAIRS}).first.app)
    guide = Guide(goals, len(goals) - 1, lambda entity, timer: 0)
    assert (guide.goal.state, guide.goal.action) == ("ground", "jump")
    for _ in range(ASKED):
        guide.spend("jump", "ground")
    assert guide.goal is goals[0], "they go round"
    for _ in range(PATIENCE):
        guide.spend("up", "ground")
    assert guide.goal is goals[1]


def test_every_other_seed_is_guided_each_from_another_goal_on() -> None:
    assert [setting_of(seed, "calm").first_goal for seed in range(6)] == [0, None, 1, None, 2, None]


def test_guided_runs_come_to_what_others_hardly_see() -> None:
    prepared = prepare({"stairs.blueprint.toml": STAIRS})
    found: dict[bool, Counter[tuple[str, str]]] = {True: Counter(), False: Counter()}
    for seed in range(0, 12, 2):
        setting = setting_of(seed, MIXES[seed % 3])
        guided, free = simulate(prepared, setting), simulate(prepared, evolve(setting, first_goal=None))
        assert guided.violation is free.violation is None
        found[True] += seen(guided)
        found[False] += seen(free)
    assert found[True]["second", "out"] > found[False]["second", "out"]


def test_time_leaps_to_a_deadline_that_is_a_goal() -> None:
    prepared = prepare(example("incident"))
    late = ("working", "breach")
    at = next(n for n, goal in enumerate(prepared.goals) if (goal.state, goal.action) == late)
    setting = setting_of(2 * at, "calm")
    assert setting.first_goal == at
    assert seen(simulate(prepared, setting))[late] > 0
    assert seen(simulate(prepared, evolve(setting, first_goal=None)))[late] == 0


def test_a_guided_seed_is_the_same_alone() -> None:
    prepared = prepare(example("order"))
    simulate(prepared, setting_of(2, "chaos"))
    first = simulate(prepared, setting_of(4, "chaos"))
    alone = simulate(prepare(example("order")), setting_of(4, "chaos"))
    assert (first.journal, first.log, first.tape) == (alone.journal, alone.log, alone.tape)
