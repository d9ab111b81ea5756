"""Test plans as plain data (requests, waits, outcomes of effects), and their random generation.

A plan names entities by number, so that it can be drawn, cut and shortened without running anything; which
entity the number means is settled when its turn comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from random import Random
from typing import TypeVar

from lathe.frozen import frozen
from lathe.lang.adapters import BAD_CAUSES, DEFAULT_TIMEOUT_MS
from lathe.lang.expr import Literal, walk
from lathe.lang.model import Action, App, Argument, Blueprint, Effect, Json
from lathe.lang.types import Type
from lathe.probe.versions import can_swap

T = TypeVar("T")

STEPS_LIMIT = 24
"""Steps of one plan, beside the creations that it begins with."""
KINDS = ("ask", "create", "wait", "look", "together", "wrong", "pick", "broken")
WEIGHTS = (9, 2, 5, 3, 3, 1, 2, 1)
"""How often each sort of step is drawn."""
HEARING = (*KINDS, "deliver")
HEARING_WEIGHTS = (*WEIGHTS, 7)
"""The same where events come in from outside."""
TEXT_LIMIT = 300
"""Longer texts are tried only where the type allows no more."""
PRINCIPALS_LIMIT = 5


@frozen
class Person:
    """A caller and the roles that it holds."""

    name: str
    roles: frozenset[str]


@frozen
class Ref:
    """The entity of this number among those of a blueprint; there may be none."""

    blueprint: str
    number: int


Given = Json | Ref | tuple["Given", ...]
"""An argument: JSON, or references inside it. A tuple is a list."""


@frozen
class Ask:
    """One request to create or act. `number` counts the entities of the blueprint, those first on which the
    action is possible if `is_apt`.

    `visit` and `version` say what the headers name: the current one, the one before, or nothing. With a
    `key` the request carries an idempotency key, one of a few.
    """

    blueprint: str
    action: str
    person: int
    args: Mapping[str, Given] = field(default_factory=dict)
    number: int = 0
    is_apt: bool = True
    visit: str = ""
    version: str = ""
    key: int = 0


@frozen
class Deliver:
    """An event from outside, as `[inbound]` declares it.

    `number` is whom it is about, as in `Ask`; `whom` says if that is to be `nobody`, `left out` or `odd`: no
    text. `identity` is one of a few, so that deliveries come again; 0 is its own, -1 none. `signed` is
    `good`, `none`, or which part is wrong: the `secret`, the `body`, or its age (`old`, `late`, `early`).
    `body` is `broken` or `empty`. With `again` the last delivery but so many goes out once more as it was,
    whenever that is; the rest then only says of which event it would be, if there were none.
    """

    blueprint: str
    event: str
    args: Mapping[str, Given] = field(default_factory=dict)
    number: int = 0
    is_apt: bool = True
    whom: str = ""
    identity: int = 0
    signed: str = "good"
    body: str = ""
    again: int = 0


@frozen
class Together:
    """Requests that are made at once."""

    asks: tuple[Ask | Deliver, ...]


@frozen
class Listen:
    """Open the stream of this number for a caller, behind what it told last; or cut it, if it is open.

    With a `blueprint` it tells of its entities alone.
    """

    number: int
    person: int
    blueprint: str = ""


@frozen
class Look:
    """A request that reads: `entity`, `list`, `actions`, `journal`, or `events`, page by page."""

    blueprint: str
    what: str
    person: int
    number: int = 0
    state: str = ""


@frozen
class Pick:
    """`:take`: the action on the first entity on which it is possible."""

    blueprint: str
    action: str
    person: int
    args: Mapping[str, Given] = field(default_factory=dict)


@frozen
class Broken:
    """A request that no client should make: which of `host.BROKEN`."""

    blueprint: str
    kind: int


@frozen
class Wait:
    """Let time pass."""

    seconds: float


@frozen
class Swap:
    """The other version of the app takes over; the one before comes back, if that was done before. `asks` are
    under way while it does.
    """

    asks: tuple[Ask | Deliver, ...] = ()


Step = Ask | Deliver | Together | Look | Listen | Pick | Broken | Wait | Swap


@frozen
class Outcome:
    """How one try of an effect goes: after how long, how it ends, and what is reported meanwhile."""

    seconds: float = 0.0
    cause: str = ""
    results: Mapping[str, Json] = field(default_factory=dict)
    reports: int = 0


@frozen
class Plan:
    """A whole run. Each effect's outcomes are taken in turn, round and round."""

    steps: tuple[Step, ...]
    outcomes: Mapping[str, tuple[Outcome, ...]]
    seed: int = 0


