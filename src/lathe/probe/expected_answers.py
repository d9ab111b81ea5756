"""Expected answers of the API, computed by the second reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from lathe.frozen import frozen
from lathe.lang.expr import And, Follow, Read, walk
from lathe.lang.model import Action, App, Blueprint, Json
from lathe.probe.convert import NotOfTypeError, taken_in, told
from lathe.reader.joint import Taken, admits
from lathe.reader.reader import Reader
from lathe.reader.terms import Scope, value
from lathe.reader.world import By, Entity, Reason, RefusedError, Value, World, claim

CODES: Mapping[Reason, str] = {
    "missing": "LR404.entity",
    "action": "LR404.action",
    "state": "LR409.state",
    "denied": "LR403.denied",
    "type": "LR422.type",
    "guard": "LR409.guard",
    "range": "LR409.range",
    "unset": "LR409.unset",
    "zero": "LR409.zero",
    "unique": "LR409.unique",
    "busy": "LR409.busy",
    "twice": "LR409.joint",
    "depth": "LR409.joint",
    "stale": "LR409.stale",
    "lost": "LR409.state",
}
"""The problem that each refusal is answered with."""

UNNAMED = "(new)".ljust(26, "_")
"""Stands for an entity whose id is not known yet: as long as an id, so that it fits where an id fits."""


@frozen
class Heard:
    """What a delivery says besides: the field by which it finds whom it is about (empty: it makes one), what
    it looks for there, and the problem that it has whatever the world.
    """

    event: str
    find: str
    looked_for: Json
    problem: str = ""
    has_identity: bool = True


@frozen
class Sent:
    """A request to create or act, as it went out. `entity` is empty for a creation.

    `number` is the invocation whose token it carried, if it came from an effect; `heard` is there if it came
    from outside. Its key is then what identifies it.
    """

    blueprint: str
    action: str
    by: By
    args: Mapping[str, Json]
    entity: str = ""
    visit: int | None = None
    version: int | None = None
    key: str = ""
    body: bytes = b""
    number: int | None = None
    heard: Heard | None = None

    @property
    def slot(self) -> tuple[str, str]:
        """What its answer is kept under."""
        if self.heard is not None:
            return f"inbound:{self.blueprint}.{self.heard.event}", self.key
        return self.by.actor or "", self.key

    @property
    def same(self) -> tuple[object, ...]:
        """What a repetition under the same key has the same of. A delivery is known by its identity alone."""
        if self.heard is not None:
            return self.slot
        return self.blueprint, self.entity, self.action, self.version, self.visit, self.body


class Foresight:
    """Answers for one app."""

    def __init__(self, app: App, reader: Reader) -> None:
        self._app = app
        self._reader = reader

    def _args(self, sent: Sent) -> dict[str, Value]:
        declared = self._app.blueprints[sent.blueprint].actions[sent.action].arguments
        return {name: taken_in(declared[name].type, data) for name, data in sent.args.items()}

    def is_misfit(self, sent: Sent) -> bool:
        """Whether an argument is of another type, whoever sends it and whatever it is asked of."""
        try:
            self._args(sent)
        except NotOfTypeError:
            return True
        return False

    def step(self, world: World, sent: Sent, now: int, new_id: str = "") -> Taken | str:
        """The step that the request takes in this world, or the code of its problem. `new_id` names what it
        makes, and whom it found if it came from outside.
        """
        if sent.heard is not None:
            return self._delivered(world, sent, sent.heard, now, new_id)
        rule = self._app.blueprints[sent.blueprint].actions[sent.action]
        try:
            args = self._args(sent)
        except NotOfTypeError:
            return "LR422.type"
        entity = world.entities.get(sent.entity)
        try:
            if sent.action == "create":
                return self._reader.create(world, sent.blueprint, new_id or UNNAMED, args, sent.by, now)
            if entity is None or entity.blueprint != sent.blueprint:
                return "LR404.entity"
            found = self._acted(world, sent, entity, args, now)
        except RefusedError as refused:
            if refused.reason == "missing" and sent.action == "create":
                return "LR422.type"
            if refused.reason == "stale" and rule.fenced and sent.visit is None and sent.by.kind == "role":
                found = "LR428.visit"
            else:
                found = CODES[refused.reason]
        is_hidden = isinstance(found, str) and entity is not None and not self._knows(entity, sent, args)
        return "LR404.entity" if is_hidden else found

    def _acted(
        self, world: World, sent: Sent, entity: Entity, args: Mapping[str, Value], now: int
    ) -> Taken | str:
        """The same of somebody who is there. Raises `RefusedError`."""
        if sent.version is not None and entity.version != sent.version:
            return "LR412.version"
        if sent.visit is not None and entity.visit != sent.visit:
            return "LR412.visit"
        if sent.number is not None and sent.number not in _running(entity):
            return "LR403.denied"
        return self._reader.act(world, sent.entity, sent.action, args, sent.by, now, sent.visit)

    def _knows(self, entity: Entity, sent: Sent, args: Mapping[str, Value]) -> bool:
        """Whether a caller may know that somebody is there: whom it may read, or take the action on, or
        whose effect it is the other side of.
        """
        if sent.action == "create" or sent.number is not None or self.reads(entity, sent.by):
            return True
        blueprint = self._app.blueprints[sent.blueprint]
        return self._reader.permits(blueprint, blueprint.actions[sent.action], entity, sent.by, args, False)

    def whom(self, world: World, sent: Sent) -> str:
        """Whom a delivery is about in this world; empty: nobody."""
        assert sent.heard is not None, "only a delivery looks for somebody"
        name, wanted = sent.heard.find, sent.heard.looked_for
        if name == "id":
            return wanted if isinstance(wanted, str) else ""
        blueprint = self._app.blueprints[sent.blueprint]
        sought = taken_in(blueprint.fields[name].type, wanted)
        for unique in (u for u in blueprint.unique.values() if u.fields == (name,)):
            for entity in world.entities.values():
                if entity.blueprint == sent.blueprint and claim(unique, entity) == (sought,):
                    return entity.id
        return ""

    def _delivered(self, world: World, sent: Sent, heard: Heard, now: int, who: str) -> Taken | str:
        """The same of a delivery: to the outside whatever is not possible is refused, with whatever cause."""
        if heard.problem:
            return heard.problem
        try:
            args = self._args(sent)
            who = who or (self.whom(world, sent) if heard.find else "")
        except NotOfTypeError:
            return "LR422.type"
        if not heard.has_identity:
            return "LR422.type"
        entity = world.entities.get(who)
        if heard.find and (entity is None or entity.blueprint != sent.blueprint):
            return "LR404.entity"
        try:
            if not heard.find:
                return self._reader.create(world, sent.blueprint, who or UNNAMED, args, sent.by, now)
            return self._reader.act(world, who, sent.action, args, sent.by, now)
        except RefusedError as refused:
            if refused.reason == "missing" and heard.find and refused.action is None:
                return "LR404.entity"
            if refused.reason in ("missing", "type"):
                return "LR422.type"
            code = CODES[refused.reason]
            return code if code.startswith("LR409.") else "LR409.state"

    def reads(self, entity: Entity, by: By) -> bool:
        """Whether a caller may get, list and follow an entity."""
        blueprint, policies = self._app.blueprints[entity.blueprint], self._reader.policies
        if policies is not None:
            is_open = policies.reads(entity, by)
        elif blueprint.read is None:
            is_open = any(admits(action.by, by) for action in blueprint.actions.values())
        else:
            is_open = admits(blueprint.read.by, by)
        if not is_open or blueprint.read is None or blueprint.read.when is None:
            return is_open
        scope = Scope(World({}, {}), entity, entity.fields, {}, by.actor)
        try:
            return value(blueprint.read.when.tree, scope) is True
        except RefusedError:
            return False

    def is_told(self, entity: Entity, by: By) -> bool:
        """Whether a caller who has taken an action is told the entity as it is afterwards.

        What comes in from outside is nobody to whom an action opens anything.
        """
        has_rule = (
            self._app.blueprints[entity.blueprint].read is not None or self._reader.policies is not None
        )
        return self.reads(entity, by) if has_rule else by.kind != "inbound"

    def view(self, entity: Entity) -> dict[str, Json]:
        """An entity as it is told: nothing secret."""
        fields = self._app.blueprints[entity.blueprint].fields
        shown: dict[str, Json] = {
            f.name: told(f.type, entity.fields[f.name]) for f in fields.values() if not f.secret
        }
        return {
            "id": entity.id, "state": entity.state, "version": entity.version, "visit": entity.visit,
            "fields": shown,
        }  # fmt: skip

    def offers(self, world: World, entity: Entity, by: By, now: int) -> dict[str, str]:
        """Each action with the problem that it would meet; empty where it is possible.

        What needs arguments is judged by state, caller, and what of its guard reads neither arguments nor
        another entity.
        """
        found = {}
        blueprint = self._app.blueprints[entity.blueprint]
        for action in blueprint.actions.values():
            if action.name == "create":
                continue
            try:
                if all(a.optional or a.has_default for a in action.arguments.values()):
                    self._reader.act(world, entity.id, action.name, {}, by, now, entity.visit)
                elif entity.state not in action.from_states:
                    raise RefusedError("state")
                elif not self._reader.permits(blueprint, action, entity, by, {}, False):
                    raise RefusedError("denied")
                elif not _can_hold(action, entity, by):
                    raise RefusedError("guard")
                found[action.name] = ""
            except RefusedError as refused:
                found[action.name] = CODES[refused.reason]
        return found

    def pick(
        self, world: World, blueprint: Blueprint, sent: Sent, now: int, new_id: str = ""
    ) -> tuple[str, Taken | str | None]:
        """What `:take` finds: the first entity, by id, on which the action is possible, or the problem."""
        action = blueprint.actions[sent.action]
        if action.name == "create":
            return "", "LR404.action"
        if not self._app.policies and not admits(action.admits, sent.by):
            return "", "LR403.denied"
        for name in sorted(world.entities):
            entity = world.entities[name]
            if entity.blueprint != blueprint.name or entity.state not in action.from_states:
                continue
            one = Sent(sent.blueprint, sent.action, sent.by, sent.args, entity=name)
            found = self.step(world, one, now)
            if isinstance(found, str) and found.startswith(("LR403.", "LR409.", "LR412.", "LR404.entity")):
                continue
            return name, found
        return "", None


@frozen
class Moment:
    """A world, and how the version that was in force in it answers."""

    world: World
    foresight: Foresight


def answers(moments: Sequence[Moment], sent: Sent, now: int) -> Iterator[Taken | str]:
    """What a request may be answered, if it was asked at any of these moments, the newest first. Whom a
    delivery is about may have been looked for at one, and have changed by the next.
    """
    whom = {""}
    if sent.heard is not None and sent.heard.find and not moments[-1].foresight.is_misfit(sent):
        with suppress(NotOfTypeError):
            whom = {one.foresight.whom(one.world, sent) for one in moments}
    for one in reversed(moments):
        for who in sorted(whom):
            yield one.foresight.step(one.world, sent, now, who)


def _can_hold(action: Action, entity: Entity, by: By) -> bool:
    """Whether no part of a guard is false already, as far as that can be told without arguments."""
    if action.when is None:
        return True
    tree = action.when.tree
    scope = Scope(World({}, {}), entity, entity.fields, {}, by.actor)
    try:
        for part in tree.operands if isinstance(tree, And) else (tree,):
            reads = [*walk(part)]
            is_open = any(isinstance(n, Follow) or (isinstance(n, Read) and n.scope == "arg") for n in reads)
            if not is_open and value(part, scope) is not True:
                return False
    except RefusedError:
        return True
    return True


def _running(entity: Entity) -> set[int]:
    """The invocation whose token is good."""
    return {r.number for r in entity.requests if r.phase in ("started", "stopping")}
