"""Findings about what comes from the old version: its run, the swap as a step of its own, what follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lathe.check.composed.encode import encode
from lathe.check.composed.permit import permit_of
from lathe.check.composed.system import System
from lathe.check.judge.liveness import Unfair
from lathe.check.judge.standing import Standstill
from lathe.check.judge.suspects import Met, Violated
from lathe.check.migration.cures import cure_for, cure_for_new, keeping, state_entry
from lathe.check.migration.images import Images
from lathe.check.migration.pair import Pair
from lathe.check.read import finding
from lathe.check.reporting.report import Finding
from lathe.check.reporting.tell import (
    Case,
    run_to,
    tell_met,
    tell_permitted,
    tell_standstill,
    tell_unfair,
    tell_violated,
    trace_to,
)
from lathe.check.reporting.trace import Run, make_trace
from lathe.check.search.graph import Graph
from lathe.errors import InternalError, Span
from lathe.frozen import frozen
from lathe.lang.model import Blueprint, Cannot, Unique
from lathe.machine.migrate import Misfit, migrate_world
from lathe.machine.swap import reason, told_misfit, told_swap


@frozen
class Swap:
    """The old version as it was searched, and the new one from its images."""

    pair: Pair
    old: Case
    images: Images
    digest: str

    def case(self, system: System, graph: Graph) -> Case:
        """What was found of the new version, with the runs that lead into it."""
        nearest: dict[int, int] = {}
        for start, index in self.images.origin.items():
            nearest.setdefault(system.dead.cleared(start), index)
        return Case(
            system,
            graph,
            self.pair.new,
            self.digest,
            lambda start: self._begun(system, start, nearest[start]),
        )

    def _begun(self, system: System, start: int, index: int) -> Run:
        """The run of the old version to a state, and the swap; the machine has to agree with the image."""
        run = _run_before(self.old, index, is_led_on=True)
        moved = migrate_world(self.pair.old, self.pair.new, run.world)
        if isinstance(moved, tuple):
            raise InternalError("the machine has no image of a state that the search has one of")
        layout = system.layout
        slots = {slot.name: slot for slot in layout.slots}
        names = {name: slots[slot.name] for name, slot in run.names.items() if name in moved.entities}
        roles = sum(v.read(start) << v.offset for v in layout.roles)
        if system.dead.cleared(encode(layout, moved, names, roles)) != start:
            raise InternalError("search and machine disagree about an image")
        steps = [*run.steps, told_swap(self.pair.old, self.pair.new, run.world, moved)]
        return Run(
            system, self.pair.new, moved, roles, permit_of(layout.app), names, dict(run.made), steps, run.now
        )


def _run_before(case: Case, index: int, *, is_led_on: bool) -> Run:
    """The run of the old version to a state, in which everybody counts as in the slot of that state.

    Where states stand for others, who acts is as in that state only if the new version leads the run on.
    """
    if not case.graph.alike:
        return run_to(case, index)
    from lathe.check.arrays.places import run_before  # only where a search has grown: it loads numpy

    graph, slots = run_before(case.system, case.graph, index, is_led_on=is_led_on)
    run = run_to(replace(case, graph=graph), len(graph.states) - 1)
    run.names = {name: slots[slot.name] for name, slot in run.names.items()}
    return run


def tell_homeless(
    swap: Swap, wrong: Misfit, slot: str, index: int, others: tuple[Misfit, ...] = ()
) -> Finding:
    """LT701, LT702: something of the old version that has no place in the new one, or does not fit.

    `others` are new fields of the same blueprint, of which nothing says what they are either.
    """
    run = _run_before(swap.old, index, is_led_on=False)
    moved = migrate_world(swap.pair.old, swap.pair.new, run.world)
    what = (wrong.kind, wrong.blueprint, wrong.name, wrong.about)
    if not isinstance(moved, tuple) or what not in [(m.kind, m.blueprint, m.name, m.about) for m in moved]:
        raise InternalError("search and machine disagree about what has no place")
    name = next((n for n, where in reversed(run.names.items()) if where.name == slot), "")
    run.steps.append(told_misfit(swap.pair.new, name, wrong))
    state = run.world.entities[name].state if name else ""
    old, new = swap.pair.old.app, swap.pair.new.app
    whose = f"a `{wrong.blueprint}` in `{state}`" if name else "the app"
    code, end = ("LT701", "has no place here") if wrong.has_no_place else ("LT702", "does not fit here")
    why, cure = reason(swap.pair.new, wrong), cure_for(old, new, wrong)
    if others:
        names = [m.name for m in (wrong, *others)]
        listed = f"{', '.join(f'`{name}`' for name in names[:-1])} and `{names[-1]}`"
        why = f"{listed} are new, have no default, and nothing says what they are"
        cure = cure_for_new(new, wrong.blueprint, names)
    message = f"{whose} of the version before {end}: {why}"
    return finding(code, message, place_of(swap, wrong), cure, trace=make_trace(run, swap.digest))


def place_of(swap: Swap, wrong: Misfit) -> Span:
    """Where in the new version the cause is: the entry that says otherwise, or what lacks one."""
    app = swap.pair.new.app
    blueprint = app.blueprints.get(wrong.blueprint)
    if blueprint is None:
        ghost = app.ghosts.get(wrong.name)
        return ghost.span if ghost is not None and wrong.kind == "ghost" else app.span
    match wrong.kind:
        case "timer":
            return blueprint.states[wrong.name].span
        case "new" | "field" | "expression":
            moved = blueprint.migrate.fields if blueprint.migrate is not None else {}
            return moved[wrong.name].span if wrong.name in moved else blueprint.fields[wrong.name].span
        case "ghost":
            return blueprint.ghosts[wrong.name].span
        case "sort" | "memory" | "delivery":
            return blueprint.effects[wrong.name].span
        case "result":
            return _callback(blueprint, wrong)
        case _:
            return blueprint.migrate.span if blueprint.migrate is not None else blueprint.span


def _callback(blueprint: Blueprint, wrong: Misfit) -> Span:
    """The argument of the callback that takes what will not come."""
    action = blueprint.actions[blueprint.effects[wrong.name].ok or ""]
    argument = action.arguments[wrong.about]
    return blueprint.fields[wrong.about].span if argument.from_sets else argument.span


def tell_false(case: Case, suspect: Violated) -> Finding:
    """LT703, for an invariant."""
    told = tell_violated(case, suspect)
    assert told.trace is not None, "an invariant that fails has a run"
    prop, steps = suspect.prop, told.trace.steps
    owner = next((s.blueprint for s in case.system.layout.slots if s.name == suspect.slot), None)
    clause = told.diagnostic.message.partition(": ")[2]
    since = len(steps) - next(i for i, step in enumerate(steps) if step.event == "swap") - 1
    when = "for what comes from the version before" if not since else f"after the swap and {_more(since)}"
    message = f"`{prop.name}` is false {when}: {clause}"
    cure = keeping(prop, owner)
    if since:
        cure = f"{told.diagnostic.help}; or let `[migrate]` bring over what keeps it from that"
    return finding("LT703", message, prop.span, cure, prop=prop.name, trace=told.trace)


def _more(count: int) -> str:
    return "one more step" if count == 1 else f"{count} more steps"


def tell_clash(case: Case, unique: Unique, index: int) -> Finding:
    """LT703, for a claim that two entities hold."""
    fields = " and ".join(f"`{name}`" for name in unique.fields)
    message = f"`{unique.name}` is false for what comes from the version before: two agree on {fields}"
    cure = (
        f"say in `[migrate]` what becomes of {fields} so that no two agree, or let the old version keep "
        f"`{unique.name}` first"
    )
    return finding("LT703", message, unique.span, cure, prop=unique.name, trace=trace_to(case, index))


def tell_met_later(case: Case, suspect: Met) -> Finding:
    """LT703, and LT702 for the end of an invocation that no action takes."""
    told = tell_met(case, suspect)
    code = "LT702" if told.diagnostic.code == "LT501" else "LT703"
    message = f"{told.diagnostic.message}; the run began in the version before"
    return replace(told, diagnostic=replace(told.diagnostic, code=code, message=message))


def tell_may(case: Case, cannot: Cannot, actions: list[str], index: int) -> Iterator[Finding]:
    """LT703, for what policies let somebody do in a state that comes from the old version."""
    for told in tell_permitted(case, cannot, actions, index):
        yield replace(told, diagnostic=replace(told.diagnostic, code="LT703"))


def tell_halted(case: Case, still: Standstill) -> Finding:
    """LT704, for an entity that cannot go on."""
    told = tell_standstill(case, still)
    message = f"what comes from the version before may never finish: {told.diagnostic.message}"
    cure = told.diagnostic.help
    elsewhere = _elsewhere(told, still)
    if elsewhere:
        cure = f"{elsewhere}; or {cure}"
    return replace(told, diagnostic=replace(told.diagnostic, code="LT704", message=message, help=cure))


def _elsewhere(told: Finding, still: Standstill) -> str:
    """What `[migrate]` could do for an entity that stands still where the swap has put it."""
    steps = told.trace.steps if told.trace is not None else ()
    if not steps or steps[-1].event != "swap":
        return ""
    changes = next((p.changes for p in steps[-1].parts if p.changes), {})
    before, _ = changes.get("state", (still.state, still.state))
    blueprint = still.slot.blueprint
    moved = [name for name in changes if name in blueprint.fields]
    if blueprint.initial != still.state:
        return f"send them elsewhere, as in {state_entry(str(before), blueprint.initial)}"
    names = " and ".join(f"`{name}`" for name in moved)
    return f"let `[migrate]` bring over {names} so that a way out is possible" if moved else ""


def tell_lasting(case: Case, failure: Unfair) -> Finding:
    """LT704, for an `eventually`."""
    told = tell_unfair(case, failure)
    message = f"for what comes from the version before, {told.diagnostic.message}"
    return replace(told, diagnostic=replace(told.diagnostic, code="LT704", message=message))
