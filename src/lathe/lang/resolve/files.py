"""Sorts an app's files by kind, and reads those taken verbatim: policies, modules, gauges."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from lathe.errors import Span, UnreadableError
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import Faults
from lathe.lang.resolve.record import Cursor
from lathe.lang.source import Source, read_source

APP_FILE = "app.toml"
BLUEPRINT_SUFFIX = ".blueprint.toml"

_INT_BITS = 63


class Files(NamedTuple):
    """The files of an app by what they are. `is_complete`: all TOML among them could be read."""

    sources: Mapping[str, Source]
    app: Source | None
    has_app: bool
    blueprints: tuple[Source, ...]
    policies: Mapping[str, str]
    modules: Mapping[str, str]
    gauges: Mapping[str, str]
    is_complete: bool


def sort_files(files: Mapping[str, bytes], faults: Faults) -> Files:
    """Read every file as what its name says; other files are no part of the app."""
    sources: dict[str, Source] = {}
    broken = False
    wanted = [path for path in sorted(files) if path == APP_FILE or is_blueprint_file(path)]
    for path in wanted:
        source = _read_toml(path, files[path], faults)
        if source is None:
            broken = True
        else:
            sources[path] = source
    return Files(
        sources=sources,
        app=sources.get(APP_FILE),
        has_app=APP_FILE in files,
        blueprints=tuple(source for path, source in sources.items() if path != APP_FILE),
        policies=_read_texts(files, "", ".cedar", limits.POLICY_FILES, limits.POLICY_BYTES, faults),
        modules=_read_modules(files, faults),
        gauges=_read_gauges(files, faults),
        is_complete=not broken,
    )


def is_blueprint_file(path: str) -> bool:
    """Whether a file of this name, in the app's own folder, holds a blueprint."""
    return "/" not in path and path.endswith(BLUEPRINT_SUFFIX)


def at_start(file: str) -> Span:
    """The beginning of a file."""
    return Span(file, 1, 1, 1, 1)


def _read_toml(path: str, raw: bytes, faults: Faults) -> Source | None:
    try:
        source = read_source(path, raw)
    except UnreadableError as error:
        faults.extend(error.diagnostics)
        return None
    return source if _numbers_fit(Cursor(source, (), faults)) else None


def _numbers_fit(root: Cursor) -> bool:
    """TOML's ints have 64 bits; the parser takes any, and a message could not even repeat some."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), root.source.data)]
    fits = True
    while waiting:
        path, value = waiting.pop()
        match value:
            case dict():
                waiting += [((*path, key), part) for key, part in value.items()]
            case list():
                waiting += [((*path, index), part) for index, part in enumerate(value)]
            case int() if value.bit_length() > _INT_BITS:
                root.at(*path).report("LT005", "the number is too large: an int has 64 bits")
                fits = False
    return fits


def _named(files: Mapping[str, bytes], folder: str, suffix: str) -> list[str]:
    found = [path for path in sorted(files) if path.startswith(folder) and path.endswith(suffix)]
    return [path for path in found if "/" not in path.removeprefix(folder)]


def _bounded(
    files: Mapping[str, bytes], folder: str, suffix: str, count: int, size: int, faults: Faults
) -> dict[str, bytes]:
    """The files of one kind that are within their bounds."""
    paths = _named(files, folder, suffix)
    if len(paths) > count:
        faults.add(
            "LT005", at_start(paths[count]), f"an app has at most {count} such files, not {len(paths)}"
        )
    found: dict[str, bytes] = {}
    for path in paths[:count]:
        if len(files[path]) > size:
            faults.add(
                "LT005", at_start(path), f"the file has {len(files[path])} bytes, and at most {size} are read"
            )
        else:
            found[path] = files[path]
    return found


def _read_texts(
    files: Mapping[str, bytes], folder: str, suffix: str, count: int, size: int, faults: Faults
) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, raw in _bounded(files, folder, suffix, count, size, faults).items():
        try:
            found[path] = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            message = f"the file is not UTF-8: byte {error.start} cannot be read"
            faults.add("LT001", Span(path, line, 1, line, 1), message)
    return found


def _read_modules(files: Mapping[str, bytes], faults: Faults) -> dict[str, str]:
    found = _bounded(files, "modules/", ".wasm", limits.MODULE_FILES, limits.MODULE_BYTES, faults)
    found |= _bounded(files, "modules/", ".wat", limits.MODULE_FILES, limits.MODULE_TEXT_BYTES, faults)
    return {path: hashlib.sha256(raw).hexdigest() for path, raw in found.items()}


def _read_gauges(files: Mapping[str, bytes], faults: Faults) -> dict[str, str]:
    found = _read_texts(files, "gauges/", ".json", limits.GAUGE_FILES, limits.GAUGE_BYTES, faults)
    for path, text in found.items():
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            span = Span(path, error.lineno, error.colno, error.lineno, error.colno)
            faults.add("LT001", span, f"the file is not JSON: {error.msg[:1].lower()}{error.msg[1:]}")
        except (RecursionError, ValueError):
            faults.add(
                "LT001",
                at_start(path),
                "the file is not JSON that can be read: too deep, or its numbers too long",
            )
        else:
            if not isinstance(value, dict):
                faults.add("LT004", at_start(path), "a gauge is an object `{trace, expect}`")
    return found
