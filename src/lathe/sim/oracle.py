"""The oracle of a simulated world: what must hold after every step, whatever faults were injected.

It sees what is committed, in the moment in which it is, takes every step again by `machine`, and keeps the
world that follows. What the runtime wrote, answered and did is held against that world.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from lathe.frozen import evolve, frozen
from lathe.machine.event import (
    Delivers,
    Ends,
    Event,
    Executes,
    LateExecution,
    Notifies,
    Starts,
    Stops,
    TimerFires,
)
from lathe.machine.migrate import migrate
from lathe.machine.outcome import Refusal, Step
from lathe.machine.properties import Broken, broken
from lathe.machine.snapshot import Entity, Invocation, MemoryWorld
from lathe.machine.step import Permit, step
from lathe.runtime.allowance import replaying
from lathe.runtime.catalog import Live
from lathe.runtime.conformance import event_of, payload_of
from lathe.runtime.engine import Command, Committed, Refused
from lathe.runtime.plan import OUTBOX, Held, changes_of
from lathe.runtime.snapshot import encode_json, entity_of
from lathe.sim.approvals import Approvals
from lathe.sim.erasure import Erased
from lathe.sim.prepared import Loaded, Prepared, kept_ghosts, reads_others, referred
from lathe.sim.promptness import Promptness
from lathe.sim.serial import Claims, misread, unread
from lathe.sim.tables import Tables
from lathe.store.audit import DecisionRow
from lathe.store.journal import payload_hash, sealed
from lathe.store.records import GENESIS, EntityRow, Entry, Outgoing, Timer, Version, Write

SKEW_MS = 20_000
"""How far off the clock of a process may be."""


@frozen
class Violation:
    """Something that must never be. `cause` groups what fails for the same reason."""

    cause: str
    said: str
    broken: Broken | None = None


@frozen
class Taken:
    """One step as it was committed: the world that it met, and what came of it by the machine."""

    loaded: Loaded
    world: MemoryWorld
    event: Event
    outcome: Step | Refusal


@frozen
class Swapped:
    """Another version took over."""

    old: Loaded
    new: Loaded
    before: MemoryWorld
    after: MemoryWorld


@frozen
class _Head:
    """The last entry of an entity's journal."""

    revision: int
    hash: bytes
    version: int


_NONE = _Head(0, GENESIS, 0)


