"""People sign in by an issuer: authorization code with PKCE (OpenID Connect Core, 3.1; RFC 7636; RFC 9207).

A sign-in is bound to the browser that began it, by a signed cookie for ten minutes. Nonce and verifier are
made of its state with the house's key, so neither is in the cookie, and the verifier leaves this process for
the issuer alone.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Protocol
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
from msgspec import Struct

from lathe.errors import UsageError
from lathe.frozen import frozen
from lathe.govern.discovery import Discovery, Document, place_in
from lathe.govern.issuer import Issuer, issuer_of
from lathe.govern.issuers import Issuers
from lathe.govern.principal import Principal
from lathe.govern.userinfo import GetWith, with_userinfo
from lathe.govern.verifier import RefusedError, SignedIn, SignInError, SignInStarted, UnavailableError
from lathe.lang.model import Json
from lathe.runtime.clock import Clock
from lathe.runtime.config import IssuerSettings, Secret, SignInSettings
from lathe.runtime.tokens import sealed, unsealed

SECONDS = 600
"""Maximum duration of a sign-in."""
STATE_BYTES = 32
CODE_CHARACTERS_LIMIT = 4_096
ENDED_LIMIT = 10_000
"""Completed sign-ins that are remembered, each for as long as it could be replayed."""
SESSION_SECONDS = (60, 43_200)

_BEARER = re.compile(r"[!-~]{1,8192}")
_ERROR = re.compile(r"[a-z_]{1,40}")


class Post(Protocol):
    """Sends a form to an issuer; status and body of its answer. Raises `UnavailableError`."""

    async def __call__(
        self, issuer: str, url: str, form: Mapping[str, str], headers: Mapping[str, Json]
    ) -> tuple[int, bytes]: ...


class _Begun(Struct, frozen=True, array_like=True):
    """The content of the sign-in cookie: issuer, redirect, page to return to, expiry."""

    state: str
    issuer: str
    redirect: str
    next: str
    expires_ms: int


_decode = msgspec.json.Decoder(_Begun).decode


@frozen
class Client:
    """The OAuth client that this server is at an issuer; the `audience` of its identity tokens is the
    client's id.
    """

    issuer: Issuer
    secret: Secret | None
    scopes: Sequence[str]
    session_seconds: int
    has_userinfo: bool
    signs_out: bool


def client_of(issuer: Issuer, settings: SignInSettings) -> Client:
    """The client of a configuration table. Raises `UsageError`."""
    where = f"`[issuer.{issuer.name}.sign_in]`"
    if issuer.kind != "person":
        raise UsageError(f'{where}: it is people who sign in: say `kind = "person"`')
    if "openid" not in settings.scopes:
        raise UsageError(f"{where}: without the scope `openid` no issuer says who it is")
    if not SESSION_SECONDS[0] <= settings.session_seconds <= SESSION_SECONDS[1]:
        raise UsageError(f"{where}: `session_seconds` is {SESSION_SECONDS[0]} to {SESSION_SECONDS[1]}")
    own = replace(issuer, audience=settings.client_id or issuer.audience)
    return Client(
        own, settings.secret, settings.scopes, settings.session_seconds, settings.userinfo, settings.sign_out
    )


class SignIns:
    """Sign-ins by issuers; one process may complete what another began."""

    def __init__(
        self,
        issuers: Issuers,
        clients: Sequence[Client],
        post: Post,
        get: GetWith,
        *,
        key: bytes,
        clock: Clock,
        read_secret: SecretReader,
    ) -> None:
        self._issuers = issuers
        self._clients = {client.issuer.name: client for client in clients}
        self._post = post
        self._get = get
        self._key = hmac.digest(key, b"lathe.sign-in/1", "sha256")
        self._clock = clock
        self._read_secret = read_secret
        self._ended: dict[str, int] = {}

    @classmethod
    def of(
        cls,
        issuers: Issuers,
        settings: Mapping[str, IssuerSettings],
        *,
        key: bytes,
        clock: Clock,
        read_secret: SecretReader,
    ) -> SignIns:
        """Those of a configuration. Raises `UsageError`."""
        given = {name: one.sign_in for name, one in settings.items()}
        clients = [client_of(issuer_of(name, settings[name]), one) for name, one in given.items() if one]
        fetcher = issuers.fetcher
        assert fetcher is not None, "they are of a configuration"
        return cls(issuers, clients, fetcher.post, fetcher.get, key=key, clock=clock, read_secret=read_secret)

    def names(self) -> tuple[str, ...]:
        """The issuers that people sign in by."""
        return tuple(sorted(self._clients))

    async def begin(self, issuer: str, *, redirect: str, next: str) -> SignInStarted:
        """The issuer's authorization URL for a browser. Raises `UnavailableError`."""
        client = self._clients[issuer]
        document = await self._discovery(client).known()
        place = place_in(document, "authorization_endpoint", issuer=issuer)
        methods = document.get("code_challenge_methods_supported")
        if isinstance(methods, list) and "S256" not in methods:
            raise UnavailableError(f"the issuer `{issuer}` takes no PKCE by S256")
        state = secrets.token_urlsafe(STATE_BYTES)
        query = {
            "response_type": "code",
            "client_id": client.issuer.audience,
            "redirect_uri": redirect,
            "scope": " ".join(client.scopes),
            "state": state,
            "nonce": self._derived("nonce", state),
            "code_challenge": _text(sha256(self._derived("verifier", state).encode()).digest()),
            "code_challenge_method": "S256",
        }
        said = _Begun(state, issuer, redirect, next, self._clock.now_ms() + 1_000 * SECONDS)
        url = f"{place}{'&' if urlsplit(place).query else '?'}{urlencode(query)}"
        return SignInStarted(url, sealed(self._key, msgspec.json.encode(said)))

    async def end(self, cookie: str, answer: Mapping[str, str], *, redirect: str) -> SignedIn:
        """The principal that signed in. Raises `SignInError`."""
        begun = self._taken(cookie, answer, redirect)
        try:
            return await self._entered(begun, answer)
        except SignInError as error:
            error.issuer, error.next = begun.issuer, begun.next
            raise

    async def leave(self, principal: Principal, *, redirect: str) -> str | None:
        """See `SignIn` (OpenID Connect RP-Initiated Logout 1.0, 2). No identity token is kept that could be
        shown as a hint: the issuer knows who is there by its own session, and asks them where it wants to.
        """
        name, colon, _ = principal.id.partition(":")
        client = self._clients.get(name) if colon else None
        if client is None or not client.signs_out or len(principal.chain) > 1:
            return None
        try:
            document = await self._discovery(client).known()
            place = place_in(document, "end_session_endpoint", issuer=client.issuer.name)
        except UnavailableError:
            return None  # here they are signed out all the same
        query = urlencode({"client_id": client.issuer.audience, "post_logout_redirect_uri": redirect})
        return f"{place}{'&' if urlsplit(place).query else '?'}{query}"

    def _taken(self, cookie: str, answer: Mapping[str, str], redirect: str) -> _Begun:
        """The sign-in that a browser returns with; it is used up, whatever the result."""
        data = unsealed(self._key, cookie)
        begun = _decode(data) if data is not None else None
        now = self._clock.now_ms()
        if begun is None or not hmac.compare_digest(begun.state.encode(), answer.get("state", "").encode()):
            raise SignInError("state", "oidc: state")
        if now >= begun.expires_ms or begun.state in self._ended or begun.issuer not in self._clients:
            raise SignInError("state", "oidc: state is over")
        if begun.redirect != redirect:
            raise SignInError("state", "oidc: redirect")
        if len(self._ended) >= ENDED_LIMIT:
            self._ended = {state: until for state, until in self._ended.items() if until > now}
        self._ended[begun.state] = begun.expires_ms
        return begun

    async def _entered(self, begun: _Begun, answer: Mapping[str, str]) -> SignedIn:
        client = self._clients[begun.issuer]
        try:
            document = await self._discovery(client).known()
            _check_sender(client.issuer, document, answer)
            if "error" in answer:
                said = answer["error"]
                raise SignInError(said if _ERROR.fullmatch(said) else "error", "oidc: error")
            code = answer.get("code", "")
            if not 0 < len(code) <= CODE_CHARACTERS_LIMIT:
                raise SignInError("code", "oidc: code")
            text, access = await self._exchanged(client, document, begun, code)
            more = partial(
                with_userinfo, get=self._get, issuer=client.issuer.name, document=document, access=access
            )
            besides = more if client.has_userinfo else None
            claims, principal = await self._issuers.vouched(client.issuer, text, besides)
        except UnavailableError as error:
            raise SignInError("unavailable", "oidc: unavailable", said=str(error)) from None
        except RefusedError as error:
            raise SignInError("token", error.reason) from None
        self._check_claims(client, claims, begun)
        return SignedIn(self._lasting(client, principal), begun.next)

    async def _exchanged(
        self, client: Client, document: Document, begun: _Begun, code: str
    ) -> tuple[str, str]:
        """Exchange a code for the identity token, and the access token, empty if there is none.

        Raises `SignInError`, `UnavailableError`.
        """
        place = place_in(document, "token_endpoint", issuer=client.issuer.name)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect,
            "code_verifier": self._derived("verifier", begun.state),
        }
        form, headers = self._shown(client, document, form, place)
        status, body = await self._post(client.issuer.name, place, form, headers)
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            found = None
        text = found.get("id_token") if isinstance(found, dict) else None
        if status >= 500:
            raise UnavailableError(f"the issuer `{client.issuer.name}` answers {status}")
        if status != 200 or not isinstance(text, str):
            raise SignInError("code", "oidc: code")
        access = found.get("access_token") if isinstance(found, dict) else None
        return text, access if isinstance(access, str) and _BEARER.fullmatch(access) else ""

    def _shown(
        self, client: Client, document: Document, form: Mapping[str, str], place: str
    ) -> tuple[dict[str, str], dict[str, Json]]:
        """The form and its headers, with the client's authentication: its secret, or its id alone."""
        own = client.issuer.audience
        if client.secret is None:
            return {**form, "client_id": own}, {}
        hosts = client.secret.hosts or (urlsplit(client.issuer.url).hostname,)
        if urlsplit(place).hostname not in hosts:
            raise UnavailableError("the client's secret may not go to the issuer's `token_endpoint`")
        value = self._read_secret(client.secret)
        if not value:
            raise UnavailableError("the client's secret cannot be read")
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if isinstance(methods, list) and "client_secret_basic" in methods:
            pair = f"{quote_plus(own)}:{quote_plus(value)}".encode()
            return {**form}, {"authorization": f"Basic {b64encode(pair).decode()}"}
        return {**form, "client_id": own, "client_secret": value}, {}

    def _check_claims(self, client: Client, claims: Mapping[str, Json], begun: _Begun) -> None:
        """Raise `SignInError` for a token of another sign-in or client."""
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(
            nonce.encode("utf-8", "replace"), self._derived("nonce", begun.state).encode()
        ):
            raise SignInError("token", "oidc: nonce")
        audiences, party = claims.get("aud"), claims.get("azp")
        is_shared = isinstance(audiences, list) and len(audiences) > 1
        if party != client.issuer.audience and (is_shared or party is not None):
            raise SignInError("token", "oidc: authorized party")

    def _lasting(self, client: Client, principal: Principal) -> Principal:
        """The principal with a session's lifetime: an identity token only proves who signed in."""
        until = self._clock.now_ms() + 1_000 * client.session_seconds
        return replace(principal, expires_ms=until, again_ms=None)

    def _discovery(self, client: Client) -> Discovery:
        return self._issuers.discoveries[client.issuer.url]

    def _derived(self, what: str, state: str) -> str:
        return _text(hmac.digest(self._key, f"{what}\0{state}".encode(), "sha256"))


class SecretReader(Protocol):
    """A secret's value; None if it cannot be read."""

    def __call__(self, secret: Secret) -> str | None: ...


def _check_sender(issuer: Issuer, document: Document, answer: Mapping[str, str]) -> None:
    """Raise `SignInError` if an answer names another issuer, or none where it should (RFC 9207)."""
    says = document.get("authorization_response_iss_parameter_supported") is True
    if answer.get("iss", None if says else issuer.url) != issuer.url:
        raise SignInError("issuer", "oidc: issuer")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
