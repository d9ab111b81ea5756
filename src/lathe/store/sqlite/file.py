"""The file of a SQLite store: opening it, its schema, its errors, copying it."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import apsw

from lathe.errors import LatheError, UsageError
from lathe.store.base import (
    CorruptError,
    FullError,
    ReadOnlyError,
    SchemaError,
    StoreError,
    TooLongError,
    UnavailableError,
    UnstorableError,
)
from lathe.store.migrations import missing, scripts
from lathe.store.private_files import make
from lathe.store.tables import Row

NAME = "lathe.db"
OLDEST_SQLITE = (3, 51, 3)
"""Older ones can lose a write-ahead log when two connections checkpoint it at once."""
BUSY_MS = 5_000
STATEMENTS = 256
"""Prepared statements that a connection keeps."""
LOG_PAGES = 16_000
"""Pages of the write-ahead log (64 MiB) before they are copied into the file, while the next group waits: the
more there are, the more of them are the same page again.
"""
BACKUP_PAGES = 512
"""Pages copied at once while others wait."""
STEPS_BETWEEN_LOOKS = 50_000
"""Of SQLite's virtual machine, between two looks at the clock."""

_SETTINGS = (
    "journal_mode = wal", "synchronous = full", "temp_store = memory", f"wal_autocheckpoint = {LOG_PAGES}",
    "cache_size = -65536", "trusted_schema = off", "cell_size_check = on",
)  # fmt: skip
_ITS_OWN = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_NOMUTEX
"""One thread alone uses it: SQLite locks it for no other, which it would do for every bound value."""


def check_version(found: str | None = None) -> None:
    """Refuse a SQLite that is too old. Raises `SchemaError`."""
    found = found or apsw.sqlite_lib_version()
    if tuple(map(int, found.split("."))) < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise SchemaError(f"SQLite {found} is too old: {oldest} is the first that never loses its log")


def connect_writer(path: Path) -> apsw.Connection:
    """The connection that writes, with the schema brought up to date."""
    make(path)
    connection = apsw.Connection(str(path), flags=_ITS_OWN, statementcachesize=STATEMENTS)
    try:
        connection.set_busy_timeout(BUSY_MS)
        for setting in _SETTINGS:
            connection.execute(f"pragma {setting}").fetchall()
        _migrate(connection)
    except BaseException as error:
        told = by_the_system(connection, error)
        connection.close()
        if told is not error:
            raise told from error
        raise
    return connection


def connect_reader(path: Path) -> apsw.Connection:
    """A connection that sees what is committed, and writes nothing."""
    flags = apsw.SQLITE_OPEN_READWRITE
    connection = apsw.Connection(str(path), flags=flags, statementcachesize=STATEMENTS)
    connection.set_busy_timeout(BUSY_MS)
    for setting in ("query_only = on", "temp_store = memory", "cache_size = -32768"):
        connection.execute(f"pragma {setting}").fetchall()
    return connection


def within(seconds: float, connection: apsw.Connection, statement: str, bound: Row) -> list[Row]:
    """The rows of a statement. Raises `TooLongError` if they take longer than so many seconds."""
    end = time.monotonic() + seconds

    def is_over() -> bool:
        return time.monotonic() > end

    connection.set_progress_handler(is_over, STEPS_BETWEEN_LOOKS)
    try:
        return connection.execute(statement, bound).fetchall()
    except apsw.InterruptError as error:
        raise TooLongError(f"it takes longer than {seconds:g} s") from error
    finally:
        connection.set_progress_handler(None)


def _migrate(connection: apsw.Connection) -> None:
    connection.execute(
        """create table if not exists schema_script
        (number integer primary key, oldest integer not null) strict"""
    )
    found = connection.execute(
        "select number, oldest from schema_script order by number desc limit 1"
    ).fetchall()
    applied, oldest = found[0] if found else (0, 0)
    assert isinstance(applied, int) and isinstance(oldest, int), "columns of a strict table"
    for script in missing(scripts("sqlite"), applied, oldest):
        with connection:
            connection.execute(script.text)
            connection.execute("insert into schema_script values (?, ?)", (script.number, script.oldest))


def translate(error: Exception) -> Exception:
    """What the rest of Lathe is told of an error of SQLite."""
    match error:
        case LatheError() | AssertionError():
            return error
        case apsw.FullError():
            return FullError("the disk is full")
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.CantOpenError() | apsw.AuthError():
            return ReadOnlyError(f"the data folder cannot be written: {error}")
        case apsw.CorruptError() | apsw.NotADBError() | apsw.FormatError():
            return CorruptError(f"the data file is damaged: {error}")
        case apsw.IOError():
            return _input_output(error)
        case apsw.BusyError() | apsw.LockedError() | apsw.InterruptError() | apsw.ProtocolError():
            return UnavailableError(f"the data file does not answer: {error}")
        case UnicodeEncodeError() | OverflowError():
            return UnstorableError("SQLite cannot hold a value of it")
        case apsw.Error():
            return StoreError(f"SQLite refuses: {error}")
    return error


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EROFS, errno.EPERM, errno.EACCES)


def by_the_system(connection: apsw.Connection, error: BaseException) -> BaseException:
    """What the system said of a failed write, where SQLite knows no better than that it failed: a quota or a
    limit that is reached is a full disk. Asked before the connection does anything else.
    """
    if not isinstance(error, apsw.IOError) or getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_FSYNC:
        return error
    said = connection.system_errno
    if said in _FULL:
        return FullError(f"the disk is full: {errno.errorcode[said]}")
    if said in _READ_ONLY:
        return ReadOnlyError(f"the data folder cannot be written: {errno.errorcode[said]}")
    return error


def _input_output(error: apsw.IOError) -> StoreError:
    """Whether a commit that failed so is on disk is not known."""
    return UnavailableError(f"reading or writing the data file failed: {error}", maybe=True)


class Copy:
    """A backup under way: `step` until it says that it is done, all on the writer's thread."""

    def __init__(self, source: apsw.Connection, target: Path) -> None:
        if target.exists():
            raise UsageError(f"`{target}` exists already")
        self._target = target
        self._part = target.with_name(target.name + ".part")
        self._part.unlink(missing_ok=True)
        make(self._part)
        self._connection = apsw.Connection(str(self._part))
        self._backup = self._connection.backup("main", source, "main")

    def step(self) -> bool:
        """Copy some pages; True when all are."""
        self._backup.step(BACKUP_PAGES)
        return self._backup.done

    def finish(self) -> None:
        """The copy is whole: give it its name."""
        self._backup.finish()
        self._connection.execute("pragma journal_mode = delete").fetchall()
        self._connection.close()
        self._part.rename(self._target)

    def abandon(self) -> None:
        """Remove what was copied."""
        self._backup.close(True)
        self._connection.close(True)
        self._part.unlink(missing_ok=True)
