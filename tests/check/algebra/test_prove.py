"""What is proved is so: nothing that a search refutes, and what the examples rest on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from time import process_time

import cvc5
import pytest

from lathe.check.algebra import small
from lathe.check.algebra.images import Start
from lathe.check.algebra.level import Proved, prove_app
from lathe.check.algebra.prove import prove
from lathe.check.algebra.terms import constant
from lathe.check.bounds import TooLargeError
from lathe.check.composed import ir
from lathe.check.composed.system import make_system
from lathe.check.judge.suspects import met, violated
from lathe.check.search.graph import Limits
from lathe.check.search.plain import search
from lathe.gate.proofs import obligations
from lathe.lang.model import App
from lathe.lang.resolve import read_app
from lathe.testing import strategies

from ...support import app_of
from ..policing import with_policies

EXAMPLES = Path(__file__).parents[3] / "examples"


def files_of(folder: Path) -> dict[str, bytes]:
    found = [*folder.glob("*.toml"), *folder.glob("*.cedar")]
    return {p.name: p.read_bytes() for p in found if p.name != "expect.toml"}


SEEDS = 40
BATCH = 10


def proved(app: App, seconds: float = 5) -> Proved:
    found = prove_app(app, None, process_time, seconds)
    assert found is not None
    return found


def refuted(app: App, instances: int) -> list[str]:
    """What was proved of an app, and can happen in its first states."""
    try:
        found = prove_app(app, None, process_time, 1)
        system = make_system(app, dict.fromkeys(app.blueprints, instances))
    except TooLargeError:
        return []
    graph = search(system, Limits(2_000, process_time() + 10, process_time))
    spans = found.proofs.proved if found else frozenset()
    wrong = [v.prop.name for v in violated(system, graph) if v.prop.span in spans]
    for fault in met(system, graph):
        if fault.watch.is_fault:
            place = fault.watch.command.faults[int(fault.watch.subject)].span
            wrong += [f"{fault.watch.code} at {place}"] if place in spans else []
    return wrong


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_nothing_is_proved_of_a_random_app_that_can_happen(first: int) -> None:
    for seed in range(first, first + BATCH):
        assert refuted(strategies.app_of_seed(seed), 1 + seed % 2) == [], f"seed {seed}"


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_nothing_is_proved_with_random_policies_that_can_happen(first: int) -> None:
    for seed in range(first, first + BATCH):
        app = with_policies(strategies.app_of_seed(seed), seed)
        assert refuted(app, 1 + seed % 2) == [], f"seed {seed}"


def test_the_wallet_is_proved_for_any_number_of_wallets() -> None:
    app = read_app(files_of(EXAMPLES / "wallet")).app
    assert app is not None
    found = proved(app)
    assert found.instances == {}
    assert found.proofs.open == frozenset()


def test_the_leases_are_proved() -> None:
    app = read_app(files_of(EXAMPLES / "lease_queue")).app
    assert app is not None
    assert found_names(proved(app, 10)) >= {"three_times_at_most", "leased_to_somebody", "free_is_free"}


def found_names(found: Proved) -> set[str]:
    return {name.partition(".")[2] for name in found.proofs.properties}


def test_a_bound_that_is_off_by_one_is_not_proved() -> None:
    app = app_of(COUNTER.replace("count < 90", "count <= 90"))
    assert not found_names(proved(app))
    assert found_names(proved(app_of(COUNTER))) == {"at_most_ninety"}


COUNTER = """
blueprint = "Counter"
[state]
open = { initial = true, waits = "somebody counts" }
done = { final = true }
[field]
count = { type = "int", range = [0, 1000], default = 0 }
[action]
create = { by = "any" }
add = { from = "open", by = "any", when = "count < 90", do = ["count += 1"] }
close = { from = "open", to = "done", by = "any" }
[invariant]
at_most_ninety = "count <= 90"
"""


SWAPPED = """
blueprint = "Pair"
[state]
open = { initial = true, waits = "somebody turns it" }
done = { final = true }
[field]
x = { type = "int", range = [0, 1000], default = 1 }
y = { type = "int", range = [0, 1000], default = 3 }
[action]
create = { by = "any" }
turn = { from = "open", by = "any", when = "x < 900 and y < 900", do = ["x = y", "y = x + 2"] }
close = { from = "open", to = "done", by = "any" }
[invariant]
odd = "x % 2 == 1"
"""


def test_what_the_step_before_rules_out_is_proved_by_two_steps() -> None:
    found = proved(app_of(SWAPPED))
    assert found.proofs.unrolled == ("Pair#1.odd",)
    assert found.proofs.spacer == ()
    assert found_names(found) == {"odd"}


@pytest.mark.parametrize("wrong", [("y = x + 2", "y = x + 1"), ("default = 3", "default = 4")], ids=str)
def test_a_run_of_few_steps_that_breaks_it_is_not_proved_away(wrong: tuple[str, str]) -> None:
    found = proved(app_of(SWAPPED.replace(*wrong)))
    assert found_names(found) == set()


def test_another_solver_agrees_with_what_two_steps_prove() -> None:
    written = obligations({"pair.blueprint.toml": SWAPPED.encode()}, 20)
    assert json.loads(written["index.json"])["by_k_induction"] == ["Pair#1.odd"]
    answers = rechecked(written)
    steps = {name.split("-", 1)[1] for name in answers}
    assert {"first-0-Pair1.odd.smt2", "first-1-Pair1.odd.smt2", "after-2-Pair1.odd.smt2"} <= steps
    assert set(answers.values()) == {"unsat"}


def rechecked(written: Mapping[str, bytes]) -> dict[str, str]:
    """What cvc5 says of each obligation."""
    answers = {}
    for name, content in written.items():
        if name.endswith(".smt2"):
            solver = cvc5.Solver()
            solver.setOption("tlimit-per", "20000")
            parser = cvc5.InputParser(solver)
            parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, content.decode(), name)
            symbols = parser.getSymbolManager()
            said = ""
            while not (command := parser.nextCommand()).isNull():
                said += str(command.invoke(solver, symbols))
            answers[name] = said.strip()
    return answers


@pytest.mark.parametrize("name", ["rollout", "approval", "lease_queue", "wallet"])
def test_another_solver_agrees_with_every_proof(name: str) -> None:
    answers = rechecked(obligations(files_of(EXAMPLES / name), 20))
    assert answers
    assert set(answers.values()) == {"unsat"}


def test_what_reads_little_is_tried_with_every_value() -> None:
    app = app_of(COUNTER)
    system = make_system(app, {"Counter": 1})
    layout = system.layout
    add = next(c for c in system.commands if c.label.action == "add")
    count = next(v for v in layout.variables if v.name.endswith(".count"))
    state = layout.slots[0].state
    beyond = ir.le(ir.const(count.size), count.formula)
    assert small.never_holds(layout, add, beyond)
    assert small.never_holds(
        layout, add, ir.both(ir.eq(state.formula, ir.const(1)), ir.eq(state.formula, ir.const(2)))
    )
    assert not small.never_holds(layout, add, ir.eq(count.formula, ir.const(count.size - 1)))
    assert count.size <= small.MOST_VALUES < count.size * count.size


def test_what_reads_too_much_is_left_to_the_solver() -> None:
    system = make_system(app_of(SWAPPED), {"Pair": 1})
    x, y = (next(v for v in system.layout.variables if v.name.endswith(f".{n}")) for n in "xy")
    both = ir.both(ir.eq(x.formula, ir.const(5)), ir.eq(y.formula, ir.const(5)), ir.FALSE)
    assert small.never_holds(system.layout, system.commands[0], both)
    apart = ir.both(
        ir.le(x.formula, y.formula), ir.le(y.formula, x.formula), ir.no(ir.eq(x.formula, y.formula))
    )
    assert not small.never_holds(system.layout, system.commands[0], apart)


def test_where_it_may_begin_elsewhere_too_no_unrolling_counts() -> None:
    system = make_system(app_of(SWAPPED), {"Pair": 1}, whole=True)
    elsewhere = Start((), {v.index: constant(v, ".old") for v in system.layout.variables}, ())
    elsewhere_found = prove(system, (), process_time, process_time() + 20, begun=elsewhere)
    assert elsewhere_found.properties == elsewhere_found.unrolled == ()
    assert prove(system, (), process_time, process_time() + 20).unrolled == ("Pair#1.odd",)
