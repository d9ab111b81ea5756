"""What so few instances could not show: asked of level 1, then of a scope just wide enough, else told."""

from __future__ import annotations

import pytest
from tests.support import finding, report_of, run_of, several, told

from lathe.check.reporting.report import LevelReport, Report

MEMBER = """
[state]
active = { initial = true, waits = "borrows" }
[field]
loans = { type = "int", range = [0, 5], default = 0 }
[action]
create = { by = "role:clerk" }
borrow = { from = "active", by = "entity:Loan", do = ["loans += 1"] }
bring = { from = "active", by = "entity:Loan", do = ["loans -= 1"] }
"""
LOAN = """
[state]
out = { initial = true, waits = "brought back" }
back = { final = true }
[field]
member = { type = "ref", to = "Member", frozen = true }
[action]
create = { by = "role:clerk", sets = ["member"], also = [{ on = "arg.member", action = "borrow" }] }
bring = { from = "out", to = "back", by = "role:clerk", also = [{ on = "member", action = "bring" }] }
"""
GUARDED = MEMBER.replace('do = ["loans += 1"]', 'when = "loans < 5", do = ["loans += 1"]')
WIDE = MEMBER.replace("[0, 5]", "[0, 30]")
COUNTED = """[invariant]
few = "all(sum(1 for l in Loan if l.member == m and l.state == 'out') <= {} for m in Member)"
"""


def library(member: str = MEMBER, top: str = "") -> Report:
    return report_of(several(top, Member=member, Loan=LOAN))


def algebra(report: Report) -> LevelReport:
    return next(level for level in report.levels if level.level == 1)


def test_a_range_that_two_cannot_leave_and_six_can_is_refused_with_the_run() -> None:
    report = library()
    assert told(report) == ["LT204"]
    assert run_of(finding(report, "LT204")) == ["create"] * 6 + ["create (refused)"]
    assert report.verdict == "refused"


def test_a_guard_that_keeps_the_range_needs_no_more_of_them() -> None:
    report = library(GUARDED)
    assert (report.verdict, told(report)) == ("admitted", [])
    assert algebra(report).why == "every value that 2 Loan, 2 Member reach was searched"


def test_an_invariant_that_two_cannot_break_and_six_can_is_refused() -> None:
    report = library(
        WIDE.replace('"loans += 1"', '"loans = min(loans + 1, 30)"') + '[invariant]\nfew = "loans <= 5"\n'
    )
    assert told(report) == ["LT401 few"]
    assert finding(report, "LT401").trace is not None


def test_a_property_that_cannot_be_false_of_so_few_is_asked_of_more() -> None:
    assert told(library(GUARDED.replace("5", "9"), COUNTED.format(5))) == ["LT401 few"]
    assert told(library(GUARDED.replace("5", "3"), COUNTED.format(5))) == []


def test_what_is_too_far_away_to_be_searched_and_not_proved_is_a_warning() -> None:
    report = library(WIDE)
    assert (report.verdict, told(report)) == ("admitted", ["LT803"])
    found = finding(report, "LT803").diagnostic
    assert found.severity == "warning"
    assert "`Member.loans` is 30" in found.message
    assert "with 2 Loan, 2 Member it is 0 to 2" in found.message
    assert "0 <= loans + 1 <= 30" in found.help
    assert any("`Member.loans` beyond 0 to 2" in line for line in report.not_covered)


def test_what_level_1_proves_for_any_number_is_no_warning() -> None:
    """Whether somebody is at the desk depends on another field, so no range alone shows it."""
    body = WIDE.replace(
        "[action]", 'limit = { type = "int", range = [0, 20], default = 20, frozen = true }\n[action]'
    )
    body = body.replace('do = ["loans += 1"]', 'when = "loans < limit", do = ["loans += 1"]')
    report = library(body)
    assert (report.verdict, told(report)) == ("admitted", [])


@pytest.mark.parametrize("scope", ["Loan = 2\nMember = 1", "Loan = 1\nMember = 1"])
def test_a_declared_scope_is_not_widened(scope: str) -> None:
    report = library(MEMBER, f"[scope]\n{scope}\n")
    assert report.verdict == "admitted"
    assert set(told(report)) <= {"LT803"}


def test_one_blueprint_alone_has_nothing_that_more_could_show() -> None:
    lone = """
[state]
open = { initial = true, waits = "x" }
shut = { final = true }
[field]
n = { type = "int", range = [0, 50], default = 0 }
[action]
create = { by = "role:clerk" }
close = { from = "open", to = "shut", by = "role:clerk" }
up = { from = "open", by = "role:clerk", when = "n < 3", do = ["n += 1"] }
"""
    report = report_of(several(Thing=lone))
    assert (report.verdict, told(report)) == ("admitted", [])
    assert algebra(report).why == "every value was searched"
