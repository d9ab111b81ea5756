"""The packed search takes exactly the steps of the machine: on random apps, and on the examples."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lathe.check.bounds import TooLargeError
from lathe.lang.model import App
from lathe.lang.resolve import read_app
from lathe.testing import strategies

from .comparing import differences

EXAMPLES = Path(__file__).parents[2] / "examples"
SEEDS = 300
BATCH = 30
STATES = 150
"""Of each random app so many are searched, and a few of them compared."""


def disagreements(app: App, instances: int) -> list[str]:
    try:
        return differences(app, instances, states=STATES, sample=6)
    except TooLargeError:
        return []


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_search_and_machine_take_the_same_steps(first: int) -> None:
    for seed in range(first, first + BATCH):
        found = disagreements(strategies.app_of_seed(seed), 1 + seed % 2)
        assert found == [], f"in the app of seed {seed}, with {1 + seed % 2} of each"


@settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
@given(strategies.apps(), st.sampled_from((1, 2)))
def test_search_and_machine_take_the_same_steps_in_the_smallest_apps(app: App, instances: int) -> None:
    assert disagreements(app, instances) == []


APPS = sorted(p.parent for p in EXAMPLES.rglob("app.toml") if "broken" not in p.parts)


@pytest.mark.parametrize("example", [app.relative_to(EXAMPLES).as_posix() for app in APPS])
def test_search_and_machine_take_the_same_steps_in_the_examples(example: str) -> None:
    folder = EXAMPLES / example
    paths = [folder / "app.toml", *folder.glob("*.blueprint.toml"), *folder.glob("*.cedar")]
    paths += folder.glob("modules/*")
    app = read_app({path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}).app
    assert app is not None
    assert differences(app, 1, states=400, sample=20) == []
    assert differences(app, 2, states=400, sample=10) == []
