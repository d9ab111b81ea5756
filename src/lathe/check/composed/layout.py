"""Where everything is in a packed state: one integer, a few bits for each thing that is explored.

A `Slot` is room for one entity. Its state code is 0 while nobody is there, then 1 + the position of
the state. `run` is the effect that is started or stopping (0: none), `phase` tells which, `done`
whether it was executed; `queue` holds the waiting ones in order. Captured values are those that an
invocation remembers from the moment when it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace

from lathe.check.composed.domain import SCALARS, Domains
from lathe.check.composed.ir import Formula, var
from lathe.check.composed.relevance import Key, askers, explored
from lathe.check.composed.roles import maximal_role_sets
from lathe.frozen import frozen, mutable
from lathe.lang.expr import Read, walk
from lathe.lang.model import App, Blueprint, Effect
from lathe.lang.types import BOOL, Type

STARTED, STOPPING = 0, 1

WORD_BITS = 64
"""A variable lies within one word of so many bits, unless it is wider itself."""


@frozen
class Variable:
    """One thing in a packed state: `size` codes in `width` bits at `offset`."""

    index: int
    name: str
    kind: Type
    size: int
    offset: int

    @property
    def width(self) -> int:
        return (self.size - 1).bit_length()

    @property
    def mask(self) -> int:
        return (1 << self.width) - 1

    @property
    def formula(self) -> Formula:
        return var(self.index, self.size)

    def read(self, packed: int) -> int:
        return packed >> self.offset & self.mask


@frozen
class Captured:
    """What invocations of one effect remember, by where they are: current, stopping, late, notice.

    Keys: `field:x`, `arg:x`, `none:x` for `world`; `on:i`, `arg:i:x`, `has:i` for deliveries.
    """

    keys: Mapping[str, Type]
    current: Mapping[str, Variable]
    stopping: Mapping[str, Variable]
    late: Mapping[str, Variable]


@frozen
class Slot:
    """The variables of one entity."""

    blueprint: Blueprint
    index: int
    state: Variable
    fields: Mapping[str, Variable]
    ghosts: Mapping[str, Variable]
    effects: tuple[Effect, ...]
    run: Variable | None
    phase: Variable | None
    done: Variable | None
    queue: tuple[Variable, ...]
    late: Mapping[str, Variable]
    notices: Mapping[str, Variable]
    captured: Mapping[str, Captured]

    @property
    def name(self) -> str:
        return f"{self.blueprint.name}#{self.index + 1}"

    def effect_code(self, name: str) -> int:
        """The code of an explored effect in `run` and `queue`."""
        return next(i for i, e in enumerate(self.effects) if e.name == name) + 1

    def state_code(self, name: str) -> int:
        return tuple(self.blueprint.states).index(name) + 1

    def variables(self) -> list[Variable]:
        """All of them: what is reset when the slot falls empty."""
        found = [self.state, *self.fields.values(), *self.ghosts.values(), *self.queue]
        found += [v for v in (self.run, self.phase, self.done) if v]
        found += [*self.late.values(), *self.notices.values()]
        for c in self.captured.values():
            found += [*c.current.values(), *c.stopping.values(), *c.late.values()]
        return found


Ran = tuple[str, str]
"""A blueprint and an effect of it."""


@frozen
class Beyond:
    """What another version of the app adds to a layout: there is none, usually.

    `flights` are the states in which an invocation of an effect may be in flight though nothing here
    asks for it there; `late` the effects of which one may be executed late though the app promises that
    none is; `memory` what invocations remember beside what their `world` reads.
    """

    flights: Mapping[Ran, frozenset[str]] = field(default_factory=dict)
    late: frozenset[Ran] = frozenset()
    memory: Mapping[Ran, Mapping[str, Type]] = field(default_factory=dict)


NOTHING_BEYOND = Beyond()


@frozen
class Layout:
    """A packed state of an app at a scope. `is_spelled`: steps keep the parameters that nothing reads."""

    app: App
    domains: Domains
    explored: frozenset[Key]
    slots: tuple[Slot, ...]
    ghosts: Mapping[str, Variable]
    roles: tuple[Variable, ...]
    role_sets: tuple[frozenset[str], ...]
    variables: tuple[Variable, ...]
    is_spelled: bool = False
    beyond: Beyond = NOTHING_BEYOND

    def of(self, blueprint: str) -> tuple[Slot, ...]:
        return tuple(s for s in self.slots if s.blueprint.name == blueprint)

    def is_explored(self, kind: str, blueprint: str, name: str, action: str = "") -> bool:
        return (kind, blueprint, action, name) in self.explored

    @property
    def width(self) -> int:
        """Bits in a packed state, those between words included."""
        return max((v.offset + v.width for v in self.variables), default=0)


Adder = Callable[..., Variable]


@mutable
class _Builder:
    """Hands out variables, one after another."""

    domains: Domains
    beyond: Beyond
    found: list[Variable] = field(default_factory=list)
    offset: int = 0

    def add(self, name: str, kind: Type, size: int | None = None) -> Variable:
        made = Variable(len(self.found), name, kind, size or max(self.domains.size(kind), 1), self.offset)
        if self.offset % WORD_BITS + made.width > WORD_BITS:
            made = replace(made, offset=self.offset + -self.offset % WORD_BITS)
        self.found.append(made)
        self.offset = made.offset + made.width
        return made


def make_layout(
    app: App, domains: Domains, keys: frozenset[Key] | None = None, *, beyond: Beyond = NOTHING_BEYOND
) -> Layout:
    """Lay an app out for the instances of `domains`."""
    keys = explored(app) if keys is None else keys
    builder = _Builder(domains, beyond)
    ghosts = {
        g.name: builder.add(g.name, g.type) for g in app.ghosts.values() if ("ghost", "", "", g.name) in keys
    }
    role_sets = maximal_role_sets(app)
    roles: tuple[Variable, ...] = ()
    if len(role_sets) > 1 and len(domains.principals) > 1:
        roles = tuple(builder.add(f"roles of {p}", BOOL, len(role_sets)) for p in domains.principals)
    slots = [
        _slot(app, blueprint, index, builder, keys)
        for name, blueprint in app.blueprints.items()
        for index in range(domains.instances[name])
    ]
    return Layout(
        app, domains, keys, tuple(slots), ghosts, roles, role_sets, tuple(builder.found), beyond=beyond
    )


def _slot(app: App, blueprint: Blueprint, index: int, builder: _Builder, keys: frozenset[Key]) -> Slot:
    name = blueprint.name
    label = f"{name}#{index + 1}"

    def add(what: str, kind: Type, size: int | None = None) -> Variable:
        return builder.add(f"{label}.{what}", kind, size)

    state = add("state", Type("state", blueprint=name, members=tuple(blueprint.states)))
    fields = {
        f.name: add(f.name, f.type) for f in blueprint.fields.values() if ("field", name, "", f.name) in keys
    }
    ghosts = {
        g.name: add(g.name, g.type) for g in blueprint.ghosts.values() if ("ghost", name, "", g.name) in keys
    }
    beyond = builder.beyond
    effects = tuple(
        e for e in blueprint.effects.values() if not e.is_notice and _is_asked(blueprint, e, beyond)
    )
    counted = {
        e.name: changes_world(e, name, keys) or (bool(e.world) and (name, e.name) in beyond.memory)
        for e in blueprint.effects.values()
    }
    run = phase = done = None
    startable = [e for e in effects if e.target is None]
    if startable:
        run = add("effect", BOOL, len(effects) + 1)
        phase = add("effect.stopping", BOOL)
        done = add("effect.executed", BOOL) if any(counted[e.name] for e in startable) else None
    queue = tuple(
        add(f"waiting{i + 1}", BOOL, len(effects) + 1)
        for i in range(_queue_length(blueprint, effects, beyond))
    )
    late = {
        e.name: add(f"late.{e.name}", BOOL)
        for e in startable
        if counted[e.name] and (e.late or (name, e.name) in beyond.late)
    }
    notices = {
        e.name: add(f"notice.{e.name}", BOOL, builder.domains.pending + 1)
        for e in blueprint.effects.values()
        if e.is_notice and _is_asked(blueprint, e, beyond)
        if counted[e.name] or e.target is not None or (name, e.name) in beyond.memory
    }
    captured = {
        e.name: _captured(app, blueprint, e, add, builder, keys)
        for e in blueprint.effects.values()
        if e in effects or e.name in notices
    }
    return Slot(
        blueprint, index, state, fields, ghosts, effects, run, phase, done, queue, late, notices, captured
    )


def changes_world(effect: Effect, blueprint: str, keys: frozenset[Key]) -> bool:
    """Whether an execution changes a ghost that is explored."""
    return any(assigned_ghost(a.scope, blueprint, a.target) in keys for a in effect.world)


def assigned_ghost(scope: str, blueprint: str, name: str) -> Key:
    """The key of a ghost that an assignment changes."""
    return ("ghost", "" if scope == "app_ghost" else blueprint, "", name)


def _is_asked(blueprint: Blueprint, effect: Effect, beyond: Beyond) -> bool:
    """Whether there can be invocations of the effect."""
    return (blueprint.name, effect.name) in beyond.flights or bool(askers(blueprint, effect.name))


def _queue_length(blueprint: Blueprint, effects: tuple[Effect, ...], beyond: Beyond) -> int:
    """The most invocations that can wait in one visit: what its state and actions may ask for."""
    queued = {e.name for e in effects}
    longest = 0
    for state in blueprint.states.values():
        asked = set(state.run)
        for action in blueprint.actions.values():
            is_here = state.name in action.from_states and not action.begins_visit
            if is_here or (action.run and action.begins_visit):
                asked |= set(action.run)
        asked |= {
            e for (b, e), states in beyond.flights.items() if b == blueprint.name and state.name in states
        }
        longest = max(longest, len(asked & queued))
    return longest


def _captured(
    app: App, blueprint: Blueprint, effect: Effect, add: Adder, builder: _Builder, keys: frozenset[Key]
) -> Captured:
    beyond = builder.beyond
    wanted = _world_keys(blueprint, effect, keys, beyond)
    if effect.target is not None:
        wanted = _delivery_keys(app, blueprint, effect, builder.domains, keys)

    def copies(where: str) -> dict[str, Variable]:
        return {k: add(f"{effect.name}.{where}.{k}", kind) for k, kind in wanted.items()}

    can_outlive = effect.target is None and not effect.is_notice and bool(wanted)
    return Captured(
        keys=wanted,
        current=copies("now"),
        stopping=copies("stopping") if can_outlive else {},
        late=copies("late")
        if can_outlive and (effect.late or (blueprint.name, effect.name) in beyond.late)
        else {},
    )


def _world_keys(
    blueprint: Blueprint, effect: Effect, keys: frozenset[Key], beyond: Beyond
) -> dict[str, Type]:
    """The fields that may change and the arguments that the effect's executions read."""
    found: dict[str, Type] = dict(beyond.memory.get((blueprint.name, effect.name), {}))
    is_carried = (blueprint.name, effect.name) in beyond.flights
    for assignment in effect.world:
        if assigned_ghost(assignment.scope, blueprint.name, assignment.target) not in keys:
            continue
        for node in walk(assignment.value.tree):
            if isinstance(node, Read) and node.scope == "arg":
                found[f"arg:{node.name}"] = node.type
                may_lack = is_carried or _may_be_left_out(blueprint, effect, node.name)
                if node.type.kind in SCALARS and may_lack:
                    found[f"none:{node.name}"] = BOOL
            elif isinstance(node, Read) and node.scope == "field" and not blueprint.fields[node.name].frozen:
                found[f"field:{node.name}"] = node.type
    return found


