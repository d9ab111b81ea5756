"""Gauges run before all else: each saved trace of an app must still have its recorded verdict (LT406)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lathe.check.composed.permit import permit_of
from lathe.check.read import finding
from lathe.check.reporting.report import Finding
from lathe.errors import Span, UnreadableError
from lathe.frozen import frozen
from lathe.lang.model import App
from lathe.machine import gauge
from lathe.machine.trace import Trace


@frozen
class Gauged:
    """One gauge of an app: what it must give, and what it gives (`fault`: it cannot be read)."""

    file: str
    expect: str
    given: tuple[str, ...]
    trace: Trace | None = None
    fault: str = ""

    @property
    def is_kept(self) -> bool:
        return not self.fault and self.expect in self.given


def run_gauges(app: App) -> list[Gauged]:
    """Every gauge of an app, in the order of their names."""
    return [_run(app, file, text) for file, text in sorted(app.gauges.items())]


def _run(app: App, file: str, text: str) -> Gauged:
    try:
        saved = gauge.load(text, file)
        expect = saved.expect
        if expect is None:
            return Gauged(file, "", (), fault='it is a trace alone: a gauge is `{"trace": …, "expect": …}`')
        replayed = gauge.run(app, saved.trace, file, permit_of(app))
    except UnreadableError as error:
        return Gauged(file, "", (), fault="; ".join(d.message for d in error.diagnostics[:3]))
    now = tuple(step.actual for step in replayed)
    clauses = tuple(c for step in replayed for broken in step.broken for c in broken.clauses)
    trace = replace(saved.trace, steps=now, clauses=clauses)
    return Gauged(file, expect, tuple(gauge.verdicts(replayed)), trace)


def gauge_findings(app: App) -> Iterator[Finding]:
    """LT406 for each gauge that does not give its verdict, with the run as it goes now."""
    for gauged in run_gauges(app):
        if gauged.is_kept:
            continue
        place = Span(gauged.file, 1, 1, 1, 1)
        if gauged.fault:
            yield finding("LT406", f"`{gauged.file}` is no gauge: {gauged.fault}", place, _ADD)
            continue
        given = " and ".join(f"`{verdict}`" for verdict in gauged.given)
        message = f"a gauge no longer gives `{gauged.expect}`: its run gives {given}"
        yield finding("LT406", message, place, _cure(gauged), trace=gauged.trace)


_ADD = "make it anew by `lathe gauge add`, or take the file away"


def _cure(gauged: Gauged) -> str:
    if gauged.expect == gauge.ADMITTED:
        return "what was mended is back: look at the step that breaks the property, and guard it again"
    return "nothing is broken by this run any more: if that is meant, let the gauge expect `admitted`"
