"""Periodic entries of the audit log: counts of failed authentication, and signed seals.

A seal is signed with the operator's key. Whoever truncates the audit log has to remove the seal as well, and
cannot make a new one; a seal that was exported before shows even that.
"""

from __future__ import annotations

import asyncio
import hmac
from hashlib import sha256

from lathe.govern.principal import MAIN
from lathe.govern.throttle import Throttle
from lathe.runtime.backoff import Failed, repeat
from lathe.runtime.clock import Clock
from lathe.store.audit import Change, Said, Seal, audited
from lathe.store.base import Store, StoreError

ACCOUNT_SECONDS = 60.0
SEAL_SECONDS = 1.0
TRIES_LIMIT = 12


def signature(key: bytes, seal: Seal) -> bytes:
    """What a seal's signature must be."""
    said = b"lathe.seal/1\0%d\0%d\0%s\0%d\0%s" % (
        seal.number, seal.at_ms, seal.hash, seal.position, seal.root
    )  # fmt: skip
    return hmac.new(key, said, sha256).digest()


class Auditor:
    """The tasks of one process. Several processes may do them side by side."""

    def __init__(self, store: Store, clock: Clock, throttle: Throttle, *, key: bytes, failed: Failed) -> None:
        self._store = store
        self._clock = clock
        self._throttle = throttle
        self._key = key
        self._failed = failed
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, in the running loop."""
        every = ((ACCOUNT_SECONDS, self.account), (SEAL_SECONDS, self.seal))
        self._tasks = [asyncio.create_task(repeat(*one, self._failed), name=one[1].__name__) for one in every]

    async def stop(self) -> None:
        """End, with the failures written down, and everything sealed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.account()
            await self.seal()
        except StoreError as error:
            self._failed("audit", error)

    async def account(self) -> None:
        """Write down who failed to be known since the last time."""
        failures = self._throttle.account()
        if failures is None:
            return
        about = {
            "counted": [
                {"address": address, "reason": reason, "count": count}
                for address, reason, count in failures.counted
            ],
            "others": failures.others,
        }
        said = Said(MAIN, self._clock.now_ms(), "authentication.failed", "lathe", ("lathe",), "", about)
        is_written = False
        try:
            for _ in range(TRIES_LIMIT):
                is_written = await self._store.govern(Change(audited(await self._store.audit_end(), said)))
                if is_written:
                    return
        finally:
            if not is_written:
                self._throttle.take_back(failures)

    async def seal(self) -> None:
        """Seal what the audit says by now, if it says more than when it was sealed last."""
        end = await self._store.audit_end()
        last = await self._store.seals()
        if end.number == (last[0].number if last else 0):
            return
        found = await self._store.checkpoints()
        position, root = (found[0].position, found[0].root) if found else (0, bytes(32))
        seal = Seal(end.number, await self._store.now_ms(), end.hash, position, root, b"")
        await self._store.add_seal(
            Seal(seal.number, seal.at_ms, seal.hash, seal.position, seal.root, signature(self._key, seal))
        )
