"""Migration of an entity when another version of its blueprint replaces the one that it is in.

`migrate` is what a running system does to live entities, and what the checker does to every state that
the old version can reach: the same function, so that what was checked is what happens.

Fields, ghosts, timers and invocations are kept by name, where they fit; `[migrate]` says what else to
do. An entry for a state says where its entities go, and that a timer which is not there may end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Literal

from lathe.frozen import frozen, mutable
from lathe.lang.expr import Compare, IfElse, Members, Node, Read, SetChange, walk
from lathe.lang.model import Argument, Blueprint, Effect, Field, Ghost
from lathe.lang.types import Type
from lathe.machine.evaluate import EvaluationError, Frame, evaluate
from lathe.machine.snapshot import Delivery, Entity, Invocation, MemoryWorld, Value, Values, World
from lathe.machine.table import AssignmentRule, BlueprintTable, EffectRule, Table
from lathe.machine.values import misfit, saturated

MisfitKind = Literal[
    "blueprint",  # there is no such blueprint any more
    "state",  # no such state, and `[migrate]` says nothing of it
    "timer",  # the state's timer is armed, and the state where it goes has none
    "deadline",  # a deadline is set, and there is none of that name, or on that field
    "effect",  # an invocation is in flight, and there is no such effect
    "sort",  # the effect is there, but a call, a notice, or neither, and was not before
    "new",  # a field without default that the old version has not
    "field",  # a value that the field cannot hold
    "expression",  # `[migrate]` gives no value
    "ghost",  # a ghost of another type
    "memory",  # an invocation in flight lacks what its `world` reads
    "result",  # the callback of an invocation in flight does not take what will come
    "delivery",  # a call in flight does not fit its target
]

NO_PLACE: frozenset[MisfitKind] = frozenset({"blueprint", "state", "timer", "deadline", "effect", "sort"})
"""Kinds of misfits without a counterpart in the new version; in the others the data do not fit."""


OPAQUE = frozenset({"id", "ref", "time", "json"})
"""Kinds whose values mean nothing to any other kind."""


@frozen
class Misfit:
    """A reason why something cannot be migrated.

    `name` is the state, field, effect or timer; `about` the callback, argument or expression that does
    not go with it, if there is one; `value` what does not fit, where that is a value.
    """

    kind: MisfitKind
    blueprint: str
    name: str
    about: str = ""
    value: Value = None

    @property
    def has_no_place(self) -> bool:
        return self.kind in NO_PLACE


Moved = Entity | tuple[Misfit, ...] | None
"""The result of a migration: the entity, the misfits, or None: it is over and stays in the old version."""


def migrate(old: Table, new: Table, entity: Entity, world: World) -> Moved:
    """Migrate an entity. `world` is the old one, to resolve its references.

    Its id and its visit stay. A removed blueprint's entity that is final and of which nothing is left
    in flight stays behind with its journal (None).
    """
    before = old.blueprints[entity.blueprint]
    after = new.blueprints.get(entity.blueprint)
    if after is None:
        pending = any(_shows(old, new, before, i) or not _is_over(i) for i in entity.invocations)
        is_over = before.blueprint.states[entity.state].final and not pending
        return None if is_over else (Misfit("blueprint", entity.blueprint, entity.blueprint),)
    move = _Move(old, new, before, after, entity, world)
    state = move.state()
    fields = move.fields(entity.fields)
    ghosts = dict(move.ghosts())
    invocations = tuple(move.invocations(fields))
    if move.wrong:
        return tuple(dict.fromkeys(move.wrong))
    assert state is not None, "an entity without a state is a misfit"
    return replace(
        entity,
        state=state,
        fields=fields,
        ghosts=ghosts,
        invocations=invocations,
        version=entity.version + 1,
    )


def migrate_world(old: Table, new: Table, world: MemoryWorld) -> MemoryWorld | tuple[Misfit, ...]:
    """Migrate a whole world; else everything that prevents it."""
    wrong: list[Misfit] = []
    entities: dict[str, Entity] = {}
    for entity in world:
        moved = migrate(old, new, entity, world)
        if isinstance(moved, tuple):
            wrong += moved
        elif moved is not None:
            entities[entity.id] = moved
    ghosts = migrate_ghosts(old, new, world.ghosts)
    if isinstance(ghosts, tuple):
        wrong += ghosts
        ghosts = {}
    return tuple(dict.fromkeys(wrong)) if wrong else MemoryWorld(entities, ghosts)


def migrate_ghosts(old: Table, new: Table, ghosts: Values) -> dict[str, Value] | tuple[Misfit, ...]:
    """The ghosts of the app in the new version."""
    wrong: list[Misfit] = []
    found = dict(_kept_ghosts(old.app.ghosts, new.app.ghosts, ghosts, new.ghosts, ("", wrong)))
    return tuple(wrong) if wrong else found


def moved_state(blueprint: Blueprint, state: str) -> str | None:
    """The new version's state for an entity of an old one; None if there is none."""
    if blueprint.migrate is not None and state in blueprint.migrate.states:
        return blueprint.migrate.states[state]
    return state if state in blueprint.states else None


