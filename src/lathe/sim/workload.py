"""Simulated clients: commands derived from the blueprints, valid ones and others.

They are chosen by where things stand, towards what was seen least; in a guided run most of them lead towards
a goal. Each is written down as it is asked, so that a run can be taken again with some of them left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Literal, Protocol

from lathe.frozen import evolve, frozen
from lathe.lang.model import Action, App, Argument, Blueprint
from lathe.machine.event import Act, Caller, Create, Event
from lathe.machine.snapshot import Entity, MemoryWorld, Value
from lathe.sim.goals import Guide
from lathe.sim.values import PEOPLE, constants, misfit_of, value_of_type

INSTANCES_LIMIT = 4
"""Entities of one blueprint that clients create."""
GAP_SECONDS = 0.4
"""How long a client waits between two requests, on average."""
LONG_GAP_SECONDS = 30.0
LOOKS = (0, 0, 1, 2, 4)
"""How many reads accompany a command, in a run that has them."""
LOOK_MS = (0, 1, 5, 40)
"""How long after one another they are asked."""
FOCUS = (0.0, 0.0, 0.7)
"""How likely a command is about whom the last one was about: in some runs all want the same."""
GUIDED = 0.7
"""How likely a command of a guided run leads towards its goal; the others are as in any run."""
LEAP_SHORT_MS = 2_000
"""How long before a timer is due a leap ends at most."""


@frozen
class Issue:
    """One command as a client asks for it, `gap_ms` after its last one.

    `node` picks the process that is asked, `key` makes it idempotent; `leap_ms` of time pass at once before.
    `looks` are reads of the same entity at the same process, so many milliseconds one after the other, that
    go on while the command does.
    """

    gap_ms: int
    node: int
    kind: Literal["create", "act", "read"]
    blueprint: str
    entity: str
    action: str
    args: Mapping[str, Value]
    by: Caller
    visit: int | None = None
    key: str | None = None
    leap_ms: int = 0
    looks: tuple[int, ...] = ()

    def event(self, now: int) -> Event:
        """The machine's event, at a moment."""
        if self.kind == "create":
            return Create(self.blueprint, self.entity, self.args, self.by, now)
        return Act(self.entity, self.action, self.args, self.by, now, self.visit)


class Known(Protocol):
    """What is known of how things stand, and of what was done so far."""

    @property
    def world(self) -> MemoryWorld: ...

    @property
    def taken(self) -> Mapping[tuple[str, str], int]: ...


