"""`lathe replay`: the same run, told in three ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BAD = Path(__file__).parents[2] / "examples" / "rollout" / "broken" / "drain_too_early"


@pytest.fixture
def trace(lathe: Callable[..., Any], tmp_path: Path) -> Path:
    """The counterexample of an app with a weakened guard, saved."""
    report = json.loads(lathe("check", BAD, "--json").out)
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(report["findings"][0]["trace"]), encoding="utf-8")
    return path


def test_sentences_say_who_did_what_to_whom(lathe: Callable[..., Any], trace: Path) -> None:
    said = lathe("replay", trace, BAD, "--as", "english")
    assert said.code == 0
    assert "an operator (p1) creates Rollout#1 with replicas = 2" in said.out
    assert "`patch` takes `drain` on Rollout#1: ready 1 → 0" in said.out
    assert said.out.splitlines()[-1] == "rollout: goes as recorded; breaks one_broker_down"


def test_a_sequence_chart_stands_alone_on_stdout(lathe: Callable[..., Any], trace: Path) -> None:
    said = lathe("replay", trace, BAD, "--as", "sequence")
    assert said.out.startswith("sequenceDiagram\n")
    assert "goes as recorded" not in said.out
    assert "goes as recorded" in said.err


def test_a_table_is_what_one_gets_unasked(lathe: Callable[..., Any], trace: Path) -> None:
    assert lathe("replay", trace, BAD).out == lathe("replay", trace, BAD, "--as", "table").out
