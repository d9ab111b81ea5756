"""The result of an invocation from the outbox, as events for the machine and as data for the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from lathe.effect.base import Ending
from lathe.effect.render import MARK
from lathe.lang.model import Effect, Json
from lathe.machine.event import Ends, Event, Notifies
from lathe.machine.outcome import Refusal
from lathe.machine.snapshot import Value
from lathe.runtime import telemetry
from lathe.runtime.catalog import Live
from lathe.runtime.plan import Held
from lathe.runtime.values import value_of
from lathe.store.records import Outgoing

Key = tuple[str, str, str, int]
"""Tenant, app, entity, number."""

WHY_CHARACTERS_LIMIT = 300
"""Length of a bad end's reason in the journal."""
_MARK = f'"{MARK}"'.encode()


def is_open(outgoing: Outgoing) -> bool:
    """Whether its stored request has late placeholders to fill in."""
    return _MARK in outgoing.request


def notifies(outgoing: Outgoing, new_ids: Sequence[str]) -> Callable[[int], Event]:
    """The event of a notice; `new_ids` are read when it is made."""

    def notifies(now: int) -> Event:
        return Notifies(outgoing.entity, outgoing.effect, now, tuple(new_ids), number=outgoing.number)

    return notifies


def told_of(
    effect: Effect, ending: Ending, request: Mapping[str, Json], *, tried: int = 0
) -> Mapping[str, object]:
    """What the journal records of a notice's end; `tried`: how often it failed before."""
    told = {"ok": ending.ok, **beside(ending, tried=tried)}
    return {**told, "emitted": request} if effect.uses == "emit" else told


def is_there(outgoing: Outgoing, live: Live, held: Held | None) -> Refusal | None:
    """A precondition that the invocation is still open: the event applies to whichever is next, which may be
    another.
    """
    mine = [i for i in held.entity.invocations if i.number == outgoing.number] if held is not None else []
    return None if mine and mine[0].phase != "late" else Refusal("stale", outgoing.entity, None)


def request_of(outgoing: Outgoing) -> dict[str, Json]:
    """The stored settings, without the trace context."""
    request: dict[str, Json] = msgspec.json.decode(outgoing.request)
    request.pop(telemetry.KEPT, None)
    return request


def key_of(outgoing: Outgoing) -> Key:
    """The invocation's key."""
    return outgoing.tenant, outgoing.app, outgoing.entity, outgoing.number


def results_of(live: Live, outgoing: Outgoing, found: Mapping[str, Json]) -> dict[str, Value]:
    """The adapter's results as values of the arguments that take them. Raises `InvalidValueError`.

    Nobody takes them if the current version has let go of the effect: then its visit is over.
    """
    table = live.table.blueprints.get(outgoing.blueprint)
    rule = table.effects.get(outgoing.effect) if table else None
    if table is None or rule is None or rule.effect.ok is None:
        return {}
    wanted = table.rules[rule.effect.ok].action.arguments
    return {name: value_of(name, wanted[name].type, data) for name, data in found.items() if name in wanted}


def why_of(ending: Ending, *, tried: int) -> str:
    """Why it failed, for the operator's log: with the place, and the number of tries."""
    said = f"{ending.cause}: {ending.log}{_attempts(tried)}" if ending.log else ending.cause
    return f"{said} ({ending.place})" if ending.place else said


def _attempts(tried: int) -> str:
    return f", after {tried + 1} attempts" if tried else ""


def beside(ending: Ending, *, tried: int) -> Mapping[str, object]:
    """What the journal records of an end besides its outcome: the usage, and the reason in our own words.

    Not the message: it may hold whatever the other side says, and goes to the action that takes it.
    """
    told: dict[str, object] = {"spent": dict(ending.spent)} if ending.spent else {}
    if ending.ok or not ending.log:
        return told
    return {**told, "why": ending.log[:WHY_CHARACTERS_LIMIT] + _attempts(tried)}


def ends_well(entity: str, results: Mapping[str, Value], now: int) -> Event:
    """The event of a good end."""
    return Ends(entity, True, now, results)


def ends_badly(entity: str, ending: Ending, now: int) -> Event:
    """The event of a bad one."""
    return Ends(entity, False, now, {}, ending.cause, ending.message)
