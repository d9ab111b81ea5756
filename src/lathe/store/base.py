"""The store's interface. Two implementations are on disk (SQLite, PostgreSQL), one in memory for tests and
simulation.

All of them pass one contract suite (`tests/store/contract.py`). A store commits whole groups of steps,
serves committed rows, hands out leases by its own clock, and gives the journal positions without gaps. It
knows rows, not blueprints.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Literal, Protocol

from lathe.errors import LatheError
from lathe.frozen import frozen
from lathe.lang.expr import Node
from lathe.store.audit import Audited, Change, DecisionQuery, DecisionRow, End, Seal, TokenRow
from lathe.store.records import (
    Answer,
    Checkpoint,
    Claim,
    EntityRow,
    Entry,
    Governing,
    Intent,
    Leased,
    Outgoing,
    Receipt,
    Timer,
    Version,
    Write,
)

GROUP_LIMIT = 512
"""Writes that one group may hold."""
PAGE_LIMIT = 200
"""Rows of one page of a list."""
LIST_SECONDS = 2.0
"""How long a database looks for them."""

INTENTS_LIMIT = 1_000
"""Shapes of refusals that are kept of one app."""

Written = tuple[str, str, str, int]
"""An entity that was committed: tenant, app, id, and the revision that it has since."""

SortKey = Literal["id", "created", "changed", "state"]


@frozen
class Query:
    """Which entities of a blueprint, in which order. `where` is an expression over its fields and `state`:
    one that `store.sql_filter` cannot lower is a `UsageError`.

    `after` is the last row's (sort value, id) of the page before, as a cursor carried it. `holder` is a claim
    (unique, key): only who holds it, which is found without looking at the others.
    """

    tenant: str
    app: str
    blueprint: str
    states: tuple[str, ...] = ()
    where: Node | None = None
    sort: SortKey = "id"
    descending: bool = False
    after: tuple[str | int, str] | None = None
    limit: int = PAGE_LIMIT
    holder: tuple[str, bytes] | None = None


def sort_value(row: EntityRow, sort: SortKey) -> tuple[str | int, str]:
    """What a cursor carries of the last row of a page: `after` of the query for the next one."""
    match sort:
        case "id":
            return row.id, row.id
        case "created":
            return row.created_ms, row.id
        case "changed":
            return row.changed_ms, row.id
        case "state":
            return row.state, row.id


@frozen
class JournalQuery:
    """Which entries, by position: those after `after` up to `until`, oldest first. None leaves it open."""

    tenant: str | None
    after: int = 0
    until: int | None = None
    app: str | None = None
    blueprint: str | None = None
    entity: str | None = None
    limit: int = PAGE_LIMIT


@frozen
class Retiming:
    """What becomes of a timer under a new version, of entities that it does not rewrite.

    With a `state` it is the timer of that state: one that is armed keeps its start and takes `after_ms`, and
    is armed now where there is none; None: the state has none any more. Without, it is the `[timer]` of this
    `name`, which is gone.
    """

    blueprint: str
    state: str = ""
    name: str = ""
    after_ms: int | None = None


@frozen
class Apply:
    """A new version becomes current, if the app is still governed as `expected` (None: it is new).

    `writes` bring live entities over; each is checked as in a group, and one that is refused refuses all.
    They are decided under `governing`, what governs the app afterwards. `retimings` come after them. `audit`
    goes on where the audit ends; if it ended elsewhere, nothing is applied (`audit`). `decisions` change with
    it, as those of a `Change` do; if one is of another revision by now, nothing is applied (`decision`).

    With `again`, the store looks once more in the transaction itself, when nobody can write the app any more:
    entities whose head is not the one in `examined` are handed to it, and the writes that it gives take the
    place of theirs. What it raises, `apply` raises, and nothing has changed.
    """

    version: Version
    expected: Governing | None
    writes: tuple[Write, ...] = ()
    retimings: tuple[Retiming, ...] = ()
    examined: Mapping[str, bytes] = field(default_factory=dict)
    again: Callable[[Sequence[EntityRow]], Mapping[str, Write | None]] | None = None
    audit: tuple[Audited, ...] = ()
    decisions: tuple[DecisionRow, ...] = ()

    def changed(self, heads: Iterable[tuple[str, bytes]]) -> list[str]:
        """Of the app's entities, as (id, head), those that are to be looked at once more."""
        if self.again is None:
            return []
        return [name for name, head in heads if self.examined.get(name) != head]

    def writes_with(self, rows: Sequence[EntityRow]) -> tuple[Write, ...]:
        """The writes, those of what has changed made anew."""
        if self.again is None or not rows:
            return self.writes
        anew = self.again(rows)
        kept = [w for w in self.writes if not any(row.id in anew for row in w.entities)]
        return (*kept, *(found for found in anew.values() if found is not None))

    @property
    def governing(self) -> Governing:
        """What governs the app afterwards: the version's digest, an epoch further on."""
        return Governing(self.version.digest, self.expected.epoch + 1 if self.expected else 1)


