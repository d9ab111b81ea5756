"""Joint steps: an action and all that is taken together with it, computed on the state before the step.

A `Draft` collects what a step would do. Nothing leaves it until `finish`; a refusal anywhere drops
the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from lathe.frozen import evolve, record
from lathe.lang.model import Action, Argument, Unique
from lathe.lang.types import Type
from lathe.machine.evaluate import EvaluationError, Frame
from lathe.machine.event import Caller, Create, Event
from lathe.machine.limits import MAX_JOINT_DEPTH
from lathe.machine.outcome import Part, Reason, Refusal, Step
from lathe.machine.snapshot import Delivery, Entity, Invocation, Value, Values, World, claim_of
from lathe.machine.table import AlsoRule, AssignmentRule, EffectRule, Rule, Table, TargetRule, stored
from lathe.machine.values import misfit, saturated

Permit = Callable[[Action, Entity, Caller, Mapping[str, Value]], bool]


class Refused(Exception):
    """Aborts a draft; `step` returns the refusal that it carries."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


@record
class Take:
    """An action to take in this step: by whom, and at which depth of the closure."""

    entity: Entity
    action: str
    args: Mapping[str, Value]
    by: Caller
    is_new: bool = False
    depth: int = 0


class Draft:
    """A step under construction, and the world as the step sees it: before the step, with its own changes to
    what events replace.
    """

    __slots__ = (
        "ghosts", "now", "parts", "permit", "reads", "requested", "seen", "table", "world", "written"
    )  # fmt: skip

    def __init__(self, table: Table, world: World, permit: Permit, now: int) -> None:
        self.table = table
        self.permit = permit
        self.now = now
        self.world = world
        """The world before the step."""
        self.ghosts = world.ghosts
        self.seen: dict[str, Entity] = {}
        """Entities that the step sees differently from the world."""
        self.reads: set[str] = set()
        self.parts: list[Part] = []
        self.written: dict[str, Entity] = {}
        self.requested: list[tuple[str, Invocation]] = []

    def reset(self) -> None:
        """Discard everything computed; recorded reads remain."""
        self.ghosts, self.seen = self.world.ghosts, {}
        self.parts, self.written, self.requested = [], {}, []

    # What expressions look up.

    def get(self, entity: str) -> Entity | None:
        self.reads.add(entity)
        return self.seen.get(entity) or self.world.get(entity)

    def population(self, blueprint: str) -> tuple[str, ...]:
        return self.world.population(blueprint)

    def holder(
        self, blueprint: str, unique: Unique, claim: tuple[Value, ...], besides: Collection[str]
    ) -> str | None:
        return self.world.holder(blueprint, unique, claim, besides)

    def refused(self, reason: Reason, entity: Entity | None, action: str | None, detail: str = "") -> Refused:
        return Refused(Refusal(reason, entity.id if entity else None, action, detail))

    def entity(self, name: str) -> Entity:
        found = self.get(name)
        if found is None:
            raise Refused(Refusal("missing", name, None))
        return found

    def fresh(self, blueprint: str, name: str) -> Entity:
        """A new entity before its `create`: defaults, the initial state, the first visit to come."""
        if self.get(name) is not None:
            raise Refused(Refusal("missing", name, "create"))
        table = self.table.blueprints[blueprint]
        return Entity(
            name, blueprint, table.blueprint.initial, table.fields, table.ghosts, visit=0, version=0
        )

    def introduce(self, entity: Entity) -> None:
        """Make an entity visible that this step creates."""
        self.seen[entity.id] = entity

    def replace(self, entity: Entity) -> None:
        """Make the step see an entity differently from the world (an ended invocation, say)."""
        self.seen[entity.id] = entity

    def current(self, entity: Entity) -> Entity:
        return self.seen.get(entity.id, entity)

    def write(self, entity: Entity) -> None:
        """Record a change without an action."""
        self.written[entity.id] = evolve(entity, ghosts=self.current(entity).ghosts)

    def effect(self, entity: Entity, name: str) -> EffectRule:
        return self.table.blueprints[entity.blueprint].effects[name]

    def offered(self, entity: Entity, action: str, results: Mapping[str, Value]) -> dict[str, Value]:
        """The results that an action takes as arguments, by name; `made` goes to the one ref among its
        `sets`.

        The message of a bad end is cut to what its argument holds.
        """
        wanted = self.table.blueprints[entity.blueprint].rules[action].action.arguments
        taken = {name: value for name, value in results.items() if name in wanted}
        if "made" in results and "made" not in wanted:
            refs = [a.name for a in wanted.values() if a.from_sets and a.type.kind == "ref"]
            if len(refs) == 1:
                taken[refs[0]] = results["made"]
        message = taken.get("message")
        if "cause" in results and isinstance(message, str):
            taken["message"] = message[: wanted["message"].type.maximum]
        return taken

    def frame(self, entity: Entity, args: Values, actor: str | None) -> Frame:
        ghosts = self.seen.get(entity.id, entity).ghosts
        return Frame(self, entity, entity.fields, args, ghosts, self.ghosts, actor, self.now)

    def execute(self, entity: Entity, rule: EffectRule, invocation: Invocation, *, is_repeat: bool) -> None:
        """Apply one execution's effect on the world's ghosts; repeats of an idempotent one do nothing."""
        if is_repeat and rule.effect.idempotent:
            return
        frame = evolve(self.frame(entity, invocation.args, None), fields=invocation.fields)
        self.assign_ghosts(rule.world, entity, frame)

    def assign_ghosts(self, rules: tuple[AssignmentRule, ...], entity: Entity, frame: Frame) -> None:
        """Simultaneous ghost assignments; one without a value leaves its ghost as it is."""
        changes: list[tuple[AssignmentRule, Entity | None, Value]] = []
        for rule in rules:
            try:
                value = rule.value(frame, frame.fields, frame.args)
                owner = self._ghost_owner(rule, entity, frame)
            except EvaluationError:
                continue
            if owner is not None or rule.scope == "app_ghost":
                changes.append((rule, owner, value))
        for rule, owner, value in changes:
            if owner is None:
                kept = saturated(rule.type, value, self.ghosts[rule.target])
                self.ghosts = {**self.ghosts, rule.target: kept}
            else:
                now = self.current(owner)
                kept = saturated(rule.type, value, now.ghosts[rule.target])
                self.seen[owner.id] = evolve(now, ghosts={**now.ghosts, rule.target: kept})
                if owner.id not in self.written:
                    self.written[owner.id] = self.seen[owner.id]

    def _ghost_owner(self, rule: AssignmentRule, entity: Entity, frame: Frame) -> Entity | None:
        if rule.scope == "app_ghost":
            return None
        if rule.via is None:
            return entity
        ref = rule.via(frame, frame.fields, frame.args)
        return self.get(ref) if isinstance(ref, str) else None

    def finish(self, event: Event) -> Step:
        """The complete step, once every side has accepted."""
        for part in self.parts:
            self.written[part.entity] = part.after
        parts = tuple(self.parts)
        if self.seen:
            for name, entity in self.written.items():
                seen = self.seen.get(name)
                if seen is not None and seen.ghosts is not entity.ghosts:
                    self.written[name] = evolve(entity, ghosts=seen.ghosts)
            parts = tuple(
                p if p.after is self.written[p.entity] else evolve(p, after=self.written[p.entity])
                for p in parts
            )
        requested = tuple(self.requested)
        first = event.id if isinstance(event, Create) else event.entity
        if len(self.written) > 1 and first in self.written:  # before those written for their ghosts alone
            self.written = {first: self.written[first], **self.written}
        return Step(event, parts, self.written, self.ghosts, requested, frozenset(self.reads))

    def check_unique(self) -> None:
        """Refuse the step if two entities would hold the same claim."""
        for part in self.parts:
            uniques = self.table.blueprints[part.blueprint].blueprint.unique
            if uniques:
                self._check_unique(part.after, uniques)

    def _check_unique(self, entity: Entity, uniques: Mapping[str, Unique]) -> None:
        parts = {part.entity: part.after for part in self.parts}
        for unique in uniques.values():
            claim = claim_of(unique, entity)
            if claim is not None and self._is_held(unique, entity, claim, parts):
                raise self.refused("unique", entity, None, f"`{unique.name}` is held by another")

    def _is_held(
        self, unique: Unique, entity: Entity, claim: tuple[Value, ...], parts: Mapping[str, Entity]
    ) -> bool:
        others = (o for o in parts.values() if o.id != entity.id and o.blueprint == entity.blueprint)
        if any(claim_of(unique, other) == claim for other in others):
            return True
        return self.holder(entity.blueprint, unique, claim, parts) is not None


