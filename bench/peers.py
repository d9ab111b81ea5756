"""One durable step of one of 1,000 entities: Lathe, DBOS, Restate, Temporal, side by side in one run.

    python bench/peers.py [--json] [--quick]

At 1 and at 32 connections, rounds of all of them interleaved, medians. Lathe is called over HTTP, with a key
of idempotency, hash chain, metrics and an effect's row for one in four; DBOS in process, by threads; Restate
through its ingress; Temporal by updates that are waited for. What each syncs before it answers stands in
its row. In memory, without any store: `transitions` and `python-statemachine` against `lathe.machine.step`.

The peers are fetched into a throw-away folder (`peer_programs/` beside this file is run there): DBOS, the
two SDKs and the two libraries from the Python registry, Restate's server from npm, Temporal's development
server as a Go module. LATHE_BENCH_PEERS names a folder to keep them in. What cannot be had is printed as
missing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from common import Row, is_quick, report
from serve import BLUEPRINT, LUA, made, postgres, server
from wrk import has_wrk, load

from lathe.lang import read_app
from lathe.machine.event import Act, Caller, Create
from lathe.machine.outcome import Step
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.step import step
from lathe.machine.table import compile_app

PROGRAMS = Path(__file__).parent / "peer_programs"
PACKAGES = (
    "dbos==3.4.0", "restate_sdk==1.3.0", "hypercorn==0.18.0", "temporalio==1.35.0", "transitions==0.9.3",
    "python-statemachine==3.2.2", "psycopg[binary]",
)  # fmt: skip
RESTATE = "@restatedev/restate-server@1.7.12"
TEMPORAL = "github.com/temporalio/cli@v1.5.1"
CONNECTIONS = (1, 32)
SECONDS = 5.0
ROUNDS = 3
LEAST_RATIO = 8.0
LEAST_IN_MEMORY = 15.0
INGRESS, ADMIN, SERVICE, TEMPORAL_PORT, LATHE, LATHE_POSTGRES = 18080, 19070, 19080, 17233, 17499, 17500


@dataclass(frozen=True, slots=True)
class Found:
    """One run of one of them."""

    rate: float
    p50: float
    durability: str


Runner = Callable[[int], Found]
"""Runs for so long with so many connections."""


def main() -> int:
    """Measure, print, and answer 1 if a bound was not kept."""
    if not has_wrk():
        return report([Row("wrk is missing: nothing was measured", 0, "actions/s")], sys.argv[1:])
    rows: list[Row] = []
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        python = _python(folder)
        _in_memory(python, rows)
        runners = dict(_runners(stack, folder, python, rows))
        found: defaultdict[tuple[str, int], list[Found]] = defaultdict(list)
        for _ in range(1 if is_quick() else ROUNDS):
            for connections in CONNECTIONS:
                for name, run in runners.items():
                    found[name, connections].append(run(connections))
    for connections in CONNECTIONS:
        medians = {name: _median(found[name, connections]) for name in runners}
        _compared(medians, connections, rows)
    return report(rows, sys.argv[1:])


def _median(runs: list[Found]) -> Found:
    return Found(
        statistics.median(r.rate for r in runs), statistics.median(r.p50 for r in runs), runs[0].durability
    )


def _compared(medians: Mapping[str, Found], connections: int, rows: list[Row]) -> None:
    """Ours against each peer: on the store that is the peer's, or on SQLite where it has one of its own."""
    for name, peer in medians.items():
        if name.startswith("Lathe"):
            continue
        own = "Lathe, PostgreSQL" if name.endswith("PostgreSQL") else "Lathe, SQLite"
        ours = medians[own]
        what = f"{connections} connections: {own}, p50 {ours.p50:.2f} ms ({ours.durability})"
        against = f"{name}, p50 {peer.p50:.2f} ms ({peer.durability})"
        rows.append(Row(what, round(ours.rate), "actions/s", against, round(peer.rate), least=LEAST_RATIO))


@contextmanager
def _folder() -> Iterator[Path]:
    given = os.environ.get("LATHE_BENCH_PEERS")
    if given is not None:
        Path(given).mkdir(parents=True, exist_ok=True)
        yield Path(given)
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _python(folder: Path) -> Path:
    """The interpreter of an environment with the peers in it."""
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(folder / "venv")])
        _run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES])
    return python


