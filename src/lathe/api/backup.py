"""`GET /backup`: streams a consistent copy of the store to an operator while the store is in use.

The copy is made beside the running store (SQLite pages, or the rows of a PostgreSQL), then sent, then
removed. One at a time: a copy takes as much room as the store.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lathe.api.access.authentication import Authenticator
from lathe.api.wire.problem import Problem
from lathe.govern.principal import MAIN
from lathe.store.base import Store

CHUNK_BYTES = 1_048_576
SQLITE = "application/vnd.sqlite3"
ROWS = "application/x-lathe-export"
"""What `lathe store import` takes."""


class Backups:
    """The route. Copies stand in the folder for temporary files until they are sent."""

    def __init__(self, store: Store, authenticator: Authenticator) -> None:
        self._store = store
        self._authenticator = authenticator
        self._is_busy = False

    def routes(self) -> tuple[Route, ...]:
        """What this part answers."""
        return (Route("/backup", self._backup),)

    async def _backup(self, request: Request) -> Response:
        principal = await self._authenticator.principal(dict(request.scope["headers"]), request.scope)
        principal.needs("operator")
        if principal.tenant != MAIN:
            raise Problem("LR403.scope", f"a backup holds every tenant: it is for the operators of `{MAIN}`")
        if request.method == "HEAD":
            return Response(media_type=self._kind)
        if self._is_busy:
            raise Problem("LR503.busy", "another backup is being made", headers={"Retry-After": "10"})
        self._is_busy = True
        folder = Path(tempfile.mkdtemp(prefix="lathe-backup-"))
        try:
            await self._store.backup(str(folder / "copy"))
            size = (folder / "copy").stat().st_size
        except BaseException:
            self._end(folder)
            raise
        headers = {"content-length": str(size), "cache-control": "no-store"}
        return StreamingResponse(self._sent(folder), media_type=self._kind, headers=headers)

    @property
    def _kind(self) -> str:
        return SQLITE if self._store.name == "sqlite" else ROWS

    async def _sent(self, folder: Path) -> AsyncIterator[bytes]:
        try:
            with (folder / "copy").open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield chunk
        finally:
            self._end(folder)

    def _end(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._is_busy = False
