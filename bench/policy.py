"""Who may, and what it costs: decisions never asked and kept, throughput with policies, agents' round trips.

    python bench/policy.py [--quick] [--json]

The policies are spread over twenty blueprints, five of them for each action, as in an app that grows;
a decision is asked of the slice of its action alone. Beside it the same question asked of Cedar's engine
with all policies at once, parsed once, its entities given as data (the first way that comes to mind).

Throughput is durable actions a second over HTTP by `wrk` (a Debian package; without it that is left out), of
one server with the same blueprint twice, with policies and without, in turns. The share that is left is of
the server's processor time for an action, the median of neighbouring turns: what else the machine does
counts less in it. A round trip of an agent is one call of the tool `get` by the official client, over `/mcp`
and over the stdio of `lathe mcp`; beside it the same GET.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count, pairwise
from pathlib import Path
from time import perf_counter, process_time

import cedarpy
import httpx2
import wrk
from common import Row, at_least, at_most, is_quick, report
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from serve import BLUEPRINT, CONNECTIONS, LUA, made, server

from lathe.lang import read_app
from lathe.lang.model import App
from lathe.policy.engine import Decider
from lathe.policy.implied import permits
from lathe.policy.requests import Request, Value, principal_entity, uid

SIZES = (10, 100, 1_000)
A_SLICE = 5
COLD_LIMIT_MICROSECONDS = 35.0
KEPT_LIMIT_MICROSECONDS = 0.5
COLD, KEPT = 2_000, 50_000
LEAST_SHARE = 0.85
"""Of the throughput without policies that is left with them, once decisions are kept."""
TURNS, TURN_SECONDS = 5, 4
CALLS = 300
MANAGER = frozenset({"manager"})

CLAIM = """
blueprint = "{name}"
[state]
open = {{ initial = true, waits = "somebody pays it" }}
paid = {{ final = true }}
[field]
amount = {{ type = "int", range = [0, 1000000] }}
maker = {{ type = "id" }}
[action]
create = {{ by = "role:clerk", sets = ["amount"], do = ["maker = actor"] }}
"""
PAY = 'pay{n} = {{ from = "open", to = "paid", by = "role:manager" }}\n'


GUARDED = """
@id("no_strangers")
forbid(principal, action in [Action::"Task.add", Action::"Task.tell"], resource)
when { resource has owner && resource.owner == "somebody else" };
@id("by_nine_at_most")
forbid(principal, action in [Action::"Task.add", Action::"Task.tell"], resource) when { context.arg.by > 9 };
@id("helpers")
permit(principal in Role::"helper", action == Action::"Task.add", resource) when { resource.state == "open" };
"""


def app_of(policies: int) -> App:
    """An app with so many policies, five for each action."""
    actions = -(-policies // A_SLICE)
    blueprints = min(actions, 20)
    files = {"app.toml": b'app = "bench"\n[role]\nclerk = "asks"\nmanager = "pays"\n'}
    for number in range(blueprints):
        texts = []
        name = f"Claim{number}"
        own = range(number, actions, blueprints)
        text = CLAIM.format(name=name) + "".join(PAY.format(n=n) for n in own)
        files[f"claim{number}.blueprint.toml"] = text.encode()
        for n in own:
            for limit in range(A_SLICE):
                head = f'principal, action == Action::"{name}.pay{n}", resource'
                texts.append(f"forbid({head}) when {{ resource.amount > {500_000 + limit} }};")
        files[f"claim{number}.cedar"] = "\n".join(texts).encode()
    app = read_app(files).app
    assert app is not None, "the bench's own app can be read"
    return app


def asked(amount: int) -> Request:
    """Somebody pays a claim of an amount."""
    fields: dict[str, Value] = {"state": "open", "amount": amount, "maker": "p2"}
    return Request(("Principal", "p1"), MANAGER, "Claim0", "pay0", "Claim0#1", fields, {})


def microseconds(run: object, times: int, *, rounds: int = 5) -> float:
    """The median processor time of one call, over some rounds of many."""
    assert callable(run)
    found = []
    for _ in range(rounds):
        start = process_time()
        for _ in range(times):
            run()
        found.append((process_time() - start) / times * 1e6)
    return round(statistics.median(found), 2)


def cold(decider: Decider, times: int) -> float:
    """A decision that was never asked: each is of another amount."""
    amounts = count()
    decider.decide(asked(next(amounts)))
    return microseconds(lambda: decider.decide(asked(next(amounts))), times)


def plain(decider: Decider, app: App, times: int) -> float:
    """The same of Cedar's engine, all policies at once."""
    texts = [p.text for p in permits(app)] + [p.piece.text for p in decider.policies]
    every = cedarpy.PolicySet.from_str("\n".join(texts))
    who, what, thing = uid("Principal", "p1"), uid("Action", "Claim0.pay0"), uid("Claim0", "Claim0#1")
    known = [
        principal_entity(("Principal", "p1"), MANAGER),
        {"uid": thing, "attrs": {"state": "open", "amount": 3}, "parents": []},
    ]
    question = {"principal": who, "action": what, "resource": thing, "context": {"arg": {}}}
    return microseconds(lambda: cedarpy.is_authorized(question, every, known), times)


