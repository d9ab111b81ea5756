"""`lathe dev`."""

from __future__ import annotations

import os

import click

from lathe.cli import exitcode, files, output
from lathe.cli.command import command as make_command

DEVELOPMENT = """\
!! development: whoever reaches this address is `dev`, an operator who holds every role
!! it stays on the loopback interface; `lathe serve` is for everybody else, who show tokens
!! to be somebody else here, make them one: `lathe token create ann --kind person --role ROLE`
!! nobody is kept apart here: whoever asks for a decision can show no token and approve it"""


@make_command(
    "dev", examples=("lathe dev examples/rollout", "lathe dev examples/rollout --port 8000 --data /tmp/lathe")
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port, whatever the configuration says.")
@click.option("--data", default=".lathe", show_default=True, metavar="DIR", help="Where everything is kept.")
@click.option("--config", type=click.Path(), metavar="FILE", help="The configuration (default: lathe.toml).")
@click.option("--accept-bounds", is_flag=True, help="Also if the verdict is unknown within named bounds.")
def command(
    *, paths: tuple[str, ...], port: int | None, data: str, config: str | None, accept_bounds: bool
) -> int:
    """Serve the apps at PATH..., and swap in what is changed there once it is admitted.

    What is refused stays on the screen while the version before runs on. If an app has a `dev.toml`, its
    stand-in for the world outside is started too.
    """
    from lathe.api.server import run
    from lathe.api.wire.logs import configure
    from lathe.cli.assembly import configured, for_development, put_together
    from lathe.cli.development import Development, StandIns, settings_of

    for path in paths:
        files.load(path)
    configuration = configured(config)
    port = configuration.server.port if port is None else port
    base = f"http://127.0.0.1:{port}"
    stand_ins = StandIns(paths, base)
    apps = settings_of(paths, stand_ins)
    assembly = put_together(for_development(configuration, port=port, data=data, apps=apps), mode="dev")
    configure(output.log_stream())
    output.talk(DEVELOPMENT)
    with stand_ins:
        run(
            Development(
                assembly, paths, base, folder=os.path.abspath(data), accept_bounds=accept_bounds
            ).run()
        )
    return exitcode.DONE
