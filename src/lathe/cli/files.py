"""From a path to the bytes of an app: only the files that belong to it, each within its bounds.

`os.path` and not `pathlib`: importing the latter takes a tenth of what a small check may take.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from lathe.errors import Diagnostic, NotFoundError, Span, UnreadableError, UsageError
from lathe.frozen import frozen

TEXT_LIMIT_BYTES = 64 * 1024
"""A blueprint, an `app.toml` or a policy."""
GAUGE_LIMIT_BYTES = 1024 * 1024
"""A gauge, or a module as text."""
MODULE_LIMIT_BYTES = 16 * 1024 * 1024
FILES_LIMIT = 500
ENTRIES_LIMIT = 10_000
"""Names looked at in one folder, whatever they are."""

APP_FILE = "app.toml"
BLUEPRINT_SUFFIX = ".blueprint.toml"
_SUFFIX_BY_FOLDER = {"modules": (".wasm", ".wat"), "gauges": (".json",)}


@frozen
class Loaded:
    """The files of an app by path inside it, and what to put before such a path to open it."""

    files: Mapping[str, bytes]
    prefix: str


def load(path: str) -> Loaded:
    """Read the app at `path`: a folder, its `app.toml`, or one `*.blueprint.toml` alone.

    Raises NotFoundError if there is nothing there, or no app in the folder; UnreadableError with
    LT001 or LT005 for each file that belongs to the app and cannot be read as one.
    """
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError) as error:
        raise NotFoundError(f"`{printable(path)}`: {_reason(error)}") from error
    name = os.path.basename(path)
    if name == APP_FILE or (is_folder and not name.endswith(BLUEPRINT_SUFFIX)):
        return _load_folder(path if is_folder else os.path.dirname(path))
    if not name.endswith(BLUEPRINT_SUFFIX):
        wanted = f"give a folder, an `{APP_FILE}` or a `*{BLUEPRINT_SUFFIX}`"
        raise NotFoundError(f"`{printable(path)}` is no app: {wanted}")
    reader = _Reader(os.path.dirname(path), root=os.path.dirname(os.path.realpath(path)))
    reader.read(name)
    return reader.loaded()


def stands_in_app(path: str) -> bool:
    """Whether `path` is a blueprint beside an `app.toml`, so that it was read without its app."""
    folder, name = os.path.split(path)
    return name.endswith(BLUEPRINT_SUFFIX) and os.path.isfile(os.path.join(folder, APP_FILE))


def prefix_of(path: str) -> str:
    """What stands before the names of an app's files in the paths that are shown."""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    return _prefix(folder)


def read_file(path: str, *, limit_bytes: int = GAUGE_LIMIT_BYTES) -> bytes:
    """One file that somebody named. Raises NotFoundError, or UnreadableError (LT001, LT005)."""
    if not os.path.lexists(path):
        raise NotFoundError(f"`{printable(path)}`: no such file")
    try:
        return _read(path, limit_bytes)
    except _Fault as fault:
        raise UnreadableError((fault.diagnostic(printable(path)),)) from fault


def printable(text: str) -> str:
    """A name that may hold undecodable bytes, with those spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class _Fault(Exception):
    """Why one file or folder cannot be read."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def diagnostic(self, file: str) -> Diagnostic:
        return Diagnostic(self.code, "error", str(self), Span(file, 1, 1, 1, 1))


class _Reader:
    """Collects the files of one app, and what is wrong with them."""

    def __init__(self, folder: str, *, root: str | None = None) -> None:
        self.folder = folder or "."
        self.root = root or os.path.realpath(self.folder)
        self.files: dict[str, bytes] = {}
        self.faults: list[Diagnostic] = []

    def names(self, inner: str) -> list[str]:
        """The names in a folder of the app that are not hidden, sorted; none if it has a fault."""
        try:
            return _names(os.path.join(self.folder, inner))
        except _Fault as fault:
            self.faults.append(fault.diagnostic(inner or "."))
            return []

    def read(self, name: str) -> None:
        """Take in one file, or what is wrong with it."""
        try:
            self.files[name] = self._bytes(name)
        except _Fault as fault:
            self.faults.append(fault.diagnostic(printable(name)))

    def _bytes(self, name: str) -> bytes:
        if printable(name) != name:
            raise _Fault("LT001", "the file's name is not UTF-8")
        place = os.path.join(self.folder, name)
        if os.path.commonpath([self.root, os.path.realpath(place)]) != self.root:
            raise _Fault("LT001", "the file is a link that leaves the app's folder")
        return _read(place, _limit_bytes(name))

    def loaded(self) -> Loaded:
        """What was read. Raises UnreadableError if anything could not be."""
        if self.faults:
            raise UnreadableError(tuple(self.faults))
        return Loaded(self.files, _prefix(self.folder))


