"""What every command shares: examples in its help, a colour option, and the way it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TypeVar

import click

from lathe.cli import output

SUMMARIES = {
    "new": "Make a folder with a small app that is admitted.",
    "check": "Check apps: admitted, or refused with counterexample and cure.",
    "explain": "Say what a code means, with an example and the cure.",
    "show": "Draw an app: in English, as a diagram, a table or a permission matrix.",
    "fmt": "Put blueprints into the one format.",
    "schema": "Print the JSON Schema of a file that Lathe reads or writes.",
    "diff": "Say what one version of an app means that another does not.",
    "gauge": "Keep a trace as a gauge that every check runs, or run those that are kept.",
    "replay": "Run a saved trace on the model again.",
    "sim": "Run an app in simulated worlds, in which everything goes wrong.",
    "dev": "Serve apps on this machine, and swap in what changes once it is admitted.",
    "serve": "Serve the apps of a store over HTTP.",
    "apply": "Load an app into a runtime: shown first, done once it is confirmed.",
    "rollback": "Make an older version of an app current again.",
    "create": "Create an entity.",
    "act": "Take an action on an entity.",
    "get": "Print an entity, or what may be done with it now.",
    "list": "List entities.",
    "take": "Take an action on the first entity on which it is possible.",
    "decisions": "List, approve, deny and ask for decisions by people.",
    "journal": "Print what happened to an entity.",
    "intents": "Print what was asked for and refused, and what would allow it.",
    "events": "Follow what is committed.",
    "token": "Make, list, rotate and revoke tokens.",
    "policy": "Say by which policies somebody may take an action, or why not.",
    "audit": "Verify or export what was governed.",
    "store": "Verify, back up, export, import or erase what a store holds.",
    "mcp": "Serve an agent on stdin and stdout by the Model Context Protocol.",
    "skill": "Print the guide that teaches an agent the language and the loop.",
    "version": "Print the versions of Lathe and of the language.",
    "completion": "Print the script that completes commands in a shell.",
}
"""Every command, in the order of use, with its one line of help; its module is of the same name."""

HELP_OPTIONS = ["-h", "--help"]
CONTEXT = {"help_option_names": HELP_OPTIONS, "max_content_width": 100}

Decorated = TypeVar("Decorated", bound=Callable[..., object])

ELSEWHERE = {
    "build": "check", "lint": "check", "test": "check", "validate": "check", "verify": "check",
    "deploy": "apply", "load": "apply", "push": "apply", "update": "apply",
    "describe": "show", "log": "journal", "logs": "journal", "history": "journal",
    "format": "fmt", "init": "new", "run": "dev", "start": "dev", "up": "dev", "watch": "dev",
}  # fmt: skip
"""What other tools call it."""


class Command(click.Command):
    """A command that shows examples at the end of its help."""

    examples: Sequence[str] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)


class Commands(click.Group):
    """The commands, each imported when it is asked for."""

    examples: Sequence[str] = ()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of use."""
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in SUMMARIES:
            return None
        loaded = import_module(f"lathe.cli.commands.{cmd_name}").command
        assert isinstance(loaded, click.Command)
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one might be meant."""
        if args and args[0] not in SUMMARIES and not args[0].startswith("-"):
            near = ELSEWHERE.get(args[0]) or nearest(args[0], SUMMARIES)
            hint = f"; did you mean `{near}`?" if near else ""
            raise click.UsageError(f"`{output.clean(args[0])}` is no command{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)


def command(name: str, *, examples: tuple[str, str]) -> Callable[[Callable[..., int]], Command]:
    """Make a click command of a function that answers with its exit code."""

    def decorate(function: Callable[..., int]) -> Command:
        made = click.command(name, cls=Command, context_settings=CONTEXT, short_help=SUMMARIES[name])(
            function
        )
        made.examples = examples
        return made

    return decorate


def colour_option(function: Decorated) -> Decorated:
    """`--color`, for commands whose output has colours."""
    return click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="Colours: on a terminal without NO_COLOR (auto), always or never.",
    )(function)


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """A section with one example a line."""
    with formatter.section("Examples"):
        for example in examples:
            formatter.write(f"  {example}\n")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` may have been meant to be."""
    from difflib import get_close_matches  # only after a slip

    found = get_close_matches(word.lower(), list(known), n=1)
    return found[0] if found else None
