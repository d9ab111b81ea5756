"""A check in a process of its own: what a server asks before it loads anything.

Reads one request from stdin (JSON: files in base64), writes one answer to stdout. Its memory and processor
time are bounded by whoever starts it, so that no blueprint can harm the server that was asked to load it.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from collections.abc import Mapping

from lathe.check.reportjson import to_json
from lathe.errors import InternalError
from lathe.gate.verdict import Options, check_files
from lathe.lang import read_app
from lathe.lang.model import App

FilesJson = Mapping[str, str]


def main() -> int:
    """Answer the request on stdin."""
    asked = json.load(sys.stdin)
    options = Options(accept_bounds=bool(asked["accept_bounds"]), against=_app(asked["against"]))
    outcome = check_files(_files(asked["files"]), options)
    answer = {
        "app": outcome.report.app,
        "digest": outcome.report.digest,
        "verdict": outcome.report.verdict,
        "report": to_json(outcome.report),
    }
    sys.__stdout__.write(json.dumps(answer))  # type: ignore[union-attr]
    return 0


def _files(data: FilesJson) -> dict[str, bytes]:
    return {path: b64decode(text) for path, text in data.items()}


def _app(data: FilesJson | None) -> App | None:
    """The version that would be replaced: it was admitted once, so it can be read."""
    if data is None:
        return None
    reading = read_app(_files(data))
    if reading.app is None:
        raise InternalError("the version in force cannot be read")
    return reading.app


if __name__ == "__main__":
    raise SystemExit(main())
