"""The semantics as TLA+: a module that a TLA+ grammar takes, with all our events, expressions and bounds."""

from __future__ import annotations

import re
import typing
import warnings
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_tlaplus

from lathe.check.composed.system import make_system
from lathe.check.export import tla
from lathe.check.search.scope import scopes
from lathe.lang import expr, read_app
from lathe.lang.adapters import REFUSED
from lathe.machine.limits import MAX_JOINT_DEPTH
from lathe.machine.snapshot import Phase

from .test_conformance import KINDS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "reference" / "semantics.md").read_text(encoding="utf-8")


def module() -> str:
    found = re.search(r"^```tla\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def faults(text: str) -> list[str]:
    """Where the grammar does not follow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the grammar is handed over as a number
        grammar = tree_sitter.Language(tree_sitter_tlaplus.language())
    waiting = [tree_sitter.Parser(grammar).parse(text.encode()).root_node]
    found = []
    while waiting:
        node = waiting.pop()
        if node.type == "ERROR" or node.is_missing:
            found.append(f"{node.start_point.row + 1}: {text.splitlines()[node.start_point.row]}")
        waiting.extend(child for child in node.children if child.has_error or child.is_missing)
    return found


def test_the_module_is_tla() -> None:
    assert faults(module()) == []


def test_what_is_no_tla_is_told() -> None:
    assert faults(module().replace("Next ==", "Next = =")) != []


@pytest.mark.parametrize("app", ["rollout", "order", "approval", "protocols/two_phase_commit"])
def test_exports_are_tla(app: str) -> None:
    files = {path.name: path.read_bytes() for path in (ROOT / "examples" / app).glob("*.toml")}
    read = read_app(files).app
    assert read is not None
    assert faults(tla(make_system(read, scopes(read)[0])).partition("\nCONFIG\n")[0]) == []


def test_every_event_has_its_rule() -> None:
    rules = set(re.findall(r'ev\.event = "(\w+)"', module()))
    assert set(KINDS) <= rules


def test_every_phase_is_spoken_of() -> None:
    assert {phase for phase in typing.get_args(Phase) if f'"{phase}"' not in module()} == set()


def test_every_expression_has_a_value() -> None:
    said = set(re.findall(r'"([^"\s]+)"', module().partition("Eval(x, f) ==")[2].partition("Frame(w")[0]))
    literals = (expr.ReadScope, expr.SpecialName, expr.CompareOp, expr.ArithmeticOp)
    wanted = {word for literal in literals for word in typing.get_args(literal)}
    wanted |= {
        "literal",
        "follow",
        "not",
        "negate",
        "and",
        "or",
        "if",
        "members",
        "population",
        "set+",
        "set-",
    }
    wanted |= {"time+", "len", "min", "max", "abs", "all", "any", "sum"}
    assert wanted - said == set()


def test_bounds_and_texts_are_ours() -> None:
    assert f"t.depth > {MAX_JOINT_DEPTH}" in module()
    assert f'WasRefused == Bad("refused", "{REFUSED}")' in module()
