"""`lathe replay --on sim` and `--on server`: where the outcome parts from the trace, step and field."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.harness import example
from tests.runtime.processes import Process, serving

FILE = "rollout.blueprint.toml"
TRACE = {
    "format": "lathe.trace/1", "id": "0123456789ab", "app": "rollout", "digest": "sha256:0", "length": 2,
    "steps": [
        {
            "event": "create", "by": "role:operator", "entity": "Rollout#1", "action": "create",
            "args": {"replicas": 5}, "changes": {
                "state": [None, "planned"], "replicas": [None, 5], "ready": [None, 5], "attempts": [None, 0],
                "tries": [None, 0], "renewed": [None, False],
            },
        },
        {
            "event": "act", "by": "role:operator", "entity": "Rollout#1", "action": "start",
            "args": {"image": "b:2"}, "changes": {
                "state": ["planned", "rolling"], "image": [None, "b:2"], "attempts": [0, 1], "tries": [0, 1],
            },
        },
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server of a version in which the first try counts twice."""
    folder = tmp_path_factory.mktemp("server")
    with serving(f"sqlite:{folder / 'data'}", folder) as process:
        process.apply(other())
        yield process


def other() -> dict[str, bytes]:
    files = example("rollout")
    lines = files[FILE].replace(b'do = ["attempts = 1"]', b'do = ["attempts = 2"]').splitlines(keepends=True)
    files[FILE] = b"".join(line for line in lines if not line.startswith(b"is_tried_three_times"))
    return files


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(TRACE))
    return path


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    for name, content in other().items():
        (folder / name).write_bytes(content)
    return folder


PARTS = (
    "rollout: goes otherwise at event 2, `start` of `Rollout#1`: `attempts` of Rollout#1 "
    "goes from `0` to `1` in the trace, and goes from `0` to `2` now"
)


@pytest.mark.parametrize("where", ["model", "sim"])
def test_model_and_runtime_say_where_they_part(
    lathe: Callable[..., Any], trace: Path, app: Path, where: str
) -> None:
    said = lathe("replay", trace, app, "--on", where)
    assert (said.code, said.out.splitlines()[-1]) == (1, PARTS)


def test_a_server_says_where_it_parts(
    lathe: Callable[..., Any], trace: Path, server: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATHE_TOKEN", server.token)
    before = len(server.get("/v1/rollout/rollouts").json()["items"])
    refused = lathe("replay", trace, "--on", "server", "--url", server.url)
    assert refused.code == 2 and "--yes" in refused.err
    assert len(server.get("/v1/rollout/rollouts").json()["items"]) == before, "nothing was done"
    said = lathe("replay", trace, "--on", "server", "--url", server.url, "--yes")
    assert (said.code, said.out.splitlines()[-1]) == (1, PARTS)
    assert "the trace is of sha256:0" in said.out
    assert len(server.get("/v1/rollout/rollouts").json()["items"]) == before + 1


def test_a_server_that_does_nothing_is_not_waited_for_for_ever(
    lathe: Callable[..., Any], trace: Path, server: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATHE_TOKEN", server.token)
    waiting = json.loads(json.dumps(TRACE))
    waiting["steps"][1]["changes"]["attempts"] = [0, 2]
    waiting["steps"].append(
        {
            "event": "timer", "by": "timer", "entity": "Rollout#1", "action": "fail", "args": {},
            "changes": {"state": ["rolling", "failed"]},
        }
    )  # fmt: skip
    trace.write_text(json.dumps(waiting))
    said = lathe("replay", trace, "--on", "server", "--url", server.url, "--yes", "--wait", "1s")
    assert said.code == 1
    last = said.out.splitlines()[-1]
    # the adapter cannot reach its cluster, so the effect ends before the timer does; or nothing has happened
    assert "goes otherwise at event 3, `fail` of `Rollout#1`" in last, last


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--on", "server", "."), "takes an app"),
        ((), "takes an app"),
    ],
)
def test_an_app_is_given_or_the_servers(
    lathe: Callable[..., Any], trace: Path, words: tuple[str, ...], why: str
) -> None:
    said = lathe("replay", trace, *words)
    assert said.code == 2 and why in said.err


@pytest.mark.parametrize("event", ["given", "swap"])
def test_what_no_server_can_be_asked_for_is_refused_before_anything(
    lathe: Callable[..., Any], trace: Path, event: str
) -> None:
    begun = {
        "event": event,
        "by": "journal",
        "entity": "Rollout#1",
        "action": None,
        "args": {},
        "changes": {},
    }
    trace.write_text(json.dumps({**TRACE, "steps": [begun, *TRACE["steps"]]}))
    said = lathe("replay", trace, "--on", "server", "--url", "http://127.0.0.1:1", "--yes")
    assert said.code == 2 and "replay it on the model" in said.err
