"""Claims that only the issuer's userinfo endpoint gives (OpenID Connect Core 1.0, 5.3), fetched once a
sign-in.

It is told to whoever holds the access token, and is not signed: it says more of the subject of the identity
token, and never who that is, for whom the token was made, or until when it counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from lathe.govern.discovery import Document, place_in
from lathe.govern.verifier import RefusedError, UnavailableError
from lathe.lang.model import Json

SIGNED = frozenset(
    [
        "acr",
        "act",
        "amr",
        "at_hash",
        "aud",
        "auth_time",
        "azp",
        "c_hash",
        "exp",
        "iat",
        "iss",
        "jti",
        "nbf",
        "nonce",
        "sid",
    ]
)
"""Claims that are accepted from a signed token only."""


class GetWith(Protocol):
    """Fetches an issuer's document, with headers. Raises `UnavailableError`."""

    async def __call__(self, issuer: str, url: str, headers: Mapping[str, Json]) -> bytes: ...


async def with_userinfo(
    claims: Mapping[str, Json], *, get: GetWith, issuer: str, document: Document, access: str
) -> Mapping[str, Json]:
    """An identity token's claims, and behind them those that userinfo has besides.

    Raises `RefusedError` if it speaks of somebody else, `UnavailableError`.
    """
    place = place_in(document, "userinfo_endpoint", issuer=issuer)
    body = await get(issuer, place, {"authorization": f"Bearer {access}", "accept": "application/json"})
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise UnavailableError(f"the userinfo of `{issuer}` is no JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("sub"), str):
        raise UnavailableError(f"the userinfo of `{issuer}` does not say of whom it is")
    if found["sub"] != claims.get("sub"):
        raise RefusedError("oidc: userinfo", "the userinfo is somebody else's")
    return {name: value for name, value in found.items() if name not in SIGNED} | dict(claims)
