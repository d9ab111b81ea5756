"""The way in: usage, slips, defects, and that nobody ever sees a traceback."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import click
import pytest

from lathe.cli import exitcode, main
from lathe.cli.command import SUMMARIES, Command
from lathe.cli.exitcode import Stop
from lathe.errors import InternalError, NotFoundError, UsageError

from .conftest import Said

Lathe = Callable[..., Said]


def test_without_a_command_the_help_is_shown(lathe: Lathe) -> None:
    said = lathe()
    assert said.code == 0
    assert all(name in said.out for name in SUMMARIES)


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_help_shows_two_examples_of_its_own(lathe: Lathe, name: str) -> None:
    said = lathe(name, "--help")
    assert said.code == 0
    examples = said.out.partition("Examples:\n")[2].strip().splitlines()
    assert len(examples) == 2
    assert all(name == "version" or f"lathe {name}" in example for example in examples)


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_option_says_what_it_does(name: str) -> None:
    command = import_module(f"lathe.cli.commands.{name}").command
    assert isinstance(command, Command)
    assert all(p.help for p in command.params if isinstance(p, click.Option))


@pytest.mark.parametrize(("slip", "meant"), [("chek", "check"), ("explian", "explain"), ("FMT", "fmt")])
def test_a_slip_in_a_command_is_answered_with_what_was_meant(lathe: Lathe, slip: str, meant: str) -> None:
    said = lathe(slip)
    assert said.code == exitcode.USAGE
    assert f"did you mean `{meant}`?" in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",), ("check", "--level", "9", "."), ("check", "--budget", "soon", "."), ("check", "--nope"),
        ("check", "--json", "--line", "."), ("explain",), ("explain", "LT401", "--list"), ("show",),
        ("show", ".", "--as", "poem"), ("schema", "poem"), ("replay", "x"), ("new",), ("completion", "csh"),
        ("fmt", "--write", "--check", "."), ("version", "now"), ("no\x1bsuch",),
    ],
)  # fmt: skip
def test_wrong_usage_is_two_and_one_sentence(lathe: Lathe, arguments: tuple[str, ...]) -> None:
    said = lathe(*arguments)
    assert said.code == exitcode.USAGE
    assert said.err.startswith("lathe: ")
    assert "\x1b" not in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("put wrongly"), 2, "put wrongly"),
        (NotFoundError("it is not there"), 6, "it is not there"),
        (Stop("in the way", code=5), 5, "in the way"),
        (PermissionError(13, "Permission denied"), 4, "permission denied"),
        (OSError(28, "No space left on device"), 7, "no space left"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (InternalError("two parts disagree"), 70, "LT901"),
        (ZeroDivisionError("division by zero"), 70, "ZeroDivisionError: division by zero"),
        (RecursionError("too deep"), 70, "LT901"),
        (MemoryError(), 70, "LT901"),
    ],
)
def test_whatever_happens_is_a_code_and_a_sentence(
    lathe: Lathe, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str
) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr("lathe.cli.commands.version.version_line", fail)
    monkeypatch.setattr(main, "_defect", lambda what: main._failed(f"LT901 {what}", 70))
    said = lathe("version")
    assert said.code == code
    assert text in said.err


def test_a_defect_says_what_to_report(lathe: Lathe, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(text: str) -> None:
        raise ValueError(text)

    monkeypatch.setattr("lathe.cli.output.data", fail)
    said = lathe("version")
    assert said.code == 70
    assert said.err.startswith("lathe: LT901: a defect of Lathe: ValueError: lathe ")
    assert "lathe.cli.commands.version:" in said.err
    assert "please report it" in said.err


def test_the_worst_code_of_several_counts() -> None:
    assert exitcode.worst([]) == 0
    assert exitcode.worst([0, 1, 0]) == 1
    assert exitcode.worst([1, 3, 6, 70]) == 70
