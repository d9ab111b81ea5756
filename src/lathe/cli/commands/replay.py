"""`lathe replay`."""

from __future__ import annotations

import json
from dataclasses import replace

import click

from lathe.cli import exitcode, files, output, steps
from lathe.cli.command import colour_option, command as make_command
from lathe.cli.paint import Paint
from lathe.cli.reading import read
from lathe.errors import Diagnostic, Span, UnreadableError
from lathe.frozen import frozen
from lathe.lang.model import App, Json
from lathe.machine import tracejson
from lathe.machine.replay import Replayed, replay
from lathe.machine.trace import Trace, TraceStep

ADMITTED = "admitted"


@frozen
class Saved:
    """A trace from a file; of a gauge, with the verdict that it must keep."""

    trace: Trace
    expect: str | None


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
@colour_option
def command(*, trace: str, path: str, form: str, color: output.When) -> int:
    """Run the steps of TRACE on the app at PATH again, and say whether the same happens.

    TRACE is a file of `lathe check --trace ID --json`, or a gauge (`{"trace": …, "expect": …}`). Exit
    code: 0 if it goes as recorded (a gauge: if it keeps its verdict), 1 if not.
    """
    saved = _load(trace)
    app = read(path)
    run = _run(app, saved.trace, file=files.printable(trace))
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


def _run(app: App, trace: Trace, *, file: str) -> list[Replayed]:
    for number, step in enumerate(trace.steps, 1):
        if step.event not in tracejson.EVENTS:
            raise _unreadable("LT004", f"event {number} is of no kind that there is", file)
        values = [*step.results.values(), *(given for part in step.parts for given in part.args.values())]
        if not all(map(_is_plain, values)):
            raise _unreadable("LT004", f"a value of event {number} is none of the language", file)
    try:
        return replay(app, trace)
    except ValueError as error:  # text that is no time, where the app wants one
        raise _unreadable("LT004", f"a value does not fit `{app.name}`: {error}", file) from error


def _is_plain(value: Json) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, bool | int | str) for item in items)


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


def _verdict(run: list[Replayed], saved: Saved) -> tuple[bool, str]:
    """Whether the trace is what it was, in a few words."""
    names = sorted({broken.prop.name for step in run for broken in step.broken})
    if saved.expect is not None:
        given = [f"refused: {name}" for name in names] or [ADMITTED]
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


def _load(path: str) -> Saved:
    name = files.printable(path)
    try:
        data = json.loads(files.read_file(path))
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, json.JSONDecodeError) else "it cannot be decoded"
        raise _unreadable("LT001", f"the file is not JSON: {said}", name) from error
    expect = None
    if isinstance(data, dict) and "findings" in data:
        raise _unreadable(
            "LT004", "this is a report: save a trace of it by `lathe check --trace ID --json`", name
        )
    if isinstance(data, dict) and "trace" in data:
        expect = data.get("expect")
        if not isinstance(expect, str):
            raise _unreadable("LT004", "`expect` must be `admitted` or `refused: NAME`", name)
        data = data["trace"]
    return Saved(tracejson.from_json(data, file=name), expect)


def _unreadable(code: str, message: str, file: str) -> UnreadableError:
    return UnreadableError((Diagnostic(code, "error", message, Span(file, 1, 1, 1, 1)),))
