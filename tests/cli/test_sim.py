"""`lathe sim`: one seed, campaigns, and going on with one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from lathe.store import accept

from .conftest import Said

Lathe = Callable[..., Said]
EXAMPLE = "examples/lease_queue"


def without_heads(patch: pytest.MonkeyPatch) -> None:
    """A store that does not look who was quicker."""
    real = accept._accept_one

    def careless(write: accept.Write, standing: accept.Standing) -> accept.Answer:
        return real(replace(write, bases=tuple(b for b in write.bases if b[1] == bytes(32))), standing)

    patch.setattr(accept, "_accept_one", careless)


def test_one_seed_says_what_it_went_through(lathe: Lathe) -> None:
    said = lathe("sim", EXAMPLE, "--seed", "3", "--json")
    assert said.code == 0
    data = json.loads(said.out)
    assert (data["ok"], data["seed"], data["mix"]) == (True, 3, "chaos")
    assert data["steps"] > 100
    assert lathe("sim", EXAMPLE, "--seed", "3", "--json").out == said.out
    assert "nothing found" in lathe("sim", EXAMPLE, "--seed", "3").out


def test_a_failure_prints_the_line_that_repeats_it(lathe: Lathe, monkeypatch: pytest.MonkeyPatch) -> None:
    without_heads(monkeypatch)
    said = lathe("sim", EXAMPLE, "--seeds", "40", "--mix", "chaos")
    assert said.code == 1
    repeat = next(line.strip() for line in said.out.splitlines() if line.strip().startswith("lathe sim"))
    again = lathe(*repeat.split()[1:])
    assert again.code == 1
    assert "shrunk to" in again.out
    assert again.out.splitlines()[-1] == f"repeat it: {repeat}"
    data = json.loads(lathe(*repeat.split()[1:], "--json").out)
    assert data["trace"]["format"] == "lathe.trace/1"


def test_a_campaign_is_gone_on_with(lathe: Lathe, tmp_path: Path) -> None:
    kept = tmp_path / "seeds.jsonl"
    options = ("sim", EXAMPLE, "--mix", "calm", "--resume", kept, "--json")
    first = json.loads(lathe(*options, "--seeds", "15").out)
    assert (first["seeds"], len(kept.read_text().splitlines())) == (15, 2)
    kept.write_text(kept.read_text() + "none of ours\n")
    said = lathe(*options, "--seeds", "30")
    assert json.loads(said.out)["seeds"] == 10, "the chunk that was cut short counts as done"
    assert "none of ours" in said.err


def test_processes_share_a_campaign(lathe: Lathe) -> None:
    alone = json.loads(lathe("sim", EXAMPLE, "--seeds", "20", "--mix", "calm", "--json").out)
    both = json.loads(lathe("sim", EXAMPLE, "--seeds", "20", "--mix", "calm", "--jobs", "2", "--json").out)
    for what in ("seeds", "steps", "committed", "faults", "failures"):
        assert alone[what] == both[what]


def test_it_stops_when_its_time_is_up(lathe: Lathe) -> None:
    said = lathe("sim", EXAMPLE, "--for", "100ms", "--json")
    assert said.code == 0
    assert json.loads(said.out)["seeds"] >= 10


def test_seeds_and_time_are_two_ways_to_say_it(lathe: Lathe) -> None:
    assert lathe("sim", EXAMPLE, "--seeds", "2", "--for", "1s").code == 2
    assert lathe("sim", "no/such/app").code == 6
