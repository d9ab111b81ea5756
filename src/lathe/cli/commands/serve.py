"""`lathe serve`."""

from __future__ import annotations

import click

from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command

FIRST = """\
this store has no tokens yet: here is an operator's, told this once
  {token}
keep it, and make others with it: LATHE_TOKEN=… lathe token create NAME --role ROLE"""


@make_command(
    "serve", examples=("lathe serve --port 8000", "lathe serve --config /etc/lathe.toml --print-config")
)
@click.option("--host", metavar="ADDRESS", help="Where to listen, whatever the configuration says.")
@click.option("--port", type=click.IntRange(1, 65_535), help="The port, whatever the configuration says.")
@click.option(
    "--config", "path", type=click.Path(), metavar="FILE", help="The configuration (default: lathe.toml)."
)
@click.option("--print-config", "wants_config", is_flag=True, help="Print what is in force, and stop.")
def command(*, host: str | None, port: int | None, path: str | None, wants_config: bool) -> int:
    """Serve the apps of a store over HTTP, until SIGTERM.

    An option wins over LATHE_SERVER_HOST and LATHE_SERVER_PORT, these over `lathe.toml`.
    """
    from msgspec import structs

    from lathe.agents.mount import Agents
    from lathe.api.server import run, serve
    from lathe.api.wire.logs import configure
    from lathe.cli.assembly import configured, put_together
    from lathe.console.app import Console
    from lathe.runtime.config import shown

    config = configured(path)
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    config = structs.replace(config, server=structs.replace(config.server, **given))
    if wants_config:
        output.data(shown(config).decode())
        return exitcode.DONE
    assembly = put_together(config)
    configure(output.log_stream())
    store = config.store.url.partition("://")[0]
    said = f"serving {store} at http://{config.server.host}:{config.server.port}"
    application = Agents(Console(assembly.api), assembly.api)
    run(serve(assembly, application=application, first_token=_first, opened=lambda: output.talk(said)))
    return exitcode.DONE


def _first(token: str) -> None:
    output.talk(FIRST.format(token=token))
