"""`POST /v1/{app}/{plural}:take`: takes an action on the first entity that allows it, as from a work queue.

Many workers may ask at once: what one of them is trying, the others of this process pass over, so that they
do not all meet at the head of the queue. Whoever commits has it; nobody gets what another got.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
from msgspec import Struct

from lathe.api.entities.commands import Commands, Reply
from lathe.api.entities.reading import Reading
from lathe.api.entities.refusal import no_action
from lathe.api.entities.request import EntityRequest, fingerprint
from lathe.api.entities.view import encode
from lathe.api.wire.problem import Problem
from lathe.api.wire.validation import invalid_body
from lathe.frozen import frozen
from lathe.lang.model import Action
from lathe.machine.event import Caller
from lathe.machine.step import admitted, matches
from lathe.machine.table import BlueprintTable
from lathe.runtime.catalog import Live
from lathe.runtime.engine import Committed, Engine
from lathe.store.base import Query, sort_value

CANDIDATES = 64
"""Entities read with one query."""
TRIED_LIMIT = 500
"""Entities tried per search: each try is a decision like that of any command."""
WAIT_SECONDS_LIMIT = 60.0
POLL_SECONDS = 1.0
"""Polling interval: time, or another process, may have made something possible."""
REST = 4
"""Pause between two searches, as a multiple of the last one's duration."""
DENIED = b"lathe-denied"
"""Header of a 204 with the first matching entity that the caller may read but not take."""
DENIED_LIMIT = 8
"""Denied entities remembered until one is found that the caller may read."""
PASSED_OVER = ("LR403.", "LR409.", "LR412.", "LR404.entity")
"""Refusals after which the next entity is tried."""


