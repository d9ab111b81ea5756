"""Intents of the memory store: counted by kind, the rarest dropped."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from lathe.store.base import INTENTS_LIMIT
from lathe.store.records import Intent
from lathe.store.tables import intent_key


class Counted:
    """See `Store.count_intents` and `Store.intents`."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, ...], Intent] = {}

    def count(self, intents: Sequence[Intent]) -> None:
        """Add to the counts; if an app has too many kinds, the rarest are dropped."""
        for new in intents:
            old = self._rows.get(intent_key(new))
            self.put(new if old is None else _added(old, new))
        for tenant, app in {(i.tenant, i.app) for i in intents}:
            for rare in self.of(tenant, app)[INTENTS_LIMIT:]:
                del self._rows[intent_key(rare)]

    def of(self, tenant: str, app: str) -> list[Intent]:
        """An app's intents, the most frequent first."""
        return sorted((i for i in self._rows.values() if (i.tenant, i.app) == (tenant, app)), key=_rank)

    def put(self, row: Intent) -> None:
        """Store a row unchanged."""
        self._rows[intent_key(row)] = row

    def all(self) -> list[Intent]:
        """Every row, by its key."""
        return [self._rows[key] for key in sorted(self._rows)]


def _added(old: Intent, new: Intent) -> Intent:
    return replace(
        old,
        count=old.count + new.count,
        first_ms=min(old.first_ms, new.first_ms),
        last_ms=max(old.last_ms, new.last_ms),
        example=new.example,
    )


def _rank(intent: Intent) -> tuple[object, ...]:
    return -intent.count, -intent.last_ms, intent_key(intent)
