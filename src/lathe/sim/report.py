"""What a campaign and a run come to, as plain data: on the command line, and for who watches a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import groupby

from lathe.frozen import frozen
from lathe.lang.model import Json
from lathe.machine import tracejson
from lathe.sim.campaign import Failure, Tally
from lathe.sim.run import Outcome
from lathe.sim.telling import trace_of

CAUSES_LIMIT = 64
EXAMPLES_LIMIT = 20
"""Seeds that are named of each cause, where a campaign is watched."""


def by_cause(failures: tuple[Failure, ...]) -> dict[str, list[Failure]]:
    """The failures of each cause, those of the lowest seeds first."""
    ordered = sorted(failures, key=lambda f: (f.cause, f.seed, f.mix))
    return {cause: list(group) for cause, group in groupby(ordered, key=lambda f: f.cause)}


def failure_json(failure: Failure) -> dict[str, Json]:
    """One failing seed."""
    return {"cause": failure.cause, "said": failure.said, "seed": failure.seed, "mix": failure.mix}


def tally_json(total: Tally, passed: float) -> dict[str, Json]:
    """A whole campaign, which took `passed` seconds."""
    failures = by_cause(total.failures).values()
    return {
        "v": 1,
        "ok": not total.failures,
        "seeds": total.seeds,
        "seconds": round(passed, 3),
        "steps": total.steps,
        "committed": total.committed,
        "virtual_seconds": round(total.virtual_seconds, 3),
        "faults": dict(total.faults),
        "taken": {f"{blueprint}.{action}": count for (blueprint, action), count in total.taken.items()},
        "failures": [failure_json(failure) for group in failures for failure in group],
    }


@frozen
class Cause:
    """What failed for one cause so far: how many seeds, what the first said, and some of them."""

    cause: str
    said: str
    count: int
    examples: tuple[Failure, ...]

    def added(self, more: list[Failure]) -> Cause:
        """With more seeds."""
        kept = (*self.examples, *more)[:EXAMPLES_LIMIT]
        return Cause(self.cause, self.said, self.count + len(more), kept)


class Progress:
    """A campaign as far as it came, in bounded memory however many seeds fail."""

    def __init__(self) -> None:
        self._total = Tally()
        self._taken = Counter[str]()
        self._causes: dict[str, Cause] = {}
        self._others = 0

    def add(self, tally: Tally) -> None:
        """What came of one more chunk."""
        failures, bare = tally.failures, Tally(
            tally.seeds, tally.steps, tally.committed, tally.virtual_seconds, faults=tally.faults
        )  # fmt: skip
        self._total = self._total.added(bare)
        self._taken.update({f"{b}.{action}": n for (b, action), n in tally.taken.items()})
        for cause, group in by_cause(failures).items():
            known = self._causes.get(cause)
            if known is None and len(self._causes) >= CAUSES_LIMIT:
                self._others += len(group)
                continue
            self._causes[cause] = (known or Cause(cause, group[0].said, 0, ())).added(group)

    def to_json(self, passed: float) -> dict[str, Json]:
        """The same as data; `passed` are the seconds that it took so far."""
        causes = [self._causes[name] for name in sorted(self._causes)]
        return {
            "seeds": self._total.seeds,
            "seconds": round(passed, 3),
            "steps": self._total.steps,
            "committed": self._total.committed,
            "virtual_seconds": round(self._total.virtual_seconds, 3),
            "faults": dict(sorted(self._total.faults.items())),
            "taken": dict(sorted(self._taken.items())),
            "failed": sum(one.count for one in causes) + self._others,
            "causes": [_cause_json(one) for one in causes],
        }


def _cause_json(one: Cause) -> Json:
    runs: list[Json] = [{"seed": f.seed, "mix": f.mix} for f in one.examples]
    return {"cause": one.cause, "said": one.said, "count": one.count, "runs": runs}


def run_json(found: Outcome, small: Outcome) -> dict[str, Json]:
    """One seed: what it found, and the trace of the run that was made `small` of it."""
    violation = found.violation
    data: dict[str, Json] = {
        "v": 1,
        "app": found.app,
        "digest": found.digest,
        "seed": found.setting.seed,
        "mix": found.setting.mix,
        "steps": found.steps,
        "committed": found.committed,
        "virtual_seconds": round(found.virtual_seconds, 3),
        "journal": found.journal,
        "log": found.log,
        "faults": dict(found.faults),
    }
    if violation is None:
        return {**data, "ok": True}
    said: dict[str, Json] = {"cause": violation.cause, "said": violation.said, **_shrunk(small)}
    return {**data, "ok": False, "violation": said, "trace": tracejson.to_json(trace_of(small))}


def _shrunk(small: Outcome) -> Mapping[str, Json]:
    """What the small run still needs to fail."""
    faults: list[Json] = [name for name, count in sorted(small.faults.items()) if count]
    return {"commands": sum(map(len, small.script)), "needs": faults}
