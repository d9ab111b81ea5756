"""A request to create or to act, as it came in: what it names, and its body."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TypeVar

import msgspec
from msgspec import Struct

from lathe.api.access.authentication import Principal
from lathe.api.wire.answers import Receive, body_of as read_body
from lathe.api.wire.problem import Problem
from lathe.api.wire.validation import invalid_body
from lathe.frozen import record
from lathe.lang.model import Json

T = TypeVar("T", bound=Struct)


@record
class EntityRequest:
    """One request to create or to act. `action` is `create` and `entity` empty for a creation."""

    tenant: str
    app: str
    plural: str
    entity: str
    action: str
    body: bytes
    principal: Principal
    key: str | None = None
    if_match: str | None = None
    if_visit: str | None = None
    request: bytes | None = None
    """What a repetition is known by, where entity, action and body do not say it: a `:take` chooses them."""


def body_of(body: bytes) -> Mapping[str, Json]:
    """The members of a request's body; an empty body has none. Raises `Problem`."""
    if not body:
        return {}
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("LR400.json", str(error)) from None
    if not isinstance(given, dict):
        raise Problem("LR400.body", "the body must be an object: arguments by name")
    return given


async def asked_as(receive: Receive, kind: type[T], *, limit: int) -> T:
    """The body of a request, as data of a type. Raises `Problem`."""
    members = body_of(await read_body(receive, limit=limit))
    try:
        return msgspec.convert(members, kind)
    except msgspec.ValidationError as error:
        raise invalid_body(error, kind) from None


def fingerprint(asked: EntityRequest) -> bytes:
    """What the same request has the same of."""
    if asked.request is not None:
        return asked.request
    conditions = (asked.if_match or "", asked.if_visit or "")
    said = "\0".join((asked.app, asked.plural, asked.entity, asked.action, *conditions))
    return sha256(said.encode() + b"\0" + asked.body).digest()
