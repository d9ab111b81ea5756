"""A swap of versions as a step of a trace: what each entity becomes, or why it cannot be migrated."""

from __future__ import annotations

from lathe.lang.model import Field, Ghost, Json
from lathe.lang.render.words import listing
from lathe.machine.migrate import Misfit
from lathe.machine.snapshot import Entity, MemoryWorld
from lathe.machine.table import Table
from lathe.machine.trace import HIDDEN, TracePart, TraceStep
from lathe.machine.trace_step import disclosed

BY = "new version"
"""By whom a swap is, where a trace names a principal."""


def told_swap(old: Table, new: Table, before: MemoryWorld, after: MemoryWorld) -> TraceStep:
    """The step in which one world becomes the other; entities that change in nothing are left out."""
    parts = [TracePart(e.id, None, "", {}, _changes(new, before.entities[e.id], e)) for e in after]
    shown = tuple(sorted((p for p in parts if p.changes), key=lambda p: p.entity)) or tuple(parts[:1])
    holders = new.app.ghosts
    world = {
        name: (disclosed(holders[name], before.ghosts.get(name)), disclosed(holders[name], value))
        for name, value in after.ghosts.items()
        if before.ghosts.get(name) != value
    }
    return TraceStep("swap", shown or (TracePart(new.app.name, None, ""),), BY, world=world)


def told_misfit(new: Table, entity: str, wrong: Misfit) -> TraceStep:
    """The step that is refused, because something has no place or does not fit."""
    part = TracePart(entity or new.app.name, None, "")
    return TraceStep("swap", (part,), BY, refused=reason(new, wrong))


def _changes(new: Table, before: Entity, after: Entity) -> dict[str, tuple[Json, Json]]:
    blueprint = new.blueprints[after.blueprint].blueprint
    holders: dict[str, Field | Ghost] = {**blueprint.fields, **blueprint.ghosts}
    found: dict[str, tuple[Json, Json]] = {}
    if before.state != after.state:
        found["state"] = (before.state, after.state)
    was = {**before.fields, **before.ghosts}
    for name, value in {**after.fields, **after.ghosts}.items():
        if was.get(name) != value and not (name not in was and value == frozenset()):
            found[name] = (disclosed(holders[name], was.get(name)), disclosed(holders[name], value))
    return found


def reason(new: Table, wrong: Misfit) -> str:
    """Why a swap is refused, in a clause."""
    name, about = f"`{wrong.name}`", f"`{wrong.about}`"
    match wrong.kind:
        case "blueprint":
            return f"there is no `{wrong.blueprint}` any more"
        case "state":
            return f"there is no state {name} any more"
        case "timer":
            return f"the timer of {name} is armed, and there is none any more"
        case "deadline":
            return f"the deadline {name} is set, and there is none any more"
        case "effect":
            return f"{name} is in flight, and there is no such effect any more"
        case "sort":
            return f"{name} is in flight, and is an effect of another sort now"
        case "new":
            return f"{name} is new, has no default, and nothing says what it is"
        case "field" | "ghost":
            return f"{name} cannot hold {_value(new, wrong)}"
        case "expression":
            return f"{about} gives no value for {name}"
        case "memory":
            return f"{about} as it was when {name} was asked for does not fit"
        case "result":
            return f"{name} is in flight, and its callback takes a {about} that will not come so"
        case "delivery":
            return f"{name} is in flight, and its {about} does not fit any more"


def _value(new: Table, wrong: Misfit) -> str:
    """The value that does not fit, as a reader would write it; not if it is secret."""
    table = new.blueprints.get(wrong.blueprint)
    holder = table.blueprint.fields.get(wrong.name) if table is not None else None
    value = wrong.value
    if holder is not None and holder.secret and value is not None:
        return HIDDEN
    if isinstance(value, frozenset):
        return f"all of {listing(sorted(map(str, value)))}"
    if isinstance(value, str) and len(value) > 24:
        return f"{len(value)} characters"
    return "an unset value" if value is None else f"`{value}`"
