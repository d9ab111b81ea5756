"""Liveness in the exports: what is owed, and what each `eventually` waits for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lathe.check.composed.system import System, make_system
from lathe.check.export import promela, tla
from lathe.check.export.fairness import debts, promises
from lathe.check.export.promela import HOW_TO_RUN
from lathe.check.export.tla import configuration
from lathe.check.judge.liveness import failures
from lathe.check.search.graph import Limits
from lathe.check.search.plain import search

from ...support import app_of, several

PUMP = """
[state]
off = { initial = true, waits = "somebody starts it" }
on = { after = "1h", then = "stop" }
broken = { final = true }
[action]
create = { by = "role:clerk" }
start = { from = "off", to = "on", by = "role:clerk" }
stop = { from = "on", to = "off" }
kick = { from = "on", to_if = "'broken' if False else 'on'", by = "role:clerk" }
smash = { from = "*", to = "broken", by = "role:clerk", fair = true }
[eventually]
rests = { from = ["on"], to = ["off"] }
ends = { from = ["off", "on"], to = ["broken"] }
"""


@pytest.fixture(scope="module")
def system() -> System:
    return make_system(app_of(several(Pump=PUMP)), {"Pump": 1})


def test_every_debt_is_owed_by_somebody_and_a_new_visit_lets_it_lapse(system: System) -> None:
    found = {debt.name: debt for debt in debts(system)}
    assert list(found) == ["Pump#1 fair smash", "Pump#1 timer "]
    assert {c.label.action for c in found["Pump#1 timer "].owed_by} == {"stop"}
    assert {c.label.action for c in found["Pump#1 timer "].lapses_by} == {"create", "start", "kick", "smash"}
    assert found["Pump#1 fair smash"].lapses_by == ()


def test_the_module_has_fairness_and_a_temporal_property_for_each_eventually(system: System) -> None:
    text = tla(system)
    assert "WF_vars(Owed1 \\/ (ENABLED Owed1 /\\ Lapses1))" in text
    assert [line.split(" == ")[0] for line in text.splitlines() if " ~> " in line] == [
        "Eventually0",
        "Eventually1",
    ]
    assert configuration(text).startswith("CONSTANT Live = FALSE\nINIT Init\n")
    assert configuration(text, live=True).splitlines() == [
        "CONSTANT Live = TRUE",
        "SPECIFICATION FairSpec",
        "PROPERTY Eventually0",
        "PROPERTY Eventually1",
    ]


def test_an_app_that_promises_nothing_has_no_fairness_in_its_exports() -> None:
    system = make_system(app_of(several(Pump=PUMP.partition("[eventually]")[0])), {"Pump": 1})
    assert "WF_" not in tla(system) and "beat" not in tla(system)
    assert configuration(tla(system), live=True) == ""
    assert "LIVE" not in promela(system)


def test_a_ghost_that_is_called_as_a_word_of_the_language_gets_another_name() -> None:
    ghosts = '[ghost]\nlast = { type = "int", range = [0, 1], default = 0 }\n'
    ghosts += 'run = { type = "int", range = [0, 1], default = 0 }\n'
    ghosts += '[invariant]\nfew = "last + run <= 1"\n'
    kicked = PUMP.replace("fair = true }", 'fair = true, ghost = ["last = 1", "run = 0"] }')
    text = promela(make_system(app_of(several(ghosts, Pump=kicked)), {"Pump": 1}))
    assert re.search(r"^bit v_last = 0;", text, re.MULTILINE)
    assert not re.search(r"^bit last\b", text, re.MULTILINE)


@pytest.mark.skipif(shutil.which("spin") is None or shutil.which("cc") is None, reason="SPIN is not here")
def test_spin_finds_the_same_fair_runs(system: System, tmp_path: Path) -> None:
    """`kick` begins a new visit and changes nothing else: a run that kicks for ever owes no timer."""
    graph = search(system, Limits(1_000, 1.0, lambda: 0.0))
    ours = {f"{f.prop.name} of {f.slot.name}" for f in failures(system, graph)}
    assert ours == {"rests of Pump#1"}
    theirs = set()
    (tmp_path / "a.pml").write_text(promela(system))
    for number, promise in enumerate(promises(system)):
        _run("spin", "-o2", "-DLIVE", "-a", "a.pml", folder=tmp_path)
        _run("cc", "-w", "-DNOREDUCE", "-o", "pan", "pan.c", folder=tmp_path)
        said = _run("./pan", "-E", "-A", "-a", "-N", f"eventually{number}", folder=tmp_path)
        if "errors: 0" not in said:
            theirs.add(promise.name)
    assert theirs == ours


def _run(*command: str, folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


UNREAD = PUMP.replace("kick = { ", 'kick = { ghost = ["kicked = 1"], ').replace(
    "[eventually]",
    """[ghost]
kicked = { type = "int", range = [0, 1], default = 0 }
[sometimes]
once = "kicked == 1 or state == 'on'"
[eventually]""",
)


@pytest.mark.skipif(shutil.which("spin") is None or shutil.which("cc") is None, reason="SPIN is not here")
def test_spin_keeps_what_only_a_sometimes_reads(tmp_path: Path) -> None:
    system = make_system(app_of(several(Pump=UNREAD)), {"Pump": 1})
    graph = search(system, Limits(1_000, 1.0, lambda: 0.0))
    (tmp_path / "a.pml").write_text(promela(system))
    for command in HOW_TO_RUN.replace("FILE", "a.pml").split(" && "):
        said = _run(*command.split(), folder=tmp_path)
    assert f"{len(graph.states)} states, stored" in said
