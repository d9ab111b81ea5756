"""Entry point of the child process in which a server checks an app before loading it.

Reads one request from stdin (JSON: files in base64), writes one answer to stdout. Its memory and processor
time are bounded by whoever starts it, so that no blueprint can harm the server that was asked to load it.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from collections.abc import Callable, Mapping
from time import monotonic, process_time
from typing import cast

from lathe.check.reporting.report import Report
from lathe.check.reporting.reportjson import to_json
from lathe.errors import InternalError, UnreadableError
from lathe.gate import cache
from lathe.gate.verdict import Options, check_files
from lathe.lang import read_app
from lathe.lang.model import App, Json

Request = Mapping[str, Json]


def main() -> int:
    """Answer the request on stdin."""
    asked: Request = json.load(sys.stdin)
    answer = _ANSWERS[str(asked["what"])](asked)
    sys.__stdout__.write(json.dumps(answer))  # type: ignore[union-attr]
    return 0


def _check(asked: Request) -> Json:
    """A verdict, with its report."""
    options = Options(accept_bounds=bool(asked["accept_bounds"]), against=_app(asked["against"]))
    files = _files(asked["files"])
    report = _answer(files, options)
    return {
        "app": report.app,
        "digest": report.digest,
        "verdict": report.verdict,
        "report": to_json(report, files),
    }


def _answer(files: Mapping[str, bytes], options: Options) -> Report:
    """The report: one kept from an earlier check of the very same, or a new one, which is kept (ADR 12)."""
    folder = cache.default_folder()
    question = cache.question(files, options) if folder is not None else None
    kept = cache.recall(folder, question) if folder is not None and question is not None else None
    if kept is not None:
        return kept
    report = check_files(files, options, worked).report
    if folder is not None and question is not None:
        cache.keep(folder, question, report)
    return report


def worked(began: tuple[float, float] = (monotonic(), process_time())) -> float:
    """Seconds since the start in which this process had a processor: a busy machine costs a check no verdict.

    With several threads, the seconds that passed. Whoever asked has patience of its own.
    """
    return min(monotonic() - began[0], process_time() - began[1])


def _describe(asked: Request) -> Json:
    """What a reviewer is shown; of what cannot be read, nothing."""
    from lathe.gate import review  # each request loads what it needs

    app = read_app(_files(asked["files"])).app
    return review.describe(app, _app(asked["against"])) if app is not None else {}


def _survivors(asked: Request) -> Json:
    from lathe.gate import review

    app = _app(asked["files"])
    assert app is not None, "mutants are made of an app"
    return review.survivors(app, monotonic, seconds=float(cast(float, asked["seconds"])))


def _replay(asked: Request) -> Json:
    from lathe.gate import review

    app = _app(asked["files"])
    assert app is not None, "a trace is replayed by an app"
    try:
        return review.replay(app, asked["trace"])
    except UnreadableError as error:
        return review.unreadable(error)


def _fork(asked: Request) -> Json:
    from lathe.gate import forking, review

    app = _app(asked["files"])
    assert app is not None, "a run is gone on with by an app"
    try:
        return forking.fork(app, asked["trace"], int(str(asked["at"])), asked["take"])
    except UnreadableError as error:
        return review.unreadable(error)


_ANSWERS: Mapping[str, Callable[[Request], Json]] = {
    "check": _check,
    "describe": _describe,
    "fork": _fork,
    "replay": _replay,
    "survivors": _survivors,
}


def _files(data: Json) -> dict[str, bytes]:
    return {path: b64decode(text) for path, text in cast(dict[str, str], data).items()}


def _app(data: Json) -> App | None:
    """A version that was admitted once, so it can be read."""
    if data is None:
        return None
    reading = read_app(_files(data))
    if reading.app is None:
        raise InternalError("an admitted version cannot be read")
    return reading.app


if __name__ == "__main__":
    raise SystemExit(main())