def _load_folder(folder: str) -> Loaded:
    reader = _Reader(folder)
    top = [n for n in reader.names("") if n == APP_FILE or n.endswith((BLUEPRINT_SUFFIX, ".cedar"))]
    inner = [
        f"{room}/{name}"
        for room, suffixes in _SUFFIX_BY_FOLDER.items()
        if os.path.isdir(os.path.join(reader.folder, room))
        for name in reader.names(room)
        if name.endswith(suffixes)
    ]
    if not any(n == APP_FILE or n.endswith(BLUEPRINT_SUFFIX) for n in top) and not reader.faults:
        raise NotFoundError(_no_app(reader.folder))
    wanted = top + inner
    if len(wanted) > FILES_LIMIT:
        fault = _Fault("LT005", f"the app has {len(wanted)} files, and {FILES_LIMIT} are the limit")
        raise UnreadableError((fault.diagnostic("."),))
    for name in wanted:
        reader.read(name)
    return reader.loaded()


def _no_app(folder: str) -> str:
    message = f"`{printable(folder)}` is no app: it has no `{APP_FILE}` and no `*{BLUEPRINT_SUFFIX}`"
    try:
        below = [os.path.normpath(os.path.join(folder, name)) for name in _names(folder)]
    except _Fault:
        return message
    apps = [printable(place) for place in below if os.path.isfile(os.path.join(place, APP_FILE))]
    return f"{message}; apps in it: {', '.join(apps[:4])}" if apps else message


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry, _ in zip(entries, range(ENTRIES_LIMIT + 1), strict=False)]
    except OSError as error:
        raise _Fault("LT001", f"the folder cannot be read: {_reason(error)}") from error
    if len(names) > ENTRIES_LIMIT:
        raise _Fault("LT005", f"the folder has more than {ENTRIES_LIMIT} entries")
    return sorted(name for name in names if not name.startswith("."))


def _limit_bytes(name: str) -> int:
    if name.endswith(".wasm"):
        return MODULE_LIMIT_BYTES
    return GAUGE_LIMIT_BYTES if name.endswith((".json", ".wat")) else TEXT_LIMIT_BYTES


def _read(place: str, limit_bytes: int) -> bytes:
    """A regular file within its limit. Opening does not wait, so a pipe without a writer cannot hold us."""
    handle = -1
    try:
        handle = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
            raise _Fault("LT001", f"{what} stands where a file should")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(limit_bytes + 1)
    except (OSError, ValueError) as error:
        raise _Fault("LT001", f"the file cannot be read: {_reason(error)}") from error
    finally:
        if handle >= 0:
            os.close(handle)
    if len(data) > limit_bytes:
        raise _Fault("LT005", f"the file has more than {limit_bytes} bytes, which is the limit")
    return data


def _prefix(folder: str) -> str:
    shown = os.path.normpath(folder or ".")
    return "" if shown == "." else f"{printable(shown).rstrip('/')}/"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "no path has such characters"


def write_all(folder: str, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made if it is not there; each appears whole or not at all.

    Raises `UsageError` where that cannot be done.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        for name, content in contents.items():
            place = os.path.join(folder, name)
            with open(f"{place}.part", "wb") as file:
                file.write(content)
            os.replace(f"{place}.part", place)
    except OSError as error:
        raise UsageError(f"cannot write to `{printable(folder)}`: {_reason(error)}") from None


def write_new(folder: str, contents: Mapping[str, bytes]) -> None:
    """Make a folder with these files, whose paths somebody else has chosen. Raises `UsageError`."""
    for path in contents:
        parts = path.split("/")
        if not path.isprintable() or "\\" in path or ":" in path or not {"", ".", ".."}.isdisjoint(parts):
            raise UsageError(f"`{printable(path[:80])}` is no path within a folder: nothing is written")
    try:
        os.mkdir(folder)
        for path, content in contents.items():
            place = os.path.join(folder, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "xb") as file:
                file.write(content)
    except OSError as error:
        raise UsageError(f"cannot make `{printable(folder)}`: {_reason(error)}") from None


def add_line(path: str, line: str) -> None:
    """Write a line at the end of a file, which is made if it is not there. Raises `UsageError`."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as error:
        raise UsageError(f"cannot write to `{printable(path)}`: {_reason(error)}") from None
