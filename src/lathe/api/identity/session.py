"""`/session`: a browser trades a token for a session, kept in a cookie that scripts cannot read.

The part is somebody's own: the same principal, for twelve hours at most. Signing out revokes it.
"""

from __future__ import annotations

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lathe.api.access.authentication import COOKIE, Authenticator, TokenAuthenticator, address_of, cookie_of
from lathe.api.entities.request import asked_as
from lathe.api.entities.view import encode
from lathe.api.wire.origin import origin_of
from lathe.api.wire.problem import NEEDS_JSON, Problem
from lathe.govern.keyring import Keyring
from lathe.govern.principal import Principal
from lathe.govern.token_request import TokenRequest
from lathe.govern.verifier import SignIn
from lathe.runtime.clock import Clock

LONGEST_SECONDS = 12 * 3_600
BODY_BYTES_LIMIT = 65_536
NOTE = "browser session"
HOME = "/console/"
NO_STORE = {"cache-control": "no-store"}


class SignInRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body: a token."""

    token: str


class Sessions:
    """The routes."""

    def __init__(
        self,
        authenticator: Authenticator,
        bearers: TokenAuthenticator,
        keyring: Keyring,
        clock: Clock,
        sign_in: SignIn | None = None,
    ) -> None:
        self._sign_in = sign_in
        self._authenticator = authenticator
        self._bearers = bearers
        self._keyring = keyring
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        """What this part answers."""
        return (
            Route("/session", self._begin, methods=["POST"]),
            Route("/session", self._end, methods=["DELETE"]),
        )

    async def _begin(self, request: Request) -> Response:
        """Sign in. Nothing but JSON is taken, which a form of another site cannot send."""
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise Problem("LR415.type", NEEDS_JSON)
        asked = await asked_as(request.receive, SignInRequest, limit=BODY_BYTES_LIMIT)
        holder = await self._bearers.of_text(asked.token.strip(), address_of(request.scope))
        response = Response(status_code=204, headers=NO_STORE)
        await self.begin(request, response, holder)
        return response

    async def begin(self, request: Request, response: Response, holder: Principal) -> None:
        """A session of somebody's, whose cookie goes with an answer. Raises `Problem`, `GovernError`."""
        if holder.grant is not None or holder.expires_ms is None:
            raise Problem("LR403.scope", "an effect's token begins no session")
        left = (holder.expires_ms - self._clock.now_ms()) // 1_000
        seconds = max(1, min(LONGEST_SECONDS, left - 1))  # what is a part ends before the whole
        wanted = TokenRequest(holder.id, holder.kind, parent="self", expires_in=seconds, note=NOTE)
        made = await self._keyring.create(holder, wanted, is_session=True)
        _set_cookie(request, response, made.text, seconds)

    async def _end(self, request: Request) -> Response:
        """Sign out; `next` is where the browser goes to do so at the issuer that it came in by."""
        leave: str | None = None
        headers = dict(request.scope["headers"])
        if cookie_of(headers) is not None:
            caller = await self._authenticator.principal(headers, request.scope)
            if caller.token:
                await self._keyring.revoke(caller, caller.token)
                leave = await self._leaving(request, caller)
        response = Response(status_code=204, headers=NO_STORE)
        if leave is not None:
            response = Response(encode({"next": leave}), 200, NO_STORE, "application/json")
        _set_cookie(request, response, "", 0)
        return response

    async def _leaving(self, request: Request, caller: Principal) -> str | None:
        origin = origin_of(request)
        if self._sign_in is None or origin is None:
            return None
        return await self._sign_in.leave(caller, redirect=f"{origin}{HOME}")


def _set_cookie(request: Request, response: Response, value: str, seconds: int) -> None:
    """The cookie; `Secure` where the browser's side of the connection is TLS."""
    is_secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, value, max_age=seconds, path="/", secure=is_secure, httponly=True, samesite="strict"
    )
