"""Hot reload: another version of an app takes over while entities live.

check → compare with the live population → plan → confirm → one transaction makes it current and brings over
what must change. Nothing restarts; until that transaction the old version runs on, and what refuses changes
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Protocol, TypeVar

from lathe.errors import NotFoundError
from lathe.frozen import frozen
from lathe.lang import digest, read_app
from lathe.lang.diff import Change, diff
from lathe.lang.model import App
from lathe.machine.evaluate import entity_frame, holds
from lathe.machine.migrate import Misfit, migrate
from lathe.machine.outcome import Step
from lathe.machine.snapshot import Entity, MemoryWorld
from lathe.machine.step import admitted
from lathe.machine.table import Table
from lathe.runtime.catalog import Live
from lathe.runtime.engine import Engine, Standing
from lathe.runtime.loading import held_of
from lathe.runtime.plan import Held, Planned, Told, plan
from lathe.runtime.references import Referring
from lathe.store.audit import DecisionRow, Said, audited
from lathe.store.base import PAGE_LIMIT, Apply, Query, Retiming, StoreError
from lathe.store.records import Answer, EntityRow, Governing, Version, Write

T = TypeVar("T")

EXAMPLES_LIMIT = 20
"""Entities that cannot be migrated, listed one by one in a plan."""
MOVED_LIMIT = 100_000
"""Entities that one swap may rewrite."""
REFERRED_LIMIT = 1_000_000
"""Entities that one swap may hold in memory, for an app whose entities refer to each other."""
EXAMINED_LIMIT = 2_000_000
"""Live entities of an app that is swapped: id and head of each are kept until the commit, some 250 bytes."""
ANY = "any"
"""Whichever version is current."""
TRIES_LIMIT = 5
"""How often a swap is prepared again because of concurrent writes."""


class Judged(Protocol):
    """The gate's verdict on an app's files; `report` is JSON."""

    @property
    def app(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def report(self) -> bytes: ...


class Gate(Protocol):
    """Checks an app, outside this process. The runtime trusts nothing else."""

    async def judge(
        self, files: Mapping[str, bytes], *, against: Mapping[str, bytes] | None, accept_bounds: bool
    ) -> Judged: ...


@frozen
class Unfit:
    """A live entity that cannot be migrated, and why; `code` is that of the finding, LT701 to LT703."""

    code: str
    entity: str
    blueprint: str
    state: str
    why: str


@frozen
class Plan:
    """What a swap would do. `digest` identifies the plan, so that a confirmation means exactly this one.

    `population` counts the live entities by (blueprint, state), `moved` those that would be rewritten.
    `unfit` are some of those that do not fit; `unfit_count` is of all.
    """

    app: str
    old: str | None
    new: str
    verdict: str
    changes: tuple[Change, ...]
    population: Mapping[tuple[str, str], int]
    moved: int
    unfit: tuple[Unfit, ...]
    unfit_count: int

    @property
    def digest(self) -> str:
        """Identifies the plan."""
        said = f"{self.app}\0{self.old}\0{self.new}\0{self.unfit_count}"
        return sha256(said.encode()).hexdigest()[:16]

    @property
    def is_breaking(self) -> bool:
        """Whether existing clients may break."""
        return any(change.is_breaking for change in self.changes)

    @property
    def is_possible(self) -> bool:
        """Whether the plan can be confirmed."""
        return self.verdict == "admitted" and self.unfit_count == 0


@frozen
class Applied:
    """The version is current. `moved` entities were rewritten, after `tries` tries."""

    plan: Plan
    moved: int
    tries: int


class RefusedSwap(Exception):
    """Nothing was applied, and nothing changed.

    `code`: `refused`, `population`, `breaking`, `plan` or `decided`.
    """

    def __init__(self, code: str, message: str, plan: Plan | None, judged: Judged | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.plan = plan
        self.judged = judged


class Deciding(Protocol):
    """A decision that is made or used in the same transaction, and its line in the audit log."""

    @property
    def row(self) -> DecisionRow: ...
    @property
    def said(self) -> Said: ...


Compare = Callable[[App, App], Sequence[Change]]
"""The differences between two versions of an app."""


class Swapper:
    """Applies versions, one at a time in a process. `compare` is `lang.diff`, or a cached one."""

    def __init__(self, engine: Engine, gate: Gate, *, compare: Compare = diff) -> None:
        self._engine = engine
        self._gate = gate
        self._compare = compare

    async def judge(self, tenant: str, files: Mapping[str, bytes], *, accept_bounds: bool) -> Judged:
        """The gate's verdict on these files, as a replacement of the current version."""
        first = await self._gate.judge(files, against=None, accept_bounds=accept_bounds)
        old = self._current(tenant, first.app)
        if first.verdict != "admitted" or old is None or old.digest == first.digest:
            return first
        version = await self._engine.store.version(tenant, first.app, old.digest)
        against = None if version is None else version.files
        return await self._gate.judge(files, against=against, accept_bounds=accept_bounds)

    async def in_force(self, tenant: str, files: Mapping[str, bytes]) -> Version | None:
        """The current version if these are exactly its files, which were checked when it was applied."""
        app = read_app(files).app
        old = self._current(tenant, app.name) if app is not None else None
        if app is None or old is None or old.digest != digest(app):
            return None
        version = await self._engine.store.version(tenant, app.name, old.digest)
        return version if version is not None and version.files == dict(files) else None

    async def plan(self, tenant: str, files: Mapping[str, bytes], judged: Judged) -> Plan:
        """What applying these files would do to the live entities."""
        old = self._current(tenant, judged.app)
        if old is not None and old.digest == judged.digest:  # another process may have replaced it since
            await self._engine.catalog.refresh()
            old = self._current(tenant, judged.app)
        if judged.verdict != "admitted":
            return Plan(
                judged.app, old.digest if old else None, judged.digest, judged.verdict, (), {}, 0, (), 0
            )
        table = self._engine.catalog.judged(judged.digest, files)
        return await self._on_current(tenant, judged, lambda now: self._plan(tenant, now, table, judged))

    async def _on_current(
        self, tenant: str, judged: Judged, work: Callable[[Live | None], Awaitable[T]]
    ) -> T:
        """Run `work` over every entity, again if another version takes over meanwhile."""
        for _ in range(TRIES_LIMIT):
            old = self._current(tenant, judged.app)
            try:
                return await work(old)
            except LookupError:  # it met an entity as another version has it
                await self._engine.catalog.refresh()
                if self._current(tenant, judged.app) is old:
                    raise
        raise RefusedSwap("plan", "other versions keep taking over", None, judged)

    async def _plan(self, tenant: str, old: Live | None, table: Table, judged: Judged) -> Plan:
        changes = tuple(self._compare(old.app, table.app)) if old is not None else ()
        population: Counter[tuple[str, str]] = Counter()
        unfit: list[Unfit] = []
        count = moved = 0
        if old is not None and old.digest == judged.digest:  # it is in force: its `[migrate]` was for others
            async for row in self._rows(old):
                population[row.blueprint, row.state] += 1
        elif old is not None:
            referring = await self._referring(old)
            async for row in self._rows(old):
                held = held_of(row)
                population[row.blueprint, row.state] += 1
                found = self._moved(old, table, held.entity, referring.entities)
                if isinstance(found, Unfit):
                    count += 1
                    if len(unfit) < EXAMPLES_LIMIT:
                        unfit.append(found)
                else:
                    moved += found is not None
        return Plan(
            app=judged.app,
            old=old.digest if old else None,
            new=judged.digest,
            verdict=judged.verdict,
            changes=changes,
            population=dict(sorted(population.items())),
            moved=moved,
            unfit=tuple(unfit),
            unfit_count=count,
        )

    async def apply(
        self,
        tenant: str,
        files: Mapping[str, bytes],
        judged: Judged,
        *,
        confirm: str | None,
        by: str,
        chain: tuple[str, ...] = (),
        standing: Standing | None = None,
        note: str = "",
        allow_breaking: bool = False,
        instead_of: str | None = ANY,
        deciding: Deciding | None = None,
    ) -> Applied:
        """Make these files current, with a line in the audit that names `by` and whom it acts for.

        Raises `RefusedSwap`, with the plan in it; then nothing changed. `standing` is asked before each try,
        and raises if who applies is not known any more: what is governed in between makes for another try.
        `instead_of` is the version that it must replace (None: none); `deciding` changes a decision in the
        same transaction.
        """
        made = await self.plan(tenant, files, judged)
        _check_possible(made, judged)
        if made.old == made.new:
            return Applied(made, 0, 0)
        if made.is_breaking and not allow_breaking:
            said = "clients may break: " + "; ".join(c.path for c in made.changes if c.is_breaking)
            raise RefusedSwap("breaking", said, made, judged)
        if instead_of not in (ANY, made.old) or (confirm is not None and confirm != made.digest):
            raise RefusedSwap("plan", "the plan has changed since it was made", made, judged)
        table = self._engine.catalog.judged(judged.digest, files)
        version = Version(
            tenant,
            judged.app,
            judged.digest,
            dict(files),
            judged.report,
            self._engine.clock.now_ms(),
            by,
            note,
        )
        for tries in range(1, TRIES_LIMIT + 1):
            end = await self._engine.store.audit_end()
            if standing is not None:
                await standing()
            old = self._current(tenant, judged.app)
            if (old.digest if old else None) != made.old:
                raise RefusedSwap("plan", "another version was applied since the plan was made", made, judged)
            ready = await self._ready(old, table, version)
            if ready is None:
                continue
            change, moved = ready
            lines = [_line(version, chain or (by,), made)]
            if deciding is not None:
                lines.insert(0, deciding.said)
                change = replace(change, decisions=(deciding.row,))
            change = replace(change, audit=audited(end, *lines))
            answer = await self._engine.store.apply(change)
            if answer.verdict == "accepted":
                await self._taken_over(tenant, judged.app)
                return Applied(made, len(moved), tries)
            if answer.verdict == "decision":
                raise RefusedSwap("decided", "the decision was used, or taken back", made, judged)
            await self._stale(tenant, judged.app, answer)
        raise RefusedSwap("plan", "entities keep being written while they are compared", made, judged)

    async def _ready(
        self, old: Live | None, table: Table, version: Version
    ) -> tuple[Apply, Mapping[str, Write]] | None:
        """See `_change`; None if another version has taken over meanwhile."""
        try:
            return await self._change(old, table, version)
        except LookupError:
            await self._engine.catalog.refresh()
            if self._current(version.tenant, version.app) is old:
                raise
            return None

    async def _stale(self, tenant: str, app: str, answer: Answer) -> None:
        if answer.verdict == "governed":
            await self._engine.catalog.refresh()
        self._engine.cache.forget_app(tenant, app)

    async def _taken_over(self, tenant: str, app: str) -> None:
        """The version is current, even if this process learns it only when the store answers again."""
        with suppress(StoreError):
            await self._engine.catalog.refresh()
        self._engine.cache.forget_app(tenant, app)

    def _current(self, tenant: str, app: str) -> Live | None:
        try:
            return self._engine.catalog.live(tenant, app)
        except NotFoundError:
            return None

    async def _rows(self, live: Live) -> AsyncIterator[EntityRow]:
        """Every live entity, page by page. Raises `RefusedSwap` beyond `EXAMINED_LIMIT`."""
        count = 0
        for name in live.table.blueprints:
            query = Query(live.tenant, live.app.name, name)
            while True:
                rows = await self._engine.store.find(query)
                count += len(rows)
                if count > EXAMINED_LIMIT:
                    said = f"more than {EXAMINED_LIMIT} entities live: give `retain` to those that are over"
                    raise RefusedSwap("population", said, None)
                for row in rows:
                    yield row
                if len(rows) < PAGE_LIMIT:
                    break
                last = rows[-1].id
                query = Query(live.tenant, live.app.name, name, after=(last, last))

    async def _referring(self, live: Live) -> Referring:
        referring = Referring(live.table)
        if referring.is_needed:
            async for row in self._rows(live):
                referring.add(held_of(row))
                if len(referring.entities) > REFERRED_LIMIT:
                    said = f"more than {REFERRED_LIMIT} entities would be held, as they refer to each other"
                    raise RefusedSwap("population", said, None)
        return referring

    def _moved(
        self, old: Live, table: Table, entity: Entity, referred: Mapping[str, Entity]
    ) -> Entity | Unfit | None:
        """The entity migrated to the new version; None if it is unchanged."""
        before = MemoryWorld(_Entities(entity, referred), old.table.ghosts)
        moved = migrate(old.table, table, entity, before)
        if moved is None:
            return None
        if isinstance(moved, tuple):
            code = "LT701" if moved[0].has_no_place else "LT702"
            return Unfit(code, entity.id, entity.blueprint, entity.state, _said(moved))
        after = MemoryWorld(_Entities(moved, referred, (old.table, table, before)), table.ghosts)
        broken = _broken(table, moved, after)
        if broken is not None:
            return Unfit("LT703", entity.id, entity.blueprint, entity.state, f"`{broken}` would be false")
        if _has_other_deadlines(old.table, table, entity, moved):
            return moved
        same = (moved.state, moved.fields, moved.ghosts, moved.invocations)
        return None if same == (entity.state, entity.fields, entity.ghosts, entity.invocations) else moved

    async def _change(
        self, old: Live | None, table: Table, version: Version
    ) -> tuple[Apply, Mapping[str, Write]]:
        """The change to commit: every entity as it is now, and, for those written until the commit, how to
        migrate them again. Second, the writes by entity, including those.

        Raises `RefusedSwap` if one does not fit.
        """
        if old is None:
            return Apply(version, None), {}
        new = Live(old.tenant, table.app, table, version.digest, old.epoch + 1, admitted)
        moved: dict[str, Write] = {}
        examined: dict[str, bytes] = {}

        referring = await self._referring(old)

        def examine(held: Held) -> Write | None:
            found = self._write(old, new, held, version, referring.entities)
            moved.pop(held.entity.id, None)
            if found is not None:
                moved[held.entity.id] = found
            if len(moved) > MOVED_LIMIT:
                raise RefusedSwap("population", f"more than {MOVED_LIMIT} entities would be rewritten", None)
            return found

        def again(rows: Sequence[EntityRow]) -> dict[str, Write | None]:
            """Migrate the changed entities again, and those that refer to them."""
            changed = [held_of(row) for row in rows if row.blueprint in old.table.blueprints]
            for held in changed:
                referring.add(held)
            behind = referring.behind(held.entity.id for held in changed)
            return {held.entity.id: examine(held) for held in (*changed, *behind)}

        async for row in self._rows(old):
            examined[row.id] = row.head
            examine(held_of(row))
        expected = Governing(old.digest, old.epoch)
        retimings = tuple(_retimings(old.table, table))
        return Apply(version, expected, tuple(moved.values()), retimings, examined, again), moved

    def _write(
        self, old: Live, new: Live, held: Held, version: Version, referred: Mapping[str, Entity]
    ) -> Write | None:
        """The write that migrates an entity; None if it is unchanged. Raises `RefusedSwap`."""
        moved = self._moved(old, new.table, held.entity, referred)
        if isinstance(moved, Unfit):
            raise RefusedSwap("population", f"{moved.entity}: {moved.why}", None)
        return None if moved is None else self._migration(new, held, moved, version).write

    def _migration(self, new: Live, held: Held, moved: Entity, version: Version) -> Planned:
        told = Told("migrate", version.applied_ms, version.by, (), {"digest": version.digest})
        found = Step(event=None, parts=(), written={moved.id: moved}, ghosts={})  # type: ignore[arg-type]
        return plan(new, found, {moved.id: held}, told)


