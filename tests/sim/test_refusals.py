"""A refusal by the version before: it counts as long as nobody can know of another one."""

from __future__ import annotations

from typing import cast

from lathe.machine.event import Act, Caller, Create, Event
from lathe.machine.outcome import Refusal, Step
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.step import step
from lathe.runtime.catalog import Live
from lathe.runtime.engine import Refused
from lathe.sim.commands import command_of
from lathe.sim.oracle import Oracle
from lathe.sim.prepared import Loaded
from lathe.sim.workload import Issue

from .test_worlds import prepared

ANN = Caller("role", None, frozenset({"employee"}), "ann")
BOB = Caller("role", None, frozenset({"manager"}), "bob")
REJECT = Issue(0, 0, "act", "Expense", "e", "reject", {}, BOB)


def submitted(loaded: Loaded) -> MemoryWorld:
    """An expense that ann has handed in."""
    world = MemoryWorld({}, loaded.table.ghosts)
    events: list[Event] = [Create("Expense", "e", {"amount": 3}, ANN, 0), Act("e", "submit", {}, ANN, 1)]
    for event in events:
        taken = step(loaded.table, world, event, permit=loaded.permit)
        assert isinstance(taken, Step), taken
        world = world.after(taken.written, taken.ghosts)
    return world


def judged(*, is_alone: bool) -> str:
    """What is said of a refusal by the version before, asked for after another one has taken over."""
    app = prepared("expense")
    forbidding = next(v for v in app.versions if "simulated.cedar" in v.files)
    refusal = step(
        forbidding.table, submitted(forbidding), Act("e", "reject", {}, BOB, 2), permit=forbidding.permit
    )
    assert isinstance(refusal, Refusal)
    oracle = Oracle(app, lambda: None)
    oracle.worlds = [(forbidding, submitted(forbidding)), (app.first, submitted(app.first))]
    command = command_of(REJECT, tenant="main", app="expense", now_ms=lambda: 2)
    oracle.refused(command, Refused(refusal, None, cast(Live, forbidding)), 2, is_alone=is_alone)
    oracle.refused(command, Refused(refusal, None, cast(Live, forbidding)), 1, is_alone=False)
    return oracle.found.cause if oracle.found is not None else ""


def test_one_process_may_refuse_by_the_version_that_it_still_has() -> None:
    assert judged(is_alone=True) == ""


def test_of_several_none_may() -> None:
    assert judged(is_alone=False) == "refused"
