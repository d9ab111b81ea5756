"""Write the generated parts of the docs: `python -m lathe.cli.docs [FOLDER]`, which `make docs` runs.

In `reference/cli.md` each block between `<!-- help: COMMAND -->` and `<!-- end -->` is the help of a
command; the pages of findings and the schemas are written whole.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

import click

from lathe.agents.guide import PAGE, guide
from lathe.cli import output
from lathe.cli.command import HELP_OPTIONS, SUMMARIES
from lathe.cli.main import lathe
from lathe.gate import codes
from lathe.lang import schema

CLI_PAGE = "reference/cli.md"
SCHEMAS_FOLDER = "reference/schemas"
HELP_WIDTH = 100

_BLOCK = re.compile(r"<!-- help: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def documents(cli_page: str) -> Iterator[tuple[str, str]]:
    """The path under `docs/` and the text of each generated file, given the command line's page as it is."""
    yield CLI_PAGE, _BLOCK.sub(lambda found: _block(found[1]), cli_page)
    yield from codes.documents().items()
    yield PAGE, guide()
    for name, make in schema.PUBLISHED.items():
        yield f"{SCHEMAS_FOLDER}/{name}", schema.render_schema(make())


def help_text(name: str) -> str:
    """What `lathe NAME --help` prints on a wide terminal (`lathe --help`, for `lathe` itself)."""
    root = _context(lathe, "lathe", parent=None)
    if name not in SUMMARIES:
        return lathe.get_help(root)
    command = lathe.get_command(root, name)
    assert command is not None, name
    return command.get_help(_context(command, name, parent=root))


def _context(command: click.Command, name: str, *, parent: click.Context | None) -> click.Context:
    return click.Context(
        command,
        parent=parent,
        info_name=name,
        terminal_width=HELP_WIDTH,
        max_content_width=HELP_WIDTH,
        help_option_names=HELP_OPTIONS,
    )


def _block(name: str) -> str:
    return f"<!-- help: {name} -->\n```text\n{help_text(name)}\n```\n<!-- end -->"


def _main(folder: str) -> None:
    with open(os.path.join(folder, CLI_PAGE), encoding="utf-8") as page:
        made = dict(documents(page.read()))
    for path, text in made.items():
        place = os.path.join(folder, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    output.talk(f"wrote {len(made)} files under {folder}")


if __name__ == "__main__":
    _main(sys.argv[1] if len(sys.argv) > 1 else "docs")
