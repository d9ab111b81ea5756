"""Every page's example gives its code, its cure none of it, and what is said is kept as a golden file.

`LATHE_UPDATE_GOLDEN=1 pytest tests/gate/test_codes.py` writes the golden files, what `lathe check`
says on each page, and the copies under `docs/`, anew. Review the difference.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from lathe.check.reporting.report import Coverage, Finding, Report, Verdict
from lathe.cli.line import lines
from lathe.errors import InternalError, NotFoundError
from lathe.gate import Options, check_files
from lathe.gate.codes import codes, documents, page, severity, title
from lathe.lang import read_app

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "src/lathe/gate/codes"
GOLDEN = ROOT / "tests/golden/codes"
DOCS = ROOT / "docs"
UPDATE = os.environ.get("LATHE_UPDATE_GOLDEN") == "1"

WITHOUT_EXAMPLE = {"LT405", "LT811", "LT901"}
"""Defects of ours have no blueprint that gives them (`test_schedules`); mutants are asked for."""
LINES_LIMIT = 60
LINES_LIMIT_OF_SEVERAL_FILES = 70
_BLOCK = re.compile(
    r"^`(?P<file>\S+)`\n```(?P<kind>toml|cedar|wat|diff)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
BEFORE = "before/"
"""Where an example has the version that is replaced."""
_SAID = re.compile(
    r"(?P<before>^`lathe check(?: --against before)?` says:\n```text\n).*?(?=^```$)", re.MULTILINE | re.DOTALL
)

with_example = pytest.mark.parametrize("code", [code for code in codes() if code not in WITHOUT_EXAMPLE])


def _part(code: str, heading: str) -> str:
    """The text under a heading of a page, up to the next one."""
    return page(code).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def example(code: str) -> dict[str, str]:
    """The files of a page's example."""
    return {m["file"]: m["text"] for m in _BLOCK.finditer(_part(code, "Example")) if m["kind"] != "diff"}


def cure(code: str) -> dict[str, str]:
    """The files of the example with the cure applied."""
    files = example(code)
    for match in _BLOCK.finditer(_part(code, "Cure")):
        files[match["file"]] = _patched(files[match["file"]], match["text"])
    return files


def _patched(text: str, change: str) -> str:
    """The text with a change applied: lines of ` ` and `-` are looked for from where the last one stood."""
    lines, at = text.splitlines(), 0
    for sign, line in ((c[:1], c[1:]) for c in change.splitlines()):
        if sign == "+":
            lines.insert(at, line)
            at += 1
            continue
        at = lines.index(line, at)
        if sign == "-":
            del lines[at]
        else:
            at += 1
    return "\n".join(lines) + "\n"


def checked(files: dict[str, str]) -> Report:
    """What the gate says of these files."""
    raw = {name: text.encode() for name, text in files.items() if not name.startswith(BEFORE)}
    old = {name.removeprefix(BEFORE): t.encode() for name, t in files.items() if name.startswith(BEFORE)}
    against = read_app(old).app if old else None
    return check_files(raw, Options(against=against), time.process_time).report


def _lines(findings: tuple[Finding, ...]) -> list[str]:
    """The findings as `lathe check --line` prints them, without the verdict."""
    report = Report("", "", "refused", (), findings, Coverage(), ())
    return lines(report, prefix="", name="")[:-1]


def _verdict(code: str) -> Verdict:
    if severity(code) != "error":
        return "admitted"
    return "unknown" if code == "LT801" else "refused"


def _said(code: str) -> str:
    return "".join(f"{line}\n" for line in _lines(checked(example(code)).findings))


def _expect(path: Path, text: str) -> None:
    """Compare with a file that is kept; write it if asked to."""
    if UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path.relative_to(ROOT)} is missing: LATHE_UPDATE_GOLDEN=1 writes it"
    assert path.read_text(encoding="utf-8") == text


@with_example
def test_example_gives_its_code_alone(code: str) -> None:
    report = checked(example(code))
    assert {f.diagnostic.code for f in report.findings} == {code}, _lines(report.findings)
    assert {f.diagnostic.severity for f in report.findings} == {severity(code)}
    assert report.verdict == _verdict(code)


@with_example
def test_cure_is_admitted_with_nothing_to_find(code: str) -> None:
    report = checked(cure(code))
    assert _lines(report.findings) == []
    assert report.verdict == "admitted"


@with_example
def test_what_is_said_of_the_example_is_the_golden_file(code: str) -> None:
    _expect(GOLDEN / f"{code}.txt", _said(code))


@with_example
def test_page_quotes_what_is_said(code: str) -> None:
    said = _said(code)
    _expect(PAGES / f"{code}.md", _SAID.sub(lambda m: m["before"] + said, page(code), count=1))


@pytest.mark.parametrize("name", sorted(documents()))
def test_docs_hold_the_pages(name: str) -> None:
    _expect(DOCS / name, documents()[name])


def test_docs_hold_no_page_of_a_code_that_is_gone() -> None:
    held = {path.relative_to(DOCS).as_posix() for path in (DOCS / "reference/errors").glob("*.md")}
    assert held == set(documents())


def test_golden_files_are_those_of_the_codes() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(codes()) - WITHOUT_EXAMPLE


@pytest.mark.parametrize("code", codes())
def test_page_is_short_and_has_every_part(code: str) -> None:
    text = page(code)
    assert text.startswith(f"# {code}: {title(code)}\n\nSeverity: **{severity(code)}** · level ")
    assert "\n**What it means.** " in text
    assert "\n**Why it matters.** " in text
    assert "\n## Cure\n" in text
    limit = LINES_LIMIT_OF_SEVERAL_FILES if len(example(code)) > 1 else LINES_LIMIT
    assert len(text.splitlines()) < limit
    assert "\n```text\n\n```" not in text


def test_defect_of_ours_is_told_and_never_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise InternalError("two parts disagree")

    monkeypatch.setattr("lathe.gate.verdict.reach", broken)
    raw = {name: text.encode() for name, text in cure("LT001").items()}
    report = check_files(raw, Options(accept_bounds=True), time.process_time).report
    assert [f.diagnostic.code for f in report.findings] == ["LT901"]
    assert report.findings[0].diagnostic.severity == severity("LT901")
    assert report.verdict == "refused"


def test_unknown_code_is_not_found() -> None:
    for name in ("LT999", "lt001", "../codes/LT001", ""):
        with pytest.raises(NotFoundError):
            page(name)
