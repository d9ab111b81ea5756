"""What a refusal is answered with: as much of why as whoever asked may know of the entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lathe.api.access.denials import completed, explained
from lathe.api.access.visibility import may_read
from lathe.api.entities.guards import false_conjunct, false_part, unborn
from lathe.api.entities.request import EntityRequest, body_of
from lathe.api.wire.problem import Problem, besides, refused, why
from lathe.api.wire.validation import arguments_help, none_of
from lathe.govern.principal import READ
from lathe.lang.model import Action
from lathe.machine.outcome import Refusal
from lathe.machine.snapshot import Entity, Value
from lathe.machine.step import admitted
from lathe.machine.table import BlueprintTable
from lathe.runtime.cache import Cache
from lathe.runtime.catalog import Live
from lathe.runtime.engine import Refused
from lathe.runtime.plan import Held
from lathe.runtime.values import arguments

PRECONDITION = "precondition"
"""The detail of a refusal because the entity is not of the version that was named."""


def no_entity(table: BlueprintTable) -> Problem:
    """The problem of an entity that is not there, for all that the caller may know."""
    return Problem("LR404.entity", f"there is no `{table.blueprint.name}` of this id")


def no_collection(live: Live, plural: str) -> Problem:
    """The problem of a collection that is not there, with those that are."""
    there = [table.blueprint.plural for table in live.table.blueprints.values()]
    said = f"`{live.app.name}` has no `{plural[:80]}`"
    return Problem("LR404.route", said, help=none_of(plural, there, what="its collections are"))


def no_action(table: BlueprintTable, name: str) -> Problem:
    """The problem of an action that is not there, with those that are."""
    there = none_of(name, table.rules, what="its actions are")
    return Problem(
        "LR404.action",
        f"`{table.blueprint.name}` has no action `{name[:80]}`",
        help=f"{there}; `create` makes a new entity, the others need the id of one",
    )


def problem_of(cache: Cache, result: Refused, asked: EntityRequest) -> Problem:
    """The problem that a refusal is answered with.

    An entity that the caller neither may read nor may take the action on is not there. Who may take the
    action alone is told that it is refused, and nothing that the entity holds.
    """
    refusal, held, live = result.refusal, result.entity, result.live
    asked_of = live.by_plural(asked.plural)
    table = live.table.blueprints.get(held.entity.blueprint) if held else None
    sees = held is not None and table is not None and _sees(live, table, held, asked)
    if asked.entity and asked_of is not None:
        is_there = held is not None and table is asked_of
        if held is None or not is_there or not (sees or _knows(live, asked_of, held, asked)):
            return no_entity(asked_of)
    gone = _gone(refusal, held, asked, table, sees=sees)
    if gone is not None:
        return gone
    if refusal.reason == "missing" and not asked.entity:
        return Problem("LR422.type", refusal.detail or "it refers to an entity that does not exist")
    problem = refused(refusal, state=held.entity.state if held and sees else None, about=asked.entity)
    is_new = not asked.entity and refusal.action in ("create", None)
    if is_new or (asked.entity and not sees):
        problem.more.pop("entity", None)  # it was never made, or stands in a field that is not read
    elif refusal.entity not in (None, asked.entity) and not refusal.detail:
        problem.detail = besides(live.table, refusal)
    meant = _meant(result, asked)
    if meant is not None:
        _tell(problem, cache, result, asked, meant, sees=sees)
    return problem


def _sees(live: Live, table: BlueprintTable, held: Held, asked: EntityRequest) -> bool:
    """Whether who asks could get the entity."""
    principal = asked.principal
    sees = principal.takes(table.blueprint.name, READ) and principal.sees(live.app.name, held.entity.id)
    return sees and may_read(live, table, held, principal.caller(live.app))


def _knows(live: Live, table: BlueprintTable, held: Held, asked: EntityRequest) -> bool:
    """Whether who asks may know that an entity is there, without getting it: the action is open to them on
    it, or it is the one whose effect they are the other side of.
    """
    if asked.principal.grant is not None:
        return asked.principal.sees(live.app.name, held.entity.id)
    rule = table.rules.get(asked.action)
    if rule is None:
        return False
    args = completed(rule.action, arguments(rule.action.arguments, body_of(asked.body)))
    return live.permit(rule.action, held.entity, asked.principal.caller(live.app), args)


def _gone(
    refusal: Refusal, held: Held | None, asked: EntityRequest, table: BlueprintTable | None, *, sees: bool
) -> Problem | None:
    """The problem of a version or visit that is over; None if it is another's."""
    if held is None:
        return None
    if refusal.detail == PRECONDITION:
        problem = Problem("LR412.version", "the entity has changed")
        return _with(problem, "version", held.entity.version, sees=sees)
    rule = table.rules.get(asked.action) if table is not None else None
    if refusal.reason != "stale" or rule is None or refusal.entity != asked.entity:
        return None
    is_fenced = rule.action.fenced and asked.if_visit is None and asked.principal.grant is None
    if not is_fenced and asked.if_visit is None:
        return None
    problem = Problem("LR428.visit" if is_fenced else "LR412.visit")
    return _with(problem, "visit", held.entity.visit, sees=sees)


