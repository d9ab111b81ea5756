"""Real stores under schedules: processes killed at random moments, and what they leave judged.

A handful of seeds; `lathe sim examples/rollout --store sqlite --for 10m` runs more.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import apsw
import pytest
from tests.runtime.harness import example
from tests.store.server import Server

from lathe.sim.aftermath import Aftermath, judge
from lathe.sim.killing import Killing, hastened, run_seed
from lathe.sim.places import Place, new_place
from lathe.sim.prepared import Prepared, load, prepare
from lathe.store.sqlite.file import NAME


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    made = Server()
    made.start()
    yield made
    made.remove()


def prepared(name: str) -> Prepared:
    return prepare(hastened(example(name)))


@pytest.mark.parametrize(
    ("kind", "name", "seed"),
    [("sqlite", "rollout", 1), ("sqlite", "order", 3), ("postgres", "rollout", 4), ("postgres", "saga", 5)],
)
def test_nothing_that_must_not_be_is_found(
    kind: str, name: str, seed: int, request: pytest.FixtureRequest
) -> None:
    where = "sqlite" if kind == "sqlite" else request.getfixturevalue("postgres").url
    found = run_seed(prepared(name), new_place(where), seed)
    assert found.violation is None, (seed, found.violation)
    assert found.committed > 5 and found.kills + found.stalls > 0


def test_durations_become_short_and_nothing_else() -> None:
    files = hastened(example("rollout"))
    states = load(files).app.blueprints["Rollout"].states
    was = load(example("rollout")).app.blueprints["Rollout"].states
    waits = [state.after_ms for state in states.values() if state.after_ms is not None]
    assert len(waits) == 3 and all(200 <= wait <= 1_200 for wait in waits)
    assert list(states) == list(was)


# What the judge sees: a run that was in order, and a store that somebody has meddled with since.

Meddle = Callable[[apsw.Connection, Aftermath], None]


def nothing(file: apsw.Connection, told: Aftermath) -> None:
    """Nobody meddles."""


def loses_an_entry(file: apsw.Connection, told: Aftermath) -> None:
    """An acknowledged entry is not there."""
    told.acknowledged.add(b"?" * 32)


def arms_a_timer(file: apsw.Connection, told: Aftermath) -> None:
    """A timer is armed that nothing asks for."""
    file.execute(
        "insert into timer (tenant, app, blueprint, entity, name, visit, armed_ms, due_ms)"
        " select tenant, app, blueprint, id, 'stray', 1, 0, 9000000000000 from entity limit 1"
    )


def changes_a_row(file: apsw.Connection, told: Aftermath) -> None:
    """An entity is not what its journal adds up to."""
    file.execute("update entity set body = replace(body, '\"attempts\":', '\"attempts\":1')")


def never_happened(file: apsw.Connection, told: Aftermath) -> None:
    """An effect ended well that nobody performed."""
    told.executed.clear()


def breaks_a_chain(file: apsw.Connection, told: Aftermath) -> None:
    """An entry is gone."""
    file.execute("delete from journal where position = 2")


@pytest.mark.parametrize(
    ("meddle", "cause"),
    [
        (nothing, ""),
        (loses_an_entry, "acknowledged"),
        (arms_a_timer, "tables"),
        (changes_a_row, "tables"),
        (never_happened, "unexecuted"),
        (breaks_a_chain, "verify"),
    ],
)
def test_the_judge_sees_what_is_wrong(
    meddle: Meddle, cause: str, ended: tuple[Place, Aftermath], tmp_path: Path
) -> None:
    place, told = ended
    copy = tmp_path / "data"
    shutil.copytree(place.url.removeprefix("sqlite:"), copy)
    with apsw.Connection(str(copy / NAME)) as file:
        meddle(file, told := deepcopy(told))
    told.steps = 0
    store = Place(f"sqlite:{copy}", "lathe").store()
    wrong = asyncio.run(judge(prepared("rollout"), store, told, 0))
    assert (wrong.cause if wrong is not None else "") == cause, wrong


@pytest.fixture(scope="module")
def ended() -> Iterator[tuple[Place, Aftermath]]:
    """What a run in order has left, and what was told of it."""
    place = new_place("sqlite")
    run = Killing(prepared("rollout"), place, 2)
    assert asyncio.run(run.run()).violation is None
    yield place, run.aftermath
    asyncio.run(place.remove())
