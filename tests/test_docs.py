"""The docs are true: every command, option and code is in them, links lead somewhere, and the tutorial runs.

`LATHE_UPDATE_GOLDEN=1 pytest tests/test_docs.py` writes what the tutorial's commands print anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from lathe.api.wire.problem import PROBLEMS
from lathe.cli.command import SUMMARIES
from lathe.cli.docs import CLI_PAGE, documents
from lathe.gate.codes import codes
from lathe.lang.schema import PUBLISHED

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("examples/**/*.md")])
PLAYED = (
    ROOT / "README.md",
    DOCS / "tutorial" / "first-counterexample.md",
    DOCS / "howto" / "migrate-a-live-app.md",
)
"""Pages whose commands are run."""
UPDATE = os.environ.get("LATHE_UPDATE_GOLDEN") == "1"

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TIME = re.compile(r"\b\d+ ms\b|\b\d+\.\d s\b")
_SEEDS = re.compile(r"\b\d+ seeds?\b")
"""As many as fit into a second."""
_WHEN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", dict(documents((DOCS / CLI_PAGE).read_text(encoding="utf-8"))))
def test_a_generated_page_is_what_make_docs_writes(path: str) -> None:
    made = dict(documents((DOCS / CLI_PAGE).read_text(encoding="utf-8")))
    assert (DOCS / path).read_text(encoding="utf-8") == made[path]


def test_every_problem_is_on_the_page_of_the_api() -> None:
    page = (DOCS / "reference/api.md").read_text(encoding="utf-8")
    for code, meaning in PROBLEMS.items():
        assert f"| `{code}` | {meaning} |" in page, code


def test_every_command_and_option_is_on_the_page_of_the_command_line() -> None:
    page = (DOCS / CLI_PAGE).read_text(encoding="utf-8")
    for command in SUMMARIES:
        assert f"<!-- help: {command} -->" in page, command
        for parameter in import_module(f"lathe.cli.commands.{command}").command.params:
            if isinstance(parameter, click.Option):
                assert all(option in page for option in parameter.opts), parameter.opts


def test_every_code_in_the_source_has_a_page() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    used = set(re.findall(r"\"(LT\d{3})\"", source))
    assert used - set(codes()) == set()
    assert {path.stem for path in (DOCS / "reference" / "errors").glob("LT*.md")} == set(codes())


def test_every_schema_is_published() -> None:
    assert {path.name for path in (DOCS / "reference" / "schemas").glob("*.json")} == set(PUBLISHED)


def links(path: Path) -> Iterator[str]:
    """The relative links of a page, outside of code."""
    for target in _LINK.findall(_FENCED.sub("", path.read_text(encoding="utf-8"))):
        if not target.startswith(("http://", "https://", "mailto:")):
            yield target


def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings get."""
    headings = _HEADING.findall(_FENCED.sub("", path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        place, _, anchor = target.partition("#")
        linked = (page.parent / place).resolve() if place else page
        assert linked.is_relative_to(ROOT), target
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_page_can_be_found_from_the_first_one() -> None:
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page.is_dir():
            waiting += page.glob("*.md")
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        waiting += [
            (page.parent / link.partition("#")[0]).resolve() for link in links(page) if link[0] != "#"
        ]
    assert {name(page) for page in DOCS.rglob("*.md")} - {name(page) for page in seen} == set()


def test_commands_in_the_docs_exist() -> None:
    for page in PAGES:
        for command in re.findall(r"^(?:\$ )?lathe (\w+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert command in SUMMARIES, f"{name(page)}: lathe {command}"


def test_targets_in_the_docs_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"(?:`|^)make (\w+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert target in targets, f"{name(page)}: make {target}"


def run(command: str, folder: Path, bin_folder: Path) -> str:
    """What a shell prints for a command, `lathe` being ours."""
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.stderr + done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the pages are written for a POSIX shell")
@pytest.mark.parametrize("page", PLAYED, ids=name)
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    bin_folder, folder = tmp_path / "bin", tmp_path / "home"
    bin_folder.mkdir()
    folder.mkdir()
    (bin_folder / "lathe").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lathe.cli "$@"\n')
    (bin_folder / "lathe").chmod(0o755)

    def played(block: re.Match[str]) -> str:
        commands = [line for line in block[1].splitlines() if line.startswith("$ ")]
        said = "".join(f"{line}\n{run(line[2:], folder, bin_folder)}" for line in commands)
        return f"```console\n{said}```"

    text = page.read_text(encoding="utf-8")
    actual = _CONSOLE.sub(played, text)
    if UPDATE:
        page.write_text(actual, encoding="utf-8")
        return
    assert _timeless(actual) == _timeless(text)


def _timeless(text: str) -> str:
    return _WHEN.sub("a moment", _SEEDS.sub("N seeds", _TIME.sub("N ms", text)))
