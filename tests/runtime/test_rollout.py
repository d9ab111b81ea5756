"""The rollout example whole: real server, real stand-in, both stores."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx2
import pytest
from tests.runtime.harness import example
from tests.runtime.processes import Process, free_port, serving

STAND_IN = Path(__file__).parents[2] / "examples" / "rollout" / "stand_in.py"
SECONDS_A_BROKER = 0.1
_schemas = count(1)


@pytest.fixture(params=["sqlite", "postgres"])
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Process]:
    """A server on which the rollout runs, and the world outside beside it."""
    port = free_port()
    outside = f"http://127.0.0.1:{port}"
    (tmp_path / "lathe.toml").write_text(
        f'[app.rollout]\nenv = {{ K8S = "{outside}", KAFKA = "{outside}" }}\nreach = ["127.0.0.0/8"]\n'
    )
    store, schema = f"sqlite:{tmp_path / 'data'}", "lathe"
    if request.param == "postgres":
        store, schema = request.getfixturevalue("postgres").url, f"rollout{next(_schemas)}"
    with serving(store, tmp_path, schema=schema) as made:
        command = [sys.executable, str(STAND_IN), str(port), made.url, str(SECONDS_A_BROKER)]
        stand_in = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            made.apply(example("rollout"))
            yield made
        finally:
            stand_in.terminate()
            stand_in.wait(10)


def begun(process: Process, image: str, replicas: int = 3) -> str:
    """The path of a rollout that has been started."""
    place = process.post("/v1/rollout/rollouts", {"replicas": replicas}).headers["location"]
    started = process.post(f"{place}/start", {"image": image})
    assert started.status_code == 200, started.text
    return place


def until(process: Process, place: str, state: str) -> None:
    """Wait until an entity is in a state."""
    end = time.monotonic() + 60
    while (found := process.get(place).json()["state"]) != state:
        assert time.monotonic() < end, f"it is {found}, not {state}"
        time.sleep(0.02)


def taken(process: Process, place: str) -> list[str]:
    """The actions that were taken, in order."""
    items = process.get(f"{place}/journal", params={"limit": 200}).json()["items"]
    return [event["action"] for event in items if event["action"]]


def test_it_runs_to_done_one_broker_at_a_time(process: Process) -> None:
    place = begun(process, "broker:2")
    until(process, place, "done")
    assert taken(process, place) == ["create", "start", *["drain", "progress"] * 3, "rolled", "passed"]


def test_it_fails_and_is_rolled_back(process: Process) -> None:
    place = begun(process, "broken:2")
    until(process, place, "failed")
    assert process.get(place).json()["fields"]["ready"] == 2
    assert process.post(f"{place}/roll_back").status_code == 200
    until(process, place, "rolled_back")
    assert taken(process, place) == ["create", "start", "drain", "fail", "roll_back", "progress", "restored"]


def test_another_version_takes_over_while_it_rolls(process: Process) -> None:
    place = begun(process, "slow:2", replicas=5)
    files = example("rollout")
    name = "rollout.blueprint.toml"
    refused = httpx2.put(
        f"{process.url}/v1/blueprints",
        json={"files": {"a": "b"}, "confirm": "any"},
        timeout=60,
        headers=process.headers,
    )
    assert refused.status_code == 409
    longer = files[name].replace(b'after = "15m", then = "fail"', b'after = "20m", then = "fail"', 1)
    assert longer != files[name]
    process.apply({**files, name: longer})
    until(process, place, "done")
    items = process.get(f"{place}/journal", params={"limit": 200}).json()["items"]
    versions = [v["digest"] for v in process.get("/v1/blueprints/rollout").json()["items"]]
    assert [items[0]["digest"], items[-1]["digest"]] == versions[::-1]
