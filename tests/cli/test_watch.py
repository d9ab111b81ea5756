"""Which seconds a check counts: those with a processor, unless its user says how many may pass."""

from __future__ import annotations

import pytest

from lathe.cli import watch
from lathe.cli.watch import Watch


@pytest.mark.parametrize(
    ("passed", "worked", "counted"),
    [
        (8.0, 7.9, 7.9),  # alone on the machine
        (20.0, 7.5, 7.5),  # a third of it
        (30.0, 1.0, 10.0),  # hardly any of it: nobody waits for ever
        (4.0, 7.0, 4.0),  # two threads
    ],
)
def test_a_busy_machine_costs_no_verdict_and_no_endless_wait(
    monkeypatch: pytest.MonkeyPatch, passed: float, worked: float, counted: float
) -> None:
    walls, processors = iter([100.0, 100.0 + passed]), iter([1.0, 1.0 + worked])
    monkeypatch.setattr(watch, "perf_counter", lambda: next(walls))
    monkeypatch.setattr(watch, "process_time", lambda: next(processors))
    monkeypatch.setattr(watch.output, "status", lambda text: None)
    assert Watch("x", is_patient=True)() == pytest.approx(counted)


def test_a_budget_that_is_asked_for_is_one_of_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    walls = iter([100.0, 130.0])
    monkeypatch.setattr(watch, "perf_counter", lambda: next(walls))
    monkeypatch.setattr(watch.output, "status", lambda text: None)
    assert Watch("x")() == 130.0
