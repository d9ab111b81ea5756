"""Checks the journal: each committed entry is re-executed by the second reader and compared.

The journal says in which order things happened, and which of several ways they went; what each of them does
to the entities is the reader's own account, and where the two part, the follower says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

import msgspec
from msgspec import Struct

from lathe.frozen import frozen
from lathe.lang.model import Effect, Json
from lathe.lang.types import Type
from lathe.probe.convert import NotOfTypeError, taken_in, told
from lathe.probe.expected_answers import Foresight, Moment, Sent
from lathe.probe.expected_requests import wanted
from lathe.probe.host import Adapter
from lathe.probe.versions import Version
from lathe.reader.joint import Taken
from lathe.reader.world import Entity, RefusedError, Request, Value, Values, World
from lathe.runtime.outbox import SIDE_BY_SIDE_LIMIT
from lathe.store.records import Entry

SLACK_MS = 62_000
"""By how much later than due a timer may be tried again, once its action is possible."""
LEASE_MS = 20_000
LIVED_SECONDS = 1.5
HIDDEN = "•••"
"""What stands for what is secret."""


class _Event(Struct, frozen=True, gc=False):
    """What a journal entry says of its event, as far as there is more than one way."""

    timer: str = ""
    effect: str = ""
    number: int = 0
    ok: bool = False
    cause: str = ""
    message: str = ""
    new_ids: tuple[str, ...] = ()


class _Payload(Struct, frozen=True, gc=False):
    changes: dict[str, tuple[object, object]] = {}
    event: _Event = _Event()


_decode = msgspec.json.Decoder(_Payload).decode


class DifferenceError(Exception):
    """The runtime did something else than the blueprint says."""


@frozen
class Told:
    """What whoever follows is told of one entry, and which step made it."""

    position: int
    step: int
    after: Entity
    entity: str
    blueprint: str
    said: Mapping[str, Json]


class Follower:
    """Follows one run."""

    def __init__(self, versions: Sequence[Version], adapter: Adapter) -> None:
        """`versions` are one, or two of which the first is in force."""
        self.version, self._other = versions[0], versions[-1]
        self.world = self.version.reader.empty()
        self.revisions: dict[str, int] = {}
        self.moments = [Moment(self.world, self.version.foresight)]
        """The worlds since `forget`, oldest first: what was refused may rest on any of them."""
        self.events: dict[str, tuple[Entity, Foresight]] = {}
        """Each entity as an event left it, and how the version answers that took it."""
        self.steps = 0
        self.told: list[Told] = []
        """Each entry as it is told, with the number of the step that made it."""
        self._adapter = adapter
        self._armed: dict[str, int] = {}
        self._owed: dict[tuple[str, ...], tuple[int, float]] = {}

    def forget(self) -> None:
        """Only the newest world counts from now on."""
        self.moments = self.moments[-1:]

    def take(self, entries: list[Entry], sent: Mapping[str, Sent]) -> None:
        """Take what was committed. `sent` are the requests that were answered, by event."""
        at = 0
        while at < len(entries):
            first = entries[at]
            if first.kind == "migrate":
                group = [*takewhile(lambda one: one.kind == "migrate", entries[at:])]
                self._taken_over(group)
            else:
                group = [e for e in entries[at:] if e.step == first.step]
                self.governed(first.digest)
                self._take(group, sent)
            at += len(group)

    def governed(self, digest: str) -> None:
        """A version is in force: the one before, or another one while nobody is there to be brought over."""
        if digest == self.version.digest:
            return
        if self.world.entities:
            raise DifferenceError("another version is in force, and not everybody was brought over")
        self._switch()

    def _switch(self) -> None:
        assert self._other is not self.version, "nobody swaps where there is no other version"
        self.version, self._other = self._other, self.version
        self.moments.append(Moment(self.world, self.version.foresight))

    def _taken_over(self, group: list[Entry]) -> None:
        """Everybody was brought over, at once."""
        names = [entry.entity for entry in group]
        if sorted(names) != sorted(self.world.entities):
            raise DifferenceError("a version takes over, and brings others over than are there")
        before = self.world
        self._switch()
        self.moments.pop()  # nobody is in the other version as they were
        moved = {name: self.version.moved(before.entities[name]) for name in names}
        for entry in group:
            if entry.digest != self.version.digest:
                raise DifferenceError(f"a {entry.blueprint} was brought over by a version that is not there")
            entity = moved[entry.entity]
            self._compare(entry, entity, None)
            self._left(entry, entity, None)
        self._goes_on(World({**before.entities, **moved}, before.ghosts))

    def _left(self, entry: Entry, entity: Entity, action: str | None) -> None:
        """How an entry left its entity."""
        self.events[f"{entry.entity}.{entry.revision}"] = entity, self.version.foresight
        self._arm(entry, self.world.entities.get(entry.entity), entity)
        self.told.append(self._told(entry, entity, action))

    def _goes_on(self, world: World) -> None:
        self.world = world
        self.moments.append(Moment(world, self.version.foresight))
        self.steps += 1

    def _take(self, group: list[Entry], sent: Mapping[str, Sent]) -> None:
        first = group[0]
        event = _payload(first).event
        try:
            done = self._step(first, event, group, sent)
        except RefusedError as refused:
            raise DifferenceError(
                f"`{first.kind}` of {first.blueprint} was taken, and is refused: {refused.reason}"
            ) from None
        wrote = {entry.entity for entry in group}
        if wrote != set(done.written):
            raise DifferenceError(f"`{first.kind}` of {first.blueprint} wrote other entities than it changes")
        actions = dict(done.actions)
        for entry in group:
            self._compare(entry, done.world.entities[entry.entity], actions.get(entry.entity))
            self._left(entry, done.world.entities[entry.entity], actions.get(entry.entity))
        self._goes_on(done.world)

    def _step(self, first: Entry, event: _Event, group: list[Entry], sent: Mapping[str, Sent]) -> Taken:
        now, reader = first.at_ms, self.version.reader
        if first.kind in ("create", "act"):
            return self._asked(group, sent, now)
        if first.kind == "timer":
            return self._timer(first, event, now)
        who, request = self._invocation(group, event)
        self._is_asked_well(who, request)
        match first.kind:
            case "start":
                return reader.start(self.world, who)
            case "execute":
                return reader.execute(self.world, who)
            case "stop":
                return reader.stop(self.world, who)
            case "deliver":
                return reader.deliver(self.world, who, now, event.new_ids)
            case "notify":
                ids = event.new_ids
                return reader.notify(self.world, who, request.effect, now, new_ids=ids, number=request.number)
            case "end":
                return self._end(who, request, event, now)
        raise DifferenceError(f"nothing is called `{first.kind}`")

    def _asked(self, group: list[Entry], sent: Mapping[str, Sent], now: int) -> Taken:
        for entry in group:
            found = sent.get(f"{entry.entity}.{entry.revision}")
            if found is not None:
                self._is_found_well(found, entry.entity)
                done = self.version.foresight.step(self.world, found, now, entry.entity)
                if isinstance(done, str):
                    raise DifferenceError(
                        f"`{found.action}` of {found.blueprint} was taken, and should be refused: {done}"
                    )
                return done
        raise DifferenceError(
            f"`{group[0].action}` of {group[0].blueprint} was taken, and nobody was told so"
        )

    def _is_found_well(self, sent: Sent, entity: str) -> None:
        """What came from outside is about the entity that it names."""
        if sent.heard is None or not sent.heard.find or sent.heard.problem:
            return
        if entity not in {one.foresight.whom(one.world, sent) for one in self.moments}:
            raise DifferenceError(
                f"`{sent.heard.event}` of {sent.blueprint} was taken by another than it names"
            )

    def _timer(self, first: Entry, event: _Event, now: int) -> Taken:
        """The timer of an entity: the one that the first entry is about, which must be due."""
        name = event.timer or None
        entity = self._held(first.entity)
        due = self._due(entity, name)
        if due is None or now < due:
            raise DifferenceError(f"a timer of {first.blueprint} fired that is not due")
        return self.version.reader.timer(self.world, first.entity, name, now)

    def _due(self, entity: Entity, deadline: str | None) -> int | None:
        blueprint = self.version.app.blueprints[entity.blueprint]
        if deadline is not None:
            at = entity.fields[blueprint.timers[deadline].at]
            return at if isinstance(at, int) else None
        after = blueprint.states[entity.state].after_ms
        return None if after is None else self._armed.get(entity.id, 0) + after

    def _held(self, who: str) -> Entity:
        found = self.world.entities.get(who)
        if found is None:
            raise DifferenceError("something happened to an entity that nobody made")
        return found

    def _invocation(self, group: list[Entry], event: _Event) -> tuple[str, Request]:
        for entry in group:
            entity = self.world.entities.get(entry.entity)
            for request in entity.requests if entity else ():
                if (request.number, request.effect) == (event.number, event.effect):
                    return entry.entity, request
        raise DifferenceError(f"`{event.effect}` went on, and is over or was never asked for")

    def _is_asked_well(self, who: str, request: Request) -> None:
        """What the adapter was asked is what the blueprint says."""
        asked = self._adapter.asked.pop((who, request.number), None)
        if asked is None:
            return
        blueprint = self.version.app.blueprints[self._held(who).blueprint]
        should = wanted(blueprint, blueprint.effects[request.effect], who, request)
        if asked != should:
            raise DifferenceError(f"`{request.effect}` was asked with {asked}, and should be with {should}")

    def _end(self, who: str, request: Request, event: _Event, now: int) -> Taken:
        """An end: as the adapter gave it, with results that fit."""
        entity = self._held(who)
        effect = self.version.app.blueprints[entity.blueprint].effects[request.effect]
        outcome = self._adapter.ends.get((who, request.number))
        cause, results = "timeout", {}
        if outcome is not None:
            cause = outcome.cause
            try:
                results = self._results(entity, effect, outcome.results) if not cause else {}
            except NotOfTypeError:
                cause = "invalid"
        said = "" if event.ok else event.cause
        if said != cause:
            raise DifferenceError(
                f"`{effect.name}` ended as `{said or 'ok'}`, its adapter as `{cause or 'ok'}`"
            )
        tries = self._adapter.tries.get((who, request.number), 0)
        if cause not in ("", "invalid") and tries != effect.attempts:
            raise DifferenceError(f"`{effect.name}` was tried {tries} times before it ended badly")
        bad: Values = {"cause": cause, "message": event.message}
        given = bad if cause else results
        return self.version.reader.end(self.world, who, ok=not cause, results=given, now=now)

    def _results(self, entity: Entity, effect: Effect, given: Mapping[str, Json]) -> dict[str, Value]:
        if effect.ok is None:
            return {}
        wanted = self.version.app.blueprints[entity.blueprint].actions[effect.ok].arguments
        return {name: taken_in(wanted[name].type, data) for name, data in given.items() if name in wanted}

    def _compare(self, entry: Entry, entity: Entity, action: str | None) -> None:
        """An entry with the entity as the reader has it afterwards."""
        about = f"`{entry.action or entry.kind}` of {entry.blueprint}"
        said = (entry.state, entry.visit, entry.version, entry.action)
        should = (entity.state, entity.visit, entity.version, action)
        if said != should:
            raise DifferenceError(f"after {about} it is {said}, and should be {should}")
        self.revisions[entry.entity] = self.revisions.get(entry.entity, 0) + 1
        if entry.revision != self.revisions[entry.entity]:
            raise DifferenceError(f"{about} is entry {entry.revision}, and others are missing before it")
        before = self.world.entities.get(entry.entity)
        changes = dict(self._changes(before, entity))
        found = _payload(entry).changes
        if found != changes:
            names = sorted(n for n in {*found, *changes} if found.get(n) != changes.get(n))
            raise DifferenceError(f"{about} changes `{', '.join(names)}` otherwise than it should")

    def _changes(self, before: Entity | None, after: Entity) -> Iterator[tuple[str, tuple[object, object]]]:
        was = before.state if before else None
        if was != after.state:
            yield "state", (was, after.state)
        fields = self.version.app.blueprints[after.blueprint].fields
        for name, new in after.fields.items():
            old = before.fields.get(name) if before else None
            if old != new:
                yield name, (_plain(fields[name].type, old), _plain(fields[name].type, new))

    def _told(self, entry: Entry, entity: Entity, action: str | None) -> Told:
        """An entry as whoever follows is told it: nothing secret."""
        fields = self.version.app.blueprints[entity.blueprint].fields
        before = self.world.entities.get(entity.id)
        changes: dict[str, Json] = {}
        for name, pair in self._changes(before, entity):
            changes[name] = [*pair]  # type: ignore[list-item]
            if name in fields and fields[name].secret:
                changes[name] = [HIDDEN, HIDDEN]
            elif name in fields:
                old = before.fields.get(name) if before else None
                changes[name] = [told(fields[name].type, one) for one in (old, entity.fields[name])]
        said: dict[str, Json] = {
            "id": f"{entity.id}.{self.revisions[entity.id]}", "app": self.version.app.name,
            "blueprint": entity.blueprint, "entity": entity.id, "version": entity.version,
            "visit": entity.visit, "state": entity.state, "kind": entry.kind, "action": action,
            "changes": changes,
        }  # fmt: skip
        return Told(entry.position, self.steps + 1, entity, entity.id, entity.blueprint, said)

    def _arm(self, entry: Entry, before: Entity | None, after: Entity) -> None:
        """A visit arms the state's timer; its own action that stays arms it again."""
        then = self.version.app.blueprints[after.blueprint].states[after.state].then
        again = entry.kind == "timer" and entry.by == "timer" and entry.action == then
        if before is None or before.visit != after.visit or again:
            self._armed[after.id] = entry.at_ms

    # What should have happened.

    def overdue(self, now: int, lived: float) -> None:
        """Raise for what has been possible for long, and did not happen though somebody saw to it."""
        owed = {}
        if self._adapter.in_flight >= SIDE_BY_SIDE_LIMIT // 2:
            self._owed = {}  # a process tries no more at once: everything else has to wait
            return
        for entity in self.world.entities.values():
            for key, patience in self._debts(entity, now):
                since, seen = owed[key] = self._owed.get(key, (now, lived))
                if now - since > patience and lived - seen >= LIVED_SECONDS:
                    raise DifferenceError(
                        f"{' '.join(key[1:3])} of {entity.blueprint} is due, and does not come"
                    )
        self._owed = owed

    def _debts(self, entity: Entity, now: int) -> Iterator[tuple[tuple[str, ...], int]]:
        blueprint = self.version.app.blueprints[entity.blueprint]
        for name in (None, *blueprint.timers):
            due = self._due(entity, name)
            if due is None or due > now:
                continue
            try:
                self.version.reader.timer(self.world, entity.id, name, now)
            except RefusedError:
                continue
            yield (entity.id, "timer", name or "of the state", str(due)), SLACK_MS
        running = [r for r in entity.requests if r.phase in ("started", "stopping")]
        waiting = [r for r in entity.requests if r.phase == "waiting"]
        if waiting and not running and not self._is_lost(entity, waiting[0], now):
            yield (entity.id, "effect", waiting[0].effect, str(waiting[0].number)), LEASE_MS
        for request in running:
            if request.phase == "stopping":
                yield (entity.id, "stop", request.effect, str(request.number)), LEASE_MS

    def _is_lost(self, entity: Entity, request: Request, now: int) -> bool:
        """Whether no action takes any end of a delivery: it is offered again, and nothing comes of it."""
        if self.version.app.blueprints[entity.blueprint].effects[request.effect].target is None:
            return False
        try:
            new_ids = [f"(new {n})" for n in range(len(request.calls))]
            self.version.reader.deliver(self.world, entity.id, now, new_ids)
        except RefusedError:
            return True
        return False


def _payload(entry: Entry) -> _Payload:
    assert entry.payload is not None, "nothing is erased in a run"
    return _decode(entry.payload)


def _plain(kind: Type, value: Value) -> object:
    """A value as the journal keeps it."""
    return sorted(value, key=lambda m: (type(m).__name__, m)) if isinstance(value, frozenset) else value
