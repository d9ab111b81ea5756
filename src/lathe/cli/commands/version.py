"""`lathe version`."""

from __future__ import annotations

import sys

from lathe import __version__
from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command

LANGUAGE_VERSION = 1


@make_command("version", examples=("lathe version", "lathe --version"))
def command() -> int:
    """Print the versions of Lathe, of the blueprint language, and of Python."""
    output.data(version_line())
    return exitcode.DONE


def version_line() -> str:
    """What to quote in a report: `lathe 0.1.0 (language 1, Python 3.11.7)`."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return f"lathe {__version__} (language {LANGUAGE_VERSION}, Python {python})"
