"""What happened in simulated worlds, told as traces: each goes again as it went, also from the middle."""

from __future__ import annotations

from typing import Any

import pytest
from tests.runtime.harness import TENANT
from tests.sim.test_worlds import prepared

from lathe.machine import gauge, tracejson
from lathe.machine.replay import parting, replay
from lathe.runtime.catalog import permit_of
from lathe.runtime.journal_slice import UntraceableError, gather
from lathe.runtime.journal_trace import BEGUN_LATE, Known, Retold, retell
from lathe.sim.loop import SimLoop, run
from lathe.sim.prepared import Prepared
from lathe.sim.run import setting_of
from lathe.sim.world import World
from lathe.store.records import Entry

EXAMPLES = ("rollout", "order", "lease_queue", "saga", "wallet", "approval", "subscription", "expense")


def journals(name: str, seed: int, *, without: frozenset[str]) -> tuple[Prepared, list[list[list[Entry]]]]:
    """What a simulated world wrote, gathered for each of its entities."""
    app = prepared(name)

    async def main(loop: SimLoop) -> list[list[list[Entry]]]:
        world = World(loop, app, setting_of(seed, "moderate", without=without | {"erase"}))
        await world.run()
        assert world.oracle.found is None, world.oracle.found
        engine = world.processes[0].node.engine
        await engine.catalog.refresh()
        live = engine.catalog.live(TENANT, app.first.app.name)

        async def anybody(entity: str) -> bool:
            return True

        found = []
        for entity in sorted(e.id for e in world.oracle.world):
            found.append(await gather(world.store, engine.catalog, live, entity, anybody))
        return found

    return app, run(main, seed)[0]


def versions(app: Prepared) -> dict[str, Known]:
    return {v.digest: Known(v.digest, v.table, permit_of(v.app)) for v in app.versions}


def again(app: Prepared, told: Retold) -> list[str]:
    """Where the replay of a trace, read back from its JSON, parts from it."""
    trace = tracejson.from_json(tracejson.to_json(told.trace))
    assert trace == told.trace
    known = [app.by_digest(digest) for digest in told.versions]
    before = (known[0].app, permit_of(known[0].app)) if len(known) > 1 else None
    steps = replay(known[-1].app, trace, permit_of(known[-1].app), before=before)
    return [said for step in steps if (said := parting(step.recorded, step.actual))]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_journal_told_as_a_trace_goes_again_as_it_went(name: str) -> None:
    app, gathered = journals(name, 3, without=frozenset({"swap"}))
    assert gathered
    for steps in gathered:
        told = retell(versions(app), steps)
        assert told.trace.length > 0 and told.trace.digest == app.first.digest
        assert again(app, told) == []
        assert all(step.at is not None for step in told.trace.steps)


@pytest.mark.parametrize("name", EXAMPLES)
def test_from_the_middle_it_begins_with_everybody_as_they_were(name: str) -> None:
    app, gathered = journals(name, 4, without=frozenset({"swap"}))
    begun = 0
    for steps in gathered:
        last = steps[-1][0].at_ms
        told = retell(versions(app), steps, since_ms=last)
        assert again(app, told) == []
        if told.trace.steps[0].event == "given":
            begun += 1
            assert told.trace.length < retell(versions(app), steps).trace.length
            kept = gauge.load(gauge.dump(told.trace, "admitted"), "kept.json")
            assert gauge.run(app.first.app, kept.trace, "kept.json", permit_of(app.first.app))
        else:
            assert "in flight" in told.notes[0]
    assert begun or name in ("rollout", "order", "saga"), "some begin in the middle"


def test_what_another_version_took_over_is_told_with_both() -> None:
    swapped = late = 0
    for seed in range(12):
        app, gathered = journals("lease_queue", seed, without=frozenset())
        for steps in gathered:
            try:
                told = retell(versions(app), steps)
            except UntraceableError as error:
                assert "versions took over meanwhile" in str(error)
                continue
            assert again(app, told) == []
            if BEGUN_LATE in told.notes:
                late += 1
                assert told.trace.steps[0].event == "given"
            elif len(told.versions) == 2:
                swapped += 1
                assert sum(step.event == "swap" for step in told.trace.steps) == 1
                assert any("took over" in note for note in told.notes)
    assert swapped and late


@pytest.mark.parametrize("name", EXAMPLES)
def test_from_any_moment_it_goes_again(name: str) -> None:
    app, gathered = journals(name, 5, without=frozenset({"swap"}))
    for steps in gathered[:5]:
        for group in steps:
            told = retell(versions(app), steps, since_ms=group[0].at_ms)
            assert again(app, told) == []


def test_nothing_since_then_is_no_trace() -> None:
    app, gathered = journals("lease_queue", 1, without=frozenset({"swap"}))
    with pytest.raises(UntraceableError, match="nothing has happened since"):
        retell(versions(app), gathered[0], since_ms=gathered[0][-1][0].at_ms + 1)


def test_what_the_machine_does_not_take_again_is_no_trace() -> None:
    app, gathered = journals("lease_queue", 1, without=frozenset({"swap"}))
    steps: list[list[Any]] = [list(group) for group in gathered[0]]
    del steps[1]
    with pytest.raises(UntraceableError, match="cannot be taken again"):
        retell(versions(app), steps)


@pytest.mark.parametrize("what", ["erased", "archived"])
def test_what_is_not_there_any_more_is_said(what: str) -> None:
    app = prepared("saga")

    async def main(loop: SimLoop) -> str:
        world = World(loop, app, setting_of(2, "calm", without=frozenset({"swap", "erase"})))
        await world.run()
        engine = world.processes[0].node.engine
        live = engine.catalog.live(TENANT, app.first.app.name)

        async def anybody(entity: str) -> bool:
            return True

        steps = {}
        for entity in sorted(e.id for e in world.oracle.world):
            steps[entity] = await gather(world.store, engine.catalog, live, entity, anybody)
        first, other = next(
            (name, min(parts - {name}))
            for name, groups in steps.items()
            for group in groups
            if name in (parts := {entry.entity for entry in group}) and len(parts) > 1
        )
        if what == "erased":
            assert await world.store.erase(TENANT, live.app.name, other)
        else:
            world.store._archive([row for row in world.store._entities.values() if row.id == other])
        with pytest.raises(UntraceableError) as refused:
            await gather(world.store, engine.catalog, live, first, anybody)
        return str(refused.value)

    assert what in run(main, 2)[0]
