"""What expressions mean where values are unset, sets are empty, or ints leave their ranges."""

from __future__ import annotations

import pytest
from tests.support import app_of

from lathe.machine.evaluate import EvaluationError, Frame, evaluate, holds
from lathe.machine.lower import lower
from lathe.machine.snapshot import Entity, MemoryWorld, Value

HEAD = """
blueprint = "Thing"

[state]
open = { initial = true, waits = "x" }

[field]
n = { type = "int", range = [-9, 9], default = 7 }
zero = { type = "int", range = [0, 1], default = 0 }
yes = { type = "bool", default = true }
a = { type = "text", max = 9 }
b = { type = "text", max = 9 }
who = { type = "id" }
other = { type = "ref", to = "Thing" }
due = { type = "time" }
tags = { type = "set", of = { type = "enum", of = ["red", "blue"] }, max = 2 }
folk = { type = "set", of = { type = "id" }, max = 2 }

[action]
create = { by = "role:clerk" }

[invariant]
"""
UNSET: dict[str, Value] = {
    "n": 7, "zero": 0, "yes": True, "a": None, "b": None, "who": None, "other": None, "due": None,
    "tags": frozenset({"red"}), "folk": frozenset(),
}  # fmt: skip


def value_of(text: str) -> Value | str:
    """What an expression means, by both readings; the reason why it has no value."""
    tree = app_of(HEAD + f'p = "{text}"').blueprints["Thing"].properties["p"].that.tree
    me = Entity("Thing#1", "Thing", "open", UNSET)
    frame = Frame(MemoryWorld({"Thing#1": me}), me, UNSET)
    found: list[Value | str] = []
    for reading in (lambda: evaluate(tree, frame), lambda: lower(tree)(frame, UNSET, {})):
        try:
            found.append(reading())
        except EvaluationError as error:
            found.append(error.reason)
    assert found[0] == found[1], text
    assert holds(tree, frame) is (found[0] is True)
    return found[0]


@pytest.mark.parametrize("text", [
    "a is None", "a == None", "a == b", "a != 'x'", "not a == 'x'", "who is None", "due is None",
    "other is None", "other.state is None", "other.n is None", "other.who == who", "other == None",
    "a not in ('x', 'y')", "who not in folk", "not a in ('x',)", "len(other.tags) == 0",
])  # fmt: skip
def test_unset_values_compare_as_unset(text: str) -> None:
    assert value_of(text) is True


@pytest.mark.parametrize("text", [
    "a in ('x', 'y')", "who in folk", "other.n < 3", "other.n >= 3", "other.n <= n", "a == 'x'",
    "other.state == 'open'", "other.yes or zero == 1", "other.n in (1, 2)", "'red' in other.tags",
])  # fmt: skip
def test_any_other_comparison_with_an_unset_value_is_false(text: str) -> None:
    assert value_of(text) is False


@pytest.mark.parametrize("text", [
    "other.n + 1 > 0", "-other.n < 5", "abs(other.n) == 1", "max(other.n, 1) == 1", "n * other.n == 0",
    "sum(other.n for t in tags) == 0", "yes and other.n + 1 > 0", "n < 0 or other.n + 1 > 0",
])  # fmt: skip
def test_arithmetic_with_an_unset_value_has_no_value(text: str) -> None:
    assert value_of(text) == "unset"


@pytest.mark.parametrize("text", [
    "other is None or other.n + 1 > 0", "not (other is not None and other.n + 1 > 0)",
    "yes or n // zero == 0",
    "(1 if yes else n // zero) == 1",
])  # fmt: skip
def test_what_is_decided_is_not_read_further(text: str) -> None:
    assert value_of(text) is True


@pytest.mark.parametrize("text", ["n // zero == 0", "n % zero == 0", "yes and n // zero == 0"])
def test_division_by_zero_has_no_value(text: str) -> None:
    assert value_of(text) == "zero"


@pytest.mark.parametrize("text", [
    "n // 2 == 3", "-n // 2 == -4", "n % 4 == 3", "-n % 4 == 1", "n % -4 == -1",
    "n * 1000000000000 * 1000000 > n",
    "min(n, 3, 5) == 3", "max(n, 8) == 8", "abs(-n) == 7", "-n < 0", "1 < n < 9", "not 1 < n < 5",
])  # fmt: skip
def test_ints_are_exact_and_division_floors(text: str) -> None:
    assert value_of(text) is True


@pytest.mark.parametrize("text", [
    "len(tags) == 1", "'red' in tags", "'blue' not in tags", "all(t == 'red' for t in tags)",
    "any(t == 'red' for t in tags)", "sum(2 for t in tags) == 2", "all(f == who for f in folk)",
    "not any(f == who for f in folk)", "sum(1 for f in folk) == 0", "n in (1, 7)", "n not in {1, 2}",
    "sum(1 for t in tags for u in tags if t == u) == 1", "state == 'open'", "self == self", "id == 'Thing#1'",
    "state in ('open',)", "len(folk) == 0",
])  # fmt: skip
def test_sets_and_comprehensions(text: str) -> None:
    assert value_of(text) is True


@pytest.mark.parametrize("text", [
    "any(n // zero == 0 or t == 'red' for t in tags)",
    "any(t == 'red' or n // zero == 0 for t in tags) and all(n // zero == 0 for t in tags)",
])  # fmt: skip
def test_comprehensions_look_at_every_element(text: str) -> None:
    assert value_of(text) == "zero"


def test_all_and_any_do_not_stop_between_elements() -> None:
    both: dict[str, Value] = {**UNSET, "tags": frozenset({"red", "blue"})}
    text = "any(n // (zero + (0 if t == 'red' else 1)) == 7 for t in tags)"
    tree = app_of(HEAD + f'p = "{text}"').blueprints["Thing"].properties["p"].that.tree
    me = Entity("Thing#1", "Thing", "open", both)
    frame = Frame(MemoryWorld({"Thing#1": me}), me, both)
    for reading in (lambda: evaluate(tree, frame), lambda: lower(tree)(frame, both, {})):
        with pytest.raises(EvaluationError):
            reading()
