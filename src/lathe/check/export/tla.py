"""The system as a TLA+ module for TLC: one action for each command, sets as sets.

    lathe show APP --as tla > system.tla
    java -cp tla2tools.jar tlc2.TLC -deadlock -config system.cfg system.tla

The configurations stand after the end of the module: one for safety, and where the app has an
`eventually`, one for liveness. TLA+ cannot tell a step that changes nothing from no step, but a debt is
paid by it: so with `Live` every step also turns `beat`, which otherwise stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lathe.check.composed import ir
from lathe.check.composed.command import Command, Param
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Variable
from lathe.check.composed.system import System
from lathe.check.export.common import header, names, needs_state, nevers, state_names, told
from lathe.check.export.fairness import debts, promises

MODULE = "system"
BEAT = "beat"
"""The variable that every step turns, where liveness is checked."""

_AND = r" /\ "
_DIVIDES = r"\div"

_MASKS = frozenset({"1<<", "|", "&~"})
_CONDITIONS = frozenset({"==", "<", "<=", "and", "or", "not", "bit"})


class _Writer:
    """Formulas as TLA+: numbers, conditions, and sets of numbers."""

    def __init__(
        self, variables: Mapping[int, Variable], called: Mapping[int, str], sets: frozenset[str]
    ) -> None:
        self._variables = variables
        self._called = called
        self._sets = sets

    def is_set(self, x: Formula) -> bool:
        match x.op:
            case "v":
                return self._variables[x.value].kind.kind == "set"
            case "p":
                return x.name in self._sets
            case "?":
                return self.is_set(x.args[1]) or self.is_set(x.args[2])
        return x.op in _MASKS

    def truth(self, x: Formula) -> str:
        """A condition."""
        match x.op:
            case "c":
                return "TRUE" if x.value else "FALSE"
            case "and" | "or":
                sign = _AND if x.op == "and" else r" \/ "
                return "(" + sign.join(map(self.truth, x.args)) + ")"
            case "not":
                return f"~{self.truth(x.args[0])}"
            case "?":
                return (
                    f"(IF {self.truth(x.args[0])} THEN {self.truth(x.args[1])} ELSE {self.truth(x.args[2])})"
                )
            case "bit":
                return rf"({self.number(x.args[1])} \in {self.members(x.args[0])})"
            case "==" if any(map(self.is_set, x.args)):
                return f"({self.members(x.args[0])} = {self.members(x.args[1])})"
            case "==" | "<" | "<=":
                sign = {"==": "=", "<": "<", "<=": "<="}[x.op]
                return f"({self.number(x.args[0])} {sign} {self.number(x.args[1])})"
        return f"({self.number(x)} # 0)"

    def members(self, x: Formula) -> str:
        """A set."""
        match x.op:
            case "c":
                return "{" + ", ".join(str(i) for i in range(x.value.bit_length()) if x.value >> i & 1) + "}"
            case "v":
                return self._called.get(x.value, "{}")
            case "p":
                return f"p_{x.name}"
            case "1<<":
                return f"{{{self.number(x.args[0])}}}"
            case "|" | "&~":
                sign = r"\cup" if x.op == "|" else "\\"
                return f"({self.members(x.args[0])} {sign} {self.members(x.args[1])})"
        parts = (self.truth(x.args[0]), self.members(x.args[1]), self.members(x.args[2]))
        return "(IF {} THEN {} ELSE {})".format(*parts)

    def number(self, x: Formula) -> str:
        """A number."""
        match x.op:
            case "c":
                return str(x.value) if x.value >= 0 else f"({x.value})"
            case "v":
                return self._called.get(x.value, "0")
            case "p":
                return f"p_{x.name}"
            case "#":
                return f"Cardinality({self.members(x.args[0])})"
            case "?":
                parts = (self.truth(x.args[0]), self.number(x.args[1]), self.number(x.args[2]))
                return "(IF {} THEN {} ELSE {})".format(*parts)
        if x.op in _CONDITIONS:
            return f"(IF {self.truth(x)} THEN 1 ELSE 0)"
        numbers = [self.number(y) for y in x.args]
        return self._arithmetic(x.op, numbers)

    def _arithmetic(self, op: str, numbers: list[str]) -> str:
        match op:
            case "+" | "-" | "*":
                return f"({numbers[0]} {op} {numbers[1]})"
            case "//" | "%":
                by = f"(IF {numbers[1]} = 0 THEN 1 ELSE {numbers[1]})"
                sign = _DIVIDES if op == "//" else "%"
                return f"({numbers[0]} {sign} {by})"
            case "abs":
                return f"(IF {numbers[0]} < 0 THEN -{numbers[0]} ELSE {numbers[0]})"
        text, sign = numbers[0], "<" if op == "min" else ">"
        for other in numbers[1:]:
            text = f"(IF {text} {sign} {other} THEN {text} ELSE {other})"
        return text

    def code(self, variable: Variable, code: int) -> str:
        """A value of a variable."""
        return self.members(ir.const(code)) if variable.kind.kind == "set" else str(code)


def tla(system: System) -> str:
    """The module, with its configurations after its end."""
    called = names(system.layout)
    by_index = {v.index: v for v in system.layout.variables}
    is_live = any(promises(system))
    listed = ", ".join([*called.values(), *([BEAT] if is_live else [])])
    lines = [f"---- MODULE {MODULE} ----", *header(system, r"\*"), "EXTENDS Integers, FiniteSets", ""]
    for index, name in called.items():
        if by_index[index].kind.kind == "state":
            lines.append(rf"\* {name}: {state_names(by_index[index])}")
    if is_live:
        lines.append("CONSTANT Live")
    lines += [f"VARIABLES {listed}", f"vars == <<{listed}>>", ""]
    lines += _initial(system, called, by_index, is_live=is_live)
    if is_live:
        lines += [f"Turned == {BEAT}' = IF Live THEN 1 - {BEAT} ELSE {BEAT}", ""]
    actions = []
    for command in system.commands:
        actions.append(_called(command))
        lines += [*_action(command, called, by_index), *([r"  /\ Turned"] if is_live else [])]
    lines += ["", "Next ==", *(rf"  \/ {name}" for name in actions), "Spec == Init /\\ [][Next]_vars", ""]
    writer = _Writer(by_index, called, frozenset())
    invariants = []
    for number, never in enumerate(nevers(system)):
        if never.condition != ir.FALSE:
            invariants.append(f"Never{number}")
            lines += [rf"\* {never.name}", f"Never{number} == ~{writer.truth(never.condition)}"]
    properties = []
    if is_live:
        lines += ["", *_fairness(system, writer), ""]
        for number, promise in enumerate(promises(system)):
            properties.append(f"Eventually{number}")
            lines += [
                rf"\* eventually {promise.name}",
                f"Eventually{number} == {writer.truth(promise.start)} ~> {writer.truth(promise.goal)}",
            ]
    lines += ["====", "", "CONFIG", *(["CONSTANT Live = FALSE"] if is_live else [])]
    lines += ["INIT Init", "NEXT Next", *(f"INVARIANT {name}" for name in invariants)]
    if is_live:
        lines += ["", "CONFIG LIVE", "CONSTANT Live = TRUE", "SPECIFICATION FairSpec"]
        lines += [f"PROPERTY {name}" for name in properties]
    return "\n".join(lines) + "\n"


def configuration(module: str, *, live: bool = False) -> str:
    """A configuration that stands at the end of a module; empty if there is nothing live to check."""
    found = re.split(r"^CONFIG(?: LIVE)?\n", module, flags=re.MULTILINE)
    return found[1].rstrip("\n") + "\n" if not live else "".join(found[2:])


def _called(command: Command) -> str:
    return f"C{command.index}"


def _fairness(system: System, writer: _Writer) -> Iterator[str]:
    """Weak fairness of every debt, where what begins a new visit pays it as well; and room in the scope."""
    fair = []
    for number, debt in enumerate(debts(system)):
        yield rf"\* {debt.name}"
        yield f"Owed{number} == " + r" \/ ".join(map(_called, debt.owed_by))
        taken = f"Owed{number}"
        if debt.lapses_by:
            yield f"Lapses{number} == " + r" \/ ".join(map(_called, debt.lapses_by))
            taken += rf" \/ (ENABLED Owed{number} /\ Lapses{number})"
        fair.append(f"WF_vars({taken})")
    for slot, held in zip(system.layout.slots, system.held, strict=True):
        if held != ir.FALSE:
            yield rf"\* {slot.name} waits for nothing but room in this scope: no run of the app"
            yield f"Held{slot.name.replace('#', '')} == {writer.truth(held)}"
            fair.append(f"[]<>(~Held{slot.name.replace('#', '')})")
    yield "FairSpec =="
    yield r"  /\ Spec"
    yield from (rf"  /\ {one}" for one in fair)


def _initial(
    system: System, called: Mapping[int, str], by_index: Mapping[int, Variable], *, is_live: bool
) -> Iterator[str]:
    writer = _Writer(by_index, called, frozenset())
    yield "Init =="
    for start in system.initial:
        codes = {i: writer.code(by_index[i], by_index[i].read(start)) for i in called}
        given = [f"{name} = {codes[i]}" for i, name in called.items()]
        yield r"  \/ " + _AND.join([*given, *([f"{BEAT} = 0"] if is_live else [])])
    yield ""


def _action(command: Command, called: Mapping[int, str], by_index: Mapping[int, Variable]) -> Iterator[str]:
    guard = ir.both(needs_state(command), command.guard)
    read = ir.parameters(guard, *command.updates.values())
    used = [p for p in command.params if p.name in read]
    sets = frozenset(p.name for p in used if p.kind.kind == "set")
    writer = _Writer(by_index, called, sets)
    yield rf"\* {told(command)}"
    yield f"{_called(command)} =="
    for param in used:
        yield rf"  \E p_{param.name} \in {{{', '.join(_value(param, code) for code in param.codes)}}}:"
    yield rf"  /\ {writer.truth(guard)}"
    for index, formula in sorted(command.updates.items()):
        if index in called:
            is_set = by_index[index].kind.kind == "set"
            value = writer.members(formula) if is_set else writer.number(formula)
            yield rf"  /\ {called[index]}' = {value}"
    kept = [name for index, name in called.items() if index not in command.updates]
    if kept:
        yield rf"  /\ UNCHANGED <<{', '.join(kept)}>>"


def _value(param: Param, code: int) -> str:
    if param.kind.kind == "set":
        return "{" + ", ".join(str(i) for i in range(code.bit_length()) if code >> i & 1) + "}"
    low = param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0
    return str(code + low)
