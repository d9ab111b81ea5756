"""Level 4 with another version that takes over, and the one before that comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from lathe.machine import migrate
from lathe.machine.snapshot import Entity
from lathe.machine.table import compile_app
from lathe.probe import plan as planning
from lathe.probe.expected_answers import Sent
from lathe.probe.journal_check import DifferenceError, Follower
from lathe.probe.plan import Ask, Listen, Look, Plan, Swap, Together, draw_plan
from lathe.probe.run import Subject, carry_out
from lathe.probe.versions import EXTRA_NAME, reader_of
from lathe.runtime.catalog import Catalog
from lathe.runtime.swap import Swapper
from lathe.store.records import Entry

from ..runtime.harness import example
from .test_level import app_of

Patch = pytest.MonkeyPatch
APP = "lease_queue"


def subject(name: str = APP) -> Subject:
    return Subject(compile_app(app_of(name)), example(name), reader_of(app_of(name)))


def both_ways() -> Plan:
    """A job that is there when each version takes over, while others are made."""
    drawn = draw_plan(app_of(APP), 0)
    made = next(one for one in drawn.steps if isinstance(one, Ask) and one.action == "create")
    looks = (
        Look(made.blueprint, "entity", 0),
        Look(made.blueprint, "events", 0, 1),
        Look(made.blueprint, "list", 0),
    )
    steps = (Listen(0, 0), made, Swap((made, made)), *looks, Together((made, made)), Swap((made,)), *looks)
    return Plan(steps, drawn.outcomes)


def test_versions_take_over_both_ways_and_all_is_told_as_they_say() -> None:
    counts = carry_out(subject(), both_ways())
    took_over = [line for line in counts.transcript if line.endswith("takes over")]
    assert took_over == ["the app with one more field takes over", "the app as it was takes over"]
    assert counts.steps >= 6


def test_one_plan_in_three_has_swaps_and_is_otherwise_as_it_was(monkeypatch: Patch) -> None:
    app = app_of(APP)
    drawn = [draw_plan(app, seed) for seed in range(60)]
    monkeypatch.setattr(planning, "can_swap", lambda app: False)
    without = [draw_plan(app, seed) for seed in range(60)]
    kept = [replace(one, steps=tuple(s for s in one.steps if not isinstance(s, Swap))) for one in drawn]
    assert kept == without
    assert 12 <= sum(one != other for one, other in zip(drawn, without, strict=True)) <= 28


def test_requests_belong_to_either_version(monkeypatch: Patch) -> None:
    """Some of those that are under way when a version takes over are taken by it, some by the one before."""
    sides: set[str] = set()
    real = Follower.take

    def looks_on(self: Follower, entries: list[Entry], sent: Mapping[str, Sent]) -> None:
        kinds = [entry.kind for entry in entries]
        if "migrate" in kinds:
            sides.update({"before"} if kinds[0] == "create" else ())
            sides.update({"after"} if kinds[-1] == "create" else ())
        real(self, entries, sent)

    monkeypatch.setattr(Follower, "take", looks_on)
    for seed in range(12):
        carry_out(subject(), replace(both_ways(), seed=seed))
    assert sides == {"before", "after"}


def moves_nobody(patch: Patch) -> None:
    patch.setattr(Swapper, "_moved", lambda *given: None)


def gives_another_value(patch: Patch) -> None:
    real = migrate._Move.fields

    def careless(self: Any, fields: Any) -> Any:
        return {name: 1 if name == EXTRA_NAME else value for name, value in real(self, fields).items()}

    patch.setattr(migrate._Move, "fields", careless)


def counts_no_change(patch: Patch) -> None:
    real = Swapper._moved

    def careless(*given: Any) -> Any:
        moved = real(*given)
        return replace(moved, version=moved.version - 1) if isinstance(moved, Entity) else moved

    patch.setattr(Swapper, "_moved", careless)


def old_rules_count_on(patch: Patch) -> None:
    real = Catalog._load

    async def careless(self: Any, key: Any, governed: Any) -> Any:
        live, known = await real(self, key, governed), self._live.get(key)
        return live if known is None else replace(live, table=known.table, app=known.app)

    patch.setattr(Catalog, "_load", careless)


@pytest.mark.parametrize("bug", [moves_nobody, gives_another_value, counts_no_change, old_rules_count_on])
def test_a_runtime_that_swaps_wrongly_is_found(bug: Callable[[Patch], None], monkeypatch: Patch) -> None:
    bug(monkeypatch)
    with pytest.raises(DifferenceError):
        carry_out(subject(), both_ways())
