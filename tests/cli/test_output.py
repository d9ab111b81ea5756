"""What is printed where, with or without colours, and never a character that plays tricks."""

from __future__ import annotations

import io

import pytest

from lathe.cli import output
from lathe.cli.client import problem_text
from lathe.cli.colors import Paint
from lathe.cli.entities import journal_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_data_goes_to_stdout_and_talk_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output.data("data")
    output.talk("talk")
    assert capsys.readouterr() == ("data\n", "talk\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("naïve → ☃", "naïve → ☃"),
        ("a\tb\nc", "a    b\nc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x07\x00\x7f\x9b", "\\x07\\x00\\x7f\\x9b"),
        ("\u202egnorw", "\\u202egnorw"),
        ("\udce9", "\\udce9"),
    ],
)
def test_characters_that_play_tricks_are_spelled_out(text: str, shown: str) -> None:
    assert output.clean(text) == shown


@pytest.mark.parametrize(
    ("when", "is_terminal", "no_colour", "has"),
    [
        ("auto", True, "", True),
        ("auto", True, "1", False),
        ("auto", False, "", False),
        ("always", False, "1", True),
        ("never", True, "", False),
    ],
)
def test_colours_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, when: output.When, is_terminal: bool, no_colour: str, has: bool
) -> None:
    monkeypatch.setattr("sys.stdout", Terminal() if is_terminal else io.StringIO())
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("TERM", "xterm")
    assert output.has_colour(when) is has


def test_paint_without_colour_is_the_text() -> None:
    assert Paint()("error", "x") == "x"
    assert Paint(colour=True)("error", "x") == "\x1b[1;31mx\x1b[0m"
    assert Paint(colour=True)("error", "") == ""


def test_a_status_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, said in ((io.StringIO(), ""), (Terminal(), "\r\x1b[Kworking")):
        monkeypatch.setattr("sys.stderr", stream)
        output.status("working")
        assert stream.getvalue() == said


def test_a_stream_that_knows_few_characters_gets_the_rest_spelled_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    output.data("planned → rolling")
    assert raw.getvalue() == b"planned \\u2192 rolling\n"


def test_the_width_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert output.width() == output.WIDTH_DEFAULT


def test_a_journal_names_who_acted_and_for_whom() -> None:
    row = {"time": "2026-11-26T20:09:04Z", "action": "pay", "by": "bot", "actor": "ann", "changes": {}}
    assert journal_text([row | {"chain": ["bot", "ann"]}]) == "2026-11-26T20:09:04Z  pay  by bot for ann"
    assert journal_text([row | {"by": "ann"}]) == "2026-11-26T20:09:04Z  pay  by ann"
    assert journal_text([row | {"by": "timer", "actor": None}]).endswith("by timer")


def test_a_denial_says_the_whole_command_that_asks_a_person() -> None:
    ask = {
        "app": "order",
        "plural": "payments",
        "entity": "01m8",
        "action": "refund",
        "args": {"amount": 1, "why": "it broke"},
    }
    told = problem_text(
        {"code": "LR403.denied", "detail": "the caller may not", "ask": {**ask, "reason": ""}}, 403
    )
    command = "lathe decisions ask order/payments/01m8 refund amount=1 'why=it broke' --reason …"
    assert told.endswith(f"; `{command}` asks a person"), told
