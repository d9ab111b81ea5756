"""From files to a report: levels, verdicts, and what fails closed."""

from __future__ import annotations

import pytest
from tests.support import files_of, report_of, several, told

from lathe.check import reach as reach_module
from lathe.errors import InternalError
from lathe.gate import Options, check_files, verdict

GOOD = """
[state]
open = { initial = true, waits = "somebody closes it" }
shut = { final = true }

[field]
n = { type = "int", range = [0, 5000], default = 0 }

[action]
create = { by = "role:clerk" }
up = { from = "open", by = "role:clerk", when = "n < MAX", do = ["n += 1"] }
close = { from = "open", to = "shut", by = "role:clerk" }
"""
SMALL = several(Thing=GOOD.replace("MAX", "3"))
MORE = """m = { type = "int", range = [0, 40], default = 0 }

[action]
more = { from = "open", by = "role:clerk", when = "m < 40", do = ["m += 1"] }"""
TWO = GOOD.replace("5000", "40").replace("MAX", "40").replace("[action]", MORE)
LARGE = several("[scope]\nbudget_states = 100\n", Thing=TWO)
"""More states than the budget, and no wide number that a skeleton knows by its region."""


def test_a_good_app_is_admitted_with_its_bounds() -> None:
    report = report_of(SMALL)
    assert report.verdict == "admitted"
    assert report.digest.startswith("sha256:")
    assert report.covered.bounds == {"Thing": 1, "principals": 1}
    assert report.covered.actions == {"Thing.create": 1, "Thing.up": 3, "Thing.close": 4}
    assert report.covered.states["Thing.shut"] == 4
    assert report.covered.exhaustive == "within bounds"
    assert len(report.covered.fingerprint) == 16


def test_every_level_is_listed_and_what_did_not_run_says_why() -> None:
    report = report_of(SMALL)
    assert [(x.level, x.verdict) for x in report.levels] == [
        (0, "passes"), (1, "skipped"), (2, "passes"), (3, "skipped"), (4, "skipped"),
    ]  # fmt: skip
    assert all(x.why for x in report.levels if x.verdict == "skipped")
    assert sum(line.startswith("level ") for line in report.not_covered) == 2


SAMPLED = GOOD.replace("[action]", "[action]\nset = { from = 'open', by = 'role:clerk', sets = ['n'] }")
SEEN = SAMPLED.replace("up = ", "# up = ") + '[sometimes]\nsmall = "n < 3"\n'
FALSE = '[invariant]\nsmall = "n < 3"\n'


@pytest.mark.parametrize(
    ("text", "judged", "why"),
    [
        (SMALL, "admitted", "every value was searched"),
        (several(Thing=GOOD.replace("MAX", "3") + FALSE), "refused", "every value was searched"),
        (several(Thing=SAMPLED.replace("MAX", "3") + FALSE), "refused", "level 2 found errors"),
        (several(Thing=SEEN), "admitted", "nothing is open for want of a value"),
        (LARGE, "unknown", "level 2 ended before it had searched everything"),
    ],
)
def test_level_1_says_that_every_value_was_searched_only_where_it_was(
    text: str, judged: str, why: str
) -> None:
    report = report_of(text)
    assert (report.verdict, report.levels[1].verdict, report.levels[1].why) == (judged, "skipped", why)


def test_waits_bounds_and_promises_are_listed_as_not_covered() -> None:
    body = GOOD.replace("MAX", "3").replace(
        "shut = {", 'busy = { run = "work", after = "1m", then = "bad" }\nshut = {'
    )
    body += 'go = { from = "open", to = "busy", by = "role:clerk" }\nbad = { from = "busy", to = "open" }\n'
    body += (
        '[effect.work]\nuses = "http"\nwith = { url = "https://x.example" }\nok = "bad"\n'
        'error = "bad"\nlate = false\n'
    )
    lines = report_of(several(Thing=body)).not_covered
    assert "more than 1 Thing" in lines
    assert any("`open`" in line and "somebody closes it" in line for line in lines)
    assert any("`Thing.work`" in line and "late" in line for line in lines)
    assert any(line.startswith("durations") for line in lines)


def test_files_that_cannot_be_read_are_refused_and_stop_the_rest() -> None:
    report = check_files({"thing.blueprint.toml": b"blueprint = 3"}, Options(), lambda: 0.0).report
    assert report.verdict == "refused"
    assert [x.verdict for x in report.levels] == ["fails", "skipped", "skipped", "skipped", "skipped"]
    assert report.findings


def test_structure_that_is_wrong_stops_the_search() -> None:
    body = GOOD.replace("MAX", "3").replace('close = { from = "open"', 'close = { from = ["open", "shut"]')
    report = report_of(several(Thing=body))
    assert report.verdict == "refused"
    assert next(x for x in report.levels if x.level == 2).verdict == "skipped"


def test_a_warning_is_shown_and_refuses_nothing() -> None:
    body = GOOD.replace("MAX", "3").replace(
        'close = { from = "open", to = "shut", by = "role:clerk" }',
        'close = { from = "open", to = "shut", by = "any" }',
    )
    report = report_of(several(Thing=body))
    assert (report.verdict, told(report)) == ("admitted", ["LT602"])


def test_a_level_that_was_not_asked_for_leaves_the_verdict_open() -> None:
    for level in (0, 1):
        report = report_of(SMALL, Options(level=level))
        assert report.verdict == "unknown"
        assert next(x for x in report.levels if x.level == 2).why == "not asked for"


def test_unknown_is_not_admitted_unless_the_bounds_are_accepted() -> None:
    assert report_of(LARGE).verdict == "unknown"
    accepted = report_of(LARGE, Options(accept_bounds=True))
    assert accepted.verdict == "admitted"
    assert len(accepted.accepted_bounds) == 1
    assert "budget of states" in accepted.accepted_bounds[0], "what was accepted is recorded"


def test_there_is_nothing_to_accept_where_nothing_was_searched() -> None:
    report = report_of(SMALL, Options(level=0, accept_bounds=True))
    assert (report.verdict, report.accepted_bounds) == ("unknown", ())


def test_accepting_bounds_accepts_no_counterexample() -> None:
    broken = LARGE + '\n[invariant]\np = "n < 3"\n'
    assert report_of(broken, Options(accept_bounds=True)).verdict == "refused"


def test_accepting_what_needs_no_accepting_records_nothing() -> None:
    report = report_of(SMALL, Options(accept_bounds=True))
    assert (report.verdict, report.accepted_bounds) == ("admitted", ())


def test_a_defect_of_ours_is_told_and_admits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise InternalError("two parts disagree")

    monkeypatch.setattr(verdict, "reach", broken)
    report = report_of(SMALL)
    assert report.verdict != "admitted"
    assert told(report) == ["LT901"]
    assert report_of(SMALL, Options(accept_bounds=True)).verdict != "admitted"


def test_an_interrupt_ends_a_search_with_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(10_000))

    def clock() -> float:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return 0.0

    report = check_files(files_of(several(Thing=GOOD.replace("MAX", "5000"))), Options(), clock).report
    assert (report.verdict, told(report)) == ("unknown", ["LT801"])
    assert "interrupt" in report.findings[0].diagnostic.message
    assert reach_module.DEFAULT_SECONDS == 10.0


def test_the_same_files_give_the_same_report() -> None:
    assert report_of(SMALL) == report_of(SMALL)
