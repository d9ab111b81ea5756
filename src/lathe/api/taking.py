"""`POST /v1/{app}/{plural}:take`: an action on the first entity on which it is possible. A work queue.

Many workers may ask at once: what one of them is trying, the others of this process pass over, so that they
do not all meet at the head of the queue. Whoever commits has it; nobody gets what another got.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
from msgspec import Struct

from lathe.api.commands import Answered, Asked, Commands, fingerprint, no_action
from lathe.api.problem import Problem
from lathe.api.reading import Reading
from lathe.api.view import encode
from lathe.lang.model import Action
from lathe.machine.event import Caller
from lathe.machine.step import admitted, matches
from lathe.machine.table import BlueprintTable
from lathe.runtime.catalog import Live
from lathe.runtime.engine import Engine
from lathe.store.base import Query, sort_value

CANDIDATES = 64
"""Entities looked at in one go."""
WAIT_SECONDS_LIMIT = 60.0
PASSED_OVER = ("LR403.", "LR409.", "LR412.", "LR404.entity")
"""What another entity may be tried for: this one is not possible, or not for this caller, or somebody was
quicker.
"""


class Take(Struct, forbid_unknown_fields=True, frozen=True):
    """The body: which action, on which entities, in which order, with which arguments.

    Ids grow with time, so `id` is the oldest first; of one state that order is an index.
    """

    action: str
    where: str = ""
    sort: str = "id"
    args: dict[str, object] = {}


class Taking:
    """The takers of one process."""

    def __init__(self, engine: Engine, commands: Commands, reading: Reading) -> None:
        self._engine = engine
        self._commands = commands
        self._reading = reading
        self._tried: set[tuple[str, str]] = set()
        self._changed = asyncio.Event()
        engine.store.on_change(self._wake)

    def _wake(self) -> None:
        self._changed.set()

    async def take(self, live: Live, table: BlueprintTable, asked: Asked, *, wait_seconds: float) -> Answered:
        """The entity that was taken, or 204 if there is none in time. Raises `Problem`."""
        body = take_of(asked.body)
        rule = table.rules.get(body.action)
        if rule is None or body.action == "create":
            raise no_action(table, body.action)
        if live.permit is admitted and not _is_for(rule.action, asked.principal.caller(live.app)):
            raise Problem("LR403.denied", action=body.action)
        wanted = {"where": body.where, "sort": body.sort}
        query = replace(
            self._reading.query(live, table, wanted), states=rule.action.from_states, limit=CANDIDATES
        )
        asked = replace(asked, request=fingerprint(replace(asked, action=":take")))
        replayed = await self._commands.replayed(asked)
        if replayed is not None:
            return replayed
        given = encode(body.args)
        deadline = asyncio.get_running_loop().time() + min(wait_seconds, WAIT_SECONDS_LIMIT)
        while True:
            self._changed.clear()
            taken = await self._first(query, replace(asked, action=body.action, body=given))
            if taken is not None:
                return taken
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return Answered(204, b"")
            try:
                async with asyncio.timeout(min(left, 1.0)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _first(self, query: Query, asked: Asked) -> Answered | None:
        """The first entity on which the action is taken, page after page."""
        while True:
            rows = await self._engine.store.find(query)
            for row in rows:
                key = (row.app, row.id)
                if key in self._tried:
                    continue
                self._tried.add(key)
                try:
                    return await self._commands.take(replace(asked, entity=row.id))
                except Problem as problem:
                    if not problem.code.startswith(PASSED_OVER):
                        raise
                finally:
                    self._tried.discard(key)
            if len(rows) < query.limit:
                return None
            query = replace(query, after=sort_value(rows[-1], query.sort))


def _is_for(action: Action, caller: Caller) -> bool:
    """Whether the caller may take the action of any entity at all, where no policy says otherwise."""
    return any(matches(principal, caller) for principal in action.admits)


def take_of(body: bytes) -> Take:
    """The body of a request to take. Raises `Problem`."""
    try:
        return msgspec.json.decode(body or b"{}", type=Take)
    except msgspec.ValidationError as error:
        raise Problem("LR400.body", str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem("LR400.json", str(error)) from None


def seconds_of(prefer: str | None) -> float:
    """How long the caller wants to wait: `Prefer: wait=30` (RFC 7240)."""
    for part in (prefer or "").split(","):
        name, _, value = part.strip().partition("=")
        wanted = value.strip()
        if name.strip().lower() == "wait" and wanted.isascii() and wanted.isdigit() and len(wanted) < 6:
            return float(wanted)
    return 0.0
