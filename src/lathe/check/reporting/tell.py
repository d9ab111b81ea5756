"""Turns suspected violations into findings: a sentence, a trace, and a suggested edit.

Every run is taken again on the machine (`check.reporting.trace`), so that nothing is told that cannot happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from lathe.check.composed import ir
from lathe.check.composed.branch import Fault
from lathe.check.composed.domain import A_TIME
from lathe.check.composed.system import System
from lathe.check.judge.blocked import false_guards, reach_help, take_help
from lathe.check.judge.late_effects import Outliving
from lathe.check.judge.liveness import Edge, Unfair
from lathe.check.judge.progress import Round
from lathe.check.judge.root_causes import Root
from lathe.check.judge.standing import Standstill
from lathe.check.judge.suspects import Met, Never, Violated
from lathe.check.read import denial, finding, nobody
from lathe.check.reporting.cure import (
    assigned,
    assignment_for,
    guard_for,
    range_guard,
    unset_guard,
    zero_guard,
)
from lathe.check.reporting.report import Finding
from lathe.check.reporting.trace import (
    Move,
    Run,
    begin,
    follow,
    happen,
    make_trace,
    move_between,
    moves_along,
    take,
)
from lathe.check.search.graph import Graph
from lathe.check.search.picks import picks
from lathe.check.search.watch import Watch
from lathe.errors import Severity
from lathe.frozen import frozen
from lathe.lang.expr import And, Arithmetic, Follow, Node, Population, Quantifier, Read, walk
from lathe.lang.model import Action, Blueprint, Cannot, Json, Property, State
from lathe.machine.clauses import false_clauses
from lathe.machine.evaluate import Frame, entity_frame, holds
from lathe.machine.event import Executes, LateExecution
from lathe.machine.outcome import Refusal, Step
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.table import Table, compile_app
from lathe.machine.trace import FalseClause, Trace, TraceStep


@frozen
class Case:
    """A searched system, with what is needed to tell of it.

    `begun` gives the run that leads to where the search began, if it did not begin with nobody there.
    """

    system: System
    graph: Graph
    table: Table
    digest: str
    begun: Callable[[int], Run] | None = None


def make_case(system: System, graph: Graph, digest: str) -> Case:
    """The case of a searched system; compiles the app for the machine."""
    return Case(system, graph, compile_app(system.layout.app), digest)


def run_to(case: Case, index: int) -> Run:
    """The machine's run along a shortest path to a state of the graph."""
    graph = case.graph
    if graph.alike:
        from lathe.check.arrays.places import run_of  # only where a search has grown: it loads numpy

        graph = run_of(case.system, graph, index)
        index = len(graph.states) - 1
    way = graph.way_to(index)
    start = graph.states[way[0][1]]
    run = begin(case.system, case.table, start) if case.begun is None else case.begun(start)
    return follow(run, moves_along(case.system, graph, way), [graph.states[i] for _, i in way[1:]])


Suspect = TypeVar("Suspect", Violated, Met, Standstill, Outliving)


def _put_back(case: Case, suspect: Suspect) -> tuple[Case, Suspect]:
    """The same with a run of its own, where states of the graph stand for others."""
    if not case.graph.alike:
        return case, suspect
    from lathe.check.arrays.places import put_back  # only where a search has grown: it loads numpy

    graph, found = put_back(case.system, case.graph, suspect)
    assert isinstance(found, type(suspect)), "a suspect stays what it is"
    return replace(case, graph=graph), found


def trace_to(case: Case, index: int) -> Trace:
    """The trace of a shortest way to a state."""
    return make_trace(run_to(case, index), case.digest)


def _steps(count: int) -> str:
    return "one step" if count == 1 else f"{count} steps"


def _clause_text(clauses: tuple[FalseClause, ...]) -> str:
    clause = clauses[0]
    values = ", ".join(f"{name} = {_plain(value)}" for name, value in clause.values.items())
    return f"`{clause.text}`" + (f" with {values}" if values else "")


def _plain(value: Json) -> str:
    return str(value)


