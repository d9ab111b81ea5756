"""Rows of governance: tokens, decisions, and the audit log, which is one hash chain.

A change of what governs names the end of the audit that it was decided on, as a write names heads; if another
came between, it is decided anew. So two changes can never both be right alone and wrong together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from lathe.frozen import frozen

START = bytes(32)
"""The previous hash of an audit log's first entry."""

_encode = msgspec.json.Encoder().encode


class TokenRow(Struct, frozen=True, gc=False):
    """A token's row. `id` is public; `body` is canonical JSON of its rights and the hash of its secret.

    `parent` is the token that it was delegated from, or empty. Revoked ones stay until they are swept.
    """

    tenant: str
    id: str
    parent: str
    expires_ms: int
    revoked_ms: int | None
    body: bytes


class DecisionRow(Struct, frozen=True, gc=False):
    """A request for a decision, and its outcome. `state` is `open`, `approved`, `denied`, `withdrawn` or
    `used`; an expired one counts as closed. `revision` counts its changes, from 1.

    `by` is whom whoever asked acts for in the end. `key` is the hash of the requests that it lets pass once
    it is approved, empty until then; `body` is JSON.
    """

    tenant: str
    id: str
    app: str
    state: str
    by: str
    key: bytes
    expires_ms: int
    revision: int
    body: bytes


class HeldRow(Struct, frozen=True, gc=False):
    """The files that a request for a decision would apply, in a row of their own so that lists of decisions
    stay small.
    """

    tenant: str
    decision: str
    body: bytes


@frozen
class DecisionQuery:
    """Which decisions of a tenant, by id, the newest first. None leaves open what it names.

    `live_ms`: only those that expire later; `before`: those with a smaller id.
    """

    tenant: str
    state: str | None = None
    by: str | None = None
    live_ms: int = 0
    before: str | None = None
    limit: int = 200


class Audited(Struct, frozen=True, gc=False):
    """An entry of the audit log: who did what to what, and when. `number` counts from 1, over all tenants.

    `chain` (JSON) names the principals from the one that called to the one that it acts for; `body` is JSON.
    """

    number: int
    tenant: str
    at_ms: int
    kind: str
    by: str
    chain: str
    subject: str
    body: bytes
    previous: bytes
    hash: bytes


class Seal(Struct, frozen=True, gc=False):
    """A signed statement that the audit had `number` entries and ended in `hash`, when the journal's last
    checkpoint stood at `position` with `root`.
    """

    number: int
    at_ms: int
    hash: bytes
    position: int
    root: bytes
    signature: bytes


@frozen
class Change:
    """A change of tokens or decisions: `entries` continue the audit log, `tokens` replace rows of the same
    id.

    `decisions` replace the revision before theirs, or are new with the first; if one is of another revision
    by now, nothing is changed. The epoch of every app of the tenants in `raised` grows: what was decided
    before is decided anew. `held` come with the first revision of their decisions, and never change.
    """

    entries: tuple[Audited, ...]
    tokens: tuple[TokenRow, ...] = ()
    raised: tuple[str, ...] = ()
    decisions: tuple[DecisionRow, ...] = ()
    held: tuple[HeldRow, ...] = ()


@frozen
class End:
    """The end of an audit log: its last number, and the hash that the next entry is chained to."""

    number: int = 0
    hash: bytes = START


@frozen
class Unchained:
    """A place where the audit log's chain is broken."""

    number: int
    why: str


@frozen
class Said:
    """The content of an audit entry, before its place in the chain is known."""

    tenant: str
    at_ms: int
    kind: str
    by: str
    chain: tuple[str, ...]
    subject: str
    about: object


def audited(end: End, *said: Said) -> tuple[Audited, ...]:
    """The entries that continue an audit log."""
    entries: list[Audited] = []
    for one in said:
        draft = Audited(
            end.number + 1, one.tenant, one.at_ms, one.kind, one.by, _encode(one.chain).decode(), one.subject,
            msgspec.json.encode(one.about, order="sorted"), end.hash, b"",
        )  # fmt: skip
        entry = msgspec.structs.replace(draft, hash=sealed(draft))
        entries.append(entry)
        end = End(entry.number, entry.hash)
    return tuple(entries)


def sealed(entry: Audited) -> bytes:
    """The hash that an entry must have."""
    members = (
        entry.number, entry.tenant, entry.at_ms, entry.kind, entry.by, entry.chain, entry.subject,
        entry.body.decode(errors="replace"),
    )  # fmt: skip
    return sha256(entry.previous + _encode(members)).digest()


def fits(entries: Sequence[Audited], end: End) -> bool:
    """Whether entries continue an audit log."""
    return not entries or (entries[0].number, entries[0].previous) == (end.number + 1, end.hash)


def unchained(entries: Iterable[Audited], end: End | None = None) -> Iterator[Unchained]:
    """Every place where entries, by number, do not form a chain that continues `end`."""
    number, previous = ((end or End()).number, (end or End()).hash)
    for entry in entries:
        number += 1
        if entry.number != number:
            yield Unchained(number, f"entry {number} is missing, {entry.number} follows")
            number = entry.number
        elif entry.previous != previous:
            yield Unchained(number, "it is not chained to the entry before it")
        if sealed(entry) != entry.hash:
            yield Unchained(number, "its hash is not that of what it says")
        previous = entry.hash
