"""Campaigns over Ray: the same tallies as in one process. Without Ray, a sentence says what is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import lathe
from tests.runtime.harness import EXAMPLES, example

from lathe.sim.campaign import Chunk, Tally, campaign, chunks

__all__ = ["lathe"]

has_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="it needs Ray: pip install 'lathe[ray]'"
)


def summed(run: Iterator[tuple[Chunk, Tally]]) -> list[tuple[object, ...]]:
    return sorted((c.mix, c.first, t.seeds, t.steps, t.committed, len(t.failures)) for c, t in run)


@has_ray
def test_a_cluster_finds_what_one_process_finds() -> None:
    from lathe.sim.rayed import campaign_over_ray

    files = example("lease_queue")
    over_ray = campaign_over_ray(
        files, chunks(("calm", "chaos"), 0, 20), address="local", is_over=lambda: False
    )
    here = campaign(files, chunks(("calm", "chaos"), 0, 20), jobs=1, is_over=lambda: False)
    assert summed(over_ray) == summed(here)


@has_ray
def test_an_address_where_nothing_is_is_told() -> None:
    from lathe.errors import UsageError
    from lathe.sim.rayed import campaign_over_ray

    run = campaign_over_ray({}, chunks(("calm",), 0, 1), address="127.0.0.1:1", is_over=lambda: False)
    with pytest.raises(UsageError, match="no Ray cluster"):
        next(run)


def test_without_ray_it_is_said_what_is_missing(
    lathe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else found(name))
    said = lathe("sim", Path(EXAMPLES) / "rollout", "--seeds", "1", "--ray", "local")
    assert said.code == 2 and "lathe[ray]" in said.err


@pytest.mark.parametrize("words", [("--seed", "1"), ("--seeds", "2", "--jobs", "2")])
def test_ray_is_for_campaigns(lathe: Callable[..., Any], words: tuple[str, ...]) -> None:
    said = lathe("sim", Path(EXAMPLES) / "rollout", "--ray", "local", *words)
    assert said.code == 2 and "for campaigns" in said.err