class Oracle:
    """See the module. `found` is the first violation; after it nothing is judged any more."""

    def __init__(
        self,
        prepared: Prepared,
        failed: Callable[[], None],
        promptness: Promptness | None = None,
        *,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        self._promptness = promptness
        self._now_ms = now_ms
        self._prepared = prepared
        self._failed = failed
        self.loaded = prepared.first
        empty = MemoryWorld({}, self.loaded.table.ghosts)
        self.worlds: list[tuple[Loaded, MemoryWorld]] = [(self.loaded, empty)]
        self._truth = empty if self.loaded.has_outside else None
        self.steps: list[Taken | Swapped] = []
        self.found: Violation | None = None
        self.taken: Counter[tuple[str, str]] = Counter()
        self._heads: dict[str, _Head] = {}
        self._claims = Claims()
        self._made: dict[bytes, int] = {}
        """Which world each entry has made, by the entry's hash."""
        self._over: set[tuple[str, int]] = set()
        self._keys: dict[tuple[str, str], bytes] = {}
        self._until: dict[tuple[str, str], int] = {}
        self._outbox: dict[str, dict[int, str]] = {}
        self._timers: dict[str, dict[str, tuple[int, int]]] = {}
        self._armed: dict[str, int] = {}
        """When the timer of an entity's state began; not known after a swap, until its next visit."""
        self.archive = 0
        """How many entities were archived."""
        self.gone: set[str] = set()
        """Who is not known any more."""
        self.approvals = Approvals()
        self.erased = Erased()
        self._judges_all = any(reads_others(b) for b in self.loaded.app.blueprints.values())
        self._has_app_ghosts = bool(self.loaded.app.ghosts)

    def knows_journal_alone(self) -> None:
        """What happens outside is not told at the moment at which it does: the properties are judged by what
        the journal knows.
        """
        self._truth = None

    @property
    def world(self) -> MemoryWorld:
        """What the journal adds up to."""
        return self.worlds[-1][1]

    @property
    def count(self) -> int:
        """How many worlds there were."""
        return len(self.worlds)

    def fail(self, cause: str, said: str, broken: Broken | None = None) -> None:
        """Something is wrong; the first of them counts."""
        if self.found is None:
            self.found = Violation(cause, said, broken)
            self._failed()

    # What the store sees.

    def committed(self, write: Write) -> None:
        """A write was accepted: see `sim.store.Observer`."""
        if self.found is not None:
            return
        loaded, world = self.worlds[-1]
        first = write.entries[0]
        if first.digest != loaded.digest:
            self.fail("governed", f"{first.entity} was written by a version that is not current any more")
            return
        said = misread(write, lambda name: self._heads.get(name, _NONE).hash)
        if said:
            self.fail("serialisable", said)
        self._chains(write)
        payload = payload_of(first)
        event = event_of(first, payload)
        self._once(first, payload, event, world)
        permit = self._permit(write, event, loaded)
        outcome = step(loaded.table, world, event, permit=permit)
        self.steps.append(Taken(loaded, world, event, outcome))
        if isinstance(outcome, Refusal):
            self.fail(
                "replay", f"{first.kind} of {first.entity} was committed, the machine refuses: {outcome}"
            )
            return
        said = unread(write, outcome)
        if said:
            self.fail("serialisable", said)
        after = world.after(outcome.written, outcome.ghosts)
        self._same_as_written(write, outcome, world, payload)
        self.worlds.append((loaded, after))
        for part in outcome.parts:
            self.taken[part.blueprint, part.action or first.kind] += 1
        self._beside(write, outcome)
        if first.kind in ("create", "act") and payload["event"].get("actor") in self.gone:
            self.fail("revoked", f"{first.kind} of {first.entity} by somebody who is not known any more")
        if self._promptness is not None:
            said = self._promptness.taken(event, outcome, self.worlds, self._timers)
            if said:
                self.fail("late", said)
        if self._truth is None:
            self._judge(loaded, world, outcome, after)
        else:
            self._in_truth(loaded, event, permit)
        name, said = self._claims.step(loaded.table, world, outcome)
        if said:
            self.fail(f"unique:{name}", said)

    def _permit(self, write: Write, event: Event, loaded: Loaded) -> Permit:
        """Who may take a step: whom a decision let pass as well, if it rests on one that counts."""
        said = self.approvals.uses(write, event, loaded.digest, self._committed_ms(write))
        if said:
            self.fail("decision", said)
        first = write.entries[0]
        return replaying(loaded.permit, first.entity, first.action) if write.decision else loaded.permit

    def _chains(self, write: Write) -> None:
        """Every entry follows the one before it, and says so by its hash."""
        for entry in write.entries:
            head = self._heads.get(entry.entity, _NONE)
            if (entry.revision, entry.previous) != (head.revision + 1, head.hash):
                said = f"{entry.entity}: revision {entry.revision} does not follow {head.revision}"
                self.fail("serialisable", said)
            assert entry.payload is not None, "nothing is erased before it is there"
            if payload_hash(entry.payload) != entry.payload_hash or sealed(entry) != entry.hash:
                self.fail("chain", f"{entry.entity}: the hash of revision {entry.revision} is not its own")
            self._heads[entry.entity] = _Head(entry.revision, entry.hash, entry.version)
            self._made[entry.hash] = len(self.worlds)
        if write.receipt is not None:
            receipt = write.receipt
            key = (receipt.principal, receipt.key)
            if self._until.get(key, 0) > self._committed_ms(write):
                self.fail("key", f"the idempotency key {key[1]} was taken twice")
            self._keys[key], self._until[key] = receipt.answer, receipt.expires_ms

    def _committed_ms(self, write: Write) -> int:
        """When a write is committed, now: time may have leapt since it was decided.

        Where nobody tells the time, it is when it was decided, by a clock that may be off.
        """
        return self._now_ms() if self._now_ms is not None else write.entries[0].at_ms + SKEW_MS

    def _once(self, entry: Entry, payload: dict[str, Any], event: Event, world: MemoryWorld) -> None:
        """What follows from an invocation is about that invocation, and ends it once."""
        number = payload.get("event", {}).get("number")
        if number is None or not isinstance(event, (Starts, Executes, Ends, Stops, Delivers, Notifies)):
            return
        if (entry.entity, number) in self._over:
            self.fail("once", f"{entry.kind} of {entry.entity}.{number}, which is over")
        entity = world.entities.get(entry.entity)
        meant: Invocation | None = None
        if entity is not None:
            meant = entity.head if isinstance(event, (Starts, Delivers)) else entity.active
        if not isinstance(event, Notifies) and (meant is None or meant.number != number):
            said = f"{entry.kind} of {entry.entity}.{number} met {meant.number if meant else 'nothing'}"
            self.fail("mistaken", said)
        if not isinstance(event, (Starts, Executes)):
            self._over.add((entry.entity, number))

    def _same_as_written(
        self, write: Write, outcome: Step, world: MemoryWorld, payload: dict[str, Any]
    ) -> None:
        """Rows and entries say what the machine says. `payload` is that of the first entry."""
        rows = {row.id: row for row in write.entities}
        if set(rows) != set(outcome.written):
            self.fail("replay", f"{sorted(rows)} were written, the machine writes {sorted(outcome.written)}")
            return
        for entry in write.entries:
            now = outcome.written[entry.entity]
            row = rows[entry.entity]
            found = entity_of(row)
            if not self._is_as(now, found):
                self.fail("snapshot", f"the row of {entry.entity} is {found}, the machine makes {now}")
            if (entry.state, entry.visit, entry.version) != (now.state, now.visit, now.version):
                self.fail("journal", f"{entry.entity}: the entry of revision {entry.revision} says otherwise")
            changes = msgspec.json.decode(encode_json(changes_of(world.get(entry.entity), now)))
            told = payload if entry is write.entries[0] else payload_of(entry)
            if told["changes"] != changes:
                self.fail("journal", f"{entry.entity}: revision {entry.revision} tells other changes")

    def _is_as(self, entity: Entity | None, told: Entity | None) -> bool:
        """Whether a process tells an entity as it is. None of them keeps the ghosts of the app, so that what
        is computed from those differs.
        """
        if entity is None or told is None or not self._has_app_ghosts:
            return entity == told
        return entity == evolve(told, ghosts=entity.ghosts)

    def stored(self, tables: Tables) -> None:
        """What the store has beside the journal is what was written."""
        if self.found is not None:
            return
        asked = {(name, n): phase for name, found in self._outbox.items() for n, phase in found.items()}
        if asked != tables.outgoing:
            self.fail("outbox", f"the outbox has {tables.outgoing}, written were {asked}")
        armed = {(name, n): due for name, found in self._timers.items() for n, (due, _) in found.items()}
        if armed != tables.timers:
            self.fail("timer", f"the store has the timers {tables.timers}, written were {armed}")
        if self._claims.held != tables.claims:
            self.fail("claims", f"the store has the claims {tables.claims}, held are {self._claims.held}")

    def _beside(self, write: Write, outcome: Step) -> None:
        """Outbox and timers are what the entities ask for."""
        self._take_duties(write)
        self._note_arming(write.entries[0].at_ms, outcome)
        for entity in outcome.written.values():
            self._duties_fit(entity)

    def _note_arming(self, at_ms: int, outcome: Step) -> None:
        """A visit arms the timer of its state, and so does that timer's own action where it stays."""
        for part in outcome.parts:
            table = self.loaded.table.blueprints[part.blueprint].blueprint
            by_timer = part.by is not None and part.by.kind == "timer"
            again = by_timer and part.action == table.states[part.after.state].then
            if part.before is None or part.before.visit != part.after.visit or again:
                self._armed[part.entity] = at_ms

    def _take_duties(self, write: Write) -> None:
        for name, number in write.ended:
            self._outbox.get(name, {}).pop(number, None)
        for outgoing in write.outgoing:
            self._outbox.setdefault(outgoing.entity, {})[outgoing.number] = outgoing.phase
        for name, timer in write.disarmed:
            self._timers.get(name, {}).pop(timer, None)
        for armed in write.timers:
            self._timers.setdefault(armed.entity, {})[armed.name] = (armed.due_ms, armed.visit)

    def _duties_fit(self, entity: Entity) -> None:
        asked = {i.number: i.phase for i in entity.invocations if i.phase in OUTBOX}
        if self._outbox.get(entity.id, {}) != asked:
            self.fail("outbox", f"{entity.id} asks for {asked}, its outbox has {self._outbox.get(entity.id)}")
        blueprint = self.loaded.table.blueprints[entity.blueprint].blueprint
        state = blueprint.states[entity.state]
        armed = dict(self._timers.get(entity.id, {}))
        own = armed.pop("", None)
        if (own is not None) != (state.after_ms is not None) or (own is not None and own[1] != entity.visit):
            self.fail("timer", f"the timer of {entity.id} in `{entity.state}` is {own}")
        since = self._armed.get(entity.id)
        if own is not None and since is not None and own[0] != since + (state.after_ms or 0):
            self.fail("timer", f"the timer of {entity.id} runs until {own[0]} since {since}")
        due = {
            timer.name: entity.fields[timer.at]
            for timer in blueprint.timers.values()
            if not state.final and entity.fields[timer.at] is not None
        }
        if {name: found[0] for name, found in armed.items()} != due:
            self.fail("timer", f"the deadlines of {entity.id} are {due}, armed are {armed}")

    def _judge(self, loaded: Loaded, before: MemoryWorld, outcome: Step, after: MemoryWorld) -> None:
        """The app's own properties, as long as nobody was let pass of whom they were not proven."""
        if self.approvals.used:
            return
        only = None if self._judges_all else outcome.written.keys()
        found = broken(loaded.table, before, outcome, after, only=only, functions=loaded.properties)
        for wrong in found:
            where = f" of {wrong.entity}" if wrong.entity else ""
            said = "; ".join(clause.text for clause in wrong.clauses)
            self.fail(f"property:{wrong.prop.name}", f"`{wrong.prop.name}`{where} is false: {said}", wrong)

    # What really happens outside.

    def _in_truth(self, loaded: Loaded, event: Event, permit: Permit) -> None:
        """Take a step in the world as it is, where effects happen when they do, not when it is known."""
        truth = self._truth
        assert truth is not None, "there is a truth beside what is known"
        if isinstance(event, Executes):
            active = truth.entities[event.entity].active
            if active is None or not active.executed:
                self.fail("unexecuted", f"an effect of {event.entity} was noted that never happened")
            return
        outcome = step(loaded.table, truth, event, permit=permit)
        self.steps.append(Taken(loaded, truth, event, outcome))
        if isinstance(outcome, Refusal):
            self.fail("unexecuted", f"{type(event).__name__} of {event} cannot be, as things are: {outcome}")
            return
        after = truth.after(outcome.written, outcome.ghosts)
        self._judge(loaded, truth, outcome, after)
        self._truth = after

    def executes(self, entity: str, number: int, now: int) -> bool:
        """An effect happens outside, now. False: the language promises that it does not any more."""
        loaded, world = self.worlds[-1]
        truth = self._truth if self._truth is not None else world
        found = truth.entities.get(entity)
        meant = next((i for i in found.invocations if i.number == number), None) if found else None
        if meant is None or meant.phase == "waiting":
            return False
        if self._truth is None or meant.phase == "notice":
            return True
        event: Event = (
            LateExecution(entity, meant.effect, now) if meant.phase == "late" else Executes(entity, now)
        )
        outcome = step(loaded.table, truth, event, permit=loaded.permit)
        assert isinstance(outcome, Step), "what is started or late may happen"
        after = truth.after(outcome.written, outcome.ghosts)
        self.steps.append(Taken(loaded, truth, event, outcome))
        self._judge(loaded, truth, outcome, after)
        self._truth = after
        return True

    # Versions.

    def applied(self, version: Version, writes: Sequence[Write]) -> None:
        """A version was applied: every entity is where `machine.migrate` puts it."""
        old, before = self.worlds[-1]
        new = self._prepared.by_digest(version.digest)
        self._armed.clear()
        self.loaded = new
        rows = {write.entities[0].id: entity_of(write.entities[0]) for write in writes}
        moved: dict[str, Entity] = {}
        for write in writes:
            self._chains(write)
            self._take_duties(write)
        everybody = MemoryWorld(before.entities, old.table.ghosts)
        for name, entity in before.entities.items():
            found = migrate(old.table, new.table, entity, everybody)
            if isinstance(found, tuple):
                self.fail("swap", f"{name} has no place in the new version, and it was applied")
                return
            at_home = entity if found is None else found
            if name not in rows and _is_same(entity, at_home):
                at_home = entity
            if rows.get(name, entity) != at_home:
                self.fail("swap", f"{name} became {rows.get(name, entity)}, the machine makes {at_home}")
            moved[name] = at_home
        after = MemoryWorld(moved, {**new.table.ghosts, **kept_ghosts(before, new)})
        self._claims.begin(new.table, after)
        self.steps.append(Swapped(old, new, before, after))
        self.worlds.append((new, after))
        if self._truth is not None:
            self._truth = self._moved_truth(old, new)
        for entity in moved.values():
            self._duties_fit(entity)

    def archived(self, rows: Sequence[EntityRow], now: int) -> None:
        """Entities were archived: final, for as long as they are to be kept, and nothing of theirs open.

        A process that has not heard of the current version yet keeps them as long as the one before says.
        """
        loaded, world = self.worlds[-1]
        kept = dict(world.entities)
        for row in rows:
            entity = kept.pop(row.id, None)
            if entity is None or row.final_ms is None:
                self.fail("archived", f"{row.id} was archived, and is {entity}")
                return
            retains = [
                one for one, _ in self.worlds if one.app.blueprints[row.blueprint].retain_ms is not None
            ]
            kept_ms = retains[-1].app.blueprints[row.blueprint].retain_ms if retains else None
            if kept_ms is None or now - row.final_ms < kept_ms:
                self.fail("archived", f"{row.id} was archived {now - row.final_ms} ms after it was final")
            if any(row.id in referred(loaded, one) for one in world if one.id != row.id):
                self.fail("archived", f"{row.id} was archived while somebody refers to it")
            if self._outbox.pop(row.id, None):
                self.fail("archived", f"{row.id} was archived while it asks for something")
            self._timers.pop(row.id, None)
            self._heads.pop(row.id, None)
        self._claims.forget({row.id for row in rows})
        self.archive += len(rows)
        self.worlds.append((loaded, MemoryWorld(kept, world.ghosts)))
        if self._truth is not None:
            left = {name: entity for name, entity in self._truth.entities.items() if name in kept}
            self._truth = MemoryWorld(left, self._truth.ghosts)

    def _moved_truth(self, old: Loaded, new: Loaded) -> MemoryWorld:
        truth = self._truth
        assert truth is not None, "there is one"
        moved: dict[str, Entity] = {}
        everybody = MemoryWorld(truth.entities, old.table.ghosts)
        for name, entity in truth.entities.items():
            found = migrate(old.table, new.table, entity, everybody)
            moved[name] = entity if found is None or isinstance(found, tuple) else found
        return MemoryWorld(moved, {**new.table.ghosts, **kept_ghosts(truth, new)})

    def knows(self, who: str, *, is_known: bool) -> None:
        """Somebody is known from now on, or not any more: then nothing of theirs is taken."""
        (self.gone.discard if is_known else self.gone.add)(who)

    def decided(self, rows: Sequence[DecisionRow]) -> None:
        """Decisions were made: see `sim.store.Observer`."""
        self.approvals.decided(rows)

    def erases(self, entity: str, revision: int) -> None:
        """A journal was erased: see `sim.store.Observer`."""
        self.erased.erases(entity, revision)

    def served(self, entries: Sequence[Entry]) -> None:
        """Entries were read by somebody: what was erased is none of it."""
        said = self.erased.wrong(entries)
        if said:
            self.fail("erased", said)

    # What is answered.

    def acknowledged(self, result: Committed) -> None:
        """A client was told that its command was taken, and what came of it."""
        for entry in result.write.entries:
            made = self._made.get(entry.hash)
            if made is None:
                said = f"{entry.entity}.{entry.revision} was acknowledged, and is not there"
                self.fail("acknowledged", said)
                return
            told, found = result.after[entry.entity].entity, self.worlds[made][1].entities[entry.entity]
            if not self._is_as(found, told):
                self.fail("told", f"{entry.entity} was told as {told}, and became {found}")

    def replayed(self, key: tuple[str, str], answer: bytes) -> None:
        """A client was given the answer of an earlier request."""
        if self._keys.get(key) != answer:
            self.fail("key", f"the answer to {key[1]} is not the one that was given before")

    def refused(self, command: Command, result: Refused, since: int, *, is_alone: bool) -> None:
        """A client was refused: at some moment since it asked, the machine must have refused it too.

        `is_alone`: one process decides all. Then nobody can tell that a version has taken over before that
        process has heard of it, and until then the one before counts.
        """
        if result.entity is not None:
            self.read(command.entity, result.entity, since, result.live.digest)
        start = self._last_of(result.live.digest, since) if is_alone else max(since - 1, 0)
        for loaded, world in reversed(self.worlds[start:]):
            if refuses(loaded, world, command):
                return
        said = (
            f"{command.kind} of {command.entity} was refused ({result.refusal}), and was possible throughout"
        )
        self.fail("refused", said)

    @property
    def next_due_ms(self) -> int | None:
        """When the next timer of all is due."""
        return min((due for armed in self._timers.values() for due, _ in armed.values()), default=None)

    def due_ms(self, entity: str, timer: str) -> int | None:
        """When a timer of an entity is due: a deadline, or that of its state, which has no name.

        None where it is not armed.
        """
        armed = self._timers.get(entity, {}).get(timer)
        return armed[0] if armed is not None else None

    def overdue(self, row: Timer | Outgoing, now: int) -> None:
        """Something was due long ago: there must be a cause, by the blueprint."""
        loaded, world = self.worlds[-1]
        entity = world.get(row.entity)
        if entity is None:
            self.fail("overdue", f"what is due of {row.entity} belongs to nobody")
        elif isinstance(row, Timer):
            event = TimerFires(row.entity, row.name or None, now)
            if isinstance(step(loaded.table, world, event, permit=loaded.permit), Step):
                self.fail("overdue", f"the timer `{row.name}` of {row.entity} is due since {row.due_ms}")
        elif _is_its_turn(entity, row):
            self.fail("overdue", f"`{row.effect}` of {row.entity} is due since {row.due_ms}")

    def read(self, entity: str, held: Held | None, since: int, digest: str) -> None:
        """A client was shown an entity: as it was at some moment since it asked.

        `digest` is the version that the process knew as current then: until it hears of another one, it may
        show what there was when that one took over.
        """
        shown = held.entity if held is not None else None
        start = self._last_of(digest, since)
        if any(self._is_as(world.get(entity), shown) for _, world in reversed(self.worlds[start:])):
            return
        if any(self._is_as(world.get(entity), shown) for _, world in self.worlds):
            self.fail("read", f"{entity} was shown as it had been, before what was committed since: {shown}")
        self.fail("never", f"{entity} was shown as it never was: {shown}")

    def _last_of(self, digest: str, since: int) -> int:
        """The last world of a version that there was when somebody asked; the first of all if none was."""
        start = max(since - 1, 0)
        while start and self.worlds[start][0].digest != digest:
            start -= 1
        return start


def _is_same(old: Entity, new: Entity) -> bool:
    """Whether a migration need not write anything."""
    was = (old.state, old.fields, old.ghosts, old.invocations)
    return was == (new.state, new.fields, new.ghosts, new.invocations)


def _is_its_turn(entity: Entity, row: Outgoing) -> bool:
    """Whether an invocation waits for no other one of its entity."""
    if row.phase == "notice":
        return True
    turn = entity.active or entity.head
    return turn is None or turn.number == row.number


def refuses(loaded: Loaded, world: MemoryWorld, command: Command) -> bool:
    """Whether a command is refused as things stand."""
    event = command.event(0)
    if command.requires is not None:
        entity = world.get(command.entity)
        held = Held(entity, 0, b"", 0, 0) if entity is not None else None
        if command.requires(cast(Live, loaded), held) is not None:
            return True
    return isinstance(step(loaded.table, world, event, permit=loaded.permit), Refusal)
