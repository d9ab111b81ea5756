"""All configured issuers: finds the one that signed a token, verifies it, and derives the principal.

Keys are fetched when first needed, and again when they are old or a token names an unknown one. Fetches are
rate-limited, so that forged tokens cannot make this server flood an issuer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from lathe.govern.discovery import FRESH_SECONDS, STALE_SECONDS, Discovery, Get, place_in
from lathe.govern.fetching import Fetcher, place_of
from lathe.govern.issuer import Issuer, issuer_of, principal_of
from lathe.govern.jwt import PublicKey, Unverified, check_claims, fitting, is_signed_by, read, read_keys
from lathe.govern.principal import Principal
from lathe.govern.refresh import REFRESH_SECONDS, Refreshing
from lathe.govern.verifier import RefusedError, UnavailableError
from lathe.lang.model import Json
from lathe.runtime.backoff import Failed
from lathe.runtime.clock import Clock
from lathe.runtime.config import IssuerSettings

Besides = Callable[[Mapping[str, Json]], Awaitable[Mapping[str, Json]]]
"""Adds claims about the same subject from another source. Raises `RefusedError`, `UnavailableError`."""
TRIED_LIMIT = 4
"""Keys tried for one token, if it has no key id or several keys share it."""


class Keys:
    """The cached keys of one issuer. `seconds` is a monotonic clock."""

    def __init__(self, discovery: Discovery, seconds: Callable[[], float], failed: Failed) -> None:
        self._discovery = discovery
        self._name = discovery.name
        self._seconds = seconds
        self._failed = failed
        self._keys: tuple[PublicKey, ...] = ()
        self._got: float | None = None
        self._renewing = Refreshing(self._renew, seconds)

    async def fitting(self, token: Unverified) -> list[PublicKey]:
        """The keys that may have signed a token, fetched if necessary. Raises `UnavailableError`."""
        found = fitting(token, self._keys)
        if not found or self._age() >= FRESH_SECONDS:
            await self._renewing.look(is_needed=not found or self._age() >= STALE_SECONDS)
            found = fitting(token, self._keys)
        if self._age() >= STALE_SECONDS:
            raise UnavailableError(f"the keys of the issuer `{self._name}` cannot be had")
        return found

    async def close(self) -> None:
        """Stop fetching."""
        await self._renewing.close()

    def left_seconds(self) -> float:
        """For how many seconds a verification by these keys remains valid."""
        return max(FRESH_SECONDS - self._age(), REFRESH_SECONDS)

    def _age(self) -> float:
        return float("inf") if self._got is None else self._seconds() - self._got

    async def _renew(self) -> None:
        try:
            self._keys = await self._read()
        except UnavailableError as error:
            self._failed("issuer", error)
            return
        self._got = self._seconds()

    async def _read(self) -> tuple[PublicKey, ...]:
        """Fetch the issuer's keys."""
        place = place_in(await self._discovery.read(), "jwks_uri", issuer=self._name)
        try:
            return read_keys(await self._discovery.get(place))
        except ValueError as error:
            raise UnavailableError(f"the keys of `{self._name}` cannot be read: {error}") from None


class Issuers:
    """Verifies issuers' tokens. One address may have several tables, for different kinds of callers."""

    def __init__(
        self,
        issuers: Sequence[Issuer],
        get: Get,
        clock: Clock,
        *,
        seconds: Callable[[], float],
        failed: Failed,
    ) -> None:
        self._clock = clock
        self._issuers = issuers
        self.discoveries = {i.url: Discovery(i.name, i.url, get, seconds) for i in reversed(issuers)}
        self._keys = {url: Keys(one, seconds, failed) for url, one in self.discoveries.items()}
        self.fetcher: Fetcher | None = None

    @classmethod
    def of(
        cls,
        settings: Mapping[str, IssuerSettings],
        clock: Clock,
        *,
        seconds: Callable[[], float],
        failed: Failed,
    ) -> Issuers:
        """The issuers of a configuration. Raises `UsageError`."""
        issuers = [issuer_of(name, given) for name, given in settings.items()]
        fetcher = Fetcher({name: (place_of(given.url), *given.reach) for name, given in settings.items()})
        found = cls(issuers, fetcher.get, clock, seconds=seconds, failed=failed)
        found.fetcher = fetcher
        return found

    async def close(self) -> None:
        """Stop fetching, and close connections."""
        for keys in self._keys.values():
            await keys.close()
        for discovery in self.discoveries.values():
            await discovery.close()
        if self.fetcher is not None:
            await self.fetcher.close()

    async def find(self, text: str) -> Principal:
        """The principal of a token. Raises `RefusedError`, `UnavailableError`."""
        token = read(text)
        trusted = [issuer for issuer in self._issuers if issuer.url == token.issuer]
        if not trusted:
            raise RefusedError("jwt: issuer", "the token is of no issuer that is known here")
        trusted = [issuer for issuer in trusted if token.algorithm in issuer.algorithms]
        if not trusted:
            raise RefusedError("jwt: algorithm", "the token is signed by an algorithm that is not allowed")
        keys = await self._signing(token)
        return self._first(trusted, token, again_ms=int(keys.left_seconds() * 1_000))

    async def vouched(
        self, issuer: Issuer, text: str, besides: Besides | None = None
    ) -> tuple[Mapping[str, Json], Principal]:
        """A token's claims, verified for one table, and their principal, with the claims that `besides` adds.

        Raises as `find` does.
        """
        token = read(text)
        if token.issuer != issuer.url:
            raise RefusedError("jwt: issuer", "the token is of another issuer")
        if token.algorithm not in issuer.algorithms:
            raise RefusedError("jwt: algorithm", "the token is signed by an algorithm that is not allowed")
        await self._signing(token)
        now = self._clock.now_ms()
        expires = check_claims(token, issuer, now_ms=now)
        claims = token.claims if besides is None else await besides(token.claims)
        return token.claims, principal_of(issuer, claims, expires_ms=expires, again_ms=expires)

    async def _signing(self, token: Unverified) -> Keys:
        """The key set that verifies a token. Raises `RefusedError`, `UnavailableError`."""
        keys = self._keys[token.issuer]
        candidates = await keys.fitting(token)
        if not candidates:
            raise RefusedError("jwt: key", "the token is signed by no key of its issuer")
        if not any(is_signed_by(token, key) for key in candidates[:TRIED_LIMIT]):
            raise RefusedError("jwt: signature", "the token's signature is not that of its issuer")
        return keys

    def _first(self, trusted: Sequence[Issuer], token: Unverified, *, again_ms: int) -> Principal:
        """The principal by the first table that accepts the claims; else the first one's error."""
        refusals = []
        now = self._clock.now_ms()
        for issuer in trusted:
            try:
                expires = check_claims(token, issuer, now_ms=now)
                return principal_of(issuer, token.claims, expires_ms=expires, again_ms=now + again_ms)
            except RefusedError as error:
                refusals.append(error)
        raise refusals[0]
