from __future__ import annotations

import io
import json

import structlog

from lathe.api.wire.logs import configure


def test_logs_are_json_lines_where_nobody_looks() -> None:
    stream = io.StringIO()
    try:
        configure(stream)
        structlog.get_logger("lathe.test").warning("alert", kind="invariant", app="rollout")
        try:
            raise ValueError("on purpose")
        except ValueError:
            structlog.get_logger("lathe.test").exception("defect")
    finally:
        structlog.reset_defaults()
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["kind"]) == ("alert", "warning", "invariant")
    assert first["timestamp"].endswith("Z")
    assert "ValueError: on purpose" in second["exception"]
