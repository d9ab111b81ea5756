"""One search, in a process of its own: what `bench/search.py` starts, with no more loaded than it takes.

    python bench/searched.py MODEL THREADS

MODEL is the name of a scalable model, or `order:STATES`: the example with three of each, to the end of the
level that has so many states.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from time import monotonic

from lathe.gate.numpy_cpu import ready_numpy

ready_numpy()

from models import model  # noqa: E402  # loads numpy

from lathe.check.arrays.expand import Model  # noqa: E402
from lathe.check.arrays.explore import explore  # noqa: E402
from lathe.check.arrays.graph import ArrayGraph  # noqa: E402
from lathe.check.search.graph import Limits  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 600


def main(name: str, threads: int) -> None:
    """Search, and print what was found."""
    if name.startswith("order:"):
        graph, words = _order(int(name.partition(":")[2]), threads)
    else:
        made = model(name)
        limits = Limits(10**9, monotonic() + SECONDS, monotonic, [made.wrong])
        whole = made.model()
        graph, words = explore(whole, [made.initial], limits, threads=threads), whole.word_count
        assert graph.is_complete, graph.ended_by
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"states": graph.count, "steps": graph.steps, "bytes": peak, "words": words}))


def _order(most: int, threads: int) -> tuple[ArrayGraph, int]:
    from lathe.check.arrays.tier import model_of
    from lathe.check.composed.system import make_system
    from lathe.check.search.watch import watches
    from lathe.lang import read_app

    app = read_app({p.name: p.read_bytes() for p in (ROOT / "examples" / "order").glob("*.toml")}).app
    assert app is not None, "the example can be read"
    system = make_system(app, dict.fromkeys(app.blueprints, 3))
    made: Model = model_of(system, watches(system))
    limits = Limits(most, monotonic() + SECONDS, monotonic)
    return explore(made, system.initial, limits, threads=threads), made.word_count


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
