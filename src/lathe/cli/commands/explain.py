"""`lathe explain`."""

from __future__ import annotations

from http import HTTPStatus

import click
from click.shell_completion import CompletionItem

from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command, nearest
from lathe.errors import NotFoundError, UsageError
from lathe.gate import codes


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(code) for code in codes.codes() if code.startswith(incomplete.upper())]


def _refusal(code: str) -> str:
    """What a refusal of a runtime means. Raises `NotFoundError`."""
    from lathe.api.wire.problem import PROBLEMS  # only here: findings need no API

    word = code[2:].lower()
    known = f"LR{word}"
    if known not in PROBLEMS:
        near = nearest(word, [known.removeprefix("LR") for known in PROBLEMS])
        raise NotFoundError(f"`{code}` is no code" + (f"; did you mean `LR{near}`?" if near else ""))
    status = HTTPStatus(int(known[2:5]))
    lines = [f"# {known}: {PROBLEMS[known]}", f"HTTP {status.value} {status.phrase}, told by a runtime."]
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT):
        lines.append(
            "`lathe get APP/PLURAL/ID --actions` tells what may be done with it now, and why not the rest."
        )
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        lines.append("`/openapi.json` of the runtime has the arguments of every action, with their types.")
    if status is HTTPStatus.UNAUTHORIZED:
        lines.append("Set LATHE_TOKEN, or name a file that holds a token with `--token-file`.")
    return "\n\n".join(lines)


@make_command("explain", examples=("lathe explain LT401", "lathe explain LR409.guard"))
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
    if wanted.startswith("LR"):
        output.data(_refusal(code.strip()))
        return exitcode.DONE
    if wanted not in codes.codes():
        near = nearest(wanted, [known.lower() for known in codes.codes()])
        hint = f"did you mean `{near.upper()}`?" if near else "`lathe explain --list` lists them"
        raise NotFoundError(f"`{code}` is no code; {hint}")
    output.data(codes.page(wanted).rstrip("\n"))
    return exitcode.DONE
