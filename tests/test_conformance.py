"""The vectors: what they say is so, they are what the generator makes, and they cover the language."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import jsonschema
import pytest

from lathe.lang import App, read_app
from lathe.machine import event as events
from lathe.machine.event import Caller, Event
from lathe.machine.outcome import Reason, Refusal, Step
from lathe.machine.snapshot import Delivery, Entity, Invocation, MemoryWorld, Phase
from lathe.machine.step import step
from lathe.machine.table import Table, compile_app

HERE = Path(__file__).parent.parent / "conformance"
VECTORS = [json.loads(line) for line in (HERE / "steps.jsonl").read_text(encoding="utf-8").splitlines()]
SOURCES = sorted(path.name for path in (HERE / "sources").iterdir())
KINDS = {
    "create": events.Create,
    "act": events.Act,
    "timer": events.TimerFires,
    "start": events.Starts,
    "execute": events.Executes,
    "end": events.Ends,
    "stop": events.Stops,
    "late": events.LateExecution,
    "notify": events.Notifies,
    "deliver": events.Delivers,
}
Data = Any


# --- a reader of its own


def value(data: Data) -> Data:
    return frozenset(data) if isinstance(data, list) else data


def values(data: Data) -> dict[str, Data]:
    return {name: value(one) for name, one in data.items()}


def invocation(data: Data) -> Invocation:
    read = {"fields": values, "args": values}
    deliveries = tuple(Delivery(d["entity"], values(d["args"])) for d in data["deliveries"])
    kept = {name: read.get(name, lambda x: x)(one) for name, one in data.items() if name != "deliveries"}
    return Invocation(**kept, deliveries=deliveries)


def entity(data: Data) -> Entity:
    held = {**data, "fields": values(data["fields"]), "ghosts": values(data["ghosts"])}
    return Entity(**{**held, "invocations": tuple(map(invocation, data["invocations"]))})


def world(data: Data) -> MemoryWorld:
    return MemoryWorld({n: entity(e) for n, e in data["entities"].items()}, values(data["ghosts"]))


def event(data: Data) -> Event:
    given = {name: one for name, one in data.items() if name != "event"}
    if "by" in given:
        by = given["by"]
        given["by"] = Caller(by["kind"], by["name"], frozenset(by["roles"]), by["actor"])
    for name in ("args", "results"):
        if name in given:
            given[name] = values(given[name])
    if "new_ids" in given:
        given["new_ids"] = tuple(given["new_ids"])
    found: Event = KINDS[data["event"]](**given)
    return found


@cache
def tables() -> Mapping[str, Table]:
    """The apps of the sources, by the digest of their canonical JSON as it stands in `apps/`."""
    found = {}
    for name in SOURCES:
        said = (HERE / "apps" / f"{name}.json").read_bytes().removesuffix(b"\n")
        found["sha256:" + hashlib.sha256(said).hexdigest()] = compile_app(app(name))
    return found


def app(name: str) -> App:
    read = read_app({path.name: path.read_bytes() for path in (HERE / "sources" / name).iterdir()}).app
    assert read is not None, name
    return read


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conformance_make", HERE / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- what they say


def test_the_machine_answers_every_vector() -> None:
    for vector in VECTORS:
        before = world(vector["before"])
        outcome = step(tables()[vector["app"]], before, event(vector["event"]))
        if isinstance(outcome, Refusal):
            told = {"reason": outcome.reason, "entity": outcome.entity, "action": outcome.action}
            assert told == vector.get("refused"), vector["number"]
        else:
            assert_same(outcome, vector)


def assert_same(outcome: Step, vector: Data) -> None:
    after = vector["after"]
    assert outcome.written == {n: entity(e) for n, e in after["written"].items()}, vector["number"]
    assert outcome.ghosts == values(after["ghosts"]), vector["number"]
    assert [{"entity": p.entity, "action": p.action} for p in outcome.parts] == after["parts"]
    assert [[name, i.number] for name, i in outcome.requested] == after["requested"]


def test_the_files_are_what_the_generator_makes() -> None:
    made = generator().documents()
    assert {name for name in made if name.startswith("apps/")} == {
        f"apps/{path.name}" for path in (HERE / "apps").iterdir()
    }
    for name, text in made.items():
        assert (HERE / name).read_text(encoding="utf-8") == text, f"conformance/{name} is stale: make docs"


def test_there_are_a_thousand_and_no_two_are_the_same() -> None:
    assert len(VECTORS) == 1_000
    assert [vector["number"] for vector in VECTORS] == list(range(1, 1_001))
    said = {json.dumps({k: v for k, v in vector.items() if k != "number"}) for vector in VECTORS}
    assert len(said) == 1_000


def test_every_vector_has_the_form_that_the_schema_says() -> None:
    schema = json.loads((HERE / "steps.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    for vector in VECTORS:
        found = [error.message for error in check.iter_errors(vector)]
        assert found == [], vector["number"]


# --- what they cover


def test_every_app_is_used_and_every_digest_is_that_of_an_app() -> None:
    assert {vector["app"] for vector in VECTORS} == set(tables())


def test_every_reason_and_every_event_occur() -> None:
    reasons = Counter(v["refused"]["reason"] for v in VECTORS if "refused" in v)
    assert set(reasons) == set(get_args(Reason))
    assert set(KINDS) == {v["event"]["event"] for v in VECTORS if "after" in v}
    assert 200 < sum(reasons.values()) < 500


def test_every_phase_of_an_invocation_occurs() -> None:
    found = {i["phase"] for v in VECTORS for e in v["before"]["entities"].values() for i in e["invocations"]}
    assert found == set(get_args(Phase))


@pytest.mark.parametrize(
    ("what", "least"),
    [
        ("joint", 20),
        ("made", 5),
        ("called", 3),
        ("again", 3),
        ("refused end", 3),
        ("ghosts", 5),
        ("set", 20),
    ],
)
def test_what_the_language_has_occurs(what: str, least: int) -> None:
    done = [v for v in VECTORS if "after" in v]
    holds = {
        "joint": lambda v: len(v["after"]["parts"]) > 1,
        "made": lambda v: v["event"]["event"] == "deliver" and _made(v),
        "called": lambda v: (
            v["event"]["event"] == "deliver" and len(v["after"]["parts"]) > 1 and not _made(v)
        ),
        "again": lambda v: v["event"].get("again"),
        "refused end": lambda v: v["event"].get("ok") is False and v["after"]["parts"],
        "ghosts": lambda v: v["after"]["ghosts"] != v["before"]["ghosts"],
        "set": lambda v: any(isinstance(x, list) and x for e in _written(v) for x in e["fields"].values()),
    }
    assert sum(1 for v in done if holds[what](v)) >= least


def _made(vector: Data) -> bool:
    return any(part["action"] == "create" for part in vector["after"]["parts"])


def _written(vector: Data) -> list[Data]:
    return list(vector["after"]["written"].values())
