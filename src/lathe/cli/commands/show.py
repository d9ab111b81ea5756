"""`lathe show`."""

from __future__ import annotations

import click

from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command
from lathe.cli.reading import read
from lathe.errors import UsageError
from lathe.lang import canonical, render
from lathe.lang.model import App

FORMS = (
    *("english", "mermaid", "dot", "svg", "table", "permissions"),
    *("json", "graph", "cedar", "promela", "tla"),
)


@make_command(
    "show", examples=("lathe show examples/rollout", "lathe show examples/rollout --as svg > rollout.svg")
)
@click.argument("path", type=click.Path())
@click.option(
    "--as",
    "form",
    type=click.Choice(FORMS),
    default="english",
    help=(
        "What to draw; json is the canonical form, graph the diagram as data; cedar is what policies see; "
        "promela and tla are the system that is searched."
    ),
)
def command(*, path: str, form: str) -> int:
    """Draw the app at PATH: in English, as a state diagram, as tables, or as canonical JSON.

    PATH is an app's folder, its `app.toml`, or a `*.blueprint.toml` alone. Nothing is checked but
    that it can be read.
    """
    output.data(_drawn(read(path), form).rstrip("\n"))
    return exitcode.DONE


def _drawn(app: App, form: str) -> str:
    match form:
        case "mermaid":
            return render.mermaid(app)
        case "dot":
            return render.dot(app)
        case "svg":
            return render.svg(app)
        case "table":
            return render.table(app)
        case "permissions":
            return _permissions(app)
        case "json":
            return canonical(app).decode()
        case "graph":
            import json  # only for this form

            return json.dumps(render.graph(app), ensure_ascii=False, indent=1)
        case "cedar":
            return _cedar(app)
        case "promela" | "tla":
            return _exported(app, form)
        case _:
            return render.english(app)


def _permissions(app: App) -> str:
    """Who may do what; with what policies change, as far as they can be tried."""
    if not app.policies:
        return render.permissions(app)
    from lathe.check.bounds import TooLargeError  # only where there are policies: it loads cedarpy
    from lathe.check.reporting.permissions import ruling

    try:
        return render.permissions(app, ruling(app))
    except TooLargeError as error:
        raise UsageError(f"the policies of `{app.name}` cannot be tried: {error}") from None


def _cedar(app: App) -> str:
    """The schema that policies are written against, and the permits that the blueprints give."""
    from lathe.policy.implied import permits  # only for this form
    from lathe.policy.schema import schema

    return "\n".join([schema(app), "", "// permits of `by` and `read`", *(p.text for p in permits(app))])


def _exported(app: App, form: str) -> str:
    """The composed system in its smallest scope, for another model checker."""
    from lathe.check import export  # only for these forms
    from lathe.check.bounds import TooLargeError
    from lathe.check.composed.system import make_system
    from lathe.check.search.scope import scopes

    try:
        system = make_system(app, scopes(app)[0])
        return export.promela(system) if form == "promela" else export.tla(system)
    except TooLargeError as error:
        raise UsageError(f"`{app.name}` is too large to be exported: {error}") from None
