"""What commands for living entities are given, and what development gives an app."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from lathe.cli.assembly import for_development
from lathe.cli.client import given, problem_text
from lathe.cli.development import StandIns, settings_of
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
