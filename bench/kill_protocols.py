"""Classic bugs of protocols, as blueprints: what each level says of them, and after how much work.

Most are broken variants of the examples. Level 3 runs the runtime on the wrong blueprint, which `lathe check`
would not do once level 2 has refused it: it is what would be left if nobody had searched. Level 4 holds the
runtime against the blueprint, so a wrong blueprint is nothing that it could see.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic, process_time
from typing import NamedTuple

from common import ROOT

from lathe.gate import Options, check_files
from lathe.sim.menu import MIXES
from lathe.sim.prepared import prepare
from lathe.sim.run import setting_of, simulate

WORLDS_LIMIT = 60
CALLBACKS_LIMIT = 60_000


class Protocol(NamedTuple):
    """A bug, and the folder of the blueprint that has it."""

    name: str
    folder: str


PROTOCOLS = (
    Protocol("lost update: two write what they made of one version", "bench/features/lost_update"),
    Protocol("double charge through a retry", "order/double_charge"),
    Protocol("a lease without fencing: who lost it still speaks", "lease_queue/anybody_acknowledges"),
    Protocol("a forgotten time-out: who dies holds the lease", "lease_queue/never_expires"),
    Protocol("two-phase commit: votes nobody cast", "protocols/two_phase_commit/hears_what_nobody_said"),
    Protocol("two-phase commit: the coordinator is lost", "protocols/two_phase_commit/coordinator_dies"),
    Protocol("a forgotten compensation", "saga/forgets_the_flight"),
    Protocol("a late execution after the cancellation", "saga/late_reservation"),
    Protocol("deadlock: forks in any order", "protocols/philosophers/any_fork_first"),
    Protocol("a message of an earlier round counts", "protocols/broker_rollout/believes_old_news"),
    Protocol("a callback that finds nobody", "order/lost_end"),
    Protocol("check and use apart: what is set aside is spent", "wallet/spends_what_is_held"),
)
"""An app of the examples and its broken variant; the first has a folder of its own."""


def rows() -> list[str]:
    """A table: which level says what of each, and at what cost."""
    found = ["| bug | blueprint | levels 1 and 2 | level 3 |", "|---|---|---|---|"]
    for protocol in PROTOCOLS:
        files = _files(_folder(protocol.folder))
        found.append(f"| {protocol.name} | `{protocol.folder}` | {_searched(files)} | {_simulated(files)} |")
    return found


def _folder(name: str) -> Path:
    app, _, variant = name.rpartition("/")
    own = ROOT / name
    return own if own.is_dir() else ROOT / "examples" / app / "broken" / variant


def _files(folder: Path) -> dict[str, bytes]:
    paths = sorted(folder.iterdir())
    return {
        p.name: p.read_bytes()
        for p in paths
        if p.name == "app.toml" or p.name.endswith((".blueprint.toml", ".cedar"))
    }


def _searched(files: dict[str, bytes]) -> str:
    began = process_time()
    report = check_files(files, Options(level=2), monotonic).report
    seconds = process_time() - began
    errors = sorted(
        {
            " ".join(filter(None, (f.diagnostic.code, f.property)))
            for f in report.findings
            if f.diagnostic.severity == "error"
        }
    )
    return f"{', '.join(errors)}, {seconds:.2f} s" if errors else f"-, {seconds:.2f} s"


def _simulated(files: dict[str, bytes]) -> str:
    prepared = prepare(files)
    began = process_time()
    for seed in range(WORLDS_LIMIT):
        setting = setting_of(seed, MIXES[seed % len(MIXES)])
        wrong = simulate(prepared, setting, steps_limit=CALLBACKS_LIMIT).violation
        if wrong is not None:
            return f"{wrong.cause}, seed {seed}, {process_time() - began:.2f} s"
    return f"-, {WORLDS_LIMIT} worlds, {process_time() - began:.1f} s"
