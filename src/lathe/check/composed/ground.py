"""Grounds every command of a system: by slot, state, principal and arguments."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from math import prod

from lathe.check.bounds import MAX_COMBINATIONS, require
from lathe.check.composed import ir
from lathe.check.composed.branch import Branch, Fault, Take
from lathe.check.composed.closure import closure
from lathe.check.composed.command import Command, Label, Param, Share
from lathe.check.composed.domain import SCALARS
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import Layout, Slot, Variable
from lathe.check.composed.lowering import Term
from lathe.lang.model import Action, Argument, Principal
from lathe.lang.types import ID

TIMER = Principal("timer")


def param_term(param: Param) -> Term:
    """The term of a parameter: ints by value, everything else by code."""
    low = param.kind.low or 0 if param.kind.kind == "int" else 0
    return Term(ir.param(param.name, min(param.codes) + low, max(param.codes) + low))


class Choices:
    """The parameters of a command as it is built: arguments and the caller."""

    def __init__(self, layout: Layout, slot: Slot) -> None:
        self.layout = layout
        self.slot = slot
        self.params: list[Param] = []
        self.conditions: dict[str, Formula] = {}
        self.somebody: Formula = TRUE

    def caller(self, action: Action) -> Term:
        """An outsider's identity, if the roles that it may hold open the action to it.

        Where policies concern the action, they say to whom it is open, once its arguments are known.
        """
        codes = tuple(range(1, len(self.layout.domains.principals) + 1))
        param = Param("actor", codes, ID, None)
        self.params.append(param)
        term = param_term(param)
        if is_policed(self.layout, self.slot, action):
            return term
        wanted = {p.name for p in action.admits if p.kind == "role"}
        if self.layout.roles and not any(p.kind == "any" for p in action.admits):
            may = [self._holds(variable, wanted) for variable in self.layout.roles]
            is_each = [ir.eq(term.value, ir.const(index + 1)) for index in range(len(may))]
            self.conditions["actor"] = ir.either(*map(ir.both, is_each, may))
            self.somebody = ir.either(*may)
        return term

    def _holds(self, variable: Variable, wanted: set[str | None]) -> Formula:
        """Whether a principal holds one of the wanted roles."""
        good = [i for i, held in enumerate(self.layout.role_sets) if held & wanted]
        return ir.either(*(ir.eq(variable.formula, ir.const(g)) for g in good))

    def argument(self, action: Action, argument: Argument) -> Term | None:
        """What a caller may give for an argument; None if it is not explored."""
        name, kind = argument.name, argument.type
        known = self.layout.is_explored("arg", self.slot.blueprint.name, name, action.name)
        if not known and (kind.kind != "ref" or argument.optional):
            return None
        choice = self.layout.domains.choice(argument)
        can_be_unset = argument.optional and not argument.has_default
        codes = choice.codes
        if can_be_unset and kind.kind not in (*SCALARS, "set"):
            codes = (0, *codes)
        if not codes:
            return Term(FALSE, unset=TRUE)
        param = Param(name, codes, kind, name, choice.sampled)
        self.params.append(param)
        term = param_term(param)
        if kind.kind == "ref":
            self.conditions[name] = self._exists(kind.blueprint or "", term.value, can_be_unset=can_be_unset)
        if kind.element is not None and kind.element.kind == "ref":
            self.conditions[name] = self._all_exist(kind.element.blueprint or "", term.value)
        if can_be_unset and kind.kind in SCALARS:
            missing = Param(f"no_{name}", (0, 1), kind, None)
            self.params.append(missing)
            return replace(term, none=ir.param(missing.name, 0, 1))
        return term

    def _exists(self, blueprint: str, ref: Formula, *, can_be_unset: bool) -> Formula:
        ways = [ir.eq(ref, FALSE)] if can_be_unset else []
        for slot in self.layout.of(blueprint):
            here = ir.no(ir.eq(slot.state.formula, FALSE))
            ways.append(ir.both(ir.eq(ref, ir.const(slot.index + 1)), here))
        return ir.either(*ways)

    def _all_exist(self, blueprint: str, group: Formula) -> Formula:
        """Whether a set of refs names only entities that there are."""
        return ir.both(
            *(
                ir.either(ir.no(ir.bit(group, ir.const(slot.index))), ir.no(ir.eq(slot.state.formula, FALSE)))
                for slot in self.layout.of(blueprint)
            )
        )

    def arguments(self, action: Action, only: Container[str] | None = None) -> dict[str, Term]:
        """What may be given for each argument, or for those alone that somebody can give."""
        found: dict[str, Term] = {}
        for argument in action.arguments.values():
            if only is None or argument.name in only:
                term = self.argument(action, argument)
                if term is not None:
                    found[argument.name] = term
        return found


def finish(
    choices: Choices, label: Label, state: int | None, branches: list[Branch], *, required: Formula = TRUE
) -> Iterator[Command]:
    """The branches as commands, with the parameters that they really read."""
    told: set[tuple[object, ...]] = set()
    for branch in branches:
        faults = [f for f in branch.faults if (f.code, f.span, f.condition) not in told]
        told |= {(f.code, f.span, f.condition) for f in faults}
        if branch.condition == FALSE and not faults:
            continue
        yield _command(choices, label, state, branch, tuple(faults), required)


def _command(
    choices: Choices,
    label: Label,
    state: int | None,
    branch: Branch,
    faults: tuple[Fault, ...],
    required: Formula,
) -> Command:
    guard = ir.both(required, branch.condition)
    updates = {i: f for i, f in branch.updates.items() if f != choices.layout.variables[i].formula}
    names = ir.parameters(guard, *updates.values(), *(f.condition for f in faults))
    forced = {p.name for p in choices.params if p.name in choices.conditions and p.argument is not None}
    if choices.layout.is_spelled:
        names |= {p.name for p in choices.params}
    needed = _affordable(choices, [p for p in choices.params if p.name in names | forced])
    conditions = [choices.conditions[p.name] for p in needed if p.name in choices.conditions]
    if "actor" not in names:
        conditions.append(choices.somebody)
    guard = ir.both(*conditions, guard)
    faults = tuple(replace(f, condition=ir.both(*conditions, required, f.condition)) for f in faults)
    shares = tuple(Share(p.slot, p.action.name, p.by, p.target, p.is_new) for p in branch.parts)
    return Command(label, state, guard, updates, tuple(needed), shares, faults)


def _affordable(choices: Choices, params: list[Param]) -> list[Param]:
    """The parameters, the widest sampled until all of them together stay within the bound."""
    found = list(params)
    while prod(len(p.codes) for p in found) > MAX_COMBINATIONS:
        widest = max(range(len(found)), key=lambda i: len(found[i].codes))
        fewer = choices.layout.domains.thinned(found[widest].kind, found[widest].codes)
        require(MAX_COMBINATIONS + (fewer == found[widest].codes), MAX_COMBINATIONS, "an action")
        found[widest] = replace(found[widest], codes=fewer, sampled=True)
    return found


def known_state(slot: Slot, state: str) -> dict[int, Formula]:
    """What is known of a slot while a command for one of its states is built."""
    return {slot.state.index: ir.const(slot.state_code(state))}


def empty_slot(layout: Layout, slot: Slot) -> Formula:
    """The condition that this slot is the first of its blueprint that is empty."""
    before = [ir.no(ir.eq(s.state.formula, FALSE)) for s in layout.of(slot.blueprint.name)[: slot.index]]
    return ir.both(ir.eq(slot.state.formula, FALSE), *before)


def newborn(layout: Layout, slot: Slot) -> dict[int, Formula]:
    """What the variables of a slot read as while its entity is being created."""
    blueprint, domains = slot.blueprint, layout.domains
    known = {v.index: FALSE for v in slot.variables()}
    known[slot.state.index] = ir.const(slot.state_code(blueprint.initial))
    for name, variable in slot.fields.items():
        f = blueprint.fields[name]
        known[variable.index] = ir.const(domains.code(f.type, f.default)) if f.has_default else FALSE
    for name, variable in slot.ghosts.items():
        ghost = blueprint.ghosts[name]
        known[variable.index] = ir.const(domains.code(ghost.type, ghost.default))
    return known


def unborn(slot: Slot) -> frozenset[int]:
    """The variables that have no value while the entity is being created: what it must be given."""
    fields = [slot.blueprint.fields[name] for name in slot.fields]
    return frozenset(
        slot.fields[f.name].index for f in fields if f.type.kind in SCALARS and not f.has_default
    )


def is_policed(layout: Layout, slot: Slot, action: Action) -> bool:
    """Whether policies of the app's files have their say in who may take an action."""
    if not layout.app.policies:
        return False
    from lathe.check.composed.policies import policed  # only here: it loads cedarpy

    return policed(layout.app).concerns(slot.blueprint.name, action.name)


