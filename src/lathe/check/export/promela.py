"""The system as a Promela model for SPIN: one process that takes one command after another.

Every command is one `d_step`, so SPIN stores the states that our search stores and no others. What must
never be is an assertion that is offered wherever it fails.

    lathe show APP --as promela > app.pml
    spin -o2 -a app.pml && cc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m1000000 -E

Without `-o2` SPIN leaves out what is written and never read: ghosts that only a `sometimes` reads, say.

Liveness needs more to be remembered: with `-DLIVE`, `last` holds what the latest step paid, and each
`eventually` is a never claim that looks for a fair run which breaks it. SPIN's own weak fairness is that
of processes, of which there is one here; so the claim goes round what is owed, one debt after the other.

    spin -o2 -DLIVE -a app.pml && cc -O2 -DNOREDUCE -o pan pan.c && ./pan -m1000000 -E -A -a -N eventually0
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lathe.check.bounds import require
from lathe.check.composed import ir
from lathe.check.composed.command import Command
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Variable
from lathe.check.composed.system import System
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
from lathe.check.export.fairness import Debt, debts, promises

HOW_TO_RUN = "spin -o2 -a FILE && cc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m1000000 -E"
HOW_TO_RUN_LIVE = (
    "spin -o2 -DLIVE -a FILE && cc -O2 -DNOREDUCE -o pan pan.c && ./pan -m1000000 -E -A -a -N eventually0"
)

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
    claims = _Claims(system)
    lines = [*header(system, "//"), f"// {HOW_TO_RUN}"]
    lines += [f"// {HOW_TO_RUN_LIVE}"] if claims.is_live else []
    lines += _declarations(system, called)
    lines += claims.declarations()
    lines.append("active proctype system() {")
    lines += _beginning(system, called)
    lines.append("end: do")
    for command in system.commands:
        lines.append(f"  // {told(command)}")
        pays = claims.paid_by(command)
        for settled, picked in _ways(command, claims):
            updates = {i: ir.chosen(f, picked) for i, f in command.updates.items() if i in called}
            lines.append(
                f"  :: d_step {{ {formula_text(settled, called)} -> {changes_text(updates, called)}{pays} }}"
            )
    lines += claims.either(
        [
            f"  :: d_step {{ {formula_text(never.condition, called)} -> assert(false) }} // {never.name}"
            for never in nevers(system)
            if never.condition != ir.FALSE
        ]
    )
    return "\n".join([*lines, "  od", "}", *claims.text(called)]) + "\n"


def _ways(command: Command, claims: _Claims) -> Iterator[tuple[Formula, dict[str, int]]]:
    """Each choice of a command's parameters, with the guard that it leaves."""
    guard = ir.both(needs_state(command), command.guard)
    for picked in choices(command.params, guard, *command.updates.values()):
        claims.count += 1
        require(claims.count, MOST_OPTIONS, "an export")
        settled = ir.chosen(guard, picked)
        if settled != ir.FALSE:
            yield settled, picked


class _Claims:
    """What an app with an `eventually` needs on top, all of it behind `LIVE`."""

    def __init__(self, system: System) -> None:
        self.count = 0
        self._system = system
        self._promises = list(promises(system))
        self._debts: list[Debt] = debts(system) if self._promises else []
        paid: dict[int, set[int]] = {}
        for number, debt in enumerate(self._debts):
            for command in (*debt.owed_by, *debt.lapses_by):
                paid.setdefault(command.index, set()).add(number)
        self._paid = {index: frozenset(found) for index, found in paid.items()}
        self._kinds = sorted(set(self._paid.values()), key=sorted)

    @property
    def is_live(self) -> bool:
        return bool(self._promises)

    def declarations(self) -> list[str]:
        if not self.is_live:
            return []
        live = ["short last;", "#define PAYS(kind) ; last = kind"]
        return ["#ifdef LIVE", *live, "#else", "#define PAYS(kind)", "#endif"]

    def paid_by(self, command: Command) -> str:
        if not self.is_live:
            return ""
        paid = self._paid.get(command.index)
        return f" PAYS({self._kinds.index(paid) + 1 if paid else 0})"

    def either(self, assertions: list[str]) -> list[str]:
        """With `LIVE` no assertions; but a run may stop anywhere, and then nothing more is paid."""
        if not self.is_live:
            return assertions
        stop = "  :: d_step { true -> last = 0 } // nothing happens"
        return ["#ifdef LIVE", stop, "#else", *assertions, "#endif"]

    def text(self, called: Mapping[int, str]) -> Iterator[str]:
        """A never claim for each `eventually`: it waits from its start on, and goes round what is owed."""
        if not self.is_live:
            return
        yield "#ifdef LIVE"
        settled: list[str] = []
        for number, debt in enumerate(self._debts):
            settled.append(f"settled{number}")
            owed = [formula_text(g, called) for c in debt.owed_by for g, _ in _ways(c, self)]
            paid = [f"last == {i + 1}" for i, kind in enumerate(self._kinds) if number in kind]
            yield f"// {debt.name}: paid just now, or not possible here"
            yield f"#define {settled[-1]} ({' || '.join([*paid, f'!({_any(owed)})'])})"
        for slot, held in zip(self._system.layout.slots, self._system.held, strict=True):
            if held != ir.FALSE:
                settled.append(f"settled{len(settled)}")
                yield f"// {slot.name} waits for nothing but room in this scope: no run of the app"
                yield f"#define {settled[-1]} (!{formula_text(held, called)})"
        for number, promise in enumerate(self._promises):
            start, goal = formula_text(promise.start, called), formula_text(promise.goal, called)
            yield f"// eventually {promise.name}"
            yield from _claim(f"eventually{number}", start, goal, settled)
        yield "#endif"


def _any(texts: list[str]) -> str:
    return " || ".join(dict.fromkeys(texts)) or "false"


def _claim(name: str, start: str, goal: str, settled: list[str]) -> Iterator[str]:
    yield f"#define waits_{name} (!{goal})"
    yield f"never {name} {{"
    yield "  do"
    yield "  :: true"
    yield f"  :: {start} && waits_{name} -> break"
    yield "  od;"
    for number, condition in enumerate(settled):
        yield f"round{number}:"
        yield f"  do :: waits_{name} && {condition} -> break :: waits_{name} && !{condition} od;"
    yield "accept:"
    yield f"  waits_{name} -> goto {'round0' if settled else 'accept'}"
    yield "}"


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
