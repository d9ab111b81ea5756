"""Joint actions in the second reader: all of them are taken, or none.

Every side is asked for its state, arguments, caller and guard before anything is worked out; everything is
worked out on the world before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lathe.frozen import frozen
from lathe.lang.expr import Expression
from lathe.lang.model import Action, App, Assignment, Blueprint, Effect, Principal
from lathe.lang.types import Type
from lathe.reader.terms import Scope, value
from lathe.reader.world import By, Entity, RefusedError, Request, Value, Values, World, claim, clamped, fits

JOINT_DEPTH_LIMIT = 8

Permits = Callable[[Blueprint, Action, Entity, By, Values, bool], bool]
"""Whether a caller may take an action: blueprint, action, entity before, caller, arguments, is it new."""


@frozen
class Taken:
    """A step: the world after it, which entities it wrote, and who took which action, in order."""

    world: World
    written: tuple[str, ...]
    actions: tuple[tuple[str, str], ...] = ()


@frozen
class Take:
    """One action that a step takes."""

    who: str
    action: str
    args: Values
    by: By
    is_new: bool = False
    depth: int = 0


@frozen
class _Opened:
    """An action that nothing has refused yet, with what its expressions read."""

    take: Take
    rule: Action
    scope: Scope


def admits(principals: Sequence[Principal], by: By) -> bool:
    """Whether one of these principals is the caller."""
    return any(
        by.kind == "role" if p.kind == "any"
        else p.kind == by.kind and (p.name in by.roles if p.kind == "role" else p.name == by.name)
        for p in principals
    )  # fmt: skip


def by_admits(
    blueprint: Blueprint, action: Action, entity: Entity, by: By, args: Values, is_new: bool
) -> bool:
    """What `by` and the wiring permit: the rule of an app without policies."""
    return admits(action.admits, by)


class Joint:
    """The joint steps of one app."""

    def __init__(self, app: App, permits: Permits) -> None:
        self._app = app
        self.permits = permits

    def take(self, world: World, takes: Sequence[Take], now: int) -> Taken:
        """These actions and all that is taken with them: every guard first, then what is stored, then ghosts,
        then what is asked for, then `unique`.
        """
        opened = self._closure(world, takes, now)
        applied = {o.take.who: self._applied(o) for o in opened}
        written = set(applied)
        after = world
        for one in opened:
            scope = replace(one.scope, world=after, me=after.entities[one.take.who])
            after = self._assigned(after, one.rule.ghost, scope, written)
        entities = dict(after.entities)
        for one in opened:
            new = self._asking(applied[one.take.who], one)
            entities[one.take.who] = replace(new, ghosts=entities[one.take.who].ghosts)
        after = replace(after, entities=entities)
        for one in opened:
            self._unique(after, entities[one.take.who])
        actions = tuple((o.take.who, o.take.action) for o in opened)
        return Taken(after, tuple(sorted(written)), actions)

    def _closure(self, world: World, takes: Sequence[Take], now: int) -> list[_Opened]:
        opened: list[_Opened] = []
        waiting = list(takes)
        while waiting:
            take = waiting.pop(0)
            if take.who in {o.take.who for o in opened}:
                raise RefusedError("twice", take.who, take.action)
            if take.depth > JOINT_DEPTH_LIMIT:
                raise RefusedError("depth", take.who, take.action)
            one = self._open(world, take, now)
            opened.append(one)
            waiting[:0] = self._clauses(world, one)
        return opened

    def _open(self, world: World, take: Take, now: int) -> _Opened:
        """State, arguments, caller and guard, in this order."""
        entity = world.entities.get(take.who)
        if entity is None:
            raise RefusedError("missing", take.who)
        blueprint = self._app.blueprints[entity.blueprint]
        rule = blueprint.actions.get(take.action)
        if rule is None or (take.action == "create") != take.is_new:
            raise RefusedError("action", take.who, take.action)
        if not take.is_new and entity.state not in rule.from_states:
            raise RefusedError("state", take.who, take.action)
        args = self._arguments(world, take, rule)
        if not self.permits(blueprint, rule, entity, take.by, args, take.is_new):
            raise RefusedError("denied", take.who, take.action)
        scope = Scope(world, entity, entity.fields, args, take.by.actor, now)
        if rule.when is not None and _at(take, rule.when, scope) is not True:
            raise RefusedError("guard", take.who, take.action)
        return _Opened(take, rule, scope)

    def _arguments(self, world: World, take: Take, rule: Action) -> dict[str, Value]:
        """All arguments: what was given, else the default; None only where it may be left out."""
        if set(take.args) - set(rule.arguments):
            raise RefusedError("type", take.who, take.action)
        found: dict[str, Value] = {}
        for argument in rule.arguments.values():
            given = take.args.get(argument.name)
            if given is None and argument.has_default:
                given = kept(argument.default, argument.type)
            elif given is None and argument.optional and argument.type.kind == "set":
                given = frozenset()
            if given is None and not argument.optional:
                raise RefusedError("type", take.who, take.action)
            if given is not None and not self._is_given(world, argument.type, given):
                raise RefusedError("type", take.who, take.action)
            found[argument.name] = given
        return found

    def _is_given(self, world: World, kind: Type, given: Value) -> bool:
        """Whether a value fits, and refers to nothing that does not exist."""
        if fits(kind, given) is not None:
            return False
        named = kind.element if kind.kind == "set" and kind.element is not None else kind
        if named.kind != "ref":
            return True
        refs = given if isinstance(given, frozenset) else {given}
        others = [world.entities.get(ref) if isinstance(ref, str) else None for ref in refs]
        return all(other is not None and other.blueprint == named.blueprint for other in others)

    def _clauses(self, world: World, one: _Opened) -> list[Take]:
        """What is taken with an action, by its `also`."""
        me = one.take
        by = By("entity", one.scope.me.blueprint if one.scope.me else None, actor=me.by.actor)
        found = []
        for clause in one.rule.also:
            if clause.when is not None and _at(me, clause.when, one.scope) is not True:
                continue
            on = _at(me, clause.on, one.scope)
            if not isinstance(on, str):
                raise RefusedError("missing", me.who, me.action)
            args = {n: _at(me, given, one.scope) for n, given in clause.args.items()}
            if on not in world.entities:
                raise RefusedError("missing", on)
            found.append(Take(on, clause.action, args, by, depth=me.depth + 1))
        return found

    def _applied(self, one: _Opened) -> Entity:
        """The entity after its action, with nothing new asked for. All right sides read the state before."""
        take, rule, scope = one.take, one.rule, one.scope
        entity = scope.me
        assert entity is not None, "an action is somebody's"
        changed: dict[str, Value] = {name: scope.args[name] for name in rule.sets}
        for line in rule.do:
            changed[line.target] = _at(take, line.value, scope)
        state: Value = rule.to or entity.state
        if rule.to_if is not None:
            state = _at(take, rule.to_if, scope)
        for name, new in changed.items():
            wrong = fits(self._app.blueprints[entity.blueprint].fields[name].type, new)
            if wrong is not None:
                raise RefusedError(wrong, take.who, take.action)
        assert isinstance(state, str), "a state has a name"
        after = replace(entity, state=state, fields={**entity.fields, **changed}, version=entity.version + 1)
        if not rule.begins_visit:
            return after
        kept = tuple(
            replace(r, phase="stopping") if r.phase == "started" else r
            for r in entity.requests
            if r.phase != "waiting"
        )
        return replace(after, visit=entity.visit + 1, requests=kept)

    def _asking(self, entity: Entity, one: _Opened) -> Entity:
        """Ask for the action's effects, then those of the state that a visit begins in."""
        blueprint = self._app.blueprints[entity.blueprint]
        names = list(one.rule.run)
        if one.rule.begins_visit:
            names += blueprint.states[entity.state].run
        busy = {r.effect for r in entity.requests if r.phase in ("waiting", "started")}
        for name in names:
            if blueprint.effects[name].is_notice:
                continue
            if name in busy:
                raise RefusedError("busy", one.take.who, one.take.action)
            busy.add(name)
        asked = entity
        for name in names:
            effect = blueprint.effects[name]
            scope = replace(one.scope, me=entity, fields=entity.fields)
            number = asked.asked + 1
            new = Request(
                number=number,
                effect=name,
                visit=entity.visit,
                phase="notice" if effect.is_notice else "waiting",
                executed=False,
                fields=entity.fields,
                args=one.scope.args,
                calls=self._calls(effect, scope, one.take),
            )
            asked = replace(asked, requests=(*asked.requests, new), asked=number)
        return asked

    def _calls(self, effect: Effect, scope: Scope, take: Take) -> tuple[tuple[str | None, Values], ...]:
        """Whom a `call` or `create` will reach, with which arguments, worked out now."""
        target = effect.target
        if target is None:
            return ()
        each = scope.fields[target.each] if target.each is not None else None
        items = sorted(each, key=str) if isinstance(each, frozenset) else [] if target.each else [None]
        found = []
        for item in items:
            inner = replace(scope, item=item)
            on = _at(take, target.on, inner) if target.on is not None else None
            args = {n: _at(take, given, inner) for n, given in target.args.items()}
            found.append((on if isinstance(on, str) else None, args))
        return tuple(found)

    def executed(self, world: World, entity: Entity, request: Request, written: set[str]) -> World:
        """What one execution does to the ghosts: fields and arguments as they were asked with."""
        scope = Scope(world, entity, request.fields, request.args)
        return self._assigned(
            world, self._app.blueprints[entity.blueprint].effects[request.effect].world, scope, written
        )

    def _assigned(self, world: World, lines: Sequence[Assignment], scope: Scope, written: set[str]) -> World:
        """Assignments to ghosts, at once; one without a value, or with nobody to have it, is left out."""
        changes: list[tuple[str | None, str, Type, Value]] = []
        for line in lines:
            try:
                new = value(line.value.tree, scope)
                via = value(line.via.tree, scope) if line.via is not None else None
            except RefusedError:
                continue
            if line.scope == "app_ghost":
                changes.append((None, line.target, self._app.ghosts[line.target].type, new))
                continue
            owner = via if line.via is not None else (scope.me.id if scope.me else None)
            if isinstance(owner, str) and owner in world.entities:
                kind = self._app.blueprints[world.entities[owner].blueprint].ghosts[line.target].type
                changes.append((owner, line.target, kind, new))
        entities, ghosts = dict(world.entities), dict(world.ghosts)
        for who, name, kind, new in changes:
            if who is None:
                ghosts[name] = clamped(kind, new, ghosts[name])
            else:
                held = entities[who].ghosts
                entities[who] = replace(entities[who], ghosts={**held, name: clamped(kind, new, held[name])})
                written.add(who)
        return World(entities, ghosts)

    def _unique(self, world: World, entity: Entity) -> None:
        for unique in self._app.blueprints[entity.blueprint].unique.values():
            mine = claim(unique, entity)
            if mine is None:
                continue
            for other in world.entities.values():
                is_other = other.id != entity.id and other.blueprint == entity.blueprint
                if is_other and claim(unique, other) == mine:
                    raise RefusedError("unique", entity.id)


def _at(take: Take, expression: Expression, scope: Scope) -> Value:
    """A value; where there is none, the refusal names the action."""
    try:
        return value(expression.tree, scope)
    except RefusedError as error:
        raise RefusedError(error.reason, take.who, take.action) from None


def kept(default: object, kind: Type | None = None) -> Value:
    """A default as a value: sets are frozen, and never unset."""
    if isinstance(default, tuple):
        return frozenset(default)
    if default is None and kind is not None and kind.kind == "set":
        return frozenset()
    assert default is None or isinstance(default, (int, str)), "a default is plain"
    return default
