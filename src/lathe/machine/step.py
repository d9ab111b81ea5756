"""The step function: an event applied to a world, all of it or, if refused, none.

`step` is the one semantics. It answers with a `Step` (all that changed, nothing of it written yet)
or a `Refusal` (and the world is as it was). The checker lowers the same rules to packed integers and
is held to this by tests; every counterexample is run through here before it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lathe.frozen import evolve
from lathe.lang.adapters import REFUSED
from lathe.lang.model import Action, Principal
from lathe.machine.compose import Draft, Refused, Take, take_all
from lathe.machine.event import (
    Act,
    Caller,
    Create,
    Delivers,
    Ends,
    Event,
    Executes,
    LateExecution,
    Notifies,
    Starts,
    Stops,
    TimerFires,
)
from lathe.machine.outcome import Refusal, Step
from lathe.machine.snapshot import Entity, Invocation, Value, World
from lathe.machine.table import EffectRule, Table

Permit = Callable[[Action, Entity, Caller, Mapping[str, Value]], bool]


def admitted(action: Action, entity: Entity, caller: Caller, args: Mapping[str, Value]) -> bool:
    """Whether the action's own `by` and wiring let the caller take it: the default `permit`."""
    for principal in action.admits:  # noqa: SIM110  on the hot path; a generator costs as much as the rest
        if matches(principal, caller):
            return True
    return False


def matches(principal: Principal, caller: Caller) -> bool:
    """Whether a caller is one of those that a principal in `by` stands for."""
    if principal.kind == "any":
        return caller.kind == "role"
    if principal.kind != caller.kind:
        return False
    if principal.kind == "role":
        return principal.name in caller.roles
    return principal.name == caller.name


def step(table: Table, world: World, event: Event, *, permit: Permit = admitted) -> Step | Refusal:
    """Apply `event` to `world`: a whole step, or a refusal that changes nothing."""
    draft = Draft(table, world, permit, event.now)
    try:
        _RULES[type(event)](draft, event)
        return draft.finish(event)
    except Refused as refused:
        return refused.refusal


def _create(draft: Draft, event: Create) -> None:
    fresh = draft.fresh(event.blueprint, event.id)
    draft.introduce(fresh)
    take_all(draft, Take(fresh, "create", event.args, event.by, is_new=True))


def _act(draft: Draft, event: Act) -> None:
    entity = draft.entity(event.entity)
    if event.by.kind == "effect":
        _require_progress(draft, entity, event)
    rules = draft.table.blueprints[entity.blueprint].rules
    rule = rules.get(event.action)
    if rule is not None and rule.action.fenced and event.by.kind == "role" and event.visit != entity.visit:
        raise draft.refused("stale", entity, event.action)
    take_all(draft, Take(entity, event.action, event.args, event.by))


def _require_progress(draft: Draft, entity: Entity, event: Act) -> None:
    """An effect's progress needs a started invocation of this visit, and is never its own `ok` or `error`."""
    active = entity.active
    if active is None or active.phase != "started" or active.effect != event.by.name:
        raise draft.refused("stale", entity, event.action)
    effect = draft.effect(entity, active.effect).effect
    if event.action in (effect.ok, effect.error):
        raise draft.refused("denied", entity, event.action)


def _timer(draft: Draft, event: TimerFires) -> None:
    entity = draft.entity(event.entity)
    blueprint = draft.table.blueprints[entity.blueprint].blueprint
    if event.deadline is None:
        action = blueprint.states[entity.state].then
        if action is None:
            raise draft.refused("stale", entity, None)
        take_all(draft, Take(entity, action, {}, Caller("timer")))
        return
    deadline = blueprint.timers[event.deadline]
    if entity.fields[deadline.at] is None:
        raise draft.refused("stale", entity, deadline.then)
    cleared = evolve(entity, fields={**entity.fields, deadline.at: None})
    draft.replace(cleared)
    take_all(draft, Take(cleared, deadline.then, {}, Caller("timer")))


def _starts(draft: Draft, event: Starts) -> None:
    entity, head = _head(draft, event.entity)
    if draft.effect(entity, head.effect).target is not None:
        raise draft.refused("stale", entity, None)
    draft.write(_with(entity, evolve(head, phase="started")))


def _executes(draft: Draft, event: Executes) -> None:
    entity = draft.entity(event.entity)
    active = entity.active
    if active is None:
        raise draft.refused("stale", entity, None)
    rule = draft.effect(entity, active.effect)
    draft.execute(entity, rule, active, is_repeat=active.executed)
    draft.write(_with(draft.current(entity), evolve(active, executed=True)))


def _ends(draft: Draft, event: Ends) -> None:
    entity = draft.entity(event.entity)
    active = entity.active
    if active is None or active.phase != "started":
        raise draft.refused("stale", entity, None)
    rule = draft.effect(entity, active.effect)
    if event.ok and rule.world and not active.executed:
        raise draft.refused("stale", entity, None)
    rest = _without(entity, active)
    if not event.ok:
        rest = _with_late(rest, rule, active)
    draft.replace(rest)
    results = event.results if event.ok else {"cause": event.cause, "message": event.message}
    _take_end(draft, rest, rule, results, is_ok=event.ok)


def _take_end(
    draft: Draft, entity: Entity, rule: EffectRule, results: Mapping[str, Value], *, is_ok: bool
) -> None:
    """Take the action that an end calls back. A refused `ok` becomes `error`; without either, the invocation
    just ends.
    """
    effect, caller = rule.effect, Caller("effect", rule.effect.name)
    if is_ok:
        if effect.ok is None:
            draft.write(entity)
            return
        try:
            take_all(draft, Take(entity, effect.ok, draft.offered(entity, effect.ok, results), caller))
            return
        except Refused:
            draft.reset()
            draft.replace(entity)
        results = {"cause": "refused", "message": REFUSED}
    if effect.error is None:
        raise draft.refused("lost", entity, None)
    take_all(draft, Take(entity, effect.error, draft.offered(entity, effect.error, results), caller))


