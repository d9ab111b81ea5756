"""Gauges: kept traces that every check runs first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lathe.cli.main import run
from lathe.gate import check_files
from lathe.gate.gauges import run_gauges
from lathe.lang.resolve import read_app
from lathe.machine import gauge

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD = EXAMPLES / "rollout"
BAD = GOOD / "broken" / "drain_too_early"


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.glob("*.toml") if p.name != "expect.toml"}


@pytest.fixture(scope="module")
def kept() -> str:
    """The counterexample of the broken app, kept as a gauge of which nothing may be broken again."""
    found = next(f for f in check_files(files_of(BAD)).report.findings if f.trace is not None)
    assert found.trace is not None
    return gauge.dump(found.trace, gauge.ADMITTED)


def with_gauge(folder: Path, text: str) -> dict[str, bytes]:
    return {**files_of(folder), "gauges/drained.json": text.encode()}


def test_a_counterexample_is_kept_by_the_app_that_was_mended(kept: str) -> None:
    app = read_app(with_gauge(GOOD, kept)).app
    assert app is not None
    assert [(g.expect, g.given, g.is_kept) for g in run_gauges(app)] == [("admitted", ("admitted",), True)]
    assert check_files(with_gauge(GOOD, kept)).report.verdict == "admitted"


def test_it_is_told_when_the_mistake_comes_back(kept: str) -> None:
    report = check_files(with_gauge(BAD, kept)).report
    found = report.findings[0]
    assert (found.diagnostic.code, found.diagnostic.span.file) == ("LT406", "gauges/drained.json")
    assert "`refused: one_broker_down`" in found.diagnostic.message
    assert found.trace is not None and found.trace.clauses
    assert "LT401" in {f.diagnostic.code for f in report.findings}, "the search goes on"


@pytest.mark.parametrize(("text", "said"), [
    ('{"trace": 1, "expect": "admitted"}', "no gauge"),
    ('{"trace": {}, "expect": "maybe"}', "`expect` must be"),
    ('{"trace": {}, "expect": "refused: "}', "`expect` must be"),
])  # fmt: skip
def test_a_file_that_is_no_gauge_is_told_and_refused(text: str, said: str) -> None:
    report = check_files(with_gauge(GOOD, text)).report
    assert report.verdict == "refused"
    assert [f.diagnostic.code for f in report.findings] == ["LT406"]
    assert said in report.findings[0].diagnostic.message


@pytest.mark.parametrize(("text", "code"), [("{", "LT001"), ("[]", "LT004")])
def test_a_file_that_is_no_json_object_cannot_be_read(text: str, code: str) -> None:
    report = check_files(with_gauge(GOOD, text)).report
    assert [f.diagnostic.code for f in report.findings] == [code]


def test_names_that_are_gone_are_refused_steps_not_crashes(kept: str) -> None:
    data = json.loads(kept)
    for step in data["trace"]["steps"]:
        step["entity"] = step["entity"].replace("Rollout", "Vanished")
    report = check_files(with_gauge(GOOD, json.dumps(data))).report
    assert report.verdict == "admitted"


def test_the_command_keeps_a_trace_and_runs_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = tmp_path / "rollout"
    app.mkdir()
    for name, content in files_of(BAD).items():
        (app / name).write_bytes(content)
    assert run(["gauge", "add", str(app), "--trace", "one_broker_down"]) == 0
    assert (app / "gauges" / "one_broker_down.json").exists()
    assert run(["gauge", "add", str(app), "--trace", "one_broker_down"]) == 2, "never overwritten"
    capsys.readouterr()
    assert run(["gauge", "run", str(app)]) == 1
    assert "LOST  expects admitted  gives refused: one_broker_down" in capsys.readouterr().out
    for name, content in files_of(GOOD).items():
        (app / name).write_bytes(content)
    assert run(["gauge", "run", str(app)]) == 0
    assert run(["check", str(app)]) == 0
