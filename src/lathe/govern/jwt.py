"""Signed JWTs: parsing, verification with an issuer's public keys, and checks of claims (RFC 7515, 7517,
7519).

What a token says of keys (`jku`, `jwk`, `x5u`, `x5c`) is not looked at: keys are the issuer's, or none. An
algorithm belongs to one kind of key, and none to a secret, so a public key is never taken for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import (  # type: ignore[attr-defined]  # JWSAlgModel is in its signatures, not in `__all__`
    CompactSignature,
    JWSAlgModel,
    JWSRegistry,
    extract_compact,
    validate_compact,
)
from joserfc.jwt import JWTClaimsRegistry

from lathe.frozen import frozen
from lathe.govern.issuer import ALGORITHMS, Issuer
from lathe.govern.verifier import RefusedError
from lathe.lang.model import Json

TOKEN_CHARACTERS_LIMIT = 16_384
HEADER_BYTES_LIMIT = 4_096
KEYS_LIMIT = 64
"""Keys that are read of one issuer's key set."""
RSA_BITS = (2_048, 8_192)
TYPES = frozenset({"", "jwt", "at+jwt", "application/jwt", "application/at+jwt"})
"""Accepted `typ` values: identity and access tokens, no other kinds of JWT."""
LONGEST_SECONDS = 2**40

Key = RSAKey | ECKey | OKPKey

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"Ed25519", "EdDSA"}),
}


@frozen
class PublicKey:
    """A key of an issuer, and the algorithms that it verifies."""

    kid: str
    algorithms: frozenset[str]
    key: Key


@frozen
class Unverified:
    """A parsed token. Nothing in it may be trusted before `is_signed_by`."""

    issuer: str
    algorithm: str
    kid: str | None
    claims: Mapping[str, Json]
    signed: CompactSignature


class _Registry(JWSRegistry):
    """joserfc's registry, with our algorithms only and without its defaults."""

    max_header_length = HEADER_BYTES_LIMIT
    max_payload_length = TOKEN_CHARACTERS_LIMIT

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in ALGORITHMS:
            raise RefusedError("jwt: algorithm", "the token is signed by an algorithm that is not allowed")
        return self.algorithms[name]


_registry = _Registry(algorithms=ALGORITHMS, strict_check_header=False)


def read_keys(document: bytes) -> tuple[PublicKey, ...]:
    """The verification keys of a key set; those of other uses, weak, private, or of unknown types are
    skipped.

    Raises `ValueError` for what is no key set.
    """
    try:
        found = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the keys are no JSON: {error}") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        raise ValueError("the document of the keys has no list `keys`")
    read = (_key(each) for each in keys[:KEYS_LIMIT] if isinstance(each, dict))
    return tuple(key for key in read if key is not None)


def _key(data: Mapping[str, Json]) -> PublicKey | None:
    """A public key; only its public members are read."""
    kind, kid, use, operations = data.get("kty"), data.get("kid", ""), data.get("use"), data.get("key_ops")
    is_ours = use in (None, "sig") and (operations is None or _has(operations, "verify"))
    if not is_ours or not isinstance(kid, str):
        return None
    key: Key
    try:
        if kind == "RSA":
            modulus = str(data.get("n"))
            if not RSA_BITS[0] <= len(modulus.rstrip("=")) * 6 <= RSA_BITS[1] + 12:
                return None
            key, fits = RSAKey.import_key(_members(data, "kty", "n", "e")), _RSA
            if not RSA_BITS[0] <= key.raw_value.key_size <= RSA_BITS[1]:
                return None
        elif kind == "EC":
            key = ECKey.import_key(_members(data, "kty", "crv", "x", "y"))
            fits = _CURVES.get(("EC", str(data.get("crv"))), frozenset())
        elif kind == "OKP":
            key = OKPKey.import_key(_members(data, "kty", "crv", "x"))
            fits = _CURVES.get(("OKP", str(data.get("crv"))), frozenset())
        else:
            return None
    except (JoseError, ValueError, KeyError, TypeError):
        return None  # a key that cannot be read verifies nothing
    said = data.get("alg")
    algorithms = fits if said is None else fits & {str(said)}
    return PublicKey(kid, algorithms, key) if algorithms else None


def _has(values: Json, wanted: str) -> bool:
    return isinstance(values, list) and wanted in values


def _members(data: Mapping[str, Json], *names: str) -> dict[str, str | list[str]]:
    return {name: str(data[name]) for name in names}


def read(text: str) -> Unverified:
    """Parse a token. Raises `RefusedError`."""
    if len(text) > TOKEN_CHARACTERS_LIMIT or not text.isascii():
        raise _malformed()
    try:
        signed = extract_compact(text.encode("ascii"), None, _registry)
        header = signed.headers()
        claims = msgspec.json.decode(signed.payload)
    except (JoseError, ValueError, RecursionError):
        raise _malformed() from None
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    if not isinstance(issuer, str) or not isinstance(kind, str) or not isinstance(kid, str | None):
        raise _malformed()
    if algorithm not in ALGORITHMS:
        raise RefusedError("jwt: algorithm", "the token is signed by an algorithm that is not allowed")
    if kind.lower() not in TYPES or "crit" in header:
        raise RefusedError("jwt: type", "this JWT was made for something else than to say who calls")
    return Unverified(issuer, str(algorithm), kid, claims, signed)


def _malformed() -> RefusedError:
    return RefusedError("jwt: malformed", "the token is no JWT that can be read")


def fitting(token: Unverified, keys: Sequence[PublicKey]) -> list[PublicKey]:
    """The keys that a token may be signed with: those with its key id, if it has one, and its algorithm."""
    return [k for k in keys if token.kid in (None, k.kid) and token.algorithm in k.algorithms]


def is_signed_by(token: Unverified, key: PublicKey) -> bool:
    """Whether this key verifies the token's signature."""
    assert token.algorithm in key.algorithms, "the key is one that fits"
    try:
        return validate_compact(token.signed, key.key, ALGORITHMS, _registry)
    except (JoseError, ValueError, TypeError):
        return False  # what cannot be verified is not signed


def check_claims(token: Unverified, issuer: Issuer, *, now_ms: int) -> int:
    """Check the registered claims; returns the expiry in milliseconds, with clock skew added. Raises
    `RefusedError`.
    """
    claims = dict(token.claims)
    rules = JWTClaimsRegistry(
        now_ms // 1_000,
        issuer.skew_seconds,
        iss={"essential": True, "value": issuer.url},
        aud={"essential": True, "value": issuer.audience},
        exp={"essential": True},
    )
    try:
        rules.validate(claims)
    except ExpiredTokenError:
        raise RefusedError("jwt: expired", "the token has expired") from None
    except ClaimError as error:
        raise _refused(error.claim) from None
    expires = claims["exp"]
    if not isinstance(expires, int | float) or expires > LONGEST_SECONDS:
        raise _refused("exp")
    return int((expires + issuer.skew_seconds) * 1_000)


def _refused(claim: str) -> RefusedError:
    """The error for a claim that is missing or invalid."""
    if claim == "aud":
        return RefusedError("jwt: audience", "the token is for another audience")
    if claim == "nbf":
        return RefusedError("jwt: early", "the token does not count yet")
    if claim == "iss":
        return RefusedError("jwt: issuer", "the token is of no issuer that is known here")
    return RefusedError("jwt: claims", f"the token's claim `{claim[:80]}` is missing, or cannot be right")
