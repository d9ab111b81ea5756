"""Symmetry: an exchanged state takes the exchanged steps, and what could tell things apart spoils it."""

from __future__ import annotations

from random import Random
from time import process_time

import pytest

from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, make_system
from lathe.check.search import plain as packed
from lathe.check.search.graph import Limits
from lathe.check.search.plain import search
from lathe.check.search.symmetry import Symmetry, after, exchanged, find_symmetry, inverse
from lathe.check.search.watch import watches
from lathe.lang.model import App
from lathe.testing import strategies

from ..support import app_of, several
from .exchanging import exchanges, orbit

MOST = 600
LARGEST_GROUP = 150
SEEDS = 90
BATCH = 30


class Stepper:
    """Where states lead, and which faults and step checks are met there."""

    def __init__(self, system: System) -> None:
        self.noted = watches(system)
        self.look = packed._compile(packed._successors(system, self.noted), "successors")

    def __call__(self, state: int) -> tuple[set[int], set[str]]:
        found: list[int] = []
        hits: dict[int, int] = {}
        self.look(state, found.append, [].append, bytearray(b"\1" * len(self.noted)), hits)
        return set(found), {self.noted[n].code for n in hits}


def compare(app: App, instances: int, dice: Random) -> bool:
    """Exchanged states have exchanged successors; tells whether there was something to exchange."""
    system = make_system(app, dict.fromkeys(app.blueprints, instances))
    symmetry = find_symmetry(system)
    group = exchanges(symmetry, LARGEST_GROUP)
    if symmetry.is_trivial or group is None:
        return False
    steps_from = Stepper(system)
    graph = search(system, Limits(MOST, process_time() + 10, process_time))
    for state in dice.sample(graph.states, min(len(graph.states), 6)):
        exchange, then = dice.choice(group), dice.choice(group)
        other = exchanged(system.layout, state, exchange)
        here, hits = steps_from(state)
        there, other_hits = steps_from(other)
        assert {orbit(system.layout, group, s) for s in here} == {
            orbit(system.layout, group, s) for s in there
        }
        assert hits == other_hits
        assert exchanged(system.layout, other, inverse(exchange)) == state
        both = after(then, exchange)
        assert exchanged(system.layout, state, both) == exchanged(system.layout, other, then)
    return True


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_an_exchanged_state_takes_the_exchanged_steps(first: int) -> None:
    tried = 0
    for seed in range(first, first + BATCH):
        try:
            tried += compare(strategies.app_of_seed(seed), 1 + seed % 3, Random(seed))
        except TooLargeError:
            continue
        except AssertionError as error:
            raise AssertionError(f"in the app of seed {seed}") from error
    assert tried > BATCH // 4, "random apps have something to exchange"


JOB = """
[state]
open = { initial = true }
done = { final = true }
[field]
owner = { type = "id" }
[action]
create = { by = ["role:clerk"], do = ["owner = actor"] }
close = { from = "open", to = "done", by = ["role:clerk"], when = "owner == actor" }
"""


def found(text: str, instances: int) -> Symmetry:
    return find_symmetry(make_system(app_of(text), {"Job": instances}))


def test_instances_and_principals_can_be_exchanged() -> None:
    symmetry = found(several(Job=JOB), 3)
    assert symmetry.blueprints == ("Job",)
    assert len(symmetry.ids) > 1


def test_a_principal_that_is_named_stays() -> None:
    named = JOB.replace("owner == actor", "owner == actor or owner == 'p1'")
    assert found(several(Job=named), 2).ids == ()


def test_one_instance_of_each_is_nothing_to_exchange() -> None:
    plain = JOB.replace(', when = "owner == actor"', "").replace(', do = ["owner = actor"]', "")
    assert found(several(Job=plain), 1).is_trivial


NAMING = """
forbid (principal, action == Action::"Job.close", resource)
when { principal == Principal::"alice" };
"""


def test_a_principal_that_a_policy_names_stays_and_the_others_do_not() -> None:
    text = f"{several(Job=JOB)}\n# --- who.cedar\n{NAMING}"
    system = make_system(app_of(text), {"Job": 2})
    named = system.layout.domains.principals.index("alice") + 1
    symmetry = find_symmetry(system)
    assert named not in symmetry.ids
    assert len(symmetry.ids) == len(system.layout.domains.principals) - 1
