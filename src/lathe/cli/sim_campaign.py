"""`lathe sim`: runs a campaign of simulated worlds with progress, resume and a report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter

from lathe.cli import files, output
from lathe.errors import NotFoundError
from lathe.frozen import frozen
from lathe.lang.model import Json
from lathe.sim.campaign import Chunk, Failure, Tally, campaign, chunks
from lathe.sim.menu import Mix
from lathe.sim.report import by_cause, failure_json

EXAMPLES_LIMIT = 3
"""Seeds that are told of each cause."""
RESUME_LIMIT_BYTES = 64 * 1024 * 1024


@frozen
class CampaignOptions:
    """A campaign as it was asked for. `digest` is the app's; `seconds`, `resume` and `ray` (the address of a
    cluster) are optional.
    """

    path: str
    contents: Mapping[str, bytes]
    digest: str
    jobs: int
    seconds: float | None
    resume: str | None
    ray: str | None = None


def run_campaign(
    asked: CampaignOptions, mixes: Sequence[Mix], *, first: int, seeds: int | None
) -> tuple[Tally, float]:
    """Run it, and say how it goes; Ctrl-C ends it with what is known. Gives the seconds that it took too.

    What an earlier campaign kept of failures in `resume` counts as found again.
    """
    started = perf_counter()
    done, total = _kept(asked)
    stop_at = None if asked.seconds is None else started + asked.seconds
    planned = chunks(mixes, first, seeds, done)
    run = _running(asked, planned, lambda: stop_at is not None and perf_counter() >= stop_at)
    try:
        for chunk, tally in run:
            total = total.added(tally)
            _keep(asked, chunk, tally)
            output.status(_progress(total, perf_counter() - started))
    except KeyboardInterrupt:
        output.talk("interrupted")
    output.status("")
    return total, perf_counter() - started


def _running(
    asked: CampaignOptions, planned: Iterator[Chunk], is_over: Callable[[], bool]
) -> Iterator[tuple[Chunk, Tally]]:
    """Over processes of this machine, or over a cluster."""
    if asked.ray is None:
        return campaign(asked.contents, planned, jobs=asked.jobs, is_over=is_over)
    from lathe.sim.rayed import campaign_over_ray  # only when asked for: it is an extra

    return campaign_over_ray(asked.contents, planned, address=asked.ray, is_over=is_over)


def _kept(asked: CampaignOptions) -> tuple[set[tuple[str, int]], Tally]:
    """The chunks that are done, and the failures that they found."""
    done: set[tuple[str, int]] = set()
    failures: list[Failure] = []
    if asked.resume is None:
        return done, Tally()
    try:
        raw = files.read_file(asked.resume, limit_bytes=RESUME_LIMIT_BYTES)
    except NotFoundError:
        return done, Tally()
    for line in raw.decode("utf-8", "replace").splitlines():
        try:
            data = json.loads(line)
            if data["digest"] != asked.digest:
                continue
            done.add((data["mix"], data["first"]))
            failures += [Failure(**failure) for failure in data["failures"]]
        except (ValueError, KeyError, TypeError):
            output.talk(f"`{files.printable(asked.resume)}` has a line that is none of ours: passed over")
    return done, Tally(failures=tuple(failures))


def _keep(asked: CampaignOptions, chunk: Chunk, tally: Tally) -> None:
    if asked.resume is None:
        return
    failures: list[Json] = [failure_json(failure) for failure in tally.failures]
    line: dict[str, Json] = {"digest": asked.digest, "mix": chunk.mix, "first": chunk.first}
    files.add_line(asked.resume, json.dumps({**line, "last": chunk.last, "failures": failures}))


def _progress(total: Tally, passed: float) -> str:
    found = f", {len(total.failures)} failed" if total.failures else ""
    return (
        f"{total.seeds} seeds, {total.steps / passed:,.0f} steps a second, "
        f"{total.virtual_seconds / passed:,.0f} times as fast as life{found}; Ctrl-C stops"
    )


def tally_text(total: Tally, passed: float, path: str) -> list[str]:
    """What is printed at the end."""
    strikes, hours = sum(total.faults.values()), total.virtual_seconds / 3600
    said = [
        f"{total.seeds} seeds in {passed:.1f} s: {total.steps:,} steps, {total.steps / passed:,.0f} a second",
        f"{total.committed:,} committed, {strikes:,} faults",
        f"{hours:,.1f} hours of virtual time, {total.virtual_seconds / passed:,.0f} times as fast as life",
    ]
    for cause, failures in by_cause(total.failures).items():
        said.append(f"{cause}: {len(failures)} {'seed' if len(failures) == 1 else 'seeds'}")
        said.append(f"  {failures[0].said}")
        said += [f"  lathe sim {path} --seed {f.seed} --mix {f.mix}" for f in failures[:EXAMPLES_LIMIT]]
    if not total.failures:
        said.append("nothing found")
    return [output.clean(line) for line in said]
