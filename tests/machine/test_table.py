"""Random runs of random apps: the compiled table against the plain walk, and the laws of a step."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lathe.lang.expr import Node
from lathe.lang.model import App
from lathe.machine.evaluate import Frame, evaluate
from lathe.machine.lower import Compiled
from lathe.machine.outcome import Refusal, Step
from lathe.machine.snapshot import Entity, Invocation, MemoryWorld, Phase, Value, Values
from lathe.machine.step import step
from lathe.machine.table import compile_app
from lathe.machine.values import misfit
from lathe.testing import strategies
from lathe.testing._dice import Dice
from lathe.testing._events import random_event

SECOND = 1_000
LONGEST = 40
SEEDS = 150
BATCH = 30
MANY = settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
MAY_BECOME: dict[Phase, set[Phase | None]] = {
    "waiting": {"waiting", "started", None},
    "started": {"started", "stopping", "late", None},
    "stopping": {"stopping", "late", None},
    "late": {"late", None},
    "notice": {"notice", None},
}


def interpreted(node: Node) -> Compiled:
    """An expression that is walked anew each time."""

    def walk(frame: Frame, fields: Values, args: Values) -> Value:
        return evaluate(node, replace(frame, fields=fields, args=args))

    return walk


@MANY
@given(st.data())
def test_the_compiled_table_steps_as_the_plain_walk_does(data: st.DataObject) -> None:
    run(strategies.data_dice(data), data.draw(strategies.apps()), LONGEST // 2)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_the_compiled_table_steps_as_the_plain_walk_does_in_long_runs(first: int) -> None:
    for seed in range(first, first + BATCH):
        app = strategies.app_of_seed(seed)
        try:
            run(Dice(Random(seed).randrange), app, LONGEST)
        except AssertionError as error:
            raise AssertionError(f"in the app of seed {seed}") from error


def run(dice: Dice, app: App, longest: int) -> None:
    """Events met by both tables, and by the laws."""
    compiled, plain = compile_app(app), compile_app(app, lowering=interpreted)
    world = MemoryWorld({}, compiled.ghosts)
    for moment in range(longest):
        event = random_event(dice, app, world, (moment + 1) * SECOND)
        copy = deepcopy(world)
        outcome = step(compiled, world, event)
        assert outcome == step(plain, world, event)
        assert world == copy, "a step changes nothing by itself"
        if isinstance(outcome, Step):
            after = world.after(outcome.written, outcome.ghosts)
            check_laws(app, world, outcome, after)
            world = after


def check_laws(app: App, before: MemoryWorld, taken: Step, after: MemoryWorld) -> None:
    """What is so of every step, whatever the app."""
    who = [part.entity for part in taken.parts]
    assert len(set(who)) == len(who), "each entity takes part once"
    for part in taken.parts:
        assert part.before == before.get(part.entity)
        assert part.after == after.get(part.entity)
    for entity in after:
        old = before.get(entity.id)
        assert entity is old or entity.id in taken.written
        _check_entity(app, entity)
        if old is not None:
            _check_change(app, old, entity, acted=entity.id in who)
    _check_unique(app, after)
    for name, ghost in app.ghosts.items():
        assert misfit(ghost.type, after.ghosts[name]) is None, name
    assert {name for name, _ in taken.requested} <= set(who)


def _check_entity(app: App, entity: Entity) -> None:
    blueprint = app.blueprints[entity.blueprint]
    for name, field in blueprint.fields.items():
        assert misfit(field.type, entity.fields[name]) is None
    for name, ghost in blueprint.ghosts.items():
        assert misfit(ghost.type, entity.ghosts[name]) is None
    running = [i for i in entity.invocations if i.phase in ("started", "stopping")]
    assert len(running) <= 1, "one at a time"
    flying = [i for i in entity.invocations if i.phase in ("waiting", "started")]
    assert len({i.effect for i in flying}) == len(flying), "an effect is in flight once in a visit"
    assert all(i.visit == entity.visit for i in flying), "nothing outlives its visit"
    lasting = [i.effect for i in entity.invocations if i.phase == "late"]
    assert len(set(lasting)) == len(lasting)
    if blueprint.states[entity.state].final:
        assert not flying
    for other in entity.invocations:
        assert (other.phase == "notice") is blueprint.effects[other.effect].is_notice


def _check_change(app: App, old: Entity, entity: Entity, *, acted: bool) -> None:
    assert not app.blueprints[old.blueprint].states[old.state].final or entity.state == old.state
    assert entity.visit in (old.visit, old.visit + 1)
    assert entity.version == old.version + acted
    assert acted or (entity.fields, entity.state, entity.visit) == (old.fields, old.state, old.visit)
    is_same_visit = entity.visit == old.visit
    assert not is_same_visit or entity.state == old.state, "another state is another visit"
    now = {i.number: i for i in entity.invocations}
    for invocation in old.invocations:
        _check_invocation(invocation, now.get(invocation.number))
    for number, invocation in now.items():
        if number > old.invoked:
            assert invocation.phase in ("waiting", "notice")
        else:
            assert any(i.number == number for i in old.invocations), "what has ended has ended"
    assert entity.invoked >= old.invoked


def _check_invocation(old: Invocation, now: Invocation | None) -> None:
    assert (now.phase if now is not None else None) in MAY_BECOME[old.phase]
    if now is not None:
        assert replace(now, phase=old.phase, executed=old.executed) == old, (
            "it remembers what it was asked with"
        )
        assert now.executed or not old.executed


def _check_unique(app: App, world: MemoryWorld) -> None:
    for blueprint in app.blueprints.values():
        for unique in blueprint.unique.values():
            entities = [e for e in world if e.blueprint == blueprint.name]
            claims = [
                tuple(e.fields[f] for f in unique.fields)
                for e in entities
                if not unique.in_states or e.state in unique.in_states
            ]
            claims = [c for c in claims if None not in c]
            assert len(set(claims)) == len(claims), unique.name


@MANY
@given(st.data())
def test_nothing_of_a_refusal_depends_on_how_often_it_is_asked(data: st.DataObject) -> None:
    app = data.draw(strategies.apps())
    world = data.draw(strategies.worlds(app))
    table = compile_app(app)
    dice = strategies.data_dice(data)
    for _ in range(5):
        event = random_event(dice, app, world, SECOND)
        outcome = step(table, world, event)
        if isinstance(outcome, Refusal):
            assert step(table, world, event) == outcome
            assert str(outcome)
