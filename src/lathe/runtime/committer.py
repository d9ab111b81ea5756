"""Group commit: whatever queued up while the store was busy is its next group.

Nothing is answered before its group is durable. While one group is being committed the next one stands open
with the store, and takes in what is queued until its turn comes: the store waits for no event loop, and the
loop for no store. A store of its own thread begins before the loop's turn is over once half of what is under
way is queued: else everybody would be answered together, ask together, and each wait for the other half. The
queue is bounded: a full one refuses at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import overload

from lathe.store.base import GROUP_LIMIT, Store, StoreError, UnstorableError
from lathe.store.records import Answer, Write

QUEUE_LIMIT = 8_192
"""Writes that may wait for a group."""
EARLY_WRITES = 8
"""Fewer writes than this never start a group early: small groups cost most for each write."""
EARLY_SECONDS = 0.01
"""If commits take longer than this, groups are not started early."""

Settled = Callable[[Write, Answer | None], None]
"""Called for each write, in order, when its group is done; None: not committed, or unknown."""


Heard = Callable[[Answer | Exception | None], None]
"""Called in the event loop with the outcome of one write: the store's answer, what the store raised, or None
if the outcome is unknown. It must be quick: the others of the group wait.
"""
_Queued = tuple[Write, Heard]


class OverloadedError(Exception):
    """The queue is full, or the committer is closed."""


class Group(Sequence[Write]):
    """A group of writes that are committed together. It stays open until the store reads it, on whichever
    thread.

    It closes before it takes what is queued. Whoever queues a write and still sees it open is in it.
    """

    def __init__(self, waiting: deque[_Queued]) -> None:
        self._waiting = waiting
        self._queued: list[_Queued] | None = None
        self.is_open = True
        self.is_begun = False
        self.answers: Awaitable[list[Answer]] | None = None
        """The pending answers, if the store was started early."""

    @property
    def queued(self) -> list[_Queued]:
        """The writes with their listeners; reading closes the group."""
        if self._queued is None:
            self.is_open = False
            count = min(len(self._waiting), GROUP_LIMIT)
            self._queued = [self._waiting.popleft() for _ in range(count)]
        return self._queued

    def __len__(self) -> int:
        return len(self.queued)

    def __iter__(self) -> Iterator[Write]:
        return iter([write for write, _ in self.queued])

    @overload
    def __getitem__(self, index: int) -> Write: ...

    @overload
    def __getitem__(self, index: slice) -> list[Write]: ...

    def __getitem__(self, index: int | slice) -> Write | list[Write]:
        return [write for write, _ in self.queued][index]


class Committer:
    """The one way to the store's `commit`. Run `run` in a task of its own."""

    def __init__(self, store: Store, settled: Settled) -> None:
        self._store = store
        self._settled = settled
        self._waiting: deque[_Queued] = deque()
        self._group: Group | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._turn: asyncio.Future[None] | None = None
        self._under_way = 0
        self._most = 0
        """The recent maximum of concurrent writes."""
        self._seconds = 0.0
        """Duration of the last commit."""
        self._is_running = False
        self._is_over = False
        self.groups = 0
        self.writes = 0

    @property
    def depth(self) -> int:
        """How many writes are queued."""
        return len(self._waiting)

    def submit(self, write: Write) -> asyncio.Future[Answer]:
        """Queue a write; the future has the store's answer, or what the store raised for it.

        Raises `OverloadedError`: the queue is full, or `run` is over.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.queue(write, telling(future))
        return future

    def queue(self, write: Write, heard: Heard) -> None:
        """Like `submit`, with a callback in place of a future."""
        if self._is_over or len(self._waiting) >= QUEUE_LIMIT:
            raise OverloadedError
        self._waiting.append((write, heard))
        self._under_way += 1
        if self._is_running:
            self._hand_over()

    async def turn(self) -> None:
        """Wait until the next group is done."""
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._turn)

    async def run(self) -> None:
        """Commit groups until `close`; what is queued by then is still committed."""
        self._is_running = True
        try:
            self._hand_over()
            await self._closing.wait()
            while self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_running, self._is_over = False, True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._group is not None and self._group.answers is not None:
                self._fail(self._group.queued, None)  # nobody came to wait for it
            left, self._waiting = list(self._waiting), deque()
            self._fail(left, None)
            self._end_turn()

    def _hand_over(self) -> None:
        """Give the store an open group, if writes are queued that no open group takes."""
        group = self._group
        if not self._waiting:
            return
        if group is not None and group.is_open:
            if not group.is_begun and self._store.begins_at_once and self._is_early():
                group.is_begun, group.answers = True, self._store.commit(group)
            return
        group = self._group = Group(self._waiting)
        task = asyncio.create_task(self._commit_group(group), name="group")
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _is_early(self) -> bool:
        """Whether to start the commit within this turn of the event loop."""
        count = len(self._waiting)
        return count >= EARLY_WRITES and 2 * count >= self._most and self._seconds < EARLY_SECONDS

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._end_turn()
        if self._is_running:
            self._hand_over()

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and not turn.done():
            turn.set_result(None)

    def close(self) -> None:
        """Commit what is queued, then end `run`."""
        self._closing.set()

    async def _commit_group(self, group: Group) -> None:
        answers, group.answers = group.answers, None
        group.is_begun = True
        try:
            await self._settle(group, answers or self._store.commit(group))
        except UnstorableError as error:
            await self._one_by_one(group.queued, error)
        except StoreError as error:
            self._fail(group.queued, error)
        except Exception as error:  # noqa: BLE001  one write that no store can take must not end all others
            await self._one_by_one(group.queued, error)

    async def _one_by_one(self, group: list[_Queued], error: Exception) -> None:
        """A group made the store raise: commit its writes one by one, so that only the culprit fails."""
        if len(group) == 1:
            self._fail(group, error)
            return
        for at, one in enumerate(group):
            try:
                alone = Group(deque([one]))
                await self._settle(alone, self._store.commit(alone))
            except Exception as own:  # noqa: BLE001  it is told to whoever queued the write
                self._fail([one], own)
            except BaseException:
                self._fail(group[at + 1 :], None)
                raise

    async def _settle(self, group: Group, answers: Awaitable[list[Answer]]) -> None:
        """Call a group's listeners once the store has answered."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            found = await answers
        except Exception:
            raise
        except BaseException:
            self._fail(group.queued, None)
            raise
        if not found:
            return
        self._seconds = clock() - begun
        self.groups += 1
        self.writes += len(found)
        self._most = max(self._under_way, self._most - 1)
        self._under_way -= len(found)
        for (write, _), answer in zip(group.queued, found, strict=True):
            self._settled(write, answer)
        for (_, heard), answer in zip(group.queued, found, strict=True):
            _hear(heard, answer)

    def _fail(self, group: list[_Queued], error: Exception | None) -> None:
        """End these writes without an answer; None cancels their waiters."""
        self._under_way -= len(group)
        for write, _ in group:
            self._settled(write, None)
        for _, heard in group:
            _hear(heard, error)


def _hear(heard: Heard, found: Answer | Exception | None) -> None:
    """Call one listener; its exceptions concern nobody else of the group."""
    try:
        heard(found)
    except Exception as error:  # noqa: BLE001  a defect of who listens, and no failure of the group
        context = {"message": "who was told of a write failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


def telling(future: asyncio.Future[Answer]) -> Heard:
    """A listener that resolves a future."""
    return partial(_tell, future)


def _tell(future: asyncio.Future[Answer], found: Answer | Exception | None) -> None:
    if found is None:
        future.cancel()
    elif future.done():
        return
    elif isinstance(found, Exception):
        future.set_exception(found)
    else:
        future.set_result(found)
