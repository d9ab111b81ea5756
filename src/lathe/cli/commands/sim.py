"""`lathe sim`."""

from __future__ import annotations

import json

import click

from lathe.cli import exitcode, files, output, trace_table
from lathe.cli.command import command as make_command
from lathe.cli.options import seconds
from lathe.cli.reading import read
from lathe.cli.sim_campaign import CampaignOptions, run_campaign, tally_text
from lathe.errors import UsageError
from lathe.lang import digest
from lathe.sim.menu import MIXES, Mix
from lathe.sim.prepared import Prepared, prepare
from lathe.sim.report import run_json, tally_json
from lathe.sim.run import Outcome, setting_of, simulate
from lathe.sim.shrink import shrink
from lathe.sim.telling import trace_of

SEEDS = 100
"""Seeds of each mix, where nothing else is said."""


@make_command(
    "sim",
    examples=(
        "lathe sim examples/rollout --seed 7 --mix chaos",
        "lathe sim examples/order --for 10m --jobs 2 --resume seeds.jsonl",
    ),
)
@click.argument("path", type=click.Path())
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Run this seed alone, or begin with it.")
@click.option(
    "--seeds",
    "count",
    type=click.IntRange(1),
    metavar="N",
    help=f"How many seeds of each mix (default: {SEEDS}).",
)
@click.option(
    "--for", "duration", callback=seconds, metavar="DURATION", help="Go on for so long: `30s`, `10m`, `2h`."
)
@click.option(
    "--mix",
    type=click.Choice([*MIXES, "all"]),
    help="How much goes wrong (default: all three; chaos for one seed).",
)
@click.option("--jobs", type=click.IntRange(1, 256), default=1, metavar="N", help="Processes (default: 1).")
@click.option(
    "--resume",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Keep in FILE which seeds are done, and leave out those that are.",
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Over a Ray cluster: its address, `auto`, or `local` for one of this machine.",
)
@click.option(
    "--store",
    metavar="STORE",
    help="On a real store, with processes that are killed: `sqlite`, or `postgres://…`.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(
    *,
    path: str,
    seed: int | None,
    count: int | None,
    duration: float | None,
    mix: str | None,
    jobs: int,
    resume: str | None,
    ray: str | None,
    store: str | None,
    as_json: bool,
) -> int:
    """Run the app at PATH in simulated worlds, in which whatever can go wrong goes wrong.

    It is the real runtime: engine, outbox and timers, over a store and adapters that fail, on processes that
    die, with clocks that jump. A failure prints the line that repeats it, made as small as it can be. The app
    should be admitted: a property that `lathe check` refutes fails here too. Exit code: 0 nothing found,
    1 something.

    With --store it runs in real time, on a store of its own for each seed (a folder, or a schema that is
    dropped afterwards), in processes that are killed with SIGKILL at random moments; the app's durations are
    made seconds. A seed there decides what is asked and when who is killed, not every interleaving.
    """
    app = read(path)
    contents = files.load(path).files
    if count is not None and duration is not None:
        raise UsageError("give one of --seeds and --for")
    if ray is not None and (jobs > 1 or (seed is not None and count is None and duration is None)):
        raise UsageError("--ray is for campaigns, in place of --jobs: give --seeds or --for")
    if seed is not None and count is None and duration is None and store is None:
        return _one(path, prepare(contents), seed, _one_mix(mix), as_json=as_json)
    if store is not None:
        return _on_store(
            path,
            store,
            seed,
            count,
            duration,
            has_more=bool(mix or resume or ray or jobs > 1),
            as_json=as_json,
        )
    mixes = tuple(m for m in MIXES if mix in (None, "all", m))
    asked = CampaignOptions(path, contents, digest(app), jobs, duration, resume, ray)
    seeds = count or (SEEDS if duration is None else None)
    total, passed = run_campaign(asked, mixes, first=seed or 0, seeds=seeds)
    if as_json:
        output.data(json.dumps(tally_json(total, passed), ensure_ascii=False))
    else:
        output.data("\n".join(tally_text(total, passed, files.printable(path))))
    return exitcode.FINDINGS if total.failures else exitcode.DONE


def _on_store(
    path: str,
    store: str,
    seed: int | None,
    count: int | None,
    duration: float | None,
    *,
    has_more: bool,
    as_json: bool,
) -> int:
    """Seeds with real processes on a real store."""
    from lathe.cli import sim_store  # only when asked for: it loads the stores

    if has_more:
        raise UsageError("--mix, --jobs, --ray and --resume are for simulated stores")
    seeds = count if count is not None else (1 if seed is not None else sim_store.SEEDS)
    asked = sim_store.StoreRunOptions(path, store, seed or 0, seeds, duration, as_json)
    return sim_store.run(asked)


def _one_mix(mix: str | None) -> Mix:
    return next((m for m in MIXES if m == mix), "chaos")


def _one(path: str, prepared: Prepared, seed: int, mix: Mix, *, as_json: bool) -> int:
    """One seed: what it went through, and what it found, made small."""
    found = simulate(prepared, setting_of(seed, mix))
    small = shrink(prepared, found) if found.violation is not None else found
    if as_json:
        output.data(json.dumps(run_json(found, small), ensure_ascii=False))
    else:
        output.data("\n".join(map(output.clean, _text(found, small, files.printable(path)))))
    return exitcode.FINDINGS if found.violation is not None else exitcode.DONE


def _text(found: Outcome, small: Outcome, path: str) -> list[str]:
    strikes = ", ".join(f"{name} {count}" for name, count in sorted(found.faults.items())) or "none"
    said = [
        f"seed {found.setting.seed}, {found.setting.mix}: {found.steps:,} steps, "
        f"{found.committed} committed, {found.commands} commands, {found.virtual_seconds:,.0f} virtual s, "
        f"{found.setting.nodes} {'process' if found.setting.nodes == 1 else 'processes'}",
        f"faults: {strikes}",
        f"journal {found.journal[:16]}, log {found.log[:16]}",
    ]
    if found.violation is None:
        return [*said, "nothing found"]
    assert small.violation is not None, "what is shrunk still fails"
    asked = sum(map(len, small.script))
    faults = ", ".join(name for name, count in small.faults.items() if count) or "no fault"
    return [
        *said,
        f"{found.violation.cause}: {small.violation.said}",
        f"shrunk to {asked} commands, {small.steps:,} steps and {faults}:",
        *(f"  {line}" for line in trace_table.draw(trace_of(small), is_whole=True)),
        f"repeat it: lathe sim {path} {found.line}",
    ]