class Workload:
    """Chooses commands, for one run."""

    def __init__(
        self,
        app: App,
        oracle: Known,
        now_ms: int,
        *,
        seed: int,
        pace: float = GAP_SECONDS,
        due_in_ms: Callable[[], int] = lambda: 0,
        guide: Guide | None = None,
    ) -> None:
        self._app = app
        self._oracle = oracle
        self._now_ms = now_ms
        self._due_in_ms = due_in_ms
        self._pace = pace
        self._random = Random(f"{seed}/workload")
        self._guide = guide
        self._guiding = Random(f"{seed}/guide")
        self._reads = self._random.choice((0.05, 0.25))
        self._leaps = self._random.choice((0.0, 0.0, 0.15))
        self._looks = self._random.choice((False, True))
        self._focus = self._random.choice(FOCUS)
        self._last = ""
        self._constants = constants(app)
        self._open = {b.name: tuple(filter(_is_open, b.actions.values())) for b in app.blueprints.values()}
        """The actions that clients may take at all, by blueprint."""
        self._creatable = {b.name for b in app.blueprints.values() if _is_open(b.actions["create"])}
        self.people = _staffed(app, self._random)
        self._made: dict[str, int] = dict.fromkeys(app.blueprints, 0)
        self._issued = 0

    def next(self) -> Issue:
        """What is asked now."""
        self._issued += 1
        if self._guide is not None and self._guiding.random() < GUIDED:
            issue = self._towards(self._guide)
            if issue is not None:
                return issue
        creatable = [b for b in self._app.blueprints.values() if self._is_creatable(b)]
        world = self._oracle.world
        entities = sorted(world, key=lambda e: e.id)
        if creatable and (not entities or self._random.random() < 0.15):
            return self._create(self._random.choice(creatable))
        if not entities:
            return self._read("nobody")
        if self._random.random() < self._reads:
            return self._read(self._random.choice(entities).id)
        return self._act(self._chosen(entities))

    def _towards(self, guide: Guide) -> Issue | None:
        """What leads towards the goal; None where nobody outside can do anything for it."""
        goal = guide.goal
        blueprint = self._app.blueprints[goal.blueprint]
        near = [e for e in self._oracle.world if e.blueprint == goal.blueprint and e.state in goal.left]
        if not near:
            guide.spend("create", "")
            return self._create(blueprint) if self._is_creatable(blueprint) else None
        entity = min(near, key=lambda e: (goal.left[e.state], e.id))
        name = self._guiding.choice(goal.next(entity.state))
        guide.spend(name, entity.state)
        action = blueprint.actions[name]
        if _is_open(action):
            return self._issue("act", blueprint, entity.id, action, entity)
        if not any(p.kind in ("timer", "effect") for p in action.admits):
            return None
        own = [""] if blueprint.states[entity.state].then == name else []
        timers = own or [timer.name for timer in blueprint.timers.values() if timer.then == name]
        leap_ms = guide.due_in_ms(entity.id, timers[0]) if timers else 0
        return evolve(self._read(entity.id), leap_ms=leap_ms)

    def _is_creatable(self, blueprint: Blueprint) -> bool:
        return blueprint.name in self._creatable and self._made[blueprint.name] < INSTANCES_LIMIT

    def _chosen(self, entities: list[Entity]) -> Entity:
        alive = [e for e in entities if not self._app.blueprints[e.blueprint].states[e.state].final]
        same = [e for e in alive if e.id == self._last] if self._focus else []
        if same and self._random.random() < self._focus:
            return same[0]
        found = self._random.choice(alive if alive and self._random.random() < 0.9 else entities)
        self._last = found.id
        return found

    def _create(self, blueprint: Blueprint) -> Issue:
        self._made[blueprint.name] += 1
        name = f"{blueprint.name}#{self._made[blueprint.name]}"
        return self._issue("create", blueprint, name, blueprint.actions["create"], None)

    def _read(self, entity: str) -> Issue:
        caller = Caller("role", None, frozenset(), PEOPLE[0])
        node = self._random.randrange(8)
        return Issue(self._gap_ms(), node, "read", "", entity, "", {}, caller, looks=self._some_looks())

    def _some_looks(self) -> tuple[int, ...]:
        """When reads are asked that accompany something, in a run that has them."""
        count = self._random.choice(LOOKS) if self._looks else 0
        return tuple(self._random.choice(LOOK_MS) for _ in range(count))

    def _act(self, entity: Entity) -> Issue:
        blueprint = self._app.blueprints[entity.blueprint]
        outsiders = [action for action in self._open[blueprint.name] if action.name != "create"]
        every = outsiders or [a for a in blueprint.actions.values() if a.name != "create"]
        if not every:
            return self._read(entity.id)
        fitting = [a for a in every if entity.state in a.from_states]
        if fitting and self._random.random() < 0.85:
            action = self._rarest(blueprint, fitting)
        else:
            action = self._random.choice(every)
        return self._issue("act", blueprint, entity.id, action, entity)

    def _rarest(self, blueprint: Blueprint, actions: list[Action]) -> Action:
        """One of them, the more likely the less often it was taken."""
        taken = self._oracle.taken
        weights = [1 / (1 + taken[blueprint.name, action.name]) for action in actions]
        return self._random.choices(actions, weights)[0]

    def _issue(
        self,
        kind: Literal["create", "act"],
        blueprint: Blueprint,
        name: str,
        action: Action,
        entity: Entity | None,
    ) -> Issue:
        random = self._random
        return Issue(
            gap_ms=self._gap_ms(),
            node=random.randrange(8),
            kind=kind,
            blueprint=blueprint.name,
            entity=name,
            action=action.name,
            args=self._arguments(action, entity),
            by=self._caller(action, entity),
            visit=self._visit(action, entity),
            key=f"k{self._issued}" if random.random() < 0.6 else None,
            leap_ms=self._leap_ms(),
            looks=self._some_looks(),
        )

    def _leap_ms(self) -> int:
        """Now and then: until a timer is about to be due, so that much happens around that moment."""
        if self._random.random() >= self._leaps:
            return 0
        left = self._due_in_ms() - self._random.randrange(LEAP_SHORT_MS)
        return left if left > LEAP_SHORT_MS else 0

    def _gap_ms(self) -> int:
        mean = LONG_GAP_SECONDS if self._random.random() < 0.05 else self._pace
        return int(self._random.expovariate(1 / mean) * 1000)

    def _visit(self, action: Action, entity: Entity | None) -> int | None:
        if entity is None or self._random.random() < (0.15 if action.fenced else 0.95):
            return None
        return entity.visit if self._random.random() < 0.85 else entity.visit - 1

    def _caller(self, action: Action, entity: Entity | None) -> Caller:
        random = self._random
        inbound = [p for p in action.admits if p.kind == "inbound"]
        if inbound and random.random() < 0.8:
            return Caller("inbound", random.choice(inbound).name)
        open_to = {p.name for p in action.by if p.kind == "role"}
        able = [who for who in PEOPLE if self.people[who] & open_to]
        people = able if able and random.random() < 0.85 else list(PEOPLE)
        known = [v for v in entity.fields.values() if v in people] if entity is not None else []
        who = random.choice(known) if known and random.random() < 0.6 else random.choice(people)
        assert isinstance(who, str), "people are known by name"
        return Caller("role", None, self.people[who], who)

    def _arguments(self, action: Action, entity: Entity | None) -> dict[str, Value]:
        return {
            argument.name: value
            for argument in action.arguments.values()
            if (value := self._argument(argument, entity)) is not None
        }

    def _argument(self, argument: Argument, entity: Entity | None) -> Value:
        random = self._random
        kind = argument.type
        if (argument.optional or argument.has_default) and random.random() < 0.4:
            return None
        if random.random() < 0.03:
            return misfit_of(random, kind)
        target = kind.blueprint or (kind.element.blueprint if kind.element else None)
        refs = self._oracle.world.population(target) if target else ()
        return value_of_type(random, kind, self._constants, self._now_ms, refs)


def _is_open(action: Action) -> bool:
    """Whether anybody outside may take an action: clients take no other."""
    return any(p.kind in ("role", "any", "inbound") for p in action.admits)


def _staffed(app: App, random: Random) -> dict[str, frozenset[str]]:
    """Who holds which roles, for the whole run: every role is held, and none together that may not be."""
    held: dict[str, set[str]] = {who: set() for who in PEOPLE}
    for role in sorted(app.roles):
        sure = random.choice(PEOPLE)
        for who in sorted(PEOPLE, key=lambda one: one != sure):
            others = {r for together in app.exclusive if role in together for r in together} & held[who]
            if not others and (who == sure or random.random() < 0.5):
                held[who].add(role)
    return {who: frozenset(roles) for who, roles in held.items()}
