"""Error responses: one stable code each, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from lathe.errors import LatheError
from lathe.lang.model import Action
from lathe.machine.outcome import Reason, Refusal
from lathe.machine.snapshot import Entity
from lathe.machine.table import Table

PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "LR400.http": "it is no HTTP request",
        "LR400.json": "the body is no JSON",
        "LR400.body": "the body is not what this route takes",
        "LR400.query": "a parameter of the query is not what this route takes",
        "LR400.cursor": "the cursor is none that was given out",
        "LR401.token": "the caller is not known",
        "LR401.signature": "the signature is not that of this body",
        "LR403.denied": "the caller may not",
        "LR403.scope": "the token does not reach so far",
        "LR403.origin": "a page of another site may have made the browser ask",
        "LR403.decider": "the caller is none of those who may decide this",
        "LR403.exclusive": "the caller holds roles that exclude each other",
        "LR404.route": "there is nothing at this address",
        "LR404.app": "there is no such app",
        "LR404.entity": "there is no such entity",
        "LR404.token": "there is no such token",
        "LR404.decision": "there is no such decision",
        "LR404.action": "there is no such action",
        "LR404.version": "there is no such version",
        "LR404.check": "no such check is kept",
        "LR404.simulation": "no such campaign is kept",
        "LR405.method": "this address does not take that method",
        "LR408.body": "the body did not come in time",
        "LR409.state": "it is not possible in this state",
        "LR409.guard": "its guard is false",
        "LR409.range": "a value would leave its range",
        "LR409.unset": "a value that is needed is unset",
        "LR409.zero": "it would divide by zero",
        "LR409.unique": "another entity holds the same unique value",
        "LR409.busy": "an effect that it asks for is still in flight, or others keep changing it",
        "LR409.joint": "an entity that it is taken with refuses",
        "LR409.stale": "what it is about is over",
        "LR409.exclusive": "somebody would hold roles that exclude each other",
        "LR409.tokens": "there is no room for more tokens",
        "LR409.refused": "the verifier does not admit it",
        "LR409.plan": "the plan is not that of this change any more",
        "LR409.breaking": "clients may break, and that was not said to be meant",
        "LR409.population": "entities that live now do not fit it, or there are too many to look at",
        "LR409.decided": "there is nothing to decide any more",
        "LR409.digest": "the digest is not that of what is asked",
        "LR409.trace": "what happened cannot be told as a trace",
        "LR412.version": "the entity is not of the version in `If-Match`",
        "LR412.visit": "the visit in `If-Visit` is over",
        "LR413.body": "the body is too large",
        "LR415.type": "the body must be JSON",
        "LR422.type": "an argument is left out, unknown, or of another type",
        "LR422.key": "the idempotency key was used for another request",
        "LR422.take": "it is possible on none of the entities that were tried",
        "LR422.token": "a token cannot be like this",
        "LR422.decision": "it cannot be asked, or decided, like this",
        "LR422.where": "the filter cannot be read",
        "LR428.visit": "the action is fenced: name the visit in `If-Visit`",
        "LR431.head": "the head of the request is too large",
        "LR429.rate": "too many requests",
        "LR429.guessing": "too many tries with tokens that are not known",
        "LR429.decisions": "too many requests wait for a decision",
        "LR500.defect": "a defect of Lathe",
        "LR501.extra": "this process was installed without what answers here",
        "LR503.busy": "more waits than can be committed",
        "LR503.issuer": "the keys of the token's issuer cannot be had",
        "LR503.store": "the store does not answer",
        "LR503.stopping": "this process is stopping",
        "LR507.full": "the store has no room left",
    }
)
"""Every code, with what it means. The docs list them, and a test compares."""

OF_REASON: Mapping[Reason, str] = MappingProxyType(
    {
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
)


NEEDS_JSON = "send `Content-Type: application/json`"


class Problem(LatheError):
    """A request that is answered by a problem document. `more` are members of its own."""

    def __init__(
        self, code: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(detail or PROBLEMS[code])
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more

    @property
    def status(self) -> int:
        return int(self.code[2:5])

    def body(self) -> bytes:
        """The document."""
        document = {
            "type": f"urn:lathe:problem:{self.code}",
            "title": PROBLEMS[self.code],
            "status": self.status,
            "code": self.code,
            **({"detail": self.detail} if self.detail else {}),
            **self.more,
        }
        return msgspec.json.encode(document)


def no_version(app: str, digest: str) -> Problem:
    """The problem of a version that is not there."""
    said = f"`{app[:80]}` has no version `{digest[:80]}`"
    cure = f"`GET /v1/blueprints/{app[:80]}` lists them; `current` is the one in force"
    return Problem("LR404.version", said, help=cure)


def refused(refusal: Refusal, *, state: str | None = None, about: str = "") -> Problem:
    """The problem of a refusal. `state` is the entity's, `about` the entity that the request named."""
    more: dict[str, object] = {}
    if refusal.action is not None:
        more["action"] = refusal.action
    if refusal.entity is not None and refusal.entity != about:
        more["entity"] = refusal.entity
    if state is not None:
        more["state"] = state
    problem = Problem(OF_REASON[refusal.reason], refusal.detail)
    problem.more.update(more)
    return problem


def besides(table: Table, refusal: Refusal) -> str:
    """A refusal in words, where an entity refuses that the action is taken with."""
    homes = [one for one in table.blueprints.values() if refusal.action in one.rules]
    said = f"`{refusal.action}` of `{refusal.entity}`, which is taken with it, is refused"
    if refusal.action is None or len(homes) != 1:
        return f"{said}: {refusal}"
    action = homes[0].rules[refusal.action].action
    of = f"the {homes[0].blueprint.name} `{refusal.entity}`"
    said = f"`{action.name}` of {of}, which is taken with it, is refused"
    if refusal.reason == "state":
        return f"{said}: it is possible from {', '.join(action.from_states)} only"
    if refusal.reason == "guard" and action.when is not None:
        return f"{said}: `{action.when.text}` is false"
    return f"{said}: {refusal}"


def why(action: Action, entity: Entity | None, refusal: Refusal) -> str:
    """A refusal in words, with what would have to be so."""
    if refusal.entity is not None and (entity is None or refusal.entity != entity.id):
        return f"an entity that it is taken with refuses: {refusal}"
    match refusal.reason:
        case "state" if entity is not None:
            return f"it is possible from {', '.join(action.from_states)}, not from {entity.state}"
        case "denied":
            return f"it is open to {', '.join(map(str, action.by)) or 'nobody outside'}"
        case "guard" if action.when is not None:
            return f"`{action.when.text}` is false"
    return str(refusal)