def servers_seconds() -> float:
    """The processor time of the server so far: it is our only child. 0 where no `/proc` tells."""
    found = 0
    with suppress(OSError):
        own = os.getpid()
        for child in Path(f"/proc/{own}/task/{own}/children").read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            found += int(fields[11]) + int(fields[12])
    return found / os.sysconf("SC_CLK_TCK")


def shares(base: str, folder: Path) -> tuple[float, float, float]:
    """Actions a second without policies and with them, and which share is left: medians of turns."""
    scripts = {}
    for app in ("task", "guarded"):
        ids = folder / app
        ids.write_text("\n".join(made(base, app=app)))
        scripts[app] = ids
    seconds, turns = (1, 2) if is_quick() else (TURN_SECONDS, TURNS)
    rates: dict[str, list[float]] = {"task": [], "guarded": []}
    costs: dict[str, list[float]] = {"task": [], "guarded": []}
    for turn in range(turns + 1):
        for app in ("task", "guarded") if turn % 2 else ("guarded", "task"):
            script = folder / f"{app}.lua"
            text = LUA % {"ids": scripts[app], "seed": turn}
            script.write_text(text.replace("/v1/task/", f"/v1/{app}/"))
            before = servers_seconds()
            rate = wrk.load(base, script, connections=CONNECTIONS, seconds=seconds).rate
            spent = servers_seconds() - before
            rates[app].append(rate)
            costs[app].append(spent / (rate * seconds) if spent else 1 / rate)
    # In the first turn decisions are asked, and the code warms up: it does not count.
    share = statistics.median(a / b for a, b in zip(costs["task"][1:], costs["guarded"][1:], strict=True))
    bare, kept = statistics.median(rates["task"][1:]), statistics.median(rates["guarded"][1:])
    return bare, kept, round(share, 3)


async def milliseconds(ask: Callable[[], Awaitable[object]]) -> float:
    """The median time of one call, after some that do not count."""
    times = []
    for number in range(CALLS // 10 if is_quick() else CALLS):
        start = perf_counter()
        await ask()
        if number >= 10:
            times.append((perf_counter() - start) * 1e3)
    return round(statistics.median(times), 3)


async def round_trips(base: str, entity: str) -> tuple[float, float, float]:
    """A GET, and the tool `get` over HTTP and over stdio, in milliseconds."""
    headers = {"authorization": f"Bearer {os.environ['BENCH_TOKEN']}"}
    asked = {"app": "task", "plural": "tasks", "id": entity}
    path = f"{base}/v1/task/tasks/{entity}"
    async with httpx2.AsyncClient(headers=headers) as http:
        plain = await milliseconds(lambda: http.get(path))
        async with Client(streamable_http_client(f"{base}/mcp", http_client=http)) as client:
            over_http = await milliseconds(lambda: client.call_tool("get", asked))
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "lathe.cli", "mcp", "--url", base],
        env={**os.environ, "LATHE_TOKEN": os.environ["BENCH_TOKEN"]},
    )
    async with Client(command) as client:
        over_stdio = await milliseconds(lambda: client.call_tool("get", asked))
    return plain, over_http, over_stdio


def served(rows: list[Row]) -> None:
    """The figures of a server."""
    guarded = {
        "app.toml": 'app = "guarded"\n[role]\nworker = "works"\nhelper = "helps"\n',
        "task.blueprint.toml": BLUEPRINT,
        "task.cedar": GUARDED,
    }
    with tempfile.TemporaryDirectory() as name, server(f"sqlite:{name}/data", more=[guarded]) as base:
        if wrk.has_wrk():
            bare, kept, share = shares(base, Path(name))
            against = "without policies"
            rows.append(
                Row("actions a second, decisions kept", round(kept), "actions/s", against, round(bare))
            )
            rows.append(at_least("the share that is left of the throughput", share, "", LEAST_SHARE))
        (entity,) = made(base, 1)
        plain, over_http, over_stdio = asyncio.run(round_trips(base, entity))
    rows.append(Row("round trip of the tool `get`, streamable HTTP", over_http, "ms", "a GET of it", plain))
    rows.append(Row("round trip of the tool `get`, stdio", over_stdio, "ms", "a GET of it", plain))


def main() -> int:
    """Measure, print, and answer 1 if a bound was not kept."""
    times = COLD // 10 if is_quick() else COLD
    rows, figures = [], []
    for size in SIZES:
        app = app_of(size)
        decider = Decider(app)
        figures.append(cold(decider, times))
        beside = plain(decider, app, max(times // (size // 10), 20))
        name = f"a decision never asked, {size:,} policies"
        rows.append(Row(name, figures[-1], "µs", "all policies at once, as data", beside))
    fields, found = asked(7).attributes, decider.slice("Claim0", "pay0")
    rows.append(at_most("the first of these", figures[0], "µs", COLD_LIMIT_MICROSECONDS))
    kept = microseconds(
        lambda: found.decide(("Principal", "p1"), MANAGER, "Claim0#1", fields, {}), max(KEPT // 10, times)
    )
    rows.append(at_most("a decision that is kept", kept, "µs", KEPT_LIMIT_MICROSECONDS))
    served(rows)
    is_flat = all(b <= 2 * a for a, b in pairwise(figures))
    return report(rows, sys.argv[1:]) or int(not is_flat)


if __name__ == "__main__":
    sys.exit(main())
