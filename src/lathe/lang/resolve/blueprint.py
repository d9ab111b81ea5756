"""A blueprint, read whole from its outline."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lathe.errors import Edit
from lathe.lang.model import Action, Blueprint, ReadRule
from lathe.lang.resolve import limits
from lathe.lang.resolve.actions import read_actions, with_wiring
from lathe.lang.resolve.effects import read_effects
from lathe.lang.resolve.faults import quoted
from lathe.lang.resolve.keys import TOP
from lathe.lang.resolve.outline import Outline
from lathe.lang.resolve.principals import read_principals
from lathe.lang.resolve.properties import (
    PropertyNames,
    read_cannot,
    read_eventually,
    read_migration,
    read_properties,
    read_unique,
)
from lathe.lang.resolve.record import Record, open_record
from lathe.lang.resolve.shapes import Key, described
from lathe.lang.resolve.states import read_states, read_time_span
from lathe.lang.resolve.triggers import read_inbounds, read_timers
from lathe.lang.resolve.world import POLICY_SPECIALS, World, read_policy_condition

_PLURAL = r"[a-z][a-z0-9_-]*"
READ = {
    "by": Key("words", "a principal, or a list of principals"),
    "when": Key("text", "an expression in quotes"),
    "doc": Key("text", "a text for people"),
}


def read_blueprint(world: World, outline: Outline) -> Blueprint:
    """Read everything; it is whole only if no fault was found on the way."""
    top = outline.top
    states = read_states(outline)
    actions = with_wiring(read_actions(world, outline), outline)
    effects = read_effects(world, outline, states, actions)
    taken = PropertyNames(world.faults)
    properties = read_properties(world, outline, taken)
    eventually = read_eventually(outline, taken)
    unique = read_unique(outline, taken)
    return Blueprint(
        name=outline.name,
        file=outline.cursor.source.file,
        doc=top.doc(),
        plural=_read_plural(outline),
        read=_read_rule(world, outline, actions),
        retain_ms=read_time_span(top, "retain"),
        states=states,
        fields=outline.fields,
        ghosts=outline.ghosts,
        actions=actions,
        timers=read_timers(outline),
        effects=effects,
        inbound=read_inbounds(outline, unique),
        properties=properties,
        eventually=eventually,
        unique=unique,
        cannot=read_cannot(world, outline, taken, world.known(outline)),
        migrate=read_migration(outline),
        span=top.at("blueprint").span,
    )


def _read_plural(outline: Outline) -> str:
    plural = outline.top.text("plural")
    if plural is None:
        return f"{outline.name.lower()}s"
    cursor = outline.top.at("plural")
    if len(plural) > limits.NAME_LENGTH + 1:
        cursor.report("LT005", f"`plural` has at most {limits.NAME_LENGTH + 1} characters")
    elif re.fullmatch(_PLURAL, plural) is None:
        new = plural.lower().strip("/ ")
        edit = Edit(cursor.span, quoted(new)) if re.fullmatch(_PLURAL, new) else None
        message = f"`{plural}` is no segment of a path: lower case letters, digits, `-` and `_`"
        cursor.report("LT004", message, help=f"write {quoted(new)}" if edit else "", edit=edit)
    return plural


def _read_rule(world: World, outline: Outline, actions: Mapping[str, Action]) -> ReadRule:
    """`read`; without principals, every role with an action here."""
    top = outline.top
    default = tuple(sorted({p for action in actions.values() for p in action.by if p.kind == "role"}))
    record = _read_record(top)
    if record is None:
        return ReadRule(default, None, top.at("blueprint").span)
    key = "by" if record.has("by") else "read"
    by = read_principals(record.words(key), world.known(outline)) if record.has(key) else default
    names = world.names(outline, "`read`", specials=POLICY_SPECIALS)
    when = read_policy_condition(outline, record, names)
    return ReadRule(by, when, top.at("read").key)


def _read_record(top: Record) -> Record | None:
    """`read` as a table; a list of principals is short for its `by`."""
    value = top.get("read")
    if isinstance(value, dict):
        return open_record(top.at("read"), value, "`read`", READ)
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        message = "`read` is one table or a list of principals, not a list with tables"
        cure = (
            '`read = { by = [...], when = "..." }` is for all of them alike; where some see everything and '
            "others their own, list the first and permit the others in a policy (`*.cedar`)"
        )
        top.at("read").report("LT004", message, help=cure)
        return None
    if isinstance(value, str | list):
        return open_record(top.cursor, {"read": value}, "`read`", {"read": READ["by"]})
    if value is not None:
        top.at("read").report("LT004", f"`read` is {TOP['read'].phrase}, not {described(value)}")
    return None
