"""A blueprint and an app as data: what the text of the files means once it has been read.

Everything is frozen and typed; names are resolved; defaults are filled in. Spans take no part in
comparison, so two texts that say the same compare equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from lathe.errors import Span
from lathe.frozen import frozen, ordered
from lathe.lang.expr import NO_SPAN, Expression
from lathe.lang.types import Type

PrincipalKind = Literal["role", "effect", "timer", "entity", "inbound", "any"]
Value = int | bool | str | None | tuple["Value", ...]
"""A literal value: sets are sorted tuples, times are RFC 3339 text."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@ordered
class Principal:
    """Who may take an action. `name` is None for `timer` and `any`."""

    kind: PrincipalKind
    name: str | None = None

    def __str__(self) -> str:
        return self.kind if self.name is None else f"{self.kind}:{self.name}"


@frozen
class State:
    name: str
    initial: bool
    final: bool
    run: tuple[str, ...]
    after_ms: int | None
    then: str | None
    waits: str | None
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Field:
    """A field. `default` counts only if `has_default`; a set's default is the empty tuple."""

    name: str
    type: Type
    has_default: bool
    default: Value
    frozen: bool
    secret: bool
    explore: tuple[int, int] | None
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Ghost:
    name: str
    type: Type
    default: Value
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Argument:
    """An argument of an action: of `args`, or (`from_sets`) the field that the caller gives.

    A caller may leave it out if `has_default` (then it reads as `default`) or `optional` (unset).
    """

    name: str
    type: Type
    has_default: bool
    default: Value
    optional: bool
    secret: bool
    from_sets: bool
    explore: tuple[int, int] | None
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Assignment:
    """`target = value`. With `via` (ghosts only): the target of the entity that this ref points to.

    `scope` tells what is assigned: a field, a ghost of a blueprint, or a ghost of the app.
    """

    target: str
    scope: Literal["field", "ghost", "app_ghost"]
    via: Expression | None
    value: Expression
    text: str
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Also:
    """One clause of a joint step: `action` of the `blueprint` entity that `on` refers to."""

    on: Expression
    blueprint: str
    action: str
    args: Mapping[str, Expression]
    when: Expression | None
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Action:
    """An action. `from_states` is `()` for `create` alone; `"*"` is already spelled out.

    `by` is what the author wrote; `admits` adds what is wired to it (effects, timers, inbound).
    `arguments` holds those of `sets` first, then those of `args`.
    """

    name: str
    from_states: tuple[str, ...]
    from_any: bool
    to: str | None
    to_if: Expression | None
    by: tuple[Principal, ...]
    admits: tuple[Principal, ...]
    when: Expression | None
    arguments: Mapping[str, Argument]
    do: tuple[Assignment, ...]
    run: tuple[str, ...]
    also: tuple[Also, ...]
    ghost: tuple[Assignment, ...]
    fenced: bool
    fair: bool
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)

    @property
    def sets(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.arguments.values() if a.from_sets)

    @property
    def begins_visit(self) -> bool:
        return self.name == "create" or self.to is not None or self.to_if is not None


@frozen
class Deadline:
    """`[timer]`: while field `at` is set, `then` is taken at that instant, or once it is possible."""

    name: str
    at: str
    then: str
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Placeholder:
    """`{name}` in a template. `scope` tells what it names; `env`, `secret` and `token` stay names."""

    scope: Literal["field", "arg", "id", "visit", "item", "token", "env", "secret"]
    name: str


@frozen
class Template:
    """A string with placeholders. A single placeholder and nothing else keeps its type."""

    parts: tuple[str | Placeholder, ...]
    span: Span = field(default=NO_SPAN, compare=False)


Setting = (
    None | bool | int | float | str | Template | Expression | tuple["Setting", ...] | Mapping[str, "Setting"]
)
"""A value under `with`: strings are templates (`call`, `create`: expressions), tables are mappings."""


@frozen
class Target:
    """Whom a `call` or `create` effect reaches. `on` and `action` are None for `create`."""

    blueprint: str
    action: str
    on: Expression | None
    args: Mapping[str, Expression]
    each: str | None


