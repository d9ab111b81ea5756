"""A report as somebody reads it: each finding with its line, its run and its cure, then the verdict."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.check.reporting.report import Finding, LevelReport, Report
from lathe.cli import trace_table
from lathe.cli.colors import PLAIN, Paint
from lathe.cli.excerpt import Excerpts
from lathe.cli.line import head
from lathe.cli.output import WIDTH_DEFAULT, clean
from lathe.cli.verdict import counted, seconds_text, verdict_line
from lathe.errors import Diagnostic
from lathe.frozen import frozen
from lathe.machine.trace import Trace

FINDINGS_LIMIT = 20
"""Findings drawn; what is left out is counted, and `--line` lists all."""
BOUNDS_LIMIT = 6
"""Lines of what was not covered; `--json` has all."""
DIGEST_LENGTH = 12
MARGIN = 2
LABEL_WIDTH = len("not covered")


@frozen
class View:
    """How to draw: the files to quote, what goes before their names, colours, and columns."""

    files: Mapping[str, bytes]
    prefix: str
    name: str = ""
    paint: Paint = PLAIN
    width: int = WIDTH_DEFAULT


def findings_text(diagnostics: tuple[Diagnostic, ...], view: View) -> list[str]:
    """The lines of diagnostics alone, without a verdict."""
    return _findings(tuple(Finding(diagnostic) for diagnostic in diagnostics), view)


def report_text(report: Report, view: View) -> list[str]:
    """The lines of a whole report; the verdict is the last."""
    verdict = view.paint(report.verdict, clean(verdict_line(report, name=view.name)))
    return [*_findings(report.findings, view), *_summary(report, view), verdict]


def trace_text(finding: Finding, trace: Trace, view: View) -> list[str]:
    """One finding with all of its trace, starts and stops too."""
    return [*_head(finding, view), *_run(trace, view=view, is_whole=True)]


def _findings(findings: tuple[Finding, ...], view: View) -> list[str]:
    drawn: list[str] = []
    traced: set[str] = set()
    said = ""
    for finding in findings[:FINDINGS_LIMIT]:
        code = finding.diagnostic.code
        drawn += _finding(finding, view, is_first=code not in traced, said=said)
        drawn.append("")
        said = finding.diagnostic.help
        if finding.trace is not None:
            traced.add(code)
    left_out = len(findings) - FINDINGS_LIMIT
    if left_out > 0:
        drawn += [f"and {left_out} more findings: `--line` lists them all", ""]
    return drawn


def _finding(finding: Finding, view: View, *, is_first: bool, said: str) -> list[str]:
    found = finding.diagnostic
    drawn = _head(finding, view)
    gutter = _gutter(finding)
    excerpts = Excerpts(view.files, view.paint, view.width)
    drawn += excerpts.draw(found.span, gutter=gutter)
    for span, message in found.related[:2]:
        drawn.append(clean(f"{' ' * MARGIN}{view.prefix}{span}: {message}"))
    if finding.trace is not None:
        drawn += _run(finding.trace, view=view) if is_first else _short(finding.trace)
    if found.help and (found.help != said or found.edit):
        drawn.append(f"{' ' * MARGIN}{view.paint('help', 'help:')} {clean(found.help)}")
    if found.edit is not None:
        drawn += excerpts.edit(found.edit, gutter=gutter, above=found.span.line)
    return drawn


def _head(finding: Finding, view: View) -> list[str]:
    place, what, message = head(finding, view.prefix)
    role = finding.diagnostic.severity
    return [f"{view.paint('strong', clean(place))}: {view.paint(role, clean(what))}: {clean(message)}"]


def _gutter(finding: Finding) -> int:
    found = finding.diagnostic
    numbers = [found.span.line, *([found.edit.span.end_line] if found.edit else [])]
    return MARGIN + len(str(max(numbers)))


def _run(trace: Trace, *, view: View, is_whole: bool = False) -> list[str]:
    entities = {part.entity for step in trace.steps for part in step.parts}
    whose = f" of {entities.pop()}" if len(entities) == 1 else ""
    title = (
        f"trace {trace.id}{whose}:"
        if is_whole
        else f"trace {trace.id[: trace_table.ID_LENGTH]}, the shortest{whose}:"
    )
    drawn = [view.paint("faint", f"{' ' * MARGIN}{title}")]
    drawn += [f"{' ' * (2 * MARGIN)}{clean(line)}" for line in trace_table.draw(trace, is_whole=is_whole)]
    label = f"{' ' * MARGIN}{view.paint('error', 'false:')}"
    return drawn + [f"{label} {clean(trace_table.clause_line(clause))}" for clause in trace.clauses]


def _short(trace: Trace) -> list[str]:
    """A further run of the same kind: its length and where to see it."""
    length = f"{trace.length} step" if trace.length == 1 else f"{trace.length} steps"
    clauses = "".join(f"; false: {trace_table.clause_line(clause)}" for clause in trace.clauses[:1])
    return [
        clean(f"{' ' * MARGIN}{length}, `--trace {trace.id[: trace_table.ID_LENGTH]}` shows them{clauses}")
    ]


def _summary(report: Report, view: View) -> list[str]:
    """What ran, what was covered and what was not; nothing of files that could not be read."""
    if all(level.verdict in ("fails", "skipped") for level in report.levels if level.level < 2):
        return []
    bounds = [bound for bound in report.not_covered if not bound.startswith("level ")]
    rows = [("level", _level(level, bounds)) for level in report.levels]
    rows += [("covered", text) for text in _covered(report)]
    rows += [("not covered", bound) for bound in bounds[:BOUNDS_LIMIT]]
    if len(bounds) > BOUNDS_LIMIT:
        rows.append(("not covered", f"and {len(bounds) - BOUNDS_LIMIT} more: `--json` has all"))
    labels = ["" if i and label == rows[i - 1][0] else label for i, (label, _) in enumerate(rows)]
    return [
        f"{view.paint('faint', label.ljust(LABEL_WIDTH))}  {clean(text)}"
        for label, (_, text) in zip(labels, rows, strict=True)
    ]


def _level(level: LevelReport, bounds: list[str]) -> str:
    counts = [
        f"{count} {word}"
        for word, count in (("states", level.states), ("steps", level.steps), ("seeds", level.seeds))
        if count
    ]
    depth = [f"depth {level.depth}"] if level.depth else []
    time = [seconds_text(level.seconds)] if level.verdict != "skipped" else []
    why = f": {level.why}" if level.why and level.why not in bounds else ""
    return ", ".join([f"{level.level} {level.name} {level.verdict}", *time, *counts, *depth]) + why


def _covered(report: Report) -> list[str]:
    covered = report.covered
    said = [counted(covered.bounds)] if covered.bounds else []
    for word, counts in (
        ("actions", covered.actions),
        ("states", covered.states),
        ("ends of effects", covered.effects),
        ("policies", covered.policies),
    ):
        if counts:
            said.append(f"{sum(map(bool, counts.values()))} of {len(counts)} {word}")
    if covered.exhaustive:
        is_whole = covered.exhaustive.startswith("within")
        said.append(f"exhaustive {covered.exhaustive}" if is_whole else covered.exhaustive)
    lines = ["; ".join(said)] if said else []
    if covered.proved:
        lines.append(f"proved for all values: {', '.join(covered.proved)}")
    if covered.alike:
        lines.append(f"one state for all that differ only in which is which: {', '.join(covered.alike)}")
    if covered.migrated:
        digest = str(covered.migrated["from"]).removeprefix("sha256:")[:DIGEST_LENGTH]
        states, images = covered.migrated["states"], covered.migrated["images"]
        lines.append(f"migration from {digest}: {states} states of the version before, {images} images")
        if "alike" in covered.migrated:
            lines[-1] += f", one for all that differ only in which is which: {covered.migrated['alike']}"
    return lines
