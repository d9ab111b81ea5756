"""A token: its format, and its effective rights, which are those of its whole chain of delegation
intersected.

`lathe_ID_SECRET`: the id is public, the secret 256 random bits of which only the hash is kept.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from lathe.govern.principal import SCOPES, Kind, Principal
from lathe.store.audit import TokenRow

PREFIX = "lathe"
SECRET_BYTES = 32
TEXT_CHARACTERS_LIMIT = 128
DEPTH_LIMIT = 8
"""Maximum depth of delegation."""


class Token(Struct, frozen=True):
    """The content of a token's row. None for `apps` or `actions` means every one.

    `principal` is whom it stands for; `beyond` whom it acts for where no row says so: an issuer's principal.
    While `old_until_ms` has not come, the secret before the last rotation is as good as the new one.
    `handlers` are those who had its secrets in their hands when they made or rotated it, with whom they
    acted for. `is_session`: a browser holds it for its principal.
    """

    principal: str
    kind: Kind
    hash: bytes
    made_ms: int
    made_by: str
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    apps: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    beyond: tuple[str, ...] = ()
    note: str = ""
    rotated_ms: int | None = None
    old_hash: bytes = b""
    old_until_ms: int = 0
    handlers: tuple[str, ...] = ()
    is_session: bool = False


_decode = msgspec.json.Decoder(Token).decode


def body_of(token: Token) -> bytes:
    """A token as the body of its row."""
    return msgspec.json.encode(token, order="sorted")


def token_of(row: TokenRow) -> Token:
    """The token of a row."""
    return _decode(row.body)


def secret_of() -> str:
    """A new secret."""
    return secrets.token_urlsafe(SECRET_BYTES)


def text_of(token: str, secret: str) -> str:
    """The text of a token, which its holder keeps."""
    return f"{PREFIX}_{token}_{secret}"


def hash_of(secret: str) -> bytes:
    """The stored hash of a secret; the secret is long and random, so one round suffices."""
    return sha256(secret.encode()).digest()


def parts_of(text: str) -> tuple[str, str] | None:
    """Id and secret of a token's text; None if it is none."""
    if len(text) > TEXT_CHARACTERS_LIMIT or not text.isascii():
        return None
    prefix, _, rest = text.partition("_")
    token, _, secret = rest.partition("_")
    return (token, secret) if prefix == PREFIX and token and secret else None


def shows(token: Token, proof: bytes, now_ms: int) -> bool:
    """Whether a hash matches the token's secret, or the previous one while it is valid."""
    is_new = hmac.compare_digest(token.hash, proof)
    is_old = hmac.compare_digest(token.old_hash, proof) and now_ms < token.old_until_ms
    return is_new or is_old


def is_alive(lineage: Sequence[TokenRow], now_ms: int) -> bool:
    """Whether a token and all its ancestors exist, have not expired, and are not revoked."""
    return (
        0 < len(lineage) <= DEPTH_LIMIT
        and lineage[-1].parent == ""
        and all(row.revoked_ms is None and now_ms < row.expires_ms for row in lineage)
        and len({row.tenant for row in lineage}) == 1
    )


def principal_of(lineage: Sequence[TokenRow], *, proof: bytes, stamp: int) -> Principal:
    """The effective principal of a token: the intersection of its whole chain of delegation.

    Acting for somebody, nobody is a person by their own word: only where all of them are. What is limited to
    apps or actions is no operator.
    """
    tokens = [token_of(row) for row in lineage]
    own, oldest = tokens[0], tokens[-1]
    names = [token.principal for token in tokens] + list(oldest.beyond)
    chain = tuple(name for name, before in zip(names, [None, *names], strict=False) if name != before)
    is_person = all(token.kind == "person" for token in tokens)
    apps, actions = _within([token.apps for token in tokens]), _within([token.actions for token in tokens])
    scopes = frozenset.intersection(*(widened(token.scopes) for token in tokens))
    is_limited = apps is not None or actions is not None
    return Principal(
        id=own.principal,
        roles=frozenset.intersection(*(frozenset(token.roles) for token in tokens)),
        chain=chain,
        tenant=lineage[0].tenant,
        kind="agent" if own.kind == "person" and not is_person else own.kind,
        scopes=scopes - {"operator"} if is_limited else scopes,
        apps=apps,
        actions=actions,
        expires_ms=min(row.expires_ms for row in lineage),
        token=lineage[0].id,
        proof=proof,
        stamp=stamp,
        is_part=len(lineage) + bool(oldest.beyond) - own.is_session > 1,
    )


def widened(scopes: Sequence[str]) -> frozenset[str]:
    """Scopes with all that they imply."""
    return frozenset(SCOPES) if "operator" in scopes else frozenset(scopes)


def _within(limits: Sequence[tuple[str, ...] | None]) -> frozenset[str] | None:
    """The intersection of limits; None means no limit. `Order.ship` is within `ship`."""
    found: frozenset[str] | None = None
    for limit in limits:
        if limit is None:
            continue
        found = frozenset(limit) if found is None else met(found, frozenset(limit))
    return found


def met(one: frozenset[str], two: frozenset[str]) -> frozenset[str]:
    """The intersection of two limits; of a name and `Blueprint.name`, the narrower."""
    narrower = {name for name in one if name.rpartition(".")[2] in two}
    return (one & two) | narrower | {name for name in two if name.rpartition(".")[2] in one}
