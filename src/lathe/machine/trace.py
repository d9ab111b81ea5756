"""A trace (`lathe.trace/1`): a run of the system, step by step, in the author's own names.

The checker makes them, `machine.replay` runs them again, the command line draws them. A trace is
plain data, so it can be saved, kept as a gauge, and exported from a journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from hashlib import sha256
from typing import Literal

from lathe.frozen import frozen
from lathe.lang.model import Json

FORMAT = "lathe.trace/1"

HIDDEN = "•••"
"""What stands for the value of a secret."""

EventKind = Literal[
    "create",  # an entity is made
    "act",  # an action is taken: by a role, by an effect in progress, from inbound
    "timer",  # a state's timer or a deadline takes its action
    "start",  # an invocation starts
    "execute",  # a started invocation happens outside
    "end",  # an invocation ends, well or badly, and its callback is taken
    "stop",  # a cancelled invocation has stopped
    "late",  # an invocation is executed after it ended badly or was cancelled
    "notify",  # a notice is executed
    "deliver",  # a call or create reaches its target
    "swap",  # another version of the app takes over
    "given",  # where a trace begins in the middle: entities as they were, with no invocation that is not over
]

COMMITTED: frozenset[str] = frozenset({"create", "act", "timer", "end", "notify", "deliver"})
"""The kinds that commit a step, if an action is taken; a swap does; the others happen between steps, or
before the first.
"""


@frozen
class TracePart:
    """What one entity went through in a step. `changes` maps a name to (before, after)."""

    entity: str
    action: str | None
    by: str
    args: Mapping[str, Json] = field(default_factory=dict)
    changes: Mapping[str, tuple[Json, Json]] = field(default_factory=dict)


@frozen
class TraceStep:
    """One event. The first part is the entity that it happened to; the others took part (`also`).

    `by` is a principal (`role:operator`, `timer`, `effect:patch`, `inbound:paid`); `actor` the
    identity behind it, if there is one. `effect` names the invocation's effect, `timer` the
    deadline (None: the state's own timer). `ok`, `cause`, `results` belong to ends.
    `refused` says why the step was refused, where a refused step ends the trace. `at` is when it happened
    (RFC 3339), where the trace is of something that did.
    """

    event: EventKind
    parts: tuple[TracePart, ...]
    by: str
    actor: str | None = None
    effect: str | None = None
    timer: str | None = None
    ok: bool | None = None
    cause: str | None = None
    results: Mapping[str, Json] = field(default_factory=dict)
    world: Mapping[str, tuple[Json, Json]] = field(default_factory=dict)
    refused: str | None = None
    at: str | None = None

    @property
    def entity(self) -> str:
        return self.parts[0].entity

    @property
    def action(self) -> str | None:
        return self.parts[0].action

    @property
    def counts(self) -> bool:
        """Whether it adds to the length of a trace: a committed step, or the refused one that ends it."""
        took_action = any(part.action is not None for part in self.parts)
        is_committed = self.event == "swap" or (took_action and self.event in COMMITTED)
        return self.refused is not None or is_committed


def identity(steps: Sequence[TraceStep]) -> str:
    """The id of a trace: that of its steps, whenever they were."""
    told = repr(tuple(replace(step, at=None) for step in steps)).replace(", at=None)", ")")
    return sha256(told.encode()).hexdigest()[:12]


@frozen
class FalseClause:
    """The part of a property that is false, in the author's words, and the values it read."""

    text: str
    values: Mapping[str, Json]


@frozen
class Trace:
    """A run and what it shows. `length` counts committed steps and the refused one that ends it.

    `loop_from` is the index of the first step of a lasso's loop, for liveness.
    """

    id: str
    app: str
    digest: str
    steps: tuple[TraceStep, ...]
    clauses: tuple[FalseClause, ...] = ()
    loop_from: int | None = None

    @property
    def length(self) -> int:
        return sum(step.counts for step in self.steps)
