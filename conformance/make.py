"""Write the vectors: `python conformance/make.py [--check]`, which `make docs` runs.

Random walks over each app of `sources/` are cut into single steps, and of each sort of step as many are kept
as of any other, until there are a thousand. The seeds are fixed, so the same vectors come out everywhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from random import Random
from typing import TypeVar

from lathe.lang import App, canonical, digest, read_app
from lathe.machine.event import Act, Caller, Delivers, Event, Notifies
from lathe.machine.outcome import Refusal, Step
from lathe.machine.snapshot import Entity, MemoryWorld
from lathe.machine.step import step
from lathe.machine.table import Table, compile_app
from lathe.testing._dice import Dice
from lathe.testing._events import random_event

HERE = Path(__file__).resolve().parent
VECTORS = 1_000
WALKS = 100
"""Of each app, each from an empty world or one of its own, each so many events long:"""
STEPS = 60
STEP_MS = 1_000
TURNS = {"odds": 5, "order": 4, "post": 6, "ticket_lock": 1, "wallet": 1}
"""How often it is an app's turn to give a vector, where it is not twice."""

Data = None | bool | int | str | list["Data"] | dict[str, "Data"]
Kept = TypeVar("Kept")
Taken = tuple[MemoryWorld, Event, Step | Refusal]
EVENTS = {
    "Create": "create",
    "Act": "act",
    "TimerFires": "timer",
    "Starts": "start",
    "Executes": "execute",
    "Ends": "end",
    "Stops": "stop",
    "LateExecution": "late",
    "Notifies": "notify",
    "Delivers": "deliver",
}


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` say which of them are not what they would be."""
    stale = []
    for name, text in documents().items():
        place = HERE / name
        if "--check" in arguments:
            if not place.is_file() or place.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            place.parent.mkdir(exist_ok=True)
            place.write_text(text, encoding="utf-8", newline="\n")
    for name in stale:
        print(f"conformance/{name} is stale: make docs", file=sys.stderr)
    return int(bool(stale))


def documents() -> dict[str, str]:
    """Every file that is made, by its path in this folder."""
    apps = {folder.name: source(folder) for folder in sorted((HERE / "sources").iterdir())}
    made = {f"apps/{name}.json": canonical(app).decode() + "\n" for name, app in apps.items()}
    found = in_turn([queue for name, app in apps.items() for queue in shared(name, steps_of(name, app))])
    assert len(found) >= VECTORS, "there are more steps than vectors"
    lines = []
    for number, (name, taken) in enumerate(sorted(found[:VECTORS], key=lambda pair: pair[0]), 1):
        vector = {"number": number, "app": digest(apps[name]), **vector_of(taken)}
        lines.append(json.dumps(vector, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
    made["steps.jsonl"] = "\n".join(lines) + "\n"
    return made


def source(folder: Path) -> App:
    """The app of a folder."""
    app = read_app({path.name: path.read_bytes() for path in sorted(folder.iterdir())}).app
    assert app is not None, folder
    return app


def steps_of(name: str, app: App) -> list[Taken]:
    """What happened on the walks through an app, no step twice: all sorts in turn.

    Two are done for one that is refused; of those, all kinds have their turn.
    """
    table = compile_app(app)
    known: dict[int, tuple[Entity, str]] = {}
    kinds: dict[str, dict[str, list[Taken]]] = {}
    seen: set[str] = set()
    for walk in range(WALKS):
        dice = Dice(Random(f"{name} {walk}").randrange)
        for taken in walked(dice, table, beginning(name, table, walk)):
            key = identity(taken, known)
            if key not in seen:
                seen.add(key)
                kind, sort = sort_of(*taken)
                kinds.setdefault(kind, {}).setdefault(sort, []).append(taken)
    is_done = {kind: kind.endswith(" done") for kind in kinds}
    done = in_turn([taken for kind, sorts in kinds.items() if is_done[kind] for taken in sorts.values()])
    refused = in_turn([in_turn([*sorts.values()]) for kind, sorts in kinds.items() if not is_done[kind]])
    return in_turn([done[0::2], refused, done[1::2]])


def identity(taken: Taken, known: dict[int, tuple[Entity, str]]) -> str:
    """What tells a step from others: the vector's data in short. `known` is what was said of entities."""
    world, event, outcome = taken

    def said(one: Entity) -> str:
        if id(one) not in known:
            known[id(one)] = one, json.dumps(data(one), sort_keys=True)  # kept, so that the id stays its own
        return known[id(one)][1]

    rest = json.dumps([data(world.ghosts), event_data(event), ended(outcome)], sort_keys=True)
    written = outcome.written if isinstance(outcome, Step) else {}
    return "\n".join([*map(said, world), rest, *written, *map(said, written.values())])


def shared(name: str, taken: list[Taken]) -> list[list[tuple[str, Taken]]]:
    """An app's steps as so many queues as it is to have turns."""
    turns = TURNS.get(name, 2)
    return [[(name, one) for one in taken[first::turns]] for first in range(turns)]


def in_turn(queues: list[list[Kept]]) -> list[Kept]:
    """The first of each, the second of each, and so on; who has no more is passed over."""
    longest = max(map(len, queues), default=0)
    return [queue[i] for i in range(longest) for queue in queues if i < len(queue)]


def beginning(name: str, table: Table, walk: int) -> MemoryWorld:
    """Nobody there; but of links, a chain as long as a joint step may be, one longer, or a ring."""
    world = MemoryWorld({}, table.ghosts)
    if name != "chain" or walk % 3 == 0:
        return world
    length = 9 + walk % 4
    blueprint = table.blueprints["Link"]
    links = {}
    for number in range(1, length + 1):
        following = f"Link#{number + 1}" if number < length else "Link#1" if walk % 2 else None
        values = {**blueprint.fields, "next": following}
        links[f"Link#{number}"] = Entity(f"Link#{number}", "Link", "hanging", values, blueprint.ghosts)
    return MemoryWorld(links, table.ghosts)


def walked(dice: Dice, table: Table, world: MemoryWorld) -> Iterator[Taken]:
    """One event after another, refused ones too."""
    for number in range(STEPS):
        event = random_event(dice, table.app, world, STEP_MS * (number + 1))
        if isinstance(event, Act) and dice.chance(3):
            event = replace(event, action=dice.pick(("create", "nothing")))
        outcome = step(table, world, event)
        yield world, event, outcome
        if isinstance(outcome, Step):
            world = world.after(outcome.written, outcome.ghosts)


def sort_of(world: MemoryWorld, event: Event, outcome: Step | Refusal) -> tuple[str, str]:
    """A step's kind (the event and how it came out), and within that its sort (which action, of what)."""
    name = EVENTS[type(event).__name__]
    words = [str(getattr(event, key, "")) for key in ("blueprint", "action", "deadline", "effect", "again")]
    if isinstance(outcome, Refusal):
        return f"{name} {outcome.reason}", " ".join([*words, outcome.action or ""])
    found = world.get(getattr(event, "entity", ""))
    active = found.active.effect if found and found.active else ""
    parts = [f"{p.blueprint}.{p.action}>{p.after.state}" for p in outcome.parts]
    ghosts = "ghosts" if outcome.ghosts != world.ghosts else ""
    return f"{name} done", " ".join([*words, active, *parts, ghosts, str(len(outcome.requested))])


def vector_of(taken: Taken) -> dict[str, Data]:
    """A step as JSON data: the world before, the event, and what changed or why nothing did."""
    world, event, outcome = taken
    told: dict[str, Data] = {"before": world_data(world), "event": event_data(event)}
    end = ended(outcome)
    if isinstance(outcome, Refusal):
        return {**told, "refused": end}
    written = {name: data(entity) for name, entity in outcome.written.items()}
    return {**told, "after": {"written": written, **end}}


def ended(outcome: Step | Refusal) -> dict[str, Data]:
    """What came of an event, without the entities that it wrote."""
    if isinstance(outcome, Refusal):
        return {"reason": outcome.reason, "entity": outcome.entity, "action": outcome.action}
    return {
        "ghosts": data(outcome.ghosts),
        "parts": [{"entity": p.entity, "action": p.action} for p in outcome.parts],
        "requested": [[entity, invocation.number] for entity, invocation in outcome.requested],
    }


def world_data(world: MemoryWorld) -> Data:
    """All entities by their ids, and the ghosts of the app."""
    return {"entities": {e.id: data(e) for e in world}, "ghosts": data(world.ghosts)}


def event_data(event: Event) -> Data:
    """An event, with its kind by name."""
    told: dict[str, Data] = {"event": EVENTS[type(event).__name__]}
    for one in fields(event):
        if one.name != "new_ids" or isinstance(event, Delivers | Notifies):
            told[one.name] = data(getattr(event, one.name))
    return told


def data(value: object) -> Data:
    """Frozen data as JSON: records and maps are objects, sets are lists in order, unset is null."""
    match value:
        case None | bool() | int() | str():
            return value
        case frozenset():
            return [data(one) for one in sorted(value, key=repr)]
        case tuple():
            return [data(one) for one in value]
        case Mapping():
            return {str(key): data(one) for key, one in value.items()}
        case Caller():
            told: dict[str, Data] = {"kind": value.kind, "name": value.name, "actor": value.actor}
            return {**told, "roles": data(value.roles)}
    assert is_dataclass(value), value
    return {one.name: data(getattr(value, one.name)) for one in fields(value)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
