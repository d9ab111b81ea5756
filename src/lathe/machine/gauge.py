"""Gauges: saved traces with the verdict that each must keep, whatever becomes of the app."""

from __future__ import annotations

import json

from lathe.errors import Diagnostic, Span, UnreadableError
from lathe.frozen import frozen
from lathe.lang.model import App, Json
from lathe.machine import tracejson
from lathe.machine.replay import Replayed, Walk, walk
from lathe.machine.step import Permit, admitted
from lathe.machine.trace import Trace

ADMITTED = "admitted"
REFUSED = "refused: "
"""What comes before the name of the property that a run breaks."""


@frozen
class Saved:
    """A trace from a file; of a gauge, with the verdict that it must keep."""

    trace: Trace
    expect: str | None


def load(text: bytes | str, file: str) -> Saved:
    """A trace or a gauge from JSON. Raises UnreadableError (LT001 to LT006)."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, json.JSONDecodeError) else "it cannot be decoded"
        raise unreadable("LT001", f"the file is not JSON: {said}", file) from error
    expect = None
    if isinstance(data, dict) and "findings" in data:
        raise unreadable(
            "LT004", "this is a report: save a trace of it by `lathe check --trace ID --json`", file
        )
    if isinstance(data, dict) and "trace" in data:
        expect = data.get("expect")
        if not is_verdict(expect):
            raise unreadable("LT004", "`expect` must be `admitted` or `refused: NAME`", file)
        data = data["trace"]
    return Saved(tracejson.from_json(data, file=file), expect)


def is_verdict(text: object) -> bool:
    """Whether a text is a verdict that a gauge can keep."""
    return isinstance(text, str) and (
        text == ADMITTED or (len(text) > len(REFUSED) and text.startswith(REFUSED))
    )


def dump(trace: Trace, expect: str) -> str:
    """A gauge as the text of its file."""
    data: Json = {"expect": expect, "trace": tracejson.to_json(trace)}
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def run(
    app: App,
    trace: Trace,
    file: str,
    permit: Permit = admitted,
    *,
    before: tuple[App, Permit] | None = None,
) -> list[Replayed]:
    """The steps of `walked`."""
    return walked(app, trace, file, permit, before=before).steps


def walked(
    app: App,
    trace: Trace,
    file: str,
    permit: Permit = admitted,
    *,
    before: tuple[App, Permit] | None = None,
) -> Walk:
    """A trace on the model; `permit` says who may, `before` is as in `replay.walk`.

    Raises UnreadableError (LT004) for values of no type there is.
    """
    for number, step in enumerate(trace.steps, 1):
        if step.event not in tracejson.EVENTS:
            raise unreadable("LT004", f"event {number} is of no kind that there is", file)
        values = [*step.results.values(), *(given for part in step.parts for given in part.args.values())]
        if step.event == "given":
            told = [step.world, *(part.changes for part in step.parts)]
            values += [after for changes in told for _, after in changes.values()]
        if not all(map(_is_plain, values)):
            raise unreadable("LT004", f"a value of event {number} is none of the language", file)
    try:
        return walk(app, trace, permit, before=before)
    except ValueError as error:  # text that is no time, where the app wants one
        raise unreadable("LT004", f"a value does not fit `{app.name}`: {error}", file) from error


def _is_plain(value: Json) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, bool | int | str) for item in items)


def verdicts(replayed: list[Replayed]) -> list[str]:
    """What a run gives: one verdict for each property that it breaks, or `admitted`."""
    names = sorted({broken.prop.name for step in replayed for broken in step.broken})
    return [f"{REFUSED}{name}" for name in names] or [ADMITTED]


def unreadable(code: str, message: str, file: str) -> UnreadableError:
    """A file that is none, as an error with its place."""
    return UnreadableError((Diagnostic(code, "error", message, Span(file, 1, 1, 1, 1)),))
