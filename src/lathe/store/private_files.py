"""Creates files that only their owner can read: the store and its copies."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def owned(path: str, flags: int) -> int:
    """For `open(…, opener=owned)`: a file created so is readable by its owner alone."""
    return os.open(path, flags, 0o600)


def make(path: Path) -> None:
    """Create the file, empty, if it does not exist; failure is reported by whoever opens it."""
    with suppress(OSError), open(path, "xb", opener=owned):
        pass
