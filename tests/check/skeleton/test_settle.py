"""The skeleton says nothing that the system does not, on random apps whose every number is taken for wide."""

from __future__ import annotations

from time import process_time

import pytest

from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, is_sampled, make_system
from lathe.check.judge.liveness import failures
from lathe.check.judge.progress import call_round, situations
from lathe.check.judge.suspects import Never, never
from lathe.check.search import regions
from lathe.check.search.graph import Limits
from lathe.check.search.plain import search
from lathe.check.skeleton.settle import settle
from lathe.lang.model import App
from lathe.testing import strategies

MOST = 3_000
SEEDS = 160
BATCH = 20


def everything(system: System) -> list[Never]:
    """All states, actions and `sometimes` of an app, as if none had been seen."""
    found: list[Never] = []
    for blueprint in system.layout.app.blueprints.values():
        found += [Never("LT201", state, blueprint) for state in blueprint.states.values()]
        found += [Never("LT202", a, blueprint) for a in blueprint.actions.values() if a.admits]
        found += [
            Never("LT403", p, blueprint) for p in blueprint.properties.values() if p.kind == "sometimes"
        ]
    found += [Never("LT403", p, None) for p in system.layout.app.properties.values() if p.kind == "sometimes"]
    return found


def compare(app: App, instances: int) -> tuple[int, int, int] | None:
    """How much there was to settle, how much was, and how many numbers there are; None: too much."""
    system = make_system(app, dict.fromkeys(app.blueprints, instances))
    limits = Limits(MOST, process_time() + 30, process_time)
    exact = search(system, limits)
    if not exact.is_complete or is_sampled(system):
        return None
    asked = everything(system)
    settled = settle(system, limits, asked)
    if settled is None:
        return None
    unseen = {(n.code == "LT403", n.subject.span) for n in never(system, exact)}
    for number, suspect in enumerate(asked):
        is_unseen = (suspect.code == "LT403", suspect.subject.span) in unseen
        assert not (is_unseen and number in settled.possible)
        assert is_unseen or number not in settled.gone
    standing = {(s.slot.blueprint.name, s.state) for s in situations(system, exact, len(exact.states))}
    shown = {(s.slot.blueprint.name, s.state) for s in settled.standing}
    open_states = {said.split("`")[1] for said in settled.open if "be left" in said}
    assert shown <= standing
    assert {state for _, state in standing - shown} <= open_states
    unfair = {(f.slot.blueprint.name, f.prop.name) for f in failures(system, exact)}
    told = {(f.slot.blueprint.name, f.prop.name) for f in settled.unfair}
    open_props = {said.split("`")[1] for said in settled.open if "holds" in said}
    assert told <= unfair
    assert {prop for _, prop in unfair - told} <= open_props
    assert settled.goes_round or call_round(system, exact) is None
    decided = len(settled.possible | settled.gone) + len(shown | told)
    return len(asked) + len(standing | unfair), decided, len(regions.wide_numbers(system))


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_what_the_skeleton_settles_is_so(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "WIDE", 1)
    asked = decided = numbers = 0
    for seed in range(first, first + BATCH):
        try:
            found = compare(strategies.app_of_seed(seed), 1 + seed % 2)
        except TooLargeError:
            continue
        except AssertionError as error:
            raise AssertionError(f"in the app of seed {seed}") from error
        if found is not None and found[2]:
            asked, decided, numbers = (a + b for a, b in zip((asked, decided, numbers), found, strict=True))
    assert numbers
    assert decided > 0.8 * asked
