"""Whoever somebody refers to is not archived, in worlds where much is."""

from __future__ import annotations

import pytest

from lathe.runtime import housekeeping
from lathe.sim.prepared import prepare
from lathe.sim.run import Outcome, setting_of, simulate

SEEDS = 40
FILES = {
    "app.toml": b'app = "family"\n[role]\nclerk = "c"\n',
    "parent.blueprint.toml": b"""
blueprint = "Parent"
retain = "2s"
[state]
here = { initial = true, waits = "a clerk" }
gone = { final = true }
[action]
create = { by = "role:clerk" }
go = { from = "here", to = "gone", by = "role:clerk" }
""",
    "child.blueprint.toml": b"""
blueprint = "Child"
retain = "2s"
[state]
here = { initial = true, waits = "a clerk" }
gone = { final = true }
[field]
parent = { type = "ref", to = "Parent" }
others = { type = "set", of = { type = "ref", to = "Parent" }, max = 2 }
[action]
create = { by = "role:clerk", sets = ["parent"] }
part = { from = "here", by = "role:clerk", do = ["parent = None", "others = set()"] }
go = { from = "here", to = "gone", by = "role:clerk" }
[action.meet]
from = "here"
by = "role:clerk"
args = { who = { type = "ref", to = "Parent" } }
do = ["others += arg.who"]
""",
}  # fmt: skip


def outcomes(count: int) -> list[Outcome]:
    prepared = prepare(FILES)
    return [simulate(prepared, setting_of(seed, "chaos")) for seed in range(count)]


def test_who_is_referred_to_stays_and_goes_when_nobody_does() -> None:
    assert [outcome.violation for outcome in outcomes(SEEDS)] == [None] * SEEDS


def test_another_version_archives_whom_others_may_refer_to() -> None:
    """Where the app itself says nothing of it: who is referred to is kept, not all of a blueprint."""
    files = {name: data.replace(b'retain = "2s"\n', b"") for name, data in FILES.items()}
    found = prepare(files)
    assert [b.retain_ms for b in found.first.app.blueprints.values()] == [None, None]
    assert [b.retain_ms for b in found.versions[1].app.blueprints.values()] == [2_000, 2_000]
    worlds = [simulate(found, setting_of(seed, "chaos")) for seed in range(12)]
    assert [one.violation for one in worlds] == [None] * 12


def test_an_archive_that_asks_for_no_references_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "referring", lambda app, blueprint: ())
    said = [outcome.violation.said for outcome in outcomes(SEEDS) if outcome.violation is not None]
    assert any("was archived while somebody refers to it" in one for one in said), said
