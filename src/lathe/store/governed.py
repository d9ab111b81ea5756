"""Tokens, decisions, audit and seals of the memory store."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from lathe.store.audit import Audited, Change, DecisionQuery, DecisionRow, End, HeldRow, Seal, TokenRow, fits


class Governed:
    """Tokens, decisions, audit log and seals in memory."""

    def __init__(self) -> None:
        self.tokens: dict[str, TokenRow] = {}
        self.decisions: dict[tuple[str, str], DecisionRow] = {}
        self.held: dict[tuple[str, str], HeldRow] = {}
        self.audit: list[Audited] = []
        self.seals: list[Seal] = []

    @property
    def end(self) -> End:
        """The end of the audit log."""
        return End(self.audit[-1].number, self.audit[-1].hash) if self.audit else End()

    def takes(self, entries: Sequence[Audited]) -> bool:
        """Whether these entries continue the audit log."""
        return fits(entries, self.end)

    def follows(self, decisions: Sequence[DecisionRow]) -> bool:
        """Whether each of these decisions is the revision after the stored one."""
        there = ((self.decisions.get((row.tenant, row.id)), row) for row in decisions)
        return all((old.revision if old else 0) + 1 == row.revision for old, row in there)

    def decide(self, decisions: Sequence[DecisionRow]) -> None:
        """Store these decisions."""
        self.decisions.update(((row.tenant, row.id), row) for row in decisions)

    def approved(self, now_ms: int) -> dict[tuple[str, str], int]:
        """The revisions of the decisions that are approved and have not expired."""
        rows = self.decisions.items()
        return {k: r.revision for k, r in rows if r.state == "approved" and r.expires_ms > now_ms}

    def approving(self, tenant: str, keys: Sequence[bytes], now_ms: int) -> list[DecisionRow]:
        """Decisions that allow requests with these keys, the oldest first."""
        rows = (self.decisions[key] for key in sorted(self.approved(now_ms)) if key[0] == tenant)
        return [row for row in rows if row.key in keys]

    def use(self, keys: Sequence[tuple[str, str]]) -> None:
        """Mark these decisions as used."""
        for key in keys:
            row = self.decisions[key]
            self.decisions[key] = replace(row, state="used", revision=row.revision + 1)

    def asked(self, query: DecisionQuery) -> list[DecisionRow]:
        """A page of decisions."""
        rows = sorted(self.decisions.values(), key=lambda row: row.id, reverse=True)
        return [row for row in rows if _is_asked(row, query)][: query.limit]

    def decisions_over(self, before_ms: int) -> list[tuple[str, str]]:
        """The decisions that expired before then."""
        return [key for key, row in sorted(self.decisions.items()) if row.expires_ms <= before_ms]

    def drop(self, decisions: Sequence[tuple[str, str]]) -> None:
        """Delete these decisions."""
        for key in decisions:
            del self.decisions[key]
            self.held.pop(key, None)

    def append(self, entries: Sequence[Audited]) -> None:
        """Append these entries."""
        self.audit.extend(entries)

    def change(self, change: Change) -> bool:
        """Make a change, or nothing."""
        if not self.takes(change.entries) or not self.follows(change.decisions):
            return False
        self.append(change.entries)
        self.decide(change.decisions)
        self.held.update(((row.tenant, row.decision), row) for row in change.held)
        self.tokens.update((row.id, row) for row in change.tokens)
        return True

    def lineage(self, token: str) -> list[TokenRow]:
        """A token and its ancestors."""
        found: list[TokenRow] = []
        while (row := self.tokens.get(token)) is not None:
            found.append(row)
            token = row.parent
        return found

    def derived(self, token: str, after: str) -> list[TokenRow]:
        """A token and those that come from it, behind one, by id."""
        found, names = dict[str, TokenRow](), [token]
        while names:
            name = names.pop()
            if name in self.tokens:
                found[name] = self.tokens[name]
                names += [row.id for row in self.tokens.values() if row.parent == name]
        return [row for key, row in sorted(found.items()) if key > after]

    def of_tenant(self, tenant: str, after: str, living_ms: int | None) -> list[TokenRow]:
        """A tenant's tokens after one, by id; at a moment, those that are valid then."""
        rows = [row for key, row in sorted(self.tokens.items()) if row.tenant == tenant and key > after]
        if living_ms is None:
            return rows
        return [row for row in rows if row.revoked_ms is None and row.expires_ms > living_ms]

    def over(self, before_ms: int) -> list[str]:
        """The tokens that have been over since before then."""
        ends = {
            key: min(row.expires_ms, row.revoked_ms or row.expires_ms) for key, row in self.tokens.items()
        }
        return [key for key, end in sorted(ends.items()) if end <= before_ms]

    def seal(self, seal: Seal) -> bool:
        """Add a seal, if it is newer than the others."""
        if self.seals and self.seals[-1].number >= seal.number:
            return False
        self.seals.append(seal)
        return True

    def kept(self, tenant: str, decision: str) -> bytes | None:
        """The files that a decision's request would apply."""
        row = self.held.get((tenant, decision))
        return row.body if row is not None else None

    def dumped(self) -> dict[str, Sequence[object]]:
        """The rows of each table, in their order."""
        return {
            "token": [row for _, row in sorted(self.tokens.items())],
            "decision": [row for _, row in sorted(self.decisions.items())],
            "held": [row for _, row in sorted(self.held.items())],
            "audit": self.audit,
            "seal": self.seals,
        }

    def put(self, row: TokenRow | DecisionRow | HeldRow | Audited | Seal) -> None:
        """A row of a dump."""
        match row:
            case HeldRow():
                self.held[row.tenant, row.decision] = row
            case DecisionRow():
                self.decisions[row.tenant, row.id] = row
            case TokenRow():
                self.tokens[row.id] = row
            case Audited():
                self.audit.append(row)
            case Seal():
                self.seals.append(row)


def _is_asked(row: DecisionRow, query: DecisionQuery) -> bool:
    return (
        row.tenant == query.tenant
        and query.state in (None, row.state)
        and query.by in (None, row.by)
        and row.expires_ms > query.live_ms
        and (query.before is None or row.id < query.before)
    )