def same_kind(old: Type, new: Type) -> bool:
    """Whether values keep their meaning: the same kind, and references to the same blueprint."""
    if (old.kind, old.blueprint) != (new.kind, new.blueprint):
        return False
    if old.element is None or new.element is None:
        return old.element is new.element
    return same_kind(old.element, new.element)


def contained(old: Type, new: Type) -> bool:
    """Whether every value of one type fits another."""
    if not same_kind(old, new):
        return False
    if new.kind == "int":
        assert old.low is not None and old.high is not None, "a declared int has a range"
        assert new.low is not None and new.high is not None, "a declared int has a range"
        return new.low <= old.low and old.high <= new.high
    if new.kind == "enum":
        return set(old.members) <= set(new.members)
    if new.maximum is not None and (old.maximum is None or old.maximum > new.maximum):
        return False
    return old.element is None or new.element is None or contained(old.element, new.element)


def sort_of(effect: Effect) -> tuple[bool, bool]:
    """The sort of an effect: notice or not, call or creation or neither."""
    return effect.is_notice, effect.target is not None


def remembered(effect: Effect) -> Iterator[Read]:
    """What each execution of an effect reads of the state at the time of its request."""
    for assignment in effect.world:
        for tree in (assignment.value, assignment.via):
            for node in walk(tree.tree) if tree is not None else ():
                if isinstance(node, Read) and node.scope in ("field", "arg"):
                    yield node


def _mixes(tree: Node, target: Type, before: Blueprint) -> bool:
    """Whether an expression takes an identity, reference, time or JSON for a value of another kind."""
    results = list(_results(tree))
    tested = [n.left for n in walk(tree) if isinstance(n, Compare) and n.op == "is"]
    for node in walk(tree):
        if isinstance(node, Read) and node.scope == "old" and node.name in before.fields:
            kind = before.fields[node.name].type
            is_result = any(node is found for found in results)
            if is_result and not _goes_into(kind, target):
                return True
            if kind.kind == "time" and not is_result and not any(node is found for found in tested):
                return True
    return False


def _results(tree: Node) -> Iterator[Node]:
    """The parts of an expression that can be its value, or members of it."""
    waiting = [tree]
    while waiting:
        match waiting.pop():
            case IfElse(then=then, otherwise=otherwise):
                waiting += [then, otherwise]
            case SetChange(left=left, right=right):
                waiting += [left, right]
            case Members(items=items):
                waiting += items
            case node:
                yield node


def _goes_into(kind: Type, target: Type) -> bool:
    source, into = (kind.element or kind).kind, (target.element or target).kind
    return source == into or not {source, into} & OPAQUE


def _is_over(invocation: Invocation) -> bool:
    """Whether an invocation has no callback left: it can only change the world outside."""
    return invocation.phase in ("stopping", "late", "notice") and not invocation.deliveries


def _shows(old: Table, new: Table, before: BlueprintTable, invocation: Invocation) -> bool:
    """Whether an execution changes a ghost that the new version also has."""
    rules = before.effects[invocation.effect].world
    return any(_ghost_exists(new, before.blueprint.name, rule) for rule in rules)


def _ghost_exists(new: Table, owner: str, rule: AssignmentRule) -> bool:
    if rule.scope == "app_ghost":
        return rule.target in new.app.ghosts
    if rule.source.via is not None:
        owner = rule.source.via.tree.type.blueprint or ""
    return owner in new.blueprints and rule.target in new.blueprints[owner].blueprint.ghosts


