"""The second reader: an independent implementation of what a step does, on the parsed blueprint.

It follows the language page and `docs/reference/semantics.md`, and imports nothing but the parsed tree: not
the machine, not the checker, not the policies. Each method takes a world and answers with what a step makes
of it, or raises `RefusedError`; worlds are never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lathe.lang.model import App, Blueprint, Effect
from lathe.reader.cedar import Policies
from lathe.reader.joint import Joint, Permits, Take, Taken, by_admits, kept
from lathe.reader.world import By, Entity, RefusedError, Request, Values, World

WAS_REFUSED: Values = {"cause": "refused", "message": "it was refused"}


class Reader:
    """Takes steps of one app. `policies` say who may, where it has any."""

    def __init__(self, app: App, permits: Permits = by_admits, *, policies: Policies | None = None) -> None:
        self.app = app
        self.policies = policies
        self.permits = permits if policies is None else policies.permits
        self._joint = Joint(app, self.permits)

    def empty(self) -> World:
        """The world before anything has happened."""
        return World({}, {name: kept(ghost.default) for name, ghost in self.app.ghosts.items()})

    def blueprint(self, entity: Entity) -> Blueprint:
        return self.app.blueprints[entity.blueprint]

    # Events.

    def create(self, world: World, name: str, new_id: str, args: Values, by: By, now: int) -> Taken:
        """Somebody makes an entity."""
        if new_id in world.entities:
            raise RefusedError("missing", new_id, "create")
        whole = _put(world, self._unborn(name, new_id))
        return self._joint.take(whole, [Take(new_id, "create", args, by, is_new=True)], now)

    def act(
        self, world: World, who: str, action: str, args: Values, by: By, now: int, visit: int | None = None
    ) -> Taken:
        """Somebody takes an action: a caller with roles, an inbound event, or an effect reports progress."""
        entity = self._being(world, who)
        rule = self.blueprint(entity).actions.get(action)
        if by.kind == "effect":
            running = _running(entity)
            if running is None or running.phase != "started" or running.effect != by.name:
                raise RefusedError("stale", who, action)
            effect = self._effect(entity, running)
            if action in (effect.ok, effect.error):
                raise RefusedError("denied", who, action)
        if by.kind == "role" and rule is not None and rule.fenced and visit != entity.visit:
            raise RefusedError("stale", who, action)
        return self._joint.take(world, [Take(who, action, args, by)], now)

    def timer(self, world: World, who: str, deadline: str | None, now: int) -> Taken:
        """The state's own timer fires, or a deadline, which reads as unset in its step."""
        entity = self._being(world, who)
        blueprint = self.blueprint(entity)
        if deadline is None:
            then = blueprint.states[entity.state].then
            if then is None:
                raise RefusedError("stale", who)
        else:
            then = blueprint.timers[deadline].then
            if entity.fields[blueprint.timers[deadline].at] is None:
                raise RefusedError("stale", who, then)
            entity = replace(entity, fields={**entity.fields, blueprint.timers[deadline].at: None})
        return self._joint.take(_put(world, entity), [Take(who, then, {}, By("timer"))], now)

    def start(self, world: World, who: str) -> Taken:
        """The invocation whose turn it is begins."""
        entity = self._being(world, who)
        head = _next(entity)
        if self._effect(entity, head).target is not None:
            raise RefusedError("stale", who)
        return self._wrote(world, _changed(entity, replace(head, phase="started")))

    def execute(self, world: World, who: str) -> Taken:
        """What was started, or is being stopped, has happened outside."""
        entity = self._being(world, who)
        running = _running(entity)
        if running is None:
            raise RefusedError("stale", who)
        after, written = world, {who}
        if not (running.executed and self._effect(entity, running).idempotent):
            after = self._joint.executed(world, entity, running, written)
        entity = _changed(after.entities[who], replace(running, executed=True))
        return Taken(_put(after, entity), tuple(sorted(written)))

    def end(self, world: World, who: str, *, ok: bool, results: Values, now: int) -> Taken:
        """What was started ends: well with its results, or badly with `cause` and `message`."""
        entity = self._being(world, who)
        running = _running(entity)
        if running is None or running.phase != "started":
            raise RefusedError("stale", who)
        effect = self._effect(entity, running)
        if ok and effect.world and not running.executed:
            raise RefusedError("stale", who)
        rest = _without(entity, running)
        rest = rest if ok else self._with_late(rest, running)
        return self._ended(world, rest, effect, ok=ok, results=results, now=now)

    def stop(self, world: World, who: str) -> Taken:
        """What was told to stop has stopped."""
        entity = self._being(world, who)
        running = _running(entity)
        if running is None or running.phase != "stopping":
            raise RefusedError("stale", who)
        return self._wrote(world, self._with_late(_without(entity, running), running))

    def late(self, world: World, who: str, effect: str) -> Taken:
        """What is over for the entity is executed after all."""
        entity = self._being(world, who)
        found = [r for r in entity.requests if (r.effect, r.phase) == (effect, "late")]
        if not found:
            raise RefusedError("stale", who)
        written = {who}
        after = self._joint.executed(world, entity, found[0], written)
        return Taken(_put(after, _without(after.entities[who], found[0])), tuple(sorted(written)))

    def notify(
        self,
        world: World,
        who: str,
        effect: str,
        now: int,
        *,
        new_ids: Sequence[str] = (),
        number: int | None = None,
        again: bool = False,
    ) -> Taken:
        """A notice is executed, or reaches its target if it is a `call` or `create`."""
        entity = self._being(world, who)
        found = [
            r
            for r in entity.requests
            if (r.effect, r.phase) == (effect, "notice") and number in (None, r.number)
        ]
        if not found:
            raise RefusedError("stale", who)
        rule = self._effect(entity, found[0])
        if rule.target is None:
            written = {who}
            after = self._joint.executed(world, entity, found[0], written)
            if rule.idempotent or not again:
                after = _put(after, _without(after.entities[who], found[0]))
            return Taken(after, tuple(sorted(written)))
        rest = _without(entity, found[0])
        without = _put(world, rest)
        try:
            whole, takes = self._reached(without, rest, rule, found[0], new_ids)
            done = self._joint.take(whole, takes, now)
        except RefusedError:
            return self._wrote(world, rest)
        return replace(done, written=tuple(sorted({who, *done.written})))

    def deliver(self, world: World, who: str, now: int, new_ids: Sequence[str] = ()) -> Taken:
        """A `call` or `create` reaches its target, in one step with the caller's `ok`."""
        entity = self._being(world, who)
        head = _next(entity)
        effect = self._effect(entity, head)
        if effect.target is None:
            raise RefusedError("stale", who)
        rest = _without(entity, head)
        without = _put(world, rest)
        try:
            whole, takes = self._reached(without, rest, effect, head, new_ids)
            if effect.ok is not None:
                is_one = effect.target.action == "create" and effect.target.each is None
                args = self._offered(rest, effect.ok, {"made": takes[0].who} if is_one else {})
                takes = [Take(who, effect.ok, args, By("effect", effect.name)), *takes]
            done = self._joint.take(whole, takes, now)
        except RefusedError:
            return self._badly(without, rest, effect, WAS_REFUSED, now)
        return replace(done, written=tuple(sorted({who, *done.written})))

    # Parts of events.

    def _being(self, world: World, who: str) -> Entity:
        found = world.entities.get(who)
        if found is None:
            raise RefusedError("missing", who)
        return found

    def _effect(self, entity: Entity, request: Request) -> Effect:
        return self.blueprint(entity).effects[request.effect]

    def _wrote(self, world: World, entity: Entity) -> Taken:
        return Taken(_put(world, entity), (entity.id,))

    def _unborn(self, name: str, new_id: str) -> Entity:
        blueprint = self.app.blueprints[name]
        fields = {
            f.name: kept(f.default if f.has_default else None, f.type) for f in blueprint.fields.values()
        }
        ghosts = {g.name: kept(g.default, g.type) for g in blueprint.ghosts.values()}
        return Entity(new_id, name, blueprint.initial, fields, ghosts)

    def _ended(
        self, world: World, rest: Entity, effect: Effect, *, ok: bool, results: Values, now: int
    ) -> Taken:
        """A refused `ok` becomes `error`; an end that nobody wants changes nothing else."""
        without = _put(world, rest)
        if not ok:
            return self._badly(without, rest, effect, results, now)
        if effect.ok is None:
            return self._wrote(world, rest)
        try:
            return self._called_back(without, rest, effect, effect.ok, results, now)
        except RefusedError:
            return self._badly(without, rest, effect, WAS_REFUSED, now)

    def _badly(self, world: World, rest: Entity, effect: Effect, results: Values, now: int) -> Taken:
        if effect.error is None:
            raise RefusedError("lost", rest.id)
        return self._called_back(world, rest, effect, effect.error, results, now)

    def _called_back(
        self, world: World, rest: Entity, effect: Effect, action: str, results: Values, now: int
    ) -> Taken:
        args = self._offered(rest, action, results)
        return self._joint.take(world, [Take(rest.id, action, args, By("effect", effect.name))], now)

    def _offered(self, entity: Entity, action: str, results: Values) -> Values:
        """Results by name, as far as the action takes them; `made` goes to the one ref of its `sets`."""
        wanted = self.blueprint(entity).actions[action].arguments
        given = {name: found for name, found in results.items() if name in wanted}
        refs = [a.name for a in wanted.values() if a.from_sets and a.type.kind == "ref"]
        if "made" in results and "made" not in wanted and len(refs) == 1:
            given[refs[0]] = results["made"]
        message = given.get("message")
        if "cause" in results and isinstance(message, str):
            given["message"] = message[: wanted["message"].type.maximum]
        return given

    def _with_late(self, entity: Entity, over: Request) -> Entity:
        """What ended badly or was stopped may still be executed once, unless that is excluded."""
        effect = self._effect(entity, over)
        if not effect.late or not effect.world or (effect.idempotent and over.executed):
            return entity
        others = tuple(r for r in entity.requests if not (r.effect == over.effect and r.phase == "late"))
        return replace(entity, requests=(*others, replace(over, phase="late")))

    def _reached(
        self, world: World, entity: Entity, effect: Effect, request: Request, new_ids: Sequence[str]
    ) -> tuple[World, list[Take]]:
        """Whom a `call` or `create` reaches, in a world in which what it makes can be referred to."""
        target = effect.target
        assert target is not None, "only a call or a creation reaches anybody"
        by = By("entity", entity.blueprint)
        takes = []
        for at, (on, args) in enumerate(request.calls):
            if target.action == "create":
                if new_ids[at] in world.entities:
                    raise RefusedError("missing", new_ids[at], "create")
                world = _put(world, self._unborn(target.blueprint, new_ids[at]))
                takes.append(Take(new_ids[at], "create", args, by, is_new=True))
            elif on is None or on not in world.entities:
                raise RefusedError("missing", entity.id, target.action)
            else:
                takes.append(Take(on, target.action, args, by))
        return world, takes


def _put(world: World, entity: Entity) -> World:
    return replace(world, entities={**world.entities, entity.id: entity})


def _running(entity: Entity) -> Request | None:
    found = [r for r in entity.requests if r.phase in ("started", "stopping")]
    return found[0] if found else None


def _next(entity: Entity) -> Request:
    """The one that waits and whose turn it is. Raises `RefusedError` (stale)."""
    waiting = [r for r in entity.requests if r.phase == "waiting"]
    if _running(entity) is not None or not waiting:
        raise RefusedError("stale", entity.id)
    return waiting[0]


def _changed(entity: Entity, request: Request) -> Entity:
    """The entity with this request in place of the one of its number."""
    return replace(
        entity, requests=tuple(request if r.number == request.number else r for r in entity.requests)
    )


def _without(entity: Entity, gone: Request) -> Entity:
    return replace(entity, requests=tuple(r for r in entity.requests if r.number != gone.number))
