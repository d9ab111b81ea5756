"""From a path to an app, for commands that do not check it."""

from __future__ import annotations

from lathe.cli import exitcode, files, output
from lathe.cli.exitcode import Stop
from lathe.cli.text import View, findings_text
from lathe.errors import Diagnostic, UnreadableError
from lathe.lang import read_app
from lathe.lang.model import App


def read(path: str) -> App:
    """The app at a path. What is wrong with it is told on stderr; then Stop is raised, with 3."""
    try:
        loaded = files.load(path)
    except UnreadableError as error:
        raise _unreadable(path, View({}, files.prefix_of(path)), error.diagnostics) from error
    reading = read_app(loaded.files)
    if reading.app is None:
        raise _unreadable(path, View(loaded.files, loaded.prefix), reading.diagnostics)
    return reading.app


def _unreadable(path: str, view: View, diagnostics: tuple[Diagnostic, ...]) -> Stop:
    output.talk("\n".join(findings_text(diagnostics, view)).rstrip())
    return Stop(f"`{files.printable(path)}` cannot be read", code=exitcode.UNREADABLE)