def take_all(draft: Draft, *takes: Take) -> None:
    """Take the actions and all that are joined to them, then their ghosts, then their effects.

    Every side's guard comes first, then what each would store: a range is left only by a step that
    nobody's guard refuses.
    """
    opened = _closure(draft, takes)
    done: list[tuple[Take, Rule, Frame, Part]] = []
    for take, rule, frame in opened:
        done.append((take, rule, frame, _apply(draft, take, rule, frame, _before(draft, take))))
    for take, rule, frame, _ in done:
        if not rule.ghost:
            continue
        now = draft.current(take.entity)
        ghosted = evolve(frame, ghosts=now.ghosts, app_ghosts=draft.ghosts)
        draft.assign_ghosts(rule.ghost, take.entity, ghosted)
    for take, rule, frame, part in done:
        draft.parts.append(_request(draft, take, rule, frame, part))
    draft.check_unique()


def _before(draft: Draft, take: Take) -> Entity | None:
    """The entity as the world has it: `replace` may have changed what the step sees."""
    if take.depth == 0 and draft.seen:
        return draft.world.get(take.entity.id)
    return None if take.is_new else take.entity


def _closure(draft: Draft, takes: tuple[Take, ...]) -> list[tuple[Take, Rule, Frame]]:
    """The actions and their closure under `also`, each clause right after its action."""
    waiting = [*reversed(takes)]
    opened: list[tuple[Take, Rule, Frame]] = []
    while waiting:
        take = waiting.pop()
        if opened and any(other.entity.id == take.entity.id for other, _, _ in opened):
            raise draft.refused("twice", take.entity, take.action)
        if take.depth > MAX_JOINT_DEPTH:
            raise draft.refused("depth", take.entity, take.action)
        rule, frame = _open(draft, take)
        opened.append((take, rule, frame))
        if rule.also:
            waiting.extend(reversed(_clauses(draft, take, rule, frame)))
    return opened


