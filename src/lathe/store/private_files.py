"""Creates files that only their owner can read: the store and its copies."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def owned(path: str, flags: int) -> int:
    """For `open(…, opener=owned)`: a file that is made so is its owner's alone."""
    return os.open(path, flags, 0o600)


def make(path: Path) -> None:
    """Make the file, empty, if it is not there; one that cannot be made is told of by whoever opens it."""
    with suppress(OSError), open(path, "xb", opener=owned):
        pass
