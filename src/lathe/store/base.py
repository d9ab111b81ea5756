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
"""How long a database may search for one page."""

INTENTS_LIMIT = 1_000
"""Kinds of refusals that are counted for one app."""

Written = tuple[str, str, str, int]
"""An entity that was committed: tenant, app, id, and its new revision."""

SortKey = Literal["id", "created", "changed", "state"]


@frozen
class Query:
    """Which entities of a blueprint, in which order. `where` is an expression over its fields and `state`:
    one that `store.sql_filter` cannot lower is a `UsageError`.

    `after` is the (sort value, id) of the last row of the previous page, as the cursor has it. `holder` is a
    claim (unique, key): only the entity that holds it is returned, by an index.
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
    """A change of timers by a new version, for entities that are not rewritten.

    With a `state` it is that state's timer: an armed one keeps its start and gets the duration `after_ms`; an
    entity without one is armed now; None: the new version has no such timer. Without a `state` it is the
    `[timer]` called `name`, which the new version has no more.
    """

    blueprint: str
    state: str = ""
    name: str = ""
    after_ms: int | None = None


@frozen
class Apply:
    """A new version becomes current, if the app's governing row still is `expected` (None: the app is new).

    `writes` migrate live entities; each is checked as in a group, and if one is refused, all are. They are
    decided under `governing`, the governing row afterwards. `retimings` are applied after them. `audit` must
    continue the audit log's current end, else nothing is applied (`audit`). `decisions` change in the same
    transaction; if one has another revision by now, nothing is applied (`decision`).

    With `again`, the transaction itself looks for concurrent changes, once no other write of the app can be
    committed: entities whose head differs from `examined` are passed to it, and the writes that it returns
    replace theirs. If it raises, so does `apply`, and nothing has changed.
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
        """Those of the app's entities, given as (id, head), that have changed since they were examined."""
        if self.again is None:
            return []
        return [name for name, head in heads if self.examined.get(name) != head]

    def writes_with(self, rows: Sequence[EntityRow]) -> tuple[Write, ...]:
        """The writes, with those of the changed entities `rows` computed anew."""
        if self.again is None or not rows:
            return self.writes
        anew = self.again(rows)
        kept = [w for w in self.writes if not any(row.id in anew for row in w.entities)]
        return (*kept, *(found for found in anew.values() if found is not None))

    @property
    def governing(self) -> Governing:
        """The app's governing row afterwards: the version's digest, in the next epoch."""
        return Governing(self.version.digest, self.expected.epoch + 1 if self.expected else 1)


@frozen
class Referring:
    """A blueprint's fields that hold references to other entities, single ones and sets."""

    blueprint: str
    fields: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()


REFERRED_MS = 600_000
"""Entities written within so many milliseconds are checked again for references before one is archived."""


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
    """The store does not answer now; try again. With `maybe`, a commit's acknowledgement was lost."""

    code = "unavailable"

    def __init__(self, message: str, *, maybe: bool = False) -> None:
        super().__init__(message)
        self.maybe = maybe


class UnstorableError(StoreError):
    """A value that this store cannot hold, such as a text with a NUL: it is one write's, and no other's."""

    code = "unstorable"


class TooLongError(StoreError):
    """A list took longer than `LIST_SECONDS`."""

    code = "too_long"


class FullError(StoreError):
    """The disk is full."""

    code = "full"


class ReadOnlyError(StoreError):
    """The store is read-only."""

    code = "read_only"


class DeniedError(StoreError):
    """The database rejects the login."""

    code = "denied"


class AbsentError(StoreError):
    """There is no such database."""

    code = "absent"


class CorruptError(StoreError):
    """The data on disk is not what was written."""

    code = "corrupt"


class SchemaError(StoreError):
    """The store was written by a newer release, or another process has locked it."""

    code = "schema"


