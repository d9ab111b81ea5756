"""The examples: every good app is admitted, every broken variant is refused for exactly its own reason."""

from __future__ import annotations

import difflib
import time
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from lathe.check.telling.report import Finding, Report
from lathe.gate import Options, check_files
from lathe.lang import read_app
from lathe.lang.format import format_text

EXAMPLES = Path(__file__).parent.parent / "examples"
APPS = (
    "alarm_report",
    "approval",
    "expense",
    "incident",
    "lease_queue",
    "order",
    "pricing",
    "protocols/broker_rollout",
    "protocols/philosophers",
    "protocols/ticket_lock",
    "protocols/two_phase_commit",
    "rollout",
    "saga",
    "subscription",
    "wallet",
)
VARIANTS = sorted(path.parent.relative_to(EXAMPLES) for path in EXAMPLES.rglob("broken/*/expect.toml"))
VERSIONS = sorted(path.parent.relative_to(EXAMPLES) for path in EXAMPLES.glob("*/versions/*/expect.toml"))
MOST_STATES = 50_000
MOST_CHANGED_LINES = 12


@cache
def checked(app: Path) -> Report:
    return check_files(_files(app), Options(), time.monotonic).report


def _files(app: Path) -> dict[str, bytes]:
    folder = EXAMPLES / app
    names = [folder / "app.toml", *folder.glob("*.blueprint.toml"), *folder.glob("*.cedar")]
    modules = [*(folder / "modules").glob("*.wasm"), *(folder / "modules").glob("*.wat")]
    found = {path.name: path.read_bytes() for path in sorted(names)}
    return found | {f"modules/{path.name}": path.read_bytes() for path in sorted(modules)}


def _good(variant: Path) -> Path:
    """The app that a variant is a broken copy of."""
    return variant.parent.parent


def _expected(variant: Path) -> Mapping[str, object]:
    return tomllib.loads((EXAMPLES / variant / "expect.toml").read_text())


def _told(finding: Finding) -> str:
    return f"{finding.diagnostic.code} {finding.property or ''}".strip()


def _notable(report: Report) -> Iterator[Finding]:
    return (found for found in report.findings if found.diagnostic.severity != "note")


def test_every_app_is_tested() -> None:
    found = {path.parent.relative_to(EXAMPLES) for path in EXAMPLES.rglob("app.toml")}
    assert {Path(app) for app in APPS} == {app for app in found if not {"broken", "versions"} & {*app.parts}}


@pytest.mark.parametrize("app", APPS)
def test_a_good_app_is_admitted_without_a_warning(app: str) -> None:
    report = checked(Path(app))
    assert [_told(found) for found in _notable(report)] == []
    assert report.verdict == "admitted"


@pytest.mark.parametrize("app", APPS)
def test_a_good_app_is_searched_whole_and_stays_small(app: str) -> None:
    level = next(level for level in checked(Path(app)).levels if level.level == 2)
    assert level.states is not None
    assert level.states < MOST_STATES


@pytest.mark.parametrize("app", APPS)
def test_a_good_app_is_laid_out_as_the_formatter_does(app: str) -> None:
    blueprints = {name: text for name, text in _files(Path(app)).items() if name.endswith(".toml")}
    for name, text in blueprints.items():
        assert format_text(text.decode(), file=name) == text.decode()


@pytest.mark.parametrize("app", APPS)
def test_every_app_has_broken_variants_and_says_what_it_shows(app: str) -> None:
    variants = [variant for variant in VARIANTS if _good(variant) == Path(app)]
    assert len(variants) >= 5
    text = (EXAMPLES / app / "README.md").read_text()
    for variant in variants:
        assert f"`{variant.name}`" in text, f"{app}/README.md does not tell of {variant.name}"


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_broken_variant_is_refused_for_its_own_reason(variant: Path) -> None:
    expected = _expected(variant)
    report = checked(variant)
    assert sorted({_told(found) for found in _notable(report)}) == expected["findings"]
    assert report.verdict == expected["verdict"]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_property_that_fails_has_a_trace_that_ends_in_it(variant: Path) -> None:
    for found in checked(variant).findings:
        if found.diagnostic.code in ("LT401", "LT402"):
            assert found.trace is not None
            assert found.trace.length >= 1
            assert found.trace.clauses, "the clause that is false is told"


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_broken_variant_differs_from_the_good_app_in_a_few_lines(variant: Path) -> None:
    good, broken = _files(_good(variant)), _files(variant)
    assert broken.keys() == good.keys()
    changed = 0
    for name, text in good.items():
        if name.endswith(".wasm"):
            assert broken[name] == text
            continue
        lines = difflib.ndiff(text.decode().splitlines(), broken[name].decode().splitlines())
        changed += sum(line.startswith(("+ ", "- ")) for line in lines)
    assert 0 < changed <= MOST_CHANGED_LINES


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_broken_variant_says_why_in_a_sentence(variant: Path) -> None:
    why = _expected(variant)["why"]
    assert isinstance(why, str)
    assert 20 < len(why) <= 160
    assert "\n" not in why


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_next_version_is_good_by_itself(version: Path) -> None:
    assert [_told(found) for found in _notable(checked(version))] == []


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_next_version_is_judged_against_the_app_that_it_replaces(version: Path) -> None:
    expected = _expected(version)
    old = read_app(_files(Path(version.parts[0]))).app
    report = check_files(_files(version), Options(against=old), time.monotonic).report
    assert sorted({_told(found) for found in _notable(report)}) == expected["findings"]
    assert report.verdict == expected["verdict"]
    for found in _notable(report):
        assert found.trace is not None
        assert any(step.event == "swap" for step in found.trace.steps)


@pytest.mark.parametrize("app", sorted({version.parts[0] for version in VERSIONS}))
def test_next_versions_are_told_of_and_some_can_replace_the_app(app: str) -> None:
    versions = [version for version in VERSIONS if version.parts[0] == app]
    text = (EXAMPLES / app / "README.md").read_text()
    assert {_expected(version)["verdict"] for version in versions} == {"admitted", "refused"}
    for version in versions:
        assert f"`{version.name}`" in text, f"{app}/README.md does not tell of {version.name}"
