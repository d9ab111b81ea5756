"""What ends in simulated worlds: the accounts by which it is judged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from lathe.machine.event import Act
from lathe.sim.erasure import Erased
from lathe.sim.expiring_tokens import Pass, Passes
from lathe.sim.loop import EPOCH_MS
from lathe.sim.oracle import Taken
from lathe.sim.run import setting_of, simulate
from lathe.store.records import Entry

from .test_worlds import prepared


@dataclass
class Told:
    """What a judge was told, and the time by which it judges."""

    now_ms: int = EPOCH_MS
    causes: list[str] = field(default_factory=list)

    def fail(self, cause: str, said: str) -> None:
        self.causes.append(cause)


ENDS_MS = EPOCH_MS + 10_000


@pytest.mark.parametrize(
    ("slack_ms", "at_ms", "is_known", "causes"),
    [
        (0, ENDS_MS - 1, True, []),
        (0, ENDS_MS, True, ["token"]),
        (0, ENDS_MS, False, []),
        (0, ENDS_MS - 1, False, ["token"]),
        (2_000, ENDS_MS + 1_999, True, []),
        (2_000, ENDS_MS + 2_000, True, ["token"]),
        (2_000, ENDS_MS - 2_000, False, []),
        (2_000, ENDS_MS - 2_001, False, ["token"]),
    ],
)
def test_a_token_counts_until_its_end_by_clocks_that_may_be_off(
    slack_ms: int, at_ms: int, is_known: bool, causes: list[str]
) -> None:
    told, shown = Told(at_ms), Pass("lathe_t1_x", ENDS_MS)
    passes = Passes(told.fail, lambda: told.now_ms, slack_ms=slack_ms)
    passes.gives("ann", shown)
    if is_known:
        passes.counted(passes.of("ann"), at_ms)
    else:
        passes.over("ann", shown)
    assert told.causes == causes
    assert (passes.of("ann") is None) is not is_known


def entry(entity: str, revision: int, payload: bytes | None) -> Entry:
    return Entry(
        "main", "app", "Job", entity, revision, revision, 1, "open", "act", "go", "", (), (), "", 1,
        f"{entity}.{revision}", EPOCH_MS, payload, b"", b"", b"",
    )  # fmt: skip


def test_all_of_a_journal_that_was_erased_is_gone_and_nothing_else() -> None:
    erased = Erased()
    assert not erased
    erased.erases("Job#1", 2)
    gone, later, other = entry("Job#1", 2, None), entry("Job#1", 3, b"{}"), entry("Job#2", 1, b"{}")
    assert erased
    assert erased.wrong([entry("Job#1", 1, None), gone, later, other]) == ""
    assert "was erased, and is told" in erased.wrong([replace(gone, payload=b"{}")])
    assert "was not erased" in erased.wrong([replace(later, payload=None)])
    assert "was not erased" in erased.wrong([replace(other, payload=None)])


def test_what_ends_ends_in_worlds_and_lets_pass_before_it_does() -> None:
    """Decisions are used, tokens are over, journals are erased: none of it stands in the menu alone."""
    used, struck = 0, Counter[str]()
    for seed in range(0, 60, 4):
        outcome = simulate(prepared("lease_queue"), setting_of(seed, "chaos"))
        assert outcome.violation is None, (seed, outcome.violation.said)
        struck.update(outcome.faults)
        used += sum(
            isinstance(one, Taken) and isinstance(one.event, Act) and one.event.by.roles == frozenset()
            for one in outcome.history
        )
    assert used
    assert all(struck[name] for name in ("approve", "ends", "erase"))
