"""A verdict that was kept is told as it was, and says that it was."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.cli.conftest import ROOT, Said

from lathe.cli.check_clock import Watch
from lathe.cli.commands import check as command
from lathe.gate import Options, Outcome, check_files

REFUSED = next(iter(sorted((ROOT / "examples" / "rollout" / "broken").glob("*/app.toml")))).parent


@pytest.mark.parametrize("form", [(), ("--line",), ("--sarif",)], ids=str)
def test_it_prints_the_same_and_says_on_stderr_when_it_was_found(
    lathe: Callable[..., Said], form: tuple[str, ...]
) -> None:
    first, second = lathe("check", *form, REFUSED), lathe("check", *form, REFUSED)
    assert (first.code, first.out) == (second.code, second.out)
    assert first.code == 1 and "cached verdict of" not in first.err
    assert "cached verdict of 20" in second.err and "UTC; `--no-cache` checks anew" in second.err


def test_json_says_when_it_was_found_and_is_the_same_otherwise(lathe: Callable[..., Said]) -> None:
    first, second = (json.loads(lathe("check", "--json", REFUSED).out) for _ in range(2))
    assert "cached" not in first
    assert second.pop("cached").endswith("Z")
    assert first == second


def test_a_trace_of_it_can_be_shown(lathe: Callable[..., Said], ticket: Path) -> None:
    refused = lathe("check", REFUSED)
    trace = refused.out.partition("trace ")[2].partition(",")[0]
    assert lathe("check", "--trace", trace, REFUSED).out.count("\n") > 2


def test_no_cache_neither_asks_nor_keeps(lathe: Callable[..., Said], ticket: Path) -> None:
    assert lathe("check", "--no-cache", ticket).code == 0
    assert "cached verdict of" not in lathe("check", ticket).err
    assert "cached verdict of" not in lathe("check", "--no-cache", ticket).err
    assert "cached verdict of" in lathe("check", ticket).err


def test_a_changed_file_is_checked(lathe: Callable[..., Said], ticket: Path) -> None:
    assert lathe("check", ticket).code == 0
    blueprint = ticket / "ticket.blueprint.toml"
    blueprint.write_text(blueprint.read_text().replace("left <= 1", "left <= 0"))
    assert lathe("check", ticket).code == 1


def test_what_was_interrupted_is_not_kept(
    lathe: Callable[..., Said], ticket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(files: Mapping[str, bytes], options: Options, watch: Watch) -> Outcome:
        found = check_files(files, options, watch)
        os.kill(os.getpid(), signal.SIGINT)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(command, "check_files", interrupted)
        assert lathe("check", ticket, "--mutate").code == 130
    assert "cached verdict of" not in lathe("check", ticket).err


def test_files_that_cannot_be_read_are_read_again(lathe: Callable[..., Said], ticket: Path) -> None:
    (ticket / "app.toml").write_text("app = ")
    said = [lathe("check", ticket) for _ in range(2)]
    assert [s.code for s in said] == [3, 3]
    assert "cached verdict of" not in said[1].err


def test_a_cache_that_cannot_be_written_is_no_error(process: Callable[..., Said], ticket: Path) -> None:
    (ticket.parent / "file").write_text("")
    for _ in range(2):
        said = process("check", ticket, XDG_CACHE_HOME=str(ticket.parent / "file"))
        assert (said.code, said.err) == (0, "")
