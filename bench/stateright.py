"""The models of the benches for Stateright: our own export of the guarded commands as Rust.

The crate is fetched and built in a throw-away folder, never in the project. A state is an array of bytes; an
action is the number of a command, as Stateright's own examples have an enum.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from common import timed
from models import Guarded

from lathe.check.composed.ir import Formula

CARGO = """\
[package]
name = "models"
version = "0.1.0"
edition = "2021"

[dependencies]
stateright = { version = "0.30", default-features = false }

[profile.release]
opt-level = 3

[workspace]
"""

PROGRAM = """\
use stateright::{{Checker, Model, Property}};

type State = [u8; {count}];
struct Commands;

impl Model for Commands {{
    type State = State;
    type Action = u16;

    fn init_states(&self) -> Vec<State> {{
        vec![{first}]
    }}

    fn actions(&self, s: &State, actions: &mut Vec<u16>) {{
{guards}
    }}

    fn next_state(&self, s: &State, action: u16) -> Option<State> {{
        let mut t = *s;
        match action {{
{changes}
            _ => unreachable!(),
        }}
        Some(t)
    }}

    fn properties(&self) -> Vec<Property<Self>> {{
        vec![Property::always("right", |_, s: &State| !{wrong})]
    }}
}}

fn main() {{
    let threads: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let checked = Commands.checker().threads(threads).spawn_bfs().join();
    println!("{{}} {{}}", checked.unique_state_count(), checked.discoveries().len());
}}
"""

_COMPARED = ("==", "<", "<=")


Found = dict[str, float]


def run_stateright(models: Sequence[Guarded]) -> tuple[float, list[Found]] | None:
    """Seconds of the build, and of each model the states and the seconds; None if it is missing."""
    if shutil.which("cargo") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Cargo.toml").write_text(CARGO)
        Path(folder, "src", "bin").mkdir(parents=True)
        for number, made in enumerate(models):
            Path(folder, "src", "bin", f"model{number}.rs").write_text(rust(made))
        environment = {**os.environ, "CARGO_TARGET_DIR": str(Path(folder, "target"))}
        start = perf_counter()
        built = subprocess.run(
            ("cargo", "build", "--release", "--quiet"),
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        compiled = perf_counter() - start
        if built.returncode:
            if "error[" in built.stderr:
                raise RuntimeError(built.stderr)  # our export is wrong
            return None
        programs = [Path(folder, "target", "release", f"model{n}") for n in range(len(models))]
        return compiled, [_searched(str(program)) for program in programs]


def _searched(program: str) -> Found:
    found: Found = {}
    for threads in (1, 2):
        done = timed((program, str(threads)))
        states, discoveries = map(int, done.stdout.split())
        assert not discoveries, "the model is right"
        found |= {"states": states, f"wall{threads}": done.wall, f"cpu{threads}": done.cpu}
    return found


def rust(made: Guarded) -> str:
    """The program that checks a model."""
    guards = [
        f"        if {_truth(guard)} {{ actions.push({number}); }}"
        for number, (_, guard, _) in enumerate(made.commands)
    ]
    changes = [
        f"            {number} => {{ "
        + " ".join(f"t[{index}] = ({_number(x)}) as u8;" for index, x in updates.items())
        + f" }} // {name}"
        for number, (name, _, updates) in enumerate(made.commands)
    ]
    return PROGRAM.format(
        count=len(made.variables),
        first=made.first,
        guards="\n".join(guards),
        changes="\n".join(changes),
        wrong=_truth(made.wrong),
    )


def _truth(x: Formula) -> str:
    if x.op == "c":
        return "true" if x.value else "false"
    if x.op == "not":
        return f"(!{_truth(x.args[0])})"
    if x.op in ("and", "or"):
        return "(" + (" && " if x.op == "and" else " || ").join(map(_truth, x.args)) + ")"
    if x.op in _COMPARED:
        return f"({_number(x.args[0])} {x.op} {_number(x.args[1])})"
    return f"({_number(x)} != 0)"


def _number(x: Formula) -> str:
    match x.op:
        case "c":
            return str(x.value) if x.value >= 0 else f"({x.value})"
        case "v":
            return f"i32::from(s[{x.value}])"
        case "+":
            return f"({_number(x.args[0])} + {_number(x.args[1])})"
        case "?":
            return f"(if {_truth(x.args[0])} {{ {_number(x.args[1])} }} else {{ {_number(x.args[2])} }})"
    return f"i32::from({_truth(x)})"
