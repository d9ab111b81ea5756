"""The only module that prints: data on stdout, talk on stderr, colour only where it is seen."""

from __future__ import annotations

import os
import sys
from typing import Literal, TextIO

When = Literal["auto", "always", "never"]

WIDTH_DEFAULT = 110
WIDTH_LEAST = 60


def data(text: str) -> None:
    """What the command was asked for, to stdout. A reader that has gone away is no error."""
    _write(sys.stdout, f"{text}\n")


def write(text: str) -> None:
    """The same for text that ends its lines itself."""
    _write(sys.stdout, text)


def talk(text: str) -> None:
    """What is said about it, to stderr."""
    _write(sys.stderr, f"{text}\n")


def status(text: str) -> None:
    """A line on stderr that the next one overwrites; nothing where stderr is no terminal."""
    if _is_terminal(sys.stderr):
        sys.stderr.write(f"\r\x1b[K{clean(text)}")
        sys.stderr.flush()


def has_colour(when: When) -> bool:
    """Whether stdout gets colours: on a terminal, without `NO_COLOR`, unless `when` decides it."""
    if when != "auto":
        return when == "always"
    return _is_terminal(sys.stdout) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """The columns that lines on stdout are broken at."""
    if not _is_terminal(sys.stdout):
        return WIDTH_DEFAULT
    try:
        return max(WIDTH_LEAST, os.get_terminal_size(sys.stdout.fileno()).columns)
    except OSError:
        return WIDTH_DEFAULT


def clean(text: str) -> str:
    """The text without characters that would move the cursor, hide or reorder what is shown."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character == "\n" or character.isprintable():
        return character
    if character == "\t":
        return "    "
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed before we were started: nobody listens
        return
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        _discard(stream)


def _discard(stream: TextIO) -> None:
    """Let what is still buffered go nowhere, so that leaving the process raises nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def log_stream() -> TextIO:
    """Where a serving process logs."""
    return sys.stderr
