"""`GET …/{id}/trace`: an entity's history as a trace (`lathe.trace/1`), to replay or to keep as a gauge.

The trace includes every entity involved, so the caller must be allowed to read all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from lathe.api.access.authentication import Principal
from lathe.api.entities.reading import Reading
from lathe.api.wire.problem import Problem
from lathe.api.wire.validation import only
from lathe.machine import tracejson
from lathe.machine.table import BlueprintTable
from lathe.machine.trace_start import milliseconds
from lathe.runtime.catalog import Live, permit_of
from lathe.runtime.engine import Engine
from lathe.runtime.journal_slice import ForbiddenError, UntraceableError, gather
from lathe.runtime.journal_trace import Known, retell


class Tracing:
    """Exports entities' histories as traces."""

    def __init__(self, engine: Engine, reading: Reading) -> None:
        self._engine = engine
        self._reading = reading

    async def trace(
        self, live: Live, table: BlueprintTable, entity: str, principal: Principal, asked: Mapping[str, str]
    ) -> dict[str, object]:
        """`{trace, versions, notes}`. Raises `Problem` (LR404, LR400.query, LR403.denied, LR409.trace)."""
        await self._reading.entity(live, table, entity, principal)
        since_ms = _since(asked)

        async def allowed(name: str) -> bool:
            return await self._reading.may(live, name, principal)

        catalog = self._engine.catalog
        try:
            steps = await gather(self._engine.store, catalog, live, entity, allowed)
            known = {}
            for digest in sorted({entry.digest for group in steps for entry in group}):
                version = await catalog.table(live.tenant, live.app.name, digest)
                known[digest] = Known(digest, version, permit_of(version.app))
            told = await asyncio.to_thread(retell, known, steps, since_ms=since_ms)
        except ForbiddenError as error:
            raise Problem("LR403.denied", str(error)) from None
        except UntraceableError as error:
            raise Problem("LR409.trace", str(error)) from None
        return {
            "trace": tracejson.to_json(told.trace),
            "versions": list(told.versions),
            "notes": list(told.notes),
        }


def _since(asked: Mapping[str, str]) -> int | None:
    only(asked, "since")
    if "since" not in asked:
        return None
    try:
        return milliseconds(asked["since"])
    except (ValueError, OverflowError):
        raise Problem("LR400.query", "`since` is a moment, as 2026-05-01T12:00:00Z") from None
