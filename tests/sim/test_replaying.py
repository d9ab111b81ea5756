"""A trace taken again by the runtime goes as it goes on the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.runtime.harness import EXAMPLES
from tests.runtime.test_journal_trace import journals, versions

from lathe.gate import Options, check_files
from lathe.machine.gauge import verdicts
from lathe.machine.replay import parting, replay
from lathe.machine.trace import Trace
from lathe.runtime.journal_trace import retell
from lathe.sim.prepared import Loaded, load
from lathe.sim.replaying import UnplayableError, replay_by_runtime

APPS = ("rollout", "order", "lease_queue", "saga", "wallet", "approval", "subscription", "expense")


@pytest.mark.parametrize("name", APPS)
def test_what_happened_in_a_simulated_world_goes_again_by_the_runtime(name: str) -> None:
    app, gathered = journals(name, 3, without=frozenset({"swap"}))
    for steps in gathered[:4]:
        trace = retell(versions(app), steps).trace
        again = replay_by_runtime(app.first, trace)
        assert [said for one in again if (said := parting(one.recorded, one.actual))] == []


def counterexamples() -> Iterator[tuple[Path, Loaded, Trace]]:
    for name in ("rollout/broken/drain_too_early", "order/broken", "lease_queue/broken", "wallet/broken"):
        for folder in sorted({path.parent for path in (EXAMPLES / name).rglob("app.toml")})[:3]:
            files = {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".toml", ".cedar")}
            report = check_files(files, Options(level=2)).report
            for found in report.findings:
                if found.trace is not None and found.trace.loop_from is None:
                    yield folder, load(files), found.trace


def test_a_counterexample_of_the_verifier_breaks_the_same_by_the_runtime() -> None:
    played = 0
    for folder, loaded, trace in counterexamples():
        model, runtime = replay(loaded.app, trace, loaded.permit), replay_by_runtime(loaded, trace)
        assert [one.actual for one in runtime] == [one.actual for one in model], folder
        assert verdicts(runtime) == verdicts(model)
        played += 1
    assert played >= 5


def test_another_version_takes_over_by_a_swap() -> None:
    swapped = 0
    for seed in range(8):
        app, gathered = journals("lease_queue", seed, without=frozenset())
        for steps in gathered:
            if len({entry.digest for group in steps for entry in group}) != 2:
                continue
            told = retell(versions(app), steps)
            if len(told.versions) != 2 or told.trace.steps[0].event == "given":
                continue  # they took over from each other more than once
            first, last = (app.by_digest(digest) for digest in told.versions)
            again = replay_by_runtime(last, told.trace, first)
            assert [said for one in again if (said := parting(one.recorded, one.actual))] == []
            swapped += 1
            alone = replay_by_runtime(last, told.trace)
            assert any("not at hand" in (one.actual.refused or "") for one in alone)
    assert swapped


def test_a_trace_from_the_middle_is_for_the_model() -> None:
    app, gathered = journals("lease_queue", 4, without=frozenset({"swap"}))
    told = [retell(versions(app), steps, since_ms=steps[-1][0].at_ms) for steps in gathered]
    middle = next(one.trace for one in told if one.trace.steps[0].event == "given")
    with pytest.raises(UnplayableError, match="begins in the middle"):
        replay_by_runtime(app.first, middle)
