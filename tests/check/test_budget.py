"""What ends a search early, and what is told then."""

from __future__ import annotations

import pytest
from tests.support import codes, files_of, finding, report_of, several, told

from lathe.cli.verdict import verdict_line
from lathe.gate import Options, check_files

COUNTER = """
[state]
open = { initial = true, waits = "x" }
shut = { final = true }

[field]
n = { type = "int", range = [0, 5000], default = 0 }

[action]
create = { by = "role:clerk" }
up = { from = "open", by = "role:clerk", when = "n < 5000", do = ["n += 1"] }
close = { from = "open", to = "shut", by = "role:clerk" }
"""


TWO = (
    COUNTER.replace("5000", "49").replace(
        "[action]", 'm = { type = "int", range = [0, 49], default = 0 }\n\n[action]'
    )
    + 'more = { from = "open", by = "role:clerk", when = "m < 49", do = ["m += 1"] }\n'
)
"""Two small numbers: more states together than the budget, and no wide one to be known by its region."""


def test_states_that_run_out_leave_the_verdict_unknown() -> None:
    report = report_of(several("[scope]\nbudget_states = 100\n", Thing=TWO))
    assert (report.verdict, told(report)) == ("unknown", ["LT801"])
    level = next(x for x in report.levels if x.level == 2)
    assert level.verdict == "unknown"
    assert "budget of states" in level.why
    assert report.covered.exhaustive == "no scope was completed"


def test_what_was_found_by_then_is_told() -> None:
    text = several("[scope]\nbudget_states = 100\n", Thing=COUNTER + '\n[invariant]\np = "n < 3"\n')
    report = report_of(text)
    assert report.verdict == "refused"
    assert "LT401 p" in told(report)
    assert finding(report, "LT401").trace is not None


def test_an_undecided_search_never_tells_what_it_did_not_see() -> None:
    never = COUNTER + 'far = { from = "open", to = "far", by = "role:clerk", when = "n == 4999" }\n'
    never = (
        never.replace("shut = {", 'far = { waits = "x" }\nshut = {') + '\n[sometimes]\nmany = "n == 4000"\n'
    )
    text = several("[scope]\nbudget_states = 100\n", Thing=never)
    assert codes(text) == ["LT801"], "no LT201, LT202, LT301 nor LT403"


def test_seconds_are_a_safety_stop_and_the_report_says_so() -> None:
    ticks = iter(range(10_000))
    files = files_of(several(Thing=COUNTER))
    report = check_files(files, Options(budget_seconds=3.0), lambda: float(next(ticks))).report
    assert report.verdict == "unknown"
    assert "seconds" in finding(report, "LT801").diagnostic.message


def test_a_clock_that_stands_still_never_stops_a_search() -> None:
    assert codes(several(Thing=COUNTER.replace("5000", "50"))) == []


SEEN = COUNTER.replace("5000", "60") + (
    '\n[action.see]\nfrom = "open"\nby = "role:clerk"\n'
    'args.other = { type = "ref", to = "Thing" }\nwhen = "arg.other.n == n"\n'
)


def test_a_larger_scope_that_does_not_fit_leaves_the_verdict_unknown() -> None:
    """One of each says nothing of two: what was not looked at is not admitted by saying nothing."""
    report = report_of(several("[scope]\nbudget_states = 200\n", Thing=SEEN))
    assert (report.verdict, told(report)) == ("unknown", ["LT801"])
    assert report.covered.bounds["Thing"] == 1
    assert report.covered.exhaustive == "within bounds, but not in the larger scope that was begun"
    assert any(line.startswith("2 Thing: its budget of states") for line in report.not_covered)
    assert "`[scope]`" in finding(report, "LT801").diagnostic.help


def test_a_scope_that_is_declared_is_enough() -> None:
    report = report_of(several("[scope]\nThing = 1\nbudget_states = 200\n", Thing=SEEN))
    assert (report.verdict, report.covered.bounds["Thing"]) == ("admitted", 1)


def test_a_larger_scope_that_does_not_fit_can_be_accepted_and_every_output_says_so() -> None:
    files = files_of(several("[scope]\nbudget_states = 200\n", Thing=SEEN))
    report = check_files(files, Options(accept_bounds=True)).report
    assert report.verdict == "admitted"
    assert "2 Thing: its budget of states ended the search" in verdict_line(report, name="")


def test_what_a_scope_says_must_be_completed() -> None:
    body = COUNTER.replace("5000", "60")
    report = report_of(several("[scope]\nThing = 3\nbudget_states = 200\n", Thing=body))
    assert (report.verdict, told(report)) == ("unknown", ["LT801"])


def test_a_doubt_that_a_larger_scope_would_settle_and_that_cannot_be_searched_is_unknown() -> None:
    body = COUNTER.replace("5000", "60") + (
        '\n[action.see]\nfrom = "open"\nby = "role:clerk"\n'
        'args.other = { type = "ref", to = "Thing" }\nwhen = "arg.other != self"\n'
    )
    report = report_of(several("[scope]\nThing = 1\nbudget_states = 200\n", Thing=body))
    assert (report.verdict, told(report)) == ("unknown", ["LT801"])


