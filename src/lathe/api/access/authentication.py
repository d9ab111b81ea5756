"""Authentication: the principal of a request, from its token or session cookie and from nothing else.

`TokenAuthenticator` knows callers by their token. `DevAuthenticator` also accepts requests without one, which
is safe on the loopback interface only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Protocol

from lathe.api.wire.answers import Scope
from lathe.api.wire.problem import Problem
from lathe.govern.keyring import Keyring
from lathe.govern.principal import Principal
from lathe.govern.throttle import Throttle
from lathe.govern.token import PREFIX
from lathe.govern.verifier import RefusedError, UnavailableError, Verifier, is_foreign
from lathe.runtime.catalog import Catalog
from lathe.runtime.clock import Clock
from lathe.runtime.tokens import Grant, Tokens

BEARER = "bearer "
KNOWN_LIMIT = 10_000
"""Authenticated callers that are cached, by the hash of their credential."""
COOKIE = "lathe"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lathe"'}
ISSUER_SECONDS = 10
"""`Retry-After` in seconds if an issuer's keys cannot be fetched."""
LOOPBACK = frozenset({"127.0.0.1", "[::1]", "::1", "localhost"})

__all__ = ["LOOPBACK", "Authenticator", "DevAuthenticator", "Principal", "TokenAuthenticator"]


