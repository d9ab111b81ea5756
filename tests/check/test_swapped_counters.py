"""Two versions in which a number goes on counting: decided by proof, and never for more than is so."""

from __future__ import annotations

from lathe.check.reporting.report import Report
from lathe.check.widening.closing import WITNESS_STATES
from lathe.gate import Options

from ..support import app_of, finding, report_of, run_of, several, told

SCOPE = f"[scope]\nbudget_states = {WITNESS_STATES + 1_000}\n"
"""A search of a counter ends early, as it would after its seconds."""

TASK = several(
    SCOPE,
    Task="""
[state]
open = { initial = true, waits = "somebody closes it" }
closed = { final = true }
[field]
owner = { type = "text", max = 50 }
total = { type = "int", range = [0, 1000000000], default = 0 }
[action]
create = { by = "role:clerk", sets = ["owner"] }
close = { from = "open", to = "closed", by = "role:clerk" }
[action.add]
from = "open"
by = "role:clerk"
args = { by = { type = "int", range = [1, 9] } }
when = "total < 999999990"
do = ["total += arg.by"]
[invariant]
never_negative = "total >= 0"
""",
)
FEWER = TASK.replace("total < 999999990", "total < 4999990")
"""Never more than five million."""


def against(old: str, new: str) -> Report:
    return report_of(new, Options(against=app_of(old)))


def migrate(total: str) -> str:
    return f'[migrate]\nfield = {{ total = "{total}" }}\n'


def test_same_counter_is_admitted_by_proof() -> None:
    report = against(
        TASK, TASK.replace("owner =", 'note = { type = "text", max = 9, default = "" }\nowner =', 1)
    )
    assert (report.verdict, told(report)) == ("admitted", [])
    said = [line for line in report.not_covered if line.startswith("migration: ")]
    assert said[0] == "migration: more than 1 Task of the version before"
    assert any(line.startswith("migration: 1 Task: a proof ended the search") for line in said)


def test_invariant_that_only_a_great_number_breaks_is_not_admitted() -> None:
    new = FEWER + 'small = "total <= 5000000"\n'
    assert told(report_of(new)) == []
    report = against(TASK, new)
    assert told(report) == ["LT801"]
    assert "open: whether `small` holds" in finding(report, "LT801").diagnostic.message
    assert against(TASK, new + migrate("min(old.total, 5000000)")).verdict == "admitted"


def test_entity_that_only_a_great_number_leaves_without_a_way_out_is_not_admitted() -> None:
    new = FEWER.replace('to = "closed"', 'to = "closed", when = "total < 5000000"')
    assert told(report_of(new)) == []
    report = against(TASK, new)
    assert told(report) == ["LT801"]
    assert "whether `open` can be left as it should" in finding(report, "LT801").diagnostic.message
    assert against(TASK, new + migrate("min(old.total, 4999999)")).verdict == "admitted"


def test_range_that_only_a_great_number_leaves_is_not_admitted() -> None:
    new = FEWER.replace("range = [0, 1000000000]", "range = [0, 5000000]")
    assert told(against(TASK, new)) == ["LT801"]
    assert against(TASK, new + migrate("min(old.total, 5000000)")).verdict == "admitted"


def test_state_that_is_reached_with_a_great_number_alone_needs_a_place() -> None:
    old = TASK.replace("closed = {", 'full = { waits = "a clerk" }\nclosed = {', 1)
    old = old.replace('from = "open", to = "closed"', 'from = ["open", "full"], to = "closed"')
    old += '[action.fill]\nfrom = "open"\nto = "full"\nby = "role:clerk"\nwhen = "total > 900000000"\n'
    report = against(old, TASK)
    assert told(report) == ["LT801"]
    assert "whether `Task state full` is ever met" in finding(report, "LT801").diagnostic.message
    assert against(old, TASK + '[migrate]\nstate = { full = "open" }\n').verdict == "admitted"


UNIQUE = '[unique]\none = { fields = ["owner"], in = ["open"] }\n'


def test_claims_of_what_counts() -> None:
    """One that the old version keeps is kept; another is broken by two who come over."""
    assert told(against(TASK, TASK + UNIQUE)) == ["LT703 one"]
    assert told(against(TASK + UNIQUE, TASK + UNIQUE.replace(', in = ["open"]', ""))) == ["LT703 one"]
    assert against(TASK + UNIQUE, TASK + UNIQUE).verdict == "admitted"


def test_what_is_wrong_early_is_told_with_its_run() -> None:
    new = TASK.replace("closed", "shut")
    report = against(TASK, new)
    assert told(report) == ["LT701"]
    assert run_of(finding(report, "LT701")) == ["create", "close", "swap (refused)"]


def test_only_the_new_version_counts() -> None:
    old = TASK.replace("range = [0, 1000000000]", "range = [0, 40]").replace("999999990", "31")
    assert against(old, TASK).verdict == "admitted"
