"""What can happen to an entity. Every event names its moment (`now`, milliseconds since the epoch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from lathe.frozen import record
from lathe.machine.snapshot import Value

Cause = Literal["timeout", "unreachable", "refused", "invalid", "crashed", "cancelled"]
CallerKind = Literal["role", "effect", "timer", "entity", "inbound"]


@record
class Caller:
    """Who takes an action: an outsider by the roles it holds, or one of the internal principals.

    `name` is the effect, blueprint or inbound event for those kinds. `actor` is the identity at the
    head of the caller's chain; None for timers and effects.
    """

    kind: CallerKind
    name: str | None = None
    roles: frozenset[str] = frozenset()
    actor: str | None = None

    def __str__(self) -> str:
        if self.kind == "role":
            return "role:" + "+".join(sorted(self.roles))
        return self.kind if self.name is None else f"{self.kind}:{self.name}"


@record
class Create:
    """`create` of `blueprint`, for a new entity named `id`."""

    blueprint: str
    id: str
    args: Mapping[str, Value]
    by: Caller
    now: int


@record
class Act:
    """An action by an outsider, an inbound event, or an effect in progress.

    `visit` is the visit that the caller means (`If-Visit`); fenced actions need it from a role.
    """

    entity: str
    action: str
    args: Mapping[str, Value]
    by: Caller
    now: int
    visit: int | None = None


@record
class TimerFires:
    """The state's own timer (`deadline` None) or a `[timer]` by name."""

    entity: str
    deadline: str | None
    now: int


@record
class Starts:
    """The waiting invocation whose turn it is starts."""

    entity: str
    now: int


@record
class Executes:
    """The started (or stopping) invocation happens outside."""

    entity: str
    now: int


@record
class Ends:
    """The started invocation ends: well (with the adapter's results) or badly (with a cause)."""

    entity: str
    ok: bool
    now: int
    results: Mapping[str, Value] = field(default_factory=dict)
    cause: Cause = "timeout"
    message: str = ""


@record
class Stops:
    """The stopping invocation has confirmed its cancellation or passed its timeout."""

    entity: str
    now: int


@record
class LateExecution:
    """An invocation of `effect` that is over for the entity is executed after all."""

    entity: str
    effect: str
    now: int


@record
class Notifies:
    """A pending notice of `effect` is executed; a `call` or `create` is delivered.

    `again`: it will be executed once more (only if it is not idempotent). `number` says which of several
    notices it is: they do not wait for one another. None: the oldest.
    """

    entity: str
    effect: str
    now: int
    new_ids: tuple[str, ...] = ()
    again: bool = False
    number: int | None = None


@record
class Delivers:
    """The `call` or `create` whose turn it is reaches its target. `new_ids`: one for each creation."""

    entity: str
    now: int
    new_ids: tuple[str, ...] = ()


Event = Create | Act | TimerFires | Starts | Executes | Ends | Stops | LateExecution | Notifies | Delivers
