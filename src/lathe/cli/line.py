"""A report with one line a finding, for editors, `grep` and agents."""

from __future__ import annotations

from lathe.check.reporting.report import Finding, Report
from lathe.cli.output import clean
from lathe.cli.verdict import verdict_line


def lines(report: Report, *, prefix: str, name: str) -> list[str]:
    """`file:line:col: error LT401 one_broker_down: message | help` for each, then the verdict."""
    return [*(_line(finding, prefix) for finding in report.findings), verdict_line(report, name=name)]


def head(finding: Finding, prefix: str) -> tuple[str, str, str]:
    """A finding's place, its severity and code (with the property), and its sentence."""
    found = finding.diagnostic
    about = f" {finding.property}" if finding.property else ""
    return f"{prefix}{found.span}", f"{found.severity} {found.code}{about}", found.message


def _line(finding: Finding, prefix: str) -> str:
    place, what, message = head(finding, prefix)
    cure = f" | {finding.diagnostic.help}" if finding.diagnostic.help else ""
    return clean(f"{place}: {what}: {message}{cure}".replace("\n", " "))
