"""The models of the benches for TLC: our own export of the guarded commands as a TLA+ module, and its run.

TLC is slow enough beside the rest that it is stopped once it has taken as many times as long as it is held
to; the table then says that it had not ended.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from common import timed
from models import Guarded
from tlc import tlc_jar

from lathe.check.composed.ir import Formula

CONFIGURATION = "INIT Init\nNEXT Next\nINVARIANT Right\n"
_COMPARED = {"==": "=", "<": "<", "<=": "<="}


def run_tlc(made: Guarded, *, most_seconds: float) -> tuple[float, int | None] | None:
    """Processor seconds of one run with one worker, and its states; None where TLC is missing.

    It is stopped after `most_seconds` of the processor: then there are no states.
    """
    with tempfile.TemporaryDirectory() as folder:
        jar = tlc_jar(folder) if shutil.which("java") else None
        if jar is None:
            return None
        Path(folder, "model.tla").write_text(tla(made))
        Path(folder, "model.cfg").write_text(CONFIGURATION)
        options = ("-XX:+UseParallelGC", "-cp", jar, "tlc2.TLC", "-deadlock", "-workers", "1")
        done = timed(("java", *options, "model"), folder=folder, most_cpu_seconds=int(most_seconds) + 1)
    states = re.findall(r"(\d+) distinct states found", done.stdout)
    if "No error has been found" in done.stdout:
        return done.cpu, int(states[-1])
    assert done.cpu >= most_seconds, done.stdout[-2000:]
    return done.cpu, None


def tla(made: Guarded) -> str:
    """The module of a model."""
    names = [v.name for v in made.variables]
    actions = []
    for name, guard, updates in made.commands:
        changed = [f"{names[i]}' = {_number(x, names)}" for i, x in sorted(updates.items())]
        same = [n for i, n in enumerate(names) if i not in updates]
        kept = [f"UNCHANGED <<{', '.join(same)}>>"] if same else []
        actions.append(f"{name} == " + " /\\ ".join([_truth(guard, names), *changed, *kept]))
    first = " /\\ ".join(f"{n} = {code}" for n, code in zip(names, made.first, strict=True))
    return "\n".join(
        [
            "---- MODULE model ----",
            "EXTENDS Integers",
            f"VARIABLES {', '.join(names)}",
            f"Init == {first}",
            *actions,
            "Next == " + " \\/ ".join(name for name, _, _ in made.commands),
            f"Right == ~{_truth(made.wrong, names)}",
            "====",
            "",
        ]
    )


def _truth(x: Formula, names: list[str]) -> str:
    if x.op == "c":
        return "TRUE" if x.value else "FALSE"
    if x.op == "not":
        return f"(~{_truth(x.args[0], names)})"
    if x.op in ("and", "or"):
        sign = " /\\ " if x.op == "and" else " \\/ "
        return f"({sign.join(_truth(y, names) for y in x.args)})"
    if x.op in _COMPARED:
        a, b = (_number(y, names) for y in x.args)
        return f"({a} {_COMPARED[x.op]} {b})"
    return f"({_number(x, names)} /= 0)"


def _number(x: Formula, names: list[str]) -> str:
    match x.op:
        case "c":
            return str(x.value) if x.value >= 0 else f"({x.value})"
        case "v":
            return names[x.value]
        case "+":
            return f"({_number(x.args[0], names)} + {_number(x.args[1], names)})"
        case "?":
            yes, no = (_number(y, names) for y in x.args[1:])
            return f"(IF {_truth(x.args[0], names)} THEN {yes} ELSE {no})"
    return f"(IF {_truth(x, names)} THEN 1 ELSE 0)"
