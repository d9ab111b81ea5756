"""`lathe fmt`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator

import click

from lathe.cli import exitcode, files, output
from lathe.cli.command import command as make_command
from lathe.cli.exitcode import Stop
from lathe.errors import UnreadableError, UsageError
from lathe.lang.format import format_text
from lathe.lang.source import read_source

STANDARD_INPUT = "-"


@make_command("fmt", examples=("lathe fmt --write turnstile", "lathe fmt --check turnstile/app.toml"))
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
@click.option("--write", is_flag=True, help="Rewrite the files that are not in the format.")
@click.option("--check", is_flag=True, help="Name the files that are not in the format; exit 1 if any.")
def command(*, paths: tuple[str, ...], write: bool, check: bool) -> int:
    """Put blueprints and `app.toml` into the one format; comments stay, and so does the digest.

    PATH is a file, the folder of an app, or `-` for standard input. Without an option the formatted
    text of one file is printed.
    """
    if write and check:
        raise UsageError("give one of --write and --check")
    texts = dict(_read(paths))
    if not (write or check) and len(texts) != 1:
        raise UsageError(f"{len(texts)} files are here: say --write or --check")
    formatted, codes = {}, []
    for path, data in texts.items():
        try:
            formatted[path] = _format(path, data)
        except UnreadableError as error:
            codes.append(exitcode.UNREADABLE)
            for found in error.diagnostics:
                output.talk(output.clean(f"{found.span}: {found.severity} {found.code}: {found.message}"))
    if not (write or check):
        output.write("".join(formatted.values()))
        return exitcode.worst(codes)
    changed = [path for path, text in formatted.items() if text.encode() != texts[path]]
    for path in changed:
        if write:
            _rewrite(path, formatted[path])
            output.talk(output.clean(f"formatted {files.printable(path)}"))
        else:
            output.data(output.clean(files.printable(path)))
            codes.append(exitcode.FINDINGS)
    return exitcode.worst(codes)


def _read(paths: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        if path == STANDARD_INPUT:
            yield path, sys.stdin.buffer.read(files.TEXT_LIMIT_BYTES + 1)
        elif os.path.isdir(path):
            for name, data in files.load(path).files.items():
                if name.endswith(".toml"):
                    yield os.path.join(path, name), data
        else:
            yield path, files.read_file(path, limit_bytes=files.TEXT_LIMIT_BYTES)


def _format(path: str, data: bytes) -> str:
    name = "<stdin>" if path == STANDARD_INPUT else files.printable(path)
    return format_text(read_source(name, data).text, file=name)


def _rewrite(path: str, text: str) -> None:
    """Replace a file's text at once: whoever reads it sees the old or the new, never a part."""
    place = os.path.realpath(path)
    try:
        handle, draft = tempfile.mkstemp(dir=os.path.dirname(place), prefix=".lathe-fmt-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
            os.chmod(draft, os.stat(place).st_mode & 0o7777)
            os.replace(draft, place)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        message = f"`{files.printable(path)}` cannot be written: {reason}"
        raise Stop(message, code=exitcode.of_os_error(error)) from error
