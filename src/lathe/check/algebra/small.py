"""Conditions that read little: tried with every value there is, where that is quicker than a solver.

Nothing is assumed of the values but their ranges, so what never holds here never holds at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

from lathe.check.composed import ir
from lathe.check.composed.command import Command, Param
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Layout
from lathe.check.search.plain import function_of

MOST_VALUES = 4_096
"""As many combinations are tried: some milliseconds."""


def never_holds(layout: Layout, command: Command, condition: Formula) -> bool:
    """Whether a condition is false for all values that it reads; False too if they are too many to try."""
    variables = sorted(ir.variables(condition))
    names = ir.parameters(condition)
    params = [p for p in command.params if p.name in names]
    if any(p.sampled and p.kind.kind == "set" for p in params):
        return False
    ranges: list[Sequence[int]] = [range(layout.variables[i].size) for i in variables]
    ranges += [_values(p) for p in params]
    if prod(map(len, ranges)) > MOST_VALUES:
        return False
    holds = function_of(condition, variables, [p.name for p in params])
    return not any(holds(*values) for values in product(*ranges))


def _values(param: Param) -> Sequence[int]:
    """What a parameter may be, also where the search takes a sample."""
    low = param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0
    if param.sampled:
        return range(min(param.codes) + low, max(param.codes) + low + 1)
    return [code + low for code in param.codes]