def _with(problem: Problem, name: str, value: int, *, sees: bool) -> Problem:
    if sees:
        problem.more[name] = value
    return problem


def _meant(result: Refused, asked: EntityRequest) -> Action | None:
    """The action that was asked for, if it was refused there, and not at one taken with it."""
    table = result.live.by_plural(asked.plural)
    rule = table.rules.get(asked.action) if table is not None else None
    is_its = result.refusal.action == asked.action and asked.entity in ("", result.refusal.entity)
    return rule.action if rule is not None and is_its else None


def _tell(
    problem: Problem, cache: Cache, result: Refused, asked: EntityRequest, action: Action, *, sees: bool
) -> None:
    """Say why the action that was asked for was refused: of an entity only to whoever sees it."""
    refusal, live = result.refusal, result.live
    if refusal.reason == "type":
        problem.more["help"] = arguments_help(action)
    if refusal.reason == "denied" and not refusal.detail:
        args = arguments(action.arguments, body_of(asked.body))
        caller, table = asked.principal.caller(live.app), live.by_plural(asked.plural)
        assert table is not None, "an action is meant"
        what = table.blueprint.name, action
        problem.more.update(explained(live, what, caller, args, result.entity, sees=sees))
    if refusal.reason == "guard" and action.when is not None:
        problem.more["guard"] = action.when.text
        if sees or not asked.entity:
            _tell_part(problem, cache, result, asked, action)
    is_ours = refusal.reason == "state" or (refusal.reason == "denied" and live.permit is admitted)
    if is_ours and not refusal.detail and (sees or not asked.entity):
        entity = result.entity.entity if result.entity is not None else None
        problem.detail = why(action, entity, refusal if asked.entity else replace(refusal, entity=None))


def false_condition(cache: Cache, result: Refused, asked: EntityRequest) -> str:
    """Which of the conditions of a guard refused the requested action; empty if none did, or nobody knows."""
    action = _meant(result, asked)
    if action is None or result.refusal.reason != "guard":
        return ""
    return false_conjunct(cache, result.live, action, *_guarded(result, asked, action))


def _tell_part(problem: Problem, cache: Cache, result: Refused, asked: EntityRequest, action: Action) -> None:
    """Which part of the guard is false, with what it reads."""
    part = false_part(cache, result.live, action, *_guarded(result, asked, action))
    if part is not None:
        problem.detail = str(part)
        problem.more |= {"false": part.text, "values": dict(part.values)}


def _guarded(
    result: Refused, asked: EntityRequest, action: Action
) -> tuple[Entity, Mapping[str, Value], str | None]:
    """What a guard was asked of: the entity, or one that is not made yet, the arguments and the actor."""
    live, table = result.live, result.live.by_plural(asked.plural)
    assert table is not None, "an action is meant"
    entity = result.entity.entity if result.entity is not None else unborn(table)
    args = arguments(action.arguments, body_of(asked.body))
    return entity, args, asked.principal.caller(live.app).actor