@mutable
class _Move:
    """The migration of one entity, and the misfits found so far."""

    old: Table
    new: Table
    before: BlueprintTable
    after: BlueprintTable
    entity: Entity
    world: World
    wrong: list[Misfit] = field(default_factory=list)

    def fault(self, kind: MisfitKind, name: str, about: str = "", value: Value = None) -> None:
        self.wrong.append(Misfit(kind, self.entity.blueprint, name, about, value))

    def state(self) -> str | None:
        """Migrate the state, and check that armed timers have a counterpart."""
        name, blueprint = self.entity.state, self.after.blueprint
        state = moved_state(blueprint, name)
        if state is None:
            self.fault("state", name)
            return None
        is_said = blueprint.migrate is not None and name in blueprint.migrate.states
        was = self.before.blueprint.states[name]
        if is_said or was.final:
            return state
        if was.then is not None and blueprint.states[state].then is None:
            self.fault("timer", name, was.then)
        for deadline in self.before.blueprint.timers.values():
            if self.entity.fields[deadline.at] is not None and not self._has_deadline(deadline.name):
                self.fault("deadline", deadline.name, deadline.at)
        return state

    def _has_deadline(self, name: str) -> bool:
        blueprint = self.after.blueprint
        at = self.before.blueprint.timers[name].at
        is_said = blueprint.migrate is not None and at in blueprint.migrate.fields
        return is_said or name in blueprint.timers or any(t.at == at for t in blueprint.timers.values())

    def fields(self, values: Values) -> dict[str, Value]:
        """Migrate every field; those that do not fit are left out and reported."""
        found: dict[str, Value] = {}
        for target in self.after.blueprint.fields.values():
            value = self.field(target, values)
            if isinstance(value, Misfit):
                self.wrong.append(value)
            else:
                found[target.name] = value
        return found

    def field(self, target: Field, values: Values) -> Value | Misfit:
        """The new value of one field, from the old version's values."""
        owner, moved = self.entity.blueprint, self.after.blueprint.migrate
        source = self.before.blueprint.fields.get(target.name)
        if moved is not None and target.name in moved.fields:
            expression = moved.fields[target.name]
            if _mixes(expression.tree, target.type, self.before.blueprint):
                return Misfit("expression", owner, target.name, expression.text)
            old = replace(self.entity, fields=values)
            try:
                value = evaluate(expression.tree, Frame(world=MemoryWorld(), old=old))
            except (EvaluationError, KeyError):
                return Misfit("expression", owner, target.name, expression.text)
        elif source is None:
            if not target.has_default and target.type.kind != "set":
                return Misfit("new", owner, target.name)
            return self.after.fields[target.name] if target.has_default else frozenset()
        else:
            value = values[target.name]
            if value is not None and not same_kind(source.type, target.type):
                return Misfit("field", owner, target.name, value=value)
        if misfit(target.type, value) or not self._refers(target.type, value):
            return Misfit("field", owner, target.name, value=value)
        return value

    def _refers(self, kind: Type, value: Value) -> bool:
        """Whether references point to entities of a permitted blueprint."""
        if isinstance(value, frozenset):
            return kind.element is None or all(self._refers(kind.element, member) for member in value)
        if kind.kind != "ref" or not isinstance(value, str):
            return True
        other = self.world.get(value)
        return (
            other is not None and other.blueprint == kind.blueprint and kind.blueprint in self.new.blueprints
        )

    def ghosts(self) -> Iterator[tuple[str, Value]]:
        before, after = self.before.blueprint.ghosts, self.after.blueprint.ghosts
        to = (self.entity.blueprint, self.wrong)
        yield from _kept_ghosts(before, after, self.entity.ghosts, self.after.ghosts, to)

    def invocations(self, fields: Values) -> Iterator[Invocation]:
        """Migrate invocations in flight, by the names of their effects. `fields` are those of the new
        version.
        """
        for invocation in self.entity.invocations:
            rule = self.after.effects.get(invocation.effect)
            was = self.before.effects[invocation.effect].effect
            if rule is None or sort_of(rule.effect) != sort_of(was):
                if not _is_over(invocation) or _shows(self.old, self.new, self.before, invocation):
                    self.fault("effect" if rule is None else "sort", invocation.effect)
                continue
            if was.target is not None:
                self._check_deliveries(invocation, was, rule.effect)
            elif invocation.phase in ("waiting", "started"):
                self._check_results(was, rule.effect)
            yield self._remembering(invocation, rule, fields)

    def _remembering(self, invocation: Invocation, rule: EffectRule, fields: Values) -> Invocation:
        """The invocation with the fields and arguments that its executions read."""
        kept: dict[str, Value] = {}
        read = list(remembered(rule.effect))
        needed = {node.name for node in read if node.scope == "field"}
        for target in self.after.blueprint.fields.values():
            value = fields.get(target.name) if target.frozen else self.field(target, invocation.fields)
            if not isinstance(value, Misfit):
                kept[target.name] = value
            elif target.name in needed:
                self.fault("memory", invocation.effect, target.name, value.value)
        each = rule.effect.target.each if rule.effect.target is not None else None
        if each is not None:
            kept[each] = invocation.fields.get(each)
        args = dict(invocation.args)
        for node in (n for n in read if n.scope == "arg"):
            given = args.get(node.name)
            args[node.name] = frozenset() if given is None and node.type.kind == "set" else given
            if given is not None and misfit(node.type, given):
                self.fault("memory", invocation.effect, node.name, given)
        return replace(invocation, fields=kept, args=args)

    def _check_results(self, was: Effect, now: Effect) -> None:
        """Whether the results requested from the adapter fit the action that will take them, or did not fit
        the one before either: those end as invalid, as they would have.
        """
        action = self.after.blueprint.actions.get(now.ok or "")
        before = self.before.blueprint.actions.get(was.ok or "")
        took = before.arguments if before is not None else {}
        for argument in action.arguments.values() if action is not None else ():
            given = was.takes.get(argument.name)
            if given is None:
                if not _may_lack(argument):
                    self.fault("result", now.name, argument.name)
            elif not contained(given, argument.type):
                old = took.get(argument.name)
                if old is None or not contained(old.type, argument.type):
                    self.fault("result", now.name, argument.name)

    def _check_deliveries(self, invocation: Invocation, was: Effect, now: Effect) -> None:
        """Whether a call in flight can still be taken or refused by its target, as before."""
        assert was.target is not None and now.target is not None, "both are calls"
        source, target = was.target, now.target
        if (source.blueprint, source.action, source.each) != (target.blueprint, target.action, target.each):
            self.fault("delivery", now.name, f"{source.blueprint}.{source.action}")
            return
        before = self.old.blueprints[source.blueprint].blueprint.actions[source.action].arguments
        after = self.new.blueprints[target.blueprint].blueprint.actions[target.action].arguments
        for delivery in invocation.deliveries:
            for name in _unfit(delivery, before, after):
                self.fault("delivery", now.name, name)