def _outside(layout: Layout, slot: Slot, action: Action) -> list[Principal]:
    """The outsiders to whom an action is open: callers with a role, and inbound events."""
    found = [p for p in action.admits if p.kind == "inbound"]
    roles = [p for p in action.admits if p.kind in ("role", "any")]
    if not roles and is_policed(layout, slot, action):
        roles = [Principal("any")]
    return [*roles[:1], *found]


def creations(layout: Layout, slot: Slot) -> Iterator[Command]:
    """An outsider creates an entity."""
    action = slot.blueprint.actions.get("create")
    for by in _outside(layout, slot, action) if action else []:
        assert action is not None, "there is a create"
        choices = Choices(layout, slot)
        actor = choices.caller(action) if by.kind in ("role", "any") else Term(FALSE)
        args = choices.arguments(action, _givable(slot, by))
        known = newborn(layout, slot)
        branch = Branch(actor, dict(known), updates=dict(known), unborn=unborn(slot))
        branch.require(empty_slot(layout, slot))
        branch.pending = [Take(slot, action, args, _as_role(by), is_new=True)]
        label = Label("create", slot, by, "create", made=(slot,))
        yield from finish(choices, label, 0, closure(layout, branch))


def _givable(slot: Slot, by: Principal) -> Container[str] | None:
    """The arguments that a delivery from outside has; a caller may give them all."""
    return slot.blueprint.inbound[by.name or ""].args if by.kind == "inbound" else None


