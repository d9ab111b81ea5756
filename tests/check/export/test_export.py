"""Exports say what the search takes: every command, every choice, everything that must never be."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lathe.check.composed.system import System, make_system
from lathe.check.export import promela, tla
from lathe.check.export.tla import configuration

from ...support import app_of, several

GOLDEN = Path(__file__).parents[2] / "golden" / "export"
UPDATE = os.environ.get("LATHE_UPDATE_GOLDEN") == "1"

TICKET = """
[state]
open = { initial = true, waits = "a clerk answers" }
done = { final = true }
[field]
owner = { type = "id" }
tags = { type = "set", of = { type = "enum", of = ["hot", "cold"] } }
answers = { type = "int", range = [-1, 3], default = 0 }
[action]
create = { by = "role:clerk", do = ["owner = actor"] }
answer = { from = "open", by = "role:clerk", when = "owner == actor and answers < 3", do = ["answers += 1"] }
close = { from = "open", to = "done", by = "role:clerk", when = "'hot' not in tags" }
[action.mark]
from = "open"
by = "role:clerk"
args = { tag = { type = "enum", of = ["hot", "cold"] } }
do = ["tags = tags + arg.tag"]
[invariant]
few = "len(tags) <= 1 or answers >= 0"
"""


@pytest.fixture(scope="module")
def system() -> System:
    return make_system(app_of(several(Ticket=TICKET)), {"Ticket": 1})


@pytest.mark.parametrize(("name", "export"), [("ticket.pml", promela), ("ticket.tla", tla)])
def test_an_export_is_what_it_was(name: str, export: object, system: System) -> None:
    assert callable(export)
    text = export(system)
    place = GOLDEN / name
    if UPDATE:
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    assert text == place.read_text()


def test_every_command_is_an_action_and_has_a_comment(system: System) -> None:
    text = tla(system)
    assert len(re.findall(r"^C\d+ ==", text, re.MULTILINE)) == len(system.commands)
    assert text.count("UNCHANGED") <= len(system.commands)
    assert configuration(text).startswith("INIT Init\nNEXT Next\nINVARIANT Never0")


def test_every_choice_of_parameters_is_an_option(system: System) -> None:
    text = promela(system)
    people = len(system.layout.domains.principals)
    options = text.partition("// act Ticket#1 answer")[2].partition("  // act")[0]
    assert options.count(":: d_step") == people
    assert "assert(false)" in text