def people(app: App) -> tuple[Person, ...]:
    """Callers that differ: one with as many roles as one may hold, one of each role, and one without any."""
    excluded = [frozenset(group) for group in app.exclusive]
    most: set[str] = set()
    for role in app.roles:
        if not any(role in group and group & most for group in excluded):
            most.add(role)
    each = [Person(f"{role[:20]}1", frozenset({role})) for role in app.roles][: PRINCIPALS_LIMIT - 2]
    return (Person("all", frozenset(most)), *each, Person("nobody", frozenset()))


def draw_plan(app: App, seed: int) -> Plan:
    """The plan of a seed: the same everywhere."""
    plan = _Drawer(app, Random(seed)).plan(seed)
    followed = _followed(app, plan.steps, Random(f"{seed}, followed"))
    return replace(plan, steps=_swapped(app, followed, Random(f"{seed}, swapped")))


def _followed(app: App, steps: tuple[Step, ...], random: Random) -> tuple[Step, ...]:
    """The steps of a plan, two times in three with somebody who follows what happens. The draws are others,
    so that what happens does not depend on it.
    """
    if random.random() < 1 / 3:
        return steps
    found = [*steps]
    person, blueprint = random.randrange(len(people(app))), random.choice(["", "", *app.blueprints])
    for number in range(random.choice((1, 1, 2))):
        for at in sorted(random.choices(range(len(found) + 1), k=random.choice((1, 1, 3))), reverse=True):
            found.insert(at, Listen(number, person, blueprint))
    page = Look(random.choice([*app.blueprints]), "events", person, random.randrange(4))
    found.insert(random.randrange(len(found) + 1), page)
    return tuple(found)


def _swapped(app: App, steps: tuple[Step, ...], random: Random) -> tuple[Step, ...]:
    """The steps of a plan, one time in three with other versions that take over: drawn apart as well."""
    if random.random() > 1 / 3 or not can_swap(app):
        return steps
    found, drawer = [*steps], _Drawer(app, random)
    for at in sorted(random.choices(range(len(found) + 1), k=random.choice((1, 2, 2, 3))), reverse=True):
        found.insert(at, Swap(drawer.some(random.choice((0, 1, 2, 3)))))
    return tuple(found)


