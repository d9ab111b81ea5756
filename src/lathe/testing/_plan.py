"""What a random app has, by name and type, before anything in it is written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lathe.lang.types import BOOL, ID, TIME, Type
from lathe.testing._dice import Dice
from lathe.testing._expressions import IDS, NULLABLE, Atom, Shape, Sight
from lathe.testing._toml import Data

NAMES = ("Alpha", "Beta", "Gamma")
ROLES = ("clerk", "boss", "guest")
NEVER_UNSET = ("bool", "int", "enum")


@dataclass(slots=True)
class Held:
    """A field, ghost or argument."""

    type: Type
    default: Data | None = None
    optional: bool = False
    frozen: bool = False
    explore: list[int] | None = None

    @property
    def is_required(self) -> bool:
        """Whether a caller must give it."""
        return self.default is None and not self.optional and self.type.kind != "set"

    def table(self) -> dict[str, Data]:
        """The entry of a table that says all this."""
        data = type_table(self.type)
        if self.default is not None:
            data["default"] = self.default
        if self.optional:
            data["optional"] = True
        if self.frozen:
            data["frozen"] = True
        if self.explore is not None:
            data["explore"] = [*self.explore]
        return data


@dataclass(slots=True)
class ActionPlan:
    """An action: who, from where, to where, with what. `targets` are the states of a `to_if`."""

    name: str
    sources: list[str]
    to: str | None = None
    targets: list[str] = field(default_factory=list)
    sets: list[str] = field(default_factory=list)
    args: dict[str, Held] = field(default_factory=dict)
    by: list[str] = field(default_factory=list)
    run: list[str] = field(default_factory=list)
    body: dict[str, Data] = field(default_factory=dict)

    def admit(self, principal: str) -> None:
        if principal not in self.by:
            self.by.append(principal)


@dataclass(slots=True)
class EffectPlan:
    """An effect; `data` is its table."""

    name: str
    data: dict[str, Data]
    is_notice: bool
    target: tuple[BlueprintPlan, ActionPlan] | None = None
    each: str | None = None


@dataclass(slots=True)
class BlueprintPlan:
    """A blueprint."""

    name: str
    index: int
    states: list[str]
    final: str | None
    fields: dict[str, Held] = field(default_factory=dict)
    ghosts: dict[str, Held] = field(default_factory=dict)
    actions: dict[str, ActionPlan] = field(default_factory=dict)
    effects: dict[str, EffectPlan] = field(default_factory=dict)
    runs: dict[str, list[str]] = field(default_factory=dict)

    @property
    def live(self) -> list[str]:
        """The states that are not final."""
        return [s for s in self.states if s != self.final]

    @property
    def shape(self) -> Shape:
        return Shape(types(self.fields), types(self.ghosts), tuple(self.states))

    def arguments(self, action: ActionPlan) -> dict[str, Held]:
        """All arguments of an action, those of `sets` first."""
        given = {name: Held(self.fields[name].type, self.fields[name].default) for name in action.sets}
        return {**given, **action.args}

    def entered(self, action: ActionPlan) -> list[str]:
        """The states in which a visit may begin with an action."""
        if action.name == "create":
            return [self.states[0]]
        return [action.to] if action.to is not None else action.targets

    def askers(self, effect: str) -> list[ActionPlan]:
        """The actions that may ask for an effect."""
        return [
            a
            for a in self.actions.values()
            if effect in a.run or any(effect in self.runs.get(s, ()) for s in self.entered(a))
        ]


@dataclass(slots=True)
class AppPlan:
    """A whole app."""

    blueprints: list[BlueprintPlan]
    ghosts: dict[str, Held]
    roles: list[str]

    @property
    def shapes(self) -> dict[str, Shape]:
        return {b.name: b.shape for b in self.blueprints}


def types(held: Mapping[str, Held]) -> dict[str, Type]:
    """The types alone."""
    return {name: h.type for name, h in held.items()}


def type_table(kind: Type) -> dict[str, Data]:
    """A type as the keys that declare it."""
    data: dict[str, Data] = {"type": kind.kind}
    match kind.kind:
        case "int":
            assert kind.low is not None and kind.high is not None, "a declared int has a range"
            data["range"] = [kind.low, kind.high]
        case "enum":
            data["of"] = [*kind.members]
        case "ref":
            data["to"] = kind.blueprint or ""
        case "set":
            assert kind.element is not None, "a set has an element type"
            data["of"] = {**type_table(kind.element)}
    if kind.maximum is not None:
        data["max"] = kind.maximum
    return data


def plan_blueprints(d: Dice) -> list[BlueprintPlan]:
    """The blueprints with their states, fields and ghosts."""
    names = NAMES[: d.weighed([(4, 1), (5, 2), (1, 3)])]
    found = []
    for index, name in enumerate(names):
        states = ["p", "q", "u", "z"][: d.number(2, 4)]
        plan = BlueprintPlan(name, index, states, states[-1] if d.chance(60) else None)
        for _ in range(d.number(1, 4)):
            kind = random_type(d, names, json=True)
            plan.fields[f"{kind.kind[0]}{len(plan.fields)}"] = _field(d, kind)
        for _ in range(d.weighed([(4, 0), (4, 1), (2, 2)])):
            kind = random_type(d, names, json=False)
            plan.ghosts[f"g{kind.kind[0]}{len(plan.ghosts)}"] = ghost(d, kind)
        found.append(plan)
    return found


def random_type(d: Dice, names: tuple[str, ...], *, json: bool) -> Type:
    """A type with a small domain."""
    low = d.pick((0, 0, 1, -1))
    choices: list[tuple[int, Type]] = [
        (30, Type("int", low=low, high=low + d.number(1, 3))),
        (10, BOOL),
        (12, _enum(d)),
        (8, Type("text", maximum=d.pick((8, 2, 1)))),
        (10, ID),
        (24, Type("ref", blueprint=d.pick(names))),
        (18, _set(d, names)),
        (8, TIME),
    ]
    return d.weighed([*choices, (2, Type("json", maximum=64))] if json else choices)


def _enum(d: Dice) -> Type:
    return Type("enum", members=d.pick((("a", "b"), ("b", "a"), ("a", "b", "c"))))


def _set(d: Dice, names: tuple[str, ...]) -> Type:
    element = d.weighed([(3, _enum(d)), (2, ID), (3, Type("ref", blueprint=d.pick(names)))])
    return Type("set", element=element, maximum=d.number(1, 2))


def _field(d: Dice, kind: Type) -> Held:
    held = Held(kind, frozen=d.chance(10))
    if d.chance(75 if kind.kind in NEVER_UNSET else 15):
        held.default = default(d, kind)
    if kind.kind == "int" and d.chance(8):
        assert kind.low is not None and kind.high is not None, "a declared int has a range"
        held.explore = sorted((d.number(kind.low, kind.high), d.number(kind.low, kind.high)))
    return held


def ghost(d: Dice, kind: Type) -> Held:
    """A ghost: with a default where it needs one."""
    if kind.kind in NEVER_UNSET or d.chance(30):
        return Held(kind, default(d, kind))
    return Held(kind)


def default(d: Dice, kind: Type) -> Data | None:
    """A first value, of the types that have one."""
    match kind.kind:
        case "bool":
            return d.pick((False, True))
        case "int":
            assert kind.low is not None and kind.high is not None, "a declared int has a range"
            return d.number(kind.low, kind.high)
        case "enum":
            return d.pick(kind.members)
        case "text":
            return d.pick(("x", "k"))
        case "id":
            return d.pick((*IDS, "root"))
        case "set":
            assert kind.element is not None, "a set has an element type"
            options = {"enum": kind.element.members, "id": IDS}.get(kind.element.kind, ())
            return [d.pick(options)] if options else None
        case _:
            return None


def argument(d: Dice, kind: Type) -> Held:
    """An argument: required, with a default, or optional."""
    held = Held(kind)
    how = d.weighed([(5, "required"), (3, "optional"), (2, "default")])
    if how == "default":
        held.default = default(d, kind)
    held.optional = how == "optional"
    return held


def sight(
    app: AppPlan,
    plan: BlueprintPlan,
    *,
    arguments: Mapping[str, Held] | None = None,
    actor: bool = False,
    now: bool = False,
    own: bool = True,
    ghosts: bool = False,
    populations: bool = False,
    old: bool = False,
) -> Sight:
    """What an expression of a blueprint may read. `own`: there is an entity already."""
    names = [Atom(n, h.type, h.type.kind in NULLABLE) for n, h in plan.fields.items()]
    if ghosts:
        both = {**plan.ghosts, **app.ghosts}
        names += [Atom(n, h.type, h.type.kind in NULLABLE) for n, h in both.items()]
    names += [Atom(f"arg.{n}", h.type, h.type.kind != "set") for n, h in (arguments or {}).items()]
    if old:
        names += [Atom(f"old.{n}", h.type, h.type.kind in NULLABLE) for n, h in plan.fields.items()]
    state = Type("state", blueprint=plan.name, members=tuple(plan.states))
    if own:
        names += [Atom("state", state, False), Atom("self", Type("ref", blueprint=plan.name), False)]
    if own and any(h.type.kind == "text" for h in plan.fields.values()):
        names.append(Atom("id", Type("text"), False))
    if own and old:
        names.append(Atom("old.state", state, False))
    seen = Sight(
        app.shapes,
        blueprint=plan.name if own else None,
        has_actor=actor,
        has_now=now,
        ghosts=ghosts,
        populations=tuple(b.name for b in app.blueprints) if populations else (),
    )
    return seen.seeing(*(n for n in names if n.type.kind != "json"))


def policy_sight(app: AppPlan, plan: BlueprintPlan) -> Sight:
    """What the `when` of a `cannot` may read: this entity alone."""
    held = [(n, h.type) for n, h in plan.fields.items()]
    kinds = {n: t for n, t in held if "ref" not in (t.kind, t.element.kind if t.element else "")}
    kinds = {n: t for n, t in kinds.items() if t.kind != "json"}
    return Sight(app.shapes, has_actor=True).seeing(
        *(Atom(n, kind, kind.kind in NULLABLE) for n, kind in kinds.items())
    )


def app_sight(app: AppPlan, *, old: bool) -> Sight:
    """What a property of the app may read."""
    names = [Atom(n, h.type, h.type.kind in NULLABLE) for n, h in app.ghosts.items()]
    if old:
        names += [Atom(f"old.{n}", h.type, h.type.kind in NULLABLE) for n, h in app.ghosts.items()]
    seen = Sight(app.shapes, ghosts=True, populations=tuple(b.name for b in app.blueprints))
    return seen.seeing(*names)
