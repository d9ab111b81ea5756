"""Continuing a run by hand ("what if"), as JSON: where it leads, what it breaks, what may happen next."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from lathe.check.composed.permit import permit_of
from lathe.lang import digest
from lathe.lang.model import App, Field, Ghost, Json
from lathe.machine import gauge, tracejson
from lathe.machine.fork import Choice, Need, choices, exclusion, held_roles
from lathe.machine.moment import rfc3339
from lathe.machine.replay import STEP_MS, Walk
from lathe.machine.snapshot import Entity, MemoryWorld
from lathe.machine.table import Table
from lathe.machine.trace import Trace
from lathe.machine.trace_start import milliseconds
from lathe.machine.trace_step import disclosed

EVENTS_LIMIT = 4_500
"""Events of a run that is gone on with: one that was told of a journal has up to 4,000."""


def fork(app: App, data: object, at: int, take: Json) -> dict[str, Json]:
    """The first `at` events of a trace and then the steps of `take`, on the model of this app.

    `trace` is the new run, up to the first event that is refused; if there is one, `refused` says which
    (`event`, counted from 1) and why. `entities` and `choices` are of where that leads. Raises
    `UnreadableError` for what is no trace.
    """
    trace = tracejson.from_json(data, file="trace")
    more = tracejson.from_json({**_bare(trace), "steps": take}, file="take")
    steps = (*trace.steps[:at], *more.steps)
    if len(steps) > EVENTS_LIMIT:
        raise gauge.unreadable(
            "LT004", f"a run that is gone on with has at most {EVENTS_LIMIT} events", "trace"
        )
    walk = gauge.walked(app, replace(trace, steps=steps), "trace", permit_of(app))
    refused = _refused(app, walk)
    if refused:
        kept = replace(trace, steps=steps[: int(str(refused["event"])) - 1])
        walk = gauge.walked(app, kept, "trace", permit_of(app))
    new = _new_trace(app, walk)
    last = new.steps[-1].at if new.steps else None
    now = STEP_MS * (len(new.steps) + 1) if last is None else milliseconds(last) + STEP_MS
    found = choices(walk.table, walk.world, permit_of(app), now=now, held=held_roles(new.steps))
    return {
        "digest": digest(app),
        "trace": tracejson.to_json(new),
        "broken": _broken(walk),
        "entities": [_entity(walk.table, one) for one in _sorted(walk.world)],
        "choices": [_choice(one, None if last is None else rfc3339(now)) for one in found],
        **({"refused": refused} if refused else {}),
    }


def _refused(app: App, walk: Walk) -> dict[str, Json]:
    """The first event that is refused, or whose actor cannot be: the verifier gives nobody such roles."""
    held: dict[str, frozenset[str]] = {}
    for number, one in enumerate(walk.steps, 1):
        if one.actual.refused is not None:
            return {"event": number, "why": one.actual.refused}
        for actor, roles in held_roles((one.actual,)).items():
            held[actor] = held.get(actor, frozenset()) | roles
            if both := exclusion(app, held[actor]):
                return {"event": number, "why": f"nobody holds {' and '.join(both)} together"}
    return {}


def _bare(trace: Trace) -> dict[str, Json]:
    return {**tracejson.to_json(replace(trace, steps=(), clauses=(), loop_from=None))}


def _new_trace(app: App, walk: Walk) -> Trace:
    """The run as it went, with the clauses that are false at its end."""
    steps = tuple(one.actual for one in walk.steps)
    broken = walk.steps[-1].broken if walk.steps else ()
    clauses = broken[0].clauses if broken else ()
    return Trace(sha256(repr(steps).encode()).hexdigest()[:12], app.name, digest(app), steps, clauses)


def _broken(walk: Walk) -> Json:
    """Every property that a step of the run breaks, with the event that does."""
    return [
        {
            "event": number,
            "property": one.prop.name,
            "clauses": [{"text": c.text, "values": dict(c.values)} for c in one.clauses],
        }
        for number, step in enumerate(walk.steps, 1)
        for one in step.broken
    ]


def _sorted(world: MemoryWorld) -> list[Entity]:
    return sorted(world, key=lambda entity: entity.id)


def _entity(table: Table, entity: Entity) -> Json:
    blueprint = table.app.blueprints[entity.blueprint]
    holders: dict[str, Field | Ghost] = {**blueprint.fields, **blueprint.ghosts}
    values = {**entity.fields, **entity.ghosts}
    return {
        "id": entity.id,
        "state": entity.state,
        "visit": entity.visit,
        "values": {name: disclosed(holders[name], value) for name, value in values.items()},
        "effects": [{"effect": one.effect, "phase": one.phase} for one in entity.invocations],
    }


def _choice(one: Choice, at: str | None) -> Json:
    """A choice: the step to send as it is, or with other arguments, and what would come of it.

    `at` is its moment, in a run whose steps have theirs.
    """
    return {
        "step": tracejson.step_to_json(replace(one.tried, at=at)),
        "needs": [_need(need) for need in one.needs],
        "breaks": list(one.breaks),
    }


def _need(need: Need) -> Json:
    return {
        "name": need.name,
        "type": str(need.type),
        "kind": need.type.kind,
        "optional": need.is_optional,
        "samples": list(need.samples),
    }