def _may_be_left_out(blueprint: Blueprint, effect: Effect, argument: str) -> bool:
    """Whether an argument may be unset when the effect is asked for."""
    found = [action.arguments[argument] for action in askers(blueprint, effect.name)]
    return any(a.optional and not a.has_default for a in found)


def _delivery_keys(
    app: App, blueprint: Blueprint, effect: Effect, domains: Domains, keys: frozenset[Key]
) -> dict[str, Type]:
    """The targets of a call and the arguments that are explored, once or for each member."""
    target = effect.target
    assert target is not None, "only calls and creations are delivered"
    found: dict[str, Type] = {}
    arguments = app.blueprints[target.blueprint].actions[target.action].arguments
    rounds = 1 if target.each is None else domains.members(blueprint.fields[target.each].type)
    for i in range(rounds):
        found[f"bad:{i}"] = BOOL
        if target.each is not None:
            found[f"has:{i}"] = BOOL
        if target.on is not None:
            found[f"on:{i}"] = Type("ref", blueprint=target.blueprint)
        for name in target.args:
            argument = arguments[name]
            if argument.type.kind == "ref" or ("arg", target.blueprint, target.action, name) in keys:
                found[f"arg:{i}:{name}"] = argument.type
                if argument.type.kind in SCALARS and (argument.optional or argument.has_default):
                    found[f"none:{i}:{name}"] = BOOL
    return found