class Turning:
    """A clock that is far on, or that interrupts, from its n-th reading on."""

    def __init__(self, at: int, *, interrupts: bool = False) -> None:
        self.left = at
        self.interrupts = interrupts

    def __call__(self) -> float:
        self.left -= 1
        if self.left == 0 and self.interrupts:
            raise KeyboardInterrupt
        return 0.0 if self.left > 0 else 1000.0 * (not self.interrupts)


def readings(files: dict[str, bytes]) -> int:
    """How often a whole check looks at the clock."""
    clock = Turning(10**9)
    check_files(files, Options(), clock)
    return 10**9 - clock.left


ARRIVES = """
[state]
open = { initial = true }
shut = { final = true }

[action]
create = { by = "role:clerk" }
close = { from = "open", to = "shut", by = "role:clerk", fair = true }

[eventually]
done = { from = "open", to = "shut" }
"""


LINK = (
    '\n[action.see]\nfrom = "open"\nby = "role:clerk"\n'
    'args.other = { type = "ref", to = "Thing" }\nwhen = "arg.other == self"\n'
)


@pytest.mark.parametrize("interrupts", [False, True], ids=["seconds", "an interrupt"])
def test_judging_that_is_ended_leaves_the_verdict_unknown_and_says_so(interrupts: bool) -> None:
    files = files_of(several(Thing=ARRIVES))
    assert check_files(files, Options(), lambda: 0.0).report.verdict == "admitted"
    said: set[str] = set()
    for at in range(5, readings(files) + 1):
        report = check_files(files, Options(), Turning(at, interrupts=interrupts)).report
        if "LT801" in told(report):
            assert report.verdict == "unknown"
            said.add(finding(report, "LT801").diagnostic.message)
            assert report.is_timed or interrupts
    what = "an interrupt" if interrupts else "its seconds"
    ended = f"1 Thing: {what} ended the judging of 3 states"
    assert f"what was found was not judged within its budget ({ended})" in said


def test_what_was_to_be_judged_is_told_where_the_seconds_end_that() -> None:
    never = ARRIVES.replace("shut = { final = true }", "shut = { final = true }\nlost = { final = true }")
    files = files_of(several(Thing=never + LINK))
    said = set()
    for at in range(5, readings(files) + 1):
        report = check_files(files, Options(), Turning(at)).report
        if "LT801" in told(report):
            said.add(finding(report, "LT801").diagnostic.message)
    assert any("whether `lost` is ever reached" in message for message in said), said


def test_what_was_found_before_judging_was_ended_is_told() -> None:
    files = files_of(several(Thing=ARRIVES + '\n[invariant]\np = "state != shut"\n'))
    for at in range(6, readings(files)):
        report = check_files(files, Options(), Turning(at)).report
        assert report.verdict == "refused"
        assert "LT401 p" in told(report)


LINKED = ARRIVES + LINK
ALONE = """[invariant]
alone = "all(a == b or a.state != 'open' or b.state != 'open' for a in Thing for b in Thing)"
"""


@pytest.mark.parametrize(("top", "whole"), [("", "admitted"), (ALONE, "refused")])
def test_more_time_turns_unknown_into_a_verdict_and_one_verdict_into_no_other(top: str, whole: str) -> None:
    """`ALONE` is false of two at once: a check that has seen one of each alone may not admit it."""
    files = files_of(several(top, Thing=LINKED))
    assert check_files(files, Options(), lambda: 0.0).report.verdict == whole
    verdicts = [
        check_files(files, Options(), Turning(at)).report.verdict for at in range(6, readings(files) + 1)
    ]
    assert set(verdicts) == {"unknown", whole}
    assert verdicts == sorted(verdicts, key=lambda verdict: verdict != "unknown")


def test_what_a_search_found_before_it_grew_is_not_forgotten_when_time_ends_the_large_one() -> None:
    """Plain Python hands over to arrays at some size; what it has found by then is the answer."""
    many = COUNTER.replace("5000", "60").replace(
        "[action]",
        """m = { type = "int", range = [0, 60], default = 0 }
o = { type = "int", range = [0, 60], default = 0 }
[action]""",
    )
    many += 'more = { from = "open", by = "role:clerk", when = "m < 60", do = ["m += 1"] }\n'
    many += 'most = { from = "open", by = "role:clerk", when = "o < 60", do = ["o += 1"] }\n'
    files = files_of(several(Thing=many + '\n[invariant]\np = "n + m + o < 40"\n'))
    every = range(4, 400, 13)
    assert {check_files(files, Options(), Turning(at)).report.verdict for at in every} <= {
        "unknown",
        "refused",
    }
    late = check_files(files, Options(), Turning(readings(files) - 1)).report
    assert late.verdict == "refused"


def test_what_never_happens_is_asked_with_one_more_of_each_in_turn_before_more_of_all() -> None:
    """Two of both have a hundred times as many states as two of one, and one more is all that it takes."""
    one = COUNTER.replace("5000", "3") + (
        '\n[action.see]\nfrom = "open"\nby = "role:clerk"\n'
        'args.other = { type = "ref", to = "Seen" }\nwhen = "arg.other != self"\n'
    )
    many = COUNTER.replace("5000", "60").replace(
        "[action]", 'of = { type = "ref", to = "Seen" }\n[action]', 1
    )
    scope = "[scope]\nSeen = 1\nMany = 1\nbudget_states = 8000\n"
    assert report_of(several(scope, Seen=one, Many=many)).verdict == "admitted"
