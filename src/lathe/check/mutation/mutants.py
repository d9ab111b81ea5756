"""Mutants: an app with one change, each a mistake that somebody makes.

What the properties, and the house checks, would not notice is told as a question to the author (LT405). The
changes are a fixed set: guards dropped, negated and weakened; `from` widened and narrowed; another target;
assignments dropped and repeated; numbers off by one; timers, error callbacks, `idempotent`, `also` and
policies dropped. Each changes what the author wrote, in one place, as an editor would: what was wired to a
timer or an effect that is gone is wired no more. Properties are the judges; they are never changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lathe.check.mutation.nearby import branches, off_by_one, repeated, said
from lathe.errors import Span
from lathe.frozen import frozen
from lathe.lang.adapters import ADAPTERS
from lathe.lang.expr import And, Expression, Literal, Not
from lathe.lang.model import Action, App, Assignment, Blueprint, Effect, Principal
from lathe.lang.unparse import unparse


@frozen
class Mutant:
    """An app with one change: what was changed, where, and the field that only it assigns, if it does."""

    app: App
    told: str
    span: Span
    field: tuple[str, str] | None = None


def mutants(app: App) -> Iterator[Mutant]:
    """Every single change from the fixed set, in the order of the files."""
    for blueprint in app.blueprints.values():
        make = _Maker(app, blueprint)
        for action in blueprint.actions.values():
            yield from _guards(make, action)
            yield from _places(make, action)
            yield from _targets(make, action)
            yield from _assignments(make, action)
            yield from _joint(make, action)
        yield from _outside(make)
    yield from _policies(app)


@frozen
class _Maker:
    """Puts a changed part back into its app."""

    app: App
    blueprint: Blueprint

    def __call__(self, told: str, span: Span, blueprint: Blueprint) -> Mutant:
        apps = {**self.app.blueprints, blueprint.name: blueprint}
        return Mutant(replace(self.app, blueprints=apps), f"{blueprint.name}: {told}", span)

    def action(self, told: str, span: Span, action: Action) -> Mutant:
        """The app with one action changed."""
        actions = {**self.blueprint.actions, action.name: action}
        return self(told, span, replace(self.blueprint, actions=actions))

    def rewired(self, told: str, span: Span, blueprint: Blueprint) -> Mutant:
        """The app with fewer timers or callbacks: whom they were wired to admits them no more."""
        actions = {a.name: replace(a, admits=_admitted(blueprint, a)) for a in blueprint.actions.values()}
        return self(told, span, replace(blueprint, actions=actions))


def _admitted(blueprint: Blueprint, action: Action) -> tuple[Principal, ...]:
    """Whom an action admits, of those that it admitted: by name, or by what is still wired to it."""
    callbacks = ((e.name, (e.ok, e.error)) for e in blueprint.effects.values())
    wired = {Principal("effect", name) for name, ends in callbacks if action.name in ends}
    wired |= {Principal("inbound", i.name) for i in blueprint.inbound.values() if i.action == action.name}
    timed = [*(s.then for s in blueprint.states.values()), *(t.then for t in blueprint.timers.values())]
    if action.name in timed:
        wired.add(Principal("timer"))
    return tuple(p for p in action.admits if p in action.by or p in wired)


def _guards(make: _Maker, action: Action) -> Iterator[Mutant]:
    guard = action.when
    if guard is None:
        return
    name, span, tree = action.name, guard.span, guard.tree
    yield make.action(f"`{name}` without its guard", span, replace(action, when=None))
    negated = said(guard, Not(tree, tree.span))
    yield make.action(f"`{name}` when its guard is false", span, replace(action, when=negated))
    if isinstance(tree, And) and len(tree.operands) > 1:
        for index, operand in enumerate(tree.operands):
            rest = tree.operands[:index] + tree.operands[index + 1 :]
            weaker = said(guard, rest[0] if len(rest) == 1 else replace(tree, operands=rest))
            yield make.action(f"`{name}` without `{unparse(operand)}`", span, replace(action, when=weaker))
    for told, changed in off_by_one(guard):
        yield make.action(f"`{name}` with {told}", span, replace(action, when=changed))


def _places(make: _Maker, action: Action) -> Iterator[Mutant]:
    if action.name == "create":
        return
    for state in make.blueprint.states.values():
        if state.name in action.from_states:
            if len(action.from_states) > 1:
                fewer = tuple(s for s in action.from_states if s != state.name)
                told = f"`{action.name}` not from `{state.name}`"
                yield make.action(told, action.span, replace(action, from_states=fewer, from_any=False))
        elif not state.final:
            more = (*action.from_states, state.name)
            yield make.action(
                f"`{action.name}` from `{state.name}` too", action.span, replace(action, from_states=more)
            )


def _targets(make: _Maker, action: Action) -> Iterator[Mutant]:
    """Another target: the next state for one that is named, or one branch of two, or a number off by one."""
    if action.to is not None:
        names = list(make.blueprint.states)
        other = names[(names.index(action.to) + 1) % len(names)]
        if other != action.to:
            yield make.action(f"`{action.name}` to `{other}`", action.span, replace(action, to=other))
    elif action.to_if is not None:
        for told, changed in (*branches(action.to_if), *off_by_one(action.to_if)):
            target = _whither(action, changed)
            yield make.action(f"`{action.name}` to {told}", action.to_if.span, target)


def _whither(action: Action, target: Expression) -> Action:
    if isinstance(target.tree, Literal) and isinstance(target.tree.value, str):
        return replace(action, to=target.tree.value, to_if=None)
    return replace(action, to_if=target)


def _assignments(make: _Maker, action: Action) -> Iterator[Mutant]:
    name = action.name
    for index, found in enumerate(action.do):
        key = (make.blueprint.name, found.target)
        rest = (*action.do[:index], *action.do[index + 1 :])
        dropped = make.action(f"`{name}` without `{found.text}`", found.span, replace(action, do=rest))
        yield replace(dropped, field=key)
        for told, value in _other_values(found):
            changed: Assignment = replace(found, value=value, text=f"{found.target} = {value.text}")
            do = (*action.do[:index], changed, *action.do[index + 1 :])
            yield replace(make.action(f"`{name}` with {told}", found.span, replace(action, do=do)), field=key)


def _other_values(found: Assignment) -> Iterator[tuple[str, Expression]]:
    for told, value in off_by_one(found.value):
        yield f"{told} in `{found.text}`", value
    twice = repeated(found.value, found.target)
    if twice is not None:
        yield f"`{found.text}` twice", twice


def _joint(make: _Maker, action: Action) -> Iterator[Mutant]:
    for index, clause in enumerate(action.also):
        other = f"`{clause.blueprint}.{clause.action}`"
        rest = (*action.also[:index], *action.also[index + 1 :])
        yield make.action(f"`{action.name}` without {other}", clause.span, replace(action, also=rest))
        for argument, value in clause.args.items():
            for told, changed in off_by_one(value):
                clauses = list(action.also)
                clauses[index] = replace(clause, args={**clause.args, argument: changed})
                said_so = f"`{action.name}` gives {other} {told} as `{argument}`"
                yield make.action(said_so, value.span, replace(action, also=tuple(clauses)))


def _outside(make: _Maker) -> Iterator[Mutant]:
    blueprint = make.blueprint
    for state in blueprint.states.values():
        if state.then is not None:
            states = {**blueprint.states, state.name: replace(state, after_ms=None, then=None)}
            told = f"`{state.name}` without its timer"
            yield make.rewired(told, state.span, replace(blueprint, states=states))
    for timer in blueprint.timers.values():
        timers = {name: t for name, t in blueprint.timers.items() if name != timer.name}
        told = f"without the timer `{timer.name}`"
        yield make.rewired(told, timer.span, replace(blueprint, timers=timers))
    for effect in blueprint.effects.values():
        changes: list[tuple[str, Effect]] = []
        if effect.error is not None:
            changes.append(("without its `error`", replace(effect, error=None)))
        if _says_idempotent(effect):
            changes.append(("not `idempotent`", replace(effect, idempotent=False)))
        for told, changed in changes:
            effects = {**blueprint.effects, effect.name: changed}
            yield make.rewired(f"`{effect.name}` {told}", effect.span, replace(blueprint, effects=effects))


def _says_idempotent(effect: Effect) -> bool:
    """Whether the author says so: what the adapter is by itself cannot be left out."""
    adapter = ADAPTERS.get(effect.uses)
    by_itself = adapter is not None and adapter.idempotence.holds_for(effect.settings)
    return effect.idempotent and not by_itself


def _policies(app: App) -> Iterator[Mutant]:
    """Each policy left out of its file."""
    if not app.policies:
        return
    from lathe.policy.scan import pieces  # only here: an app without any loads nothing for it

    for file, text in app.policies.items():
        every = pieces(file, text)
        for index, piece in enumerate(every):
            rest = "\n".join(p.text for i, p in enumerate(every) if i != index)
            kept = {**app.policies, file: rest}
            if not rest:
                del kept[file]
            told = f"`{file}` without the policy of line {piece.line}"
            yield Mutant(replace(app, policies=kept), told, piece.span())
