"""Messages between a campaign and its processes: pickled, length-prefixed, over a socket pair.

Both ends are this very program, started by itself, so nothing is read that somebody else has written.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Mapping

from lathe.effect.base import Attempt, Ending
from lathe.frozen import frozen
from lathe.sim.workload import Issue
from lathe.store.records import EntityRow

LENGTH_BYTES = 4
MESSAGE_BYTES_LIMIT = 16 * 1024 * 1024


@frozen
class Begin:
    """To a process: what it is. `versions` are files; the first governs."""

    store: str
    schema: str
    files: Mapping[str, bytes]
    tenant: str
    worker: str
    lease_ms: int


@frozen
class Ask:
    """To a process: take a command of a client, or of an effect in progress (`number` of its invocation)."""

    id: int
    issue: Issue
    effect: str | None = None
    number: int = 0


@frozen
class Done:
    """To a process: how a try ended."""

    id: int
    ending: Ending | None
    """None: the adapter raises."""


@frozen
class Look:
    """To a process: say how much is overdue."""

    id: int


@frozen
class Leave:
    """To a process: stop in order."""


@frozen
class Up:
    """From a process: it takes commands."""


@frozen
class Answered:
    """From a process: what became of a command. `hashes` of the entries, `answer` of the receipt."""

    id: int
    verdict: str
    """`committed`, `replayed`, `refused`, `unknown`, `nobody`, `lease`."""
    hashes: tuple[bytes, ...] = ()
    answer: bytes = b""
    said: str = ""


@frozen
class Stepped:
    """From a process: a step that it holds to be committed."""

    rows: tuple[EntityRow, ...]
    hashes: tuple[bytes, ...]
    taken: tuple[tuple[str, str], ...]


@frozen
class Try:
    """From a process: perform, for an entity of this blueprint."""

    id: int
    attempt: Attempt
    blueprint: str


@frozen
class Cancelled:
    """From a process: a try is not waited for any more."""

    id: int


@frozen
class Seen:
    """From a process: how many rows are overdue."""

    id: int
    overdue: int


@frozen
class Broke:
    """From a process: a defect."""

    said: str


Message = Begin | Ask | Done | Look | Leave | Up | Answered | Stepped | Try | Cancelled | Seen | Broke


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None at the end, also in the middle of one."""
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
        assert length <= MESSAGE_BYTES_LIMIT, "a message is bounded"
        found: Message = pickle.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return found


def send(writer: asyncio.StreamWriter, message: Message) -> None:
    """Send, or lose it if nobody is there any more."""
    data = pickle.dumps(message)
    writer.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