def _run(command: list[str], *, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{done.stdout}{done.stderr}")


# -- in memory ----------------------------------------------------------------------------------------------


def _in_memory(python: Path, rows: list[Row]) -> None:
    ours = statistics.median(_steps_a_second() for _ in range(ROUNDS))
    for name, program in (("transitions", "transitions"), ("python-statemachine", "statemachine")):
        peer = statistics.median(_told(python, "in_memory", program, "1")["rate"] for _ in range(ROUNDS))
        what = "in memory, no store: `machine.step`, a guard and an assignment"
        rows.append(Row(what, round(ours), "steps/s", name, round(peer), least=LEAST_IN_MEMORY))


def _steps_a_second() -> float:
    """The transition of `in_memory.py` as the machine takes it."""
    reading = read_app({"task.blueprint.toml": BLUEPRINT.encode()})
    assert reading.app is not None
    table = compile_app(reading.app)
    caller = Caller("role", None, frozenset(("worker",)), "w")

    def taken(world: MemoryWorld, event: Create | Act) -> MemoryWorld:
        found = step(table, world, event)
        assert isinstance(found, Step)
        return world.after(found.written, found.ghosts)

    world = taken(MemoryWorld(), Create("Task", "Task#1", {"owner": "o"}, caller, 0))
    event = Act("Task#1", "add", {"by": 1}, caller, 0)
    end, count, start = perf_counter() + 1.0, 0, perf_counter()
    while perf_counter() < end:
        for _ in range(200):
            world = taken(world, event)
        count += 200
    return count / (perf_counter() - start)


def _told(python: Path, program: str, *arguments: str) -> dict[str, float]:
    command = [str(python), f"{program}.py", *arguments]
    done = subprocess.run(command, cwd=PROGRAMS, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{program} failed:\n{done.stdout}{done.stderr}")
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


# -- on disk ------------------------------------------------------------------------------------------------


def _runners(stack: ExitStack, folder: Path, python: Path, rows: list[Row]) -> Iterator[tuple[str, Runner]]:
    """Each system, started; one that cannot be had becomes a row that says so."""
    data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    url = stack.enter_context(postgres())
    yield "Lathe, SQLite", _lathe(stack, data, f"sqlite:{data}/lathe", LATHE, "synchronous=FULL, WAL")
    yield "Lathe, PostgreSQL", _lathe(stack, data, url, LATHE_POSTGRES, "synchronous_commit=on")
    yield "DBOS, SQLite", _dbos(python, f"sqlite:///{data}/dbos.sqlite")
    yield "DBOS, PostgreSQL", _dbos(python, url.replace("postgresql://", "postgresql+psycopg://", 1))
    restate = _restate_server(folder)
    if restate is None:
        rows.append(Row("Restate is missing: not compared", 0, "actions/s"))
    else:
        yield "Restate", _restate(stack, data, python, restate)
    temporal = _temporal_server(folder)
    if temporal is None:
        rows.append(Row("Temporal is missing: not compared", 0, "actions/s"))
    else:
        yield "Temporal", _temporal(stack, data, python, temporal)


def _seconds() -> float:
    return 2.0 if is_quick() else SECONDS


def _lathe(stack: ExitStack, data: Path, url: str, port: int, durability: str) -> Runner:
    base = stack.enter_context(server(url, port=port))
    ids = data / f"ids-{port}"
    ids.write_text("\n".join(made(base)))
    token, seeds = os.environ["BENCH_TOKEN"], iter(range(1_000))

    def run(connections: int) -> Found:
        os.environ["BENCH_TOKEN"] = token  # each server has its own
        script = data / f"lathe-{port}.lua"
        script.write_text(LUA % {"ids": ids, "seed": next(seeds)})
        found = load(base, script, connections=connections, seconds=_seconds())
        return Found(found.rate, found.p50, durability)

    return run


def _dbos(python: Path, url: str) -> Runner:
    def run(connections: int) -> Found:
        return _program(python, "dbos_steps", url, str(connections), str(_seconds()))

    return run


def _program(python: Path, name: str, *arguments: str) -> Found:
    told = _told(python, name, *arguments)
    return Found(told["rate"], told["p50"], str(told["durability"]))


@contextmanager
def _process(command: list[str], folder: Path, **environment: str) -> Iterator[None]:
    """A server for as long as the bench runs; what it prints is kept in a file that a failure shows."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _restate_server(folder: Path) -> str | None:
    """The path of Restate's server, from the package of its platform."""
    if shutil.which("npm") is None:
        return None
    if not (folder / "npm" / "node_modules").exists():
        (folder / "npm").mkdir(exist_ok=True)
        _run(["npm", "install", "--silent", "--prefix", str(folder / "npm"), RESTATE])
    found = shutil.which("restate-server", path=str(folder / "npm" / "node_modules" / ".bin"))
    return found


RESTATE_LUA = """
math.randomseed(os.time() + tonumber("%(seed)d"))
request = function()
  local path = "/tasks/" .. math.random(1000) .. "/add"
  return wrk.format("POST", path, { ["Content-Type"] = "application/json" }, "1")
end
"""


def _restate(stack: ExitStack, data: Path, python: Path, binary: str) -> Runner:
    own = data / "restate"
    own.mkdir()
    ingress, admin = f"http://127.0.0.1:{INGRESS}", f"http://127.0.0.1:{ADMIN}"
    stack.enter_context(
        _process(
            [binary, "--base-dir", str(own)], own, RESTATE_INGRESS__BIND_ADDRESS=f"127.0.0.1:{INGRESS}",
            RESTATE_ADMIN__BIND_ADDRESS=f"127.0.0.1:{ADMIN}", RUST_LOG="warn",
        )
    )  # fmt: skip
    stack.enter_context(_process([str(python), str(PROGRAMS / "restate_steps.py"), str(SERVICE)], own))
    _until_up(f"{admin}/health", own)
    body = json.dumps({"uri": f"http://127.0.0.1:{SERVICE}"}).encode()
    asked = urllib.request.Request(f"{admin}/deployments", body, {"content-type": "application/json"})
    sleep(2)
    urllib.request.urlopen(asked, timeout=30).close()
    seeds = iter(range(1_000))

    def run(connections: int) -> Found:
        script = own / "restate.lua"
        script.write_text(RESTATE_LUA % {"seed": next(seeds)})
        found = load(ingress, script, connections=connections, seconds=_seconds())
        return Found(found.rate, found.p50, "its default: a replicated log on one node, RocksDB's WAL synced")

    return run


def _until_up(url: str, folder: Path) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            sleep(0.1)
    logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(folder.glob("*.log")))
    raise SystemExit(f"{url} does not answer:\n{logs}")


def _temporal_server(folder: Path) -> str | None:
    """The path of Temporal's command line, which has the development server; built once."""
    binary = folder / "temporal"
    if binary.exists():
        return str(binary)
    if shutil.which("go") is None:
        return None
    source = folder / "go"
    source.mkdir(exist_ok=True)
    (source / "go.mod").write_text("module bench\n\ngo 1.24\n")
    module, _, version = TEMPORAL.partition("@")
    program = f"{module}/cmd/temporal"
    for command in (
        ["go", "get", f"{program}@{version}"],
        ["go", "build", "-o", str(binary), program],
    ):
        if subprocess.run(command, cwd=source, capture_output=True, check=False).returncode:
            return None
    return str(binary)


def _temporal(stack: ExitStack, data: Path, python: Path, binary: str) -> Runner:
    own = data / "temporal"
    own.mkdir()
    command = [
        binary, "server", "start-dev", "--headless", "--port", str(TEMPORAL_PORT), "--db-filename",
        str(own / "temporal.db"), "--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma",
        "synchronous=full", "--log-level", "error",
    ]  # fmt: skip
    stack.enter_context(_process(command, own))
    sleep(10)

    def run(connections: int) -> Found:
        durability = "its development server on SQLite, synchronous=FULL, WAL"
        return _program(
            python,
            "temporal_steps",
            f"127.0.0.1:{TEMPORAL_PORT}",
            str(connections),
            str(_seconds()),
            durability,
        )

    return run


if __name__ == "__main__":
    sys.exit(main())
