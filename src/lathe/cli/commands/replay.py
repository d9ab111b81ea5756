"""`lathe replay`."""

from __future__ import annotations

from dataclasses import replace

import click
import httpx2

from lathe.check.composed.permit import permit_of
from lathe.cli import exitcode, files, output, trace_table
from lathe.cli.client import DEFAULT_URL, run as run_client, token_option
from lathe.cli.colors import Paint
from lathe.cli.command import colour_option, command as make_command
from lathe.cli.exitcode import Stop
from lathe.cli.options import seconds
from lathe.cli.reading import read
from lathe.errors import UsageError
from lathe.frozen import frozen
from lathe.lang.model import App
from lathe.machine import gauge
from lathe.machine.replay import Replayed, parting
from lathe.machine.trace import Trace, TraceStep

WAIT_SECONDS = 10.0


@frozen
class ReplayRequest:
    """A replay as it was asked for. `path` is the app's, where it is not the server's."""

    trace: str
    path: str | None
    against: str | None
    url: str
    wait_seconds: float


@make_command(
    "replay",
    examples=(
        "lathe replay trace.json examples/rollout",
        "lathe replay incident.json --on server --url http://127.0.0.1:7411 --yes",
    ),
)
@click.argument("trace", type=click.Path())
@click.argument("path", type=click.Path(), required=False)
@click.option(
    "--on",
    "where",
    type=click.Choice(["model", "sim", "server"]),
    default="model",
    help="The model, the runtime in a simulated world, or a server, with fresh entities.",
)
@click.option(
    "--as",
    "form",
    type=click.Choice(["table", "english", "sequence"]),
    default="table",
    help="How to tell it: a table, sentences, or a Mermaid sequence chart.",
)
@click.option(
    "--against",
    type=click.Path(),
    metavar="OLD",
    help="The version that a run begins in, in which another takes over.",
)
@click.option("--url", envvar="LATHE_URL", metavar="URL", help=f"The server (default: {DEFAULT_URL}).")
@click.option("--yes", "is_meant", is_flag=True, help="Act on the server: create entities, take actions.")
@click.option(
    "--wait",
    callback=seconds,
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="On a server: how long to wait for each timer and effect.",
)
@token_option
@colour_option
def command(
    *,
    trace: str,
    path: str | None,
    where: str,
    form: str,
    against: str | None,
    url: str | None,
    is_meant: bool,
    wait: float | None,
    color: output.When,
) -> int:
    """Run the steps of TRACE on the app at PATH again, and say whether the same happens.

    TRACE is a file of `lathe check --trace ID --json` or of `lathe journal trace`, or a gauge
    (`{"trace": …, "expect": …}`). A server runs its own version, so it takes no PATH; because a replay acts
    there, it needs --yes. Exit code: 0 if it goes as recorded (a gauge: if it keeps its verdict), 1 if not.
    """
    if (path is None) != (where == "server"):
        raise UsageError("a replay takes an app, at PATH, or --on server")
    saved = gauge.load(files.read_file(trace), files.printable(trace))
    asked = ReplayRequest(trace, path, against, url or DEFAULT_URL, wait or WAIT_SECONDS)
    app, run, notes = (
        _on_server(saved, asked, is_meant=is_meant) if path is None else _here(saved, asked, where)
    )
    drawn = _drawn(replace(saved.trace, steps=_until_otherwise(run)), app, form)
    paint = Paint(output.has_colour(color))
    is_kept, verdict = _verdict(run, saved if path is not None else replace(saved, expect=None))
    told = paint("admitted" if is_kept else "refused", output.clean(f"{app.name}: {verdict}"))
    said = [*map(output.clean, notes), *_broken(run, paint), told]
    if form == "sequence":  # a chart for another program: what we say of it goes elsewhere
        output.data("\n".join(map(output.clean, drawn)))
        output.talk("\n".join(said))
    else:
        output.data("\n".join([*map(output.clean, drawn), *said]))
    return exitcode.DONE if is_kept else exitcode.FINDINGS