class Store(Protocol):
    """Where everything durable lives. Every method may raise `StoreError`.

    `commit` is the only way in which an entity changes. Reads see committed rows only.
    """

    name: str
    """`sqlite`, `postgres` or `memory`."""

    begins_at_once: bool
    """Whether calling `commit` starts it at once, on a thread of the store, and not only when it is awaited.
    """
    is_shared: bool
    """Whether other processes may write to it, so that cached rows may be stale."""

    async def open(self) -> None:
        """Connect, take locks, and bring the schema up to date."""

    async def close(self) -> None:
        """Disconnect. Everything acknowledged is durable."""

    async def ping(self) -> None:
        """Raise if a commit would fail now."""

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the event loop, soon after any process has committed."""

    def on_written(self, listener: Callable[[Sequence[Written]], None]) -> None:
        """Call `listener`, in the event loop, with the entities that any process has committed lately. It is
        a hint: some may be left out, and a store that is not shared never calls it.
        """

    # Steps.

    def commit(self, group: Sequence[Write]) -> Awaitable[list[Answer]]:
        """Commit the compatible writes of a group (`accept`) in one durable transaction; answers are in
        order.

        Calls may overlap and are processed in order. The caller may append to a group until its turn comes.
        """

    # Committed rows.

    async def load(self, tenant: str, app: str, ids: Sequence[str]) -> dict[str, EntityRow]:
        """The entities with these ids that exist, in the same order."""

    async def find(self, query: Query) -> list[EntityRow]:
        """A page of entities; `query.limit` of them unless there are no more. Raises `TooLongError`."""

    async def count(self, tenant: str, app: str) -> dict[tuple[str, str], int]:
        """How many entities there are by (blueprint, state)."""

    async def holders(
        self, tenant: str, app: str, claims: Sequence[tuple[str, bytes]]
    ) -> dict[tuple[str, bytes], str]:
        """The holder of each (unique, key) that is held."""

    async def entries(self, query: JournalQuery) -> list[Entry]:
        """Journal entries that have a position; no entry before the last of them is missing."""

    async def hashes(self, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Position and hash of the entries of all tenants, archived ones too: what a checkpoint covers."""

    async def history(
        self, tenant: str, app: str, entity: str, *, after: int = 0, limit: int = PAGE_LIMIT
    ) -> list[Entry]:
        """An entity's entries by revision, oldest first, also those without a position yet."""

    async def position(self) -> int:
        """The last position up to which readers have seen everything."""

    async def receipt(self, tenant: str, principal: str, key: str) -> Receipt | None:
        """The answer given for an idempotency key, if it has not expired."""

    # Versions.

    async def governing(self) -> dict[tuple[str, str], Governing]:
        """The governing row (version and epoch) of each (tenant, app)."""

    async def version(self, tenant: str, app: str, digest: str) -> Version | None:
        """A version that is or was current."""

    async def versions(self, tenant: str, app: str) -> list[Version]:
        """Every application, newest first; `files` and `report` are left empty."""

    async def apply(self, change: Apply) -> Answer:
        """Make a version current and migrate its entities, or change nothing."""

    # Effects and timers, by the store's clock.

    async def now_ms(self) -> int:
        """The store's clock."""

    async def lease(self, worker: str, *, limit: int, lease_ms: int) -> list[Leased]:
        """Lease up to `limit` invocations that are due and not leased, the longest due first; an expired
        lease counts as due since it expired.

        Of one entity only the invocation that `machine` would start next, or has started, is due; notices and
        late executions are not ordered. A lease survives a write that replaces its row.
        """

    async def renew(
        self, worker: str, keys: Sequence[tuple[str, str, str, int]], *, lease_ms: int
    ) -> set[tuple[str, str, str, int]]:
        """Extend leases of invocations (tenant, app, entity, number); returns those that the worker still
        has.
        """

    async def postpone(self, worker: str, outgoing: Outgoing) -> bool:
        """Release an invocation with its new `due_ms` and `attempt`; False if the worker does not hold it."""

    async def due_timers(self, worker: str, *, limit: int, lease_ms: int) -> list[Timer]:
        """Lease up to `limit` timers that are due and not leased, the longest due first.

        A write that replaces the row arms the timer anew and ends its lease.
        """

    async def postpone_timer(self, worker: str, timer: Timer, *, until_ms: int) -> bool:
        """Release a timer whose action is not possible now: it is due again at `until_ms`, or as soon as its
        entity is written. False if the worker has no lease on it.
        """

    async def next_due_ms(self) -> int | None:
        """When the next invocation or timer is due that is not leased and waits for no other."""

    async def overdue(self, tenant: str, app: str, *, before_ms: int, limit: int) -> list[Timer | Outgoing]:
        """Timers and invocations that were due before `before_ms`, the longest overdue first."""

    async def pending(self, tenant: str, app: str, entity: str) -> list[Timer | Outgoing]:
        """An entity's timers and invocations that are not over, the earliest due first."""

    # Beside the journal.

    async def checkpoints(self, *, limit: int = 1) -> list[Checkpoint]:
        """The newest checkpoints, newest first."""

    async def add_checkpoint(self, checkpoint: Checkpoint, *, after: int) -> bool:
        """Add a checkpoint that continues the one at position `after` (0: the beginning of the journal);
        False if another has been added since, which this one's root does not cover.
        """

    async def count_intents(self, intents: Sequence[Intent]) -> None:
        """Add to the counts of these kinds; beyond `INTENTS_LIMIT` of an app the rarest are dropped."""

    async def intents(self, tenant: str, app: str) -> list[Intent]:
        """The kinds of an app's refusals, most frequent first."""

    # Tokens, decisions, the audit log.

    async def govern(self, change: Change) -> bool:
        """Change tokens, decisions or the audit log durably, or nothing: False if the audit log has grown
        since, or a decision has another revision.
        """

    def on_governed(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the event loop, soon after any process has changed versions, tokens or
        decisions.
        """

    async def lineage(self, token: str) -> list[TokenRow]:
        """The token of this id and those that it was delegated from, itself first."""

    async def tokens(
        self, tenant: str, *, after: str = "", limit: int = PAGE_LIMIT, living_ms: int | None = None
    ) -> list[TokenRow]:
        """A tenant's tokens by id, from behind `after`; with `living_ms` only those that are not revoked and
        expire after it, by an index.
        """

    async def derived_tokens(self, token: str, *, after: str = "", limit: int = PAGE_LIMIT) -> list[TokenRow]:
        """A token and all that were delegated from it, by id, from behind `after`: no others are read."""

    async def decision(self, tenant: str, decision: str) -> DecisionRow | None:
        """The decision of this id."""

    async def held(self, tenant: str, decision: str) -> bytes | None:
        """The app files that a decision's request would apply; None if it applies none."""

    async def decisions(self, query: DecisionQuery) -> list[DecisionRow]:
        """A page of decisions, the newest first."""

    async def approved(self, tenant: str, keys: Sequence[bytes]) -> list[DecisionRow]:
        """Approved decisions for requests with these keys, valid by the store's clock, oldest first."""

    async def audit_end(self) -> End:
        """The last entry of the audit log: its number and hash."""

    async def audit(
        self, *, tenant: str | None = None, after: int = 0, limit: int = PAGE_LIMIT
    ) -> list[Audited]:
        """Entries of the audit log by number, of one tenant or of all."""

    async def seals(self, *, limit: int = 1) -> list[Seal]:
        """The newest seals, newest first."""

    async def add_seal(self, seal: Seal) -> bool:
        """Add a seal; False if there is one with this number or a later one already."""

    # Housekeeping.

    async def sweep(self, bounds: Bounds) -> Swept:
        """Remove expired receipts, and archives, tokens and decisions older than their bounds."""

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
        """Move entities that became final before `final_before_ms` to the archive, with their journal; their
        ids.

        Their claims and timers are deleted. An entity with an open invocation stays, and so does one to which
        an entity that is not archived refers, by the fields in `referring`.
        """

    async def erase(self, tenant: str, app: str, entity: str) -> int:
        """Erase the payloads of an entity's journal; the hash chain still verifies. Returns their number."""

    async def backup(self, target: str) -> None:
        """Write a consistent copy to `target`; commits go on meanwhile."""

    def dump(self) -> AsyncIterator[tuple[str, bytes]]:
        """Every row of every table as (table, JSON), at one moment, for `lathe store export`."""

    async def restore(self, rows: AsyncIterator[tuple[str, bytes]]) -> int:
        """Fill an empty store from the `dump` of any store, without leases; returns the number of rows."""


__all__ = [
    "GROUP_LIMIT", "INTENTS_LIMIT", "LIST_SECONDS", "PAGE_LIMIT", "Answer", "Apply", "Bounds",
    "Checkpoint", "Claim",
    "CorruptError", "EntityRow", "Entry", "FullError", "Governing", "Intent", "JournalQuery", "Leased",
    "Outgoing", "Query",
    "ReadOnlyError", "Receipt", "Referring", "Retiming", "SchemaError", "SortKey", "Store", "StoreError",
    "Swept", "Timer",
    "TooLongError", "UnavailableError", "Version", "Write", "sort_value",
]  # fmt: skip
