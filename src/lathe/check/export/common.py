"""What every export needs: names that another language takes, ground commands, what must never be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from lathe.check.bounds import require
from lathe.check.composed import ir
from lathe.check.composed.command import Command, Param
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Layout, Variable
from lathe.check.composed.system import System, violation
from lathe.check.judge.suspects import invariants
from lathe.check.search.watch import watches
from lathe.frozen import frozen
from lathe.lang import digest

MOST_OPTIONS = 20_000
"""Commands of an export, each choice of parameters spelled out."""

_WORDS = """beat vars system last p true false skip timeout else end accept progress init never trace
notrace active proctype inline typedef mtype chan bit bool byte short int unsigned pid hidden show local
xs xr if fi do od for in of goto break atomic d_step unless assert printf run len empty nempty full nfull
enabled pc_value eval provided priority np_ ltl assume select return"""

RESERVED = frozenset(_WORDS.split())
"""Words that a ghost of an app may not be called by in an export: ours, and those of the languages."""


@frozen
class Never:
    """A condition that no state may meet, and what is said of it."""

    name: str
    condition: Formula


def names(layout: Layout) -> dict[int, str]:
    """A name for each variable that has more than one value, by its index: the author's own, made fit."""
    found: dict[int, str] = {}
    taken: set[str] = set(RESERVED)
    for variable in layout.variables:
        if variable.width:
            name = re.sub(r"\W+", "_", variable.name.replace("#", "")).strip("_")
            while name in taken or not re.match(r"[A-Za-z]", name):
                name = f"v_{name}"
            taken.add(name)
            found[variable.index] = name
    return found


def needs_state(command: Command) -> Formula:
    """That the slot of a command is in the state that it needs."""
    state = command.label.slot.state.formula
    if command.state is None:
        return ir.no(ir.eq(state, ir.FALSE))
    return ir.eq(state, ir.const(command.state))


def choices(params: tuple[Param, ...], *formulas: Formula) -> Iterator[dict[str, int]]:
    """Every choice of the parameters that some formulas read, by value."""
    read = ir.parameters(*formulas)
    used = [p for p in params if p.name in read]
    values = [[code + _low(p) for code in p.codes] for p in used]
    for picked in product(*values):
        yield dict(zip((p.name for p in used), picked, strict=True))


def _low(param: Param) -> int:
    return param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0


def nevers(system: System) -> Iterator[Never]:
    """Everything that our search looks out for, as conditions of states: invariants, faults, step checks."""
    count = 0
    for prop, context in invariants(system):
        where = f" of {context.slot.name}" if context.slot else ""
        yield Never(f"invariant {prop.name}{where}", violation(prop, context))
    for watch in watches(system):
        here = ir.both(needs_state(watch.command), watch.condition)
        for picked in choices(watch.command.params, here):
            count += 1
            require(count, MOST_OPTIONS, "an export")
            wrong = ir.chosen(here, picked)
            if wrong != ir.FALSE:
                yield Never(f"{watch.code} {told(watch.command)}", wrong)


def told(command: Command) -> str:
    """What a command stands for, in a few words."""
    label = command.label
    parts = [label.event, label.slot.name, label.effect, label.deadline, label.action]
    end = {True: "well", False: "badly", None: ""}[label.is_ok]
    return " ".join([*(p for p in parts if p), end]).strip()


def header(system: System, comment: str) -> list[str]:
    """What the export is of."""
    layout = system.layout
    scope = ", ".join(f"{count} {name}" for name, count in sorted(layout.domains.instances.items()))
    people = len(layout.domains.principals)
    return [
        f"{comment} {layout.app.name}: {scope}, {people} principal{'s' * (people != 1)}",
        f"{comment} of the app with the digest {digest(layout.app)}",
    ]


def state_names(variable: Variable) -> str:
    """The codes of a control state, for a comment."""
    members = ["nobody there", *variable.kind.members]
    return ", ".join(f"{code} {name}" for code, name in enumerate(members))
