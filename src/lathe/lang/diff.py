"""The semantic difference of two versions of an app: what clients and properties may notice.

Each part of an app is an entry with a path and a text. Two versions differ in entries; what an entry is
tells whether clients may notice (`breaking`), and whether less is promised than before (`weaker`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Literal

from lathe.frozen import frozen
from lathe.lang.canon import blueprint_data, settings_data
from lathe.lang.expr import Expression
from lathe.lang.model import (
    Action,
    App,
    Argument,
    Assignment,
    Blueprint,
    Effect,
    Field,
    Ghost,
    Json,
    Property,
)
from lathe.lang.types import Type

What = Literal["added", "removed", "changed"]


@frozen
class Change:
    """One difference. `kind` is what the entry is; `was` and `now` are its texts, empty for none.

    `is_breaking`: a client that worked may not work any more. `is_weaker`: less is promised, or more is
    allowed; a person should look at it before it is applied.
    """

    path: str
    kind: str
    what: What
    was: str
    now: str
    is_breaking: bool
    is_weaker: bool


@frozen
class _Entry:
    """`opens`: it lets somebody outside do something."""

    kind: str
    text: str
    parent: str = ""
    opens: bool = False


BREAKING: dict[str, frozenset[What]] = {
    "blueprint": frozenset({"removed"}),
    "plural": frozenset({"changed"}),
    "state": frozenset({"removed"}),
    "field": frozenset({"removed"}),
    "type": frozenset({"changed"}),
    "range": frozenset({"changed"}),
    "action": frozenset({"removed"}),
    "source": frozenset({"removed"}),
    "caller": frozenset({"removed"}),
    "reader": frozenset({"removed"}),
    "role": frozenset({"removed"}),
    "argument": frozenset({"removed"}),
    "required": frozenset({"added", "changed"}),
    "fenced": frozenset({"added"}),
    "inbound": frozenset({"removed", "changed"}),
}
"""Differences by which a client may notice; a range counts if it is narrower."""

PROPERTY_KINDS = frozenset({"invariant", "step", "sometimes", "eventually", "unique", "cannot", "exclusive"})
WEAKER: dict[str, frozenset[What]] = {
    **dict.fromkeys(PROPERTY_KINDS, frozenset[What]({"removed", "changed"})),
    "guard": frozenset({"removed", "changed"}),
    "caller": frozenset({"added"}),
    "reader": frozenset({"added"}),
    "read rule": frozenset({"removed", "changed"}),
    "effect": frozenset({"added"}),
    "effect setting": frozenset({"added", "changed"}),
    "source": frozenset({"added"}),
    "promise": frozenset({"added", "changed"}),
    "secret": frozenset({"removed"}),
    "also": frozenset({"removed", "changed"}),
    "fenced": frozenset({"removed"}),
    "scope": frozenset({"removed", "changed"}),
    "policy": frozenset({"added", "removed", "changed"}),
    "module": frozenset({"added", "changed"}),
    "inbound": frozenset({"added", "changed"}),
    "frozen": frozenset({"removed"}),
    "gauge": frozenset({"removed", "changed"}),
    "blueprint": frozenset({"added", "removed"}),
}
"""Differences by which less may be promised than before, or more allowed."""


def diff(old: App, new: App) -> list[Change]:
    """Every difference, in the order of the paths; the parts of what came or went are not listed again."""
    before, after = dict(_entries(old)), dict(_entries(new))
    found = []
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path), after.get(path)
        entry = now or was
        assert entry is not None, "a path comes from one of the two"
        if entry.parent and (entry.parent in before) != (entry.parent in after):
            continue
        if was is None or now is None or was.text != now.text:
            found.append(_change(path, was, now))
    return found


def _change(path: str, was: _Entry | None, now: _Entry | None) -> Change:
    kind = (now or was or _Entry("", "")).kind
    what: What = "changed" if was and now else "added" if now else "removed"
    texts = (was.text if was else "", now.text if now else "")
    is_breaking = what in BREAKING.get(kind, frozenset())
    if kind == "range" and what == "changed":
        is_breaking = _is_narrower(*texts)
    is_opened = now is not None and now.opens and what == "added"
    is_weaker = is_opened or what in WEAKER.get(kind, frozenset())
    return Change(path, kind, what, *texts, is_breaking, is_weaker)


def _is_narrower(was: str, now: str) -> bool:
    """Whether some value that fitted does not fit any more."""
    (low, high), (new_low, new_high) = ([int(x) for x in text.split(" to ")] for text in (was, now))
    return new_low > low or new_high < high


Entries = Iterator[tuple[str, _Entry]]


def _entries(app: App) -> Entries:
    for role in app.roles:
        yield f"role {role}", _Entry("role", role)
    for group in app.exclusive:
        yield f"exclusive {', '.join(group)}", _Entry("exclusive", ", ".join(group))
    scope = {**app.scope.instances, "principals": app.scope.principals}
    yield from ((f"scope {name}", _Entry("scope", str(n))) for name, n in scope.items() if n is not None)
    yield from ((f"policy {name}", _Entry("policy", text)) for name, text in app.policies.items())
    yield from ((f"module {name}", _Entry("module", text)) for name, text in app.modules.items())
    for name, text in app.gauges.items():
        yield f"gauge {name}", _Entry("gauge", text)
    for ghost in app.ghosts.values():
        yield f"ghost {ghost.name}", _Entry("ghost", _ghost(ghost))
    for prop in app.properties.values():
        yield f"{prop.kind} {prop.name}", _Entry(prop.kind, _property(prop))
    for blueprint in app.blueprints.values():
        yield from _blueprint(blueprint)


def _blueprint(b: Blueprint) -> Entries:
    yield b.name, _Entry("blueprint", b.name)
    yield f"{b.name} plural", _Entry("plural", b.plural, b.name)
    if b.retain_ms is not None:
        yield f"{b.name} retain", _Entry("retain", f"{b.retain_ms} ms", b.name)
    for ghost in b.ghosts.values():
        yield f"{b.name} ghost {ghost.name}", _Entry("ghost", _ghost(ghost), b.name)
    if b.read is not None:
        for principal in b.read.by:
            yield f"{b.name} read by {principal}", _Entry("reader", str(principal), b.name)
        if b.read.when is not None:
            yield f"{b.name} read when", _Entry("read rule", b.read.when.text, b.name)
    for state in b.states.values():
        path = f"{b.name} state {state.name}"
        yield path, _Entry("state", _words(initial=state.initial, final=state.final), b.name)
        if state.then is not None:
            yield f"{path} timer", _Entry("timer", f"{state.after_ms} ms, then {state.then}", path)
        if state.run:
            yield f"{path} run", _Entry("runs", ", ".join(state.run), path)
        if state.waits is not None:
            yield f"{path} waits", _Entry("waits", state.waits, path)
    for field in b.fields.values():
        yield from _field(b.name, field)
    for action in b.actions.values():
        yield from _action(b.name, action)
    for timer in b.timers.values():
        yield f"{b.name} timer {timer.name}", _Entry("timer", f"at {timer.at}, then {timer.then}", b.name)
    for effect in b.effects.values():
        yield from _effect(b.name, effect)
    yield from _kept(b)


def _kept(b: Blueprint) -> Entries:
    """What must hold, and what comes from outside."""
    for prop in b.properties.values():
        yield f"{b.name} {prop.kind} {prop.name}", _Entry(prop.kind, _property(prop), b.name)
    for lasting in b.eventually.values():
        told = f"from {', '.join(lasting.from_states)} to {', '.join(lasting.to_states)}"
        yield f"{b.name} eventually {lasting.name}", _Entry("eventually", told, b.name)
    for unique in b.unique.values():
        told = f"{', '.join(unique.fields)} in {', '.join(unique.in_states) or 'every state'}"
        yield f"{b.name} unique {unique.name}", _Entry("unique", told, b.name)
    for cannot in b.cannot.values():
        told = f"{cannot.role}: {', '.join(cannot.actions)}{_when(cannot.when)}"
        yield f"{b.name} cannot {cannot.name}", _Entry("cannot", told, b.name)
    data = blueprint_data(b)
    assert isinstance(data, dict), "a blueprint is an object"
    if b.migrate is not None:
        yield f"{b.name} migrate", _Entry("migrate", _json(data.get("migrate")), b.name)
    inbound = data.get("inbound")
    for name, entry in inbound.items() if isinstance(inbound, dict) else ():
        yield f"{b.name} inbound {name}", _Entry("inbound", _json(entry), b.name)


def _field(owner: str, field: Field) -> Entries:
    path = f"{owner} field {field.name}"
    yield path, _Entry("field", field.name, owner)
    yield from _typed(path, field.type)
    if field.has_default:
        yield f"{path} default", _Entry("default", str(field.default), path)
    if field.frozen:
        yield f"{path} frozen", _Entry("frozen", "frozen", path)
    if field.secret:
        yield f"{path} secret", _Entry("secret", "secret", path)


def _typed(path: str, kind: Type) -> Entries:
    told = kind.kind + (f" of {', '.join(kind.members)}" if kind.members else "")
    told += f" to {kind.blueprint}" if kind.kind == "ref" else ""
    told += f" of {kind.element.kind}" if kind.element else ""
    yield f"{path} type", _Entry("type", told, path)
    if kind.low is not None:
        yield f"{path} range", _Entry("range", f"{kind.low} to {kind.high}", path)
    if kind.maximum is not None:
        yield f"{path} max", _Entry("range", f"0 to {kind.maximum}", path)


def _action(owner: str, action: Action) -> Entries:
    path = f"{owner} action {action.name}"
    is_open = any(principal.kind in ("role", "any") for principal in action.by)
    yield path, _Entry("action", action.name, owner, is_open)
    yield from ((f"{path} from {s}", _Entry("source", s, path)) for s in action.from_states)
    yield from ((f"{path} by {p}", _Entry("caller", str(p), path)) for p in action.by)
    target = action.to_if.text if action.to_if is not None else action.to
    if target is not None:
        yield f"{path} to", _Entry("target", target, path)
    if action.when is not None:
        yield f"{path} when", _Entry("guard", action.when.text, path)
    for argument in action.arguments.values():
        yield from _argument(path, argument)
    if action.do:
        yield f"{path} do", _Entry("assignments", _assigned(action.do), path)
    if action.ghost:
        yield f"{path} ghost", _Entry("world", _assigned(action.ghost), path)
    if action.run:
        yield f"{path} run", _Entry("runs", ", ".join(action.run), path)
    seen: Counter[str] = Counter()
    for clause in action.also:
        given = ", ".join(f"{name} = {value.text}" for name, value in sorted(clause.args.items()))
        whom = f"{clause.blueprint}.{clause.action} on {clause.on.text}"
        seen[whom] += 1
        place = f"{path} also {whom}" + (f", {seen[whom]}" if seen[whom] > 1 else "")
        yield place, _Entry("also", f"({given}){_when(clause.when)}", path)
    if action.fenced:
        yield f"{path} fenced", _Entry("fenced", "fenced", path)
    if action.fair:
        yield f"{path} fair", _Entry("promise", "fair", path)


def _argument(owner: str, argument: Argument) -> Entries:
    path = f"{owner} argument {argument.name}"
    if argument.optional or argument.has_default:
        yield path, _Entry("argument", "may be left out", owner)
    else:
        yield path, _Entry("required", "must be given", owner)
    yield from _typed(path, argument.type)


def _effect(owner: str, effect: Effect) -> Entries:
    path = f"{owner} effect {effect.name}"
    yield path, _Entry("effect", effect.uses, owner)
    data: dict[str, Json] = {"ok": effect.ok, "error": effect.error, "timeout_ms": effect.timeout_ms}
    data |= {"attempts": effect.attempts, "backoff_ms": list(effect.backoff_ms)}
    yield f"{path} ends", _Entry("ends", _json(data), path)
    yield f"{path} with", _Entry("effect setting", _json(settings_data(effect)), path)
    if effect.target is not None:
        told = f"{effect.target.blueprint}.{effect.target.action}"
        yield f"{path} target", _Entry("effect setting", told, path)
    if effect.world:
        yield f"{path} world", _Entry("world", _assigned(effect.world), path)
    promises = _words(idempotent=effect.idempotent, never_late=not effect.late)
    if promises:
        yield f"{path} promises", _Entry("promise", promises, path)


def _ghost(ghost: Ghost) -> str:
    kind = ghost.type
    reach = f" {kind.low} to {kind.high}" if kind.low is not None else ""
    return f"{kind.kind}{reach}, {ghost.default}"


def _property(prop: Property) -> str:
    where = f" in {', '.join(prop.in_states)}" if prop.in_states else ""
    return f"{prop.that.text}{_when(prop.when)}{where}"


def _when(condition: Expression | None) -> str:
    return f" when {condition.text}" if condition is not None else ""


def _assigned(assignments: tuple[Assignment, ...]) -> str:
    return "; ".join(sorted(a.text for a in assignments))


def _words(**facts: bool) -> str:
    return ", ".join(name.replace("_", " ") for name, is_so in facts.items() if is_so)


def _json(data: Json) -> str:
    return json.dumps(data, sort_keys=True, ensure_ascii=False)
