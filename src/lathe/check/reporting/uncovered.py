"""The `not covered` part of a report: open properties first, then bounds, then waiting states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lathe.check.composed.invoke import is_steady, most_pending
from lathe.check.composed.system import System
from lathe.check.judge.liveness import moved_deadlines
from lathe.lang.adapters import ADAPTERS
from lathe.lang.model import App, Blueprint


def not_covered(
    app: App, system: System | None, partial: Sequence[str], crowd: System | None = None
) -> Iterator[str]:
    """A line for each. `system` is the one that was judged, if any; `partial` tells of larger ones.

    `crowd` is one with more principals and texts that was searched whole, too.
    """
    for blueprint in app.blueprints.values():
        yield from _promises(blueprint)
    if system is not None:
        yield from _beyond(system, crowd or system)
    yield from partial
    for blueprint in app.blueprints.values():
        for state in blueprint.states.values():
            if state.waits is not None:
                yield f"{blueprint.name} may wait in `{state.name}` for ever: {state.waits}"
    if any(
        b.timers or any(s.after_ms is not None for s in b.states.values()) for b in app.blueprints.values()
    ):
        yield "durations: a timer may fire at any moment while it is armed"


def _beyond(system: System, crowd: System) -> Iterator[str]:
    """The bounds of what was searched."""
    for name, count in sorted(system.layout.domains.instances.items()):
        yield f"more than {count} {name}"
    domains = crowd.layout.domains
    if domains.could_differ > len(domains.principals):
        yield f"more than {len(domains.principals)} principals, where {domains.could_differ} could differ"
    if domains.differing_texts > domains.fresh_texts:
        told = f"{domains.fresh_texts} texts that nothing names"
        yield f"more than {told}, where {domains.differing_texts} could differ"
    yield from _pending(crowd)
    sampled = {p.name for c in system.commands for p in c.params if p.sampled}
    yield from (f"values of `{name}` beyond a sample" for name in sorted(sampled))


def _pending(system: System) -> Iterator[str]:
    """How many notices of each effect that is told apart are pending at once."""
    for slot in system.layout.slots:
        if slot.index == 0:
            for name in slot.notices:
                most, blueprint = most_pending(slot, name), slot.blueprint
                differ = "" if is_steady(blueprint, blueprint.effects[name]) else ", or two that differ"
                yield f"more than {most} of the notice `{blueprint.name}.{name}` pending at once{differ}"


def _promises(blueprint: Blueprint) -> Iterator[str]:
    """What the author says of the outside, and nobody can check."""
    for effect in blueprint.effects.values():
        adapter = ADAPTERS.get(effect.uses)
        by_itself = adapter is not None and adapter.idempotence.holds_for(effect.settings)
        if effect.idempotent and not by_itself:
            yield f"on trust: repeats of `{blueprint.name}.{effect.name}` do no more than one (`idempotent`)"
        if not effect.late and not effect.is_notice and effect.target is None:
            yield f"on trust: `{blueprint.name}.{effect.name}` is never executed late (`late = false`)"
    for action in blueprint.actions.values():
        if action.fair:
            yield f"on trust: somebody takes `{blueprint.name}.{action.name}` in the end (`fair`)"
    for name in moved_deadlines(blueprint) if blueprint.eventually else ():
        yield f"on trust: `{blueprint.name}.{name}` comes at last, however often it is moved"
