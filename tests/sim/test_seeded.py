"""Guards of the runtime, taken out one by one: each is missed within a few seeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from lathe.machine.trace import Trace
from lathe.runtime import engine, outbox, plan, swap, timers
from lathe.runtime.cache import Cache
from lathe.runtime.committer import Committer
from lathe.sim.menu import MIXES
from lathe.sim.run import Outcome, setting_of, simulate
from lathe.sim.shrink import shrink
from lathe.sim.telling import trace_of
from lathe.store import accept, duties, memory

from .test_worlds import prepared

SEEDS = 120
Patch = pytest.MonkeyPatch


def first_failure(name: str, seeds: int = SEEDS) -> Outcome:
    """The first seed that finds something; fails if none does."""
    for seed in range(seeds):
        found = simulate(prepared(name), setting_of(seed, MIXES[2 - seed % 2]))
        if found.violation is not None:
            return found
    raise AssertionError(f"{seeds} seeds find nothing")


def without_heads(patch: Patch) -> None:
    """The store does not compare what a write was decided on."""
    real = accept._accept_one

    def careless(write: Any, standing: Any) -> Any:
        for name, head in write.bases:
            if head != accept.GENESIS:
                standing.heads[write.tenant, write.app, name] = head
        return real(write, standing)

    patch.setattr(accept, "_accept_one", careless)


def without_leases(patch: Patch) -> None:
    """A worker that lost its lease may still write."""
    real = accept._accept_one
    patch.setattr(accept, "_accept_one", lambda write, standing: real(replace(write, lease=None), standing))
    patch.setattr(outbox, "_is_there", lambda outgoing, live, held: None)


def without_epochs(patch: Patch) -> None:
    """The store does not ask which version a write was decided by."""
    real = accept._accept_one

    def careless(write: Any, standing: Any) -> Any:
        governing = standing.governing.get((write.tenant, write.app))
        changed = replace(write, digest=governing.digest, epoch=governing.epoch) if governing else write
        return real(changed, standing)

    patch.setattr(accept, "_accept_one", careless)


def without_receipts(patch: Patch) -> None:
    """The store does not look whether a key was used."""
    real = memory.MemoryStore._standing

    def careless(self: Any, group: Any, governing: Any) -> Any:
        standing, before = real(self, group, governing)
        standing.receipts.clear()
        return standing, before

    patch.setattr(memory.MemoryStore, "_standing", careless)


def acknowledged_too_early(patch: Patch) -> None:
    """A command is answered before its group is committed."""

    async def early(self: Any, group: Any, answers: Any) -> None:
        for _, heard in group.queued:
            heard(accept.Answer("accepted"))
        found = await answers
        for write, answer in zip(group, found, strict=True):
            self._settled(write, answer)

    patch.setattr(Committer, "_settle", early)


def without_a_fresh_look(patch: Patch) -> None:
    """A refusal stands though it rests on what is cached."""

    async def at_once(self: Any, live: Any, command: Any, held: Any, outcome: Any, world: Any) -> Any:
        return await self._refused(command, live, outcome, world)

    patch.setattr(engine.Engine, "_surely_refused", at_once)


def timers_are_not_disarmed(patch: Patch) -> None:
    """A state that is left keeps its timer."""
    real = plan._Changes.add

    def careless(self: Any, new: Any, old: Any, part: Any) -> None:
        real(self, new, old, part)
        self.disarmed.clear()

    patch.setattr(plan._Changes, "add", careless)


def invocations_are_not_ended(patch: Patch) -> None:
    """What is over stays in the outbox."""
    real = plan._Changes.add

    def careless(self: Any, new: Any, old: Any, part: Any) -> None:
        real(self, new, old, part)
        self.ended.clear()

    patch.setattr(plan._Changes, "add", careless)


def timers_are_lost(patch: Patch) -> None:
    """The worker of the timers takes nothing."""

    async def idle(self: Any) -> None:
        await asyncio.Event().wait()

    patch.setattr(timers.Timers, "run", idle)


def leases_never_end(patch: Patch) -> None:
    """What a process held when it died is never tried again."""
    real = duties.Duties.lease

    def for_ever(self: Any, worker: str, now_ms: int, *, limit: int, until_ms: int) -> Any:
        return real(self, worker, now_ms, limit=limit, until_ms=until_ms + 10**9)

    patch.setattr(duties.Duties, "lease", for_ever)


def a_refused_write_is_believed(patch: Patch) -> None:
    """What the store refused stays in the cache as committed."""
    real = Cache.settle
    patch.setattr(Cache, "settle", lambda self, write, answer: real(self, write, accept.Answer("accepted")))


def a_swap_moves_nobody(patch: Patch) -> None:
    """A version takes over, and entities keep the old shape."""
    patch.setattr(swap.Swapper, "_moved", lambda self, old, table, entity: None)


GUARDS: Mapping[str, tuple[str, Callable[[Patch], None]]] = {
    guard.__name__: (app, guard)
    for app, guard in (
        ("lease_queue", without_heads),
        ("rollout", without_leases),
        ("lease_queue", without_epochs),
        ("lease_queue", without_receipts),
        ("lease_queue", acknowledged_too_early),
        ("lease_queue", without_a_fresh_look),
        ("rollout", timers_are_not_disarmed),
        ("rollout", invocations_are_not_ended),
        ("lease_queue", timers_are_lost),
        ("rollout", leases_never_end),
        ("lease_queue", a_refused_write_is_believed),
        ("wallet", a_swap_moves_nobody),
    )
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_that_is_gone_is_missed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app, guard = GUARDS[name]
    guard(monkeypatch)
    assert first_failure(app).violation is not None


def test_a_failure_is_made_small_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    without_heads(monkeypatch)
    found = first_failure("rollout")
    small = shrink(prepared("rollout"), found)
    assert found.violation is not None
    assert small.violation is not None
    assert small.violation.cause == found.violation.cause
    assert sum(map(len, small.script)) < sum(map(len, found.script))
    trace = trace_of(small)
    assert isinstance(trace, Trace)
    assert all(step.entity.startswith("Rollout#") for step in trace.steps)
    assert trace == trace_of(shrink(prepared("rollout"), found)), "the same seed shrinks to the same run"
