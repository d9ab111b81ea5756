"""The reference store, in memory: rows in dictionaries, time passed in, faults on demand.

It does what the Protocol says in the plainest way; the others are held to it by the contract suite. It is
also the disk of a simulation: engines come and go, what it committed stays. `is_shared` lets several engines
use one.
"""

from __future__ import annotations

import asyncio
from collections import ChainMap, Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence, Sized
from itertools import islice
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from lathe.errors import UsageError
from lathe.store import export, sql_filter
from lathe.store.accept import Standing, accept, claim_key, touched
from lathe.store.audit import Audited, Change, DecisionQuery, DecisionRow, End, HeldRow, Seal, TokenRow
from lathe.store.base import (
    PAGE_LIMIT,
    Apply,
    Bounds,
    JournalQuery,
    Query,
    Referring,
    Retiming,
    Swept,
    Written,
    sort_value,
)
from lathe.store.duties import Duties
from lathe.store.faults import Faults, Point
from lathe.store.fold import changed_claims, net, written
from lathe.store.governed import Governed
from lathe.store.journal import check_write
from lathe.store.memory_intents import Counted
from lathe.store.memory_queries import by_key, final_since, fits, is_asked
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
from lathe.store.tables import ArchivedRow, GoverningRow, decode_row, encode_row

T = TypeVar("T")
Key = tuple[str, str, str]


