"""A version is moved to its successor with symmetry as it is without: images, verdicts, runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from time import process_time

import pytest

from lathe.check.bounds import TooLargeError
from lathe.check.composed.layout import make_layout
from lathe.check.composed.system import system_of
from lathe.check.migration import level
from lathe.check.migration.images import make_images
from lathe.check.migration.level import Migrated, migration
from lathe.check.migration.pair import joint_domains, old_layout
from lathe.check.search import tiers
from lathe.check.search.graph import Limits
from lathe.check.search.plain import search
from lathe.check.search.symmetry import exchanged, find_symmetry, left_alone, none_alike
from lathe.lang.model import App

from ...support import finding, report_of, run_of, told
from ..exchanging import exchanges
from ..test_migrated import pair_of
from ..test_migration import against

SEEDS = 40
BATCH = 20
MOST_EXCHANGES = 24
STATES = 25
"""States of a version of which every exchange is moved."""

NOON = (lambda: 0.0, 1.0)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_what_is_exchanged_before_is_exchanged_in_the_image(first: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(first, first + BATCH):
        pair, _ = pair_of(seed)
        counts = dict.fromkeys(sorted(pair.old.app.blueprints.keys() | pair.new.app.blueprints.keys()), 2)
        try:
            domains = joint_domains(pair, counts)
            old = system_of(old_layout(pair, domains))
            new = system_of(make_layout(pair.new.app, domains, pair.new_keys))
        except TooLargeError:
            continue
        group = exchanges(left_alone(find_symmetry(old), new), MOST_EXCHANGES)
        if group is None or len(group) < 2:
            continue
        found = search(old, Limits(STATES, 1.0, lambda: 0.0)).states[:STATES]
        every = [exchanged(old.layout, state, exchange) for state in found for exchange in group]
        images = make_images(pair, old.layout, domains, every, NOON, is_alike=True)
        for state in found:
            moved = images.of(state)
            met["moved" if moved else "homeless"] += 1
            for exchange in group:
                there = images.of(exchanged(old.layout, state, exchange))
                wanted = {exchanged(images.system.layout, image, exchange) for image in moved}
                assert set(there) == wanted, f"seed {seed}"
    assert met["moved"] > 50, met


ALIKE = (1, 4, 15)
"""Seeds of pairs of which the older has something alike, and few states."""


@pytest.mark.parametrize("seed", ALIKE)
def test_verdicts_and_runs_are_those_of_all_states(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pair, _ = pair_of(seed)
    fewer, every = both(_of_two(pair.old.app), _of_two(pair.new.app), monkeypatch)
    assert fewer.alike and not every.alike
    assert fewer.states < every.states
    assert summary(fewer) == summary(every)


def _of_two(app: App) -> App:
    return replace(app, scope=replace(app.scope, instances=dict.fromkeys(app.blueprints, 2)))


def summary(found: Migrated) -> tuple[object, ...]:
    """What is said of a replacement, with the lengths of its shortest runs."""
    said = sorted(
        (f.diagnostic.code, str(f.diagnostic.span), f.property or "", f.trace.length if f.trace else 0)
        for f in found.findings
    )
    return said, found.why, found.not_covered, sorted(map(str, found.reached))


def both(old: App, new: App, monkeypatch: pytest.MonkeyPatch) -> tuple[Migrated, Migrated]:
    """A replacement that is judged with what is alike in the old version taken out, and without."""
    with monkeypatch.context() as patch:
        patch.setattr(tiers, "HAND_OVER_STATES", 0)
        fewer = migration(old, new, ("old", "new"), process_time, 60.0)
        patch.setattr(level, "find_symmetry", lambda system: none_alike(system.layout))
        return fewer, migration(old, new, ("old", "new"), process_time, 60.0)


BOARD = """
# --- app.toml
app = "board"
[role]
member = "sits on the board"
[scope]
Motion = 2
principals = 4
budget_states = 5000
# --- motion.blueprint.toml
blueprint = "Motion"
[state]
open = { initial = true, waits = "votes" }
passed = { final = true }
failed = { final = true }
[field]
yes = { type = "set", of = { type = "id" }, max = 4 }
no = { type = "set", of = { type = "id" }, max = 4 }
[action]
create = { by = "role:member" }
agree = { from = "open", by = "role:member", when = "FREE", do = ["yes += actor"] }
refuse = { from = "open", by = "role:member", when = "FREE", do = ["no += actor"] }
pass = { from = "open", to = "passed", by = "role:member", when = "len(yes) >= 2" }
fail = { from = "open", to = "failed", by = "role:member", when = "len(no) >= 2" }
""".replace("FREE", "actor not in yes and actor not in no")
CALM = "[invariant]\ncalm = \"len(no) < 4 or state == 'failed'\"\n"


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts as grown is small, so that a small app is searched as a large one is."""
    monkeypatch.setattr(tiers, "HAND_OVER_STATES", 2_000)


@pytest.mark.usefixtures("early")
def test_voters_who_are_alike_are_moved_as_one() -> None:
    """As they are, the states of the version before are four times its budget."""
    report = against(BOARD, BOARD)
    assert report.verdict == "admitted"
    assert report.covered.migrated["alike"] == "Motion, principals"
    assert int(report.covered.migrated["states"]) < 2_000


@pytest.mark.usefixtures("early")
def test_run_through_what_is_alike_is_one_of_the_machine() -> None:
    """Four refuse before the swap; from then on the second would end it."""
    guard = 'actor not in no", do = ["no'
    new = BOARD.replace(guard, guard.replace('no", do', 'no and len(no) < 3", do')) + CALM
    assert told(report_of(new)) == []
    found = finding(against(BOARD, new), "LT703")
    assert run_of(found) == ["create", *["refuse"] * 4, "swap"]
    lost = BOARD.replace("failed", "lost")
    found = finding(against(BOARD, lost), "LT701")
    assert run_of(found) == ["create", "refuse", "refuse", "fail", "swap (refused)"]