@frozen
class Effect:
    """An effect. `target` is set for `call` and `create` alone.

    `takes` are results by name that its adapter offers on a good end, with their types.
    """

    name: str
    uses: str
    settings: Mapping[str, Setting]
    target: Target | None
    takes: Mapping[str, Type]
    ok: str | None
    error: str | None
    timeout_ms: int | None
    attempts: int
    backoff_ms: tuple[int, int]
    idempotent: bool
    world: tuple[Assignment, ...]
    late: bool
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)

    @property
    def is_notice(self) -> bool:
        """Neither `ok` nor `error`: it belongs to no visit and nothing waits for it."""
        return self.ok is None and self.error is None


@frozen
class Inbound:
    """An event from outside that takes `action`. `find` maps a field (or `id`) to where it is read."""

    name: str
    path: str
    method: str
    signed_scheme: str | None
    signed_secret: str | None
    once: str | None
    find: tuple[str, str] | None
    action: str
    args: Mapping[str, str]
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Property:
    """An invariant, step or sometimes: `that` must hold where `when` does, in `in_states` if given."""

    name: str
    kind: Literal["invariant", "step", "sometimes"]
    that: Expression
    when: Expression | None
    in_states: tuple[str, ...]
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Eventually:
    name: str
    from_states: tuple[str, ...]
    to_states: tuple[str, ...]
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Unique:
    """No two entities in `in_states` (empty: in any state) agree on `fields`; unset exempts."""

    name: str
    fields: tuple[str, ...]
    in_states: tuple[str, ...]
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Cannot:
    """Policies deny `actions` (or `read`) to a principal that holds `role` alone."""

    name: str
    role: str
    actions: tuple[str, ...]
    when: Expression | None
    doc: str
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class ReadRule:
    """Who may get, list and follow which entities."""

    by: tuple[Principal, ...]
    when: Expression | None
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Migration:
    """How live entities of the version before come over: old states to new, fields by expression."""

    states: Mapping[str, str]
    fields: Mapping[str, Expression]
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Blueprint:
    name: str
    file: str
    doc: str
    plural: str
    read: ReadRule | None
    retain_ms: int | None
    states: Mapping[str, State]
    fields: Mapping[str, Field]
    ghosts: Mapping[str, Ghost]
    actions: Mapping[str, Action]
    timers: Mapping[str, Deadline]
    effects: Mapping[str, Effect]
    inbound: Mapping[str, Inbound]
    properties: Mapping[str, Property]
    eventually: Mapping[str, Eventually]
    unique: Mapping[str, Unique]
    cannot: Mapping[str, Cannot]
    migrate: Migration | None
    span: Span = field(default=NO_SPAN, compare=False)

    @property
    def initial(self) -> str:
        return next(s.name for s in self.states.values() if s.initial)


@frozen
class Scope:
    """The bounds of a check. An empty `instances` means: one of each, then two of what is linked."""

    instances: Mapping[str, int] = field(default_factory=dict)
    principals: int | None = None
    budget_states: int = 2_000_000
    budget_seconds: float | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class App:
    """A whole app: its blueprints by name, in the order of their names.

    `policies` are the texts of `*.cedar`, `modules` the SHA-256 of `modules/*.wasm` and `*.wat`,
    `gauges` the texts of `gauges/*.json`, each by path inside the app.
    """

    name: str
    file: str
    doc: str
    roles: Mapping[str, str]
    exclusive: tuple[tuple[str, ...], ...]
    scope: Scope
    ghosts: Mapping[str, Ghost]
    properties: Mapping[str, Property]
    blueprints: Mapping[str, Blueprint]
    policies: Mapping[str, str]
    modules: Mapping[str, str]
    gauges: Mapping[str, str]
    role_spans: Mapping[str, Span] = field(default_factory=dict, compare=False)
    span: Span = field(default=NO_SPAN, compare=False)


def target_type(app: App, blueprint: Blueprint, assignment: Assignment) -> Type:
    """The declared type of what an assignment changes."""
    if assignment.via is not None:
        other = assignment.via.tree.type.blueprint
        assert other is not None, "a ref names its blueprint"
        return app.blueprints[other].ghosts[assignment.target].type
    if assignment.scope == "app_ghost":
        return app.ghosts[assignment.target].type
    if assignment.scope == "ghost":
        return blueprint.ghosts[assignment.target].type
    return blueprint.fields[assignment.target].type
