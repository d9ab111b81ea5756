"""A trace in plain English: one sentence a step, in the author's own names."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.lang.model import App, Blueprint, Json, Principal, Value
from lathe.lang.render.escape import code, one_line, shortened
from lathe.lang.render.words import listing, principal, with_article
from lathe.machine.trace import HIDDEN, TracePart, TraceStep

VALUE_MAX = 48
"""A value with more characters is cut; the trace itself has it in full."""

_BETWEEN = {
    "start": "starts",
    "execute": "happens outside",
    "stop": "was told to stop and has stopped",
    "late": "happens after all, when it was already over here",
    "notify": "is sent",
}

Changes = Mapping[str, tuple[Json, Json]]


def sentence(step: TraceStep, app: App) -> str:
    """One step in words, without a capital or a full stop.

    "an operator takes `start` on Rollout#1 with image = x: planned → rolling, attempts 0 → 1"
    """
    first, *others = step.parts
    names = Names(app)
    told = _between(step) if step.event in _BETWEEN else _lead(step, names)
    if step.refused is not None:
        return f"{told}: {one_line(step.refused)}"
    said = [what_changed(first, names), *(_other(part, names) for part in others)]
    said.append(outside(step.world, names.secret(first.entity)))
    changes = "; ".join(text for text in said if text)
    return f"{told}: {changes}" if changes else told


def value(data: Json) -> str:
    """A value as an author would write it, on one line, cut if it is long."""
    match data:
        case None:
            text = "unset"
        case bool():
            text = "true" if data else "false"
        case str():
            text = data if _is_plain(data) else repr(data)
        case list():
            text = "{" + ", ".join(map(value, data)) + "}"
        case dict():
            text = "{" + ", ".join(f"{name} = {value(item)}" for name, item in data.items()) + "}"
        case _:
            text = str(data)
    return shortened(one_line(text), VALUE_MAX)


def _is_plain(text: str) -> bool:
    return bool(text) and all(c.isalnum() or c in "_-#.:" for c in text)


def _name(part: TracePart) -> str:
    return shortened(one_line(part.entity), VALUE_MAX)


def _between(step: TraceStep) -> str:
    """What happened between two steps, or was refused to."""
    refused = ", which is refused" if step.refused is not None else ""
    return f"{code(step.effect or 'effect')} of {_name(step.parts[0])} {_BETWEEN[step.event]}{refused}"


def _lead(step: TraceStep, names: Names) -> str:
    """What happened, up to the colon."""
    part = step.parts[0]
    secrets = names.secret(part.entity)
    effect = code(step.effect or "effect")
    match step.event:
        case "create":
            doing = "tries to create" if step.refused is not None else "creates"
            return f"{caller(step)} {doing} {_name(part)}{given(part.args, secrets)}"
        case "timer" if step.timer is None:
            return f"time is up for {_name(part)}, {_taken(step)}"
        case "timer":
            return f"the deadline {code(step.timer or '')} of {_name(part)} has come, {_taken(step)}"
        case "end":
            return f"{effect} of {_name(part)} ends {how_it_ended(step, secrets)}, {_taken(step)}"
        case "swap":
            doing = "cannot take over" if step.refused is not None else "takes over"
            return f"the new version {doing} {_name(part)}"
        case "given":
            return f"the run begins with {_name(part)} as it was"
        case "deliver":
            return f"{effect} of {_name(part)} arrives, {_taken(step)}"
        case _:
            doing = "tries" if step.refused is not None else "takes"
            what = f"{code(part.action or '')} on {_name(part)}"
            return f"{caller(step)} {doing} {what}{given(part.args, secrets)}"


def _taken(step: TraceStep) -> str:
    """What comes of a timer, an end or a delivery."""
    action = step.parts[0].action
    if step.refused is not None:
        lost = "and that end is lost" if step.event == "end" else "but that is refused"
        return f"but {code(action)} is refused" if action else lost
    return f"so {code(action)} is taken" if action else "and nothing is taken"


def how_it_ended(step: TraceStep, secrets: frozenset[str]) -> str:
    """`well` or `badly`, with the cause and the results."""
    details = [step.cause] if step.cause else []
    details += pairs(step.results, secrets)
    return ("well" if step.ok else "badly") + (f" ({', '.join(details)})" if details else "")


def caller(step: TraceStep) -> str:
    """The caller: "an operator", "somebody who is a clerk and a manager", "the event `paid`"."""
    kind, _, name = step.by.partition(":")
    match kind:
        case "role":
            roles = [with_article(role) for role in name.split("+") if role]
            who = f"somebody who is {listing(roles)}" if len(roles) > 1 else "".join(roles) or "somebody"
        case "effect":
            who = code(name)
        case "entity" | "inbound":
            who = principal(Principal(kind, name))
        case _:
            who = "a timer" if kind == "timer" else "somebody"
    return f"{who} ({value(step.actor)})" if step.actor is not None else who


def given(args: Mapping[str, Json], secrets: frozenset[str]) -> str:
    """The arguments that were given: " with image = x"."""
    shown = pairs(args, secrets)
    return f" with {', '.join(shown)}" if shown else ""


def pairs(values: Mapping[str, Json], secrets: frozenset[str]) -> list[str]:
    """Names with their values; what is unset is left out, what is secret is hidden."""
    present = ((name, data) for name, data in values.items() if data is not None)
    return [f"{name} = {HIDDEN if name in secrets else value(data)}" for name, data in present]


def what_changed(part: TracePart, names: Names) -> str:
    """What changed, but for arguments that were only stored, and defaults of a new entity."""
    secrets = names.secret(part.entity)
    is_new = part.changes.get("state", ("", ""))[0] is None
    defaults = names.defaults(part.entity) if is_new else {}
    return ", ".join(
        _change(name, before, after, is_secret=name in secrets)
        for name, (before, after) in part.changes.items()
        if before != after
        and not (before is None and part.args.get(name) == after)
        and not (name in defaults and defaults[name] == after)
    )


def _change(name: str, before: Json, after: Json, *, is_secret: bool) -> str:
    old, new = (HIDDEN, HIDDEN) if is_secret else (value(before), value(after))
    if before is None:
        return f"in {new}" if name == "state" else f"{name} = {new}"
    return f"{old} → {new}" if name == "state" else f"{name} {old} → {new}"


def _other(part: TracePart, names: Names) -> str:
    """Somebody who took part in the step, or only saw it."""
    what = what_changed(part, names)
    if part.action is None:
        return f"{_name(part)} {what}" if what else ""
    args = given(part.args, names.secret(part.entity))
    done = f"{_name(part)} is created" if part.action == "create" else f"{code(part.action)} on {_name(part)}"
    return f"with it {done}{args}" + (f", {what}" if what else "")


def outside(world: Changes, secrets: frozenset[str]) -> str:
    """What changed in the ghosts of the app."""
    changed = (_change(n, *pair, is_secret=n in secrets) for n, pair in world.items() if pair[0] != pair[1])
    return ", ".join(changed)


class Names:
    """What the app says about the names in a trace: which values are secret, which are defaults."""

    def __init__(self, app: App | None) -> None:
        self.app = app

    def secret(self, entity: str) -> frozenset[str]:
        """Names whose values are secret in this entity's blueprint; if that is unknown, in any."""
        if self.app is None:
            return frozenset()
        own = self._blueprint(entity)
        groups = [own] if own is not None else list(self.app.blueprints.values())
        return frozenset(name for blueprint in groups for name in _secrets_of(blueprint))

    def defaults(self, entity: str) -> Mapping[str, Json]:
        """What fields and ghosts of a new entity are without being told."""
        own = self._blueprint(entity)
        if own is None:
            return {}
        fields = {name: _json(field.default) for name, field in own.fields.items()}
        return fields | {name: _json(ghost.default) for name, ghost in own.ghosts.items()}

    def _blueprint(self, entity: str) -> Blueprint | None:
        return self.app.blueprints.get(entity.partition("#")[0]) if self.app is not None else None


def _json(data: Value) -> Json:
    return [_json(item) for item in data] if isinstance(data, tuple) else data


def _secrets_of(blueprint: Blueprint) -> set[str]:
    arguments = (a for action in blueprint.actions.values() for a in action.arguments.values())
    return {f.name for f in blueprint.fields.values() if f.secret} | {a.name for a in arguments if a.secret}
