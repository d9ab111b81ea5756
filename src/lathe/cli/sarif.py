"""Findings as SARIF 2.1.0, for code scanning: one run, a rule for each code, a flow for each trace.

See the OASIS standard "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from lathe import __version__
from lathe.check.reporting.report import Finding, Report
from lathe.cli import trace_table
from lathe.errors import Edit, Span
from lathe.gate.codes import page, severity, title
from lathe.lang.model import Json
from lathe.machine.trace import Trace

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def sarif(reports: Sequence[tuple[Report, str]]) -> Json:
    """One document for some reports, each with what stands before the names of its files."""
    codes = sorted({f.diagnostic.code for report, _ in reports for f in report.findings})
    rules: list[Json] = [_rule(code) for code in codes]
    results: list[Json] = [
        _result(found, prefix, codes.index(found.diagnostic.code))
        for report, prefix in reports
        for found in report.findings
    ]
    verdicts: list[Json] = [{"app": r.app, "digest": r.digest, "verdict": r.verdict} for r, _ in reports]
    driver: Json = {"name": "lathe", "version": __version__, "semanticVersion": __version__, "rules": rules}
    run: Json = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {"verdicts": verdicts},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> Json:
    return {
        "id": code,
        "shortDescription": {"text": title(code)},
        "fullDescription": {"text": title(code)},
        "help": {"text": page(code), "markdown": page(code)},
        "defaultConfiguration": {"level": LEVELS[severity(code)]},
    }


def _result(found: Finding, prefix: str, index: int) -> Json:
    diagnostic = found.diagnostic
    text = diagnostic.message + (f"; {diagnostic.help}" if diagnostic.help else "")
    result: dict[str, Json] = {
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": LEVELS[diagnostic.severity],
        "message": {"text": text},
        "locations": [{"physicalLocation": _place(diagnostic.span, prefix)}],
        "partialFingerprints": {"lathe/v1": _fingerprint(found)},
    }
    if diagnostic.related:
        related: list[Json] = [
            {"id": number, "physicalLocation": _place(span, prefix), "message": {"text": message}}
            for number, (span, message) in enumerate(diagnostic.related)
        ]
        result["relatedLocations"] = related
    if found.trace is not None:
        result["codeFlows"] = [_flow(found.trace, diagnostic.span, prefix)]
    if diagnostic.edit is not None:
        result["fixes"] = [_fix(diagnostic.edit, prefix, diagnostic.help)]
    return result


def _place(span: Span, prefix: str) -> Json:
    is_empty = (span.end_line, span.end_column) <= (span.line, span.column)
    end = (span.line, span.column + 1) if is_empty else (span.end_line, span.end_column)
    region: Json = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": end[0],
        "endColumn": end[1],
    }
    return {"artifactLocation": {"uri": f"{prefix}{span.file}"}, "region": region}


def _fingerprint(found: Finding) -> str:
    """What stays the same while lines move: code, file, property and message."""
    diagnostic = found.diagnostic
    said = "\0".join((diagnostic.code, diagnostic.span.file, found.property or "", diagnostic.message))
    return sha256(said.encode()).hexdigest()[:32]


def _flow(trace: Trace, span: Span, prefix: str) -> Json:
    """The steps of a trace, all at the place of the finding: they are in time, not in the text."""
    place = _place(span, prefix)
    locations: list[Json] = [
        {"location": {"physicalLocation": place, "message": {"text": line.strip()}}}
        for line in trace_table.draw(trace, is_whole=True)
    ]
    return {"threadFlows": [{"locations": locations}]}


def _fix(edit: Edit, prefix: str, why: str) -> Json:
    place = _place(edit.span, prefix)
    assert isinstance(place, dict), "a place is an object"
    replacement: Json = {"deletedRegion": place["region"], "insertedContent": {"text": edit.text}}
    change: Json = {"artifactLocation": place["artifactLocation"], "replacements": [replacement]}
    return {"description": {"text": why}, "artifactChanges": [change]}
