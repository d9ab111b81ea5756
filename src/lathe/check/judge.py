"""From a searched graph to findings: what was violated, how it came about, what would cure it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lathe.check import ir
from lathe.check.coverage import taken_actions
from lathe.check.cure import guard_for
from lathe.check.ir import Formula
from lathe.check.liveness import Edge, Unfair
from lathe.check.lowering import Context, holds
from lathe.check.progress import Standstill
from lathe.check.read import denial, permitted
from lathe.check.report import Finding
from lathe.check.search import Graph, Watch, first_where, watches
from lathe.check.system import System, applies, violation
from lathe.check.trace import (
    Move,
    Run,
    begin,
    follow,
    make_trace,
    move_between,
    moves_along,
    path_to,
    picks,
    take,
)
from lathe.errors import Diagnostic, Severity, Span
from lathe.lang.expr import And, Literal, Node, Not, Or, Population, Quantifier, walk
from lathe.lang.model import Action, Blueprint, Json, Property
from lathe.lang.types import BOOL
from lathe.lang.unparse import unparse
from lathe.machine.clauses import false_clauses
from lathe.machine.evaluate import Frame, entity_frame, holds as is_true
from lathe.machine.outcome import Step
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.table import Table
from lathe.machine.trace import FalseClause, Trace


@dataclass(frozen=True, slots=True)
class Case:
    """A searched system, with what is needed to tell of it."""

    system: System
    graph: Graph
    table: Table
    digest: str


def finding(
    code: str,
    message: str,
    span: Span,
    help_text: str = "",
    *,
    severity: Severity = "error",
    prop: str | None = None,
    trace: Trace | None = None,
) -> Finding:
    return Finding(Diagnostic(code, severity, message, span, help_text), prop, trace)


def run_to(case: Case, index: int) -> Run:
    """The machine's run along a shortest path to a state of the graph."""
    graph = case.graph
    path = path_to(graph, index)
    run = begin(case.system, case.table, graph.states[path[0]])
    return follow(run, moves_along(case.system, graph, path), [graph.states[i] for i in path[1:]])


def violations(case: Case) -> list[Finding]:
    """What needs no complete search: invariants, step properties, ranges, lost ends."""
    found = [*_invariants(case), *_watched(case)]
    return sorted(found, key=lambda f: (f.trace.length if f.trace else 0, f.diagnostic.span))


def _invariants(case: Case) -> Iterator[Finding]:
    layout = case.system.layout
    asked: list[tuple[Property, str, Context]] = []
    for slot in layout.slots:
        for prop in slot.blueprint.properties.values():
            if prop.kind == "invariant":
                asked.append((prop, slot.name, Context(layout, slot)))
    for prop in layout.app.properties.values():
        if prop.kind == "invariant":
            asked.append((prop, "", Context(layout, None)))
    hits = first_where(layout, case.graph.states, [violation(p, c) for p, _, c in asked])
    best: dict[tuple[str, Span], tuple[int, int]] = {}
    for number, index in hits.items():
        prop = asked[number][0]
        key = (prop.name, prop.span)
        candidate = (case.graph.distance[index], number)
        best[key] = min(best.get(key, candidate), candidate)
    for _, number in sorted(best.values()):
        yield _broken_invariant(case, *asked[number], hits[number])


def _broken_invariant(case: Case, prop: Property, slot: str, context: Context, index: int) -> Finding:
    run = run_to(case, index)
    frame = _frame(run, slot)
    clauses = false_clauses(prop.that.tree, frame)
    trace = make_trace(run, case.digest, clauses)
    message = f"`{prop.name}` is false after {_steps(trace.length)}: {_clause_text(clauses)}"
    return finding("LT401", message, prop.span, _guard_help(case, run, prop), prop=prop.name, trace=trace)


def _frame(run: Run, slot_name: str) -> Frame:
    if not slot_name:
        return Frame(world=run.world, app_ghosts=run.world.ghosts)
    slot = next(s for s in run.system.layout.slots if s.name == slot_name)
    return entity_frame(run.world, run.world.entities[run.entity(slot)])


def _steps(count: int) -> str:
    return "one step" if count == 1 else f"{count} steps"


