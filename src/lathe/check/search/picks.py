"""What can be picked for the parameters of one command in one state, and where that leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lathe.check.composed import ir
from lathe.check.composed.command import Command
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Layout
from lathe.check.search.plain import read_text, successor_text

Picked = Mapping[str, int]
"""The codes of a command's parameters."""


def picks(layout: Layout, command: Command, condition: Formula, packed: int) -> Iterator[tuple[Picked, int]]:
    """Every choice of parameters under which `condition` holds, with the state that it leads to."""
    variables = ir.variables(condition, *command.updates.values())
    lines = ["def look(s):"]
    lines += [" " + read_text(layout.variables[i]) for i in sorted(variables)]
    indent = " "
    for param in command.params:
        low = param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0
        lines.append(f"{indent}for p_{param.name} in ({', '.join(str(c + low) for c in param.codes)},):")
        indent += " "
    lines.append(f"{indent}if {ir.source(condition)}:")
    values = "".join(f"p_{p.name}, " for p in command.params)
    lines.append(f"{indent} yield ({values}), {successor_text(layout, command)}")
    scope: dict[str, object] = {}
    exec(compile("\n".join(lines), "<picks>", "exec"), scope)
    look = scope["look"]
    assert callable(look), "a function was just defined"
    for values_picked, reached in look(packed):
        picked = {}
        for param, value in zip(command.params, values_picked, strict=True):
            low = param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0
            picked[param.name] = value - low
        yield picked, reached