class _Drawer:
    """Draws one plan. What it may choose among stands in lists, good choices several times."""

    def __init__(self, app: App, random: Random) -> None:
        self._app = app
        self._random = random
        self._persons = people(app)
        self._blueprints = [*app.blueprints.values()]

    def plan(self, seed: int) -> Plan:
        made = [
            self._ask(b, b.actions["create"]) for b in self._random.choices(self._blueprints, k=self._upto(3))
        ]
        steps = (self._step(self._one(self._blueprints)) for _ in range(self._upto(STEPS_LIMIT)))
        return Plan((*made, *steps), self._outcomes(), seed)

    def _upto(self, most: int) -> int:
        return self._random.randint(max(1, most // 3), most)

    def _one(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def _step(self, blueprint: Blueprint) -> Step:
        """Mostly requests that could be good ones."""
        person = self._random.randrange(len(self._persons))
        name, number = blueprint.name, self._random.randrange(4)
        action = self._one([*blueprint.actions])
        kinds, weights = (KINDS, WEIGHTS) if not blueprint.inbound else (HEARING, HEARING_WEIGHTS)
        match self._random.choices(kinds, weights)[0]:
            case "deliver":
                return self._deliver(blueprint)
            case "create":
                return self._ask(blueprint, blueprint.actions["create"])
            case "wait":
                return Wait(self._one(_moments(blueprint)))
            case "look":
                what = self._one(("entity", "list", "actions", "journal"))
                return Look(name, what, person, number, self._one(("", *blueprint.states)))
            case "together":
                return Together(tuple(self._one_of_several(blueprint) for _ in range(self._upto(3) + 1)))
            case "wrong":
                return Ask(name, action, person, number=number)
            case "pick":
                return Pick(name, action, person)
            case "broken":
                return Broken(name, self._random.randrange(8))
            case _:
                return self._likely(blueprint)

    def _likely(self, blueprint: Blueprint) -> Ask:
        """A request that its caller could be allowed."""
        actions = [a for a in blueprint.actions.values() if any(p.kind in ("role", "any") for p in a.by)]
        return self._ask(blueprint, self._one(actions or [blueprint.actions["create"]]))

    def _ask(self, blueprint: Blueprint, action: Action) -> Ask:
        wanted = {p.name for p in action.by if p.kind == "role"}
        fit = [i for i, p in enumerate(self._persons) if p.roles & wanted] or [0]
        person = self._one([*fit, *fit, *fit, *range(len(self._persons))])
        args = {a.name: self._given(a.type) for a in action.arguments.values() if self._is_given(a)}
        key = self._one((0, 0, 0, 0, 0, 1, 2))
        if action.name == "create":
            return Ask(blueprint.name, "create", person, args, key=key)
        fenced = ("now", "now", "now", "now", "before", "")
        return Ask(
            blueprint=blueprint.name,
            action=action.name,
            person=person,
            args=args,
            number=self._random.randrange(3),
            is_apt=self._one((True, True, True, True, False)),
            visit=self._one(fenced if action.fenced else ("", "", "", "", "now", "before")),
            version=self._one(("", "", "", "", "now", "before")),
            key=key,
        )

    def _one_of_several(self, blueprint: Blueprint) -> Ask | Deliver:
        if blueprint.inbound and self._random.random() < 0.4:
            return self._deliver(blueprint)
        return self._likely(blueprint)

    def some(self, count: int) -> tuple[Ask | Deliver, ...]:
        """So many requests that are made at once."""
        return tuple(self._one_of_several(self._one(self._blueprints)) for _ in range(count))

    def _deliver(self, blueprint: Blueprint) -> Deliver:
        """A delivery, mostly a good one; one in four is one that came before."""
        event = self._one([*blueprint.inbound.values()])
        wanted = blueprint.actions[event.action].arguments
        args = {
            n: self._given(wanted[n].type) for n in event.args if n in wanted and self._is_given(wanted[n])
        }
        return Deliver(
            blueprint=blueprint.name,
            event=event.name,
            args=args,
            number=self._random.randrange(3),
            is_apt=self._one((True, True, True, False)),
            whom=self._one(("", "", "", "", "", "", "", "nobody", "left out", "odd")),
            identity=self._one((0, 0, 0, 0, 0, 1, 2, 1, 2, -1)),
            signed=self._one((*["good"] * 10, "none", "secret", "body", "old", "late", "early")),
            body=self._one((*[""] * 14, "broken", "empty")),
            again=self._one((0, 0, 0, 0, 0, 0, 1, 1, 2)),
        )

    def _is_given(self, argument: Argument) -> bool:
        may_be_left_out = argument.optional or argument.has_default
        return self._random.random() < (0.5 if may_be_left_out else 0.97)

    def _given(self, kind: Type) -> Given:
        if kind.kind != "set" or kind.element is None:
            return self._one(values(self._app, kind))
        if self._random.random() < 0.1:
            odd: tuple[Given, ...] = (None, "x", 3)
            return self._one(odd)
        members: list[Given] = [m for m in values(self._app, kind.element) if isinstance(m, (str, Ref))]
        return tuple(self._random.choices(members, k=self._random.randrange(min((kind.maximum or 4) + 2, 6))))

    def _outcomes(self) -> dict[str, tuple[Outcome, ...]]:
        return {
            f"{b.name}.{e.name}": tuple(self._outcome(b, e) for _ in range(self._upto(3)))
            for b in self._blueprints
            for e in b.effects.values()
            if e.target is None
        }

    def _outcome(self, blueprint: Blueprint, effect: Effect) -> Outcome:
        """Good ends first, with results that fit or do not; then every cause, late answers and time-outs."""
        taker = blueprint.actions.get(effect.ok or "")
        kinds = {n: taker.arguments[n].type for n in effect.takes if taker and n in taker.arguments}
        timeout = (effect.timeout_ms or DEFAULT_TIMEOUT_MS) / 1000
        causes = ("", "", "", "", *sorted(set(BAD_CAUSES) - {"cancelled"}))
        return Outcome(
            seconds=self._one((0.0, 0.0, 0.0, 1.0, 5.0, timeout + 1)),
            cause=self._one(causes),
            results={n: self._one(_plain(self._app, kind)) for n, kind in kinds.items()},
            reports=self._one((0, 1, 2, 3)),
        )


def values(app: App, kind: Type) -> list[Given]:
    """What is tried of a type: good values several times, then what does not fit."""
    match kind.kind:
        case "bool":
            return [False, True, False, True, False, True, None, 1, "true"]
        case "int":
            assert kind.low is not None and kind.high is not None, "a declared int has a range"
            middle = (kind.low + kind.high) // 2
            good = [kind.low, kind.high, middle, min(kind.low + 1, kind.high), max(kind.high - 1, kind.low)]
            return [*good, *good, *good, kind.low - 1, kind.high + 1, None, True, "1", 1.5]
        case "enum":
            return [*kind.members, *kind.members, *kind.members, "no_member", None, 1]
        case "ref":
            name = kind.blueprint or ""
            other = next((n for n in app.blueprints if n != name), name)
            near = [Ref(name, n) for n in (0, 1, 2)]
            return [*near, *near, *near, Ref(other, 7), "nobody", None, 1]
        case "time":
            days = [f"2025-06-1{d}T00:00:00Z" for d in (4, 5, 6)]
            return [*days, *days, "2025-06-16T00:00:00.25+02:00", None, "soon", 3, "2025-13-01T00:00:00Z"]
        case "json":
            return [{"a": [1, "é", None]}, [], 0, "x", None, {"long": "y" * 200}]
        case "id":
            names: list[Given] = [person.name for person in people(app)]
            return [*names, *names, "somebody", None, 3]
        case _:
            return [*_texts(app, kind), None, 1, ["x"], "a\0b"]


def _texts(app: App, kind: Type) -> list[Given]:
    """Texts that the app compares with, short ones, and both ends of what it may hold."""
    compared = {
        node.value
        for b in app.blueprints.values()
        for action in b.actions.values()
        for expression in (action.when, *(line.value for line in action.do))
        if expression is not None
        for node in walk(expression.tree)
        if isinstance(node, Literal) and isinstance(node.value, str)
    }
    most = kind.maximum or 0
    good: list[Given] = ["a", "é", *sorted(compared)[:4], "", "x" * min(most, TEXT_LIMIT)]
    return [*good, *good, *(["x" * (most + 1)] if most <= TEXT_LIMIT else [])]


def _moments(blueprint: Blueprint) -> list[float]:
    """Times to wait: next to nothing, and around what the blueprint names."""
    named = {s.after_ms for s in blueprint.states.values() if s.after_ms is not None}
    named |= {e.timeout_ms for e in blueprint.effects.values() if e.timeout_ms is not None}
    return [0.05, 2.0, 40.0, *(ms / 1000 + 1 for ms in sorted(named)), 100_000.0]


def _plain(app: App, kind: Type) -> list[Json]:
    """Values as an adapter gives them: it knows no entity."""
    if kind.kind == "set":
        return [[], None]
    return [one for one in values(app, kind) if not isinstance(one, (Ref, tuple))]
