"""The verdict cache on disk, keyed by everything that a check depends on (ADR 12).

A question is every file of an app, and the options. An answer holds only for the verifier that gave it: its
own files, Python, and the packages that decide. Entries are files of the user alone; what is damaged, of
somebody else or of another verifier is passed over and written anew. A cache that cannot be used is no error.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

from lathe import __version__
from lathe.check.reporting.report import Report
from lathe.frozen import frozen
from lathe.gate.stored import from_bytes, to_bytes
from lathe.gate.verdict import HIGHEST_LEVEL, Options
from lathe.lang import digest

FORMAT = "lathe.verdict/1"
ENTRIES_LIMIT = 256
"""Verdicts that are kept; beyond them the ones that nobody asked for longest go."""
ENTRY_LIMIT_BYTES = 256 * 1024
"""A longer answer is not kept."""
ORPHAN_SECONDS = 3600.0
"""After this long a half-written entry belongs to a process that has died."""

PACKAGES = ("cedarpy", "numpy", "scipy", "wasmtime", "z3_solver")
"""The packages of others that a verdict rests on."""


@frozen
class Question:
    """What is asked: the name of its entry, and who would answer it now."""

    name: str
    verifier: str


def question(files: Mapping[str, bytes], options: Options) -> Question | None:
    """The question that a check of these files with these options puts to this verifier; None if it stands
    in no folder, so that nobody can tell whether it changed.
    """
    try:
        answering = verifier()
    except OSError:
        return None
    before = digest(options.against) if options.against is not None else ""
    asked = sha256(f"{FORMAT} {HIGHEST_LEVEL} {replace(options, against=None)!r} {before}".encode())
    for path, content in sorted(files.items()):
        asked.update(f"\0{path}\0{len(content)}\0".encode())
        asked.update(content)
    return Question(asked.hexdigest(), answering)


def verifier(package: str = os.path.dirname(os.path.dirname(__file__))) -> str:
    """What gives the answers: our files as they are on disk, Python, and the packages that decide."""
    said = sha256(f"{__version__} {sys.version} {sys.flags.optimize}".encode())
    for line in sorted((*_own_files(package), *_packages())):
        said.update(f"\0{line}".encode("utf-8", "backslashreplace"))
    return said.hexdigest()


def _own_files(folder: str) -> Iterator[str]:
    """Path, size and time of change of each file; an edited one counts before anybody says so."""
    waiting = [(folder, "")]
    while waiting:
        place, inner = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name == "__pycache__":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{inner}{entry.name}/"))
                else:
                    found = entry.stat()
                    yield f"{inner}{entry.name} {found.st_size} {found.st_mtime_ns}"


def _packages() -> Iterator[str]:
    """The folders that say which versions are installed, in the order in which they are looked for."""
    found: list[str] = []
    for place in sys.path:
        try:
            names = os.listdir(place or ".")
        except OSError:  # a zip file, or nothing at all
            continue
        found += sorted(name for name in names if name.endswith("-info") and name.startswith(PACKAGES))
    return (f"{number} {name}" for number, name in enumerate(found))


def default_folder(environment: Mapping[str, str] = os.environ) -> str | None:
    """Where verdicts are kept: the cache folder of the user's system; None if there is none."""
    given = environment.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(given):  # as the XDG specification has it
        given = environment.get("LOCALAPPDATA", "") if os.name == "nt" else ""
    if not given:
        home = os.path.expanduser("~")
        given = os.path.join(home, ".cache") if os.path.isabs(home) else ""
    return os.path.join(given, "lathe", "verdicts") if given else None


def recall(folder: str, asked: Question) -> Report | None:
    """The answer that was kept, with when it was given; None if there is none that counts."""
    place = os.path.join(folder, asked.name)
    raw = _read_own(place)
    if raw is None:
        return None
    head, _, body = raw.partition(b"\n")
    if head != _head(asked, body):
        return None
    when, _, stored = body.partition(b"\n")
    report = from_bytes(stored)
    if report is None:
        return None
    with suppress(OSError):
        os.utime(place)  # asked for: the sweeper takes others first
    return replace(report, cached=when.decode("ascii", "replace"))


def keep(folder: str, asked: Question, report: Report, *, now_seconds: float | None = None) -> bool:
    """Keep an answer, if it is one that another run would give too; tells whether it was.

    Not kept is what a time limit had a part in, a defect of ours, and files that could not be read. An entry
    appears whole or not at all, whoever else writes one.
    """
    if report.is_timed or not report.digest or any(f.diagnostic.code == "LT901" for f in report.findings):
        return False
    now = time.time() if now_seconds is None else now_seconds
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    body = when.encode() + b"\n" + to_bytes(report)
    if len(body) > ENTRY_LIMIT_BYTES:
        return False
    try:
        if asked.verifier != verifier():  # edited while it ran
            return False
        os.makedirs(folder, mode=0o700, exist_ok=True)
        _write_whole(os.path.join(folder, asked.name), _head(asked, body) + b"\n" + body)
        _sweep(folder, now)
    except OSError:
        return False
    return True


def _head(asked: Question, body: bytes) -> bytes:
    """The first line: whose answer it is, and a sum over all that follows."""
    return f"{FORMAT} {asked.verifier} {sha256(body).hexdigest()}".encode()


def _read_own(place: str) -> bytes | None:
    """A regular file of this user's that nobody else may write, within its limit."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        with os.fdopen(os.open(place, flags), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > 2 * ENTRY_LIMIT_BYTES:
                return None
            if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o022):
                return None
            return file.read(2 * ENTRY_LIMIT_BYTES)
    except OSError:
        return None


def _write_whole(place: str, content: bytes) -> None:
    part = f"{place}.{os.getpid()}.{time.monotonic_ns()}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            file.write(content)
        os.replace(part, place)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def _sweep(folder: str, now: float) -> None:
    """Keep the number of entries within its limit, and remove what dead processes left half-written."""
    names = os.listdir(folder)
    parts = [name for name in names if name.endswith(".part")]
    if len(names) - len(parts) <= ENTRIES_LIMIT and not parts:
        return
    ages: list[tuple[float, str]] = []
    for name in names:
        with suppress(OSError):  # another sweeper was faster
            ages.append((os.stat(os.path.join(folder, name)).st_mtime, name))
    doomed = [name for age, name in ages if name.endswith(".part") and now - age > ORPHAN_SECONDS]
    entries = sorted(pair for pair in ages if not pair[1].endswith(".part"))
    if len(entries) > ENTRIES_LIMIT:
        doomed += [name for _, name in entries[: len(entries) - ENTRIES_LIMIT * 3 // 4]]
    for name in doomed:
        with suppress(OSError):
            os.unlink(os.path.join(folder, name))
