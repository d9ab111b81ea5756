"""Arguments of which only some values were tried, and the properties that are undecided because of it.

Of an argument with many values only those that matter are tried. What is then computed is exact, so a
violation is one; but that a property, a range, a lost end or a `cannot` which reads such data holds,
is known of the sample alone until it is proved for all values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from lathe.check.composed.command import Param
from lathe.check.composed.domain import SCALARS
from lathe.check.composed.ir import FALSE
from lathe.check.composed.lowering import Context
from lathe.check.composed.relevance import Key, behind, deciding, dependencies, is_safe, may_fail, reads
from lathe.check.composed.system import System, narrowed_fields
from lathe.check.judge.standing import left_as_it_should
from lathe.check.read import finding, permitted
from lathe.check.reporting.report import Finding
from lathe.errors import Span
from lathe.frozen import frozen
from lathe.lang.expr import Expression, walk
from lathe.lang.model import Action, App, Argument, Blueprint, Cannot, State, target_type


@frozen
class Subject:
    """Something that must hold: its place, how it is told, its property, and what decides about it."""

    span: Span
    told: str
    prop: str | None
    roots: tuple[Key, ...]
    is_lasting: bool = False


def sampled_arguments(system: System) -> dict[Key, Param]:
    """The arguments of which not every value was tried, with the smallest sample of each."""
    found: dict[Key, Param] = {}
    for command in system.commands:
        for param in command.params:
            if param.sampled and param.argument is not None and command.label.action is not None:
                blueprint = command.label.slot.blueprint
                if param.argument not in blueprint.actions[command.label.action].arguments:
                    continue  # a result that made `error` of a refused `ok`: it is told at `ok`
                key = ("arg", blueprint.name, command.label.action, param.argument)
                before = found.get(key)
                if before is None or len(param.codes) < len(before.codes):
                    found[key] = param
    return found


def tell_sampled(system: System) -> Iterator[Finding]:
    """LT802 for each domain of which a part was searched, LT801 for what reads it."""
    app, found = system.layout.app, sampled_arguments(system)
    narrowed = narrowed_fields(app)
    for (_, owner, action, name), param in found.items():
        argument = app.blueprints[owner].actions[action].arguments[name]
        place = app.blueprints[owner].fields[name].span if argument.from_sets else argument.span
        size = system.layout.domains.size(param.kind)
        size -= param.kind.kind not in (*SCALARS, "set")
        message = f"sampled: `{name}` of `{action}`, {len(param.codes):,} of {size:,} values were tried"
        cure = "narrow it to 64 values or fewer, and all of them are tried"
        yield finding("LT802", message, place, "" if argument.explore else cure, severity="note")
    for (_, _, _, name), held in narrowed.items():
        assert held.explore is not None, "the field has a part that is explored"
        message = f"sampled: `{name}`, {held.explore[0]:,} to {held.explore[1]:,} was searched (`explore`)"
        yield finding("LT802", message, held.span, "", severity="note")
    explored = {key for key in found if app.blueprints[key[1]].actions[key[2]].arguments[key[3]].explore}
    chosen = {f"`{key[3]}`" for key in (*explored, *narrowed)}
    for subject, names in subjects_behind(system, {*found, *narrowed}):
        told = ", ".join(names)
        message = f"{subject.told} is known only for the values of {told} that were searched, not proved"
        way = "say in an invariant why it holds, so that level 1 can prove it"
        if subject.is_lasting:  # no induction speaks of what comes in the end: the skeleton was asked
            way = f"let guards compare {told} with constants alone"
        cure = f"{way}; {_all_tried(names, chosen)}; or accept the bounds with `--accept-bounds`"
        yield finding("LT801", message, subject.span, cure, prop=subject.prop)


def _all_tried(names: Sequence[str], chosen: set[str]) -> str:
    """How every value of these would be tried; of those among `chosen` the author said which are."""
    wide = [name for name in names if name not in chosen]
    ways = [f"narrow {', '.join(wide)} to 64 values or fewer"] if wide else []
    mine = [name for name in names if name in chosen]
    ways += [f"drop the `explore` of {', '.join(mine)} or widen it"] if mine else []
    return ", and ".join(ways)


def too_large(found: Finding, scope: str) -> Finding:
    """The same where nothing is known to be wrong: the scope was too large to be asked of all values."""
    before = found.diagnostic
    if before.code != "LT801":
        return found
    cure = "say in `[scope]` of app.toml that fewer are enough; " + before.help.partition("; ")[2]
    message = f"{before.message}: all of them could not be asked of {scope}"
    return replace(found, diagnostic=replace(before, message=message, help=cure))


def out_of_time(found: Finding) -> Finding:
    """The same where the seconds of level 1 ended: more of them may prove it, and that is said first."""
    before = found.diagnostic
    if before.code != "LT801":
        return found
    message = f"{before.message}: the seconds of level 1 ran out"
    cure = f"a larger `--budget`, or `budget_seconds` in `[scope]` of app.toml, may prove it; {before.help}"
    return replace(found, diagnostic=replace(before, message=message, help=cure))


def subjects_behind(system: System, parts: Iterable[Key]) -> Iterator[tuple[Subject, list[str]]]:
    """What must hold and reads some data, itself or through others, with the names of what it reads."""
    known = set(parts)
    needs = dependencies(system.layout.app) if known else {}
    for subject in _subjects(system) if known else ():
        names = sorted({f"`{key[3]}`" for key in behind(needs, subject.roots) & known})
        if names:
            yield subject, names


def _subjects(system: System) -> Iterator[Subject]:
    app = system.layout.app
    for prop in app.properties.values():
        if prop.kind != "sometimes":
            roots = (*reads("", "", prop.that), *reads("", "", prop.when))
            yield Subject(prop.span, f"`{prop.name}`", prop.name, roots)
    policed = (key for b in app.blueprints.values() for key in _policies(app, b, *b.actions))
    moving = (*deciding(app), *policed)
    for blueprint in app.blueprints.values():
        yield from _properties(system, blueprint, moving)
        for action in blueprint.actions.values():
            yield from _ranges(app, blueprint, action)
        for effect in blueprint.effects.values():
            if effect.error is not None:
                refusing = _refusing(app, blueprint, blueprint.actions[effect.error])
                roots = (*refusing, *_policies(app, blueprint, effect.error))
                yield Subject(effect.span, f"whether an end of `{effect.name}` is lost", None, roots)


def _policies(app: App, blueprint: Blueprint, *actions: str) -> Iterator[Key]:
    """What policies read to decide about actions; an app without any loads nothing for it."""
    if app.policies:
        from lathe.check.composed.policies import policed  # only here: it loads cedarpy

        for action in actions:
            yield from policed(app).keys(blueprint.name, action)


def _may_be_permitted(system: System, blueprint: Blueprint, cannot: Cannot) -> bool:
    """Whether a `cannot` could fail for some values, as far as who may is concerned."""
    if not system.layout.app.policies:
        return bool(permitted(blueprint, cannot))
    from lathe.check.composed.policies import policed  # only here: it loads cedarpy

    asked, layout = policed(system.layout.app), system.layout
    return any(
        asked.allows_role(slot, action, (who, cannot.role), Context(layout, slot)) != FALSE
        for slot in layout.of(blueprint.name)
        for action in cannot.actions
        for who in layout.domains.principals
    )


def lasting_spans(app: App) -> frozenset[Span]:
    """The places of what comes in the end: each `eventually`, and each state."""
    lasting = {prop.span for b in app.blueprints.values() for prop in b.eventually.values()}
    return frozenset(lasting | {state.span for b in app.blueprints.values() for state in b.states.values()})


def once_a_cause(app: App, told: Sequence[Finding]) -> Iterator[Finding]:
    """Without the states that an open `eventually` of the same blueprint begins in: it says the same."""
    open_still = {f.diagnostic.span for f in told if f.diagnostic.code == "LT801"}
    said = {
        b.states[name].span
        for b in app.blueprints.values()
        for prop in b.eventually.values()
        if prop.span in open_still
        for name in prop.from_states
    }
    yield from (f for f in told if f.diagnostic.code != "LT801" or f.diagnostic.span not in said)


def at_once(app: App, told: Iterable[Finding]) -> Iterator[Finding]:
    """The same findings, with one for all the states of a blueprint of which the same is open, at the first.

    The first of them takes the place of all.
    """
    owners = {s.span: (b.name, s.name) for b in app.blueprints.values() for s in b.states.values()}
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for number, found in enumerate(told):
        diagnostic = found.diagnostic
        owner, state = owners.get(diagnostic.span, ("", ""))
        rest = diagnostic.message.removeprefix(left_as_it_should([state]))
        is_one = diagnostic.code == "LT801" and bool(state) and rest != diagnostic.message
        key = (owner, rest, diagnostic.help) if is_one else ("", str(number), "")
        groups.setdefault(key, []).append(found)
    for (owner, rest, _), group in groups.items():
        if not owner or len(group) == 1:
            yield from group
            continue
        states = [owners[f.diagnostic.span][1] for f in group]
        first = group[0].diagnostic
        yield replace(group[0], diagnostic=replace(first, message=f"{left_as_it_should(states)}{rest}"))


def _is_free(app: App, blueprint: Blueprint, state: State) -> bool:
    """Whether one may wait in a state, and somebody can always take an action there, whatever the values."""
    return state.waits is not None and any(
        state.name in action.from_states
        and any(p.kind in ("role", "any") for p in action.admits)
        and action.when is None
        and action.to_if is None
        and not (action.also or action.run or blueprint.unique or app.policies)
        and all(is_safe(a.value.tree, target_type(app, blueprint, a), action) for a in action.do)
        and not (action.to is not None and blueprint.states[action.to].run)
        and all(_can_be_given(a) for a in action.arguments.values())
        for action in blueprint.actions.values()
    )


def _can_be_given(argument: Argument) -> bool:
    """Whether there is always something to give for an argument."""
    return argument.type.kind != "ref" or argument.optional


def _properties(system: System, blueprint: Blueprint, moving: tuple[Key, ...]) -> Iterator[Subject]:
    """The properties of a blueprint, and that its entities can go on; `moving` is what decides about that."""
    app = system.layout.app
    name = blueprint.name
    for prop in blueprint.properties.values():
        if prop.kind != "sometimes":
            roots = (*reads(name, "", prop.that), *reads(name, "", prop.when))
            yield Subject(prop.span, f"`{prop.name}`", prop.name, roots)
    for lasting in blueprint.eventually.values():
        yield Subject(lasting.span, f"`{lasting.name}`", lasting.name, moving, is_lasting=True)
    for state in blueprint.states.values():
        if not (state.final or _is_free(app, blueprint, state)):
            told = left_as_it_should([state.name])
            yield Subject(state.span, told, None, moving, is_lasting=True)
    for cannot in blueprint.cannot.values():
        if _may_be_permitted(system, blueprint, cannot):
            roots = (*reads(name, "", cannot.when), *_policies(app, blueprint, *cannot.actions))
            yield Subject(cannot.span, f"`{cannot.name}`", cannot.name, roots)


def _ranges(app: App, blueprint: Blueprint, action: Action) -> Iterator[Subject]:
    """Assignments that could leave their range, and guards that could divide by zero."""
    guard = tuple(reads(blueprint.name, action.name, action.when))
    for a in action.do:
        if not is_safe(a.value.tree, target_type(app, blueprint, a), action):
            roots = (*guard, *reads(blueprint.name, action.name, a.value))
            yield Subject(a.span, f"that `{a.text}` in `{action.name}` stays in its range", None, roots)
    for expression in _risky((action.when, action.to_if), action):
        roots = tuple(reads(blueprint.name, action.name, expression))
        yield Subject(expression.span, f"that `{expression.text}` always has a value", None, roots)


def _risky(expressions: Iterable[Expression | None], action: Action) -> Iterator[Expression]:
    for expression in expressions:
        if expression is not None and any(_divides(n, action) for n in walk(expression.tree)):
            yield expression


def _divides(node: object, action: Action) -> bool:
    return getattr(node, "op", "") in ("//", "%") and may_fail(node, action)  # type: ignore[arg-type]


def _refusing(app: App, blueprint: Blueprint, action: Action) -> Iterator[Key]:
    """What can refuse an action: its guard, values that might not fit, the guards of its other sides."""
    yield from reads(blueprint.name, action.name, action.when)
    for a in action.do:
        if not is_safe(a.value.tree, target_type(app, blueprint, a), action):
            yield from reads(blueprint.name, action.name, a.value)
    for clause in action.also:
        yield from reads(blueprint.name, action.name, clause.when)
        other = app.blueprints[clause.blueprint]
        yield from _refusing(app, other, other.actions[clause.action])
