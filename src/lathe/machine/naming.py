"""Readable names for a run's entities: `Rollout#1`, numbered in order of creation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lathe.lang.model import Json
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.trace import TracePart, TraceStep


def name_all(names: dict[str, str], world: MemoryWorld) -> None:
    """Number the entities of each blueprint that have no name yet, in the order in which they were made."""
    for entity in world:
        if entity.id not in names:
            number = 1 + sum(name.startswith(f"{entity.blueprint}#") for name in names.values())
            names[entity.id] = f"{entity.blueprint}#{number}"


def renamed(step: TraceStep, names: Mapping[str, str]) -> TraceStep:
    """A step with every entity by its name, wherever it stands."""
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
