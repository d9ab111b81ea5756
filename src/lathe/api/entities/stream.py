"""Committed events as a server-sent stream that a client can resume where it broke off."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from lathe.api.access.authentication import Principal
from lathe.api.access.visibility import may_read, needs_entity
from lathe.api.entities.commands import Commands, Stands
from lathe.api.entities.view import encode, entry
from lathe.api.wire.problem import Problem
from lathe.errors import NotFoundError
from lathe.frozen import frozen
from lathe.govern.decision_request import state_of
from lathe.govern.decisions import sees
from lathe.govern.principal import READ, GovernError
from lathe.runtime.allowance import NAME as USED
from lathe.runtime.engine import Engine
from lathe.store.base import PAGE_LIMIT, JournalQuery
from lathe.store.records import Entry

HEARTBEAT_SECONDS = 15.0
"""Interval of keep-alive comments on a silent stream."""
BATCH = 200
LOOKED_AT = 20_000
"""Journal positions that one query covers, whatever the filter."""
NOTICES_LIMIT = 64
"""Notices queued for one follower; the oldest are dropped, as they only announce that something new can be
read.
"""
DECIDED = "decision."
"""Prefix of the kinds of audit entries about decisions."""


@frozen
class Followed:
    """The filter of a stream: events behind a position, of one app, blueprint or entity, or all."""

    tenant: str
    after: int
    app: str | None = None
    blueprint: str | None = None
    entity: str | None = None


class _Follower:
    """An open stream, and the notices queued for it."""

    __slots__ = ("notices", "tenant", "woken")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.woken = asyncio.Event()
        self.notices: deque[tuple[str, bytes]] = deque(maxlen=NOTICES_LIMIT)


class Stream:
    """The event streams of one process.

    Between the events of the journal, which have ids, stand notices, which have none and are not told again:
    `version` when another version of an app is in force, `decision` when one that the follower may see
    is asked for, decided or used, on whichever process, and what the process announces.
    """

    def __init__(self, engine: Engine, commands: Commands, stands: Stands, *, limit: int) -> None:
        self._engine = engine
        self._stands = stands
        self._commands = commands
        self._limit = limit
        self._followers: set[_Follower] = set()
        self._is_closing = False
        engine.store.on_change(self._wake)
        engine.catalog.listeners.append(self._wake)

    @property
    def followers(self) -> int:
        """The number of open streams."""
        return len(self._followers)

    def close(self) -> None:
        """End every stream, so that its client reconnects to another process."""
        self._is_closing = True
        self._wake()

    def _wake(self) -> None:
        for follower in self._followers:
            follower.woken.set()

    def announce(self, kind: str, tenant: str, app: str, data: dict[str, object]) -> None:
        """Send a notice, which is in no journal, to every stream of a tenant's app (or of all)."""
        chunk = b"event: %s\ndata: %s\n\n" % (kind.encode(), encode(data))
        for follower in self._followers:
            if follower.tenant == tenant:
                follower.notices.append((app, chunk))
                follower.woken.set()

    async def follow(self, what: Followed, principal: Principal) -> AsyncIterator[bytes]:
        """The bytes of one stream, until its client disconnects, is not authenticated any more, or the stream
        is closed.
        """
        follower = self._joined(what)
        after = what.after
        loaded, audited = self._loaded(what, principal), self._engine.catalog.audited
        try:
            yield b": lathe events\nretry: 1000\n\n"
            stamp = principal.stamp
            while not self._is_closing:
                follower.woken.clear()
                if stamp != self._engine.catalog.generation:
                    stamp = self._engine.catalog.generation
                    if not await self._is_known(principal):
                        return
                    decided, audited = await self._decided(audited, what)
                    for chunk in await self._told_of(decided, what, principal):
                        yield chunk
                found, after, is_more = await self._behind(after, what)
                for one in found:
                    if await self._may_see(one, principal):
                        yield self._told(one)
                for chunk in await self._told_of(_used(found), what, principal):
                    yield chunk
                before, loaded = loaded, self._loaded(what, principal)
                for app, digest in loaded.items():
                    if before.get(app) != digest:
                        told = encode({"app": app, "digest": digest})
                        yield b"event: version\ndata: %s\n\n" % told
                while follower.notices:
                    app, chunk = follower.notices.popleft()
                    if principal.grant is None and what.app in (None, app) and principal.is_for(app):
                        yield chunk
                if not is_more and not await self._woken(follower.woken):
                    yield b": still here\n\n"
        finally:
            self._followers.discard(follower)

    async def page(
        self, what: Followed, principal: Principal, *, limit: int, wait_seconds: float
    ) -> tuple[list[dict[str, object]], int]:
        """Events behind a position, at most `limit`, and the position to go on from.

        If there is none that the caller may see, it waits for one for so long. Raises Problem if there are
        too many followers, and as soon as the caller is not known any more.
        """
        follower = self._joined(what)
        after, items = what.after, list[dict[str, object]]()
        clock = asyncio.get_running_loop().time
        until = clock() + wait_seconds
        stamp = principal.stamp
        try:
            while True:
                follower.woken.clear()
                if stamp != self._engine.catalog.generation:
                    stamp = self._engine.catalog.generation
                    await self._stands(principal)
                found, through, is_more = await self._behind(after, what)
                for one in found:
                    if len(items) == limit:
                        return items, after
                    after = one.position
                    if await self._may_see(one, principal):
                        items.append(self._entry(one))
                after = through
                if is_more:
                    continue
                if items or self._is_closing or not await self._woken(follower.woken, until - clock()):
                    return items, after
        finally:
            self._followers.discard(follower)

    def _joined(self, what: Followed) -> _Follower:
        """Register a stream. Raises Problem if there are too many."""
        if len(self._followers) >= self._limit:
            raise Problem("LR503.busy", "too many event streams are open", headers={"Retry-After": "5"})
        follower = _Follower(what.tenant)
        self._followers.add(follower)
        return follower

    async def _behind(self, after: int, what: Followed) -> tuple[list[Entry], int, bool]:
        """The next matching entries, the position up to which was searched, and whether there may be more.

        Also where nothing fits the position moves on: what was looked at is not looked at again.
        """
        store = self._engine.store
        last = await store.position()
        until = min(last, after + LOOKED_AT)
        if until <= after:
            return [], after, False
        query = JournalQuery(what.tenant, after, until, what.app, what.blueprint, what.entity, BATCH)
        found = await store.entries(query)
        if len(found) == BATCH:
            return found, found[-1].position, True
        return found, until, until < last

    async def _decided(self, after: int, what: Followed) -> tuple[list[str], int]:
        """The decisions that audit entries behind a position are about, and the new position."""
        until, found = self._engine.catalog.audited, dict[str, None]()
        while after < until:
            lines = await self._engine.store.audit(tenant=what.tenant, after=after, limit=PAGE_LIMIT)
            found |= {one.subject: None for one in lines if one.kind.startswith(DECIDED)}
            after = lines[-1].number if len(lines) == PAGE_LIMIT else until
        return [*found], after

    async def _told_of(self, decisions: list[str], what: Followed, principal: Principal) -> list[bytes]:
        """Notices of decisions, for those that the client may see, in their present state."""
        told = []
        for name in decisions:
            row = await self._engine.store.decision(what.tenant, name)
            if row is not None and what.app in (None, row.app) and sees(principal, row):
                state = state_of(row, self._engine.clock.now_ms())
                data = encode({"id": row.id, "app": row.app, "state": state})
                told.append(b"event: decision\ndata: %s\n\n" % data)
        return told

    def _loaded(self, what: Followed, principal: Principal) -> dict[str, str]:
        """The current digest of each app in the filter."""
        lives = self._engine.catalog.all(what.tenant)
        followed = (live for live in lives if what.app in (None, live.app.name))
        return {live.app.name: live.digest for live in followed if principal.is_for(live.app.name)}

    async def _is_known(self, principal: Principal) -> bool:
        try:
            await self._stands(principal)
        except Problem:
            return False
        return True

    async def _woken(self, event: asyncio.Event, seconds: float = HEARTBEAT_SECONDS) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True

    async def _may_see(self, one: Entry, principal: Principal) -> bool:
        try:
            live = self._engine.catalog.live(one.tenant, one.app)
        except NotFoundError:
            return False
        table = live.table.blueprints.get(one.blueprint)
        if table is None or not principal.sees(one.app, one.entity):
            return False
        if not (principal.is_for(one.app) and principal.takes(one.blueprint, READ)):
            return False
        held = await self._engine.read(live, one.entity) if needs_entity(live, table) else None
        try:
            return may_read(live, table, held, principal.caller(live.app))
        except GovernError:
            return False

    def _told(self, one: Entry) -> bytes:
        data = encode(self._entry(one))
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (one.position, one.kind.encode(), data)

    def _entry(self, one: Entry) -> dict[str, object]:
        live = self._engine.catalog.live(one.tenant, one.app)
        known = one.blueprint in live.table.blueprints
        return entry(self._commands.view(live, one.blueprint) if known else None, one)


def _used(entries: list[Entry]) -> list[str]:
    """The decisions that allowed these steps."""
    names = (policy for one in entries for policy in one.policies if policy.startswith(USED))
    return [*dict.fromkeys(name.removeprefix(USED) for name in names)]
