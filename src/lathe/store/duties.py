"""Outbox and timers of the memory store: what is due, and who has leased it.

A row is due at the later of its own moment and the end of its last lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lathe.store.accept import EntityKey, LeaseKey
from lathe.store.base import Retiming
from lathe.store.fold import Net, OutgoingKey, TimerKey
from lathe.store.records import EntityRow, Leased, Outgoing, Timer

POSTPONED = ""
"""The pseudo-worker that leases a postponed timer until its entity is written."""


class _Held(Struct, gc=False):
    """A row of the outbox; its lease lasts while `until_ms` is in the future."""

    row: Outgoing
    worker: str | None = None
    until_ms: int = 0


class _Armed(Struct, gc=False):
    """A timer, with its lease."""

    row: Timer
    worker: str | None = None
    until_ms: int = 0


def _due_ms(held: _Held | _Armed) -> int:
    return max(held.row.due_ms, held.until_ms)


def _is_due(held: _Held | _Armed, now_ms: int) -> bool:
    return held.until_ms <= now_ms and held.row.due_ms <= now_ms


class Duties:
    """Outbox and timers by their keys."""

    def __init__(self) -> None:
        self._outgoing: dict[OutgoingKey, _Held] = {}
        self._timers: dict[TimerKey, _Armed] = {}

    def put(self, row: Outgoing | Timer) -> None:
        """A row without a lease."""
        if isinstance(row, Outgoing):
            self._outgoing[row.tenant, row.app, row.entity, row.number] = _Held(row)
        else:
            self._timers[row.tenant, row.app, row.entity, row.name] = _Armed(row)

    def write(self, total: Net, now_ms: int) -> None:
        """Apply a group's changes. A lease on an invocation remains; a timer is armed anew."""
        for armed in self._timers.values():
            row = armed.row
            if armed.worker == POSTPONED and (row.tenant, row.app, row.entity) in total.entities:
                armed.worker, armed.until_ms = None, 0
        for key, outgoing in total.outgoing.items():
            held = self._outgoing.get(key)
            if outgoing is None:
                self._outgoing.pop(key, None)
            elif held is None:
                worker, lease_ms = total.held.get(key, (None, 0))
                until_ms = 0 if worker is None else now_ms + lease_ms
                self._outgoing[key] = _Held(outgoing, worker, until_ms)
            else:
                held.row = outgoing
        for timer_key, timer in total.timers.items():
            self._timers.pop(timer_key, None)
            if timer is not None:
                self.put(timer)

    def holders(self, keys: Iterable[LeaseKey], now_ms: int) -> dict[LeaseKey, str]:
        """The worker of each of these that is leased."""
        found: dict[LeaseKey, str] = {}
        for key in keys:
            tenant, app, entity, which = key
            held: _Held | _Armed | None
            if isinstance(which, int):
                held = self._outgoing.get((tenant, app, entity, which))
            else:
                held = self._timers.get((tenant, app, entity, which))
            if held is not None and held.until_ms > now_ms and held.worker:
                found[key] = held.worker
        return found

    def lease(self, worker: str, now_ms: int, *, limit: int, until_ms: int) -> list[Leased]:
        """See `Store.lease`."""
        due = [(_due_ms(held), key, held) for key, held in self._eligible() if _is_due(held, now_ms)]
        due.sort(key=lambda found: found[:2])
        for _, _, held in due[:limit]:
            held.worker, held.until_ms = worker, until_ms
        return [Leased(held.row, until_ms) for _, _, held in due[:limit]]

    def _eligible(self) -> list[tuple[OutgoingKey, _Held]]:
        """The invocations that are not ordered behind another of their entity."""
        first: dict[EntityKey, int] = {}
        for key, held in self._outgoing.items():
            phase = held.row.phase
            if phase in ("started", "stopping"):
                first[key[:3]] = 0
            elif phase == "waiting":
                first[key[:3]] = min(first.get(key[:3], key[3]), key[3])
        return [
            (key, held)
            for key, held in self._outgoing.items()
            if held.row.phase != "waiting" or first[key[:3]] == key[3]
        ]

    def renew(
        self, worker: str, keys: Sequence[OutgoingKey], now_ms: int, *, until_ms: int
    ) -> set[OutgoingKey]:
        """See `Store.renew`."""
        kept = {key for key in keys if self._is_held(self._outgoing.get(key), worker, now_ms)}
        for key in kept:
            self._outgoing[key].until_ms = until_ms
        return kept

    def _is_held(self, held: _Held | _Armed | None, worker: str, now_ms: int) -> bool:
        return held is not None and held.worker == worker and held.until_ms > now_ms

    def postpone(self, worker: str, outgoing: Outgoing, now_ms: int) -> bool:
        """See `Store.postpone`."""
        held = self._outgoing.get((outgoing.tenant, outgoing.app, outgoing.entity, outgoing.number))
        if held is None or not self._is_held(held, worker, now_ms):
            return False
        held.row = replace(held.row, due_ms=outgoing.due_ms, attempt=outgoing.attempt)
        held.worker, held.until_ms = None, 0
        return True

    def due_timers(self, worker: str, now_ms: int, *, limit: int, until_ms: int) -> list[Timer]:
        """See `Store.due_timers`."""
        due = [(_due_ms(armed), key, armed) for key, armed in self._timers.items() if _is_due(armed, now_ms)]
        due.sort(key=lambda found: found[:2])
        for _, _, armed in due[:limit]:
            armed.worker, armed.until_ms = worker, until_ms
        return [armed.row for _, _, armed in due[:limit]]

    def postpone_timer(self, worker: str, timer: Timer, now_ms: int, *, until_ms: int) -> bool:
        """See `Store.postpone_timer`."""
        armed = self._timers.get((timer.tenant, timer.app, timer.entity, timer.name))
        if armed is None or not self._is_held(armed, worker, now_ms):
            return False
        armed.worker, armed.until_ms = POSTPONED, until_ms
        return True

    def retime(self, retiming: Retiming, rows: Iterable[EntityRow], now_ms: int) -> None:
        """See `Retiming`; `rows` are the blueprint's entities, those in its state if it has one."""
        for row in rows:
            key = (row.tenant, row.app, row.id, retiming.name)
            armed = self._timers.pop(key, None)
            if retiming.after_ms is None:
                continue
            since = now_ms if armed is None else armed.row.armed_ms
            visit = row.visit if armed is None else armed.row.visit
            self.put(Timer(*key[:2], row.blueprint, *key[2:], visit, since, since + retiming.after_ms))

    def next_due_ms(self, now_ms: int) -> int | None:
        """See `Store.next_due_ms`. A postponed timer counts from the moment to which it was postponed."""
        free = [_due_ms(held) for _, held in self._eligible() if held.until_ms <= now_ms]
        free += [_due_ms(a) for a in self._timers.values() if a.until_ms <= now_ms or a.worker == POSTPONED]
        return min(free, default=None)

    def overdue(self, tenant: str, app: str, *, before_ms: int, limit: int) -> list[Timer | Outgoing]:
        """See `Store.overdue`."""
        rows: list[Timer | Outgoing] = [armed.row for armed in self._timers.values()]
        rows += [held.row for held in self._outgoing.values()]
        late = [r for r in rows if (r.tenant, r.app) == (tenant, app) and r.due_ms < before_ms]
        return sorted(late, key=overdue_rank)[:limit]

    def pending(self, tenant: str, app: str, entity: str) -> list[Timer | Outgoing]:
        """See `Store.pending`."""
        key = tenant, app, entity
        rows: list[Timer | Outgoing] = [a.row for k, a in self._timers.items() if k[:3] == key]
        rows += [held.row for k, held in self._outgoing.items() if k[:3] == key]
        return sorted(rows, key=overdue_rank)

    def is_busy(self, entity: EntityKey) -> bool:
        """Whether an invocation of the entity is not over."""
        return any(key[:3] == entity for key in self._outgoing)

    def forget(self, entity: EntityKey) -> None:
        """Drop the timers of an entity that is archived."""
        self._timers = {key: armed for key, armed in self._timers.items() if key[:3] != entity}

    def all_outgoing(self) -> list[Outgoing]:
        """Every row of the outbox, by key."""
        return [self._outgoing[key].row for key in sorted(self._outgoing)]

    def all_timers(self) -> list[Timer]:
        """Every timer, by key."""
        return [self._timers[key].row for key in sorted(self._timers)]


def overdue_rank(row: Timer | Outgoing) -> tuple[object, ...]:
    """The order of `Store.overdue` and `Store.pending`."""
    which = (1, row.number, "") if isinstance(row, Outgoing) else (0, 0, row.name)
    return row.due_ms, row.entity, *which
