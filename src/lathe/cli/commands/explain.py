"""`lathe explain`."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command, nearest
from lathe.errors import NotFoundError, UsageError
from lathe.gate import codes


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(code) for code in codes.codes() if code.startswith(incomplete.upper())]


@make_command("explain", examples=("lathe explain LT401", "lathe explain --list"))
@click.argument("code", required=False, shell_complete=_complete)
@click.option("--list", "wants_list", is_flag=True, help="List every code, its severity and what it means.")
def command(*, code: str | None, wants_list: bool) -> int:
    """Say what CODE means: the cause, an example, and the cure."""
    if (code is None) != wants_list:
        raise UsageError("give one code, or --list")
    if code is None:
        listed = (f"{known}  {codes.severity(known):<7}  {codes.title(known)}" for known in codes.codes())
        output.data("\n".join(listed))
        return exitcode.DONE
    wanted = code.strip().upper()
    if wanted not in codes.codes():
        near = nearest(wanted, [known.lower() for known in codes.codes()])
        hint = f"did you mean `{near.upper()}`?" if near else "`lathe explain --list` lists them"
        raise NotFoundError(f"`{code}` is no code; {hint}")
    output.data(codes.page(wanted).rstrip("\n"))
    return exitcode.DONE
