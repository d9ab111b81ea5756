"""The three renderings of a report, as golden files, and the parts that they are made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lathe.check.reporting import reportjson
from lathe.check.reporting.report import Coverage, Finding, LevelReport, Report
from lathe.cli import trace_table
from lathe.cli.colors import PLAIN
from lathe.cli.excerpt import Excerpts
from lathe.cli.line import lines
from lathe.cli.text import FINDINGS_LIMIT, View, report_text
from lathe.cli.verdict import exit_code, verdict_line
from lathe.errors import Diagnostic, Edit, Span
from lathe.machine.trace import FalseClause, Trace, TracePart, TraceStep

Golden = Callable[[str, str], None]

FILE = "order.blueprint.toml"
TEXT = """\
blueprint = "Order"

[action]
pay = { from = "open", to = "paid", by = "role:customer", when = "total > 0", do = ["paid_at = now"] }
ship = { from = "paid", to = "gone" }
name = "naïve 注文 → x"

[invariant]
paid_once = "charged <= total"
"""


def span(line: int, column: int, end: int, end_line: int | None = None) -> Span:
    return Span(FILE, line, column, end_line or line, end)


def at(line: int, text: str) -> Span:
    """Where a text stands in a line of the file."""
    column = TEXT.splitlines()[line - 1].index(text) + 1
    return span(line, column, column + len(text))


ORDER_MADE = {"state": (None, "open"), "total": (None, 2)}
ORDER_FAILED = {"state": ("open", "failed"), "tags": ([], ["a", "b"])}
CHARGE = (TracePart("Order#1", None, "effect:charge"),)
CREATE = TraceStep(
    "create",
    (TracePart("Order#1", "create", "role:customer", {"total": 2}, ORDER_MADE),),
    "role:customer",
    actor="p1",
)
FAIL = TraceStep(
    "end",
    (
        TracePart("Order#1", "fail", "effect:charge", {}, ORDER_FAILED),
        TracePart("Parcel#1", "drop", "entity:Order", {"why": "no money"}, {"held": (True, False)}),
    ),
    "effect:charge",
    effect="charge",
    ok=False,
    cause="timeout",
)
PAY = (TracePart("Order#1", "pay", "role:clerk"),)
TRACE = Trace(
    id="0123456789ab",
    app="order",
    digest="sha256:00",
    steps=(
        CREATE,
        TraceStep("start", CHARGE, "effect:charge", effect="charge"),
        TraceStep("execute", CHARGE, "effect:charge", effect="charge", world={"charged": (0, 2)}),
        FAIL,
        TraceStep("late", CHARGE, "effect:charge", effect="charge", world={"charged": (2, 4)}),
        TraceStep("act", PAY, "role:clerk", actor="p2", refused="its guard is false"),
    ),
    clauses=(FalseClause("charged <= total", {"charged": 4, "total": 2}),),
)

PAID_ONCE = Finding(
    Diagnostic(
        "LT401", "error", "`paid_once` is false after 3 steps", span(9, 1, 10), "say `idempotent = true`",
        related=((span(4, 1, 4), "here it is charged"),),
        edit=Edit(span(5, 36, 36), ', when = "charged == 0"'),
    ),
    property="paid_once",
    trace=TRACE,
)  # fmt: skip
FINDINGS = (
    Finding(Diagnostic("LT101", "error", "a guard knows no `total`", at(4, "total"), "did you mean `sum`?")),
    PAID_ONCE,
    replace(PAID_ONCE, property="paid_twice", trace=replace(TRACE, id="fedcba987654")),
    Finding(Diagnostic("LT503", "warning", "`charge` may happen twice", at(6, "注文"))),
)  # fmt: skip
REPORT = Report(
    app="order",
    digest="sha256:00",
    verdict="refused",
    levels=(
        LevelReport(0, "read", "passes", 0.004),
        LevelReport(1, "algebra", "skipped", why="not part of this version"),
        LevelReport(2, "reach", "fails", 1.26, states=4310, steps=12877, depth=21),
    ),
    findings=FINDINGS,
    covered=Coverage(
        bounds={"Order": 1, "Parcel": 2, "principals": 1},
        actions={"Order.pay": 3, "Order.ship": 0},
        states={"Order.open": 1},
        exhaustive="within bounds",
        fingerprint="ab12",
    ),
    not_covered=(
        "more than 1 Order",
        *(f"bound {n}" for n in range(8)),
        "level 1 (algebra): not part of this version",
    ),
)
VIEW = View({FILE: TEXT.encode()}, "shop/", "shop")


def test_the_text_is_the_golden_one(golden: Golden) -> None:
    golden("report.txt", "\n".join(report_text(REPORT, VIEW)) + "\n")


def test_the_lines_are_the_golden_ones(golden: Golden) -> None:
    golden("report.line.txt", "\n".join(lines(REPORT, prefix="shop/", name="shop")) + "\n")


def test_the_json_is_the_golden_one(golden: Golden) -> None:
    golden("report.json", json.dumps(reportjson.to_json(REPORT), indent=1, ensure_ascii=False) + "\n")


def test_a_whole_trace_shows_starts_too() -> None:
    assert len(trace_table.draw(TRACE, is_whole=True)) == len(trace_table.draw(TRACE)) + 1


def test_a_lasso_says_where_it_begins() -> None:
    drawn = trace_table.draw(replace(TRACE, loop_from=5))
    assert [line.strip() for line in drawn][-2] == "from here on, again and again:"


def test_a_long_trace_keeps_its_ends() -> None:
    step = TRACE.steps[0]
    drawn = trace_table.draw(replace(TRACE, steps=(step,) * 100))
    assert len(drawn) == trace_table.ROWS_LIMIT + 1
    assert drawn[trace_table.ROWS_AT_START] == "… 70 rows left out; `--trace 01234567` shows them"
    assert drawn[-1].lstrip().startswith("100")
    assert len(trace_table.draw(replace(TRACE, steps=(step,) * 100), is_whole=True)) == 100


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("p1", "p1"), ("no money", "'no money'"), ("", "''"), (None, "None"), (True, "True"), (-3, "-3"),
        ([], "{}"), (["a", 1], "{a, 1}"), ({"a": None}, "{a = None}"), ("x" * 99, "x" * 47 + "…"),
        ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z"), ("a\nb", r"'a\nb'"),
    ],
)  # fmt: skip
def test_values_are_written_as_an_author_would(value: trace_table.Json, shown: str) -> None:
    assert trace_table.value(value) == shown


def test_many_findings_are_counted_and_not_drawn() -> None:
    many = replace(REPORT, findings=(FINDINGS[0],) * (FINDINGS_LIMIT + 5))
    text = "\n".join(report_text(many, VIEW))
    assert text.count("error LT101") == FINDINGS_LIMIT
    assert "and 5 more findings: `--line` lists them all" in text
    assert text.count("did you mean") == 1


@pytest.mark.parametrize(
    ("span", "caret"),
    [
        (at(4, "total"), "total"),
        (span(4, 1, 4), "pay"),
        (at(5, "gone"), "gone"),
        (span(3, 1, 1), "["),
        (span(3, 1, 4, 5), "[action]"),
        (span(3, 50, 60), ""),
    ],
)  # fmt: skip
def test_the_caret_stands_under_what_is_meant(span: Span, caret: str) -> None:
    quoted, carets = Excerpts(VIEW.files, PLAIN, 60).draw(span, gutter=3)
    start, end = carets.index("^"), carets.rindex("^") + 1
    assert quoted[start:end].startswith(caret.strip())
    assert len(quoted) <= 60


def test_wide_characters_move_the_caret() -> None:
    quoted, carets = Excerpts(VIEW.files, PLAIN, 80).draw(at(6, "注文"), gutter=3)
    assert "注文" in quoted
    assert carets.count("^") == 4
    assert carets.index("^") == quoted.index("注")


@pytest.mark.parametrize("where", [Span("other.toml", 1, 1, 1, 2), span(99, 1, 2), span(2, 1, 1)])
def test_a_line_that_is_not_there_is_not_drawn(where: Span) -> None:
    assert Excerpts(VIEW.files, PLAIN, 80).draw(where, gutter=3) == []


def test_an_edit_of_several_lines_shows_what_goes_and_what_comes() -> None:
    edit = Edit(span(4, 1, len("ship = ") + 1, 5), "ship = ")
    drawn = Excerpts(VIEW.files, PLAIN, 60).edit(edit, gutter=3, above=4)
    assert [line[:6] for line in drawn] == ["  4 - ", "  5 - ", "  4 + "]
    assert all(len(line) <= 60 for line in drawn)


@pytest.mark.parametrize(
    ("verdict", "codes", "code"),
    [
        ("admitted", [], 0),
        ("admitted", ["LT503"], 0),
        ("refused", ["LT101", "LT006"], 3),
        ("refused", ["LT101", "LT401"], 1),
        ("unknown", [], 1),
        ("unknown", ["LT801"], 1),
        ("refused", ["LT901"], 70),
    ],
)
def test_the_exit_code_follows_the_verdict_and_the_codes(verdict: str, codes: list[str], code: int) -> None:
    findings = tuple(Finding(Diagnostic(c, "error", "m", span(1, 1, 2))) for c in codes)
    assert exit_code(replace(REPORT, verdict=verdict, findings=findings)) == code


def test_the_verdict_line_counts_and_names_what_was_accepted() -> None:
    assert verdict_line(REPORT, name="x") == "order: refused, 3 errors, 1 warning"
    bare = replace(REPORT, app="", findings=(), verdict="admitted", accepted_bounds=("few states",))
    assert verdict_line(bare, name="shop") == "shop: admitted, accepted: few states"


def test_text_of_an_author_cannot_play_tricks_on_a_terminal(tmp_path: Path) -> None:
    bad = Finding(Diagnostic("LT101", "error", "no `\x1b[2J`\nhere", span(1, 1, 2), "write \u202e"))
    files = {FILE: b'blueprint = "\x1b[31m"'}
    report = replace(REPORT, findings=(bad,))
    for drawn in (report_text(report, replace(VIEW, files=files)), lines(report, prefix="", name="")):
        assert "\x1b" not in "".join(drawn) and "\u202e" not in "".join(drawn)
    assert len(lines(report, prefix="", name="")) == 2


def test_a_result_that_a_change_tells_is_told_once() -> None:
    taken = TracePart(
        "Order#1", "done", "effect:pay", {}, {"state": ("open", "paid"), "receipt": (None, "r1")}
    )
    end = TraceStep("end", (taken,), "effect:pay", ok=True, results={"receipt": "r1", "status": 200})
    (line,) = trace_table.draw(Trace("", "0" * 12, "", (end,), (), None))
    assert line.endswith("open → paid, receipt = r1 status = 200"), line