class Take(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of `:take`: action, filter, order, arguments.

    Ids grow with time, so `id` is the oldest first; of one state that order is an index.
    """

    action: str
    where: str = ""
    sort: str = "id"
    args: dict[str, object] = {}


@frozen
class _Search:
    """What is looked for, by whom. `denied` gets entities of the last search that the caller may not take,
    the first few.
    """

    live: Live
    table: BlueprintTable
    query: Query
    asked: EntityRequest
    denied: list[str]


class Taking:
    """Runs `:take` requests, waiting ones included."""

    def __init__(self, engine: Engine, commands: Commands, reading: Reading) -> None:
        self._engine = engine
        self._commands = commands
        self._reading = reading
        self._tried: set[tuple[str, str, str]] = set()
        self._waiting: dict[tuple[str, str], set[asyncio.Event]] = {}
        self._is_closing = False
        engine.watch(self._committed)
        if engine.store.is_shared:
            engine.store.on_change(self._wake_all)

    @property
    def waiting(self) -> int:
        """The number of waiting requests."""
        return sum(map(len, self._waiting.values()))

    def _committed(self, committed: Committed) -> None:
        """Wake requests that wait for this app."""
        if self._waiting:
            for event in self._waiting.get((committed.live.tenant, committed.live.app.name), ()):
                event.set()

    def close(self) -> None:
        """End all waits, so that clients move to another process."""
        self._is_closing = True
        self._wake_all()

    def _wake_all(self) -> None:
        """Wake all: another process may have committed something."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def take(
        self, live: Live, table: BlueprintTable, asked: EntityRequest, *, wait_seconds: float
    ) -> Reply:
        """The entity that the action was taken on, or 204 if there was none in time. Raises `Problem`.

        No decision is asked or used by it. Whoever takes the action of no entity at all is told what to ask
        for; whom policies deny the ones that there are, the first of these, beside the 204.
        """
        body = take_of(asked.body)
        rule = table.rules.get(body.action)
        if rule is None or body.action == "create":
            raise no_action(table, body.action)
        wanted = {"where": body.where, "sort": body.sort}
        query = replace(
            self._reading.query(live, table, wanted), states=rule.action.from_states, limit=CANDIDATES
        )
        given = encode(body.args)
        if live.permit is admitted and not _is_for(rule.action, asked.principal.caller(live.app)):
            meant = replace(asked, action=body.action, body=given)
            problem = Problem("LR403.denied", action=body.action)
            problem.more |= await self._ask(_Search(live, table, query, meant, []))
            raise problem
        asked = replace(asked, request=fingerprint(replace(asked, action=":take")))
        replayed = await self._commands.replayed(asked)
        if replayed is not None:
            return replayed
        asked = replace(asked, action=body.action, body=given)
        wait_seconds = min(wait_seconds, WAIT_SECONDS_LIMIT)
        place, woken = (live.tenant, live.app.name), asyncio.Event()
        self._waiting.setdefault(place, set()).add(woken)
        search = _Search(live, table, query, asked, [])
        try:
            taken = await self._in_time(search, woken, wait_seconds)
        finally:
            self._waiting[place].discard(woken)
            if not self._waiting[place]:
                del self._waiting[place]
        if taken is not None:
            return taken
        seen = [one for one in search.denied if await self._is_read(search, one)]
        return Reply(204, b"", tuple((DENIED, one.encode()) for one in seen[:1]))

    async def _in_time(self, search: _Search, woken: asyncio.Event, wait_seconds: float) -> Reply | None:
        """Search, and again whenever the app commits something."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + wait_seconds
        while True:
            woken.clear()
            search.denied.clear()
            begun = clock()
            taken = await self._first(search)
            if taken is not None:
                return taken
            now = clock()
            if now >= deadline or self._is_closing:
                return None
            await asyncio.sleep(min(deadline - now, REST * (now - begun)))
            try:
                async with asyncio.timeout(min(deadline - clock(), POLL_SECONDS)):
                    await woken.wait()
            except TimeoutError:
                continue

    async def _ask(self, search: _Search) -> dict[str, object]:
        """A request for a decision: on the first entity that the caller may read."""
        for row in await self._engine.store.find(search.query):
            if await self._is_read(search, row.id):
                ask = await self._commands.askable(replace(search.asked, entity=row.id))
                return {} if ask is None else {"ask": ask}
        return {}

    async def _is_read(self, search: _Search, entity: str) -> bool:
        try:
            await self._reading.entity(search.live, search.table, entity, search.asked.principal)
        except Problem:
            return False
        return True

    async def _first(self, search: _Search) -> Reply | None:
        """Try the action page after page, until it is taken. Raises `Problem` (LR422.take).

        A filter finds only what the caller may read: else who takes what it finds would learn its values.
        """
        query, left = search.query, TRIED_LIMIT
        while True:
            rows = await self._engine.store.find(query)
            for row in rows:
                key = (row.tenant, row.app, row.id)
                if key in self._tried:
                    continue
                if not left:
                    said = f"the first {TRIED_LIMIT} were tried, and there are more"
                    raise Problem("LR422.take", said, help="say with `where` which of them it is possible on")
                left -= 1
                if query.where is not None and not await self._is_read(search, row.id):
                    continue
                self._tried.add(key)
                try:
                    return await self._commands.take(replace(search.asked, entity=row.id))
                except Problem as problem:
                    if not problem.code.startswith(PASSED_OVER):
                        raise
                    if problem.code == "LR403.denied" and len(search.denied) < DENIED_LIMIT:
                        search.denied.append(row.id)
                finally:
                    self._tried.discard(key)
            if len(rows) < query.limit:
                return None
            query = replace(query, after=sort_value(rows[-1], query.sort))


def _is_for(action: Action, caller: Caller) -> bool:
    """Whether the caller may take the action on any entity at all, policies aside."""
    return any(matches(principal, caller) for principal in action.admits)


def take_of(body: bytes) -> Take:
    """The body of a request to take. Raises `Problem`."""
    try:
        return msgspec.json.decode(body or b"{}", type=Take)
    except msgspec.ValidationError as error:
        raise invalid_body(error, Take) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem("LR400.json", str(error)) from None


def seconds_of(prefer: str | None) -> float:
    """How long the caller is willing to wait: `Prefer: wait=30` (RFC 7240)."""
    for part in (prefer or "").split(","):
        name, _, value = part.strip().partition("=")
        wanted = value.strip()
        if name.strip().lower() == "wait" and wanted.isascii() and wanted.isdigit() and len(wanted) < 6:
            return float(wanted)
    return 0.0
