"""Durable actions a second over HTTP, everything on: keys, outbox, hash chain, metrics, monitors.

    python bench/serve.py [--json] [--quick]

1,000 entities chosen at random, 32 connections that stay open; each request has an idempotency key, one in
four asks for an effect. Server, workers and client share the cores. F is the median of `fdatasync` after
4 KiB in the same folder and run: where it is slow, the bound is what group commit can give on such a disk.
The client is `wrk` (a Debian package); without it nothing is measured, and that is said.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, perf_counter, sleep

import wrk
from common import ROOT, Row, at_least, at_most, is_quick, report

ENTITIES = 1_000
CONNECTIONS = 32
SECONDS = 5
RUNS = 5
LEAST_PER_SECOND = 8_000
LEAST_PER_SECOND_POSTGRES = 6_000
SLOW_DISK_SECONDS = 0.0005
MOST_P50_MS = 4.0

BLUEPRINT = """
blueprint = "Task"
[state]
open = { initial = true, waits = "somebody closes it" }
closed = { final = true }
[field]
owner = { type = "text", max = 50 }
total = { type = "int", range = [0, 1000000000], default = 0 }
[action]
create = { by = "role:worker", sets = ["owner"] }
close = { from = "open", to = "closed", by = "role:worker" }
[action.add]
from = "open"
by = "role:worker"
args = { by = { type = "int", range = [1, 9] } }
when = "total < 999999990"
do = ["total += arg.by"]
[action.tell]
from = "open"
by = "role:worker"
args = { by = { type = "int", range = [1, 9] } }
when = "total < 999999990"
do = ["total += arg.by"]
run = "told"
[effect.told]
uses = "emit"
with = { data = { total = "{total}" } }
[invariant]
never_negative = "total >= 0"
"""

LUA = """
local ids = {}
for line in io.lines("%(ids)s") do ids[#ids + 1] = line end
local token = os.getenv("BENCH_TOKEN") or ""
local n = 0
math.randomseed(os.time() + tonumber("%(seed)d"))
request = function()
  n = n + 1
  local id = ids[math.random(#ids)]
  local action = n %% 4 == 0 and "tell" or "add"
  local key = "%(seed)d-" .. n .. "-" .. math.random(1000000000)
  local headers = {
    ["Content-Type"] = "application/json", ["Idempotency-Key"] = key, ["Authorization"] = "Bearer " .. token
  }
  return wrk.format("POST", "/v1/task/tasks/" .. id .. "/" .. action, headers, '{"by": 1}')
end
local bad = 0
response = function(status) if status ~= 200 then bad = bad + 1 end end
"""


def main() -> int:
    """Measure, print, and answer 1 if a bound was not kept."""
    if not wrk.has_wrk():
        return report([Row("wrk is missing: nothing was measured", 0, "actions/s")], sys.argv[1:])
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        _measured("SQLite", f"sqlite:{name}/data", LEAST_PER_SECOND, rows)
        with postgres() as url:
            _measured("PostgreSQL", url, LEAST_PER_SECOND_POSTGRES, rows)
    return report(rows, sys.argv[1:])


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL that syncs: the one at `LATHE_BENCH_POSTGRES`, or one of our own from its wheel."""
    given = os.environ.get("LATHE_BENCH_POSTGRES")
    if given is not None:
        yield given
        return
    sys.path.insert(0, str(ROOT))
    from tests.store.server import Server  # late: the tests' wheel is needed only here

    own = Server(syncs=True)
    try:
        own.start()
        yield own.url
    finally:
        own.remove()


def _measured(name: str, url: str, least: int, rows: list[Row]) -> None:
    """The figures of one store. F is taken before each run."""
    with server(url) as base, tempfile.TemporaryDirectory() as folder:
        ids = Path(folder) / "ids"
        ids.write_text("\n".join(made(base)))
        flushes, found = [], []
        for seed in range(2 if is_quick() else RUNS):
            flushes.append(flush_seconds(Path(folder)))
            found.append(load(base, ids, seed))
    rate = statistics.median(one.rate for one in found)
    p50 = statistics.median(one.p50 for one in found)
    p99 = statistics.median(one.p99 for one in found)
    flush = statistics.median(flushes)
    rows.append(Row(f"{name}: F, fdatasync after 4 KiB", round(flush * 1000, 3), "ms"))
    bound = least if flush < SLOW_DISK_SECONDS else 0.7 * CONNECTIONS / (2 * flush)
    told = f"{name}: durable actions a second, {CONNECTIONS} connections"
    rows.append(at_least(told, round(rate), "actions/s", round(bound)))
    told, p50 = f"{name}: p50 of a request", round(p50, 2)
    is_fast = flush < SLOW_DISK_SECONDS
    rows.append(at_most(told, p50, "ms", MOST_P50_MS) if is_fast else Row(told, p50, "ms"))
    rows.append(Row(f"{name}: p99 of a request", round(p99, 2), "ms"))


def flush_seconds(folder: Path) -> float:
    """The median time of `fdatasync` after writing 4 KiB."""
    times = []
    with open(folder / "flush", "wb") as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            file.flush()
            start = perf_counter()
            os.fdatasync(file.fileno())
            times.append(perf_counter() - start)
    return statistics.median(times)


@contextmanager
def server(
    url: str,
    *,
    port: int | None = None,
    program: Sequence[str] = ("-m", "lathe.cli"),
    more: Sequence[Mapping[str, str]] = (),
) -> Iterator[str]:
    """`lathe serve` on a store, with the app applied, and `more`; `program` is what Python runs for it.

    A store that another server has been started on keeps its app, and its token.
    """
    port = port or free_port()
    environment = {
        **os.environ, "LATHE_STORE_URL": url, "LATHE_SERVER_PORT": str(port), "LATHE_SERVER_KEY": "k" * 32,
    }  # fmt: skip
    command = [sys.executable, *program, "serve"]
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stderr=log)
        base = f"http://127.0.0.1:{port}"
        _ready(base)
        token = first_token(Path(log.name).read_text())
    try:
        if token is not None:
            os.environ["BENCH_OPERATOR"] = token
            show(token)
            for files in ({"task.blueprint.toml": BLUEPRINT}, *more):
                body = {"files": dict(files), "confirm": "any", "accept_bounds": True}
                call(base, "PUT", "/v1/blueprints", body)
            work(base)
        yield base
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        found: int = plug.getsockname()[1]
    return found


def first_token(log: str) -> str | None:
    """The operator's token, which a server says at its first start."""
    found = re.search(r"lathe_\w{26}_[\w-]{43}", log)
    return None if found is None else found[0]


def work(base: str) -> None:
    """From an operator become a worker, as the actions ask for."""
    worker = {"principal": "bench", "kind": "service", "roles": ["worker"]}
    show(str(call(base, "POST", "/v1/tokens", worker)["token"]))


def show(token: str) -> None:
    """Show this token from now on, here and in what `wrk` asks."""
    os.environ["BENCH_TOKEN"] = token
    opener = urllib.request.build_opener()
    opener.addheaders = [("Authorization", f"Bearer {token}")]
    urllib.request.install_opener(opener)


READY_SECONDS = 60.0
"""How long a server may take to come up: this machine may have more to do."""


def _ready(base: str) -> None:
    until = monotonic() + READY_SECONDS
    while monotonic() < until:
        try:
            urllib.request.urlopen(f"{base}/readyz", timeout=1)
            return
        except OSError:
            sleep(0.05)
    raise SystemExit("the server does not come up")


def call(base: str, method: str, path: str, body: object) -> dict[str, object]:
    """One request, with a JSON body unless it is None; its JSON answer."""
    request = urllib.request.Request(
        f"{base}{path}",
        None if body is None else json.dumps(body).encode(),
        {"content-type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        found: dict[str, object] = json.loads(response.read())
    return found


def made(base: str, count: int = ENTITIES, *, app: str = "task") -> list[str]:
    """The ids of new entities."""
    return [str(call(base, "POST", f"/v1/{app}/tasks", {"owner": f"o{n}"})["id"]) for n in range(count)]


def load(base: str, ids: Path, seed: int) -> wrk.Load:
    """One run of `wrk` with the actions of this bench."""
    script = ids.with_suffix(".lua")
    script.write_text(LUA % {"ids": ids, "seed": seed})
    return wrk.load(base, script, connections=CONNECTIONS, seconds=2 if is_quick() else SECONDS)


if __name__ == "__main__":
    sys.exit(main())