def _check_possible(made: Plan, judged: Judged) -> None:
    """Raise `RefusedSwap` if the plan cannot be confirmed."""
    if made.verdict != "admitted":
        raise RefusedSwap("refused", f"the verifier says {made.verdict}", made, judged)
    if made.unfit_count:
        first = made.unfit[0]
        said = f"{made.unfit_count} live entities do not fit: {first.entity}, {first.why}"
        raise RefusedSwap("population", said, made, judged)


def _retimings(old: Table, new: Table) -> Iterator[Retiming]:
    """The changes of timers whose duration differs, or that are gone."""
    for name, table in new.blueprints.items():
        if name not in old.blueprints:
            continue
        before, now = old.blueprints[name].blueprint, table.blueprint
        for state in now.states.values():
            was = before.states.get(state.name)
            if was is not None and was.after_ms != state.after_ms:
                yield Retiming(name, state.name, after_ms=state.after_ms)
        for timer in sorted(before.timers.keys() - now.timers.keys()):
            yield Retiming(name, name=timer)


def _has_other_deadlines(old: Table, new: Table, entity: Entity, moved: Entity) -> bool:
    """Whether the deadline of a `[timer]` differs from the one that the old version armed."""
    before, now = old.blueprints[entity.blueprint].blueprint, new.blueprints[moved.blueprint].blueprint
    if before.timers == now.timers or now.states[moved.state].final:
        return False
    armed = {timer.name: entity.fields.get(timer.at) for timer in before.timers.values()}
    return any(moved.fields.get(t.at) != armed.get(t.name) for t in now.timers.values())


