"""A step as rows: the machine's result turned into writes for the store. Pure.

Each entity that a step writes gets one row, one journal entry and one more revision. Timers and the outbox
follow from what it was before and is afterwards; nothing is written down twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from lathe.effect.render import Moment, kinds_of, render
from lathe.frozen import evolve
from lathe.lang.model import Blueprint
from lathe.lang.types import Kind
from lathe.machine.outcome import Part, Step
from lathe.machine.snapshot import Entity, Invocation, Value, claim_of
from lathe.machine.table import BlueprintTable
from lathe.runtime.catalog import Live
from lathe.runtime.snapshot import body_of, encode_json
from lathe.store.journal import chained, payload_hash
from lathe.store.records import GENESIS, Claim, EntityRow, Entry, Outgoing, Receipt, Timer, Use, Write

SEMANTICS = 1
"""The version of the rules in `machine`: a journal is replayed by the rules that wrote it."""

OUTBOX = frozenset({"waiting", "started", "stopping", "notice"})
"""The phases in which an invocation belongs to the outbox. A late execution does not."""


KNOWN_LIMIT = 512
"""How many blueprints' precomputed facts are cached, over all versions."""


class Held(Struct, frozen=True, gc=False):
    """An entity decoded from its row: what decisions are made on."""

    entity: Entity
    revision: int
    head: bytes
    created_ms: int
    changed_ms: int
    final_ms: int | None = None


class Told(Struct, frozen=True, gc=False):
    """The part of a journal entry that does not come from the machine: who, when, and the event itself.

    `event` is enough to take the step again: a replay meets the world as it was and must end the same.
    """

    kind: str
    at_ms: int
    by: str
    chain: tuple[str, ...]
    event: Mapping[str, object]
    policies: tuple[str, ...] = ()


class Planned(Struct, frozen=True, gc=False):
    """A write, and the entities as they will be once it is committed."""

    write: Write
    after: dict[str, Held]


Receiving = Callable[[Mapping[str, Held]], Receipt]
"""Makes a step's receipt, which has the answer to repeat."""


def plan(
    live: Live,
    step: Step,
    before: Mapping[str, Held | None],
    told: Told,
    *,
    receiving: Receiving | None = None,
    lease: tuple[str, str, int | str] | None = None,
    decision: Use | None = None,
) -> Planned:
    """The rows of a step. `before` has every entity that it reads or writes; None if there is none."""
    parts = {part.entity: part for part in step.parts}
    rows: list[EntityRow] = []
    entries: list[Entry] = []
    after: dict[str, Held] = {}
    changes: _Changes | None = None
    name_of_step = ""
    for name, entity in _subject_first(step):
        held, part = before[name], parts.get(name)
        facts = _facts(live, entity.blueprint)
        is_first = not name_of_step
        name_of_step = name_of_step or f"{name}.{held.revision + 1 if held else 1}"
        entry = _entry(live, entity, held, part, told, name_of_step, is_first=is_first)
        row = _row(live, entity, held, entry, told.at_ms, is_final=entity.state in facts.final)
        entries.append(entry)
        rows.append(row)
        after[name] = Held(entity, row.revision, row.head, row.created_ms, row.changed_ms, row.final_ms)
        was = held.entity.invocations if held is not None else ()
        if facts.has_others or entity.invocations is not was or told.kind == "migrate":
            if changes is None:
                changes = _Changes(live, told.at_ms, is_swap=told.kind == "migrate")
            changes.add(entity, held.entity if held else None, part)
    outgoing, ended, timers, disarmed, claims, released = _NO_ROWS if changes is None else changes.rows()
    write = Write(
        tenant=live.tenant,
        app=live.app.name,
        digest=live.digest,
        epoch=live.epoch,
        entities=tuple(rows),
        entries=tuple(entries),
        bases=_bases(step, before),
        outgoing=outgoing,
        ended=ended,
        timers=timers,
        disarmed=disarmed,
        claims=claims,
        released=released,
        receipt=receiving(after) if receiving else None,
        lease=lease,
        decision=decision,
    )
    return Planned(write, after)


def _subject_first(step: Step) -> Iterable[tuple[str, Entity]]:
    """The written entities with the event's subject first: its entry describes the event. An execution
    (`world`) writes the entities that it reaches before its own.
    """
    written = step.written
    if len(written) == 1:
        return written.items()
    subject = getattr(step.event, "entity", None)
    if subject is None or next(iter(written)) == subject:
        return written.items()
    rest = [item for item in written.items() if item[0] != subject]
    return [(subject, written[subject]), *rest]


def _bases(step: Step, before: Mapping[str, Held | None]) -> tuple[tuple[str, bytes], ...]:
    """The head of every entity that a step reads or writes, by id; mostly just one."""
    written = step.written
    if len(written) == 1 and step.reads <= written.keys():
        return tuple([(name, _head(before.get(name))) for name in written])
    return tuple([(name, _head(before.get(name))) for name in sorted({*step.reads, *written})])