@frozen
class Referring:
    """Where entities of a blueprint refer to others: by fields that hold one, or a set of them."""

    blueprint: str
    fields: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()


REFERRED_MS = 600_000
"""Who was written in so many milliseconds is looked at once more when somebody is archived."""


@frozen
class Bounds:
    """What a sweep leaves: ages in milliseconds."""

    archive_ms: int | None = None
    """How long archived entities are kept; None: for ever."""
    tokens_ms: int | None = None
    """How long tokens are kept once they have expired or were revoked; None: for ever."""
    decisions_ms: int | None = None
    """How long decisions are kept once they have expired; None: for ever."""
    rows: int = 1_000
    """Rows that one sweep removes of each table: it is run again while there are more."""


@frozen
class Swept:
    """How many rows a sweep removed, by table, and whether there are more."""

    removed: Mapping[str, int]
    more: bool


class StoreError(LatheError):
    """Base of what a store can fail with. `code` is stable; nothing of the call was committed
    unless `maybe` says that it cannot be known.
    """

    code = "store"
    maybe = False


class UnavailableError(StoreError):
    """It does not answer now; try again. With `maybe`, a commit's acknowledgement was lost."""

    code = "unavailable"

    def __init__(self, message: str, *, maybe: bool = False) -> None:
        super().__init__(message)
        self.maybe = maybe


class TooLongError(StoreError):
    """What a list asks for is not found in `LIST_SECONDS`."""

    code = "too_long"


class FullError(StoreError):
    """There is no room left."""

    code = "full"


class ReadOnlyError(StoreError):
    """It cannot be written."""

    code = "read_only"


class DeniedError(StoreError):
    """It does not know who asks, or does not let them in."""

    code = "denied"


class AbsentError(StoreError):
    """There is no such database."""

    code = "absent"


class CorruptError(StoreError):
    """What is on disk is not what was written."""

    code = "corrupt"


class SchemaError(StoreError):
    """It was written by a release that this one does not know, or is locked by another process."""

    code = "schema"