def _open(draft: Draft, take: Take) -> tuple[Rule, Frame]:
    """The checks that precede an action: state, caller, arguments, guard."""
    entity = take.entity
    rule = draft.table.blueprints[entity.blueprint].rules.get(take.action)
    if rule is None or (take.action == "create") is not take.is_new:
        raise draft.refused("action", entity, take.action)
    if not take.is_new and entity.state not in rule.action.from_states:
        raise draft.refused("state", entity, take.action)
    args = _arguments(draft, take, rule.action)
    if not draft.permit(rule.action, entity, take.by, args):
        raise draft.refused("denied", entity, take.action)
    frame = draft.frame(entity, args, take.by.actor)
    if rule.guard is not None:
        try:
            if rule.guard(frame, frame.fields, args) is not True:
                raise draft.refused("guard", entity, take.action)
        except EvaluationError as error:
            raise draft.refused(error.reason, entity, take.action) from None
    return rule, frame


def _arguments(draft: Draft, take: Take, action: Action) -> dict[str, Value]:
    """The arguments in full, defaults filled in; null means left out."""
    if not take.args.keys() <= action.arguments.keys():
        unknown = min(take.args.keys() - action.arguments.keys())
        raise draft.refused("type", take.entity, take.action, f"`{unknown}` is no argument of it")
    args: dict[str, Value] = {}
    for name, argument in action.arguments.items():
        value = take.args.get(name)
        if value is None:
            value = _left_out(draft, take, argument)
        if value is not None and (misfit(argument.type, value) or not _exists(draft, argument.type, value)):
            raise draft.refused(
                "type", take.entity, take.action, f"`{name}` does not fit: {_wanted(argument.type)}"
            )
        args[name] = value
    return args


def _left_out(draft: Draft, take: Take, argument: Argument) -> Value:
    """The value of an omitted argument."""
    value = stored(argument.default) if argument.has_default else None
    if value is None and argument.optional and argument.type.kind == "set":
        value = frozenset()
    if value is None and not argument.optional:
        raise draft.refused("type", take.entity, take.action, f"`{argument.name}` is missing")
    return value


def _wanted(kind: Type) -> str:
    """What an argument accepts, in words."""
    match kind.kind:
        case "ref":
            return f"it takes the id of a {kind.blueprint} that exists"
        case "text" | "json" | "set" if kind.maximum is not None:
            unit = {"text": "characters", "json": "bytes"}.get(kind.kind, "members")
            return f"it takes {kind}, {kind.maximum} {unit} at most"
    return f"it takes {kind}"


def _exists(draft: Draft, kind: Type, value: Value) -> bool:
    """Whether a ref, or each in a set of refs, names an entity of its blueprint; other values do."""
    if isinstance(value, frozenset):
        return all(_exists(draft, kind.element, member) for member in value if kind.element)
    if kind.blueprint is None or not isinstance(value, str):
        return True
    entity = draft.get(value)
    return entity is not None and entity.blueprint == kind.blueprint


