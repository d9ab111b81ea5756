"""The hooks at which a simulation makes a `MemoryStore` fail.

The store calls `reach` at each point and lets out what it raises. A fault can be slow (await there), lose a
commit (`before`), lose its acknowledgement (`after`), fill the disk, or write something first itself, with
`MemoryStore.commit_now`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from lathe.store.records import Write

Point = Literal["read", "before", "after"]
"""Fault points: before a read; before a change; after it, before anybody is told."""


class Faults(Protocol):
    """Called at every fault point. `method` is the store's, `group` what it commits, if anything."""

    async def reach(self, point: Point, method: str, group: Sequence[Write]) -> None:
        """Return, wait, or raise the exception that the caller shall see."""
