"""`/v1/me`, `/v1/tokens`, `/v1/audit`: the caller, the tokens it may manage, and the audit log."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lathe.api.access.authentication import Authenticator, Principal
from lathe.api.entities.reading import limit_of
from lathe.api.entities.request import asked_as
from lathe.api.entities.view import encode
from lathe.api.wire.problem import Problem
from lathe.api.wire.validation import only
from lathe.govern.keyring import Keyring, told
from lathe.govern.principal import MAIN
from lathe.govern.token_request import TokenRequest
from lathe.machine.moment import rfc3339
from lathe.store.audit import Audited
from lathe.store.base import Store

BODY_BYTES_LIMIT = 65_536


class RotateRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a rotation: how long the secret before counts on, in seconds."""

    overlap: int = 0


class TokenRoutes:
    """The routes around who may."""

    def __init__(self, authenticator: Authenticator, keyring: Keyring, store: Store) -> None:
        self._authenticator = authenticator
        self._keyring = keyring
        self._store = store

    def routes(self) -> tuple[Route, ...]:
        """What this part answers."""
        return (
            Route("/v1/me", self._me),
            Route("/v1/tokens", self._list),
            Route("/v1/tokens", self._create, methods=["POST"]),
            Route("/v1/tokens/{id}:rotate", self._rotate, methods=["POST"]),
            Route("/v1/tokens/{id}", self._revoke, methods=["DELETE"]),
            Route("/v1/audit", self._audit),
        )

    async def _caller(self, request: Request) -> Principal:
        return await self._authenticator.principal(dict(request.scope["headers"]), request.scope)

    async def _me(self, request: Request) -> Response:
        """Who the caller is."""
        found = await self._caller(request)
        return _json(
            {
                "principal": found.id,
                "kind": found.kind,
                "tenant": found.tenant,
                "roles": None if found.roles is None else sorted(found.roles),
                "scopes": sorted(found.scopes),
                "apps": None if found.apps is None else sorted(found.apps),
                "actions": None if found.actions is None else sorted(found.actions),
                "chain": found.chain or (found.id,),
                "actor": found.actor,
                "token": found.token or None,
                "expires": None if found.expires_ms is None else rfc3339(found.expires_ms),
            }
        )

    async def _list(self, request: Request) -> Response:
        """The tokens that the caller may handle, by id."""
        caller = await self._caller(request)
        asked = dict(request.query_params)
        only(asked, "tenant", "after", "limit")
        limit = limit_of(asked)
        tenant = asked.get("tenant", caller.tenant)
        found = await self._keyring.page(caller, tenant, after=asked.get("after", ""), limit=limit)
        return _json(
            {"items": [told(r) for r in found], "next": found[-1].id if len(found) == limit else None}
        )

    async def _create(self, request: Request) -> Response:
        """Make a token; its text is in this answer, and in no other."""
        caller = await self._caller(request)
        made = await self._keyring.create(
            caller, await asked_as(request.receive, TokenRequest, limit=BODY_BYTES_LIMIT)
        )
        warnings = self._keyring.unknown(made.row)
        return _json({"token": made.text, **told(made.row), "warnings": warnings}, status=201)

    async def _rotate(self, request: Request) -> Response:
        """Another secret for a token."""
        caller = await self._caller(request)
        asked = await asked_as(request.receive, RotateRequest, limit=BODY_BYTES_LIMIT)
        made = await self._keyring.rotate(caller, request.path_params["id"], overlap_seconds=asked.overlap)
        return _json({"token": made.text, **told(made.row)})

    async def _revoke(self, request: Request) -> Response:
        """End a token, and all that come from it, at once."""
        caller = await self._caller(request)
        return _json(told(await self._keyring.revoke(caller, request.path_params["id"])))

    async def _audit(self, request: Request) -> Response:
        """What was governed, oldest first: an operator's own tenant, of the house's all."""
        caller = await self._caller(request)
        caller.needs("operator")
        asked = dict(request.query_params)
        only(asked, "after", "limit")
        limit, after = limit_of(asked), asked.get("after", "0")
        if not after.isascii() or not after.isdigit() or len(after) > 18:
            raise Problem("LR400.query", "`after` is a whole number")
        tenant = None if caller.tenant == MAIN else caller.tenant
        found = await self._store.audit(tenant=tenant, after=int(after), limit=limit)
        items = [line(entry) for entry in found]
        return _json({"items": items, "next": found[-1].number if len(found) == limit else None})


def line(entry: Audited) -> dict[str, object]:
    """A line of the audit as JSON data."""
    return {
        "number": entry.number,
        "at": rfc3339(entry.at_ms),
        "tenant": entry.tenant,
        "kind": entry.kind,
        "by": entry.by,
        "chain": msgspec.Raw(entry.chain.encode()),
        "subject": entry.subject,
        "about": msgspec.Raw(entry.body),
        "previous": entry.previous.hex(),
        "hash": entry.hash.hex(),
    }


def _json(data: object, *, status: int = 200) -> Response:
    return Response(encode(data), status, {"cache-control": "no-store"}, "application/json")
