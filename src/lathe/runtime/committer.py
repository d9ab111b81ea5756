"""Group commit: whatever queued up while the store was busy is its next group.

Nothing is answered before its group is durable. The queue is bounded: a full one refuses at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from lathe.store.base import GROUP_LIMIT, Store, StoreError
from lathe.store.records import Answer, Write

QUEUE_LIMIT = 8_192
"""Writes that may wait for a group."""

Settled = Callable[[Write, Answer | None], None]
"""Told of each write, in order, when its group is over; None: it is not known, or not committed."""


_Queued = tuple[Write, asyncio.Future[Answer]]


class OverloadedError(Exception):
    """More is waiting to be committed than the queue holds, or nothing is committed any more."""


class Committer:
    """The one way to the store's `commit`. Run `run` in a task of its own."""

    def __init__(self, store: Store, settled: Settled) -> None:
        self._store = store
        self._settled = settled
        self._waiting: deque[_Queued] = deque()
        self._wake = asyncio.Event()
        self._turn: asyncio.Future[None] | None = None
        self._is_closing = False
        self._is_over = False
        self.groups = 0
        self.writes = 0

    @property
    def depth(self) -> int:
        """How many writes wait."""
        return len(self._waiting)

    def submit(self, write: Write) -> asyncio.Future[Answer]:
        """Queue a write; the future has the store's answer, or what the store raised for it.

        Raises `OverloadedError`: the queue is full, or `run` is over.
        """
        if self._is_over or len(self._waiting) >= QUEUE_LIMIT:
            raise OverloadedError
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future))
        self._wake.set()
        return future

    async def turn(self) -> None:
        """Wait until the next group is over."""
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._turn)

    async def run(self) -> None:
        """Commit group after group until `close`; what is queued by then is still committed."""
        try:
            while not (self._is_closing and not self._waiting):
                if not self._waiting:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                try:
                    await self._commit_group()
                finally:
                    self._end_turn()
        finally:
            self._is_over = True
            left, self._waiting = list(self._waiting), deque()
            self._fail(left, None)
            self._end_turn()

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and not turn.done():
            turn.set_result(None)

    def close(self) -> None:
        """Commit what is queued, then end `run`."""
        self._is_closing = True
        self._wake.set()

    async def _commit_group(self) -> None:
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_LIMIT))]
        try:
            await self._commit(group)
        except StoreError as error:
            self._fail(group, error)
        except Exception as error:  # noqa: BLE001  one write that no store can take must not end all others
            await self._one_by_one(group, error)

    async def _one_by_one(self, group: list[_Queued], error: Exception) -> None:
        """What the store choked on is one write: the others of its group are committed without it."""
        if len(group) == 1:
            self._fail(group, error)
            return
        for at, one in enumerate(group):
            try:
                await self._commit([one])
            except Exception as own:  # noqa: BLE001  it is told to whoever queued the write
                self._fail([one], own)
            except BaseException:
                self._fail(group[at + 1 :], None)
                raise

    async def _commit(self, group: list[_Queued]) -> None:
        try:
            answers = await self._store.commit([write for write, _ in group])
        except Exception:
            raise
        except BaseException:
            self._fail(group, None)
            raise
        self.groups += 1
        self.writes += len(group)
        for (write, future), answer in zip(group, answers, strict=True):
            self._settled(write, answer)
            if not future.done():
                future.set_result(answer)

    def _fail(self, group: list[_Queued], error: Exception | None) -> None:
        """These writes are over without an answer; None: whoever waits is cancelled."""
        for write, future in group:
            self._settled(write, None)
            if error is None:
                future.cancel()
            elif not future.done():
                future.set_exception(error)
