"""A simulated client's request as the command that the API would make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lathe.machine.event import Act, Caller, Event
from lathe.machine.outcome import Refusal
from lathe.runtime.catalog import Live
from lathe.runtime.conformance import told_of
from lathe.runtime.engine import Command
from lathe.runtime.plan import Held
from lathe.runtime.snapshot import encode_json
from lathe.sim.workload import Issue
from lathe.store.records import Receipt

RECEIPT_MS = 300_000
"""How long an answer is kept: short enough to be swept while a world lasts."""


def key_of(issue: Issue) -> tuple[str, str] | None:
    """Under which key an answer is kept, if it is."""
    return (str(issue.by.actor or issue.by), issue.key) if issue.key is not None else None


def command_of(issue: Issue, *, tenant: str, app: str, now_ms: Callable[[], int]) -> Command:
    """A command as the API makes it."""
    key = key_of(issue)
    told = told_of(issue.by)
    if issue.visit is not None:
        told["visit"] = issue.visit

    def receiving(live: Live, after: Mapping[str, Held]) -> Receipt:
        assert key is not None, "only a request with a key is received"
        held = after[issue.entity]
        answer = encode_json([issue.entity, held.revision, held.entity.state, held.entity.version])
        return Receipt(tenant, *key, b"", 200, answer, now_ms() + RECEIPT_MS)

    def requires(live: Live, held: Held | None) -> Refusal | None:
        if held is None or held.entity.blueprint != issue.blueprint:
            return Refusal("missing", issue.entity, None)
        if issue.visit is not None and held.entity.visit != issue.visit:
            return Refusal("stale", issue.entity, issue.action)
        return None

    return Command(
        tenant=tenant,
        app=app,
        entity=issue.entity,
        kind=issue.kind,
        event=issue.event,
        told=told,
        by=str(issue.by),
        receiving=receiving if key is not None else None,
        key=key,
        requires=requires if issue.kind == "act" else None,
    )


def progress_of(entity: str, effect: str, number: int, action: str, *, tenant: str, app: str) -> Command:
    """An action by an effect in progress: with a token that is bound to its invocation."""
    caller = Caller("effect", effect)

    def event(now: int) -> Event:
        return Act(entity, action, {}, caller, now)

    def requires(live: Live, held: Held | None) -> Refusal | None:
        active = held.entity.active if held is not None else None
        if active is None or active.number != number:
            return Refusal("denied", entity, action, "the token's invocation is over")
        return None

    return Command(
        tenant=tenant, app=app, entity=entity, kind="act", event=event, told=told_of(caller), by=str(caller),
        requires=requires,
    )  # fmt: skip