def tell_violated(case: Case, suspect: Violated) -> Finding:
    """LT401."""
    case, suspect = _put_back(case, suspect)
    run, prop = run_to(case, suspect.index), suspect.prop
    clauses = false_clauses(case.table, prop.that.tree, _frame(run, suspect.slot))
    trace = make_trace(run, case.digest, clauses)
    message = f"`{prop.name}` is false after {_steps(trace.length)}: {_clause_text(clauses)}"
    return finding("LT401", message, prop.span, _guard_help(run, prop), prop=prop.name, trace=trace)


def _frame(run: Run, slot_name: str) -> Frame:
    if not slot_name:
        return Frame(world=run.world, app_ghosts=run.world.ghosts)
    slot = next(s for s in run.system.layout.slots if s.name == slot_name)
    return entity_frame(run.world, run.world.entities[run.entity(slot)])


def _last_action(run: Run) -> Action | None:
    """The action of the last step that committed, if one entity took it alone."""
    if not isinstance(run.last, Step) or len(run.last.parts) != 1:
        return None
    part = run.last.parts[0]
    if part.action is None:
        return None
    return run.table.blueprints[part.blueprint].blueprint.actions[part.action]


def _guard_help(run: Run, prop: Property) -> str:
    """The guard that would keep the property, or whom to look at."""
    told = run.steps[-1] if run.steps else None
    if told is not None and told.event in ("execute", "late", "notify"):
        return _execution_help(run, told, prop)
    action = _last_action(run)
    if action is None:
        return "forbid one step of the trace with a guard (`when`), or weaken the property"
    clause = _first_false(prop.that.tree, run)
    needed = guard_for(clause, action) if clause is not None else None
    if needed is None:
        way = f"forbid `{action.name}` here (its `when`, `from` or `by`), let an earlier step do more"
        return f"{way}{_outside_help(run)}{_ghost_help(action, clause)}, or weaken `{prop.name}`"
    where = f"`{action.name}` at line {action.span.line}"
    makes = assignment_for(clause, action) if clause is not None else None
    if makes is not None:
        set_it = f'let {where} see to it: `do = ["{makes}"]`'
        return f"{set_it}; or refuse it, unless `{needed}`; or weaken `{prop.name}`"
    if action.when is None:
        return f'let {where} refuse it: add `when = "{needed}"`; or weaken `{prop.name}`'
    return f"let {where} refuse it: `{needed}` must hold too, in its `when`; or weaken `{prop.name}`"


def _ghost_help(action: Action, clause: Node | None) -> str:
    """Where somebody outside takes the step and a ghost decides: that whoever does has seen to the world."""
    read = {n.name for n in walk(clause) if isinstance(n, Read) and n.scope == "ghost"} if clause else set()
    is_by_somebody = any(who.kind in ("role", "any") for who in action.by)
    if not is_by_somebody or len(read) != 1:
        return ""
    return f', say what it means to the world, if that is so (its `ghost = ["{min(read)} = …"]`)'


def _outside_help(run: Run) -> str:
    """What the other side could promise, where the run shows a late or a repeated execution."""
    happened = [s.effect for s in run.steps if s.event == "execute"]
    late = next((s.effect for s in run.steps if s.event == "late"), None)
    again = next((e for e in happened if happened.count(e) > 1 and not _is_idempotent(run, e)), None)
    if late is not None:
        return f", say `late = false` of `{late}` if the other side keeps it"
    return f", say `idempotent = true` of `{again}` if repeats do no more" if again is not None else ""


def _is_idempotent(run: Run, effect: str | None) -> bool:
    """Whether repeats of an effect are promised to do no more; not if those of one name differ."""
    effects = [
        effect for table in run.table.blueprints.values() for effect in table.blueprint.effects.values()
    ]
    named = [found for found in effects if found.name == effect]
    return bool(named) and all(found.idempotent for found in named)


def _execution_help(run: Run, told: TraceStep, prop: Property) -> str:
    """What keeps the world from an execution: no guard, but a promise of the other side."""
    if told.event == "late":
        return (
            f"say `late = false` if the other side never acts on `{told.effect}` after its `timeout`, "
            f"undo it before it matters, or weaken `{prop.name}`"
        )
    if _is_idempotent(run, told.effect):
        return (
            f"`{told.effect}` is `idempotent` for each time that it is asked for: ask for it no more where "
            "it may have happened; or, if the other side drops those repeats too (by a key that stays, as "
            f"`{{id}}`), let its `world` set a value instead of adding to it; or weaken `{prop.name}`"
        )
    return (
        f"say `idempotent = true` if repeats of `{told.effect}` do no more than one, or weaken `{prop.name}`"
    )