def _may_lack(argument: Argument) -> bool:
    return argument.optional or argument.has_default


def _unfit(
    delivery: Delivery, before: Mapping[str, Argument], after: Mapping[str, Argument]
) -> Iterator[str]:
    """The arguments that were valid before and are not now, or are missing now."""
    for name, value in delivery.args.items():
        if name not in after:
            yield name
        elif value is None:
            if _may_lack(before[name]) and not _may_lack(after[name]):
                yield name
        elif not misfit(before[name].type, value) and (
            misfit(after[name].type, value) or not same_kind(before[name].type, after[name].type)
        ):
            yield name
    yield from (n for n, a in after.items() if n not in delivery.args and not _may_lack(a))


def _kept_ghosts(
    before: Mapping[str, Ghost],
    after: Mapping[str, Ghost],
    values: Values,
    defaults: Values,
    to: tuple[str, list[Misfit]],
) -> Iterator[tuple[str, Value]]:
    """Ghosts by name: new ones at their defaults, old ones saturated at their range."""
    owner, wrong = to
    for ghost in after.values():
        if ghost.name not in before:
            yield ghost.name, defaults[ghost.name]
            continue
        value = values[ghost.name]
        fits = ghost.type.kind == "int" or value is None or not misfit(ghost.type, value)
        if not fits or not same_kind(before[ghost.name].type, ghost.type):
            wrong.append(Misfit("ghost", owner, ghost.name, value=value))
        else:
            yield ghost.name, saturated(ghost.type, value, value)
