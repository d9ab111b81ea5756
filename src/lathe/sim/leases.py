"""An independent record of the leases that a store granted, to compare its rows with.

The store's own rows may be wrong; this records what it has answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lathe.store.base import Retiming
from lathe.store.duties import Duties
from lathe.store.fold import Net, OutgoingKey
from lathe.store.records import EntityRow, Leased, Outgoing, Timer, Write

Held = tuple[str, int | str]
"""An entity, with an invocation's number or a timer's name."""
Fail = Callable[[str, str], None]


class Leases:
    """What was promised to whom, until when. `clock` gives milliseconds; `fail` is told what is wrong."""

    def __init__(self, clock: Callable[[], int], fail: Fail) -> None:
        self._clock = clock
        self._fail = fail
        self._until: dict[Held, tuple[str, int]] = {}

    def taken(self, worker: str, held: Held, until_ms: int) -> None:
        """A worker was given something: nobody else may have it."""
        other, until = self._until.get(held, ("", 0))
        if other and until > self._clock():
            self._fail("lease", f"{held[0]}.{held[1]} went to {worker} while {other} holds it")
        self._until[held] = (worker, until_ms)

    def renewed(self, worker: str, held: Held, until_ms: int) -> None:
        """A worker may keep what it has."""
        other, _ = self._until.get(held, ("", 0))
        if other != worker:
            self._fail(
                "lease", f"{held[0]}.{held[1]} was renewed for {worker}, and {other or 'nobody'} has it"
            )
        self._until[held] = (worker, until_ms)

    def given_back(self, held: Held) -> None:
        """Nobody has it any more."""
        self._until.pop(held, None)

    def forgets(self, names: Iterable[str]) -> None:
        """Entities are archived, and their timers gone."""
        gone = set(names)
        self._until = {held: until for held, until in self._until.items() if held[0] not in gone}

    def left_ms(self, held: Held) -> int:
        """How long a lease still runs; 0 if nobody holds it."""
        return max(self._until.get(held, ("", 0))[1] - self._clock(), 0)

    def committed(self, write: Write) -> None:
        """A write is accepted: what follows from an invocation or a timer is its holder's to say."""
        if write.lease is not None:
            worker, entity, which = write.lease
            other, until = self._until.get((entity, which), ("", 0))
            if other != worker or until <= self._clock():
                said = "whose lease had run out" if other == worker else f"which {other or 'nobody'} held"
                self._fail("lease", f"{worker} committed a step of {entity}.{which}, {said}")


class WatchedDuties(Duties):
    """The memory store's outbox and timers, with every lease written down as it is given."""

    def __init__(self, leases: Leases) -> None:
        super().__init__()
        self._leases = leases

    def rows(self) -> tuple[dict[tuple[str, int], str], dict[tuple[str, str], int]]:
        """The phase of each invocation, and the moment of each timer, of the one app that there is."""
        phases: dict[tuple[str, int], str] = {k[2:]: held.row.phase for k, held in self._outgoing.items()}
        return phases, {key[2:]: armed.row.due_ms for key, armed in self._timers.items()}

    def write(self, total: Net, now_ms: int) -> None:
        """See `Duties`."""
        born = {key: held for key, held in total.held.items() if key not in self._outgoing}
        super().write(total, now_ms)
        for key, outgoing in total.outgoing.items():
            worker, lease_ms = born.get(key, (None, 0))
            if outgoing is None:
                self._leases.given_back(key[2:])
            elif worker is not None:  # it is its asker's from the first
                self._leases.taken(worker, key[2:], now_ms + lease_ms)
        for _, _, entity, name in total.timers:
            self._leases.given_back((entity, name))

    def retime(self, retiming: Retiming, rows: Iterable[EntityRow], now_ms: int) -> None:
        """See `Duties`."""
        every = list(rows)
        super().retime(retiming, every, now_ms)
        for row in every:
            self._leases.given_back((row.id, retiming.name))

    def lease(self, worker: str, now_ms: int, *, limit: int, until_ms: int) -> list[Leased]:
        """See `Duties`."""
        found = super().lease(worker, now_ms, limit=limit, until_ms=until_ms)
        for leased in found:
            self._leases.taken(worker, (leased.outgoing.entity, leased.outgoing.number), until_ms)
        return found

    def renew(
        self, worker: str, keys: Sequence[OutgoingKey], now_ms: int, *, until_ms: int
    ) -> set[OutgoingKey]:
        """See `Duties`."""
        kept = super().renew(worker, keys, now_ms, until_ms=until_ms)
        for _, _, entity, number in sorted(kept):
            self._leases.renewed(worker, (entity, number), until_ms)
        return kept

    def postpone(self, worker: str, outgoing: Outgoing, now_ms: int) -> bool:
        """See `Duties`."""
        is_done = super().postpone(worker, outgoing, now_ms)
        if is_done:
            self._leases.given_back((outgoing.entity, outgoing.number))
        return is_done

    def due_timers(self, worker: str, now_ms: int, *, limit: int, until_ms: int) -> list[Timer]:
        """See `Duties`."""
        found = super().due_timers(worker, now_ms, limit=limit, until_ms=until_ms)
        for timer in found:
            self._leases.taken(worker, (timer.entity, timer.name), until_ms)
        return found

    def postpone_timer(self, worker: str, timer: Timer, now_ms: int, *, until_ms: int) -> bool:
        """See `Duties`."""
        is_done = super().postpone_timer(worker, timer, now_ms, until_ms=until_ms)
        if is_done:
            self._leases.given_back((timer.entity, timer.name))
        return is_done
