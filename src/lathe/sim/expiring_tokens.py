"""Tokens that expire in a simulated world: who presents one, and whether it may still count."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from lathe.frozen import frozen
from lathe.govern.token import Token, body_of, hash_of, text_of
from lathe.runtime.clock import Clock
from lathe.runtime.tokens import GRACE_MS, Tokens
from lathe.store.audit import TokenRow
from lathe.store.records import Outgoing

KEY = sha256(b"simulated").digest()
"""What the processes of a world seal tokens of effects with."""


@frozen
class Pass:
    """What somebody shows, and when it ends, by the clock of whoever made it."""

    text: str
    expires_ms: int


def minted(tokens: Tokens, clock: Clock, outgoing: Outgoing, timeout_ms: int) -> Pass:
    """The token of one try of an invocation."""
    expires_ms = clock.now_ms() + timeout_ms + GRACE_MS
    return Pass(tokens.mint(outgoing, timeout_ms), expires_ms)


def personal(tenant: str, who: str, number: int, *, now_ms: int, expires_ms: int) -> tuple[Pass, TokenRow]:
    """A token of somebody, and its row."""
    token, secret = f"t{number}", f"the secret {number}"
    said = Token(who, "person", hash_of(secret), now_ms, "simulator")
    return Pass(text_of(token, secret), expires_ms), TokenRow(
        tenant, token, "", expires_ms, None, body_of(said)
    )


class Passes:
    """Who shows what, and whether it counted. `slack_ms` is how far off the clock of a process may be."""

    def __init__(self, fail: Callable[[str, str], None], now_ms: Callable[[], int], *, slack_ms: int) -> None:
        self._fail = fail
        self._now_ms = now_ms
        self._slack_ms = slack_ms
        self._shown: dict[str, Pass] = {}
        self.made = 0
        """How many tokens of people there were."""

    def gives(self, who: str, shown: Pass) -> None:
        """From now on somebody shows this."""
        self._shown[who] = shown

    def of(self, who: str | None) -> Pass | None:
        """What somebody shows; None: something that does not end."""
        return self._shown.get(who) if who is not None else None

    def counted(self, shown: Pass | None, since_ms: int) -> None:
        """Something was shown, not before a moment, and it was known."""
        if shown is not None and since_ms - self._slack_ms >= shown.expires_ms:
            late_ms = since_ms - shown.expires_ms
            self._fail("token", f"a token was taken that had been over for {late_ms} ms when it was shown")

    def over(self, who: str | None, shown: Pass | None) -> None:
        """Something was shown, and was not known by now: its holder looks for another one."""
        if shown is None:
            return
        if self._now_ms() + self._slack_ms < shown.expires_ms:
            left_ms = shown.expires_ms - self._now_ms()
            self._fail("token", f"a token was not taken that is good for {left_ms} ms more")
        if who is not None and self._shown.get(who) is shown:
            del self._shown[who]
