"""`lathe completion`."""

from __future__ import annotations

import click

from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command


@make_command(
    "completion",
    examples=(
        'eval "$(lathe completion bash)"',
        "lathe completion fish > ~/.config/fish/completions/lathe.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, *, shell: str) -> int:
    """Print the script that completes commands, options and codes in SHELL."""
    from click.shell_completion import get_completion_class  # imports subprocess

    root = context.find_root().command
    completer = get_completion_class(shell)
    assert completer is not None, shell
    script = completer(root, {}, "lathe", "_LATHE_COMPLETE")
    output.data(script.source_template % script.source_vars())
    return exitcode.DONE
