"""`lathe replay`."""

from __future__ import annotations

from dataclasses import replace

import click

from lathe.check.permit import permit_of
from lathe.cli import exitcode, files, output, steps
from lathe.cli.command import colour_option, command as make_command
from lathe.cli.paint import Paint
from lathe.cli.reading import read
from lathe.lang.model import App
from lathe.machine import gauge
from lathe.machine.replay import Replayed
from lathe.machine.trace import Trace, TraceStep


@make_command(
    "replay",
    examples=(
        "lathe replay trace.json examples/rollout",
        "lathe replay gauges/one_down.json . --as english",
    ),
)
@click.argument("trace", type=click.Path())
@click.argument("path", type=click.Path())
@click.option(
    "--as",
    "form",
    type=click.Choice(["table", "english", "sequence"]),
    default="table",
    help="How to tell it: a table, sentences, or a Mermaid sequence chart.",
)
@click.option(
    "--against",
    type=click.Path(),
    metavar="OLD",
    help="The version that a run begins in, in which another takes over.",
)
@colour_option
def command(*, trace: str, path: str, form: str, against: str | None, color: output.When) -> int:
    """Run the steps of TRACE on the app at PATH again, and say whether the same happens.

    TRACE is a file of `lathe check --trace ID --json`, or a gauge (`{"trace": …, "expect": …}`). Exit
    code: 0 if it goes as recorded (a gauge: if it keeps its verdict), 1 if not.
    """
    saved = gauge.load(files.read_file(trace), files.printable(trace))
    app = read(path)
    old = None if against is None else read(against)
    before = None if old is None else (old, permit_of(old))
    run = gauge.run(app, saved.trace, files.printable(trace), permit_of(app), before=before)
    drawn = _drawn(replace(saved.trace, steps=_until_otherwise(run)), app, form)
    paint = Paint(output.has_colour(color))
    is_kept, verdict = _verdict(run, saved)
    told = paint("admitted" if is_kept else "refused", output.clean(f"{app.name}: {verdict}"))
    said = [*_broken(run, paint), told]
    if form == "sequence":  # a chart for another program: what we say of it goes elsewhere
        output.data("\n".join(map(output.clean, drawn)))
        output.talk("\n".join(said))
    else:
        output.data("\n".join([*map(output.clean, drawn), *said]))
    return exitcode.DONE if is_kept else exitcode.FINDINGS


def _drawn(trace: Trace, app: App, form: str) -> list[str]:
    """The steps as they went now, in the form that was asked for."""
    if form == "table":
        return steps.draw(trace, is_whole=True)
    from lathe.machine import reading, sequence  # only when asked for: start-up counts

    if form == "sequence":
        return sequence.sequence_chart(trace, app).splitlines()
    return [reading.sentence(step, app) for step in trace.steps]


def _until_otherwise(run: list[Replayed]) -> tuple[TraceStep, ...]:
    """The steps up to the first that goes otherwise: what follows it says nothing."""
    last = next((index for index, step in enumerate(run) if not step.is_same), len(run))
    return tuple(step.actual for step in run[: last + 1])


def _broken(run: list[Replayed], paint: Paint) -> list[str]:
    return [
        f"{paint('error', 'false:')} {output.clean(f'{broken.prop.name}: {steps.clause_line(clause)}')}"
        for step in run
        for broken in step.broken
        for clause in broken.clauses
    ]


def _verdict(run: list[Replayed], saved: gauge.Saved) -> tuple[bool, str]:
    """Whether the trace is what it was, in a few words."""
    names = sorted({broken.prop.name for step in run for broken in step.broken})
    if saved.expect is not None:
        given = gauge.verdicts(run)
        is_kept = saved.expect in given
        return (
            is_kept,
            f"keeps `{saved.expect}`" if is_kept else f"expected `{saved.expect}`, got `{given[0]}`",
        )
    for number, step in enumerate(run, 1):
        if not step.is_same:
            what = step.actual.action or step.actual.event
            why = f": {step.actual.refused}" if step.actual.refused else ""
            return False, f"goes otherwise at event {number}, `{what}` of `{step.actual.entity}`{why}"
    return True, f"goes as recorded; breaks {', '.join(names)}" if names else "goes as recorded"