def _first_false(node: Node, run: Run) -> Node | None:
    """The first conjunct that is false at the end of the run, of a property of one entity."""
    if any(isinstance(n, (Population, Quantifier)) for n in walk(node)) or not isinstance(run.last, Step):
        return None
    frame = entity_frame(run.world, run.world.entities[run.last.parts[0].entity])
    operands = node.operands if isinstance(node, And) else (node,)
    try:
        return next((o for o in operands if not holds(o, frame)), None)
    except KeyError:
        return None


def tell_met(case: Case, suspect: Met) -> Finding:
    """LT204, LT205, LT402, LT501."""
    case, suspect = _put_back(case, suspect)
    watch = suspect.watch
    if not watch.is_fault:
        return _broken_step(case, watch, suspect.index)
    fault = watch.command.faults[int(watch.subject)]
    run, move = _final_move(case, watch, suspect.index, condition=watch.condition)
    take(run, move, may_be_refused=True)
    trace = make_trace(run, case.digest)
    is_own = fault.blueprint == watch.command.label.slot.blueprint.name
    where = f"`{fault.action}`" if is_own else f"`{fault.blueprint}.{fault.action}`"
    where = where if fault.action else "an execution"
    if fault.code == "LT501":
        return _lost_end(watch, run, trace)
    blueprint = case.system.layout.app.blueprints[fault.blueprint]
    action = blueprint.actions[fault.action] if fault.action else None
    does, cure = _fault_text(run, fault, blueprint, action)
    is_step = watch.command.is_committed
    when = f"at step {trace.length}" if is_step else f"after {_steps(trace.length)}"
    message = f"`{fault.subject}` in {where} {does}, {when}"
    return finding(fault.code, message, fault.span, cure, trace=trace)


def _fault_text(run: Run, fault: Fault, blueprint: Blueprint, action: Action | None) -> tuple[str, str]:
    """What the assignment or guard does, and what would keep it from that."""
    if fault.code == "LT205":
        cure = unset_guard(action, fault.subject) if action else "test it with `is not None` first"
        return "computes with a value that is unset", cure
    if _divides(run, fault, action):
        cure = zero_guard(action, fault.subject) if action else "test that what it divides by is not 0"
        return "divides by zero", cure
    field = blueprint.fields.get(fault.subject.split(" ", 1)[0])
    does = "can leave its range"
    if field is not None and field.type.kind == "set":
        does = f"can exceed `max = {field.type.maximum}`"
    if field is not None and field.type.kind == "time":
        does = "can be further away than a thousand years"
    return does, range_guard(blueprint, action, fault.subject) if action else "keep it within its range"


def _divides(run: Run, fault: Fault, action: Action | None) -> bool:
    """Whether it is a division that fails. A delivery that is refused does not say what refused it."""
    if isinstance(run.last, Refusal) and run.last.reason in ("range", "zero"):
        return run.last.reason == "zero"
    value = assigned(action, fault.subject) if action else None
    nodes = walk(value.tree) if value is not None else ()
    return action is None or any(isinstance(n, Arithmetic) and n.op in ("//", "%") for n in nodes)


def _final_move(case: Case, watch: Watch, index: int, *, condition: ir.Formula) -> tuple[Run, Move]:
    run = run_to(case, index)
    picked, _ = next(picks(case.system.layout, watch.command, condition, case.graph.states[index]))
    return run, Move(watch.command, picked)


def _lost_end(watch: Watch, run: Run, trace: Trace) -> Finding:
    label = watch.command.label
    blueprint = label.slot.blueprint
    effect = blueprint.effects[label.effect or ""]
    state = list(blueprint.states)[(watch.command.state or 1) - 1]
    end, last = ("a good" if label.is_ok else "a bad"), effect.error or effect.ok or "error"
    message = f"{end} end of `{effect.name}` can be lost in `{state}`: `{last}` is refused there"
    cure = (
        f"`{last}` must be possible whenever `{effect.name}` can end: "
        f"its `from` must hold `{state}`, and its `when` must hold there"
    )
    if isinstance(run.last, Refusal) and run.last.reason == "unique":
        name = run.last.detail.split("`")[1]
        cure = (
            f"let `{name}` hold its place in `{state}` too (its `in`), so that no other takes it meanwhile; "
            f"or let `{last}` lead where `{name}` does not count"
        )
    return finding("LT501", message, effect.span, cure, trace=trace)