def _clause_text(clauses: tuple[FalseClause, ...]) -> str:
    clause = clauses[0]
    values = ", ".join(f"{name} = {_plain(value)}" for name, value in clause.values.items())
    return f"`{clause.text}`" + (f" with {values}" if values else "")


def _plain(value: Json) -> str:
    if value is None:
        return "unset"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _last_action(run: Run) -> tuple[Blueprint, Action] | None:
    """The action of the last step that committed, if one entity took it alone."""
    if not isinstance(run.last, Step) or len(run.last.parts) != 1 or run.last.parts[0].action is None:
        return None
    part = run.last.parts[0]
    blueprint = run.table.blueprints[part.blueprint].blueprint
    return blueprint, blueprint.actions[run.last.parts[0].action or ""]


def _guard_help(case: Case, run: Run, prop: Property) -> str:
    """The guard that would keep the property, or whom to look at."""
    last = _last_action(run)
    if last is None:
        return "forbid one step of the trace with a guard (`when`), or weaken the property"
    action = last[1]
    clause = _first_false(prop.that.tree, run)
    needed = guard_for(clause, action) if clause is not None else None
    if needed is None:
        return f"keep `{action.name}` from being taken here (its `when`, `from` or `by`), or weaken `{prop.name}`"
    where = f"`{action.name}` at line {action.span.line}"
    if action.when is None:
        return f'let {where} refuse it: add `when = "{needed}"`; or weaken `{prop.name}`'
    return f"let {where} refuse it: `{needed}` must hold too, in its `when`; or weaken `{prop.name}`"


def _first_false(node: Node, run: Run) -> Node | None:
    """The first conjunct of a property of one entity that is false at the end of the run."""
    assert isinstance(run.last, Step), "a run that broke a property ends with a step"
    entity = run.world.entities.get(run.last.parts[0].entity)
    if entity is None or any(isinstance(n, Population) for n in [node]):
        return None
    operands = node.operands if isinstance(node, And) else (node,)
    for operand in operands:
        try:
            if not is_true(operand, entity_frame(run.world, entity)):
                return operand
        except KeyError:
            return None
    return None


def _watched(case: Case) -> Iterator[Finding]:
    """Faults and step properties, one finding for each place."""
    noted = watches(case.system)
    best: dict[tuple[str, object], tuple[int, int]] = {}
    for number, index in case.graph.hits.items():
        watch = noted[number]
        key = (
            watch.code,
            watch.subject if not watch.is_fault else watch.command.faults[int(watch.subject)].span,
        )
        candidate = (case.graph.distance[index], number)
        best[key] = min(best.get(key, candidate), candidate)
    for _, number in sorted(best.values()):
        watch, index = noted[number], case.graph.hits[number]
        yield _fault(case, watch, index) if watch.is_fault else _broken_step(case, watch, index)


def _final_move(case: Case, watch: Watch, index: int, *, needs_guard: bool) -> tuple[Run, Move]:
    run = run_to(case, index)
    condition = ir.both(watch.command.guard, watch.condition) if needs_guard else watch.condition
    picked, _ = next(picks(case.system.layout, watch.command, condition, case.graph.states[index]))
    return run, Move(watch.command, picked)


def _fault(case: Case, watch: Watch, index: int) -> Finding:
    fault = watch.command.faults[int(watch.subject)]
    run, move = _final_move(case, watch, index, needs_guard=False)
    take(run, move, may_be_refused=True)
    trace = make_trace(run, case.digest)
    if fault.code == "LT501":
        return _lost_end(case, watch, trace)
    where = f"`{fault.action}`" if fault.action else "an execution"
    if fault.code == "LT205":
        message = f"`{fault.subject}` in {where} computes with a value that is unset"
        cure = "guard it with `… is not None`, or give the field a default"
        return finding("LT205", message, fault.span, cure, trace=trace)
    blueprint = case.system.layout.app.blueprints[fault.blueprint]
    message = f"`{fault.subject}` in {where} can leave its range, after {_steps(trace.length - 1)}"
    if "//" in fault.subject or "%" in fault.subject:
        message = f"`{fault.subject}` in {where} can leave its range or divide by zero, after {_steps(trace.length - 1)}"
    return finding(
        "LT204", message, fault.span, _range_help(blueprint, fault.action, fault.subject), trace=trace
    )