def _head(held: Held | None) -> bytes:
    return GENESIS if held is None else held.head


def _row(
    live: Live, entity: Entity, held: Held | None, entry: Entry, at_ms: int, *, is_final: bool
) -> EntityRow:
    since_ms = held.final_ms if held is not None and held.final_ms is not None else at_ms
    return EntityRow(
        tenant=live.tenant,
        app=live.app.name,
        blueprint=entity.blueprint,
        id=entity.id,
        state=entity.state,
        visit=entity.visit,
        version=entity.version,
        revision=entry.revision,
        digest=live.digest,
        body=body_of(entity),
        head=entry.hash,
        created_ms=held.created_ms if held else at_ms,
        changed_ms=at_ms,
        final_ms=since_ms if is_final else None,
    )


def _entry(
    live: Live,
    entity: Entity,
    held: Held | None,
    part: Part | None,
    told: Told,
    step: str,
    *,
    is_first: bool,
) -> Entry:
    payload = encode_json(_payload(entity, held, part, told, is_first=is_first))
    hashed = payload_hash(payload)
    previous = _head(held)
    revision = held.revision + 1 if held else 1
    action = part.action if part else None
    by = str(part.by) if part and part.by else told.by
    policies = told.policies + _determining(live, part, told) if part else told.policies
    members = (
        live.tenant, live.app.name, entity.blueprint, entity.id, revision, entity.version, entity.visit,
        entity.state, told.kind, action, by, told.chain, policies, live.digest, SEMANTICS, step,
        told.at_ms,
    )  # fmt: skip
    return Entry(*members, payload, hashed, previous, chained(previous, hashed, members))


def _determining(live: Live, part: Part, told: Told) -> tuple[str, ...]:
    """The policies that permit this part, evaluated on what the machine has read."""
    if part.action is None or part.by is None:
        return ()
    blueprint = live.table.blueprints[part.blueprint]
    entity = part.before or part.after  # policies read nothing of what is new
    timer = blueprint.blueprint.timers.get(str(told.event.get("timer"))) if part.by.kind == "timer" else None
    if timer is not None:  # a deadline is cleared before its action is taken
        entity = evolve(entity, fields={**entity.fields, timer.at: None})
    return live.determining(blueprint.rules[part.action].action, entity, part.by, part.args)


def _payload(
    entity: Entity, held: Held | None, part: Part | None, told: Told, *, is_first: bool
) -> dict[str, object]:
    """Arguments and changes, as (before, after); the first entry of a step has the event too."""
    old = held.entity if held else None
    payload: dict[str, object] = {"changes": changes_of(old, entity)}
    if part is not None and part.args:
        payload["args"] = part.args
    if is_first:
        payload["event"] = told.event
    return payload


def changes_of(old: Entity | None, new: Entity) -> dict[str, tuple[Value, Value]]:
    """The changes by name: `state`, `visit`, and each field. For a new entity, all that is set."""
    found: dict[str, tuple[Value, Value]] = {}
    if old is None:
        found["state"] = (None, new.state)
        found.update((name, (None, value)) for name, value in new.fields.items() if value is not None)
        return found
    if old.state != new.state:
        found["state"] = (old.state, new.state)
    if old.fields is not new.fields:
        fields = old.fields
        for name, value in new.fields.items():
            was = fields.get(name)
            if was != value:
                found[name] = (was, value)
    return found


_Rows = tuple[
    tuple[Outgoing, ...], tuple[tuple[str, int], ...], tuple[Timer, ...], tuple[tuple[str, str], ...],
    tuple[Claim, ...], tuple[Claim, ...],
]  # fmt: skip
_NO_ROWS: _Rows = ((), (), (), (), (), ())