def _stops(draft: Draft, event: Stops) -> None:
    entity = draft.entity(event.entity)
    active = entity.active
    if active is None or active.phase != "stopping":
        raise draft.refused("stale", entity, None)
    rule = draft.effect(entity, active.effect)
    draft.write(_with_late(_without(entity, active), rule, active))


def _late(draft: Draft, event: LateExecution) -> None:
    entity = draft.entity(event.entity)
    found = _first(entity, event.effect, "late")
    if found is None:
        raise draft.refused("stale", entity, None)
    draft.execute(entity, draft.effect(entity, event.effect), found, is_repeat=False)
    draft.write(_without(draft.current(entity), found))


def _notifies(draft: Draft, event: Notifies) -> None:
    entity = draft.entity(event.entity)
    found = _first(entity, event.effect, "notice", event.number)
    if found is None:
        raise draft.refused("stale", entity, None)
    rule = draft.effect(entity, event.effect)
    if rule.target is not None:
        _deliver_notice(draft, entity, rule, found, event)
        return
    draft.execute(entity, rule, found, is_repeat=False)
    current = draft.current(entity)
    is_over = rule.effect.idempotent or not event.again
    draft.write(_without(current, found) if is_over else current)


def _deliver_notice(
    draft: Draft, entity: Entity, rule: EffectRule, notice: Invocation, event: Notifies
) -> None:
    """Deliver a call without callbacks: its target takes it, or refuses and nothing else happens."""
    rest = _without(entity, notice)
    draft.replace(rest)
    try:
        made = _targets(draft, rule, notice, event)
        if all(take.entity.id != rest.id for take in made):
            draft.write(rest)
        take_all(draft, *made)
    except Refused:
        draft.reset()
        draft.write(rest)


def _delivers(draft: Draft, event: Delivers) -> None:
    entity, head = _head(draft, event.entity)
    rule = draft.effect(entity, head.effect)
    target = rule.target
    if target is None:
        raise draft.refused("stale", entity, None)
    rest = _without(entity, head)
    draft.replace(rest)
    try:
        made = _targets(draft, rule, head, event)
        takes = list(made)
        if rule.effect.ok is not None:
            results: dict[str, Value] = (
                {"made": made[0].entity.id} if target.action == "create" and target.each is None else {}
            )
            args = draft.offered(rest, rule.effect.ok, results)
            takes.insert(0, Take(rest, rule.effect.ok, args, Caller("effect", rule.effect.name)))
        else:
            draft.write(rest)
        take_all(draft, *takes)
    except Refused:
        draft.reset()
        draft.replace(rest)
        if rule.effect.error is None:
            raise draft.refused("lost", entity, None) from None
        bad: dict[str, Value] = {"cause": "refused", "message": REFUSED}
        args = draft.offered(rest, rule.effect.error, bad)
        take_all(draft, Take(rest, rule.effect.error, args, Caller("effect", rule.effect.name)))


def _targets(draft: Draft, rule: EffectRule, head: Invocation, event: Delivers | Notifies) -> list[Take]:
    """The actions of a delivery's target; an unset target refuses."""
    target = rule.target
    assert target is not None, "only calls and creations are delivered"
    caller = Caller("entity", draft.entity(event.entity).blueprint)
    found: list[Take] = []
    for index, delivery in enumerate(head.deliveries):
        if target.action == "create":
            fresh = draft.fresh(target.blueprint, event.new_ids[index])
            draft.introduce(fresh)
            found.append(Take(fresh, "create", delivery.args, caller, is_new=True))
        elif delivery.entity is None:
            raise draft.refused("missing", draft.entity(event.entity), target.action)
        else:
            found.append(Take(draft.entity(delivery.entity), target.action, delivery.args, caller))
    return found


def _head(draft: Draft, entity_id: str) -> tuple[Entity, Invocation]:
    entity = draft.entity(entity_id)
    head = entity.head
    if head is None:
        raise draft.refused("stale", entity, None)
    return entity, head


def _first(entity: Entity, effect: str, phase: str, number: int | None = None) -> Invocation | None:
    found = (i for i in entity.invocations if i.effect == effect and i.phase == phase)
    return next((i for i in found if number in (None, i.number)), None)


def _with(entity: Entity, changed: Invocation) -> Entity:
    """The entity with the invocation of that number replaced."""
    listed = tuple(changed if i.number == changed.number else i for i in entity.invocations)
    return evolve(entity, invocations=listed)


def _without(entity: Entity, gone: Invocation) -> Entity:
    return evolve(entity, invocations=tuple(i for i in entity.invocations if i.number != gone.number))


def _with_late(entity: Entity, rule: EffectRule, over: Invocation) -> Entity:
    """Keep at most one possible late execution of each effect after a bad end or cancellation."""
    may_repeat = not (rule.effect.idempotent and over.executed)
    if not rule.effect.late or not rule.world or not may_repeat:
        return entity
    others = tuple(i for i in entity.invocations if (i.effect, i.phase) != (over.effect, "late"))
    return evolve(entity, invocations=(*others, evolve(over, phase="late")))


_RULES: dict[type, Callable[..., None]] = {
    Create: _create,
    Act: _act,
    TimerFires: _timer,
    Starts: _starts,
    Executes: _executes,
    Ends: _ends,
    Stops: _stops,
    LateExecution: _late,
    Notifies: _notifies,
    Delivers: _delivers,
}
