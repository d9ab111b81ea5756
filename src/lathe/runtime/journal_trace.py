"""Journal entries as a trace: each step re-executed by the version that it names. Pure.

The names are those that the checker would give, the values typed, the secrets hidden. What the machine does
not take as it stands there is no trace: it is said which entry it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from lathe.frozen import frozen
from lathe.machine.event import Ends
from lathe.machine.migrate import migrate_world
from lathe.machine.moment import rfc3339
from lathe.machine.naming import name_all, renamed
from lathe.machine.outcome import Refusal, Step
from lathe.machine.replay import Replayed, parting, replay
from lathe.machine.snapshot import Entity, MemoryWorld
from lathe.machine.step import Permit, step
from lathe.machine.swap import reason, told_swap
from lathe.machine.table import BlueprintTable, Table
from lathe.machine.trace import Trace, TraceStep, identity
from lathe.machine.trace_start import is_quiet, told_beginning
from lathe.machine.trace_step import told
from lathe.runtime.allowance import NAME as DECISION, replaying
from lathe.runtime.conformance import compared, event_of
from lathe.runtime.journal_slice import UntraceableError
from lathe.store.records import Entry

BY = "journal"
"""The principal of a trace's initial `given` step."""
SWAPS_LIMIT = 1
"""Swaps within one trace: a replay is given one earlier version."""
BEGUN_EARLY = "something was in flight at every moment before: it begins with the creation"
BEGUN_LATE = (
    "more versions took over than a trace is of: it begins with everybody as they were after the earlier ones"
)


@frozen
class Known:
    """A version by which steps were taken."""

    digest: str
    table: Table
    permit: Permit


@frozen
class Retold:
    """A trace, its versions in order, and notes for its reader."""

    trace: Trace
    versions: tuple[str, ...]
    notes: tuple[str, ...]


@frozen
class _Frame:
    """One step of the trace, and the world that it met."""

    known: Known
    world: MemoryWorld
    told: TraceStep
    at_ms: int


def retell(
    versions: Mapping[str, Known], steps: Sequence[Sequence[Entry]], *, since_ms: int | None = None
) -> Retold:
    """The trace of these steps. With `since_ms` it begins at the last moment before at which nothing was in
    flight of those who have a part since; if there is none, with their creation. Without it, and where more
    versions took over than a trace is of, it begins at the first such moment after the last but one did.

    Raises UntraceableError.
    """
    frames, last = _frames(versions, steps)
    cut = _cut(frames, since_ms) if since_ms is not None else _first_whole(frames)
    told_steps = [frame.told for frame in frames[cut:]]
    parts = _parts(told_steps)
    known = [frame.known for frame in frames[cut:]]
    if cut:
        first = frames[cut]
        involved = _involved(first.world, {*parts, *_mentioned(told_steps)})
        begun = told_beginning(first.known.table, first.world, involved, by=BY)
        told_steps.insert(0, replace(begun, at=rfc3339(frames[cut - 1].at_ms)))
        parts |= involved
    swaps = sum(one.event == "swap" for one in told_steps)
    if swaps > SWAPS_LIMIT:
        raise UntraceableError(
            f"{swaps} versions took over meanwhile, and a trace is of one, or of two: ask for what happened "
            f"`since` a later moment"
        )
    names: dict[str, str] = {}
    name_all(names, MemoryWorld({name: e for name, e in last.entities.items() if name in parts}))
    tables = {one.digest: one for one in known}
    current = versions[steps[-1][0].digest]
    tables.setdefault(current.digest, current)
    steps_told = tuple(renamed(one, names) for one in told_steps)
    trace = Trace(identity(steps_told), current.table.app.name, current.digest, steps_told)
    beginning = (
        BEGUN_EARLY if since_ms is not None and not cut else BEGUN_LATE if since_ms is None and cut else ""
    )
    return _tried(trace, list(tables.values()), beginning)


def _tried(trace: Trace, known: list[Known], beginning: str) -> Retold:
    """The trace, annotated with the result of replaying it."""
    current, before = known[-1], known[0] if len(known) > 1 else None
    run = replay(
        current.table.app,
        trace,
        current.permit,
        before=None if before is None else (before.table.app, before.permit),
    )
    clauses = tuple(clause for one in run for broken in one.broken for clause in broken.clauses)
    digests = tuple(one.digest for one in known)
    return Retold(replace(trace, clauses=clauses), digests, tuple(_notes(run, digests, beginning)))


def _notes(run: list[Replayed], digests: tuple[str, ...], beginning: str) -> Iterator[str]:
    if beginning:
        yield beginning
    if len(digests) > 1:
        old, new = digests
        yield f"{old} governed at first, then {new} took over: replay it on that, `--against` the first"
    for name in sorted({broken.prop.name for one in run for broken in one.broken}):
        yield f"it breaks `{name}`"
    for number, one in enumerate(run, 1):
        if not one.is_same:
            yield f"taken again it goes otherwise at event {number}: {parting(one.recorded, one.actual)}"
            return


def _frames(
    versions: Mapping[str, Known], steps: Sequence[Sequence[Entry]]
) -> tuple[list[_Frame], MemoryWorld]:
    """Every step with the world before it, and the final world."""
    rewritten = {
        (entry.entity, entry.digest) for group in steps for entry in group if entry.kind == "migrate"
    }
    known = versions[steps[0][0].digest]
    world = MemoryWorld({}, known.table.ghosts)
    frames: list[_Frame] = []
    for group in steps:
        first = group[0]
        if first.digest != known.digest:
            frame, world = _swapped(known, versions[first.digest], world, first.at_ms, rewritten)
            frames.append(frame)
            known = versions[first.digest]
        if first.kind == "migrate":
            _came_over(group, world)
            continue
        found = _taken(known, world, group)
        shown = told(known.table, world, found.event, found)
        frames.append(_Frame(known, world, _dated(known, world, found, shown, first.at_ms), first.at_ms))
        world = world.after(found.written, found.ghosts)
    return frames, world


