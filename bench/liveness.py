"""What liveness costs beside safety, on a graph of two million states.

    python bench/liveness.py [--json]

Safety: the search on arrays, with every invariant and range. Liveness: every step made again, strongly
connected components, and fairness by counting, for one `eventually` that holds. Seconds are the processor's,
SciPy's import included.
"""

from __future__ import annotations

import sys
from time import monotonic, process_time

from common import Row, report

from lathe.check.composed.system import make_system
from lathe.check.judge.liveness import failures
from lathe.check.judge.suspects import violated
from lathe.check.search.graph import Limits
from lathe.check.search.watch import watches
from lathe.gate.numpy_cpu import ready_numpy
from lathe.lang import read_app

MOST_TIMES = 3.0
HIGHEST = 31

FIELDS = "\n".join(f'{x} = {{ type = "int", range = [0, {HIGHEST}], default = 0 }}' for x in "abcd")
COUNTS = "\n".join(
    f'count_{x} = {{ from = "open", by = "role:user", when = "{x} < {HIGHEST}", do = ["{x} += 1"] }}'
    for x in "abcd"
)
BLUEPRINT = f"""
blueprint = "Counter"
[state]
open = {{ initial = true, after = "1h", then = "end" }}
done = {{ waits = "somebody reads it" }}
[field]
{FIELDS}
[action]
create = {{ by = "role:user" }}
end = {{ from = "open", to = "done" }}
{COUNTS}
[invariant]
few = "a + b + c + d <= {4 * HIGHEST}"
[eventually]
ends = {{ from = "open", to = "done" }}
"""
APP = 'app = "counter"\n[role]\nuser = "counts"\n'


def main() -> int:
    """Measure, print, and answer 1 if liveness took more than its bound."""
    ready_numpy()
    from lathe.check.arrays.explore import explore  # loads numpy
    from lathe.check.arrays.tier import model_of

    app = read_app({"app.toml": APP.encode(), "counter.blueprint.toml": BLUEPRINT.encode()}).app
    assert app is not None, "the app can be read"
    system = make_system(app, {"Counter": 1})
    start = process_time()
    limits = Limits(10**8, monotonic() + 600, monotonic)
    graph = explore(model_of(system, watches(system)), system.initial, limits)
    assert not violated(system, graph) and not graph.hits
    safety = process_time() - start
    start = process_time()
    assert not list(failures(system, graph)), "it ends in the end"
    liveness = process_time() - start
    told = f"liveness of {graph.count:,} states, {graph.steps:,} steps"
    row = Row(told, round(liveness, 2), "s", "safety of the same", round(safety, 2), most=MOST_TIMES)
    return report([row], sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