def _range_help(blueprint: Blueprint, action: str | None, subject: str) -> str:
    """The guard that keeps an assignment inside its range."""
    name = subject.split()[0] if subject.split() else ""
    field = blueprint.fields.get(name)
    if field is None or action is None or field.type.low is None:
        return "guard the action (`when`) so that the value stays within its range, or widen the range"
    value = next((a.value for a in blueprint.actions[action].do if a.target == name), None)
    if value is None:
        return f"guard `{action}`, or widen the range of `{name}`"
    low, high = field.type.low, field.type.high
    return (
        f"add `{low} <= {unparse(value.tree)} <= {high}` to the `when` of `{action}`, "
        f"or widen the range of `{name}` ({low} to {high})"
    )


def _lost_end(case: Case, watch: Watch, trace: Trace) -> Finding:
    label = watch.command.label
    effect = label.slot.blueprint.effects[label.effect or ""]
    kind = "a good" if label.is_ok else "a bad"
    state = next(
        (
            part.changes["state"][1]
            for step in reversed(trace.steps)
            for part in step.parts
            if part.entity == trace.steps[-1].entity and "state" in part.changes
        ),
        None,
    )
    last = effect.error or effect.ok or "error"
    message = f"{kind} end of `{effect.name}` can be lost in `{state}`: `{last}` is refused there"
    cure = f"let `{last}` be possible whenever `{effect.name}` can end: its `from` must hold `{state}`, its `when` must hold there"
    return finding("LT501", message, effect.span, cure, trace=trace)


def _broken_step(case: Case, watch: Watch, index: int) -> Finding:
    run, move = _final_move(case, watch, index, needs_guard=True)
    take(run, move)
    blueprint, _, name = str(watch.subject).partition(".")
    app = case.system.layout.app
    prop = app.blueprints[blueprint].properties[name] if blueprint else app.properties[name]
    clauses = _step_clauses(run, prop, blueprint)
    trace = make_trace(run, case.digest, clauses)
    told = f": {_clause_text(clauses)}" if clauses else ""
    message = (
        f"step {trace.length} breaks `{name}`{told}"
        if move.command.is_committed
        else f"an execution breaks `{name}`{told}"
    )
    label = watch.command.label
    cure = (
        f"guard `{label.action}` so that it cannot be taken there, or weaken `{name}`" if label.action else ""
    )
    return finding("LT402", message, prop.span, cure, prop=name, trace=trace)


def _step_clauses(run: Run, prop: Property, blueprint: str) -> tuple[FalseClause, ...]:
    """The false part of a step property, for the first entity of the step for which it is false."""
    assert isinstance(run.last, Step) and run.before is not None, "a step was taken"
    for frame in _step_frames(run, run.before, run.last, blueprint):
        is_meant = not prop.in_states or (frame.entity is not None and frame.entity.state in prop.in_states)
        applies_here = prop.when is None or is_true(prop.when.tree, frame)
        if is_meant and applies_here and not is_true(prop.that.tree, frame):
            return false_clauses(prop.that.tree, frame)
    return ()


def _step_frames(run: Run, before: MemoryWorld, step: Step, blueprint: str) -> Iterator[Frame]:
    if not blueprint:
        yield Frame(world=run.world, app_ghosts=run.world.ghosts, old_app_ghosts=before.ghosts)
        return
    for name in sorted(step.written):
        after, old = step.written[name], before.get(name)
        if after.blueprint == blueprint and old is not None:
            yield replace(entity_frame(run.world, after), old=old, old_app_ghosts=before.ghosts)


def never(case: Case) -> list[Finding]:
    """What only a complete search can say: what is never reached, never taken, never holds."""
    found = [*_unreached(case), *_untaken(case), *_never_sometimes(case)]
    return sorted(found, key=lambda f: f.diagnostic.span)


def _unreached(case: Case) -> Iterator[Finding]:
    reached = taken_actions(case.system, case.graph).states
    for blueprint in case.system.layout.app.blueprints.values():
        if not case.system.layout.of(blueprint.name):
            continue
        for state in blueprint.states.values():
            if (blueprint.name, state.name) not in reached:
                into = [a.name for a in blueprint.actions.values() if a.to == state.name]
                cure = (
                    f"{_listed(into)} would enter it but can never be taken: see why, or drop the state"
                    if into
                    else f'let an action enter it (`to = "{state.name}"`), or drop the state'
                )
                yield finding("LT201", f"`{state.name}` can never be reached", state.span, cure)


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)