def _line(version: Version, chain: tuple[str, ...], made: Plan) -> Said:
    """The audit log's line on an application."""
    weaker = [change.path for change in made.changes if change.is_weaker]
    about = {"digest": version.digest, "old": made.old, "note": version.note, "weaker": weaker}
    return Said(
        version.tenant, version.applied_ms, "blueprint.applied", version.by, chain, version.app, about
    )


def _said(misfits: tuple[Misfit, ...]) -> str:
    first = misfits[0]
    return f"{first.kind} `{first.name}` {first.about}".strip()


class _Entities(Mapping[str, Entity]):
    """A world of one entity and those that it refers to, each in its own version."""

    def __init__(
        self,
        first: Entity,
        others: Mapping[str, Entity],
        versions: tuple[Table, Table, MemoryWorld] | None = None,
    ) -> None:
        self._first = first
        self._others = others
        self._versions = versions

    def __getitem__(self, name: str) -> Entity:
        if name == self._first.id:
            return self._first
        other = self._others[name]
        if self._versions is None:
            return other
        moved = migrate(self._versions[0], self._versions[1], other, self._versions[2])
        if isinstance(moved, tuple):
            raise KeyError(name)  # it is told itself that it does not fit
        return moved or other

    def __iter__(self) -> Iterator[str]:
        return iter({self._first.id: None, **dict.fromkeys(self._others)})

    def __len__(self) -> int:
        return len(self._others.keys() | {self._first.id})


def _broken(table: Table, entity: Entity, world: MemoryWorld) -> str | None:
    """The first of the entity's own invariants that it would violate."""
    blueprint = table.blueprints[entity.blueprint].blueprint
    frame = entity_frame(world, entity)
    for name, prop in blueprint.properties.items():
        if prop.kind != "invariant" or (prop.in_states and entity.state not in prop.in_states):
            continue
        if prop.when is not None and not holds(prop.when.tree, frame):
            continue
        if not holds(prop.that.tree, frame):
            return name
    return None
