"""A report as the JSON document that `lathe check --json` prints (envelope version 1)."""

from __future__ import annotations

from collections.abc import Mapping

from lathe import __version__
from lathe.check.reporting.report import Coverage, Finding, LevelReport, Report
from lathe.errors import Edit, Span
from lathe.lang.model import Json
from lathe.machine import tracejson

ENVELOPE_VERSION = 1


EXCERPT_LINES = 3
"""Lines of a file above and below the one that a finding is about."""
EXCERPT_CHARACTERS = 400
"""A longer line is cut: an excerpt is there to be read."""

Files = Mapping[str, bytes]


def to_json(report: Report, files: Files | None = None) -> dict[str, Json]:
    """The report as plain JSON data, members in reading order. `ok` is true for `admitted` alone.

    A finding's members without content are left out, and so are a level's counts that it has not. With the
    `files` that were checked, each finding has an excerpt of the lines that it is about.
    """
    return {
        "v": ENVELOPE_VERSION,
        "ok": report.verdict == "admitted",
        "verdict": report.verdict,
        "app": report.app,
        "digest": report.digest,
        "verifier": __version__,
        **({"cached": report.cached} if report.cached else {}),
        "levels": [_level(level) for level in report.levels],
        "findings": [finding_json(finding, files) for finding in report.findings],
        "covered": _coverage(report.covered),
        "not_covered": list(report.not_covered),
        "accepted_bounds": list(report.accepted_bounds),
    }


def _level(level: LevelReport) -> Json:
    counts: dict[str, Json] = {
        "states": level.states,
        "steps": level.steps,
        "depth": level.depth,
        "seeds": level.seeds,
    }
    return {
        "level": level.level,
        "name": level.name,
        "verdict": level.verdict,
        "seconds": round(level.seconds, 4),
        **{name: count for name, count in counts.items() if count is not None},
        **({"why": level.why} if level.why else {}),
    }


def finding_json(finding: Finding, files: Files | None = None) -> Json:
    """One finding, with an excerpt if there are files."""
    diagnostic = finding.diagnostic
    optional: dict[str, Json] = {
        "excerpt": _excerpt(diagnostic.span, files or {}),
        "property": finding.property,
        "trace": tracejson.to_json(finding.trace) if finding.trace else None,
        "help": diagnostic.help or None,
        "related": [{**_place(span), "message": message} for span, message in diagnostic.related] or None,
        "edit": _edit(diagnostic.edit) if diagnostic.edit else None,
    }
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.span),
        "end_line": diagnostic.span.end_line,
        "end_column": diagnostic.span.end_column,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _excerpt(span: Span, files: Files) -> Json:
    """The lines around a place, with the number of the first; None of a file that is not there."""
    data = files.get(span.file)
    if data is None:
        return None
    lines = data.decode("utf-8", "replace").split("\n")
    first = max(1, span.line - EXCERPT_LINES)
    shown = lines[first - 1 : span.line + EXCERPT_LINES]
    return {"line": first, "lines": [line.rstrip("\r")[:EXCERPT_CHARACTERS] for line in shown]}


def _place(span: Span) -> dict[str, Json]:
    return {"file": span.file, "line": span.line, "column": span.column}


def _edit(edit: Edit) -> Json:
    end: dict[str, Json] = {"end_line": edit.span.end_line, "end_column": edit.span.end_column}
    return {**_place(edit.span), **end, "text": edit.text}


def _coverage(covered: Coverage) -> Json:
    return {
        "bounds": dict(covered.bounds),
        "actions": dict(covered.actions),
        "states": dict(covered.states),
        "effects": dict(covered.effects),
        "exhaustive": covered.exhaustive,
        "fingerprint": covered.fingerprint,
        **({"proved": list(covered.proved)} if covered.proved else {}),
        **({"alike": list(covered.alike)} if covered.alike else {}),
        **({"policies": dict(covered.policies)} if covered.policies else {}),
        **({"migrated": dict(covered.migrated)} if covered.migrated else {}),
    }
