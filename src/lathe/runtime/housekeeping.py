"""Periodic work of a process: expiry, archiving, journal checkpoints, and the search for overdue entities."""

from __future__ import annotations

import asyncio
import hmac
from hashlib import sha256

from lathe.lang.model import App
from lathe.lang.types import Type
from lathe.runtime.backoff import Failed, repeat
from lathe.runtime.engine import Engine
from lathe.runtime.intents import Intents
from lathe.runtime.monitor import Alert, Monitor
from lathe.store.base import Bounds, Referring, StoreError
from lathe.store.records import Checkpoint, Timer

SWEEP_SECONDS = 60.0
CHECKPOINT_SECONDS = 1.0
INTENTS_SECONDS = 2.0
OVERDUE_SECONDS = 10.0
OVERDUE_MS = 60_000
"""How late something must be to count as overdue."""
OVERDUE_LIMIT = 100
REFRESH_SECONDS = 1.0
ARCHIVE_LIMIT = 500
BOUND_AT_ONCE = 1_000
"""Entries whose hashes are read with one query for a checkpoint."""
TOKENS_MS = 90 * 86_400_000
"""How long tokens are kept that have expired or were revoked."""
DECISIONS_MS = 90 * 86_400_000
"""How long a decision is kept after it expired: what was decided stays in the audit."""


def referring(app: App, blueprint: str) -> tuple[Referring, ...]:
    """The references of an app's blueprints to one blueprint."""
    found = []
    for owner in app.blueprints.values():
        fields = [f.name for f in owner.fields.values() if _means(f.type, blueprint)]
        sets = [f.name for f in owner.fields.values() if _means(f.type.element, blueprint)]
        if fields or sets:
            found.append(Referring(owner.name, tuple(fields), tuple(sets)))
    return tuple(found)


def _means(kind: Type | None, blueprint: str) -> bool:
    return kind is not None and (kind.kind, kind.blueprint) == ("ref", blueprint)


class Housekeeper:
    """The periodic tasks of one process. Several processes may run them concurrently."""

    def __init__(
        self, engine: Engine, intents: Intents, monitor: Monitor, *, key: bytes, failed: Failed
    ) -> None:
        self._engine = engine
        self._intents = intents
        self._monitor = monitor
        self._key = key
        self._failed = failed
        self._tasks: list[asyncio.Task[None]] = []
        self._told: set[tuple[str, str, str]] = set()
        self.overdue = 0
        """The number of overdue items at the last look."""

    def start(self) -> None:
        """Start the tasks."""
        every = (
            (SWEEP_SECONDS, self.sweep),
            (SWEEP_SECONDS, self.archive),
            (CHECKPOINT_SECONDS, self.bind),
            (INTENTS_SECONDS, self._write_intents),
            (OVERDUE_SECONDS, self.look_for_overdue),
            (REFRESH_SECONDS, self._refresh),
        )
        self._tasks = [asyncio.create_task(repeat(*one, self._failed), name=one[1].__name__) for one in every]

    async def stop(self) -> None:
        """Stop, after writing the counts of intents."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._write_intents()
        except StoreError as error:
            self._failed("intents", error)

    async def sweep(self) -> None:
        """Delete rows older than their bounds, in small batches."""
        while (await self._engine.store.sweep(Bounds(tokens_ms=TOKENS_MS, decisions_ms=DECISIONS_MS))).more:
            await asyncio.sleep(0.05)

    async def archive(self) -> None:
        """Archive entities that have been final for longer than their blueprint's `retain`.

        Whoever somebody refers to that is still there stays, as in every search of the verifier.
        """
        now = await self._engine.store.now_ms()
        for live in self._engine.catalog.everything():
            for blueprint in live.app.blueprints.values():
                if blueprint.retain_ms is None:
                    continue
                others = referring(live.app, blueprint.name)
                is_more = True
                while is_more:
                    try:
                        moved = await self._engine.store.archive(
                            live.tenant, live.app.name, blueprint.name,
                            final_before_ms=now - blueprint.retain_ms, limit=ARCHIVE_LIMIT, referring=others,
                        )  # fmt: skip
                    except StoreError:  # it may be done all the same
                        self._engine.cache.forget_app(live.tenant, live.app.name)
                        raise
                    self._engine.cache.drop((live.tenant, live.app.name, name) for name in moved)
                    is_more = len(moved) == ARCHIVE_LIMIT

    async def bind(self) -> None:
        """Add a checkpoint over the commits since the last one, signed with the operator's key.

        Another process may have made one meanwhile: then this one is dropped.
        """
        store = self._engine.store
        last = await store.checkpoints()
        position = after = last[0].position if last else 0
        root = last[0].root if last else bytes(32)
        end = await store.position()
        if end == position:
            return
        digest = sha256(root)
        while position < end:
            found = await store.hashes(after=position, limit=BOUND_AT_ONCE)
            for at, hashed in found:
                if at <= end:
                    digest.update(hashed)
                    position = at
            if not found:
                break
        root = digest.digest()
        signed = hmac.new(self._key, b"%d" % position + root, sha256).digest()
        await store.add_checkpoint(Checkpoint(position, await store.now_ms(), root, signed), after=after)

    async def _write_intents(self) -> None:
        await self._intents.write_down(self._engine.store)

    async def _refresh(self) -> None:
        """Refresh the catalog."""
        if self._engine.store.is_shared:
            await self._engine.catalog.refresh()

    async def look_for_overdue(self) -> None:
        """Raise an alert for each overdue timer and effect, once."""
        store = self._engine.store
        before = await store.now_ms() - OVERDUE_MS
        seen: set[tuple[str, str, str]] = set()
        for live in self._engine.catalog.everything():
            found = await store.overdue(live.tenant, live.app.name, before_ms=before, limit=OVERDUE_LIMIT)
            for one in found:
                name = one.name or "its state's timer" if isinstance(one, Timer) else one.effect
                key = (live.app.name, one.entity, name)
                seen.add(key)
                if key not in self._told:
                    said = f"`{name}` has been due since {one.due_ms}"
                    now, app = self._engine.clock.now_ms(), live.app.name
                    self._monitor.alert(Alert("overdue", live.tenant, app, one.entity, name, now, said))
        self._told = seen
        self.overdue = len(seen)
