"""Which seconds a check counts: those with a processor, unless its user says how many may pass."""

from __future__ import annotations

import os
import signal
from time import process_time, sleep

import pytest

from lathe.cli import check_clock
from lathe.cli.check_clock import Watch


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
    monkeypatch.setattr(check_clock, "perf_counter", lambda: next(walls))
    monkeypatch.setattr(check_clock, "process_time", lambda: next(processors))
    monkeypatch.setattr(check_clock.output, "status", lambda text: None)
    assert Watch("x", is_patient=True)() == pytest.approx(counted)


def test_a_budget_that_is_asked_for_is_one_of_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    walls = iter([100.0, 130.0])
    monkeypatch.setattr(check_clock, "perf_counter", lambda: next(walls))
    monkeypatch.setattr(check_clock.output, "status", lambda text: None)
    assert Watch("x")() == 130.0


needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")


def burn(seconds: float) -> None:
    """Work for so long."""
    until = process_time() + seconds
    while process_time() < until:
        pass


@needs_timers
def test_a_search_that_looks_at_the_clock_is_ended_there() -> None:
    with Watch("x") as looked_at:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            looked_at()
        assert looked_at.was_interrupted
        assert looked_at() > 0, "it is raised once"


@needs_timers
def test_one_that_never_looks_is_ended_by_what_it_worked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_clock, "GRACE_SECONDS", 0.05)
    with Watch("x"):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            burn(60)


@needs_timers
def test_whoever_has_no_processor_meanwhile_keeps_its_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sleep stands for a machine that is busy with others."""
    monkeypatch.setattr(check_clock, "GRACE_SECONDS", 0.2)
    with Watch("x") as looked_at:
        os.kill(os.getpid(), signal.SIGINT)
        sleep(0.4)
        with pytest.raises(KeyboardInterrupt):
            looked_at()
    monkeypatch.setattr(check_clock, "GRACE_LONGEST_SECONDS", 0.05)
    with Watch("x"):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            sleep(60)