class MemoryStore:
    """See `Store`. `clock` returns milliseconds and is the only clock."""

    name = "memory"
    begins_at_once = False

    def __init__(
        self, clock: Callable[[], int], *, faults: Faults | None = None, is_shared: bool = False
    ) -> None:
        self.is_shared = is_shared
        self._clock = clock
        self._faults = faults
        self._listeners: list[Callable[[], None]] = []
        self._governed: list[Callable[[], None]] = []
        self._hearing: list[Callable[[Sequence[Written]], None]] = []
        self._empty()

    def _empty(self) -> None:
        self._entities: dict[Key, EntityRow] = {}
        self._journal: dict[int, Entry] = {}
        self._histories: dict[Key, list[int]] = {}
        self._position = 0
        self._duties = Duties()
        self._claims: dict[tuple[str, str, str, bytes], str] = {}
        self._receipts: dict[Key, Receipt] = {}
        self._governing: dict[tuple[str, str], Governing] = {}
        self._versions: dict[tuple[str, str], list[Version]] = {}
        self._checkpoints: list[Checkpoint] = []
        self._intents = Counted()
        self._rules = Governed()
        self._archived: dict[Key, ArchivedRow] = {}
        self._archived_journal: dict[int, Entry] = {}

    async def open(self) -> None:
        await self._reach("read", "open")

    async def close(self) -> None:
        self._listeners.clear()
        self._governed.clear()
        self._hearing.clear()

    async def ping(self) -> None:
        await self._reach("read", "ping")

    def on_change(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def on_written(self, listener: Callable[[Sequence[Written]], None]) -> None:
        self._hearing.append(listener)

    async def _reach(self, point: Point, method: str, group: Sequence[Write] = ()) -> None:
        if self._faults is not None:
            await self._faults.reach(point, method, group)

    async def _changing(self, method: str, change: Callable[[], T]) -> T:
        """Run a change between its fault points."""
        await self._reach("before", method)
        result = change()
        await self._reach("after", method)
        return result

    def _tell(self) -> None:
        for listener in self._listeners:
            asyncio.get_running_loop().call_soon(listener)

    def _tell_governed(self) -> None:
        self._tell()
        for listener in self._governed:
            asyncio.get_running_loop().call_soon(listener)

    def _tell_written(self, written: Sequence[Written]) -> None:
        for listener in self._hearing:
            asyncio.get_running_loop().call_soon(listener, written)

    # Steps.

    async def commit(self, group: Sequence[Write]) -> list[Answer]:
        await self._reach("before", "commit", group)
        answers = self.commit_now(group)
        self._tell()
        if self.is_shared:
            self._tell_written(written(group, answers))
        await self._reach("after", "commit", group)
        return answers

    def commit_now(self, group: Sequence[Write]) -> list[Answer]:
        """Commit without faults, without waiting, and without telling the listeners."""
        for write in group:
            check_write(write)
        standing, before = self._standing(group, self._governing)
        answers = accept(group, standing)
        self._write(group, answers, before, standing.holders)
        return answers

    def _standing(
        self, group: Sequence[Write], governing: dict[tuple[str, str], Governing]
    ) -> tuple[Standing, dict[tuple[str, str, str, bytes], str]]:
        """The state for everything that a group touches, and the holders of its claims."""
        entities, claims, receipts, leases = touched(group)
        now = self._clock()
        holders = {key: self._claims[key] for key in claims if key in self._claims}
        standing = Standing(
            governing=governing,
            heads={key: self._entities[key].head for key in entities if key in self._entities},
            holders=holders,
            receipts=[
                key for key in receipts if key in self._receipts and self._receipts[key].expires_ms > now
            ],
            leases=self._duties.holders(leases, now),
            decisions=self._rules.approved(now),
        )
        return standing, holders

    def _write(
        self,
        group: Sequence[Write],
        answers: Sequence[Answer],
        before: dict[tuple[str, str, str, bytes], str],
        after: dict[tuple[str, str, str, bytes], str],
    ) -> None:
        total = net(group, answers)
        self._entities.update(total.entities)
        for entry in total.entries:
            self._position += 1
            self._add_entry(replace(entry, position=self._position))
        new, moved, gone = changed_claims(before, after)
        for claim in (*new, *moved):
            self._claims[claim_key(claim)] = claim.entity
        for claim in gone:
            del self._claims[claim_key(claim)]
        for receipt in total.receipts:
            self._receipts[receipt.tenant, receipt.principal, receipt.key] = receipt
        self._duties.write(total, self._clock())
        self._rules.use(total.decisions)

    def _add_entry(self, entry: Entry) -> None:
        self._journal[entry.position] = entry
        self._histories.setdefault((entry.tenant, entry.app, entry.entity), []).append(entry.position)

    # Committed rows.

    async def load(self, tenant: str, app: str, ids: Sequence[str]) -> dict[str, EntityRow]:
        await self._reach("read", "load")
        rows = ((name, self._entities.get((tenant, app, name))) for name in ids)
        return {name: row for name, row in rows if row is not None}

    async def find(self, query: Query) -> list[EntityRow]:
        await self._reach("read", "find")
        if query.where is not None:
            sql_filter.check(query.where)

        def key(row: EntityRow) -> tuple[str | int, str]:
            return sort_value(row, query.sort)

        rows = sorted((r for r in self._entities.values() if fits(r, query)), key=key)
        if query.holder is not None:
            holder = self._claims.get((query.tenant, query.app, *query.holder))
            rows = [row for row in rows if row.id == holder]
        if query.descending:
            rows.reverse()
        if query.after is not None:
            after = query.after
            rows = [r for r in rows if (key(r) < after if query.descending else key(r) > after)]
        return rows[: query.limit]

    async def count(self, tenant: str, app: str) -> dict[tuple[str, str], int]:
        await self._reach("read", "count")
        rows = self._entities.values()
        return Counter((r.blueprint, r.state) for r in rows if (r.tenant, r.app) == (tenant, app))

    async def holders(
        self, tenant: str, app: str, claims: Sequence[tuple[str, bytes]]
    ) -> dict[tuple[str, bytes], str]:
        await self._reach("read", "holders")
        held = ((claim, self._claims.get((tenant, app, *claim))) for claim in claims)
        return {claim: entity for claim, entity in held if entity is not None}

    async def entries(self, query: JournalQuery) -> list[Entry]:
        await self._reach("read", "entries")
        found: list[Entry] = []
        last = self._position if query.until is None else min(self._position, query.until)
        for position in range(query.after + 1, last + 1):
            entry = self._journal.get(position)
            if entry is not None and is_asked(entry, query):
                found.append(entry)
                if len(found) == query.limit:
                    break
        return found

    async def hashes(self, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        await self._reach("read", "hashes")
        every = ChainMap(self._journal, self._archived_journal)
        positions = (position for position in range(after + 1, self._position + 1) if position in every)
        return [(position, every[position].hash) for position in islice(positions, limit)]

    async def history(
        self, tenant: str, app: str, entity: str, *, after: int = 0, limit: int = PAGE_LIMIT
    ) -> list[Entry]:
        await self._reach("read", "history")
        positions = self._histories.get((tenant, app, entity), ())
        entries = (self._journal[p] for p in positions if p in self._journal)
        return [e for e in entries if e.revision > after][:limit]

    async def position(self) -> int:
        await self._reach("read", "position")
        return self._position

    async def receipt(self, tenant: str, principal: str, key: str) -> Receipt | None:
        await self._reach("read", "receipt")
        receipt = self._receipts.get((tenant, principal, key))
        return receipt if receipt is not None and receipt.expires_ms > self._clock() else None

    # Versions.

    async def governing(self) -> dict[tuple[str, str], Governing]:
        await self._reach("read", "governing")
        return dict(self._governing)

    async def version(self, tenant: str, app: str, digest: str) -> Version | None:
        await self._reach("read", "version")
        found = (v for v in reversed(self._versions.get((tenant, app), [])) if v.digest == digest)
        return next(found, None)

    async def versions(self, tenant: str, app: str) -> list[Version]:
        await self._reach("read", "versions")
        return [replace(v, files={}, report=b"") for v in reversed(self._versions.get((tenant, app), []))]

    async def apply(self, change: Apply) -> Answer:
        await self._reach("before", "apply", change.writes)
        answer = self.apply_now(change)
        self._tell_governed()
        await self._reach("after", "apply", change.writes)
        return answer

    def apply_now(self, change: Apply) -> Answer:
        """Apply without faults and without waiting."""
        version = change.version
        app = (version.tenant, version.app)
        if self._governing.get(app) != change.expected:
            return Answer("governed", version.app)
        if not self._rules.takes(change.audit):
            return Answer("audit")
        if not self._rules.follows(change.decisions):
            return Answer("decision")
        of_app = {row.id: row for row in self._entities.values() if (row.tenant, row.app) == app}
        changed = change.changed((row.id, row.head) for row in of_app.values())
        writes = change.writes_with([of_app[name] for name in changed])
        standing, before = self._standing(writes, {**self._governing, app: change.governing})
        answers = accept(writes, standing)
        refused = next((a for a in answers if a.verdict != "accepted"), None)
        if refused is not None:
            return refused
        self._write(writes, answers, before, standing.holders)
        for retiming in change.retimings:
            self._duties.retime(retiming, self._concerned(app, retiming), version.applied_ms)
        self._governing[app] = change.governing
        self._versions.setdefault(app, []).append(version)
        self._rules.append(change.audit)
        self._rules.decide(change.decisions)
        return Answer("accepted")

    def _concerned(self, app: tuple[str, str], retiming: Retiming) -> list[EntityRow]:
        return [
            row
            for row in self._entities.values()
            if (row.tenant, row.app, row.blueprint) == (*app, retiming.blueprint)
            and retiming.state in ("", row.state)
        ]

    # Effects and timers.

    async def now_ms(self) -> int:
        return self._clock()

    async def lease(self, worker: str, *, limit: int, lease_ms: int) -> list[Leased]:
        now = self._clock()
        take = self._duties.lease
        return await self._changing("lease", lambda: take(worker, now, limit=limit, until_ms=now + lease_ms))

    async def renew(
        self, worker: str, keys: Sequence[tuple[str, str, str, int]], *, lease_ms: int
    ) -> set[tuple[str, str, str, int]]:
        now = self._clock()
        renew = self._duties.renew
        return await self._changing("renew", lambda: renew(worker, keys, now, until_ms=now + lease_ms))

    async def postpone(self, worker: str, outgoing: Outgoing) -> bool:
        now = self._clock()
        return await self._changing("postpone", lambda: self._duties.postpone(worker, outgoing, now))

    async def due_timers(self, worker: str, *, limit: int, lease_ms: int) -> list[Timer]:
        now = self._clock()
        take = self._duties.due_timers
        return await self._changing(
            "due_timers", lambda: take(worker, now, limit=limit, until_ms=now + lease_ms)
        )

    async def postpone_timer(self, worker: str, timer: Timer, *, until_ms: int) -> bool:
        now = self._clock()
        put_off = self._duties.postpone_timer
        return await self._changing("postpone_timer", lambda: put_off(worker, timer, now, until_ms=until_ms))

    async def next_due_ms(self) -> int | None:
        await self._reach("read", "next_due_ms")
        return self._duties.next_due_ms(self._clock())

    async def overdue(self, tenant: str, app: str, *, before_ms: int, limit: int) -> list[Timer | Outgoing]:
        await self._reach("read", "overdue")
        return self._duties.overdue(tenant, app, before_ms=before_ms, limit=limit)

    async def pending(self, tenant: str, app: str, entity: str) -> list[Timer | Outgoing]:
        await self._reach("read", "pending")
        return self._duties.pending(tenant, app, entity)

    # Beside the journal.

    async def checkpoints(self, *, limit: int = 1) -> list[Checkpoint]:
        await self._reach("read", "checkpoints")
        return self._checkpoints[::-1][:limit]

    async def add_checkpoint(self, checkpoint: Checkpoint, *, after: int) -> bool:
        return await self._changing("add_checkpoint", lambda: self._add_checkpoint(checkpoint, after))

    def _add_checkpoint(self, checkpoint: Checkpoint, after: int) -> bool:
        last = self._checkpoints[-1].position if self._checkpoints else 0
        if not last == after < checkpoint.position:
            return False
        self._checkpoints.append(checkpoint)
        return True

    async def count_intents(self, intents: Sequence[Intent]) -> None:
        await self._changing("count_intents", lambda: self._intents.count(intents))

    async def intents(self, tenant: str, app: str) -> list[Intent]:
        await self._reach("read", "intents")
        return self._intents.of(tenant, app)

    # Who may, and what was governed.

    async def govern(self, change: Change) -> bool:
        is_made = await self._changing("govern", lambda: self._govern(change))
        self._tell_governed()
        return is_made

    def _govern(self, change: Change) -> bool:
        if not self._rules.change(change):
            return False
        for app, governed in self._governing.items():
            if app[0] in change.raised:
                self._governing[app] = Governing(governed.digest, governed.epoch + 1)
        return True

    def on_governed(self, listener: Callable[[], None]) -> None:
        self._governed.append(listener)

    async def lineage(self, token: str) -> list[TokenRow]:
        await self._reach("read", "lineage")
        return self._rules.lineage(token)

    async def tokens(
        self, tenant: str, *, after: str = "", limit: int = PAGE_LIMIT, living_ms: int | None = None
    ) -> list[TokenRow]:
        await self._reach("read", "tokens")
        return self._rules.of_tenant(tenant, after, living_ms)[:limit]

    async def derived_tokens(self, token: str, *, after: str = "", limit: int = PAGE_LIMIT) -> list[TokenRow]:
        await self._reach("read", "derived_tokens")
        return self._rules.derived(token, after)[:limit]

    async def decision(self, tenant: str, decision: str) -> DecisionRow | None:
        await self._reach("read", "decision")
        return self._rules.decisions.get((tenant, decision))

    async def held(self, tenant: str, decision: str) -> bytes | None:
        await self._reach("read", "held")
        return self._rules.kept(tenant, decision)

    async def decisions(self, query: DecisionQuery) -> list[DecisionRow]:
        await self._reach("read", "decisions")
        return self._rules.asked(query)

    async def approved(self, tenant: str, keys: Sequence[bytes]) -> list[DecisionRow]:
        await self._reach("read", "approved")
        return self._rules.approving(tenant, keys, self._clock())

    async def audit_end(self) -> End:
        await self._reach("read", "audit_end")
        return self._rules.end

    async def audit(
        self, *, tenant: str | None = None, after: int = 0, limit: int = PAGE_LIMIT
    ) -> list[Audited]:
        await self._reach("read", "audit")
        return [e for e in self._rules.audit[after:] if tenant in (None, e.tenant)][:limit]

    async def seals(self, *, limit: int = 1) -> list[Seal]:
        await self._reach("read", "seals")
        return self._rules.seals[::-1][:limit]

    async def add_seal(self, seal: Seal) -> bool:
        return await self._changing("add_seal", lambda: self._rules.seal(seal))

    # Keeping house.

    async def sweep(self, bounds: Bounds) -> Swept:
        return await self._changing("sweep", lambda: self._sweep(bounds))

    def _sweep(self, bounds: Bounds) -> Swept:
        now = self._clock()
        expired = [key for key, receipt in self._receipts.items() if receipt.expires_ms <= now]
        before = now - bounds.archive_ms if bounds.archive_ms is not None else -1
        archived = [key for key, old in self._archived.items() if old.archived_ms <= before]
        for key in expired[: bounds.rows]:
            del self._receipts[key]
        for key in archived[: bounds.rows]:
            del self._archived[key]
            for position in self._histories.pop(key, ()):
                del self._archived_journal[position]
        over = self._rules.over(now - bounds.tokens_ms) if bounds.tokens_ms is not None else []
        for token in over[: bounds.rows]:
            del self._rules.tokens[token]
        before = now - bounds.decisions_ms if bounds.decisions_ms is not None else -1
        decided = self._rules.decisions_over(before)
        self._rules.drop(decided[: bounds.rows])
        found: dict[str, Sized] = {
            "receipt": expired, "archived_entity": archived, "token": over, "decision": decided,
        }  # fmt: skip
        removed = {table: min(len(rows), bounds.rows) for table, rows in found.items()}
        return Swept(removed, any(len(rows) > bounds.rows for rows in found.values()))

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
        def change() -> list[str]:
            rows = [row for row in self._entities.values() if (row.tenant, row.app) == (tenant, app)]
            old = final_since(rows, blueprint, final_before_ms, referring)
            free = [row for row in old if not self._duties.is_busy((tenant, app, row.id))]
            return self._archive(free[:limit])

        return await self._changing("archive", change)

    def _archive(self, rows: Sequence[EntityRow]) -> list[str]:
        now = self._clock()
        for row in rows:
            key = (row.tenant, row.app, row.id)
            self._archived[key] = ArchivedRow(self._entities.pop(key), now)
            for position in self._histories[key]:
                self._archived_journal[position] = self._journal.pop(position)
            self._duties.forget(key)
        gone = {(row.tenant, row.app, row.id) for row in rows}
        kept = {key: entity for key, entity in self._claims.items() if (*key[:2], entity) not in gone}
        self._claims = kept
        return [row.id for row in rows]

    async def erase(self, tenant: str, app: str, entity: str) -> int:
        return await self._changing("erase", lambda: self._erase((tenant, app, entity)))

    def _erase(self, key: Key) -> int:
        erased = 0
        for position in self._histories.get(key, ()):
            journal = self._journal if position in self._journal else self._archived_journal
            if journal[position].payload is not None:
                journal[position] = replace(journal[position], payload=None)
                erased += 1
        return erased

    async def backup(self, target: str) -> None:
        await export.write(self.dump(), Path(target))

    async def dump(self) -> AsyncIterator[tuple[str, bytes]]:
        await self._reach("read", "dump")
        for row in list(self._dumped()):
            yield row

    def _dumped(self) -> Iterable[tuple[str, bytes]]:
        governing = [GoverningRow(*app, g.digest, g.epoch) for app, g in sorted(self._governing.items())]
        tables: dict[str, Iterable[object]] = {
            "governing": governing,
            "version": [v for app in sorted(self._versions) for v in self._versions[app]],
            "entity": by_key(self._entities),
            "journal": by_key(self._journal),
            "outgoing": self._duties.all_outgoing(),
            "timer": self._duties.all_timers(),
            "claim": [Claim(*key, entity) for key, entity in sorted(self._claims.items())],
            "receipt": by_key(self._receipts),
            "checkpoint": self._checkpoints,
            "intent": self._intents.all(),
            **self._rules.dumped(),
            "archived_entity": by_key(self._archived),
            "archived_journal": by_key(self._archived_journal),
        }
        return ((table, encode_row(row)) for table, rows in tables.items() for row in rows)

    async def restore(self, rows: AsyncIterator[tuple[str, bytes]]) -> int:
        if any(True for _ in self._dumped()):
            raise UsageError("the store is not empty")
        count = 0
        async for table, data in rows:
            self._take_in(table, decode_row(table, data))
            count += 1
        return count

    def _take_in(self, table: str, row: object) -> None:
        match row:
            case GoverningRow():
                self._governing[row.tenant, row.app] = Governing(row.digest, row.epoch)
            case Version():
                self._versions.setdefault((row.tenant, row.app), []).append(row)
            case EntityRow():
                self._entities[row.tenant, row.app, row.id] = row
            case Entry():
                self._position = max(self._position, row.position)
                self._add_entry(row)
                if table == "archived_journal":
                    self._archived_journal[row.position] = self._journal.pop(row.position)
            case Outgoing() | Timer():
                self._duties.put(row)
            case Claim():
                self._claims[claim_key(row)] = row.entity
            case Receipt():
                self._receipts[row.tenant, row.principal, row.key] = row
            case Checkpoint():
                self._checkpoints.append(row)
            case Intent():
                self._intents.put(row)
            case TokenRow() | DecisionRow() | HeldRow() | Audited() | Seal():
                self._rules.put(row)
            case ArchivedRow():
                self._archived[row.row.tenant, row.row.app, row.row.id] = row
