"""One process of a campaign on a real store: the runtime as it is served, driven by its parent.

It is made to be killed: nothing here handles that or cleans up.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine

from lathe.effect.base import Attempt, Ending
from lathe.errors import NotFoundError
from lathe.lang import read_app
from lathe.runtime.clock import Ids, SystemClock
from lathe.runtime.committer import OverloadedError
from lathe.runtime.engine import BusyError, Committed, Refused, Replayed, Result
from lathe.runtime.node import Node
from lathe.runtime.outbox import Settings
from lathe.sim.commands import command_of, progress_of
from lathe.sim.messages import (
    Answered,
    Ask,
    Begin,
    Broke,
    Cancelled,
    Done,
    Leave,
    Look,
    Message,
    Seen,
    Stepped,
    Try,
    Up,
    receive,
    send,
)
from lathe.sim.places import opened
from lathe.store.base import Store, StoreError
from lathe.store.records import Outgoing

OVERDUE_LIMIT = 50
OPEN_TRIES = 100
OPEN_SECONDS = 0.1


def live(end: socket.socket) -> None:
    """The whole life of a process; `end` is its end of the pair."""
    asyncio.run(_live(end))


async def _live(end: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=end)
    begin = await receive(reader)
    assert isinstance(begin, Begin), "it is told first what it is"
    process = _Process(begin, writer)
    try:
        await process.start()
        while (message := await receive(reader)) is not None:
            if isinstance(message, Leave):
                await process.stop()
                return
            process.take(message)
    except Exception as error:  # noqa: BLE001  a defect, for whoever runs the campaign
        send(writer, Broke(f"{type(error).__name__}: {error}"))
        await writer.drain()
    os._exit(1)


class _Process:
    """One node, and what its parent is told of it."""

    def __init__(self, begin: Begin, writer: asyncio.StreamWriter) -> None:
        app = read_app(begin.files).app
        assert app is not None, "what is simulated was admitted"
        self._begin = begin
        self._app = app
        self._writer = writer
        self._clock = SystemClock()
        self._store: Store = opened(begin.store, begin.schema)
        self._tries: dict[int, asyncio.Future[Ending | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        adapters = {e.uses for b in app.blueprints.values() for e in b.effects.values()}
        self._node = Node(
            self._store,
            self._clock,
            Ids(self._clock),
            performers=dict.fromkeys(sorted(adapters), self),
            lookups=_lookups,
            settings=Settings(begin.worker, lease_ms=begin.lease_ms),
            failed=lambda what, error: self._say(Broke(f"{what}: {type(error).__name__}: {error}")),
        )
        self._node.engine.watch(self._watch)

    def _say(self, message: Message) -> None:
        send(self._writer, message)

    async def start(self) -> None:
        """Open the store, as soon as whoever had it is gone, and begin."""
        for _ in range(OPEN_TRIES):
            try:
                await self._store.open()
                break
            except StoreError:
                await asyncio.sleep(OPEN_SECONDS)
        await self._node.start()
        self._say(Up())

    async def stop(self) -> None:
        """In order."""
        await self._node.stop()
        await self._store.close()

    def take(self, message: Message) -> None:
        """What the parent says."""
        match message:
            case Ask():
                self._spawn(self._ask(message))
            case Look():
                self._spawn(self._look(message))
            case Done(id=number, ending=ending):
                waiting = self._tries.pop(number, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(ending)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, ask: Ask) -> None:
        issue, begin = ask.issue, self._begin
        if ask.effect is None:
            command = command_of(issue, tenant=begin.tenant, app=self._app.name, now_ms=self._clock.now_ms)
        else:
            command = progress_of(
                issue.entity, ask.effect, ask.number, issue.action, tenant=begin.tenant, app=self._app.name
            )
        try:
            result = await self._node.engine.execute(command)
        except (StoreError, BusyError, OverloadedError) as error:
            self._say(Answered(ask.id, "unknown", said=type(error).__name__))
        except NotFoundError:
            self._say(Answered(ask.id, "nobody"))
        else:
            self._say(_answer(ask.id, result))

    async def _look(self, look: Look) -> None:
        try:
            now = await self._store.now_ms()
            late = await self._store.overdue(
                self._begin.tenant, self._app.name, before_ms=now, limit=OVERDUE_LIMIT
            )
            self._say(Seen(look.id, len(late)))
        except StoreError:
            self._say(Seen(look.id, -1))

    def _watch(self, committed: Committed) -> None:
        write = committed.write
        taken = tuple((part.blueprint, part.action or "") for part in committed.step.parts)
        self._say(Stepped(write.entities, tuple(entry.hash for entry in write.entries), taken))

    # The adapter, which is the parent's.

    async def perform(self, attempt: Attempt) -> Ending:
        """Ask the parent, and tell it if nobody waits any more."""
        live = self._node.engine.catalog.live(self._begin.tenant, self._app.name)
        held = await self._node.engine.read(live, attempt.id.rpartition(".")[0])
        number = len(self._tries) + 1
        while number in self._tries:
            number += 1
        waiting: asyncio.Future[Ending | None] = asyncio.get_running_loop().create_future()
        self._tries[number] = waiting
        self._say(Try(number, attempt, held.entity.blueprint if held is not None else ""))
        try:
            ending = await waiting
        except asyncio.CancelledError:
            self._say(Cancelled(number))
            self._tries.pop(number, None)
            raise
        if ending is None:
            raise RuntimeError("an adapter's own fault")
        return ending

    async def close(self) -> None:
        """There is nothing to let go of."""


def _answer(number: int, result: Result) -> Answered:
    match result:
        case Committed(write=write):
            answer = write.receipt.answer if write.receipt is not None else b""
            return Answered(number, "committed", tuple(entry.hash for entry in write.entries), answer)
        case Replayed(receipt=receipt):
            return Answered(number, "replayed", answer=receipt.answer)
        case Refused(refusal=refusal):
            return Answered(number, "refused", said=str(refusal))
    return Answered(number, "lease")


def _lookups(outgoing: Outgoing, patience_ms: int) -> Callable[[str, str], str]:
    return lambda scope, name: f"<{scope}:{name}>"
