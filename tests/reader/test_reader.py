"""The second reader, held to the conformance vectors: none of them was made by it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lathe.lang import App, digest, read_app
from lathe.reader.reader import Reader, Taken
from lathe.reader.world import By, Entity, RefusedError, Request, World

HERE = Path(__file__).parents[2] / "conformance"
VECTORS = [json.loads(line) for line in (HERE / "steps.jsonl").read_text(encoding="utf-8").splitlines()]
Data = Any


@cache
def apps() -> dict[str, App]:
    found = {}
    for folder in (HERE / "sources").iterdir():
        app = read_app({p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}).app
        assert app is not None, folder
        found[digest(app)] = app
    return found


def values(data: Data) -> dict[str, Data]:
    return {n: frozenset(v) if isinstance(v, list) else v for n, v in data.items()}


def request(data: Data) -> Request:
    calls = tuple((d["entity"], values(d["args"])) for d in data["deliveries"])
    return Request(
        data["number"], data["effect"], data["visit"], data["phase"], data["executed"],
        values(data["fields"]), values(data["args"]), calls,
    )  # fmt: skip


def entity(data: Data) -> Entity:
    requests = tuple(map(request, data["invocations"]))
    return Entity(
        data["id"], data["blueprint"], data["state"], values(data["fields"]), values(data["ghosts"]),
        data["visit"], data["version"], requests, data["invoked"],
    )  # fmt: skip


def taken(reader: Reader, world: World, event: Data) -> Taken:
    """The vector's event, as the reader's method."""
    who, now = event.get("entity"), event.get("now", 0)
    by = event.get("by")
    caller = By(by["kind"], by["name"], frozenset(by["roles"]), by["actor"]) if by else By("any")
    match event["event"]:
        case "create":
            return reader.create(world, event["blueprint"], event["id"], values(event["args"]), caller, now)
        case "act":
            args = values(event["args"])
            return reader.act(world, who, event["action"], args, caller, now, event.get("visit"))
        case "timer":
            return reader.timer(world, who, event["deadline"], now)
        case "start":
            return reader.start(world, who)
        case "execute":
            return reader.execute(world, who)
        case "end":
            results = event["results"] if event["ok"] else {k: event[k] for k in ("cause", "message")}
            return reader.end(world, who, ok=event["ok"], results=values(results), now=now)
        case "stop":
            return reader.stop(world, who)
        case "late":
            return reader.late(world, who, event["effect"])
        case "notify":
            return reader.notify(
                world, who, event["effect"], now,
                new_ids=event["new_ids"], number=event["number"], again=event["again"],
            )  # fmt: skip
        case "deliver":
            return reader.deliver(world, who, now, event["new_ids"])
    raise AssertionError(event)


@pytest.mark.parametrize("part", range(10))
def test_it_answers_every_vector_as_it_says(part: int) -> None:
    for vector in VECTORS[part::10]:
        reader = Reader(apps()[vector["app"]])
        before = vector["before"]
        world = World({n: entity(e) for n, e in before["entities"].items()}, values(before["ghosts"]))
        try:
            found = taken(reader, world, vector["event"])
        except RefusedError as refusal:
            said = vector.get("refused")
            assert said is not None, (vector["number"], str(refusal))
            told = {"reason": refusal.reason, "entity": refusal.entity, "action": refusal.action}
            assert told == said, vector["number"]
            continue
        assert "after" in vector, (vector["number"], vector["refused"])
        after = vector["after"]
        assert set(found.written) == set(after["written"]), vector["number"]
        for name, data in after["written"].items():
            assert found.world.entities[name] == entity(data), (vector["number"], name)
        assert dict(found.world.ghosts) == values(after["ghosts"]), vector["number"]
        assert [*found.actions] == [(p["entity"], p["action"]) for p in after["parts"]], vector["number"]


def test_a_world_is_never_changed() -> None:
    vector = next(v for v in VECTORS if "after" in v and v["event"]["event"] == "act")
    before = vector["before"]
    world = World({n: entity(e) for n, e in before["entities"].items()}, values(before["ghosts"]))
    kept = World(dict(world.entities), dict(world.ghosts))
    taken(Reader(apps()[vector["app"]]), world, vector["event"])
    assert world == kept


def test_it_raises_where_there_is_no_value() -> None:
    with pytest.raises(RefusedError) as raised:
        Reader(next(iter(apps().values()))).start(World(), "nobody")
    assert raised.value.reason == "missing"