class Authenticator(Protocol):
    """Authenticates requests, and checks that a principal is still valid. Both raise `Problem` (LR401,
    LR429.guessing, LR503.issuer).
    """

    async def principal(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal: ...

    def known(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal | None:
        """Like `principal`, without waiting; None if a look-up is needed."""

    async def stands(self, principal: Principal) -> None: ...


def unknown(said: str) -> Problem:
    """The problem of a caller that is not authenticated."""
    return Problem("LR401.token", said, headers=CHALLENGE)


def bearer_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The token of the `Authorization` header; None without one. Raises `Problem`."""
    given = headers.get(b"authorization")
    if given is None:
        return None
    text = given.decode("latin-1")
    if not text.lower().startswith(BEARER):
        raise unknown("the `Authorization` header must be `Bearer TOKEN`")
    return text[len(BEARER) :].strip()


def cookie_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The token of a session's cookie; None without one."""
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None


def shown(headers: Mapping[bytes, bytes], scope: Scope) -> str | None:
    """The credential of a request: a bearer token or a session cookie. Raises `Problem`.

    A browser sends a cookie whoever made it ask. So with one, what changes something must say that it is a
    page of this site that asks: by a header that no form can send, and by its origin.
    """
    text = bearer_of(headers)
    if text is not None:
        return text
    text = cookie_of(headers)
    if text is not None and scope.get("method") not in SAFE:
        site = headers.get(b"sec-fetch-site", b"same-origin")
        origin = headers.get(b"origin", b"").decode("latin-1")
        is_same = not origin or origin.partition("://")[2].encode("latin-1") == headers.get(b"host", b"")
        if b"x-lathe-request" not in headers or site != b"same-origin" or not is_same:
            raise Problem("LR403.origin", "with a session, a page of this site sends `X-Lathe-Request: 1`")
    return text


def address_of(scope: Scope) -> str:
    """The client's address."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def granted(grant: Grant) -> Principal:
    """The principal of a callback: the other side of an effect."""
    name = f"effect:{grant.app}/{grant.entity}.{grant.number}"
    return Principal(name, frozenset(), (), grant, tenant=grant.tenant, expires_ms=grant.expires_ms)


def _remembered_by(text: str) -> bytes:
    return sha256(text.encode("utf-8", "replace")).digest()


class TokenAuthenticator:
    """Authenticates by token. Results are cached until they expire, or tokens or versions change.

    `issuers` verify what others sign; without any, a JWT is a token like any that is not known.
    """

    def __init__(
        self,
        tokens: Tokens,
        keyring: Keyring,
        catalog: Catalog,
        clock: Clock,
        seconds: Callable[[], float],
        issuers: Verifier | None = None,
    ) -> None:
        self._tokens = tokens
        self._keyring = keyring
        self._issuers = issuers
        self._catalog = catalog
        self._clock = clock
        self.throttle = Throttle(seconds)
        self._known: dict[bytes, Principal] = {}

    async def principal(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal:
        """The principal of this request's credential."""
        text = shown(headers, scope)
        if text is None:
            raise unknown("send `Authorization: Bearer TOKEN`")
        return await self.of_text(text, address_of(scope))

    def known(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal | None:
        """The cached principal of this request's credential, if any."""
        text = shown(headers, scope)
        return None if text is None else self.remembered(text)

    def remembered(self, text: str) -> Principal | None:
        """The cached principal of this token, if it is still valid."""
        known = self._known.get(_remembered_by(text))
        return known if known is not None and self._is_fresh(known) else None

    async def of_text(self, text: str, address: str) -> Principal:
        """The principal of this token. Raises `Problem` (LR401.token, LR429.guessing, LR503.issuer)."""
        key = _remembered_by(text)
        known = self._known.get(key)
        if known is not None and self._is_fresh(known):
            return known
        wait = self.throttle.wait_seconds(address) if known is None else 0
        if wait:
            said = f"nobody is looked up from this address for {wait} s: show a token that counts"
            raise Problem("LR429.guessing", said, headers={"Retry-After": str(wait)})
        try:
            found = await self._look_up(text)
        except RefusedError as error:
            self._known.pop(key, None)
            self.throttle.failed(address, error.reason)
            raise unknown(str(error)) from None
        except UnavailableError as error:
            raise Problem("LR503.issuer", str(error), headers={"Retry-After": str(ISSUER_SECONDS)}) from None
        self._known.pop(key, None)
        if len(self._known) >= KNOWN_LIMIT:
            del self._known[next(iter(self._known))]
        self._known[key] = found
        return found

    async def _look_up(self, text: str) -> Principal:
        """Raises `RefusedError`, `UnavailableError`."""
        found: Principal | None = None
        if text.startswith(f"{PREFIX}_"):
            found = await self._keyring.find(text)
        elif self._issuers is not None and is_foreign(text):
            return await self._issuers.find(text)
        elif (grant := self._tokens.read(text)) is not None:
            found = granted(grant)
        if found is None:
            raise RefusedError("unknown token", "the token is none of ours, is revoked, or has expired")
        return found

    def _is_fresh(self, principal: Principal) -> bool:
        if principal.token != "" and principal.stamp != self._catalog.generation:
            return False
        expires, again, now = principal.expires_ms, principal.again_ms, self._clock.now_ms()
        return (expires is None or now < expires) and (again is None or now < again)

    async def stands(self, principal: Principal) -> None:
        """Check with the store that the credential is still valid."""
        if principal.expires_ms is not None and self._clock.now_ms() >= principal.expires_ms:
            raise unknown("the token has expired")
        if principal.token and await self._keyring.look_up(principal.token, principal.proof) is None:
            raise unknown("the token is revoked, or has expired")


class DevAuthenticator:
    """Authenticates requests without a token as `dev`, an operator with every role; a token is preferred.

    With `is_local`, only who speaks to a loopback name, and no page of another site: a browser on this
    machine may be made to ask anything of it.
    """

    def __init__(
        self, tokens: Tokens, bearers: TokenAuthenticator | None = None, *, is_local: bool = False
    ) -> None:
        self._tokens = tokens
        self._bearers = bearers
        self._is_local = is_local
        self._dev = Principal("dev", None, ("dev",), kind="person", scopes=frozenset({"operator"}))

    def known(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal | None:
        """The development principal, or the cached one of a token."""
        text = shown(headers, scope)
        if text is not None:
            return None if self._bearers is None else self._bearers.remembered(text)
        if self._is_local:
            _check_local(headers)
        return self._dev

    async def principal(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal:
        """The principal of this request's token; without one, the development principal."""
        text = shown(headers, scope)
        if text is None:
            if self._is_local:
                _check_local(headers)
            return self._dev
        if self._bearers is not None:
            return await self._bearers.of_text(text, address_of(scope))
        grant = self._tokens.read(text)
        if grant is None:
            raise unknown("the token is none of ours, or has expired")
        return granted(grant)

    async def stands(self, principal: Principal) -> None:
        """The development principal is always valid."""
        if principal is not self._dev and self._bearers is not None:
            await self._bearers.stands(principal)


def _check_local(headers: Mapping[bytes, bytes]) -> None:
    """Raise `Problem` for a request that a foreign host name or page made a browser send."""
    host = headers.get(b"host", b"").decode("latin-1")
    origin = headers.get(b"origin", b"").decode("latin-1")
    if _name_of(host) not in LOOPBACK:
        raise unknown(f"in development it answers to loopback names alone, not to `{host[:80]}`")
    if origin and origin.partition("://")[2] != host:
        raise unknown("in development no page of another site may ask")


def _name_of(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