def _broken_step(case: Case, watch: Watch, index: int) -> Finding:
    condition = ir.both(watch.command.guard, watch.condition)
    run, move = _final_move(case, watch, index, condition=condition)
    take(run, move)
    blueprint, _, name = str(watch.subject).partition(".")
    app = case.system.layout.app
    prop = app.blueprints[blueprint].properties[name] if blueprint else app.properties[name]
    clauses = _step_clauses(run, prop, blueprint)
    trace = make_trace(run, case.digest, clauses)
    who = f"step {trace.length}" if move.command.is_committed else "an execution"
    message = f"{who} breaks `{name}`" + (f": {_clause_text(clauses)}" if clauses else "")
    taken = _part_of(run, watch, blueprint)
    cure = f"guard `{taken}` so that it cannot be taken there, or weaken `{name}`" if taken else ""
    return finding("LT402", message, prop.span, cure, prop=name, trace=trace)


def _part_of(run: Run, watch: Watch, blueprint: str) -> str:
    """The action that changed an entity of a blueprint in the last step, or else the step's own."""
    label = watch.command.label
    parts = run.last.parts if isinstance(run.last, Step) else ()
    named = [f"{p.blueprint}.{p.action}" for p in parts if p.action is not None and p.blueprint == blueprint]
    own = f"{label.slot.blueprint.name}.{label.action}" if label.action else ""
    return named[0] if named else own


def _step_clauses(run: Run, prop: Property, blueprint: str) -> tuple[FalseClause, ...]:
    """The false part of a step property, for the first entity of the step for which it is false."""
    assert isinstance(run.last, Step) and run.before is not None, "a step was taken"
    for frame in _step_frames(run, run.before, run.last, blueprint):
        is_meant = not prop.in_states or (frame.entity is not None and frame.entity.state in prop.in_states)
        applies_here = prop.when is None or holds(prop.when.tree, frame)
        if is_meant and applies_here and not holds(prop.that.tree, frame):
            return false_clauses(run.table, prop.that.tree, frame)
    return ()


def _step_frames(run: Run, before: MemoryWorld, step: Step, blueprint: str) -> Iterator[Frame]:
    if not blueprint:
        yield Frame(world=run.world, app_ghosts=run.world.ghosts, old_app_ghosts=before.ghosts)
        return
    for name in sorted({p.entity for p in step.parts} or step.written):
        after, old = step.written[name], before.get(name)
        if after.blueprint == blueprint and old is not None:
            yield replace(entity_frame(run.world, after), old=old, old_app_ghosts=before.ghosts)


FOLLOWING_LIMIT = 6
"""What follows from a cause, told by name in its cure; the rest stands in the report."""


def tell_never(root: Root, bounds: str = "") -> Finding:
    """LT201, LT202, LT403, LT506, with what follows. `bounds` is the wider scope that was asked too."""
    told = _never(root.cause)
    if root.follows:
        names = _listed([n.subject.name for n in root.follows[:FOLLOWING_LIMIT]])
        if more := len(root.follows) - FOLLOWING_LIMIT:
            names += f" and {more} more" if more > 0 else ""
        related = tuple((n.subject.span, f"so `{n.subject.name}` never is either") for n in root.follows)
        said = f"{told.diagnostic.help}; {names} {'follow' if len(root.follows) > 1 else 'follows'} from it"
        told = replace(told, diagnostic=replace(told.diagnostic, help=said, related=related))
    if not bounds:
        return told
    asked = f"a wider scope was asked too ({bounds}): if it takes more than that, say so in `[scope]`"
    said = f"{told.diagnostic.help}; {asked}"
    return replace(told, diagnostic=replace(told.diagnostic, help=said))


