"""With policies too, the packed search takes exactly the steps of the machine, which asks Cedar itself."""

from __future__ import annotations

import pytest

from lathe.check.bounds import TooLargeError
from lathe.check.composed.policies import policed
from lathe.testing import strategies

from .comparing import differences
from .policing import with_policies

SEEDS = 160
BATCH = 20


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_search_and_machine_decide_alike_by_random_policies(first: int) -> None:
    compared = 0
    for seed in range(first, first + BATCH):
        app = with_policies(strategies.app_of_seed(seed), seed)
        try:
            found = differences(app, 1 + seed % 2, states=100, sample=5)
        except TooLargeError:
            continue
        told = "\n".join(app.policies.values())
        assert found == [], f"in the app of seed {seed}, with the policies\n{told}"
        compared += bool(policed(app).policies)
    assert compared > BATCH // 3
