"""Page cursors: opaque, signed, and valid only for the list that issued them."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import msgspec

from lathe.api.wire.problem import Problem

CURSOR_CHARACTERS_LIMIT = 1_024
SIGNATURE_BYTES = 12


class Cursors:
    """Makes and reads cursors with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, about: str, place: tuple[str | int, str]) -> str:
        """A cursor behind `place`, for the list that `about` describes."""
        said = msgspec.json.encode(place)
        return urlsafe_b64encode(self._sign(about, said) + said).rstrip(b"=").decode()

    def read(self, about: str, cursor: str) -> tuple[str | int, str]:
        """The place of a cursor. Raises `Problem` (LR400.cursor)."""
        try:
            if len(cursor) > CURSOR_CHARACTERS_LIMIT:
                raise ValueError
            data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            signature, said = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
            if not hmac.compare_digest(signature, self._sign(about, said)):
                raise ValueError
            return msgspec.json.decode(said, type=tuple[str | int, str])
        except (ValueError, msgspec.DecodeError):
            raise Problem("LR400.cursor", "take the `next` of a page of this very list") from None

    def _sign(self, about: str, said: bytes) -> bytes:
        return hmac.new(self._key, about.encode() + b"\0" + said, sha256).digest()[:SIGNATURE_BYTES]
