"""Facts that follow from a blueprint's structure and that several renderings need.

Who may take an action depends on the state: an effect calls back in the visit that asked for it, a
state's timer runs in that state.
"""

from __future__ import annotations

from collections.abc import Mapping

from lathe.frozen import frozen
from lathe.lang.expr import IfElse, Literal
from lathe.lang.model import Action, App, Blueprint, Principal, State


@frozen
class Caller:
    """Another blueprint's action (`also`) or effect (`call`, `create`) that takes an action of this one."""

    blueprint: str
    action: str | None
    effect: str | None


def targets(action: Action) -> tuple[str, ...]:
    """The states it can lead to, as they are first named; empty if it stays where it is."""
    if action.to is not None:
        return (action.to,)
    if action.to_if is None:
        return ()
    found: dict[str, None] = {}
    waiting = [action.to_if.tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, IfElse):
            waiting += [node.otherwise, node.then]
        elif isinstance(node, Literal) and isinstance(node.value, str):
            found[node.value] = None
        else:
            found.update(dict.fromkeys(node.type.members))
    return tuple(found)


def entered_by(blueprint: Blueprint, action: Action) -> tuple[str, ...]:
    """The states in which a visit may begin by it."""
    return (blueprint.initial,) if action.name == "create" else targets(action)


def in_flight(blueprint: Blueprint) -> Mapping[str, frozenset[str]]:
    """By state, the effects that a visit there may have asked for; notices, of no visit, everywhere."""
    notices = {e.name for e in blueprint.effects.values() if e.is_notice}
    found = {s.name: {*s.run, *notices} for s in blueprint.states.values()}
    for action in blueprint.actions.values():
        for state in entered_by(blueprint, action) or action.from_states:
            found[state] |= set(action.run)
    return {state: frozenset(effects) for state, effects in found.items()}


def takers(
    blueprint: Blueprint, action: Action, state: str | None, flight: Mapping[str, frozenset[str]]
) -> tuple[Principal, ...]:
    """Who may take the action in this state, given what is in flight there; as written, then as wired."""
    flying = flight[state] if state is not None else frozenset[str]()
    ordered = dict.fromkeys((*action.by, *action.admits))
    return tuple(p for p in ordered if _can_be(blueprint, action, state, p, flying))


def _can_be(
    blueprint: Blueprint, action: Action, state: str | None, who: Principal, flying: frozenset[str]
) -> bool:
    if who.kind == "effect":
        return who.name in flying
    if who.kind == "timer":
        is_own = state is not None and blueprint.states[state].then == action.name
        return is_own or any(d.then == action.name for d in blueprint.timers.values())
    return True


def actions_in(blueprint: Blueprint, state: State) -> tuple[Action, ...]:
    """The actions that are possible in the state, as written."""
    return tuple(a for a in blueprint.actions.values() if state.name in a.from_states)


def callers(app: App) -> Mapping[tuple[str, str], tuple[Caller, ...]]:
    """By blueprint and action: what in other entities takes it."""
    found: dict[tuple[str, str], list[Caller]] = {}
    for blueprint in app.blueprints.values():
        for action in blueprint.actions.values():
            for clause in action.also:
                caller = Caller(blueprint.name, action.name, None)
                found.setdefault((clause.blueprint, clause.action), []).append(caller)
        for effect in blueprint.effects.values():
            if effect.target is not None:
                caller = Caller(blueprint.name, None, effect.name)
                found.setdefault((effect.target.blueprint, effect.target.action), []).append(caller)
    return {key: tuple(dict.fromkeys(who)) for key, who in found.items()}


def readers(blueprint: Blueprint) -> tuple[Principal, ...]:
    """Who may read: as its `read` says, or every role with an action here."""
    if blueprint.read is not None:
        return blueprint.read.by
    roles = (p for action in blueprint.actions.values() for p in action.by if p.kind == "role")
    return tuple(dict.fromkeys(roles))


def blueprints_of(subject: App | Blueprint) -> tuple[Blueprint, ...]:
    """The blueprints of an app, or the blueprint itself."""
    return tuple(subject.blueprints.values()) if isinstance(subject, App) else (subject,)