class _Changes:
    """The rows beside the snapshot that differ: outbox, timers, claims."""

    def __init__(self, live: Live, at_ms: int, *, is_swap: bool) -> None:
        self._live = live
        self._is_swap = is_swap
        self._at_ms = at_ms
        self.outgoing: list[Outgoing] = []
        self.ended: list[tuple[str, int]] = []
        self.timers: list[Timer] = []
        self.disarmed: list[tuple[str, str]] = []
        self.claims: list[Claim] = []
        self.released: list[Claim] = []

    def rows(self) -> _Rows:
        """The collected rows as a write has them, from `outgoing` to `released`."""
        return (
            tuple(self.outgoing), tuple(self.ended), tuple(self.timers), tuple(self.disarmed),
            tuple(self.claims), tuple(self.released),
        )  # fmt: skip

    def add(self, new: Entity, old: Entity | None, part: Part | None) -> None:
        """Add the rows that one entity's change requires."""
        table = self._live.table.blueprints[new.blueprint]
        if new.invocations is not (old.invocations if old else ()):
            self._invocations(table, new, old)
        if part is not None or self._is_swap:
            self._timer(table.blueprint, new, old, part)
            self._deadlines(table.blueprint, new, old)
            if table.blueprint.unique:
                self._claims(table.blueprint, new, old)

    def _invocations(self, table: BlueprintTable, new: Entity, old: Entity | None) -> None:
        before = {i.number: i for i in old.invocations} if old else {}
        kept = set()
        for invocation in new.invocations:
            if invocation.phase not in OUTBOX:
                continue
            kept.add(invocation.number)
            was = before.get(invocation.number)
            if was is None or was.phase != invocation.phase:
                self.outgoing.append(self._outgoing(table, new, invocation))
        gone = (n for n, i in before.items() if n not in kept and i.phase in OUTBOX)
        self.ended.extend((new.id, number) for number in gone)

    def _outgoing(self, table: BlueprintTable, entity: Entity, invocation: Invocation) -> Outgoing:
        rule = table.effects[invocation.effect]
        moment = Moment(entity.id, invocation, _facts(self._live, entity.blueprint).kinds)
        request = b"{}" if rule.target else encode_json(render(rule.effect, moment))
        phase = invocation.phase
        assert phase != "started" or rule.target is None, "calls and creations never start"
        return Outgoing(
            self._live.tenant, self._live.app.name, entity.blueprint, entity.id, invocation.number,
            invocation.effect, invocation.visit, phase, self._live.digest, self._at_ms, request,
        )  # fmt: skip

    def _timer(self, blueprint: Blueprint, new: Entity, old: Entity | None, part: Part | None) -> None:
        """The state's own timer: armed by a new visit, and again by its own action if that stays in the
        state.

        A swap into another state, which may be unknown in this version, arms that state's timer.
        """
        state = blueprint.states[new.state]
        is_moved = self._is_swap and old is not None and old.state != new.state
        is_new_visit = old is None or old.visit != new.visit or is_moved
        before = blueprint.states.get(old.state) if old is not None else None
        had = is_moved or (before is not None and before.after_ms is not None)
        by = part.by if part is not None else None
        again = part is not None and by is not None and by.kind == "timer" and part.action == state.then
        if state.after_ms is not None and (is_new_visit or again):
            self.timers.append(self._armed(new, "", self._at_ms + state.after_ms))
        elif state.after_ms is None and is_new_visit and had:
            self.disarmed.append((new.id, ""))

    def _deadlines(self, blueprint: Blueprint, new: Entity, old: Entity | None) -> None:
        is_over = blueprint.states[new.state].final
        for timer in blueprint.timers.values():
            due = None if is_over else new.fields[timer.at]
            was = old.fields.get(timer.at) if old else None
            if due == was and not self._is_swap:  # a swap may have a timer of this name at another field
                continue
            if isinstance(due, int):
                self.timers.append(self._armed(new, timer.name, due))
            else:
                self.disarmed.append((new.id, timer.name))

    def _armed(self, entity: Entity, name: str, due_ms: int) -> Timer:
        return Timer(
            self._live.tenant, self._live.app.name, entity.blueprint, entity.id, name, entity.visit,
            self._at_ms, due_ms,
        )  # fmt: skip

    def _claims(self, blueprint: Blueprint, new: Entity, old: Entity | None) -> None:
        for unique in blueprint.unique.values():
            was = claim_of(unique, old) if old else None
            now = claim_of(unique, new)
            if was == now:
                continue
            name = f"{blueprint.name}.{unique.name}"
            if was is not None:
                self.released.append(self._claim(name, was, new.id))
            if now is not None:
                self.claims.append(self._claim(name, now, new.id))

    def _claim(self, name: str, values: Iterable[Value], entity: str) -> Claim:
        return Claim(self._live.tenant, self._live.app.name, name, encode_json(tuple(values)), entity)


class _Facts(Struct, frozen=True):
    """Facts about a blueprint that a version fixes. `kinds` are the types by which requests are rendered;
    `has_others`: it has timers or claims; `final` are the names of states.
    """

    kinds: Mapping[tuple[str, str], Kind]
    has_others: bool
    final: frozenset[str]


_known: dict[tuple[str, str], _Facts] = {}


def _facts(live: Live, name: str) -> _Facts:
    """A blueprint's facts, cached."""
    key = (live.digest, name)
    found = _known.get(key)
    if found is None:
        if len(_known) >= KNOWN_LIMIT:
            _known.clear()
        blueprint = live.table.blueprints[name].blueprint
        waits = any(state.after_ms is not None for state in blueprint.states.values())
        has_others = bool(waits or blueprint.timers or blueprint.unique)
        final = frozenset([state.name for state in blueprint.states.values() if state.final])
        found = _known[key] = _Facts(kinds_of(blueprint), has_others, final)
    return found