def _taken(known: Known, world: MemoryWorld, group: Sequence[Entry]) -> Step:
    """Re-execute a step of the journal: the result must be the same."""
    first = group[0]
    permit = known.permit
    if any(name.startswith(DECISION) for name in first.policies):
        permit = replaying(permit, first.entity, first.action)
    try:
        found = step(known.table, world, event_of(first), permit=permit)
    except LookupError as error:
        raise UntraceableError(f"{_place(first)} cannot be taken again: there is no {error}") from None
    if isinstance(found, Refusal):
        raise UntraceableError(f"{_place(first)} cannot be taken again: {found}")
    if {entry.entity for entry in group} != set(found.written):
        raise UntraceableError(f"{_place(first)} cannot be taken again: others have a part in it")
    for entry in group:
        before, now = world.get(entry.entity), found.written[entry.entity]
        for parted in compared(known.table, entry, before, now):
            raise UntraceableError(f"{_place(entry)} cannot be taken again: {parted.why}")
    return found


def _place(entry: Entry) -> str:
    return f"revision {entry.revision} of {entry.entity} (position {entry.position})"


def _swapped(
    old: Known, new: Known, world: MemoryWorld, at_ms: int, rewritten: Collection[tuple[str, str]]
) -> tuple[_Frame, MemoryWorld]:
    """A swap of versions. Entities that the swap did not write stay as they are."""
    moved = migrate_world(old.table, new.table, world)
    if isinstance(moved, tuple):
        raise UntraceableError(f"{new.digest} took over, and cannot again: {reason(new.table, moved[0])}")
    stays = {
        name: before
        for name, before in world.entities.items()
        if name in moved.entities
        and (name, new.digest) not in rewritten
        and _is_same(before, moved.entities[name])
    }
    after = MemoryWorld({**moved.entities, **stays}, moved.ghosts)
    shown = replace(told_swap(old.table, new.table, world, after), at=rfc3339(at_ms))
    return _Frame(old, world, shown, at_ms), after


def _is_same(old: Entity, new: Entity) -> bool:
    return replace(old, visit=new.visit, version=new.version) == new


def _came_over(group: Sequence[Entry], world: MemoryWorld) -> None:
    """Check that a swap wrote what the machine's migration yields."""
    for entry in group:
        now = world.get(entry.entity)
        if now is None or now.state != entry.state:
            raise UntraceableError(f"{_place(entry)} cannot be taken again: it came over otherwise")


def _dated(known: Known, world: MemoryWorld, found: Step, shown: TraceStep, at_ms: int) -> TraceStep:
    """The step with its moment; without what an effect said of its bad end, unless a callback takes it."""
    shown = replace(shown, at=rfc3339(at_ms))
    event = found.event
    if not isinstance(event, Ends) or event.ok:
        return shown
    entity = world.entities[event.entity]
    rules: BlueprintTable = known.table.blueprints[entity.blueprint]
    assert entity.active is not None, "it ended"
    error = rules.effects[entity.active.effect].effect.error
    takes = rules.rules[error].action.arguments if error is not None else {}
    return shown if "message" in takes else replace(shown, results={})


def _first_whole(frames: Sequence[_Frame]) -> int:
    """The index of the first step from which a trace has no more swaps than it can."""
    swaps = [index for index, frame in enumerate(frames) if frame.told.event == "swap"]
    if len(swaps) <= SWAPS_LIMIT:
        return 0
    begun = range(swaps[-SWAPS_LIMIT - 1] + 1, len(frames))
    return next((index for index in begun if _is_quiet_before(frames, index)), 0)


def _is_quiet_before(frames: Sequence[_Frame], index: int) -> bool:
    """Whether nothing is in flight before a step of those who have a part from there on."""
    world = frames[index].world
    later = [frame.told for frame in frames[index:]]
    return all(
        is_quiet(world.entities[name]) for name in _involved(world, {*_parts(later), *_mentioned(later)})
    )


def _cut(frames: Sequence[_Frame], since_ms: int) -> int:
    """The index of the trace's first step, of one that is asked for since a moment."""
    cut = next((index for index, frame in enumerate(frames) if frame.at_ms >= since_ms), None)
    if cut is None:
        raise UntraceableError("nothing has happened since")
    while cut and not _is_quiet_before(frames, cut):
        cut -= 1
    return cut


def _parts(told_steps: Sequence[TraceStep]) -> set[str]:
    return {part.entity for one in told_steps for part in one.parts}


def _mentioned(told_steps: Sequence[TraceStep]) -> Iterator[str]:
    """Every string in the steps, as it might be an entity's id."""
    for one in told_steps:
        brought = [*one.results.values(), *(value for part in one.parts for value in part.args.values())]
        for value in brought:
            members = value if isinstance(value, list) else (value,)
            yield from (member for member in members if isinstance(member, str))


def _involved(world: MemoryWorld, parts: Collection[str]) -> set[str]:
    """The entities of a world that are involved from here on, with those they refer to. `parts` may contain
    other strings.
    """
    found: set[str] = set()
    waiting = [name for name in parts if name in world.entities]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for value in world.entities[name].fields.values():
            members = value if isinstance(value, frozenset) else (value,)
            waiting += [one for one in members if isinstance(one, str) and one in world.entities]
    return found
