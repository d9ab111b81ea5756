"""The way in: runs a command and turns whatever happens into an exit code and a sentence."""

from __future__ import annotations

import gc

import click

from lathe.cli import exitcode, output
from lathe.cli.command import CONTEXT, Commands
from lathe.cli.exitcode import Stop
from lathe.errors import InternalError, LatheError, NotFoundError, UnreadableError, UsageError

REPORT_TO = "please report it with the command and the files: this should not happen"


@click.group(cls=Commands, context_settings=CONTEXT, no_args_is_help=False, invoke_without_command=True)
@click.option("--version", "wants_version", is_flag=True, help="Print the version and stop.")
@click.pass_context
def lathe(context: click.Context, *, wants_version: bool) -> int:
    """Check blueprints: state machines as data, admitted or refused before they run.

    A blueprint says how one kind of entity may live. `lathe check` searches every state that it can
    reach and shows the shortest way to what must never be so.
    """
    if wants_version:
        from lathe.cli.commands.version import version_line

        output.data(version_line())
        context.exit(exitcode.DONE)
    if context.invoked_subcommand is None:
        output.data(context.get_help())
    return exitcode.DONE


assert isinstance(lathe, Commands)
lathe.examples = ("lathe new turnstile", "lathe check turnstile")


COLLECT_EVERY = 200_000
"""Objects between two looks for garbage: a search makes many that live, and hardly any in circles."""


def run(arguments: list[str] | None = None) -> int:
    """Run one command line (default: the process's) and answer with its exit code."""
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    code = _run(arguments)
    if arguments is None:
        gc.freeze()  # the process ends now: looking through all that is left once more is a tenth of a check
    return code


def _run(arguments: list[str] | None) -> int:
    try:
        code = lathe.main(arguments, prog_name="lathe", standalone_mode=False)
    except click.UsageError as error:
        return _usage(error)
    except click.ClickException as error:
        return _failed(error.format_message(), exitcode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _failed("interrupted", exitcode.INTERRUPTED)
    except LatheError as error:
        return _refused(error)
    except OSError as error:
        return _failed(_of_system(error), exitcode.of_os_error(error))
    except Exception as error:  # noqa: BLE001 - the last resort: a defect is told, never dumped
        return _defect(_where(error))
    return code if isinstance(code, int) else exitcode.DONE


def _usage(error: click.UsageError) -> int:
    path = error.ctx.command_path if error.ctx else "lathe"
    message = " ".join(error.format_message().split()).rstrip(".")
    return _failed(f"{message[:1].lower()}{message[1:]}\n`{path} --help` shows how", exitcode.USAGE)


def _refused(error: LatheError) -> int:
    match error:
        case Stop():
            return _failed(str(error), error.code)
        case UsageError():
            return _failed(str(error), exitcode.USAGE)
        case UnreadableError():
            for found in error.diagnostics:
                output.talk(f"{found.span}: {found.severity} {found.code}: {output.clean(found.message)}")
            return exitcode.UNREADABLE
        case NotFoundError():
            return _failed(str(error.args[0] if error.args else error), exitcode.NOT_FOUND)
        case InternalError():
            return _defect(str(error))
    from lathe.store.base import StoreError  # late: it is for what went wrong alone

    if isinstance(error, StoreError):
        return _failed(f"{error} ({error.code})", exitcode.OF_STORE.get(error.code, exitcode.UNAVAILABLE))
    return _failed(str(error), exitcode.FINDINGS)


def _of_system(error: OSError) -> str:
    """What the system said, and of which file."""
    said = (error.strerror or str(error)).lower()
    return f"`{error.filename}`: {said}" if isinstance(error.filename, str) else said


def _failed(message: str, code: int) -> int:
    output.talk(f"lathe: {output.clean(message)}")
    return code


def _defect(what: str) -> int:
    from lathe.cli.commands.version import version_line

    output.talk(f"lathe: LT901: a defect of Lathe: {output.clean(what)}\n{version_line()}; {REPORT_TO}")
    return exitcode.INTERNAL


def _where(error: Exception) -> str:
    """The error and the place in our code that it came from: what a report needs, in one line."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}")
        trace = trace.tb_next
    ours = [frame for frame in frames if frame.startswith("lathe.")]
    return f"{type(error).__name__}: {str(error)[:200]} (at {' '.join(ours[-3:])})"
