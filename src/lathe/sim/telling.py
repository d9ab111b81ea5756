"""What a run went through, as a trace: the committed steps, with entities by readable names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from lathe.lang.model import Json
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.swap import told_swap
from lathe.machine.telling import told
from lathe.machine.trace import Trace, TracePart, TraceStep
from lathe.sim.oracle import Swapped
from lathe.sim.run import Outcome


def trace_of(outcome: Outcome) -> Trace:
    """The run up to what was found, as `lathe.trace/1`. What was found is false at its last step, or is
    about something else than the steps: `Outcome.violation` says which.
    """
    names: dict[str, str] = {}
    steps: list[TraceStep] = []
    for one in outcome.history:
        if isinstance(one, Swapped):
            steps.append(told_swap(one.old.table, one.new.table, one.before, one.after))
        else:
            steps.append(told(one.loaded.table, one.world, one.event, one.outcome))
        _name(names, one.after if isinstance(one, Swapped) else one.world)
    _name(names, outcome.last_world)
    renamed = tuple(_renamed(step, names) for step in steps)
    found = outcome.violation
    clauses = found.broken.clauses if found is not None and found.broken is not None else ()
    identity = sha256(repr(renamed).encode()).hexdigest()[:12]
    return Trace(identity, outcome.app, outcome.digest, renamed, clauses)


def _name(names: dict[str, str], world: MemoryWorld) -> None:
    """Number the entities of each blueprint in the order in which they were made."""
    for entity in world:
        if entity.id not in names:
            number = 1 + sum(name.startswith(f"{entity.blueprint}#") for name in names.values())
            names[entity.id] = f"{entity.blueprint}#{number}"


def _renamed(step: TraceStep, names: Mapping[str, str]) -> TraceStep:
    parts = tuple(
        TracePart(
            names.get(part.entity, part.entity),
            part.action,
            part.by,
            {name: _named(value, names) for name, value in part.args.items()},
            {
                name: (_named(before, names), _named(after, names))
                for name, (before, after) in part.changes.items()
            },
        )
        for part in step.parts
    )
    results = {name: _named(value, names) for name, value in step.results.items()}
    return replace(step, parts=parts, results=results)


def _named(value: Json, names: Mapping[str, str]) -> Json:
    if isinstance(value, list):
        return [_named(member, names) for member in value]
    return names.get(value, value) if isinstance(value, str) else value
