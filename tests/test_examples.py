"""The examples: every good app is admitted, every broken variant is refused for exactly its own reason."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from time import process_time

import pytest

from lathe.check.algebra.level import prove_app
from lathe.check.reporting.report import Finding, Report
from lathe.check.search import tiers
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
VARIANTS = sorted(
    (path.parent.relative_to(EXAMPLES) for path in EXAMPLES.rglob("broken/*/expect.toml")),
    key=lambda path: (len(path.parts), path),
)
OF_APPS = [variant for variant in VARIANTS if not variant.is_relative_to("protocols")]
"""They come first, so that all that is asked of a variant is asked together, of one check."""
VERSIONS = sorted(path.parent.relative_to(EXAMPLES) for path in EXAMPLES.glob("*/versions/*/expect.toml"))
MOST_STATES = 50_000
MOST_CHANGED_LINES = 12


@cache
def checked(app: Path) -> Report:
    return check_files(_files(app), Options(), process_time).report  # a busy machine costs no verdict


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


def of_each(variants: list[Path]) -> pytest.MarkDecorator:
    """With all that is asked of a variant beside each other."""
    return pytest.mark.parametrize("variant", variants, ids=str, scope="module")


@of_each(VARIANTS)
def test_a_broken_variant_is_refused_for_its_own_reason(variant: Path) -> None:
    expected = _expected(variant)
    report = checked(variant)
    assert sorted({_told(found) for found in _notable(report)}) == expected["findings"]
    assert report.verdict == expected["verdict"]


@of_each(VARIANTS)
def test_a_property_that_fails_has_a_trace_that_ends_in_it(variant: Path) -> None:
    for found in checked(variant).findings:
        if found.diagnostic.code in ("LT401", "LT402"):
            assert found.trace is not None
            assert found.trace.length >= 1
            assert found.trace.clauses, "the clause that is false is told"


@of_each(OF_APPS)
def test_nothing_is_proved_that_the_search_refutes(variant: Path) -> None:
    app = read_app(_files(variant)).app
    found = prove_app(app, None, process_time, 1) if app is not None else None
    spans = found.proofs.proved if found else frozenset()
    for finding in checked(variant).findings:
        if finding.diagnostic.code in ("LT204", "LT205", "LT401", "LT402", "LT501"):
            assert finding.diagnostic.span not in spans, str(finding.diagnostic)


@of_each(OF_APPS)
def test_both_tiers_give_the_same_verdict(variant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = checked(variant)
    monkeypatch.setattr(tiers, "HAND_OVER_STATES", 0)
    large = check_files(_files(variant), clock=process_time).report
    assert large.verdict == small.verdict
    assert [(f.diagnostic.code, f.diagnostic.span) for f in large.findings] == [
        (f.diagnostic.code, f.diagnostic.span) for f in small.findings
    ]
    assert [f.trace.length if f.trace else 0 for f in large.findings] == [
        f.trace.length if f.trace else 0 for f in small.findings
    ]
    assert large.covered.states.keys() == small.covered.states.keys()


@of_each(VARIANTS)
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


@of_each(VARIANTS)
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
    report = check_files(_files(version), Options(against=old), process_time).report
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