def _never(suspect: Never) -> Finding:
    subject, blueprint = suspect.subject, suspect.blueprint
    if isinstance(subject, Property):
        message = f"`{subject.name}` never holds: no reachable state makes `{subject.that.text}` true"
        cure = "if it should be possible, look at the guards on the way there; if not, drop it"
        return finding("LT403", message, subject.span, cure, prop=subject.name)
    assert blueprint is not None, "states and actions belong to a blueprint"
    if isinstance(subject, State):
        return finding(
            "LT201", f"`{subject.name}` can never be reached", subject.span, reach_help(blueprint, subject)
        )
    if suspect.code == "LT506":
        sides = _listed([f"{c.blueprint}.{c.action}" for c in subject.also])
        message = f"`{subject.name}` is possible by itself, but never together with {sides}"
        cure = "find a state in which all sides are possible: compare their `from`, `when` and arguments"
        if unset := _unset_at_creation(subject):
            cure = (
                f'`{unset}` is unset before the creation, and `on` reads the state before: write `on = "'
                f'arg.{unset}"` for what the caller gives'
            )
        return finding("LT506", message, subject.span, cure)
    if suspect.code == "LT601":
        return nobody(subject, "policies refuse it to everyone: narrow a forbid, or permit it to somebody")
    return finding(
        "LT202", f"`{subject.name}` can never be taken", subject.span, take_help(blueprint, subject)
    )


def _unset_at_creation(action: Action) -> str | None:
    """The field of the new entity that an `also` goes along though only this creation sets it."""
    if action.name != "create":
        return None
    firsts = (c.on.tree.base if isinstance(c.on.tree, Follow) else c.on.tree for c in action.also)
    fields = (n.name for n in firsts if isinstance(n, Read) and n.scope == "field")
    return next((name for name in fields if name in action.sets), None)


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)


def tell_empty(prop: Property) -> Finding:
    """LT404."""
    return finding(
        "LT404",
        f"`{prop.name}` holds for no reason: what it is about never happens",
        prop.span,
        "look at its `when`, its `in`, or the part before `or`: no reachable state meets it",
        severity="warning",
        prop=prop.name,
    )


def tell_outliving(case: Case, found: Outliving) -> Finding:
    """LT504: the way to where its visit is left, and the execution that follows."""
    case, found = _put_back(case, found)
    slot, effect = found.slot, found.effect
    run = run_to(case, found.index)
    source = run.world.entities[run.entity(slot)].state
    index = _walk(case, run, found.index, ((found.command.index, found.target),))
    name = run.entity(slot)
    entity = run.world.entities[name]
    if entity.active is not None:
        happen(run, Executes(name, run.now + A_TIME))
    elif any(i.effect == effect.name and i.phase == "late" for i in entity.invocations):
        happen(run, LateExecution(name, effect.name, run.now + A_TIME))
    target = tuple(slot.blueprint.states)[slot.state.read(case.graph.states[index]) - 1]
    message = (
        f"`{effect.name}` may still be executed after `{source}` was left for `{target}`, "
        "where the entity can ask for no effect any more"
    )
    cure = (
        f"leave `{source}` only by the ends of `{effect.name}`, with `late = false` where that is true, "
        "or go through a state whose own effect undoes it"
    )
    trace = make_trace(run, case.digest)
    return finding("LT504", message, effect.span, cure, severity="warning", trace=trace)


def tell_implied(prop: Property) -> Finding:
    """LT404, where the range of a ghost alone makes a property true."""
    return finding(
        "LT404",
        f"`{prop.name}` cannot fail: a ghost that it reads stops at the end of its range",
        prop.span,
        "let the ghost's range go at least one further than the property allows",
        severity="warning",
        prop=prop.name,
    )


def tell_permitted(case: Case, cannot: Cannot, actions: list[str], index: int) -> Iterator[Finding]:
    """LT603."""
    trace, app = trace_to(case, index), case.system.layout.app
    for action in actions:
        told = denial(cannot, action)
        if app.policies:
            from lathe.check.reporting.policy_findings import denial_cure  # only here: it loads cedarpy

            blueprint = next(b for b in app.blueprints.values() if cannot in b.cannot.values())
            cure = denial_cure(app, blueprint, cannot, action)
            told = replace(told, diagnostic=replace(told.diagnostic, help=cure))
        yield replace(told, trace=trace)


