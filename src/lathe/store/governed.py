"""Tokens, audit and seals of the memory store."""

from __future__ import annotations

from collections.abc import Sequence

from lathe.store.audit import Audited, Change, End, Seal, TokenRow, fits


class Governed:
    """What a store keeps of who may, and of what was governed."""

    def __init__(self) -> None:
        self.tokens: dict[str, TokenRow] = {}
        self.audit: list[Audited] = []
        self.seals: list[Seal] = []

    @property
    def end(self) -> End:
        """Where the audit ends."""
        return End(self.audit[-1].number, self.audit[-1].hash) if self.audit else End()

    def takes(self, entries: Sequence[Audited]) -> bool:
        """Whether the audit goes on with these."""
        return fits(entries, self.end)

    def append(self, entries: Sequence[Audited]) -> None:
        """Go on with these."""
        self.audit.extend(entries)

    def change(self, change: Change) -> bool:
        """Make a change, or nothing."""
        if not self.takes(change.entries):
            return False
        self.append(change.entries)
        self.tokens.update((row.id, row) for row in change.tokens)
        return True

    def lineage(self, token: str) -> list[TokenRow]:
        """A token and those that it comes from."""
        found: list[TokenRow] = []
        while (row := self.tokens.get(token)) is not None:
            found.append(row)
            token = row.parent
        return found

    def of_tenant(self, tenant: str, after: str) -> list[TokenRow]:
        """A tenant's tokens behind one, by id."""
        return [row for key, row in sorted(self.tokens.items()) if row.tenant == tenant and key > after]

    def over(self, before_ms: int) -> list[str]:
        """The tokens that have been over since before then."""
        ends = {
            key: min(row.expires_ms, row.revoked_ms or row.expires_ms) for key, row in self.tokens.items()
        }
        return [key for key, end in sorted(ends.items()) if end <= before_ms]

    def seal(self, seal: Seal) -> bool:
        """Keep a seal, if it is newer than the others."""
        if self.seals and self.seals[-1].number >= seal.number:
            return False
        self.seals.append(seal)
        return True

    def put(self, row: TokenRow | Audited | Seal) -> None:
        """A row of a dump."""
        match row:
            case TokenRow():
                self.tokens[row.id] = row
            case Audited():
                self.audit.append(row)
            case Seal():
                self.seals.append(row)
