"""Limits on the number of live tokens, so that delegated ones cannot use up the room of others.

The holder of a token may delegate it any number of times. So the number of tokens derived from one is
bounded, and the bound is halved with each step of delegation: no branch uses up the room of its root. Tokens
made by operators, and sessions begun with a token that was not delegated, have room of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from lathe.govern.principal import GovernError
from lathe.govern.token import Token, is_alive, token_of
from lathe.store.audit import TokenRow

TOKENS_LIMIT = 10_000
"""Live tokens of a tenant."""
RESERVED = 1_000
"""How many of them are reserved for operators' tokens and sessions."""
PARTS_LIMIT = 1_000
"""Live tokens derived from one; half as many for each step of its own delegation."""
SESSIONS_LIMIT = 100
"""Live sessions begun with one token."""

Holder = str | tuple[str, ...]
"""A token by its id, or an issuer's principal by its chain."""


def living(rows: Iterable[TokenRow], now_ms: int) -> dict[str, TokenRow]:
    """A tenant's rows, by id, that are valid and whose ancestors are all valid."""
    there = {row.id: row for row in rows if row.revoked_ms is None and now_ms < row.expires_ms}
    return {row.id: row for row in there.values() if is_alive(lineage_of(row, there), now_ms)}


def lineage_of(row: TokenRow, rows: Mapping[str, TokenRow]) -> list[TokenRow]:
    """A token and its known ancestors, itself first."""
    found = [row]
    while (parent := rows.get(found[-1].parent)) is not None:
        found.append(parent)
    return found


def check_room(row: TokenRow, token: Token, alive: Mapping[str, TokenRow]) -> None:
    """Raises `GovernError` (LR409.tokens) if a new token has no room beside those that live."""
    holders = _holders(row, token, alive)
    is_own = _is_own(token, holders)
    if len(alive) >= TOKENS_LIMIT - (0 if is_own else RESERVED):
        raise GovernError(
            "LR409.tokens", "the tenant has no room for more tokens: revoke some, or let them end"
        )
    others = {other.id: token_of(other) for other in alive.values()}
    kept: Counter[Holder] = Counter()
    for each, other in others.items():
        theirs = _holders(alive[each], other, alive)
        if _is_own(other, theirs) == is_own:
            kept.update(theirs)
    for depth, holder in enumerate(holders):
        limit = SESSIONS_LIMIT if is_own else PARTS_LIMIT >> depth
        if kept[holder] >= limit:
            what = "sessions were begun with the token" if is_own else "tokens come from one that this would"
            raise GovernError("LR409.tokens", f"{limit} {what}: revoke some, or let them end")


def _holders(row: TokenRow, token: Token, alive: Mapping[str, TokenRow]) -> list[Holder]:
    """A token's ancestors, the oldest first."""
    lineage = lineage_of(row, alive)
    beyond = token_of(lineage[-1]).beyond if len(lineage) > 1 else token.beyond
    first: list[Holder] = [beyond] if beyond else []
    return first + [each.id for each in reversed(lineage[1:])]


def _is_own(token: Token, holders: list[Holder]) -> bool:
    """Whether it was not delegated, or is the session of a token that was not."""
    return not holders or (token.is_session and len(holders) == 1)
