"""The tables of a store and what a row of each is: one list for the schemas, for `dump` and `restore`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from lathe.errors import UsageError
from lathe.store.audit import Audited, DecisionRow, HeldRow, Seal, TokenRow
from lathe.store.records import (
    Checkpoint,
    Claim,
    EntityRow,
    Entry,
    Intent,
    Outgoing,
    Receipt,
    Timer,
    Version,
)

Row = tuple[Any, ...]
"""A row as a database gives it: what its columns hold is said by the schema."""


PAGE_ROWS = 500
"""Rows that are restored at once."""


class GoverningRow(Struct, frozen=True, gc=False):
    """What governs one app."""

    tenant: str
    app: str
    digest: str
    epoch: int


class ArchivedRow(Struct, frozen=True, gc=False):
    """An entity that was archived, and when."""

    row: EntityRow
    archived_ms: int


ROWS: Mapping[str, type[Struct]] = {
    "governing": GoverningRow,
    "version": Version,
    "entity": EntityRow,
    "journal": Entry,
    "outgoing": Outgoing,
    "timer": Timer,
    "claim": Claim,
    "receipt": Receipt,
    "checkpoint": Checkpoint,
    "intent": Intent,
    "token": TokenRow,
    "decision": DecisionRow,
    "held": HeldRow,
    "audit": Audited,
    "seal": Seal,
    "archived_entity": ArchivedRow,
    "archived_journal": Entry,
}
"""In the order in which they are dumped. Versions and entries come oldest first."""

ORDERS: Mapping[str, str] = {
    "governing": "tenant, app",
    "version": "tenant, app, number",
    "entity": "tenant, app, id",
    "journal": "position",
    "outgoing": "tenant, app, entity, number",
    "timer": "tenant, app, entity, name",
    "claim": 'tenant, app, "unique", key',
    "receipt": "tenant, principal, key",
    "checkpoint": "position",
    "intent": "tenant, app, blueprint, action, state, reason, clause",
    "token": "id",
    "decision": "tenant, id",
    "held": "tenant, decision",
    "audit": "number",
    "seal": "number",
    "archived_entity": "tenant, app, id",
    "archived_journal": "position",
}
"""How the rows of each table are sorted in a dump."""

encode_row: Callable[[object], bytes] = msgspec.json.Encoder().encode
"""A row as JSON; bytes in it become base 64."""

_decoders = {table: msgspec.json.Decoder(row) for table, row in ROWS.items()}


def decode_row(table: str, data: bytes) -> Struct:
    """The row that `encode_row` was given. Raises `UsageError` where it is none."""
    decoder = _decoders.get(table)
    if decoder is None:
        raise UsageError(f"there is no table `{table}`")
    try:
        row: Struct = decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise UsageError(f"a row of `{table}` cannot be read: {error}") from error
    return row


def columns(row: type[Struct]) -> str:
    """The columns of a row in SQL, quoted: some are words of SQL."""
    return ", ".join(f'"{name}"' for name in row.__struct_fields__)


async def paged(rows: AsyncIterator[tuple[str, bytes]]) -> AsyncIterator[list[tuple[str, bytes]]]:
    """The same rows, some at a time."""
    page: list[tuple[str, bytes]] = []
    async for row in rows:
        page.append(row)
        if len(page) == PAGE_ROWS:
            yield page
            page = []
    if page:
        yield page


def intent_key(intent: Intent) -> tuple[str, ...]:
    """The shape that is counted."""
    return (
        intent.tenant, intent.app, intent.blueprint, intent.action, intent.state, intent.reason, intent.clause
    )  # fmt: skip