def _untaken(case: Case) -> Iterator[Finding]:
    taken = taken_actions(case.system, case.graph).actions
    for blueprint in case.system.layout.app.blueprints.values():
        if not case.system.layout.of(blueprint.name):
            continue
        for action in blueprint.actions.values():
            if (blueprint.name, action.name) in taken or not action.admits:
                continue
            if action.also and _own_side_admits(case, blueprint, action):
                names = _listed([f"{c.blueprint}.{c.action}" for c in action.also])
                yield finding(
                    "LT506",
                    f"`{action.name}` is possible by itself, but never together with {names}",
                    action.span,
                    "find states in which all sides are possible at once: compare their `from`, `when` and arguments",
                )
            else:
                yield finding(
                    "LT202",
                    f"`{action.name}` can never be taken",
                    action.span,
                    _untaken_help(blueprint, action),
                )


def _untaken_help(blueprint: Blueprint, action: Action) -> str:
    if action.when is not None:
        return f"its guard `{action.when.text}` is never true in {_listed(list(action.from_states)) or 'a new entity'}"
    return (
        "no reachable state of the system makes it possible: check its `from`, `by` and arguments, or drop it"
    )


def _own_side_admits(case: Case, blueprint: Blueprint, action: Action) -> bool:
    """Whether the action's own state and guard are ever met, whatever its other sides say."""
    layout = case.system.layout
    conditions = []
    for slot in layout.of(blueprint.name):
        here = ir.either(
            *(ir.eq(slot.state.formula, ir.const(slot.state_code(s))) for s in action.from_states)
        )
        guard = (
            holds(action.when.tree, Context(layout, slot))
            if action.when and not action.arguments
            else ir.TRUE
        )
        if not any(leaf[0] == "p" for leaf in ir.leaves(guard)):
            conditions.append(ir.both(here, guard))
    return bool(first_where(layout, case.graph.states, conditions))


def _contexts(case: Case, owner: str) -> list[Context]:
    layout = case.system.layout
    return [Context(layout, s) for s in layout.of(owner)] if owner else [Context(layout, None)]


def _properties(case: Case, kind: str) -> Iterator[tuple[str, Property]]:
    app = case.system.layout.app
    for blueprint in app.blueprints.values():
        if case.system.layout.of(blueprint.name):
            yield from ((blueprint.name, p) for p in blueprint.properties.values() if p.kind == kind)
    yield from (("", p) for p in app.properties.values() if p.kind == kind)


def _never_sometimes(case: Case) -> Iterator[Finding]:
    asked = list(_properties(case, "sometimes"))
    conditions = [
        ir.either(*(ir.both(applies(p, c), holds(p.that.tree, c)) for c in _contexts(case, owner)))
        for owner, p in asked
    ]
    found = first_where(case.system.layout, case.graph.states, conditions)
    for number, (_, prop) in enumerate(asked):
        if number not in found:
            yield finding(
                "LT403",
                f"`{prop.name}` never holds: no reachable state makes `{prop.that.text}` true",
                prop.span,
                "if it should be possible, look at the guards on the way there; if not, drop it",
                prop=prop.name,
            )


def empty_promises(case: Case) -> list[Finding]:
    """LT404: properties that hold because what they are about never happens."""
    layout = case.system.layout
    asked = [(o, p) for kind in ("invariant", "step") for o, p in _properties(case, kind)]
    conditions, kept = [], []
    for owner, prop in asked:
        premises = [_premise(prop, c) for c in _contexts(case, owner)]
        if all(p is not None for p in premises):
            conditions.append(ir.either(*(p for p in premises if p is not None)))
            kept.append(prop)
    found = first_where(layout, case.graph.states, conditions)
    return [
        finding(
            "LT404",
            f"`{p.name}` holds for no reason: what it is about never happens",
            p.span,
            "look at its `when`, its `in`, or the part before `or`: no reachable state meets it",
            severity="warning",
            prop=p.name,
        )
        for number, p in enumerate(kept)
        if number not in found
    ]


