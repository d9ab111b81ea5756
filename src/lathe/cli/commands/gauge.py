"""`lathe gauge`."""

from __future__ import annotations

import os
import re
from time import monotonic

import click

from lathe.check.composed.permit import permit_of
from lathe.check.reporting.report import Finding
from lathe.cli import exitcode, files, output
from lathe.cli.command import command as make_command
from lathe.cli.reading import read
from lathe.errors import NotFoundError, UsageError
from lathe.gate import check_files
from lathe.machine import gauge
from lathe.machine.trace import Trace

FOLDER = "gauges"


@make_command(
    "gauge",
    examples=(
        "lathe gauge add . --trace one_broker_down",
        "lathe gauge add . incident.json --expect admitted --name incident_of_may",
    ),
)
@click.argument("what", type=click.Choice(["add", "run"]), metavar="add|run")
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
@click.option(
    "--trace", "trace_id", metavar="ID", help="Keep a trace of today's check, by id, property or code."
)
@click.option(
    "--name", metavar="NAME", help="The name of the file; made from the property if it is left out."
)
@click.option(
    "--expect",
    metavar="VERDICT",
    default=gauge.ADMITTED,
    show_default=True,
    help="What the run must give from now on: `admitted`, or `refused: PROPERTY`.",
)
def command(*, what: str, paths: tuple[str, ...], trace_id: str | None, name: str | None, expect: str) -> int:
    """Keep a trace as a gauge, or run those that are kept.

    `add PATH TRACE` keeps a trace from a file (of `lathe check --trace ID --json`, or exported from a
    journal); `add PATH --trace ID` one of today's check. Every check runs an app's gauges first.
    `run PATH...` says what each expects and gives; exit code 0 if all keep their verdicts, 1 if not.
    """
    if what == "run":
        if trace_id is not None or name is not None:
            raise UsageError("`gauge run` takes paths alone")
        return max(_run(path) for path in paths)
    if not gauge.is_verdict(expect):
        raise UsageError("--expect takes `admitted` or `refused: PROPERTY`")
    if len(paths) != (1 if trace_id is not None else 2):
        raise UsageError("`gauge add` takes an app, and a trace: a file, or --trace ID")
    trace, about = _found(paths[0], trace_id) if trace_id is not None else _saved(paths[1])
    return _add(paths[0], trace, name or about, expect)


def _run(path: str) -> int:
    from lathe.gate.gauges import run_gauges  # only where gauges are run: it loads the machine

    gauged = run_gauges(read(path))
    width = max((len(g.file) for g in gauged), default=0)
    for g in gauged:
        given = g.fault or ", ".join(g.given)
        kept = "kept" if g.is_kept else "LOST"
        output.data(output.clean(f"{g.file.ljust(width)}  {kept}  expects {g.expect or '?'}  gives {given}"))
    if not gauged:
        output.talk(f"`{files.printable(path)}` has no gauges: `lathe gauge add` keeps a trace as one")
    return exitcode.DONE if all(g.is_kept for g in gauged) else exitcode.FINDINGS


def _found(path: str, wanted: str) -> tuple[Trace, str]:
    """A trace of today's check, and the name of what it is about."""
    report = check_files(files.load(path).files, clock=monotonic).report
    for found in report.findings:
        if found.trace is not None and _is_meant(found, found.trace, wanted):
            return found.trace, found.property or found.diagnostic.code.lower()
    raise NotFoundError(f"no trace `{wanted}` in this report")


def _is_meant(found: Finding, trace: Trace, wanted: str) -> bool:
    return wanted in (found.property, found.diagnostic.code) or (bool(wanted) and trace.id.startswith(wanted))


def _saved(path: str) -> tuple[Trace, str]:
    saved = gauge.load(files.read_file(path), files.printable(path))
    return saved.trace, os.path.basename(path).partition(".")[0]


def _add(path: str, trace: Trace, name: str, expect: str) -> int:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise UsageError(f"`{files.printable(name)}` is no name for a file: letters, digits, `_` and `-`")
    app = read(path)
    folder = os.path.join(path if os.path.isdir(path) else os.path.dirname(path), FOLDER)
    place = os.path.join(folder, f"{name}.json")
    if os.path.lexists(place):
        raise UsageError(f"`{files.printable(place)}` is there already: give another --name")
    given = gauge.verdicts(gauge.run(app, trace, place, permit_of(app)))
    if all(step.event != "act" and step.event != "create" for step in trace.steps):
        raise UsageError("the trace has no step that anybody takes, so it says nothing of the app")
    files.write_all(folder, {f"{name}.json": gauge.dump(trace, expect).encode()})
    now = f"today it gives `{given[0]}`, so every check says LT406 until that is mended"
    kept = "and today it gives that"
    output.talk(
        f"kept as `{files.printable(place)}`: it must give `{expect}`; {kept if expect in given else now}"
    )
    return exitcode.DONE
