"""From files to a report: runs the levels in order and says what was not covered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import monotonic

from lathe.check.reach import Reached, reach
from lathe.check.read import finding, structure
from lathe.check.reporting.report import (
    INTERRUPTED,
    Coverage,
    Finding,
    LevelReport,
    Report,
    Verdict,
)
from lathe.check.search.graph import Clock
from lathe.errors import InternalError
from lathe.frozen import frozen
from lathe.gate.numpy_cpu import ready_numpy
from lathe.lang import digest, read_app
from lathe.lang.model import App
from lathe.lang.source import Source

HIGHEST_LEVEL = 4
DEFAULT_LEVEL = 2
"""What a runtime asks for before it loads an app: level 3 is about the runtime itself (ADR 20)."""

GOES_ON = {"LT406", "LT801"}
"""Errors of the reading that do not keep the search from going on."""

NAMES = {1: "algebra", 2: "reach", 3: "schedules", 4: "properties"}


@frozen
class Options:
    """What a check is asked for. `accept_bounds`: an unknown verdict within named bounds is taken.

    `against` is the version that the app would replace. Level 3 runs `seeds` seeds (None: a fixed amount of
    work), from `seed` on.
    """

    level: int = DEFAULT_LEVEL
    budget_seconds: float | None = None
    accept_bounds: bool = False
    against: App | None = None
    seeds: int | None = None
    seed: int = 0


DEFAULTS = Options()


@frozen
class Outcome:
    """A report, with the sources that its spans point into."""

    report: Report
    sources: Mapping[str, Source]
    app: App | None


def check_files(files: Mapping[str, bytes], options: Options = DEFAULTS, clock: Clock = monotonic) -> Outcome:
    """Check the files of an app. `files` are contents by path inside the app; `clock` gives seconds."""
    started = clock()
    reading = read_app(files)
    if reading.app is None:
        findings = tuple(Finding(d) for d in reading.diagnostics)
        level = LevelReport(0, "read", "fails", clock() - started)
        skipped = tuple(_skipped(n, "the files cannot be read") for n in (1, 2, 3, 4))
        report = Report("", "", "refused", (level, *skipped), findings, Coverage(), ())
        return Outcome(report, reading.sources, None)
    noted = (*(Finding(d) for d in reading.diagnostics), *_modules(reading.app, files))
    report = check_app(reading.app, options, clock, noted=noted, started=started)
    for number, judge in ((3, _with_schedules), (4, _with_properties)):
        if options.level < number:
            break
        if report.is_interrupted:
            report = _with(report, _skipped(number, f"{INTERRUPTED} the check"))
        else:
            report = judge(report, reading.app, files, options, clock)
    return Outcome(report, reading.sources, reading.app)


def _with(report: Report, level: LevelReport) -> Report:
    """The report with one level in the place of its number."""
    return replace(report, levels=tuple(level if one.level == level.level else one for one in report.levels))


def _with_properties(
    report: Report, app: App, files: Mapping[str, bytes], options: Options, clock: Clock
) -> Report:
    """The report with level 4; of an app that the levels below admitted alone."""
    if report.verdict != "admitted":
        return _with(report, _skipped(4, "the levels before did not admit it"))
    from lathe.gate.properties import properties  # only here: it loads the runtime

    ran = properties(app, files, plans=options.seeds, first=options.seed, clock=clock)
    not_covered = [line for line in report.not_covered if not line.startswith("level 4 ")]
    return replace(
        report,
        verdict="refused" if ran.findings else report.verdict,
        levels=tuple(ran.level if one.level == 4 else one for one in report.levels),
        findings=(*report.findings, *ran.findings),
        not_covered=(*not_covered, ran.not_covered),
    )


def _with_schedules(
    report: Report, app: App, files: Mapping[str, bytes], options: Options, clock: Clock
) -> Report:
    """The report with level 3; of an app that the levels below admitted alone."""
    found: tuple[Finding, ...] = ()
    level = LevelReport(3, "schedules", "skipped", why="the levels before did not admit it")
    bounds: tuple[str, ...] = ()
    if report.verdict == "admitted":
        from lathe.gate.schedules import schedules  # only here: it loads the runtime

        ran = schedules(app, files, seeds=options.seeds, first=options.seed, clock=clock)
        level, found, bounds = ran.level, ran.findings, (ran.not_covered,)
    levels = tuple(level if one.level == 3 else one for one in report.levels)
    not_covered = [line for line in report.not_covered if not line.startswith("level 3 ")]
    return replace(
        report,
        verdict="refused" if found else report.verdict,
        levels=levels,
        findings=(*report.findings, *found),
        not_covered=(*not_covered, *bounds),
    )


def check_app(
    app: App,
    options: Options = DEFAULTS,
    clock: Clock = monotonic,
    *,
    noted: tuple[Finding, ...] = (),
    started: float | None = None,
) -> Report:
    """Check an app that was read. `noted` are findings of the reading that do not stop it."""
    started = clock() if started is None else started
    ready_numpy()
    name = digest(app)
    found = [*noted, *structure(app), *_gauged(app)]
    blocked = any(f.diagnostic.severity == "error" and f.diagnostic.code not in GOES_ON for f in found)
    level0 = LevelReport(0, "read", "fails" if blocked else "passes", clock() - started)
    if blocked or options.level < 2:
        why = "level 0 found errors" if blocked else "not asked for"
        proofs = () if blocked or options.level < 1 else (_algebra(app, options, clock),)
        return _report(app, name, (level0, *proofs, _skipped(2, why)), found, None, options)
    try:
        reached = reach(app, name, clock, options.budget_seconds)
        if options.against is not None:
            from lathe.gate.replacing import replacing  # only here: it loads the machine

            reached = replacing(options.against, app, (name, reached), clock, options.budget_seconds)
    except InternalError as error:
        level2 = LevelReport(2, "reach", "unknown", clock() - started, why="a defect of Lathe")
        return _report(app, name, (level0, level2), [*found, _defect(app, error)], None, options)
    level1 = reached.algebra or LevelReport(1, "algebra", "skipped", why=_why_not_asked(reached))
    return _report(app, name, (level0, level1, reached.level), [*found, *reached.findings], reached, options)


def _why_not_asked(reached: Reached) -> str:
    """Why level 2 had no question for level 1."""
    if reached.covered.exhaustive != "within bounds":
        return "level 2 ended before it had searched everything"
    if not any(f.diagnostic.code == "LT802" for f in reached.findings):
        return (
            f"every value that {reached.few} reach was searched"
            if reached.few
            else "every value was searched"
        )
    if reached.level.verdict == "fails":
        return "level 2 found errors"
    return "nothing is open for want of a value"


def _gauged(app: App) -> list[Finding]:
    """What the app's gauges say; an app without any loads nothing for it."""
    if not app.gauges:
        return []
    from lathe.gate.gauges import gauge_findings  # only here: it loads the machine

    return list(gauge_findings(app))


