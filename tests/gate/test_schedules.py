"""Level 3 in the gate: when it runs, what it says, what it finds."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from lathe.cli.line import lines
from lathe.frozen import evolve
from lathe.gate import Options, check_files, schedules
from lathe.gate.stored import from_bytes, to_bytes
from lathe.sim.oracle import Violation

from ..runtime.harness import EXAMPLES, example

GOLDEN = Path(__file__).parents[1] / "golden" / "gate" / "LT811.txt"
THREE = Options(level=3, seeds=2)


def test_an_admitted_app_is_run_in_as_many_worlds_as_asked() -> None:
    report = check_files(example("rollout"), THREE).report
    assert report.verdict == "admitted"
    assert [(level.level, level.verdict, level.seeds) for level in report.levels][3] == (3, "passes", 2)
    assert "level 3 (schedules): more than 2 seeds" in report.not_covered


def test_what_is_not_admitted_is_not_run() -> None:
    broken = sorted((EXAMPLES / "rollout" / "broken").iterdir())[0]
    files = {p.name: p.read_bytes() for p in sorted(broken.iterdir()) if p.suffix == ".toml"}
    files = {**example("rollout"), **files}
    report = check_files(files, THREE).report
    assert report.verdict == "refused"
    assert report.levels[3].verdict == "skipped"
    assert report.levels[3].seeds is None


def test_it_is_not_asked_for_by_a_runtime() -> None:
    report = check_files(example("rollout")).report
    assert report.verdict == "admitted"
    assert (report.levels[3].verdict, report.levels[3].why) == ("skipped", "not asked for")


def test_seeds_stop_by_themselves_after_so_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "SEEDS", 1_000)
    monkeypatch.setattr(schedules, "STEPS", 1)
    report = check_files(example("lease_queue"), Options(level=3)).report
    assert (report.levels[3].verdict, report.levels[3].seeds) == ("passes", 1)
    assert not report.is_timed, "fewer seeds are no search cut short"


def test_a_slow_machine_is_told_the_same() -> None:
    def told(tick: float) -> list[object]:
        now = count(0.0, tick)
        report = check_files(example("lease_queue"), Options(level=4), lambda: next(now)).report
        return [(level.verdict, level.seeds, level.why) for level in report.levels[3:]]

    slow = told(0.01)
    assert slow == told(0.000_1)
    assert slow[0] == ("passes", slow[0][1], "")  # type: ignore[index]


def test_a_safety_stop_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "SECONDS", 0.0)
    report = check_files(example("lease_queue"), Options(level=3)).report
    assert (report.levels[3].seeds, report.levels[3].why) == (1, "its seconds ran out")
    assert report.is_timed


def test_an_interrupt_ends_it_with_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    real, count = schedules.simulate, iter(range(10))

    def interrupted(*args: object, **more: object) -> object:
        if next(count) == 1:
            raise KeyboardInterrupt
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(schedules, "simulate", interrupted)
    report = check_files(example("lease_queue"), Options(level=3, seeds=5)).report
    assert (report.levels[3].verdict, report.levels[3].seeds) == ("passes", 1)
    assert report.is_timed


def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What level 3 finds, if a runtime acknowledges what is not there."""
    real = schedules.simulate

    def simulate(*args: object, **more: object) -> object:
        found = real(*args, **more)  # type: ignore[arg-type]
        wrong = Violation("acknowledged", "Rollout#1.2 was acknowledged, and is not there")
        return evolve(found, violation=wrong, history=())

    monkeypatch.setattr(schedules, "simulate", simulate)
    monkeypatch.setattr(schedules, "shrink", lambda prepared, found, *, tries: found)


def test_what_it_finds_is_ours_and_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch)
    report = check_files(example("rollout"), Options(level=3, seeds=5, seed=7, accept_bounds=True)).report
    assert report.verdict == "refused"
    assert (report.levels[3].verdict, report.levels[3].seeds) == ("fails", 1)
    told = "\n".join(lines(report, prefix="", name="rollout")) + "\n"
    if os.environ.get("LATHE_UPDATE_GOLDEN") == "1":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(told, encoding="utf-8")
    assert told == GOLDEN.read_text(encoding="utf-8")
    assert from_bytes(to_bytes(report)) == report


def test_the_check_of_the_command_line_runs_it(lathe_check: Callable[..., str]) -> None:
    said = lathe_check("--no-cache", "--seeds", "3", "--seed", "5", str(EXAMPLES / "lease_queue"))
    assert "3 schedules passes" in said
    assert "3 seeds" in said
    assert "3 schedules" in lathe_check("--no-cache", str(EXAMPLES / "lease_queue"))
    for left_out in (("--level", "2"), ("--seeds", "0")):
        said = lathe_check("--no-cache", *left_out, str(EXAMPLES / "lease_queue"))
        assert "3 schedules skipped: not asked for" in said


@pytest.fixture
def lathe_check(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    from lathe.cli.main import run

    def call(*arguments: str) -> str:
        capsys.readouterr()
        assert run(["check", *arguments]) == 0
        return capsys.readouterr().out

    return call
