"""What commands for living entities are given, and what development gives an app."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import click
import httpx2
import pytest

from lathe.cli import exitcode
from lathe.cli.assembly import for_development
from lathe.cli.client import JUDGED_SECONDS, TIMEOUT_SECONDS, be_patient, given, problem_text, run
from lathe.cli.development import StandIns, settings_of
from lathe.cli.exitcode import Stop
from lathe.gate.judge import SECONDS_LIMIT
from lathe.lang.model import Json
from lathe.runtime.config import AppSettings, Config

APP = """
blueprint = "Bill"
[state]
due = { initial = true, waits = "x" }
[action]
create = { by = "role:clerk" }
keep = { from = "due", by = "role:clerk" }
"""


def test_a_value_that_does_not_fit_says_what_would() -> None:
    number: Json = {"type": "integer", "minimum": 1, "maximum": 3}
    with pytest.raises(click.UsageError, match="integer, 1 to 3"):
        given(("amount=x",), {"properties": {"amount": number}})
    assert given(("amount=2",), {"properties": {"amount": number}}) == {"amount": 2}


def test_who_is_not_known_is_told_how_a_command_shows_a_token() -> None:
    said = problem_text({"code": "LR401.token", "detail": "send it"}, 401)
    assert "LATHE_TOKEN" in said
    assert "--token-file" in said
    assert "LATHE_TOKEN" not in problem_text({"code": "LR403.denied"}, 403)


def test_an_app_in_development_reaches_this_machine_whatever_else_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "bill.blueprint.toml").write_text(APP)
    (name,) = apps = settings_of([str(tmp_path)], StandIns([str(tmp_path)], "http://127.0.0.1:1"))
    configured = Config(app={name: AppSettings(env={"BANK": "x"}, reach=("10.0.0.0/8",))})
    config = for_development(configured, port=1, data="d", apps=apps)
    assert config.app[name].env == {"BANK": "x"}
    assert {"127.0.0.0/8", "10.0.0.0/8"} <= {*config.app[name].reach}
    bare = for_development(Config(), port=1, data="d", apps=apps)
    assert "127.0.0.0/8" in bare.app[name].reach


async def asked(method: str, path: str) -> float:
    """For how long a command would wait for an answer to this."""
    waits: list[float] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        waits.append(request.extensions["timeout"]["read"])
        return httpx2.Response(200)

    hooks = {"request": [be_patient]}
    transport = httpx2.MockTransport(answer)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://x", timeout=TIMEOUT_SECONDS, event_hooks=hooks
    ) as client:
        await client.request(method, path)
    return waits[0]


@pytest.mark.parametrize(
    ("method", "path", "seconds"),
    [
        ("PUT", "/v1/blueprints", JUDGED_SECONDS),
        ("POST", "/v1/blueprints/rollout/rollback", JUDGED_SECONDS),
        ("POST", "/v1/checks", JUDGED_SECONDS),
        ("POST", "/v1/decisions/01m8/approve", JUDGED_SECONDS),
        ("POST", "/v1/decisions/01m8/deny", TIMEOUT_SECONDS),
        ("GET", "/v1/blueprints/rollout", TIMEOUT_SECONDS),
        ("POST", "/v1/rollout/rollouts", TIMEOUT_SECONDS),
    ],
)
def test_an_answer_that_a_check_comes_before_is_waited_for_longer(
    method: str, path: str, seconds: float
) -> None:
    assert JUDGED_SECONDS > 2 * SECONDS_LIMIT, "one check alone, and one against what lives"
    assert asyncio.run(asked(method, path)) == seconds


def test_a_runtime_that_says_nothing_in_time_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lathe.cli.client.TIMEOUT_SECONDS", 0.2)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with pytest.raises(Stop, match=r"^the runtime does not answer in time$") as stopped:
            run(f"http://127.0.0.1:{listening.getsockname()[1]}", None, lambda client: client.get("/"))
    assert stopped.value.code == exitcode.UNAVAILABLE
