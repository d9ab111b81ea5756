"""Verifies a whole audit log: its hash chain and every seal."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator

from lathe.govern.auditor import signature
from lathe.store.audit import Audited, End, Seal, Unchained, unchained
from lathe.store.base import PAGE_LIMIT, Store

SEALS_LIMIT = 1_000_000


async def lines(store: Store) -> AsyncIterator[Audited]:
    """Every line of the audit, page after page."""
    after = 0
    while page := await store.audit(after=after, limit=PAGE_LIMIT):
        for entry in page:
            yield entry
        after = page[-1].number


async def verify(store: Store, key: bytes | None, anchor: Seal | None) -> AsyncIterator[Unchained]:
    """Everything that is wrong with the audit.

    With the key, signatures are looked at; with an `anchor`, a seal that was exported once, also whether the
    audit still says what it said then.
    """
    seals = await store.seals(limit=SEALS_LIMIT)
    wanted = {seal.number: seal for seal in seals}
    if key is not None:
        for seal in seals:
            if not hmac.compare_digest(seal.signature, signature(key, seal)):
                yield Unchained(seal.number, "the seal is not signed with this key")
    if anchor is not None:
        if key is not None and not hmac.compare_digest(anchor.signature, signature(key, anchor)):
            yield Unchained(anchor.number, "the anchor is not signed with this key")
        wanted[anchor.number] = anchor
    end = End()
    async for entry in lines(store):
        for broken in unchained([entry], end):
            yield broken
        end = End(entry.number, entry.hash)
        sealed = wanted.pop(entry.number, None)
        if sealed is not None and sealed.hash != entry.hash:
            yield Unchained(entry.number, "it is not the line that was sealed")
    for number in sorted(wanted):
        yield Unchained(number, f"the audit was sealed with {number} lines and ends with {end.number}")
