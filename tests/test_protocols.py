"""The protocols of the examples have as many states as the classical models of the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from lathe.check.composed.layout import Slot
from lathe.check.composed.system import System, make_system
from lathe.check.search.graph import Limits
from lathe.check.search.plain import search
from lathe.check.search.scope import scopes
from lathe.lang import read_app

PROTOCOLS = Path(__file__).parent.parent / "examples" / "protocols"


def system_of(app: str, instances: Mapping[str, int]) -> System:
    files = {p.name: p.read_bytes() for p in (PROTOCOLS / app).glob("*.toml") if p.name != "expect.toml"}
    read = read_app(files).app
    assert read is not None
    return make_system(read, {**scopes(read)[0], **instances})


def states_of(system: System) -> list[int]:
    graph = search(system, Limits(20_000, 1.0, lambda: 0.0))
    assert graph.is_complete
    return list(graph.states)


def slots(system: System, blueprint: str) -> list[Slot]:
    return [s for s in system.layout.slots if s.blueprint.name == blueprint]


@pytest.mark.parametrize(("participants", "states"), [(2, 56), (3, 288), (4, 1568), (5, 8832)])
def test_two_phase_commit_has_the_states_of_lamports(participants: int, states: int) -> None:
    system = system_of("two_phase_commit", {"Participant": participants})
    (transaction,) = slots(system, "Transaction")
    gathering = transaction.state_code("gathering")
    everybody = (1 << participants) - 1
    asked = [
        s
        for s in states_of(system)
        if transaction.state.read(s) > gathering
        and transaction.fields["members"].read(s).bit_count() == everybody.bit_count()
    ]
    assert len(asked) == states


@pytest.mark.parametrize("count", [2, 3])
def test_philosophers_at_a_round_table_have_the_classical_states(count: int) -> None:
    system = system_of("philosophers/broken/any_fork_first", {"Fork": count, "Philosopher": count})
    seated = slots(system, "Philosopher")

    def is_round(state: int) -> bool:
        return all(
            p.state.read(state)
            and p.fields["first"].read(state) == i + 1
            and p.fields["second"].read(state) == (i + 1) % count + 1
            for i, p in enumerate(seated)
        )

    assert sum(map(is_round, states_of(system))) == 3**count - 1


@pytest.mark.parametrize("app", ["broker_rollout", "philosophers", "ticket_lock", "two_phase_commit"])
def test_the_readme_tells_how_it_grows(app: str) -> None:
    """Each row of the table: the instances, then the states of that scope."""
    text = (PROTOCOLS / app / "README.md").read_text()
    grows = text.partition("## How it grows")[2].partition("## What")[0]
    raised = {
        "broker_rollout": ("Broker", "Message"),
        "philosophers": ("Fork Philosopher",),
        "ticket_lock": ("Client",),
        "two_phase_commit": ("Participant",),
    }[app]
    rows = [
        [int(cell.replace(",", "")) for cell in re.findall(r"(?<=\| )[\d,]+(?= \|)", line)]
        for line in grows.splitlines()
    ]
    told = [row for row in rows if row and row[len(raised)] < 20_000]
    assert len(told) >= 2
    for row in told:
        named = zip(raised, row, strict=False)
        instances = {name: count for names, count in named for name in names.split()}
        assert len(states_of(system_of(app, instances))) == row[len(raised)], row