def _modules(app: App, files: Mapping[str, bytes]) -> list[Finding]:
    """What is wrong with the modules; an app without any loads nothing for it."""
    if not app.modules:
        return []
    from lathe.gate.modules import module_findings  # only here: it loads wasmtime

    return list(module_findings(app, files))


def _algebra(app: App, options: Options, clock: Clock) -> LevelReport:
    """Level 1 alone: everything is tried, with lemmas from a short search."""
    from lathe.check.algebra.level import prove_app  # only here: it loads z3
    from lathe.check.algebra.tell import algebra_level

    started = clock()
    found = prove_app(app, None, clock, options.budget_seconds)
    return algebra_level(app, found, clock() - started)[0]


def _defect(app: App, error: InternalError) -> Finding:
    """LT901: two of our own parts disagree, so nothing that they say is shown."""
    message = f"a defect of Lathe: {error}"
    cure = "report it with this app's files and the verifier's version; the blueprint is not at fault"
    return finding("LT901", message, app.span, cure)


def _skipped(level: int, why: str) -> LevelReport:
    return LevelReport(level, NAMES[level], "skipped", why=why)


def _report(
    app: App,
    name: str,
    levels: tuple[LevelReport, ...],
    findings: list[Finding],
    reached: Reached | None,
    options: Options,
) -> Report:
    missing = {1, 3, 4} - {x.level for x in levels}
    every = sorted((*levels, *(_skipped(n, "not asked for") for n in missing)), key=lambda x: x.level)
    verdict = _verdict(findings, every)
    accepted: tuple[str, ...] = ()
    if verdict == "unknown" and options.accept_bounds and reached is not None:
        accepted = tuple(f.diagnostic.message for f in findings if f.diagnostic.code == "LT801")
        verdict = "admitted"
    not_covered = reached.not_covered if reached else ()
    return Report(
        app=app.name,
        digest=name,
        verdict=verdict,
        levels=tuple(every),
        findings=tuple(findings),
        covered=reached.covered if reached else Coverage(),
        not_covered=(*not_covered, *_later(every)),
        accepted_bounds=accepted,
    )


def _later(levels: list[LevelReport]) -> list[str]:
    return [f"level {x.level} ({x.name}): {x.why}" for x in levels if x.verdict == "skipped" and x.level >= 3]


def _verdict(findings: list[Finding], levels: list[LevelReport]) -> Verdict:
    errors = {f.diagnostic.code for f in findings if f.diagnostic.severity == "error"}
    if errors - {"LT801"}:
        return "refused"
    is_open = any(level.level == 2 and level.verdict in ("unknown", "skipped") for level in levels)
    return "unknown" if errors or is_open else "admitted"
