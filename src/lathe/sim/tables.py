"""What a simulated store has beside the journal: the rows that follow from it."""

from __future__ import annotations

from lathe.frozen import frozen


@frozen
class Tables:
    """Phases of the outbox, by entity and number; moments of the timers, by entity and name; who holds what,
    by unique and key.
    """

    outgoing: dict[tuple[str, int], str]
    timers: dict[tuple[str, str], int]
    claims: dict[tuple[str, bytes], str]
