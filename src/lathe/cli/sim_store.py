"""`lathe sim --store`: seeds on a real store, with processes that are killed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from time import perf_counter

from lathe.cli import exitcode, files, output
from lathe.frozen import frozen
from lathe.lang.model import Json
from lathe.sim.killing import Found, hastened, run_seed
from lathe.sim.places import check, new_place
from lathe.sim.prepared import prepare

SEEDS = 10
"""Seeds, where nothing else is said."""


@frozen
class StoreRunOptions:
    """What was asked for: seeds from `first` on, `seeds` of them or for so many `seconds`."""

    path: str
    store: str
    first: int
    seeds: int | None
    seconds: float | None
    as_json: bool


def run(asked: StoreRunOptions) -> int:
    """Run the seeds one after another, each on a store of its own; the exit code."""
    check(asked.store)
    prepared = prepare(hastened(files.load(asked.path).files))
    started = perf_counter()
    found: list[tuple[int, Found]] = []
    try:
        for seed in _seeds(asked, started):
            found.append((seed, run_seed(prepared, new_place(asked.store), seed)))
            output.status(_progress(found, perf_counter() - started))
    except KeyboardInterrupt:
        output.talk("interrupted")
    output.status("")
    passed = perf_counter() - started
    failed = [(seed, one) for seed, one in found if one.violation is not None]
    if asked.as_json:
        output.data(json.dumps(_json(found, passed), ensure_ascii=False))
    else:
        output.data("\n".join(map(output.clean, _text(asked, found, passed))))
    return exitcode.FINDINGS if failed else exitcode.DONE


def _seeds(asked: StoreRunOptions, started: float) -> Iterator[int]:
    if asked.seconds is None:
        yield from islice(count(asked.first), asked.seeds)
        return
    for seed in count(asked.first):
        yield seed
        if perf_counter() - started >= asked.seconds:
            return


def _progress(found: list[tuple[int, Found]], passed: float) -> str:
    kills = sum(one.kills for _, one in found)
    wrong = sum(one.violation is not None for _, one in found)
    return f"{len(found)} seeds in {passed:,.0f} s, {kills} kills, {wrong} failed; Ctrl-C stops"


def _text(asked: StoreRunOptions, found: list[tuple[int, Found]], passed: float) -> list[str]:
    total = _total(found)
    path = files.printable(asked.path)
    said = [
        f"{len(found)} {'seed' if len(found) == 1 else 'seeds'} in {passed:.1f} s on "
        f"{asked.store.partition(':')[0]}: {total['committed']:,} steps committed, {total['commands']:,} "
        f"commands, {total['tries']:,} tries of effects, {total['kills']} kills, {total['stalls']} stalls"
    ]
    for seed, one in found:
        if one.violation is not None:
            said += [
                f"{one.violation.cause}: {one.violation.said}",
                f"  lathe sim {path} --store {asked.store} --seed {seed}",
            ]
    return said if any(one.violation for _, one in found) else [*said, "nothing found"]


def _total(found: list[tuple[int, Found]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for _, one in found:
        for name in ("committed", "commands", "tries", "kills", "stalls"):
            total[name] += getattr(one, name)
    return total


def _json(found: list[tuple[int, Found]], passed: float) -> dict[str, Json]:
    failures: list[Json] = [
        {"seed": seed, "cause": one.violation.cause, "said": one.violation.said}
        for seed, one in found
        if one.violation is not None
    ]
    return {
        "v": 1, "ok": not failures, "seeds": len(found), "seconds": round(passed, 3), **_total(found),
        "failures": failures,
    }  # fmt: skip