def _premise(prop: Property, context: Context) -> Formula | None:
    """The condition under which a property says something at all; None if it always does."""
    tree = prop.that.tree
    if prop.kind == "step" and (any(_is_old(n) for n in walk(tree)) and not (prop.when or prop.in_states)):
        return None
    here = (
        applies(prop, context) if not (prop.when and any(_is_old(n) for n in walk(prop.when.tree))) else None
    )
    if here is None:
        return None
    if isinstance(tree, Or) and isinstance(tree.operands[0], Not) and not any(_is_old(n) for n in walk(tree)):
        return ir.both(here, holds(tree.operands[0].operand, context))
    if isinstance(tree, Quantifier) and tree.function == "all" and not any(_is_old(n) for n in walk(tree)):
        some = replace(tree, function="any", body=_true())
        return ir.both(here, holds(some, context))
    return here if prop.when is not None or prop.in_states else None


def _true() -> Node:
    return Literal(True, BOOL)


def _is_old(node: Node) -> bool:
    scope = getattr(node, "scope", "") or ""
    return str(scope).startswith("old") or getattr(node, "name", "") == "old_state"


def denials(case: Case) -> list[Finding]:
    """`cannot` with a `when`: a reachable state in which it is meant and `by` permits it all the same."""
    layout = case.system.layout
    found: list[Finding] = []
    for blueprint in layout.app.blueprints.values():
        for cannot in blueprint.cannot.values():
            actions = permitted(blueprint, cannot) if cannot.when is not None else []
            if not actions or cannot.when is None:
                continue
            conditions = [holds(cannot.when.tree, c) for c in _contexts(case, blueprint.name)]
            met = first_where(layout, case.graph.states, conditions)
            for number in sorted(met)[:1]:
                trace = make_trace(run_to(case, met[number]), case.digest)
                found.extend(replace(denial(cannot, a), trace=trace) for a in actions)
    return found


def tell_standstill(case: Case, still: Standstill) -> Finding:
    """LT301, LT302, LT303, with the way there."""
    run = run_to(case, still.index)
    trace = make_trace(run, case.digest)
    state = still.slot.blueprint.states[still.state]
    name = still.state
    if still.code == "LT301":
        message = f"an entity can be stuck in `{name}`: nothing that it can do is possible, now or ever"
        cure = f"give `{name}` a way out that is possible in this situation, or say `final = true`"
    elif still.code == "LT302":
        message = f"from `{name}` no final or waiting state can be reached any more"
        cure = "add a way to a final state, or say of a state on the round what it `waits` for"
    else:
        message = f"`{name}` waits without saying so: no timer, effect, call or fair action can end its visit"
        cure = (
            f'say what it waits for (`waits = "…"` in `{name}`), or give it `after` and `then`, '
            "or mark the action that outsiders promise to take with `fair = true`"
        )
    return finding(still.code, message, state.span, cure, trace=trace)


def tell_unfair(case: Case, failure: Unfair) -> Finding:
    """LT304: the way to where the property waits, then the round that it never leaves."""
    run = run_to(case, failure.start)
    index = _walk(case, run, failure.start, failure.way)
    loop_from = len(run.steps) if failure.loop else None
    _walk(case, run, index, failure.loop)
    trace = make_trace(run, case.digest, loop_from=loop_from)
    prop = failure.prop
    code = failure.slot.state.read(case.graph.states[index])
    state = tuple(failure.slot.blueprint.states)[code - 1]
    goal = " or ".join(f"`{s}`" for s in prop.to_states)
    if failure.loop:
        message = f"`{prop.name}` fails: a fair run can go round for ever without reaching {goal}"
        cure = "bound the round (a counter in a guard), or let something that is owed lead out of it"
    else:
        message = (
            f"`{prop.name}` fails: a run may stop in `{state}`, where nothing has to happen, short of {goal}"
        )
        cure = f"give `{state}` a timer (`after`, `then`), mark the action that outsiders promise with `fair = true`, or add `{state}` to `to`"
    return finding("LT304", message, prop.span, cure, prop=prop.name, trace=trace)


def _walk(case: Case, run: Run, index: int, edges: tuple[Edge, ...]) -> int:
    """Take edges of the graph on the machine; tells where they end."""
    graph, system = case.graph, case.system
    for label, target in edges:
        move = move_between(system.layout, system.commands[label], graph.states[index], graph.states[target])
        follow(run, [move], [graph.states[target]])
        index = target
    return index