def _apply(draft: Draft, take: Take, rule: Rule, frame: Frame, before: Entity | None) -> Part:
    """The entity after its own action, before its effects are requested."""
    entity, action = take.entity, rule.action
    changed: dict[str, Value] = {name: frame.args[name] for name in rule.sets}
    try:
        for assignment in rule.do:
            changed[assignment.target] = assignment.value(frame, frame.fields, frame.args)
        state = rule.to_if(frame, frame.fields, frame.args) if rule.to_if else action.to or entity.state
    except EvaluationError as error:
        raise draft.refused(error.reason, entity, take.action) from None
    fields = draft.table.blueprints[entity.blueprint].blueprint.fields
    for name, value in changed.items():
        wrong = misfit(fields[name].type, value)
        if wrong is not None:
            raise draft.refused(wrong, entity, take.action, f"`{name}` cannot hold its new value")
    assert isinstance(state, str), "a target is a state"
    visit, invocations = entity.visit, entity.invocations
    if rule.begins_visit:
        visit += 1
        invocations = tuple(_left(i) for i in invocations if i.phase != "waiting") if invocations else ()
    after = Entity(
        entity.id, entity.blueprint, state, {**entity.fields, **changed}, entity.ghosts, visit,
        entity.version + 1, invocations, entity.invoked,
    )  # fmt: skip
    return Part(entity.id, entity.blueprint, action.name, take.by, frame.args, before, after)


def _left(invocation: Invocation) -> Invocation:
    """A started invocation after its visit has ended."""
    return evolve(invocation, phase="stopping") if invocation.phase == "started" else invocation


def _clauses(draft: Draft, take: Take, rule: Rule, frame: Frame) -> list[Take]:
    found: list[Take] = []
    caller = Caller("entity", take.entity.blueprint, actor=take.by.actor)
    for clause in rule.also:
        try:
            if clause.when is not None and clause.when(frame, frame.fields, frame.args) is not True:
                continue
            found.append(_clause(draft, take, clause, frame, caller))
        except EvaluationError as error:
            raise draft.refused(error.reason, take.entity, take.action) from None
    return found


def _clause(draft: Draft, take: Take, clause: AlsoRule, frame: Frame, caller: Caller) -> Take:
    on = clause.on(frame, frame.fields, frame.args)
    if not isinstance(on, str):
        raise draft.refused("missing", take.entity, take.action, "whom it is taken with is unset")
    args = {name: value(frame, frame.fields, frame.args) for name, value in clause.args.items()}
    return Take(draft.entity(on), clause.action, args, caller, depth=take.depth + 1)


def _request(draft: Draft, take: Take, rule: Rule, frame: Frame, part: Part) -> Part:
    """Request the action's effects, then those of the state that it entered."""
    if not rule.action.run and not rule.begins_visit:
        return part
    entity = part.after
    asked = list(rule.action.run)
    if rule.begins_visit:
        asked += draft.table.blueprints[entity.blueprint].blueprint.states[entity.state].run
    if not asked:
        return part
    for index, name in enumerate(asked):
        is_notice = draft.effect(entity, name).effect.is_notice
        if not is_notice and (name in asked[:index] or _is_in_flight(entity, name)):
            raise draft.refused("busy", entity, take.action, f"`{name}` is still in flight")
    for name in asked:
        effect = draft.effect(entity, name)
        invocation = Invocation(
            number=entity.invoked + 1,
            effect=name,
            visit=entity.visit,
            phase="notice" if effect.effect.is_notice else "waiting",
            executed=False,
            fields=entity.fields,
            args=frame.args,
            deliveries=_deliveries(
                draft, take, effect.target, evolve(frame, entity=entity, fields=entity.fields)
            ),
        )
        draft.requested.append((entity.id, invocation))
        listed = (*entity.invocations, invocation)
        entity = evolve(entity, invocations=listed, invoked=entity.invoked + 1)
    return evolve(part, after=entity)


def _is_in_flight(entity: Entity, effect: str) -> bool:
    return any(i.effect == effect and i.phase in ("waiting", "started") for i in entity.invocations)


def _deliveries(draft: Draft, take: Take, target: TargetRule | None, frame: Frame) -> tuple[Delivery, ...]:
    """A call's targets and arguments, rendered now: one delivery, or one for each member of a set."""
    if target is None:
        return ()
    found: list[Delivery] = []
    group = [None] if target.each is None else _members_of(frame.fields[target.each])
    for item in group:
        inner = evolve(frame, item=item)
        try:
            on = target.on(inner, inner.fields, inner.args) if target.on else None
            args = {name: value(inner, inner.fields, inner.args) for name, value in target.args.items()}
        except EvaluationError as error:
            raise draft.refused(error.reason, take.entity, take.action) from None
        found.append(Delivery(on if isinstance(on, str) else None, args))
    return tuple(found)


def _members_of(value: Value) -> list[int | bool | str | None]:
    return sorted(value, key=str) if isinstance(value, frozenset) else []
