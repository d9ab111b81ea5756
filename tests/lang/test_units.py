"""Durations, and templates: the two small languages inside strings."""

from __future__ import annotations

import pytest

from lathe.lang.template import TemplateError, split_template
from lathe.lang.units import nearest_duration, read_duration, read_duration_range, show_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("2h", 7_200_000), ("7d", 604_800_000), ("0s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, milliseconds: int) -> None:
    assert read_duration(text) == milliseconds
    if milliseconds:
        assert show_duration(milliseconds) == text


@pytest.mark.parametrize(
    "text", ["", "15", "m", "15 m", "-1s", "1.5h", "15M", "1w", "\u0661s", "1s ", "9" * 16 + "s"]
)
def test_nothing_else_is_a_duration(text: str) -> None:
    assert read_duration(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("15 min", "15m"),
        ("1 Hour", "1h"),
        ("30 secs", "30s"),
        ("2days", "2d"),
        ("5 MS", "5ms"),
        ("3 months", None),
    ],
)
def test_a_slip_is_understood(text: str, meant: str | None) -> None:
    assert nearest_duration(text) == meant


def test_a_range_of_durations_has_two_ends() -> None:
    assert read_duration_range("1s..5m") == (1_000, 300_000)
    assert read_duration_range("5m") is None
    assert read_duration_range("1s..") is None


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("plain", [("plain", False)]),
        ("{a}", [("a", True)]),
        ("x{ arg.b }y", [("x", False), ("arg.b", True), ("y", False)]),
        ("{{a}}", [("{a}", False)]),
        ("{a}{b}", [("a", True), ("b", True)]),
        ("{}", [("", True)]),
    ],
)
def test_a_template_is_literals_and_placeholders(text: str, pieces: list[tuple[str, bool]]) -> None:
    assert [(piece.text, piece.is_placeholder) for piece in split_template(text)] == pieces


@pytest.mark.parametrize(("text", "start"), [("a}b", 1), ("{a", 0), ("{a{b}", 0), ("{{a}", 3)])
def test_a_brace_alone_is_none(text: str, start: int) -> None:
    with pytest.raises(TemplateError) as error:
        split_template(text)
    assert error.value.start == start


def test_pieces_know_where_they_stand() -> None:
    text = "{{}} {a} and {arg.b}"
    assert [text[p.start : p.end] for p in split_template(text)] == ["{{}} ", "{a}", " and ", "{arg.b}"]
