"""Notices wait for nothing: they may be under way beside an effect of the same entity."""

from __future__ import annotations

import pytest

from lathe.sim.menu import MIXES, Mix
from lathe.sim.prepared import prepare
from lathe.sim.run import setting_of, simulate

BELL = b"""
blueprint = "Bell"

[state]
still = { initial = true, waits = "somebody rings it" }
ringing = { run = "ring" }

[action]
create = { by = "any" }
pull = { from = "still", to = "ringing", by = "any", run = "announce" }
rung = { from = "ringing", to = "still" }

[effect.ring]
uses = "http"
with = { method = "PUT", url = "https://bell.example/{id}" }
ok = "rung"
error = "rung"

[effect.announce]
uses = "emit"
with = { type = "bell.rings" }
"""


@pytest.mark.parametrize("mix", MIXES)
def test_an_effect_that_begins_while_a_notice_is_sent_is_no_fault(mix: Mix) -> None:
    prepared = prepare({"bell.blueprint.toml": BELL})
    for seed in range(4):
        outcome = simulate(prepared, setting_of(seed, mix))
        assert outcome.violation is None, (seed, outcome.violation.said)
