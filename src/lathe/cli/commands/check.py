"""`lathe check`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import click

from lathe.check.reporting.report import Finding, Report
from lathe.cli import exitcode, files, output, trace_table
from lathe.cli.check_clock import Watch
from lathe.cli.colors import Paint
from lathe.cli.command import colour_option, command as make_command
from lathe.cli.line import lines
from lathe.cli.options import seconds
from lathe.cli.reading import read
from lathe.cli.text import View, report_text, trace_text
from lathe.cli.verdict import exit_code, unreadable
from lathe.errors import NotFoundError, UnreadableError, UsageError
from lathe.gate import Options, cache, check_files
from lathe.lang.model import App
from lathe.machine.trace import Trace

LEVELS = (0, 1, 2, 3, 4)
"""The levels that exist."""
MUTATION_SECONDS = 120.0
SCHEMES = ("http://", "https://")
"""What a runtime's address begins with, where a folder could stand too."""


@make_command(
    "check", examples=("lathe check examples/rollout", "lathe check --line --budget 30s examples/*")
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
@click.option(
    "--level",
    type=click.IntRange(min(LEVELS), max(LEVELS)),
    metavar="N",
    help="Run levels 0 to N (default: all that exist).",
)
@click.option(
    "--budget",
    callback=seconds,
    metavar="DURATION",
    help="Stop searching and judging after this long, as `500ms`, `30s` or `2m`.",
)
@click.option(
    "--trace",
    "trace_id",
    metavar="ID",
    help="Show one trace alone and whole, by its id, property or code; with --json, as a file to keep.",
)
@click.option(
    "--against",
    type=click.Path(),
    metavar="OLD",
    help="Check too that what lives in the version at OLD, a folder or a runtime's URL, has a place here.",
)
@click.option(
    "--seeds",
    type=click.IntRange(0),
    metavar="N",
    help="How many worlds level 3 simulates, and plans level 4 tries (default: a fixed amount of "
    "work, under a second); 0 leaves both out.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, metavar="S", help="The first of them (default: 0)."
)
@click.option("--mutate", is_flag=True, help="Tell which single changes nothing would notice.")
@click.option(
    "--proofs",
    "proofs",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Write what level 1 proves as SMT-LIB, for any solver to recheck.",
)
@click.option(
    "--accept-bounds",
    is_flag=True,
    help="Admit what stayed undecided within bounds; the report records them.",
)
@click.option("--no-cache", is_flag=True, help="Check anew, and keep no verdict for the next time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for each app, each on a line.")
@click.option("--sarif", "as_sarif", is_flag=True, help="One SARIF 2.1.0 document, for code scanning.")
@click.option("--line", "as_lines", is_flag=True, help="One line for each finding, then the verdict.")
@colour_option
def command(
    *,
    paths: tuple[str, ...],
    level: int | None,
    budget: float | None,
    trace_id: str | None,
    against: str | None,
    seeds: int | None,
    seed: int,
    mutate: bool,
    proofs: str | None,
    accept_bounds: bool,
    no_cache: bool,
    as_json: bool,
    as_sarif: bool,
    as_lines: bool,
    color: output.When,
) -> int:
    """Check apps: every state that each can reach, or the shortest way to what must never be so.

    PATH is an app's folder, its `app.toml`, or a `*.blueprint.toml` alone. Exit code: 0 admitted,
    1 refused or unknown, 3 unreadable, 130 interrupted: what is known by then is printed.
    """
    if as_json + as_lines + as_sarif > 1:
        raise UsageError("give one of --json, --line and --sarif")
    if trace_id is not None and (as_lines or as_sarif or len(paths) != 1):
        raise UsageError("--trace goes with one path, and not with --line or --sarif")
    if proofs is not None and len(paths) != 1:
        raise UsageError("--proofs goes with one path")
    if against is not None and len(paths) != 1:
        raise UsageError("--against goes with one path")
    wanted = max(LEVELS) if level is None else level
    options = Options(
        level=min(wanted, 2) if seeds == 0 else wanted,
        budget_seconds=budget,
        accept_bounds=accept_bounds,
        against=_version(against, paths[0]) if against is not None else None,
        seeds=seeds or None,
        seed=seed,
    )
    codes: list[int] = []
    scanned: list[tuple[Report, str]] = []
    for path in paths:
        paint = Paint(output.has_colour(color))
        kept_in = None if no_cache else cache.default_folder()
        report, view, is_whole = _check(path, options, paint=paint, folder=kept_in)
        if against is not None and report.verdict == "admitted":
            report = _with_population(report, against, path)
        if mutate and is_whole:
            report, is_whole = _mutated(path, report, budget)
        codes.append(exit_code(report) if is_whole else exitcode.INTERRUPTED)
        if proofs is not None and is_whole:
            _write_proofs(path, proofs, budget)
        if as_sarif:
            scanned.append((report, view.prefix))
        elif trace_id is not None:
            _show_trace(report, view, trace_id, as_json=as_json)
        else:
            _show(report, view, is_first=len(codes) == 1, as_json=as_json, as_lines=as_lines)
        if not is_whole:
            output.talk("lathe: interrupted: this is what was known by then")
            break
    if as_sarif:
        from lathe.cli.sarif import sarif  # only here

        output.data(_dump(sarif(scanned)))
    return exitcode.worst(codes)


def _show(report: Report, view: View, *, is_first: bool, as_json: bool, as_lines: bool) -> None:
    if as_json:
        output.data(_json(report, view.files))
    elif as_lines:
        output.data("\n".join(lines(report, prefix=view.prefix, name=view.name)))
    else:
        output.data("\n".join([*([] if is_first else [""]), *report_text(report, view)]))


def _version(against: str, path: str) -> App:
    """The version that the app would replace: in a folder, or in a runtime."""
    if not against.startswith(SCHEMES):
        return read(against)
    from lathe.cli.live import running  # only where a runtime is asked

    return running(against, path)


def _with_population(report: Report, against: str, path: str) -> Report:
    """The report with everybody who lives in a runtime now; of a folder nobody does."""
    if not against.startswith(SCHEMES):
        return report
    from lathe.cli.live import with_population  # only where a runtime is asked

    return with_population(report, against, path)


def _check(path: str, options: Options, *, paint: Paint, folder: str | None) -> tuple[Report, View, bool]:
    """The report, how it is shown, and whether it came to its end: Ctrl-C leaves what was known by then."""
    name = files.printable(path)
    try:
        loaded = files.load(path)
    except UnreadableError as error:
        view = View({}, files.prefix_of(path), name, paint, output.width())
        return unreadable(error.diagnostics), view, True
    view = View(loaded.files, loaded.prefix, name, paint, output.width())
    report, is_whole = _answer(name, loaded.files, options, folder)
    if files.stands_in_app(path) and report.verdict != "admitted":
        output.talk(
            f"`{name}` was read alone; `lathe check {loaded.prefix or '.'}` checks the app that it is part of"
        )
    return report, view, is_whole


def _answer(
    name: str, contents: Mapping[str, bytes], options: Options, folder: str | None
) -> tuple[Report, bool]:
    """The report, the one kept from an earlier run or a new one, which is kept; and whether it is whole."""
    asked = cache.question(contents, options) if folder is not None else None
    kept = cache.recall(folder, asked) if folder is not None and asked is not None else None
    if kept is not None:
        when = kept.cached.translate({ord("T"): " ", ord("Z"): " UTC"})
        output.talk(f"`{name}`: cached verdict of {when}; `--no-cache` checks anew")
        return kept, True
    with Watch(name, is_patient=options.budget_seconds is None) as watch:
        report = check_files(contents, options, watch).report
    if folder is not None and asked is not None and not watch.was_interrupted:
        cache.keep(folder, asked, report)
    return report, not watch.was_interrupted


def _mutated(path: str, report: Report, budget: float | None) -> tuple[Report, bool]:
    """The report with what its properties would not notice, of an app that is admitted alone, and whether
    that came to its end.
    """
    if report.verdict != "admitted":
        output.talk(f"`{files.printable(path)}` is not admitted: mend it before its properties are measured")
        return report, True
    from lathe.gate import mutation  # only where mutants are asked for

    app = read(path)
    with Watch(f"the mutants of {files.printable(path)}") as watch:
        seconds = budget if budget is not None else MUTATION_SECONDS
        found = mutation.score(app, watch, stop_at=watch() + seconds)
    output.talk(
        f"mutation score {found.percent:.0f} %: {found.killed} of {len(found.tried)} mutants killed, "
        f"{found.equivalent} equivalent" + (f", {found.left} not tried" if found.left else "")
    )
    if found.left and not watch.was_interrupted:
        output.talk(
            f"{seconds:.0f} s were not enough for all of them: `--budget` gives more, "
            "and a smaller `[scope]` makes each take less"
        )
    whole = replace(report, findings=(*report.findings, *mutation.survivors(found)))
    return whole, not watch.was_interrupted


def _write_proofs(path: str, folder: str, budget: float | None) -> None:
    """The obligations that level 1 shows to be impossible, a file each, and an index of them."""
    from lathe.gate.proofs import obligations  # only here: it loads z3

    try:
        loaded = files.load(path)
    except UnreadableError:
        return
    written = obligations(loaded.files, budget)
    files.write_all(folder, written)
    output.talk(f"{len(written) - 1} proofs in `{files.printable(folder)}`: each must be `unsat`")


def _show_trace(report: Report, view: View, wanted: str, *, as_json: bool) -> None:
    finding, trace = _with_trace(report, wanted)
    if not as_json:
        output.data("\n".join(trace_text(finding, trace, view)))
        return
    from lathe.machine import tracejson  # only here

    output.data(_dump(tracejson.to_json(trace)))


def _with_trace(report: Report, wanted: str) -> tuple[Finding, Trace]:
    """The first finding with a run whose id begins so, or whose property or code is called so."""
    traced = [(finding, finding.trace) for finding in report.findings if finding.trace is not None]
    for finding, trace in traced:
        if wanted in (finding.property, finding.diagnostic.code) or (wanted and trace.id.startswith(wanted)):
            return finding, trace
    known = ", ".join(trace.id[: trace_table.ID_LENGTH] for _, trace in traced)
    raise NotFoundError(f"no trace `{wanted}` in this report; it has {known or 'none'}")


def _json(report: Report, contents: Mapping[str, bytes]) -> str:
    from lathe.check.reporting import reportjson  # only here

    return _dump(reportjson.to_json(report, contents))


def _dump(data: object) -> str:
    import json  # only here

    return json.dumps(data, ensure_ascii=False, separators=(", ", ": "))
