"""The order from end to end: joint steps, calls, creations and effects, in company of every single fault."""

from __future__ import annotations

from collections import Counter

import pytest

from lathe.sim.menu import FAULTS, MIXES, Menu
from lathe.sim.run import Outcome, setting_of, simulate

from .test_worlds import prepared

REACHED = {
    ("Order", "opened"), ("Order", "pay"), ("Order", "parcel"), ("Order", "cancel"), ("Order", "handed_over"),
    ("Order", "arrived"), ("Payment", "capture"), ("Payment", "refund"), ("Payment", "refund_done"),
    ("Shipment", "hand_over"), ("Shipment", "deliver"), ("Shipment", "recall"),
}  # fmt: skip


def alone(fault: str, seed: int) -> Outcome:
    """A seed of chaos that enables this fault, with the others left out."""
    enabled = next(s for s in range(seed, seed + 1_000) if fault in Menu(s, "chaos").enabled)
    without = frozenset(FAULTS) - {fault}
    return simulate(prepared("order"), setting_of(enabled, "chaos", without=without))


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_goes_wrong_for_one_fault(fault: str) -> None:
    for seed in (0, 100):
        found = alone(fault, seed)
        assert found.violation is None, (found.setting.seed, found.violation.said)
        assert set(found.faults) <= {fault}


def test_orders_come_to_every_end() -> None:
    taken: Counter[tuple[str, str]] = Counter()
    for seed in range(24):
        found = simulate(prepared("order"), setting_of(seed, MIXES[seed % 2]))
        assert found.violation is None, (seed, found.violation.said)
        taken.update(found.taken)
    assert REACHED - taken.keys() == set()


def test_every_fault_strikes() -> None:
    struck: Counter[str] = Counter()
    for name in ("order", "rollout"):
        for seed in range(24):
            struck.update(simulate(prepared(name), setting_of(seed, "chaos")).faults)
    assert set(FAULTS) - struck.keys() == set()
