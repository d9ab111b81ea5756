"""Temporary stores of a campaign: a new one for each seed, removed afterwards."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path

from lathe.errors import UsageError
from lathe.frozen import frozen
from lathe.store.base import Store
from lathe.store.sqlite.store import SqliteStore

SQLITE = "sqlite"
POSTGRES = ("postgres://", "postgresql://")


def opened(url: str, schema: str) -> Store:
    """The store at a place, not opened yet."""
    if url.startswith(f"{SQLITE}:"):
        return SqliteStore(Path(url.removeprefix(f"{SQLITE}:")))
    from lathe.store.postgres.store import PostgresStore  # late: it loads the driver

    return PostgresStore(url, schema=schema)


@frozen
class Place:
    """An empty store of its own."""

    url: str
    schema: str

    @property
    def is_shared(self) -> bool:
        """Whether several processes may have it open."""
        return not self.url.startswith(f"{SQLITE}:")

    def store(self) -> Store:
        """The store, not opened yet."""
        return opened(self.url, self.schema)

    async def remove(self) -> None:
        """Take it away, with all that is in it."""
        if not self.is_shared:
            shutil.rmtree(self.url.removeprefix(f"{SQLITE}:"), ignore_errors=True)
            return
        from lathe.store.postgres.connection import drop  # late: likewise

        await drop(self.url, self.schema)


def check(kind: str) -> None:
    """Raises `UsageError` for what is no kind of place: `sqlite`, or the URL of a PostgreSQL."""
    if kind != SQLITE and not kind.startswith(POSTGRES):
        raise UsageError(f"`{kind}` is no store: write `sqlite`, or `postgres://…`")


def new_place(kind: str) -> Place:
    """A place of a kind: a folder, or a schema in a PostgreSQL. Raises `UsageError`."""
    check(kind)
    if kind == SQLITE:
        return Place(f"{SQLITE}:{tempfile.mkdtemp(prefix='lathe-sim-')}", "lathe")
    return Place(kind, f"lathe_sim_{secrets.token_hex(6)}")
