"""What is judged with symmetry is what is judged without it; what is told runs on the machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lathe.check.arrays import explore, tier
from lathe.check.arrays.tier import search_arrays
from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, make_system
from lathe.check.judge.coverage import taken_actions
from lathe.check.judge.kept import kept
from lathe.check.judge.late_effects import outliving
from lathe.check.judge.liveness import failures
from lathe.check.judge.progress import call_round, first_of_each, standstills
from lathe.check.judge.suspects import empty_promises, met, never, permitted_after_all, violated
from lathe.check.reporting import tell
from lathe.check.reporting.report import Report
from lathe.check.search import tiers
from lathe.check.search.dead_variables import find_dead, without_dead
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.plain import search
from lathe.check.search.watch import watches
from lathe.errors import Span
from lathe.gate import Options, check_files
from lathe.lang.model import App
from lathe.testing import strategies

EXAMPLES = Path(__file__).parents[3] / "examples"
MOST = 2_500
SEEDS = 120
BATCH = 20


def said(system: System, graph: Graph) -> dict[str, object]:
    """Everything that is judged of a graph, without the places of what it is about."""
    distance, taken = graph.distance, taken_actions(system, graph)
    return {
        "violated": {(v.prop.name, distance[v.index]) for v in violated(system, graph)},
        "met": {(m.watch.code, str(m.watch.place), distance[m.index]) for m in met(system, graph)},
        "never": {(n.code, n.subject.name) for n in never(system, graph)},
        "empty": [p.name for p in empty_promises(system, graph)],
        "permitted": [(c.name, actions, distance[i]) for c, actions, i in permitted_after_all(system, graph)],
        "standing": {
            (s.code, s.slot.blueprint.name, s.state, distance[s.index]) for s in standstills(system, graph)
        },
        "kept": {
            (s.slot.blueprint.name, s.state, distance[s.index])
            for s in first_of_each(kept(system, graph, len(graph.states)))
        },
        "failures": {(f.prop.name, f.slot.blueprint.name, not f.loop) for f in failures(system, graph)},
        "outliving": {
            (o.slot.blueprint.name, o.effect.name, distance[o.index]) for o in outliving(system, graph)
        },
        "rounds": call_round(system, graph) is None,
        "taken": (taken.actions.keys(), taken.states.keys(), taken.effects.keys()),
    }


def told(system: System, graph: Graph) -> list[tuple[str, str, int]]:
    """Every finding with its run, each taken on the machine; the lengths of those that are shortest."""
    case = tell.make_case(system, graph, "digest")
    found = [tell.tell_violated(case, v) for v in violated(system, graph)]
    found += [tell.tell_met(case, m) for m in met(system, graph)]
    found += [tell.tell_outliving(case, o) for o in outliving(system, graph)]
    found += [tell.tell_standstill(case, s) for s in standstills(system, graph)]
    found += [tell.tell_standstill(case, s) for s in first_of_each(kept(system, graph, len(graph.states)))]
    found += [
        f
        for c, actions, i in permitted_after_all(system, graph)
        for f in tell.tell_permitted(case, c, actions, i)
    ]
    lassos = [tell.tell_unfair(case, f) for f in failures(system, graph)]
    around = call_round(system, graph)
    lassos += [tell.tell_call_round(case, around)] if around is not None else []
    assert all(f.trace is not None for f in (*found, *lassos))
    return sorted(
        (f.diagnostic.code, str(f.diagnostic.span), f.trace.length if f.trace else 0) for f in found
    ) + sorted({(f.diagnostic.code, str(f.diagnostic.span), 0) for f in lassos})


def compare(app: App, instances: int) -> tuple[int, int]:
    plain = make_system(app, dict.fromkeys(app.blueprints, instances))
    system = without_dead(plain, find_dead(plain))
    if tier.seating_in(system) is None:
        return 0, 0
    limits = Limits(MOST, 1.0, lambda: 0.0)
    every = search(system, limits)
    if not every.is_complete:
        return 0, 0
    starts = [system.dead.cleared(s) for s in system.initial]
    fewer = search_arrays(system, watches(system), limits, starts)
    assert fewer is not None and fewer.alike
    assert said(system, fewer) == said(system, every)
    assert told(system, fewer) == told(system, every)
    return len(every.states), fewer.count


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_symmetry_changes_no_verdict_on_random_apps(first: int) -> None:
    every = fewer = 0
    for seed in range(first, first + BATCH):
        try:
            found = compare(strategies.app_of_seed(seed), 2 + seed % 2)
        except TooLargeError:
            continue
        except AssertionError as error:
            raise AssertionError(f"in the app of seed {seed}") from error
        every, fewer = every + found[0], fewer + found[1]
    assert fewer < every


RAISED = {
    "lease_queue": "Job = 3\nprincipals = 2",
    "approval": "Document = 2\nprincipals = 3\nbudget_states = 500000",
    "protocols/two_phase_commit": "Transaction = 1\nParticipant = 4\nprincipals = 1",
    "protocols/ticket_lock": "Lock = 1\nClient = 3\nprincipals = 1",
    "wallet": "Wallet = 3\nprincipals = 2",
}
"""Scopes with more of each than the examples have."""

OPEN_WITHOUT = {"approval/broken/nobody_looks", "approval/broken/released_unseen"}
"""Variants whose question of further holders of a role ends the budget of states without symmetry."""

PATIENT = Options(budget_seconds=120.0)


def raised(folder: Path) -> dict[str, bytes]:
    """The files of an example or a variant of one, with its scope raised."""
    files = {p.name: p.read_bytes() for p in folder.glob("*.toml") if p.name != "expect.toml"}
    name = next(n for n in RAISED if folder.is_relative_to(EXAMPLES / n))
    text = re.sub(r"\n\[scope\][^\[]*", "\n", files["app.toml"].decode())
    return {**files, "app.toml": f"{text}\n[scope]\n{RAISED[name]}\n".encode()}


FOLDERS = [
    folder
    for name in RAISED
    for folder in (EXAMPLES / name, *sorted(p.parent for p in (EXAMPLES / name).glob("broken/*/expect.toml")))
]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.relative_to(EXAMPLES).as_posix())
def test_symmetry_changes_no_verdict_on_the_examples(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "HAND_OVER_STATES", 0)
    monkeypatch.setattr(explore, "ALARM_AT", 1_000_000)
    files = raised(folder)
    fewer = check_files(files, PATIENT).report
    monkeypatch.setattr(tier, "seating_in", lambda *_: None)
    every = check_files(files, PATIENT).report
    if folder.relative_to(EXAMPLES).as_posix() in OPEN_WITHOUT:
        kept = [f for f in findings_in(every) if f[0] != "LT801"]
        assert len(kept) == len(findings_in(every)) - 1
        assert set(kept) < set(findings_in(fewer))
    else:
        assert found_in(fewer) == found_in(every)
    if every.levels[2].states is not None:
        assert fewer.covered.alike
        assert not every.covered.alike
        assert fewer.levels[2].states < every.levels[2].states
        assert fewer.covered.actions.keys() == every.covered.actions.keys()
        assert [n for n, c in fewer.covered.actions.items() if c] == [
            n for n, c in every.covered.actions.items() if c
        ]


def findings_in(report: Report) -> list[tuple[str, Span, int]]:
    """Each finding with its place and the length of its run."""
    return [(f.diagnostic.code, f.diagnostic.span, f.trace.length if f.trace else 0) for f in report.findings]


def found_in(report: Report) -> tuple[object, ...]:
    """The verdict, each finding with the length of its run, and what is not covered."""
    return report.verdict, sorted(findings_in(report), key=str), report.not_covered
