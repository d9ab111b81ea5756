"""Decisions by policies: one that was never asked, with few and many policies, and one that is kept.

    python bench/policy.py [--quick] [--json]

The policies are spread over twenty blueprints, five of them for each action, as in an app that grows;
a decision is asked of the slice of its action alone. Beside it the same question asked of Cedar's engine
with all policies at once, parsed once, its entities given as data (the first way that comes to mind).
"""

from __future__ import annotations

import statistics
import sys
from itertools import count, pairwise
from time import process_time

import cedarpy
from common import Row, is_quick, report

from lathe.lang import read_app
from lathe.lang.model import App
from lathe.policy.engine import Decider
from lathe.policy.lower import permits
from lathe.policy.requests import Request, Value, principal_entity, uid

SIZES = (10, 100, 1_000)
A_SLICE = 5
COLD_LIMIT_MICROSECONDS = 35.0
KEPT_LIMIT_MICROSECONDS = 0.5
COLD, KEPT = 2_000, 50_000
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
    kept = microseconds(
        lambda: found.decide(("Principal", "p1"), MANAGER, "Claim0#1", fields, {}), max(KEPT // 10, times)
    )
    rows.append(Row("a decision that is kept", kept, "µs", "the bound", KEPT_LIMIT_MICROSECONDS))
    report(rows, sys.argv[1:])
    is_flat = all(b <= 2 * a for a, b in pairwise(figures))
    return 0 if is_flat and figures[0] <= COLD_LIMIT_MICROSECONDS and kept <= KEPT_LIMIT_MICROSECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
