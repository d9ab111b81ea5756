"""`lathe skill`."""

from __future__ import annotations

import click

from lathe.agents.guide import HEAD, guide
from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command


@make_command("skill", examples=("lathe skill", "lathe skill --file > skills/lathe/SKILL.md"))
@click.option("--file", "is_file", is_flag=True, help="With the head that collections of skills ask for.")
def command(*, is_file: bool) -> int:
    """Print the guide that teaches an agent the language and the loop."""
    output.data(f"{HEAD if is_file else ''}{guide()}".rstrip("\n"))
    return exitcode.DONE
