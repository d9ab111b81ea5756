"""Whole worlds: every example under every mix, with all that can go wrong and everything judged."""

from __future__ import annotations

from functools import cache

import pytest

from lathe.lang.diff import diff
from lathe.sim.menu import MIXES, Mix
from lathe.sim.prepared import Prepared, prepare
from lathe.sim.run import Outcome, setting_of, simulate

from ..runtime.harness import example

APPS = (
    "approval",
    "expense",
    "incident",
    "lease_queue",
    "order",
    "rollout",
    "saga",
    "subscription",
    "wallet",
)


@cache
def prepared(name: str) -> Prepared:
    return prepare(example(name))


def run(name: str, seed: int, mix: Mix) -> Outcome:
    return simulate(prepared(name), setting_of(seed, mix))


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("name", APPS)
def test_nothing_that_must_not_be_is_found(name: str, mix: Mix) -> None:
    for seed in range(6):
        outcome = run(name, seed, mix)
        assert outcome.violation is None, (seed, outcome.violation.said)


def test_what_is_otherwise_in_another_version_is_worked_out_once() -> None:
    found = prepared("rollout")
    old, new = (version.app for version in found.versions[:2])
    assert list(found.changes(old, new)) == diff(old, new) != []
    assert found.changes(old, new) is found.changes(old, new)
    assert found.changes(old, old) == ()
