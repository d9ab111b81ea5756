"""The system as a Promela model for SPIN: one process that takes one command after another.

Every command is one `d_step`, so SPIN stores the states that our search stores and no others. What must
never be is an assertion that is offered wherever it fails.

    lathe show APP --as promela > app.pml
    spin -a app.pml && cc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m1000000 -E
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lathe.check import ir
from lathe.check.bounds import require
from lathe.check.export.common import (
    MOST_OPTIONS,
    choices,
    header,
    names,
    needs_state,
    nevers,
    state_names,
    told,
)
from lathe.check.ir import Formula
from lathe.check.layout import Variable
from lathe.check.system import System

HOW_TO_RUN = "spin -a FILE && cc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m1000000 -E"

_TEXT = {
    "+": "({0} + {1})",
    "-": "({0} - {1})",
    "*": "({0} * {1})",
    "==": "({0} == {1})",
    "<": "({0} < {1})",
    "<=": "({0} <= {1})",
    "not": "(!{0})",
    "?": "({0} -> {1} : {2})",
    "bit": "(({0} >> {1}) & 1)",
    "1<<": "(1 << {0})",
    "|": "({0} | {1})",
    "&~": "({0} & ~{1})",
}


def promela(system: System) -> str:
    """The model. Raises TooLargeError if its parameters have too many choices to spell out."""
    called = names(system.layout)
    lines = [
        *header(system, "//"),
        "// spin -a FILE && cc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m1000000 -E",
    ]
    lines += _declarations(system, called)
    lines.append("active proctype system() {")
    lines += _beginning(system, called)
    lines.append("end: do")
    options = 0
    for command in system.commands:
        guard = ir.both(needs_state(command), command.guard)
        lines.append(f"  // {told(command)}")
        for picked in choices(command.params, guard, *command.updates.values()):
            options += 1
            require(options, MOST_OPTIONS, "an export")
            settled = ir.chosen(guard, picked)
            if settled != ir.FALSE:
                updates = {i: ir.chosen(f, picked) for i, f in command.updates.items() if i in called}
                lines.append(
                    f"  :: d_step {{ {formula_text(settled, called)} -> {changes_text(updates, called)} }}"
                )
    for never in nevers(system):
        if never.condition != ir.FALSE:
            lines.append(
                f"  :: d_step {{ {formula_text(never.condition, called)} -> assert(false) }} // {never.name}"
            )
    return "\n".join([*lines, "  od", "}"]) + "\n"


def _declarations(system: System, called: Mapping[int, str]) -> Iterator[str]:
    (start, *others) = system.initial
    temporaries = max((len(c.updates) for c in system.commands), default=0)
    for variable in system.layout.variables:
        if variable.index in called:
            first = "" if others else f" = {variable.read(start)}"
            told_codes = f" // {state_names(variable)}" if variable.kind.kind == "state" else ""
            yield f"{_kind(variable)} {called[variable.index]}{first};{told_codes}"
    yield from (f"hidden int t{i};" for i in range(temporaries))


def _kind(variable: Variable) -> str:
    for name, size in (("bit", 2), ("byte", 256), ("short", 1 << 15)):
        if variable.size <= size:
            return name
    return "int"


def _beginning(system: System, called: Mapping[int, str]) -> Iterator[str]:
    """Where there are several ways to begin, SPIN stores one state more: the one before the choice."""
    if len(system.initial) == 1:
        return
    yield "  if // how the roles are given out; one state more than our search has"
    for start in system.initial:
        given = [f"{name} = {system.layout.variables[i].read(start)}" for i, name in called.items()]
        yield f"  :: d_step {{ {'; '.join(given)} }}"
    yield "  fi;"


def changes_text(updates: Mapping[int, Formula], called: Mapping[int, str]) -> str:
    """Simultaneous assignments in sequence: through hidden variables where one reads what another changes."""
    changed = dict(sorted(updates.items()))
    if not changed:
        return "skip"
    is_tangled = any(ir.variables(f) & (changed.keys() - {i}) for i, f in changed.items())
    if not is_tangled:
        return "; ".join(f"{called[i]} = {formula_text(f, called)}" for i, f in changed.items())
    first = [f"t{n} = {formula_text(f, called)}" for n, f in enumerate(changed.values())]
    return "; ".join([*first, *(f"{called[i]} = t{n}" for n, i in enumerate(changed))])


def formula_text(x: Formula, called: Mapping[int, str]) -> str:
    """A formula as Promela; variables without a name have one value, 0."""
    match x.op:
        case "c":
            return str(x.value) if x.value >= 0 else f"({x.value})"
        case "v":
            return called.get(x.value, "0")
        case "and" | "or":
            sign = " && " if x.op == "and" else " || "
            return "(" + sign.join(formula_text(y, called) for y in x.args) + ")"
        case "min" | "max":
            return _extreme("<" if x.op == "min" else ">", [formula_text(y, called) for y in x.args])
        case "abs":
            inner = formula_text(x.args[0], called)
            return f"({inner} < 0 -> -{inner} : {inner})"
        case "#":
            inner = formula_text(x.args[0], called)
            return "(" + " + ".join(f"(({inner} >> {i}) & 1)" for i in range(_members(x.args[0]))) + ")"
        case "//" | "%":
            return _divided(x.op, *(formula_text(y, called) for y in x.args))
    return _TEXT[x.op].format(*(formula_text(y, called) for y in x.args))


def _extreme(sign: str, texts: list[str]) -> str:
    text = texts[0]
    for other in texts[1:]:
        text = f"({text} {sign} {other} -> {text} : {other})"
    return text


def _members(mask: Formula) -> int:
    """How many members a set can have, at most."""
    reach = ir.bounds(mask)
    return max(reach[1].bit_length(), 1) if reach else 31


def _divided(op: str, a: str, b: str) -> str:
    """Division that rounds down, made of C's, which rounds towards 0; by 0 the value does not matter."""
    by = f"({b} == 0 -> 1 : {b})"
    rest = f"((({a} % {by}) + {by}) % {by})"
    return rest if op == "%" else f"(({a} - {rest}) / {by})"
