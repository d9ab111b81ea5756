"""A report as JSON: the envelope that programs read."""

from __future__ import annotations

import json

import jsonschema
import pytest

from lathe import __version__
from lathe.check.reporting.report import Coverage, Finding, LevelReport, Report, Verdict
from lathe.check.reporting.reportjson import to_json
from lathe.errors import Diagnostic, Edit, Span
from lathe.lang.schema import report_schema
from lathe.machine.trace import Trace, TracePart, TraceStep

SPAN = Span("rollout.blueprint.toml", 44, 8, 44, 30)
STEP = TraceStep("create", (TracePart("Rollout#1", "create", "role:operator"),), "role:operator")
TRACE = Trace("7f3a", "helix", "sha256:00", (STEP,))
BARE = Finding(Diagnostic("LT404", "warning", "a property that holds for no reason", SPAN))
FULL = Finding(
    Diagnostic(
        "LT401",
        "error",
        "`one_broker_down` fails",
        SPAN,
        "strengthen the guard",
        ((Span("app.toml", 1, 2, 1, 3), "here"),),
        Edit(SPAN, "ready == replicas"),
    ),
    "one_broker_down",
    TRACE,
)
LEVELS = (
    LevelReport(0, "reading", "passes", 0.00123456),
    LevelReport(1, "algebra", "skipped", why="not built yet"),
    LevelReport(2, "reach", "fails", 0.012, states=4310, steps=12877, depth=21),
)


def report(*, verdict: Verdict = "refused", findings: tuple[Finding, ...] = (FULL, BARE)) -> Report:
    covered = Coverage({"Rollout": 1}, {"Rollout.start": 12}, {}, {}, "within bounds", "ab12")
    return Report("helix", "sha256:00", verdict, LEVELS, findings, covered, ("at most 1 Rollout",))


def test_the_report_fits_its_schema() -> None:
    jsonschema.Draft7Validator(report_schema()).validate(json.loads(json.dumps(to_json(report()))))


@pytest.mark.parametrize("verdict", ["admitted", "refused", "unknown"])
def test_ok_is_true_for_admitted_alone(verdict: Verdict) -> None:
    assert to_json(report(verdict=verdict))["ok"] is (verdict == "admitted")


def test_the_envelope_says_what_checked_what() -> None:
    data = to_json(report(findings=()))
    assert list(data)[:6] == ["v", "ok", "verdict", "app", "digest", "verifier"]
    assert (data["v"], data["verifier"], data["findings"]) == (1, __version__, [])
    assert data["not_covered"] == ["at most 1 Rollout"]
    assert data["levels"] == [
        {"level": 0, "name": "reading", "verdict": "passes", "seconds": 0.0012},
        {"level": 1, "name": "algebra", "verdict": "skipped", "seconds": 0.0, "why": "not built yet"},
        {
            "level": 2,
            "name": "reach",
            "verdict": "fails",
            "seconds": 0.012,
            "states": 4310,
            "steps": 12877,
            "depth": 21,
        },
    ]


def test_a_finding_leaves_out_what_it_has_not() -> None:
    data = to_json(report(findings=(BARE,)))
    assert data["findings"] == [
        {
            "code": "LT404",
            "severity": "warning",
            "message": "a property that holds for no reason",
            "file": "rollout.blueprint.toml",
            "line": 44,
            "column": 8,
            "end_line": 44,
            "end_column": 30,
        }
    ]


def test_a_finding_says_how_it_came_about_and_how_it_is_cured() -> None:
    findings = to_json(report(findings=(FULL,)))["findings"]
    assert isinstance(findings, list) and isinstance(findings[0], dict)
    finding = findings[0]
    assert finding["property"] == "one_broker_down"
    assert finding["related"] == [{"file": "app.toml", "line": 1, "column": 2, "message": "here"}]
    assert finding["edit"] == {
        "file": "rollout.blueprint.toml",
        "line": 44,
        "column": 8,
        "end_line": 44,
        "end_column": 30,
        "text": "ready == replicas",
    }
    assert isinstance(finding["trace"], dict) and finding["trace"]["length"] == 1


@pytest.mark.parametrize("member", ["v", "verdict", "covered", "levels"])
def test_the_schema_misses_what_is_left_out(member: str) -> None:
    data = to_json(report())
    del data[member]
    assert not jsonschema.Draft7Validator(report_schema()).is_valid(data)


def test_with_the_files_a_finding_has_the_lines_around_it_cut_to_a_width() -> None:
    text = "\n".join([*(f"line {n}" for n in range(1, 44)), "x" * 1_000, "line 45\r", "line 46"])
    data = to_json(report(findings=(BARE,)), {"rollout.blueprint.toml": text.encode()})
    findings = data["findings"]
    assert isinstance(findings, list) and isinstance(findings[0], dict)
    lines = ["line 41", "line 42", "line 43", "x" * 400, "line 45", "line 46"]
    assert findings[0]["excerpt"] == {"line": 41, "lines": lines}
    jsonschema.Draft7Validator(report_schema()).validate(json.loads(json.dumps(data)))
    bare = to_json(report(findings=(BARE,)), {"other.toml": b""})["findings"]
    assert isinstance(bare, list) and isinstance(bare[0], dict) and "excerpt" not in bare[0]