def tell_standstill(case: Case, still: Standstill) -> Finding:
    """LT301, LT302, LT303 and, a warning, LT305, with the way there."""
    case, still = _put_back(case, still)
    state = still.slot.blueprint.states[still.state]
    name, run = still.state, run_to(case, still.index)
    if still.code == "LT301":
        message = f"an entity can be stuck in `{name}`: nothing that it can do is possible, now or ever"
        guards = false_guards(case.table, still.slot.blueprint, _frame(run, still.slot.name))
        cure = f"give `{name}` a way out that is possible in this situation, or say `final = true`"
        cure = f"{guards}: {cure}" if guards else cure
    elif still.code == "LT302":
        message = f"from `{name}` no final or waiting state can be reached any more"
        cure = "add a way to a final state, or say of a state on the round what it `waits` for"
    elif still.code == "LT305":
        message = f"an entity can wait in `{name}` for ever: what is possible only stays there, now and ever"
        guards = false_guards(case.table, still.slot.blueprint, _frame(run, still.slot.name))
        cure = "let a way out be possible in this situation, or give what is meant to stay a state of its own"
        cure = f"{guards}: {cure}" if guards else cure
    else:
        message = f"`{name}` waits without saying so: no timer, effect, call or fair action can end its visit"
        cure = (
            f'say what it waits for (`waits = "…"` in `{name}`), or give it `after` and `then`, '
            "or mark the action that outsiders promise to take with `fair = true`"
        )
    severity: Severity = "warning" if still.code == "LT305" else "error"
    trace = make_trace(run, case.digest)
    return finding(still.code, message, state.span, cure, severity=severity, trace=trace)


def tell_unfair(case: Case, failure: Unfair) -> Finding:
    """LT304: the way to where the property waits, then the round that it never leaves."""
    case = replace(case, graph=failure.run or case.graph)
    run = run_to(case, failure.start)
    index = _walk(case, run, failure.start, failure.way)
    loop_from = len(run.steps) if failure.loop else None
    _walk(case, run, index, failure.loop)
    trace = make_trace(run, case.digest, loop_from=loop_from)
    prop = failure.prop
    state = tuple(failure.slot.blueprint.states)[failure.slot.state.read(case.graph.states[index]) - 1]
    goal = " or ".join(f"`{s}`" for s in prop.to_states)
    if failure.loop:
        message = f"`{prop.name}` fails: a fair run can go round for ever without reaching {goal}"
        cure = "bound the round (a counter in a guard), or let something that is owed lead out of it"
    else:
        message = (
            f"`{prop.name}` fails: a run may stop in `{state}`, where nothing has to happen, short of {goal}"
        )
        cure = (
            f"give `{state}` a timer (`after`, `then`), mark the action that outsiders promise "
            f"with `fair = true`, or add `{state}` to `to`"
        )
        if failure.slot.blueprint.states[state].final:
            cure = f"nothing leaves `{state}`: forbid a step of the trace on the way there, or add it to `to`"
    return finding("LT304", message, prop.span, cure, prop=prop.name, trace=trace)


def _walk(case: Case, run: Run, index: int, edges: tuple[Edge, ...]) -> int:
    """Take edges of the graph on the machine; tells where they end."""
    graph, system = case.graph, case.system
    for label, target in edges:
        command = system.commands[label]
        move = move_between(system.layout, command, graph.states[index], graph.states[target])
        follow(run, [move], [graph.states[target]])
        index = target
    return index


def tell_call_round(case: Case, found: Round) -> Finding:
    """LT505, for calls: the way to a round of deliveries alone, and the round."""
    index, edges = found
    if case.graph.alike:
        from lathe.check.arrays.places import call_lasso  # only where a search has grown: it loads numpy

        graph, index, edges = call_lasso(case.system, case.graph, index, edges)
        case = replace(case, graph=graph)
    run = run_to(case, index)
    loop_from = len(run.steps)
    _walk(case, run, index, edges)
    labels = [case.system.commands[number].label for number, _ in edges]
    label = next(x for x in labels if x.effect is not None)
    effect = label.slot.blueprint.effects[label.effect or ""]
    message = f"calls can go round without end: `{effect.name}` leads to itself again"
    cure = "let a counter or a state end the round, or take one call out of it"
    trace = make_trace(run, case.digest, loop_from=loop_from)
    return finding("LT505", message, effect.span, cure, trace=trace)