class Store(Protocol):
    """Where everything durable lives. Every method may raise `StoreError`.

    `commit` is the only way in which an entity changes. Reads see committed rows only.
    """

    name: str
    """`sqlite`, `postgres` or `memory`."""

    begins_at_once: bool
    """Whether `commit` is begun by its call, in a thread of the store, and not only once it is awaited."""
    is_shared: bool
    """Whether other processes may write beside this one, so that what is cached may be stale."""

    async def open(self) -> None:
        """Connect, take what must be taken, bring the schema up to date."""

    async def close(self) -> None:
        """Let go. What was acknowledged stays."""

    async def ping(self) -> None:
        """Fail if it could not commit now."""

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the event loop, soon after any process has committed."""

    def on_written(self, listener: Callable[[Sequence[Written]], None]) -> None:
        """Call `listener`, in the event loop, with what any process has committed lately. It is a hint: some
        of it may never be told, and a store that is not shared tells nothing.
        """

    # Steps.

    def commit(self, group: Sequence[Write]) -> Awaitable[list[Answer]]:
        """Commit what fits (`accept`), in one durable transaction; one answer for each write, in order.

        It may be called again while it runs. A group may grow until it is looked at, which is done when its
        turn has come, and not before.
        """

    # Committed rows.

    async def load(self, tenant: str, app: str, ids: Sequence[str]) -> dict[str, EntityRow]:
        """The entities of these ids that exist, in this order."""

    async def find(self, query: Query) -> list[EntityRow]:
        """A page of entities; `query.limit` of them unless there are no more. Raises `TooLongError`."""

    async def count(self, tenant: str, app: str) -> dict[tuple[str, str], int]:
        """How many entities there are by (blueprint, state)."""

    async def holders(
        self, tenant: str, app: str, claims: Sequence[tuple[str, bytes]]
    ) -> dict[tuple[str, bytes], str]:
        """Who holds each (unique, key), of those that are held."""

    async def entries(self, query: JournalQuery) -> list[Entry]:
        """Journal entries with a position, without gaps before the last of them."""

    async def hashes(self, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Position and hash of the entries of all tenants, archived ones too: what a checkpoint binds."""

    async def history(
        self, tenant: str, app: str, entity: str, *, after: int = 0, limit: int = PAGE_LIMIT
    ) -> list[Entry]:
        """An entity's entries by revision, oldest first, also those without a position yet."""

    async def position(self) -> int:
        """The last position that readers may pass."""

    async def receipt(self, tenant: str, principal: str, key: str) -> Receipt | None:
        """The answer given for an idempotency key, if it has not expired."""

    # Versions.

    async def governing(self) -> dict[tuple[str, str], Governing]:
        """What governs each (tenant, app)."""

    async def version(self, tenant: str, app: str, digest: str) -> Version | None:
        """A version that was applied once."""

    async def versions(self, tenant: str, app: str) -> list[Version]:
        """Every application, newest first; `files` and `report` are left empty."""

    async def apply(self, change: Apply) -> Answer:
        """Make a version current and bring its entities over, or change nothing."""

    # Effects and timers, by the store's clock.

    async def now_ms(self) -> int:
        """The store's clock."""

    async def lease(self, worker: str, *, limit: int, lease_ms: int) -> list[Leased]:
        """Take up to `limit` invocations that are due and that nobody holds, the longest due first; one
        whose lease ran out is due since then.

        Of one entity, only the invocation that `machine` would start next, or has started, is due; notices
        and late ones wait for nothing. A lease outlasts a write that replaces its row.
        """

    async def renew(
        self, worker: str, keys: Sequence[tuple[str, str, str, int]], *, lease_ms: int
    ) -> set[tuple[str, str, str, int]]:
        """Hold on to invocations (tenant, app, entity, number); those that are still the worker's."""

    async def postpone(self, worker: str, outgoing: Outgoing) -> bool:
        """Let go of an invocation and write down its new `due_ms` and `attempt`; False if it is not its."""

    async def due_timers(self, worker: str, *, limit: int, lease_ms: int) -> list[Timer]:
        """Take up to `limit` timers whose moment has come and that nobody holds, the longest due first.

        A write that replaces the row arms it anew: whoever held it holds it no longer.
        """

    async def postpone_timer(self, worker: str, timer: Timer, *, until_ms: int) -> bool:
        """Let go of a timer whose action is not possible now: it is due again at `until_ms`, or as soon as
        its entity is written. False if it is not the worker's.
        """

    async def next_due_ms(self) -> int | None:
        """When the next invocation or timer is due that nobody holds and that waits for no other."""

    async def overdue(self, tenant: str, app: str, *, before_ms: int, limit: int) -> list[Timer | Outgoing]:
        """What has been due since before `before_ms`, the longest first."""

    async def pending(self, tenant: str, app: str, entity: str) -> list[Timer | Outgoing]:
        """An entity's timers and invocations that are not over, the earliest due first."""

    # Beside the journal.

    async def checkpoints(self, *, limit: int = 1) -> list[Checkpoint]:
        """The newest checkpoints, newest first."""

    async def add_checkpoint(self, checkpoint: Checkpoint, *, after: int) -> bool:
        """Keep a checkpoint that goes on from the one at position `after` (0: from the beginning); False if
        another one has come between, on which this one's root does not rest.
        """

    async def count_intents(self, intents: Sequence[Intent]) -> None:
        """Add to the counts of these shapes; beyond 1,000 of an app the rarest oldest ones give way."""

    async def intents(self, tenant: str, app: str) -> list[Intent]:
        """The shapes of an app's refusals, most frequent first."""

    # Who may, and what was governed.

    async def govern(self, change: Change) -> bool:
        """Make a change of what governs, durably, or nothing: False if the audit ends elsewhere by now, or a
        decision is of another revision.
        """

    def on_governed(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the event loop, soon after any process has changed what governs."""

    async def lineage(self, token: str) -> list[TokenRow]:
        """The token of this id and those that it was delegated from, itself first."""

    async def tokens(
        self, tenant: str, *, after: str = "", limit: int = PAGE_LIMIT, living_ms: int | None = None
    ) -> list[TokenRow]:
        """A tenant's tokens by id, those behind `after`; with `living_ms` only those that are not revoked and
        expire later: the others are not looked at.
        """

    async def decision(self, tenant: str, decision: str) -> DecisionRow | None:
        """The decision of this id."""

    async def held(self, tenant: str, decision: str) -> bytes | None:
        """What a decision's request would apply; None for one that applies nothing."""

    async def decisions(self, query: DecisionQuery) -> list[DecisionRow]:
        """A page of decisions, the newest first."""

    async def approved(self, tenant: str, keys: Sequence[bytes]) -> list[DecisionRow]:
        """The decisions that let requests of these keys pass now, by the store's clock, the oldest first."""

    async def audit_end(self) -> End:
        """Where the audit ends."""

    async def audit(
        self, *, tenant: str | None = None, after: int = 0, limit: int = PAGE_LIMIT
    ) -> list[Audited]:
        """Entries of the audit by number, of one tenant or of all."""

    async def seals(self, *, limit: int = 1) -> list[Seal]:
        """The newest seals, newest first."""

    async def add_seal(self, seal: Seal) -> bool:
        """Keep a seal; False if there is one of that number or a later one already."""

    # Keeping house.

    async def sweep(self, bounds: Bounds) -> Swept:
        """Remove what has outlived its bound: receipts that expired, archives, tokens that are long over."""

    async def archive(
        self,
        tenant: str,
        app: str,
        blueprint: str,
        *,
        final_before_ms: int,
        limit: int,
        referring: Sequence[Referring] = (),
    ) -> list[str]:
        """Move entities final since before then, with their journal, out of the way; the ids of those moved.

        Their claims and timers are gone. One with an invocation that is not over stays, and so does one to
        which another refers that is not archived itself, by the fields in `referring`.
        """

    async def erase(self, tenant: str, app: str, entity: str) -> int:
        """Drop the payloads of an entity's journal; the chain still verifies. How many were dropped."""

    async def backup(self, target: str) -> None:
        """A consistent copy, while others go on writing."""

    def dump(self) -> AsyncIterator[tuple[str, bytes]]:
        """Every row of every table as (table, JSON), at one moment, for `lathe store export`."""

    async def restore(self, rows: AsyncIterator[tuple[str, bytes]]) -> int:
        """Fill an empty store with what `dump` of any store gave; how many rows. Leases are gone."""


__all__ = [
    "GROUP_LIMIT", "INTENTS_LIMIT", "LIST_SECONDS", "PAGE_LIMIT", "Answer", "Apply", "Bounds",
    "Checkpoint", "Claim",
    "CorruptError", "EntityRow", "Entry", "FullError", "Governing", "Intent", "JournalQuery", "Leased",
    "Outgoing", "Query",
    "ReadOnlyError", "Receipt", "Referring", "Retiming", "SchemaError", "SortKey", "Store", "StoreError",
    "Swept", "Timer",
    "TooLongError", "UnavailableError", "Version", "Write", "sort_value",
]  # fmt: skip
