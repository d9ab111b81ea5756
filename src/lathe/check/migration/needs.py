"""What `[migrate]` would have to say, judged from the two versions' text alone.

Which of it can really be met, only a check tells: it searches what the old version reaches.
"""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.migration.cures import cure_for
from lathe.frozen import frozen
from lathe.lang.model import App, Blueprint
from lathe.machine.migrate import Misfit, MisfitKind, contained, moved_state, sort_of


@frozen
class Need:
    """Something of the old version that may lack a counterpart, and what would give it one."""

    path: str
    cure: str
    kind: MisfitKind


def needs(old: App, new: App) -> list[Need]:
    """What may not come over by itself, blueprint by blueprint, in the order of the old version's parts."""
    found = []
    for name, before in old.blueprints.items():
        after = new.blueprints.get(name)
        wrong = [Misfit("blueprint", name, name)] if after is None else _misfits(before, after)
        found += [Need(path_of(w), cure_for(old, new, w), w.kind) for w in wrong]
    return found


def path_of(wrong: Misfit) -> str:
    """What lacks a counterpart, by its place in the blueprint: `Job timer of held`."""
    what = {"new": "field", "timer": "timer of", "deadline": "timer", "sort": "effect"}
    kind = what.get(wrong.kind, wrong.kind)
    return wrong.blueprint if kind == "blueprint" else f"{wrong.blueprint} {kind} {wrong.name}"


def _misfits(before: Blueprint, after: Blueprint) -> Iterator[Misfit]:
    name, moved = before.name, after.migrate
    said = moved.states if moved is not None else {}
    for state in before.states.values():
        target = moved_state(after, state.name)
        if target is None:
            yield Misfit("state", name, state.name)
        elif state.name not in said and state.then is not None and after.states[target].then is None:
            yield Misfit("timer", name, state.name, state.then)
    for field in after.fields.values():
        if moved is not None and field.name in moved.fields:
            continue
        source = before.fields.get(field.name)
        if source is None and not field.has_default and field.type.kind != "set":
            yield Misfit("new", name, field.name)
        elif source is not None and not contained(source.type, field.type):
            yield Misfit("field", name, field.name)
    yield from _outside(before, after)


def _outside(before: Blueprint, after: Blueprint) -> Iterator[Misfit]:
    """Deadlines and effects that are gone, or of another sort."""
    entries = after.migrate.fields if after.migrate is not None else {}
    kept = {t.at for t in after.timers.values()} | entries.keys()
    for timer in before.timers.values():
        if timer.name not in after.timers and timer.at not in kept:
            yield Misfit("deadline", before.name, timer.name, timer.at)
    for effect in before.effects.values():
        if effect.name not in after.effects:
            yield Misfit("effect", before.name, effect.name)
        elif sort_of(effect) != sort_of(after.effects[effect.name]):
            yield Misfit("sort", before.name, effect.name)
