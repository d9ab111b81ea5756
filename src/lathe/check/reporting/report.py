"""What a check says: findings, levels, coverage, and the verdict that they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from lathe.errors import Diagnostic
from lathe.frozen import frozen
from lathe.machine.trace import Trace

Verdict = Literal["admitted", "refused", "unknown"]
LevelVerdict = Literal["passes", "fails", "unknown", "skipped"]


@frozen
class Finding:
    """A diagnostic with the property it is about and the run that shows it, where there are any."""

    diagnostic: Diagnostic
    property: str | None = None
    trace: Trace | None = None


@frozen
class LevelReport:
    """One level. `why` tells why it was skipped or stayed unknown; counts are level 2's alone, but for the
    `seeds` that level 3 ran.

    `is_timed`: its seconds ran out, or it was interrupted.
    """

    level: int
    name: str
    verdict: LevelVerdict
    seconds: float = 0.0
    states: int | None = None
    steps: int | None = None
    depth: int | None = None
    why: str = ""
    is_timed: bool = False
    seeds: int | None = None


@frozen
class Coverage:
    """What the search went through. `actions` and `states` count by `Blueprint.name`.

    `bounds` are the instances of each blueprint and the `principals` of the largest scope that
    was completed; `fingerprint` is an order-independent hash of its reachable states. `proved` are the
    properties that hold for all values and any number of steps, as level 1 showed. Where some things are
    `alike`, one state was searched for all that differ only in which of them is which; counts and fingerprint
    are of those. `policies` tells how many requests each policy determined, of those that policies tell from
    one another in the states that were reached.
    `migrated` says of a replacement the digest of the version before, how many of its states were moved,
    to how many images, and what was alike there.
    """

    bounds: Mapping[str, int] = field(default_factory=dict)
    actions: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, int] = field(default_factory=dict)
    effects: Mapping[str, int] = field(default_factory=dict)
    exhaustive: str = ""
    fingerprint: str = ""
    proved: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    policies: Mapping[str, int] = field(default_factory=dict)
    migrated: Mapping[str, str | int] = field(default_factory=dict)


INTERRUPTED = "an interrupt ended"
"""Why a level came to no end of its own begins so."""


@frozen
class Report:
    """The whole answer to a check. `cached`: when it was given (UTC), if that was in an earlier run."""

    app: str
    digest: str
    verdict: Verdict
    levels: tuple[LevelReport, ...]
    findings: tuple[Finding, ...]
    covered: Coverage
    not_covered: tuple[str, ...]
    accepted_bounds: tuple[str, ...] = ()
    cached: str = ""

    @property
    def is_timed(self) -> bool:
        """Whether seconds or an interrupt had a part in it, so that another run may say more."""
        return any(level.is_timed for level in self.levels)

    @property
    def is_interrupted(self) -> bool:
        """Whether somebody ended it before its end."""
        return any(INTERRUPTED in level.why for level in self.levels)
