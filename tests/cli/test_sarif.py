"""SARIF: what code scanning reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .conftest import ROOT, Said

BAD = ROOT / "examples" / "rollout" / "broken" / "drain_too_early"
GOOD = ROOT / "examples" / "rollout"


def test_a_finding_has_its_rule_its_place_and_its_run(lathe: Callable[..., Said]) -> None:
    said = lathe("check", "--sarif", BAD, GOOD)
    assert said.code == 1
    document = json.loads(said.out)
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    first = run["results"][0]
    assert rules[first["ruleIndex"]]["id"] == first["ruleId"] == "LT401"
    assert first["level"] == "error"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("drain_too_early/rollout.blueprint.toml")
    region = place["region"]
    assert (region["endLine"], region["endColumn"]) > (region["startLine"], region["startColumn"])
    flow = first["codeFlows"][0]["threadFlows"][0]["locations"]
    assert "create" in flow[0]["location"]["message"]["text"]
    assert [v["verdict"] for v in run["properties"]["verdicts"]] == ["refused", "admitted"]


def test_a_fingerprint_stays_while_lines_move(lathe: Callable[..., Said], tmp_path: Path) -> None:
    def prints(folder: Path) -> list[str]:
        run = json.loads(lathe("check", "--sarif", folder).out)["runs"][0]
        return [result["partialFingerprints"]["lathe/v1"] for result in run["results"]]

    for path in BAD.glob("*.toml"):
        (tmp_path / path.name).write_text("# one line more\n" + path.read_text())
    (tmp_path / "expect.toml").unlink()
    assert prints(tmp_path) == prints(BAD)


def test_forms_exclude_one_another(lathe: Callable[..., Said]) -> None:
    assert lathe("check", "--sarif", "--json", GOOD).code == 2


def test_what_cannot_be_read_has_a_place_too(lathe: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "x.blueprint.toml").write_text("blueprint = ")
    said = lathe("check", "--sarif", tmp_path / "x.blueprint.toml")
    assert said.code == 3
    assert json.loads(said.out)["runs"][0]["results"][0]["ruleId"] == "LT001"