def _here(saved: gauge.Saved, asked: ReplayRequest, where: str) -> tuple[App, list[Replayed], list[str]]:
    """On the model, or by the runtime over a store in memory."""
    assert asked.path is not None, "an app was given"
    app = read(asked.path)
    old = None if asked.against is None else read(asked.against)
    before = None if old is None else (old, permit_of(old))
    run = gauge.run(app, saved.trace, files.printable(asked.trace), permit_of(app), before=before)
    if where == "sim":
        from lathe.sim.prepared import load  # only when asked for: it loads the whole runtime
        from lathe.sim.replaying import replay_by_runtime

        first = None if asked.against is None else load(files.load(asked.against).files)
        run = replay_by_runtime(load(files.load(asked.path).files), saved.trace, first)
    return app, run, []


def _on_server(
    saved: gauge.Saved, asked: ReplayRequest, *, is_meant: bool
) -> tuple[App, list[Replayed], list[str]]:
    """On a server, in the version that it runs."""
    from lathe.cli.live import running_app
    from lathe.cli.replaying import Replaying, asked_of, who  # only when asked for

    wanted = asked_of(saved.trace)
    if not is_meant:
        raise Stop(
            f"a replay acts: it would ask `{asked.url}` for {len(wanted)} steps of `{saved.trace.app}`, on "
            f"fresh entities, with all that follows; say --yes if that is meant",
            code=exitcode.USAGE,
        )
    app, digest = running_app(asked.url, saved.trace.app)

    async def use(client: httpx2.AsyncClient) -> tuple[list[Replayed], list[str]]:
        replaying = Replaying(client, app, wait_seconds=asked.wait_seconds)
        found = await replaying.play(saved.trace)
        return found, list(who(replaying))

    found, notes = run_client(asked.url, None, use)
    if digest != saved.trace.digest:
        notes.insert(0, f"it runs {digest}, the trace is of {saved.trace.digest}")
    return app, found, notes


def _drawn(trace: Trace, app: App, form: str) -> list[str]:
    """The steps as they went now, in the form that was asked for."""
    if form == "table":
        return trace_table.draw(trace, is_whole=True)
    from lathe.machine import sequence, trace_english  # only when asked for: start-up counts

    if form == "sequence":
        return sequence.sequence_chart(trace, app).splitlines()
    return [trace_english.sentence(step, app) for step in trace.steps]


def _until_otherwise(run: list[Replayed]) -> tuple[TraceStep, ...]:
    """The steps up to the first that goes otherwise: what follows it says nothing."""
    last = next((index for index, step in enumerate(run) if not step.is_same), len(run))
    return tuple(step.actual for step in run[: last + 1])


def _broken(run: list[Replayed], paint: Paint) -> list[str]:
    return [
        f"{paint('error', 'false:')} {output.clean(f'{broken.prop.name}: {trace_table.clause_line(clause)}')}"
        for step in run
        for broken in step.broken
        for clause in broken.clauses
    ]


def _verdict(run: list[Replayed], saved: gauge.Saved) -> tuple[bool, str]:
    """Whether the trace is what it was, in a few words."""
    names = sorted({broken.prop.name for step in run for broken in step.broken})
    if saved.expect is not None:
        given = gauge.verdicts(run)
        is_kept = saved.expect in given
        return (
            is_kept,
            f"keeps `{saved.expect}`" if is_kept else f"expected `{saved.expect}`, got `{given[0]}`",
        )
    for number, step in enumerate(run, 1):
        why = parting(step.recorded, step.actual)
        if why:
            what = step.actual.action or step.actual.event
            return False, f"goes otherwise at event {number}, `{what}` of `{step.actual.entity}`: {why}"
    return True, f"goes as recorded; breaks {', '.join(names)}" if names else "goes as recorded"
