"""Guards of the runtime, taken out one by one: each is missed within a few seeds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from lathe.api.access.authentication import TokenAuthenticator
from lathe.frozen import evolve
from lathe.machine.event import Caller
from lathe.machine.trace import Trace
from lathe.runtime import catalog, engine, outbox, plan, swap, timers, tokens
from lathe.runtime.cache import Cache
from lathe.runtime.committer import Committer
from lathe.sim.menu import FAULTS, MIXES
from lathe.sim.prepared import Prepared, prepare
from lathe.sim.run import Outcome, setting_of, simulate
from lathe.sim.shrink import shrink
from lathe.sim.telling import trace_of
from lathe.sim.workload import Issue
from lathe.sim.world import Setting
from lathe.store import accept, duties, memory
from lathe.store.governed import Governed

from ..runtime.harness import EXAMPLES
from .test_retained import FILES as FAMILY
from .test_worlds import prepared

SEEDS = 120
Patch = pytest.MonkeyPatch


@cache
def parcel() -> Prepared:
    """An app with a timer that may have to wait."""
    folder = EXAMPLES.parent / "bench" / "features" / "parcel"
    return prepare({path.name: path.read_bytes() for path in folder.iterdir()})


@cache
def family() -> Prepared:
    """An app that archives."""
    return prepare(FAMILY)


def waits_for_its_seal() -> Setting:
    """A parcel whose timer is due before it is sealed, which it is soon after; nothing fails."""

    def asked(gap_ms: int, kind: Literal["create", "act"], action: str) -> Issue:
        hand = Caller("role", None, frozenset({"hand"}), "ann")
        return Issue(gap_ms, 0, kind, "Parcel", "Parcel#1", action, {}, hand)

    script = (asked(0, "create", "create"), asked(23_000, "act", "seal"))
    without = frozenset(FAULTS)
    return Setting(0, "calm", 1, 1, len(script), is_shared=False, without=without, script=(script,))


def first_failure(name: str, seeds: int = SEEDS) -> Outcome:
    """The first seed that finds something; fails if none does."""
    by_seed = (setting_of(seed, MIXES[2 - seed % 2]) for seed in range(seeds))
    app = {"parcel": parcel, "family": family}.get(name, lambda: prepared(name))()
    settings = [waits_for_its_seal()] if name == "parcel" else by_seed
    for setting in settings:
        found = simulate(app, setting)
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
    patch.setattr(outbox, "is_there", lambda outgoing, live, held: None)


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


def postponed_timers_sleep_on(patch: Patch) -> None:
    """A timer that was not possible waits its whole time, whatever is written to its entity."""
    real = duties.Duties.write

    def careless(self: Any, total: Any, now_ms: int) -> None:
        put_off = {k: a.until_ms for k, a in self._timers.items() if a.worker == duties.POSTPONED}
        real(self, total, now_ms)
        for key, until_ms in put_off.items():
            armed = self._timers.get(key)
            if armed is not None and key not in total.timers:
                armed.worker, armed.until_ms = duties.POSTPONED, until_ms

    patch.setattr(duties.Duties, "write", careless)


def lapsed_leases_count(patch: Patch) -> None:
    """Whoever had a lease last may write, though it has run out."""
    real = duties.Duties.holders
    patch.setattr(duties.Duties, "holders", lambda self, keys, now_ms: real(self, keys, now_ms - 5_000))


def an_old_read_counts(patch: Patch) -> None:
    """What was read before a commit, and comes after it, replaces what is known."""

    @contextmanager
    def careless(self: Any, key: Any) -> Any:
        yield lambda held, is_used=True: self.learn(key, held, is_used=is_used)

    patch.setattr(Cache, "reading", careless)


def what_was_dropped_stays(patch: Patch) -> None:
    """A write that was not taken stays known as long as others wait that were built on it."""
    real = Cache.settle

    def careless(self: Any, write: Any, answer: Any) -> None:
        made = self._queued[id(write)]
        real(self, write, answer)
        for key, slot, _ in made:
            if slot.pending:
                self._slots.setdefault(key, slot)

    patch.setattr(Cache, "settle", careless)


def duties_are_not_stored(patch: Patch) -> None:
    """The store forgets outbox and timers."""
    patch.setattr(duties.Duties, "write", lambda self, total, now_ms: None)


def a_refusal_tells_what_is_queued(patch: Patch) -> None:
    """Who is refused is shown the entity as it will be once all that waits is committed."""
    real = engine.Engine._refused

    async def careless(self: Any, command: Any, live: Any, refusal: Any, world: Any) -> Any:
        key = (live.tenant, live.app.name, command.entity)
        if key in self.cache:
            world.seen[command.entity] = self.cache.newest(key)
        return await real(self, command, live, refusal, world)

    patch.setattr(engine.Engine, "_refused", careless)


def reads_are_not_compared(patch: Patch) -> None:
    """A write says nothing of what its decision has read."""
    real = plan.plan

    def careless(live: Any, step: Any, *given: Any, **more: Any) -> Any:
        return real(live, evolve(step, reads=frozenset()), *given, **more)

    patch.setattr(engine, "plan", careless)


def claims_are_kept(patch: Patch) -> None:
    """What an entity does not claim any more stays its own in the store."""
    patch.setattr(memory, "changed_claims", lambda before, after: ([], [], []))


def old_policies_count_on(patch: Patch) -> None:
    """A version takes over, and who may do what is decided by the one before."""
    real = catalog.Catalog._load

    async def careless(self: Any, key: Any, governed: Any) -> Any:
        live, known = await real(self, key, governed), self._live.get(key)
        return live if known is None else evolve(live, permit=known.permit)

    patch.setattr(catalog.Catalog, "_load", careless)


def archived_too_soon(patch: Patch) -> None:
    """What is final is archived at once, however long it is to be kept."""
    real = memory.MemoryStore.archive

    async def careless(self: Any, *given: Any, final_before_ms: int, limit: int) -> Any:
        return await real(self, *given, final_before_ms=final_before_ms + 10**9, limit=limit)

    patch.setattr(memory.MemoryStore, "archive", careless)


def an_archive_loses_entries(patch: Patch) -> None:
    """What is archived does not have its whole journal."""
    real = memory.MemoryStore._archive

    def careless(self: Any, rows: Any) -> Any:
        moved = real(self, rows)
        if moved:
            self._archived_journal.popitem()
        return moved

    patch.setattr(memory.MemoryStore, "_archive", careless)


def decisions_never_end(patch: Patch) -> None:
    """What was approved lets pass whatever comes later as well."""
    real = Governed.approved
    patch.setattr(Governed, "approved", lambda self, now_ms: real(self, 0))


def a_decision_lets_pass_twice(patch: Patch) -> None:
    """What was approved once is not used up."""
    real = accept._accept_one

    def careless(write: Any, standing: Any) -> Any:
        approved = dict(standing.decisions)
        answer = real(write, standing)
        standing.decisions = approved
        return answer

    patch.setattr(accept, "_accept_one", careless)
    patch.setattr(Governed, "use", lambda self, keys: None)


def tokens_of_effects_never_end(patch: Patch) -> None:
    """Whoever was asked once may call back for ever."""
    real = tokens.Tokens.read
    early = SimpleNamespace(now_ms=lambda: 0)

    def careless(self: Any, token: str) -> Any:
        grant = real(tokens.Tokens(self._key, early), token)
        return replace(grant, expires_ms=10**15) if grant is not None else None

    patch.setattr(tokens.Tokens, "read", careless)


def who_was_known_stays_known(patch: Patch) -> None:
    """A token that was looked up counts from then on, though it has ended."""
    patch.setattr(TokenAuthenticator, "_is_fresh", lambda self, principal: True)


def an_erasure_passes_the_archive_over(patch: Patch) -> None:
    """What was archived keeps what it holds."""
    real = memory.MemoryStore._erase

    def careless(self: Any, key: Any) -> int:
        archived = dict(self._archived_journal)
        count = real(self, key)
        self._archived_journal.update(archived)
        return count

    patch.setattr(memory.MemoryStore, "_erase", careless)


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
        ("parcel", postponed_timers_sleep_on),
        ("rollout", lapsed_leases_count),
        ("incident", an_old_read_counts),
        ("rollout", what_was_dropped_stays),
        ("rollout", duties_are_not_stored),
        ("lease_queue", a_refusal_tells_what_is_queued),
        ("order", reads_are_not_compared),
        ("order", claims_are_kept),
        ("expense", old_policies_count_on),
        ("lease_queue", archived_too_soon),
        ("lease_queue", an_archive_loses_entries),
        ("lease_queue", decisions_never_end),
        ("family", a_decision_lets_pass_twice),
        ("rollout", tokens_of_effects_never_end),
        ("lease_queue", who_was_known_stays_known),
        ("family", an_erasure_passes_the_archive_over),
    )
}


def test_a_world_that_is_made_for_one_guard_is_sound_with_it() -> None:
    assert simulate(parcel(), waits_for_its_seal()).violation is None


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


def test_the_docs_list_every_guard() -> None:
    page = (EXAMPLES.parent / "docs" / "explanation" / "seeded-bugs.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(GUARDS)
