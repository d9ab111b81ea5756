"""A system: an app at a scope, laid out, with every command and what each step must keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lathe.check.bounds import MAX_COMMANDS, require
from lathe.check.composed import ir
from lathe.check.composed.command import RECYCLE, Command
from lathe.check.composed.dead import NOTHING_DEAD, Dead
from lathe.check.composed.delivery import held_up
from lathe.check.composed.domain import MAX_FRESH_TEXTS, MOST_PENDING, NOBODY_NAMED, Named, make_domains
from lathe.check.composed.ground import creations, outsiders, timers
from lathe.check.composed.internal import internal_commands
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import Layout, Slot, make_layout
from lathe.check.composed.lowering import Context, holds
from lathe.check.composed.relevance import Key, explored
from lathe.check.composed.roles import distributions
from lathe.frozen import frozen
from lathe.lang.model import App, Field, Property


@frozen
class System:
    """Everything that a search needs: the layout, the commands by number, and where it begins.

    `held` tells, for each slot, when it waits for a creation that the scope alone has no room for.
    `dead` is what its commands clear, because nothing reads it any more.
    """

    layout: Layout
    commands: tuple[Command, ...]
    initial: tuple[int, ...]
    held: tuple[Formula, ...]
    dead: Dead = NOTHING_DEAD


def narrowed_fields(app: App) -> dict[Key, Field]:
    """The fields of which `explore` lets the search see a part alone."""
    return {
        ("field", b.name, "", f.name): f
        for b in app.blueprints.values()
        for f in b.fields.values()
        if f.explore is not None and f.explore != (f.type.low, f.type.high)
    }


def is_sampled(system: System) -> bool:
    """Whether the search sees a part of the values alone."""
    if narrowed_fields(system.layout.app):
        return True
    return any(p.sampled for c in system.commands for p in c.params)


def make_system(
    app: App,
    instances: Mapping[str, int],
    *,
    principals: int | None = None,
    whole: bool = False,
    spelled: frozenset[Key] | None = None,
    texts_limit: int = MAX_FRESH_TEXTS,
    pending: int = MOST_PENDING,
) -> System:
    """The system of an app with so many instances of each blueprint (and so many principals).

    `whole`: parameters stand for their whole ranges, which no search can try (level 1). `spelled`: what
    to tell apart instead, and every caller and argument too, though nothing reads them (to compare versions).
    """
    keys = needed(app) if spelled is None else spelled
    layout = lay_out(app, instances, keys, principals, whole=whole, texts_limit=texts_limit, pending=pending)
    return system_of(layout if spelled is None else replace(layout, is_spelled=True))


def system_of(layout: Layout, initial: tuple[int, ...] | None = None) -> System:
    """The system of an app that is laid out; `initial` is where it begins instead."""
    found = tuple(_commands(layout))
    require(len(found), MAX_COMMANDS, "the system of this scope")
    for index, command in enumerate(found):
        command.index = index
        command.checks.extend(_step_checks(layout, command))
    begin = tuple(_initial(layout)) if initial is None else initial
    return System(layout, found, begin, tuple(held_up(layout, s) for s in layout.slots))


def lay_out(
    app: App,
    instances: Mapping[str, int],
    keys: frozenset[Key],
    principals: int | None = None,
    *,
    whole: bool = False,
    texts_limit: int = MAX_FRESH_TEXTS,
    pending: int = MOST_PENDING,
) -> Layout:
    """Where everything of such a system is, and which values there are; `keys` is what to tell apart."""
    named = of_policies(app)[1]
    domains = make_domains(
        app, instances, keys, principals, whole=whole, named=named, texts_limit=texts_limit, pending=pending
    )
    return make_layout(app, domains, keys)


def needed(app: App) -> frozenset[Key]:
    """What a search of this app must tell apart, with what its policies read."""
    return explored(app, of_policies(app)[0])


def of_policies(app: App) -> tuple[tuple[Key, ...], Named]:
    """What the app's policies read and name; an app without any loads nothing for it."""
    if not app.policies:
        return (), NOBODY_NAMED
    from lathe.check.composed.policies import policed  # only here: it loads cedarpy

    found = policed(app)
    return tuple(found.keys()), found.named()


def _commands(layout: Layout) -> Iterator[Command]:
    for slot in layout.slots:
        yield from creations(layout, slot)
        for name, state in slot.blueprint.states.items():
            if not state.final:
                yield from outsiders(layout, slot, name)
                yield from timers(layout, slot, name)
        yield from internal_commands(layout, slot)


def _initial(layout: Layout) -> Iterator[int]:
    """Nobody there, ghosts at their defaults; one state for each way to give out the roles."""
    start = 0
    for name, variable in layout.ghosts.items():
        ghost = layout.app.ghosts[name]
        start |= layout.domains.code(ghost.type, ghost.default) << variable.offset
    if not layout.roles:
        yield start
        return
    for held in distributions(layout.role_sets, len(layout.roles), layout.domains.named):
        yield start | sum(code << v.offset for code, v in zip(held, layout.roles, strict=True))


def _step_checks(layout: Layout, command: Command) -> Iterator[tuple[str, Formula]]:
    """The step properties that a command could break, and the condition under which it does."""
    if command.label.event in ("start", "stop", RECYCLE) or _is_idle(command):
        return
    old: dict[int, Formula] = {}
    if command.state is not None:
        old[command.label.slot.state.index] = ir.const(command.state)
    new = {**old, **command.updates}
    for slot in _participants(command):
        for prop in slot.blueprint.properties.values():
            if prop.kind == "step":
                context = Context(layout, slot, known=new, old=old)
                broken = violation(prop, context)
                if broken != FALSE:
                    yield f"{slot.blueprint.name}.{prop.name}", broken
    for prop in layout.app.properties.values():
        if prop.kind == "step":
            broken = violation(prop, Context(layout, None, known=new, old=old))
            if broken != FALSE:
                yield f".{prop.name}", broken


def _is_idle(command: Command) -> bool:
    """Whether it is an end, or a call that is delivered, without anybody's action."""
    label = command.label
    effect = label.slot.blueprint.effects.get(label.effect or "")
    is_call = effect is not None and effect.target is not None
    return not command.shares and (label.event in ("end", "deliver") or is_call)


def _participants(command: Command) -> tuple[Slot, ...]:
    """The existing entities that a command is a step of."""
    if command.shares:
        return tuple(s.slot for s in command.shares if not s.is_new)
    return (command.label.slot,)


def applies(prop: Property, context: Context) -> Formula:
    """The premise of a property: its states, and its `when`."""
    here = TRUE
    slot = context.slot
    if slot is not None:
        state = context.read(slot.state)
        codes = [slot.state_code(s) for s in prop.in_states] or list(range(1, slot.state.size))
        here = ir.either(*(ir.eq(state, ir.const(c)) for c in codes))
        if not prop.in_states:
            here = ir.no(ir.eq(state, FALSE))
    return ir.both(here, holds(prop.when.tree, context) if prop.when else TRUE)


def violation(prop: Property, context: Context) -> Formula:
    """The condition under which a property that must hold does not."""
    return ir.both(applies(prop, context), ir.no(holds(prop.that.tree, context)))
