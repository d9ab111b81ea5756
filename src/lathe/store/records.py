"""What a store keeps, row by row. Bytes are canonical JSON (UTF-8); times are milliseconds since the epoch.

Rows are msgspec structs: they are made for every action, and a struct costs a tenth of a dataclass.
Every key begins with the tenant.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

OutgoingPhase = Literal["waiting", "started", "stopping", "late", "notice"]


class EntityRow(Struct, frozen=True, gc=False):
    """An entity's current row: the sum of its journal.

    `revision` grows by one with every write, `version` with every action. `body` holds fields, ghosts and
    invocations; `head` is the hash of the entity's last journal entry; `digest` the version of the app that
    wrote it. `final_ms` is when it reached a final state, whoever writes it after that; None before.
    """

    tenant: str
    app: str
    blueprint: str
    id: str
    state: str
    visit: int
    version: int
    revision: int
    digest: str
    body: bytes
    head: bytes
    created_ms: int
    changed_ms: int
    final_ms: int | None = None


class Entry(Struct, frozen=True, gc=False):
    """An entry of an entity's journal: append-only, chained by `hash` over `previous`.

    `kind` is the event (create, act, timer, start, end, …, migrate), `action` what was taken, if anything.
    `step` names the joint step that it belongs to by its first entry, `entity.revision`: the entries of one
    step are committed together. `payload`
    holds arguments and changes; erasing it (None) leaves `payload_hash`, so that the chain still verifies.
    `chain` are the principals from the one that called to the one that it acts for. `policies` are the ids
    that permitted it. `position` is 0 until the store has assigned it.
    """

    tenant: str
    app: str
    blueprint: str
    entity: str
    revision: int
    version: int
    visit: int
    state: str
    kind: str
    action: str | None
    by: str
    chain: tuple[str, ...]
    policies: tuple[str, ...]
    digest: str
    semantics: int
    step: str
    at_ms: int
    payload: bytes | None
    payload_hash: bytes
    previous: bytes
    hash: bytes
    position: int = 0


class Outgoing(Struct, frozen=True, gc=False):
    """A row of the outbox: an invocation that is not over. `id` is shown to the other side.

    `request` are the adapter's settings as rendered when the action committed. It is tried when `due_ms` has
    come, unless somebody's lease on it still runs. `attempt` counts the tries that ended, badly: one that was
    cut off, as by a kill, is not among them.
    """

    tenant: str
    app: str
    blueprint: str
    entity: str
    number: int
    effect: str
    visit: int
    phase: OutgoingPhase
    digest: str
    due_ms: int
    request: bytes
    attempt: int = 0

    @property
    def id(self) -> str:
        return f"{self.entity}.{self.number}"


class Timer(Struct, frozen=True, gc=False):
    """An armed timer. `name` is that of a `[timer]`, or empty for the timer of the state.

    `armed_ms` is when it was armed: a new version's duration counts from there.
    """

    tenant: str
    app: str
    blueprint: str
    entity: str
    name: str
    visit: int
    armed_ms: int
    due_ms: int


class Claim(Struct, frozen=True, gc=False):
    """An entity's claim of a `[unique]`: `key` is the canonical JSON of the values."""

    tenant: str
    app: str
    unique: str
    key: bytes
    entity: str


class Receipt(Struct, frozen=True, gc=False):
    """The recorded answer for an idempotency key. `request` is the hash of the request."""

    tenant: str
    principal: str
    key: str
    request: bytes
    status: int
    answer: bytes
    expires_ms: int


class Version(Struct, frozen=True, gc=False):
    """An applied version of an app: its sources by path, and the report's JSON (`report`)."""

    tenant: str
    app: str
    digest: str
    files: dict[str, bytes]
    report: bytes
    applied_ms: int
    by: str
    note: str = ""


class Governing(Struct, frozen=True, gc=False):
    """An app's governing row: its current version, and the epoch of policies and revocations."""

    digest: str
    epoch: int


class Use(Struct, frozen=True, gc=False):
    """A write's use of an approved decision, which must have this revision and not have expired. `is_once`:
    the write uses it up.
    """

    id: str
    revision: int
    is_once: bool


GENESIS = bytes(32)
"""The head of an entity that does not exist; its first entry is chained to it."""


class Write(Struct, frozen=True, gc=False):
    """Everything that one step commits, atomically.

    `entities` are the rows afterwards. `bases` are the heads that every entity which it read or writes must
    still have (`GENESIS`: it must not exist): a head, not a revision, because two processes may each have
    made a revision of the same number. `digest` and `epoch` are what the decision was made under.
    `outgoing` and `timers` replace rows of the same key: the lease on an invocation runs on, a timer is armed
    anew and nobody's. `ended` are (entity, number), `disarmed` (entity, name) of rows that are gone. `lease`
    names the worker whose lease on an invocation or timer must still run, as (worker, entity, number or
    timer's name). With `holds`, as (worker, milliseconds), the notices among `outgoing` are born with a lease
    of that worker, if they are not there yet. `decision` names the decision that lets it pass where policies
    do not.
    """

    tenant: str
    app: str
    digest: str
    epoch: int
    entities: tuple[EntityRow, ...]
    entries: tuple[Entry, ...]
    bases: tuple[tuple[str, bytes], ...]
    outgoing: tuple[Outgoing, ...] = ()
    ended: tuple[tuple[str, int], ...] = ()
    timers: tuple[Timer, ...] = ()
    disarmed: tuple[tuple[str, str], ...] = ()
    claims: tuple[Claim, ...] = ()
    released: tuple[Claim, ...] = ()
    receipt: Receipt | None = None
    lease: tuple[str, str, int | str] | None = None
    decision: Use | None = None
    holds: tuple[str, int] | None = None


Verdict = Literal["accepted", "stale", "claimed", "receipt", "governed", "lease", "decision", "audit"]
"""The verdict on a write: committed; or refused because a row that it read or wrote has changed, another
entity holds its claim, its idempotency key was used, the app's governing row has changed, its worker's lease
has expired, its decision is used or has expired, or (for a version) the audit log has grown.
"""


class Answer(Struct, frozen=True, gc=False):
    """A store's verdict on one write. `subject` names the entity, claim (`unique=key`) or key concerned."""

    verdict: Verdict
    subject: str = ""


class Leased(Struct, frozen=True, gc=False):
    """An invocation leased by a worker until `until_ms`, by the store's clock."""

    outgoing: Outgoing
    until_ms: int


class Checkpoint(Struct, frozen=True, gc=False):
    """What binds the whole journal up to `position`: `root` = SHA-256 over the root before and the hashes of
    the entries since, in order of position. `signature` is the operator's, empty if no key is set.
    """

    position: int
    at_ms: int
    root: bytes
    signature: bytes = b""


class Intent(Struct, frozen=True, gc=False):
    """A shape of refusals, counted: what users wished for. `reason` is the machine's or `denied`.

    `clause` is the guard's clause that was false, where there is one; `example` the last entity.
    """

    tenant: str
    app: str
    blueprint: str
    action: str
    state: str
    reason: str
    clause: str
    count: int
    first_ms: int
    last_ms: int
    example: str
