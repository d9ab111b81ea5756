"""Callback tokens (`{token}`): short-lived, signed, bound to one invocation.

With it the other side may take the actions that admit `effect:NAME`, while the invocation is started.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import msgspec
from msgspec import Struct

from lathe.runtime.clock import Clock
from lathe.store.records import Outgoing

GRACE_MS = 60_000
"""How long a token outlives the time-out of its try."""
TOKEN_CHARACTERS_LIMIT = 1_024


class Grant(Struct, frozen=True, array_like=True, gc=False):
    """The content of a callback token: its invocation, and its expiry."""

    tenant: str
    app: str
    blueprint: str
    entity: str
    number: int
    visit: int
    effect: str
    expires_ms: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Grant).decode


class Tokens:
    """Creates and verifies callback tokens with one key, which all processes share."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        assert len(key) >= 32, "a key has 32 bytes or more"
        self._key = key
        self._clock = clock

    def mint(self, outgoing: Outgoing, timeout_ms: int) -> str:
        """A token for one try of an invocation."""
        grant = Grant(
            outgoing.tenant, outgoing.app, outgoing.blueprint, outgoing.entity, outgoing.number,
            outgoing.visit, outgoing.effect, self._clock.now_ms() + timeout_ms + GRACE_MS,
        )  # fmt: skip
        return sealed(self._key, _encode(grant))

    def read(self, token: str) -> Grant | None:
        """The grant of a token; None if it is not valid or has expired."""
        data = unsealed(self._key, token)
        if data is None:
            return None
        grant = _decode(data)
        return grant if grant.expires_ms > self._clock.now_ms() else None


def sealed(key: bytes, said: bytes) -> str:
    """A signed, readable text as ASCII."""
    return f"{_text(said)}.{_text(hmac.new(key, said, sha256).digest())}"


def unsealed(key: bytes, text: str) -> bytes | None:
    """The content of a signed text; None if the signature is not of this key."""
    if len(text) > TOKEN_CHARACTERS_LIMIT or not text.isascii():
        return None
    said, dot, signature = text.partition(".")
    try:
        data = _bytes(said)
        is_ours = bool(dot) and hmac.compare_digest(_bytes(signature), hmac.new(key, data, sha256).digest())
    except ValueError:
        return None
    return data if is_ours else None


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
