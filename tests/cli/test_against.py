"""`--against`: a version checked, replayed and compared with the one that it would replace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OLD = Path(__file__).parents[2] / "examples" / "lease_queue"
VERSIONS = OLD / "versions"


@pytest.fixture
def trace(lathe: Callable[..., Any], tmp_path: Path) -> Path:
    """The run of a job through the swap to where it was handed out too often."""
    said = lathe("check", VERSIONS / "tries_forgotten", "--against", OLD, "--trace", "LT703", "--json")
    path = tmp_path / "trace.json"
    path.write_text(said.out, encoding="utf-8")
    return path


def test_exit_codes_are_those_of_every_check(lathe: Callable[..., Any], tmp_path: Path) -> None:
    assert lathe("check", VERSIONS / "parked", "--against", OLD).code == 0
    assert lathe("check", VERSIONS / "parked_unmoved", "--against", OLD).code == 1
    assert lathe("check", VERSIONS / "parked", "--against", tmp_path / "nowhere").code == 6
    (tmp_path / "thing.blueprint.toml").write_text("blueprint = 1", encoding="utf-8")
    assert lathe("check", VERSIONS / "parked", "--against", tmp_path).code == 3
    assert lathe("check", VERSIONS / "parked", VERSIONS / "parked", "--against", OLD).code == 2


def test_swap_is_a_step_of_its_own_that_counts(lathe: Callable[..., Any], trace: Path) -> None:
    data = json.loads(trace.read_text(encoding="utf-8"))
    kinds = [step["event"] for step in data["steps"]]
    assert kinds.count("swap") == 1
    assert kinds[-1] == "act"
    assert data["length"] == len(kinds)


def test_report_says_from_which_version_and_how_much(lathe: Callable[..., Any]) -> None:
    report = json.loads(lathe("check", VERSIONS / "parked", "--against", OLD, "--json").out)
    old = json.loads(lathe("check", OLD, "--json").out)
    assert report["covered"]["migrated"]["from"] == old["digest"]
    assert report["covered"]["migrated"]["states"] == 558
    assert any(said.startswith("migration: more than 2 Job") for said in report["not_covered"])


def test_sarif_has_the_run_through_the_swap(lathe: Callable[..., Any]) -> None:
    said = lathe("check", VERSIONS / "parked_unmoved", "--against", OLD, "--sarif")
    (result,) = json.loads(said.out)["runs"][0]["results"]
    assert result["ruleId"] == "LT701"
    steps = result["codeFlows"][0]["threadFlows"][0]["locations"]
    assert "takes over" in steps[-1]["location"]["message"]["text"]


def test_run_through_a_swap_is_replayed_with_both_versions(lathe: Callable[..., Any], trace: Path) -> None:
    new = VERSIONS / "tries_forgotten"
    said = lathe("replay", trace, new, "--against", OLD, "--as", "english")
    assert said.code == 0
    assert "the new version takes over Job#1" in said.out
    assert said.out.splitlines()[-1].endswith("goes as recorded; breaks three_times_at_most")
    assert lathe("replay", trace, new, "--against", OLD, "--as", "sequence").code == 0
    mended = lathe("replay", trace, VERSIONS / "parked", "--against", OLD)
    assert mended.code == 1
    assert "goes otherwise" in mended.out


def test_run_through_a_swap_needs_the_version_before(lathe: Callable[..., Any], trace: Path) -> None:
    assert lathe("replay", trace, VERSIONS / "tries_forgotten").code == 1


def test_diff_says_what_migrate_may_have_to_say(lathe: Callable[..., Any]) -> None:
    said = lathe("diff", OLD, VERSIONS / "parked_unmoved")
    assert 'Job state dead: say where they go: `[migrate] state = { dead = "parked" }`' in said.out
    assert "`[migrate]` may have to say" not in lathe("diff", OLD, VERSIONS / "parked").out
    data = json.loads(lathe("diff", "--json", OLD, VERSIONS / "parked_unmoved").out)
    assert [need["path"] for need in data["migrate"]] == ["Job state dead"]
