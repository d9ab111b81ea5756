"""A report as one line, and as an exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from lathe.check.reporting.report import Coverage, Finding, LevelReport, Report
from lathe.cli import exitcode
from lathe.errors import Diagnostic


def verdict_line(report: Report, *, name: str) -> str:
    """`rollout: refused, 1 error, 2 warnings`. `name` stands in where the app's is not known."""
    counts = Counter(finding.diagnostic.severity for finding in report.findings)
    said = [_plural(counts[severity], severity) for severity in ("error", "warning") if counts[severity]]
    accepted = [f"accepted: {', '.join(report.accepted_bounds)}"] if report.accepted_bounds else []
    return f"{report.app or name}: {', '.join([report.verdict, *said, *accepted])}"


def exit_code(report: Report) -> int:
    """0 admitted; 3 if it cannot be read (errors of LT0xx and LT1xx alone); 1 otherwise."""
    if report.verdict == "admitted":
        return exitcode.DONE
    errors = [f.diagnostic.code for f in report.findings if f.diagnostic.severity == "error"]
    if any(code == "LT901" for code in errors):
        return exitcode.INTERNAL
    if errors and all(code.startswith(("LT0", "LT1")) for code in errors):
        return exitcode.UNREADABLE
    return exitcode.FINDINGS


def unreadable(diagnostics: tuple[Diagnostic, ...]) -> Report:
    """The report about files of which not even the first level could be begun."""
    return Report(
        app="",
        digest="",
        verdict="refused",
        levels=(LevelReport(0, "read", "fails"),),
        findings=tuple(Finding(diagnostic) for diagnostic in diagnostics),
        covered=Coverage(),
        not_covered=(),
    )


def seconds_text(seconds: float) -> str:
    """`7 ms`, `1.4 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def counted(counts: Mapping[str, int]) -> str:
    """`2 Rollout, 1 Cell`."""
    return ", ".join(f"{count} {_one(name, count)}" for name, count in counts.items())


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _one(name: str, count: int) -> str:
    return name.removesuffix("s") if count == 1 and name == "principals" else name
