"""One process owns a data folder: a lock on a file in it, which dies with the process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lathe.store.base import ReadOnlyError, SchemaError

NAME = "lock"


class FolderLock:
    """Held from `take` to `release`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: int | None = None

    def take(self) -> None:
        """Raises `SchemaError` if another process, or another store of this one, has it."""
        assert self._file is None, "it is taken once"
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ReadOnlyError(f"`{self._path}` cannot be written: {error.strerror}") from error
        try:
            _lock(file)
        except OSError as error:
            os.close(file)
            raise SchemaError(
                f"`{self._path.parent}` is in use by another process: go through its API instead"
            ) from error
        self._file = file

    def release(self) -> None:
        """Let go, if it was taken."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
