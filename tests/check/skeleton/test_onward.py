"""What skeletons say of a migration holds of all that a search sees of it: on random pairs of apps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import pytest

from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System
from lathe.check.search import regions
from lathe.check.search.graph import Limits
from lathe.check.search.regions import Skeleton, make_skeleton
from lathe.check.skeleton import onward as module
from lathe.check.skeleton.onward import onward
from lathe.check.skeleton.settle import Settled
from lathe.check.widening.wider import joined
from lathe.machine.migrate import NO_PLACE

from ..test_migrated import pair_of, searched

SEEDS = 60
BATCH = 30
LIMITS = Limits(20_000, 1.0, lambda: 0.0)


class Asked:
    """Stands where the skeleton of the new version is settled, and keeps where that would begin."""

    def __init__(self) -> None:
        self.system: System | None = None
        self.made: Skeleton | None = None
        self.begun: frozenset[int] = frozenset()

    def __call__(
        self, system: System, limits: Limits, *, begun: Callable[[Skeleton], Iterable[int]]
    ) -> Settled:
        self.system, self.made = system, make_skeleton(system)
        self.begun = frozenset(begun(self.made))
        return Settled(None, (), (), (), frozenset(), frozenset(), goes_round=False)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_image_that_a_search_sees_is_one_that_the_skeleton_begins_in(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every number that has more than two values known by its region alone."""
    monkeypatch.setattr(regions, "WIDE", 2)
    met: Counter[str] = Counter()
    for seed in range(first, first + BATCH):
        pair, count = pair_of(seed)
        try:
            swap, images = searched(pair, count)
        except TooLargeError:
            continue
        asked = Asked()
        monkeypatch.setattr(module, "settle", asked)
        instances = dict(swap.old.system.layout.domains.instances)
        try:
            found = onward(pair, instances, LIMITS)
        except TooLargeError as error:
            met[str(error)] += 1
            continue
        if found is None or asked.made is None or asked.system is None:
            met["too large"] += 1
            continue
        homeless = {(m.kind, m.blueprint, m.name) for m in found.homeless}
        for wrong, slot, _ in images.homeless:
            if slot and wrong.kind in NO_PLACE:
                met["homeless"] += 1
                assert (wrong.kind, wrong.blueprint, wrong.name) in homeless, f"seed {seed}: {wrong}"
        met["wide"] += bool(asked.made.starts)
        layout = asked.system.layout
        for start in images.starts:
            met["images"] += 1
            state = asked.made.state(layout.variables, joined(images.system.layout, layout, start))
            assert state in asked.begun, f"seed {seed}: an image is none that the skeleton begins in"
    assert met["wide"] >= 5, met
    assert met["images"] >= 100, met
    assert met["homeless"] >= 5, met
