"""A report as bytes and back, without loss: JSON with the names of our own data and no others.

What is read comes from a disk: anything that is not such a report is None, never an exception.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from lathe.check.reporting.report import Coverage, Finding, LevelReport, Report
from lathe.errors import Diagnostic, Edit, Span
from lathe.machine.trace import FalseClause, Trace, TracePart, TraceStep

_CLASSES: Mapping[str, Callable[..., object]] = {
    "Report": Report,
    "LevelReport": LevelReport,
    "Coverage": Coverage,
    "Finding": Finding,
    "Diagnostic": Diagnostic,
    "Edit": Edit,
    "Span": Span,
    "Trace": Trace,
    "TraceStep": TraceStep,
    "TracePart": TracePart,
    "FalseClause": FalseClause,
}
_TUPLE, _MAPPING = "tuple", "mapping"


def to_bytes(report: Report) -> bytes:
    """The report, whole."""
    return json.dumps(_plain(report), ensure_ascii=True, separators=(",", ":")).encode()


def from_bytes(raw: bytes) -> Report | None:
    """The report that `to_bytes` wrote; None of anything else."""
    try:
        found = _made(json.loads(raw))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if isinstance(found, Report) else None


def _plain(value: object) -> object:
    """Data as JSON: what is made of parts is a list that begins with what it is."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, tuple | list):
        return [_TUPLE, *map(_plain, value)]
    if isinstance(value, Mapping):
        return [_MAPPING, *([name, _plain(part)] for name, part in value.items())]
    name = type(value).__name__
    assert name in _CLASSES, f"a report holds no {name}"
    fields: tuple[str, ...] = type(value).__match_args__  # type: ignore[attr-defined]
    return [name, *(_plain(getattr(value, field)) for field in fields)]


def _made(plain: object) -> object:
    if not isinstance(plain, list):
        return plain
    what, *parts = plain
    if what == _TUPLE:
        return tuple(map(_made, parts))
    if what == _MAPPING:
        return {name: _made(part) for name, part in parts}
    return _CLASSES[what](*map(_made, parts))
