"""Level 1: all obligations of a blueprint of fifteen actions, and the wallet, good and off by one.

    python bench/algebra.py [--quick] [--json]

Seconds are those of the process, once z3 is imported: laying the system out, a short search for lemmas, and
the proofs. The bound is on the proofs, which begin with guessing the lemmas.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from time import monotonic, process_time

import z3  # noqa: F401 - its import is no part of what is measured
from common import ROOT, Row, at_most, is_quick, report

from lathe.check.algebra.guess import guesses
from lathe.check.algebra.level import OBSERVED_STATES
from lathe.check.algebra.prove import Proofs, prove
from lathe.check.composed.system import make_system
from lathe.check.search.graph import Limits
from lathe.check.search.plain import search
from lathe.gate import Options, check_files
from lathe.gate.verdict import Outcome
from lathe.lang import read_app
from lathe.lang.model import App

LIMIT_SECONDS = 0.1
SECONDS = 60.0
RUNS = 9
QUICK_RUNS = 5

APP = """\
app = "bank"

[role]
customer = "owns"
clerk = "grants"
merchant = "is paid"
risk = "decides"
"""


def main() -> int:
    """Measure, print, and answer 1 if a bound was not kept, or something not proved or not refuted."""
    runs = QUICK_RUNS if is_quick() else RUNS
    account = _read({"app.toml": APP.encode(), "account.blueprint.toml": ACCOUNT.encode()})
    assert len(account.blueprints["Account"].actions) == 15, "fifteen actions"
    laid, proved, proofs = _measured(account, runs)
    files = {path.name: path.read_bytes() for path in (ROOT / "examples" / "wallet").glob("*.toml")}
    whole, good = _timed(lambda: _checked(files))
    blueprint = files["wallet.blueprint.toml"].replace(
        b"held + arg.amount <= balance", b"held + arg.amount <= balance + 1"
    )
    refused, bad = _timed(lambda: _checked({**files, "wallet.blueprint.toml": blueprint}))
    found = {f.diagnostic.code for f in bad.report.findings if f.property == "never_owes"}
    count = len(proofs.proved | proofs.open)
    rows = [
        at_most("fifteen actions: all obligations", round(proved, 4), "s", LIMIT_SECONDS),
        Row("fifteen actions: layout and a search for lemmas", round(laid, 4), "s"),
        Row("fifteen actions: obligations proved", len(proofs.proved), "obligations", "of", count, least=1),
        Row("wallet: admitted, both levels", round(whole, 3), "s"),
        Row("wallet, off by one: refused, both levels", round(refused, 3), "s"),
    ]
    is_right = good.report.verdict == "admitted" and "LT401" in found
    return report(rows, sys.argv[1:]) or int(not is_right)


def _read(files: dict[str, bytes]) -> App:
    app = read_app(files).app
    assert app is not None, "it can be read"
    return app


def _measured(app: App, runs: int) -> tuple[float, float, Proofs]:
    """Median seconds of what comes before the proofs, and of the proofs; and what was proved."""
    before, after = [], []
    for _ in range(runs + 1):
        start = process_time()
        stop_at = monotonic() + SECONDS
        system = make_system(app, dict.fromkeys(app.blueprints, 1), whole=True)
        seen = make_system(app, dict.fromkeys(app.blueprints, 1))
        graph = search(seen, Limits(OBSERVED_STATES, stop_at, monotonic))
        between = process_time()
        proofs = prove(system, guesses(seen.layout, graph.states, system.layout), monotonic, stop_at)
        before.append(between - start)
        after.append(process_time() - between)
    return statistics.median(before[1:]), statistics.median(after[1:]), proofs


def _timed(run: Callable[[], Outcome]) -> tuple[float, Outcome]:
    start = process_time()
    found = run()
    return process_time() - start, found


def _checked(files: dict[str, bytes]) -> Outcome:
    return check_files(files, Options(budget_seconds=SECONDS))


ACCOUNT = """\
blueprint = "Account"
doc = "Money of somebody, what of it is set aside, and what is owed."

[state]
open = { initial = true, waits = "its owner pays in or out" }
stopped = { waits = "risk decides" }
closing = { waits = "a clerk pays out the rest" }
closed = { final = true }

[field]
owner = { type = "id", frozen = true }
balance = { type = "int", range = [0, 1000000], default = 0 }
held = { type = "int", range = [0, 1000000], default = 0 }
limit = { type = "int", range = [0, 10000], default = 0 }
owed = { type = "int", range = [0, 10000], default = 0 }
warnings = { type = "int", range = [0, 3], default = 0 }

[action]
create = { by = "role:customer", do = ["owner = actor"] }
stop = { from = "open", to = "stopped", by = "role:risk" }
go_on = { from = "stopped", to = "open", by = "role:risk", do = ["warnings = 0"] }
warn = { from = "open", by = "role:risk", when = "warnings < 3", do = ["warnings += 1"] }
leave = { from = "open", to = "closing", by = "role:customer", when = "actor == owner and held + owed == 0" }
close = { from = "closing", to = "closed", by = "role:clerk", when = "balance == 0" }

[action.pay_in]
from = "open"
by = "role:customer"
args = { amount = { type = "int", range = [1, 1000000] } }
when = "actor == owner and balance + arg.amount <= 1000000"
do = ["balance += arg.amount"]

[action.pay_out]
from = "open"
by = "role:customer"
args = { amount = { type = "int", range = [1, 1000000] } }
when = "actor == owner and held + arg.amount <= balance"
do = ["balance -= arg.amount"]

[action.pay_rest]
from = "closing"
by = "role:clerk"
do = ["balance = 0"]

[action.hold]
from = "open"
by = "role:merchant"
args = { amount = { type = "int", range = [1, 1000000] } }
when = "held + arg.amount <= balance"
do = ["held += arg.amount"]

[action.release]
from = ["open", "stopped"]
by = "role:merchant"
args = { amount = { type = "int", range = [1, 1000000] } }
when = "arg.amount <= held"
do = ["held -= arg.amount"]

[action.capture]
from = "open"
by = "role:merchant"
args = { amount = { type = "int", range = [1, 1000000] } }
when = "arg.amount <= held"
do = ["held -= arg.amount", "balance -= arg.amount"]

[action.grant]
from = "open"
by = "role:clerk"
args = { amount = { type = "int", range = [0, 10000] } }
when = "owed <= arg.amount"
do = ["limit = arg.amount"]

[action.borrow]
from = "open"
by = "role:customer"
args = { amount = { type = "int", range = [1, 10000] } }
when = "actor == owner and owed + arg.amount <= limit and balance + arg.amount <= 1000000"
do = ["owed += arg.amount", "balance += arg.amount"]

[action.repay]
from = "open"
by = "role:customer"
args = { amount = { type = "int", range = [1, 10000] } }
when = "actor == owner and arg.amount <= owed and held + arg.amount <= balance"
do = ["owed -= arg.amount", "balance -= arg.amount"]

[invariant]
never_owes = "held <= balance"
within_limit = "owed <= limit"
closed_is_empty = { that = "balance == 0 and held == 0 and owed == 0", in = ["closed"] }
leaving_is_settled = { that = "held == 0 and owed == 0", in = ["closing"] }

[step]
stopped_is_stopped = { that = "balance == old.balance", when = "old.state == 'stopped'" }
"""

if __name__ == "__main__":
    sys.exit(main())
