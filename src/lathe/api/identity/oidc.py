"""`/session/oidc`: a browser signs in by an OpenID Connect issuer and gets a session cookie.

Whatever goes wrong is told on the sign-in page of the console, by a code: no text of anybody's stands there.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lathe.api.access.authentication import TokenAuthenticator, address_of
from lathe.api.entities.view import encode
from lathe.api.identity.session import HOME, Sessions
from lathe.api.wire.origin import origin_of
from lathe.api.wire.problem import Problem
from lathe.govern.principal import GovernError
from lathe.govern.verifier import SignIn, SignInError, UnavailableError
from lathe.runtime.engine import BusyError
from lathe.store.base import StoreError

PATH = "/session/oidc"
CALLBACK = f"{PATH}/callback"
COOKIE = "lathe-sign-in"
COOKIE_SECONDS = 600
NEXT_CHARACTERS_LIMIT = 400
HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
UNSAID = "unavailable"

_NEXT = re.compile(r"/console/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")

log = structlog.get_logger("lathe.session")


class SignInRoutes:
    """The routes. Without `sign_in` there is no issuer that anybody could sign in by."""

    def __init__(self, sign_in: SignIn | None, sessions: Sessions, bearers: TokenAuthenticator) -> None:
        self._sign_in = sign_in
        self._sessions = sessions
        self._throttle = bearers.throttle

    def routes(self) -> tuple[Route, ...]:
        """What this part answers."""
        return (
            Route(PATH, self._list),
            Route(f"{PATH}/start", self._start),
            Route(CALLBACK, self._callback),
        )

    async def _list(self, request: Request) -> Response:
        """The issuers that people sign in by. Who asks is not known yet, so there are their names alone."""
        names = self._sign_in.names() if self._sign_in is not None else ()
        body = encode({"items": [{"name": name} for name in names]})
        return Response(body, 200, HEADERS, "application/json")

    async def _start(self, request: Request) -> Response:
        """Send the browser to an issuer."""
        issuer, wanted = request.query_params.get("issuer", ""), page_of(request.query_params.get("next", ""))
        if self._sign_in is None or issuer not in self._sign_in.names():
            raise Problem("LR404.route", f"nobody signs in by an issuer `{issuer[:63]}` here")
        self._check_guesses(request)
        redirect = redirect_of(request)
        try:
            begun = await self._sign_in.begin(issuer, redirect=redirect, next=wanted)
        except UnavailableError as error:
            log.warning("sign-in", issuer=issuer, error=str(error))
            return _back(wanted, UNSAID, issuer)
        response = RedirectResponse(begun.url, 303, HEADERS)
        _set(response, request, begun.cookie, COOKIE_SECONDS)
        return response

    async def _callback(self, request: Request) -> Response:
        """The browser comes back, with a code or with an error."""
        if self._sign_in is None:
            raise Problem("LR404.route", "nobody signs in by an issuer here")
        self._check_guesses(request)
        given = request.query_params.multi_items()
        answer = dict(given)
        cookie = request.cookies.get(_name(request), "")
        try:
            if len(answer) != len(given):
                raise SignInError("state", "oidc: repeated")
            entered = await self._sign_in.end(cookie, answer, redirect=redirect_of(request))
            response: Response = RedirectResponse(entered.next, 303, HEADERS)
            await self._sessions.begin(request, response, entered.principal)
        except SignInError as error:
            self._throttle.failed(address_of(request.scope), error.reason)
            log.info("sign-in", issuer=error.issuer, reason=error.reason, error=str(error))
            response = _back(error.next or HOME, error.code, error.issuer)
            if not error.issuer:
                return response  # what another page made up ends no sign-in that waits here
        except GovernError as error:
            response = _back(entered.next, error.code, entered.principal.id.partition(":")[0])
        except (StoreError, BusyError) as error:
            issuer = entered.principal.id.partition(":")[0]
            log.warning("sign-in", issuer=issuer, error=str(error))
            response = _back(entered.next, UNSAID, issuer)
        _set(response, request, "", 0)
        return response

    def _check_guesses(self, request: Request) -> None:
        """Raises `Problem` (LR429.guessing): an issuer is not asked without end on a stranger's word."""
        wait = self._throttle.wait_seconds(address_of(request.scope))
        if wait:
            raise Problem("LR429.guessing", headers={"Retry-After": str(wait)})


def page_of(wanted: str) -> str:
    """A page of the console that somebody comes back to; the first one in place of anything else."""
    parts = urlsplit(wanted) if _NEXT.fullmatch(wanted) else None
    is_ours = parts is not None and "//" not in parts.path and ".." not in parts.path
    return wanted if is_ours and len(wanted) <= NEXT_CHARACTERS_LIMIT else HOME


def redirect_of(request: Request) -> str:
    """Where an issuer sends the browser back to: this house by the name that the browser has it by."""
    origin = origin_of(request)
    if origin is None:
        raise Problem("LR400.query", "the `Host` of the request is no name")
    return f"{origin}{CALLBACK}"


def _back(page: str, code: str, issuer: str) -> Response:
    """To the sign-in page, which says what the code means."""
    query = urlencode({"sign_in": code, "issuer": issuer})
    return RedirectResponse(f"{page}{'&' if '?' in page else '?'}{query}", 303, HEADERS)


def _name(request: Request) -> str:
    """The cookie's name. Under TLS no other site of the same domain can set it."""
    return f"__Host-{COOKIE}" if request.url.scheme == "https" else COOKIE


def _set(response: Response, request: Request, value: str, seconds: int) -> None:
    """The cookie; `Lax`, so that it comes along when an issuer sends the browser back."""
    is_secure = request.url.scheme == "https"
    response.set_cookie(
        _name(request), value, max_age=seconds, path="/", secure=is_secure, httponly=True, samesite="lax"
    )
