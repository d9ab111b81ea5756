"""The rollout example whole: real server, real stand-in, both stores."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import httpx2
import pytest
from tests import children
from tests.runtime.harness import example
from tests.runtime.processes import Process, free_port, put, serving

STAND_IN = Path(__file__).parents[2] / "examples" / "rollout" / "stand_in.py"
SECONDS_A_BROKER = 0.1
_schemas = count(1)


FILES = example("rollout")
NAME = "rollout.blueprint.toml"
PATIENT = {**FILES, NAME: FILES[NAME].replace(b"[effect.patch] #", b"[effect.patch]\ntimeout = '4m' #")}
"""The example, but it waits for the world outside for as long as any test lasts."""


@pytest.fixture(params=["sqlite", "postgres"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Process, subprocess.Popen[bytes]]]:
    """A server on which the rollout runs, and the world outside beside it."""
    port = free_port()
    outside = f"http://127.0.0.1:{port}"
    (tmp_path / "lathe.toml").write_text(
        f'[app.rollout]\nenv = {{ K8S = "{outside}", KAFKA = "{outside}" }}\nreach = ["127.0.0.0/8"]\n'
    )
    store, schema = f"sqlite:{tmp_path / 'data'}", "lathe"
    if request.param == "postgres":
        store, schema = request.getfixturevalue("postgres").url, f"rollout{next(_schemas)}"
    assert PATIENT != FILES
    put(store, PATIENT, schema=schema)
    with serving(store, tmp_path, schema=schema, is_forked=True) as made:
        command = [sys.executable, str(STAND_IN), str(port), made.url, str(SECONDS_A_BROKER)]
        stand_in = children.begin(command, stdin=subprocess.DEVNULL)
        try:
            made.hold_roles(PATIENT)
            listens(port)
            yield made, stand_in
        finally:
            stand_in.terminate()
            stand_in.wait(10)


@pytest.fixture
def process(world: tuple[Process, subprocess.Popen[bytes]]) -> Process:
    """The server alone."""
    return world[0]


def listens(port: int) -> None:
    """Wait until somebody does."""
    end = time.monotonic() + 60
    while True:
        with closing(socket.socket()) as plug:
            if plug.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end, "the stand-in does not come up"
        time.sleep(0.02)


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


@pytest.mark.timeout(300)
def test_another_version_takes_over_while_it_rolls(world: tuple[Process, subprocess.Popen[bytes]]) -> None:
    """The world outside stands still meanwhile: else the rollout may be over before the gate has judged."""
    process, stand_in = world
    stand_in.send_signal(signal.SIGSTOP)
    place = begun(process, "broker:2")
    refused = httpx2.put(
        f"{process.url}/v1/blueprints",
        json={"files": {"a": "b"}, "confirm": "any"},
        timeout=60,
        headers=process.headers,
    )
    assert refused.status_code == 409
    longer = PATIENT[NAME].replace(b'after = "15m", then = "fail"', b'after = "20m", then = "fail"', 1)
    assert longer != PATIENT[NAME]
    process.apply({**PATIENT, NAME: longer})
    assert process.get(place).json()["state"] == "rolling"
    stand_in.send_signal(signal.SIGCONT)
    until(process, place, "done")
    items = process.get(f"{place}/journal", params={"limit": 200}).json()["items"]
    versions = [v["digest"] for v in process.get("/v1/blueprints/rollout").json()["items"]]
    assert [items[0]["digest"], items[-1]["digest"]] == versions[::-1]
