"""What policies decide is the same, whether states stand in a list or in columns."""

from __future__ import annotations

from pathlib import Path
from time import process_time

from lathe.check.arrays.tier import search_arrays
from lathe.check.composed.policies import policed
from lathe.check.composed.system import make_system
from lathe.check.judge.decisions import decided
from lathe.check.search.dead_variables import find_dead, without_dead
from lathe.check.search.graph import Limits
from lathe.check.search.plain import search
from lathe.check.search.watch import watches
from lathe.lang.resolve import read_app

EXPENSE = Path(__file__).parents[3] / "examples" / "expense"


def test_policies_are_judged_alike_on_arrays_with_what_is_dead_cleared_and_what_is_alike_exchanged() -> None:
    files = {p.name: p.read_bytes() for p in [*EXPENSE.glob("*.toml"), *EXPENSE.glob("*.cedar")]}
    app = read_app(files).app
    assert app is not None
    system = make_system(app, {"Expense": 1})
    limits = Limits(1_000_000, process_time() + 60, process_time)
    plain = decided(system, search(system, limits))
    reduced = without_dead(system, find_dead(system))
    graph = search_arrays(reduced, watches(reduced), limits, system.initial)
    assert graph is not None
    found = decided(reduced, graph)
    assert found.needed == plain.needed == {p.id for p in policed(app).policies}
    assert (found.allowed, found.roles, found.open) == (plain.allowed, plain.roles, plain.open)
    assert found.counts.keys() == plain.counts.keys()