def _as_role(by: Principal) -> Principal:
    return Principal("role", by.name) if by.kind == "any" else by


def outsiders(layout: Layout, slot: Slot, state: str) -> Iterator[Command]:
    """The actions that callers and inbound events may take in a state."""
    for action in slot.blueprint.actions.values():
        if state not in action.from_states:
            continue
        for by in _outside(layout, slot, action):
            choices = Choices(layout, slot)
            actor = choices.caller(action) if by.kind in ("role", "any") else Term(FALSE)
            args = choices.arguments(action, _givable(slot, by))
            branch = Branch(actor, known_state(slot, state))
            branch.pending = [Take(slot, action, args, _as_role(by))]
            label = Label("act", slot, by, action.name)
            yield from finish(choices, label, slot.state_code(state), closure(layout, branch))


def timers(layout: Layout, slot: Slot, state: str) -> Iterator[Command]:
    """The state's own timer, and the deadlines whose action is possible in the state."""
    blueprint, code = slot.blueprint, slot.state_code(state)
    then = blueprint.states[state].then
    if then is not None:
        branch = Branch(Term(FALSE), known_state(slot, state))
        branch.pending = [Take(slot, blueprint.actions[then], {}, TIMER)]
        label = Label("timer", slot, TIMER, then)
        yield from finish(Choices(layout, slot), label, code, closure(layout, branch))
    for deadline in blueprint.timers.values():
        action = blueprint.actions[deadline.then]
        if state not in action.from_states:
            continue
        at = slot.fields[deadline.at]
        known = {**known_state(slot, state), at.index: FALSE}
        branch = Branch(Term(FALSE), known, updates={at.index: FALSE})
        branch.require(ir.eq(at.formula, TRUE))
        branch.pending = [Take(slot, action, {}, TIMER)]
        label = Label("timer", slot, TIMER, action.name, deadline=deadline.name)
        yield from finish(Choices(layout, slot), label, code, closure(layout, branch))
