"""What two searches saw a sample of is proved for every image, or stays unknown."""

from __future__ import annotations

import pytest
import z3

from lathe.check.algebra.images import start_of
from lathe.check.algebra.terms import constant
from lathe.check.composed.system import make_system
from lathe.gate import Options

from ...support import app_of, report_of, several, told

PURSE = """
blueprint = "Purse"
[state]
open = { initial = true, waits = "its owner" }
shut = { final = true }
[field]
coins = { type = "int", range = [0, 100000], default = 0, explore = [0, 2] }
[action]
create = { by = "role:clerk" }
shut = { from = "open", to = "shut", by = "role:clerk" }
[action.add]
from = "open"
by = "role:clerk"
args = { more = { type = "int", range = [1, 100000], explore = [1, 2] } }
when = "coins + arg.more <= 100000"
do = ["coins += arg.more"]
"""


def against(old: str, new: str) -> list[str]:
    report = report_of(new, Options(against=app_of(old)))
    return [t for t in told(report) if not t.startswith("LT802")]


def test_same_version_is_proved_for_all_values() -> None:
    assert against(PURSE, PURSE) == []


LESS = (
    PURSE.replace("coins + arg.more <= 100000", "coins + arg.more <= 500")
    + '[invariant]\nsmall = "coins <= 500"\n'
)


def test_invariant_that_only_values_beyond_the_sample_break_is_not_admitted() -> None:
    assert [t for t in told(report_of(LESS)) if not t.startswith("LT802")] == []
    assert against(PURSE, LESS) == ["LT801"]


def test_entry_that_keeps_an_invariant_for_all_values_is_proved() -> None:
    assert against(PURSE, LESS + '[migrate]\nfield = { coins = "min(old.coins, 500)" }\n') == []
    kept = "old.coins if old.coins <= 500 else 0"
    assert against(PURSE, LESS + f'[migrate]\nfield = {{ coins = "{kept}" }}\n') == []
    assert against(PURSE, LESS + '[migrate]\nfield = { coins = "min(old.coins, 501)" }\n') == ["LT801"]


NARROW = PURSE.replace("range = [0, 100000], default", "range = [0, 500], default").replace(
    "coins + arg.more <= 100000", "coins + arg.more <= 500"
)


def test_narrower_range_that_only_values_beyond_the_sample_leave_is_not_admitted() -> None:
    assert against(PURSE, NARROW) == ["LT801"]
    assert against(PURSE, NARROW + '[migrate]\nfield = { coins = "min(old.coins, 500)" }\n') == []


def test_guard_of_the_old_version_counts() -> None:
    """It never lets the coins beyond 500, whatever its range says."""
    old = PURSE.replace("coins + arg.more <= 100000", "coins + arg.more <= 500")
    assert against(old + '[invariant]\nkept = "coins <= 500"\n', NARROW) == []


def test_state_decides_what_a_field_becomes() -> None:
    moved = "[migrate]\nfield = { coins = \"0 if old.state == 'shut' else old.coins\" }\n"
    new = PURSE.replace(
        'shut = { from = "open", to = "shut", by = "role:clerk" }',
        'shut = { from = "open", to = "shut", by = "role:clerk", do = ["coins = 0"] }',
    )
    new += '[invariant]\nempty = { that = "coins == 0", in = ["shut"] }\n'
    assert against(PURSE, new) == ["LT703 empty"]
    assert against(PURSE, new + moved) == []


JOB = """
blueprint = "Job"
[state]
open = { initial = true, waits = "a clerk" }
sent = { waits = "a clerk" }
done = { final = true }
[field]
amount = { type = "int", range = [0, 10000], default = 0 }
[action]
create = { by = "role:clerk" }
finish = { from = "sent", to = "done", by = "role:clerk" }
[action.send]
from = "open"
to = "sent"
by = "role:clerk"
args = { third = { type = "int", range = [0, 2000] } }
do = ["amount = arg.third * 3"]
"""
SMALL = JOB.replace("range = [0, 2000]", "range = [0, 10]")
"""Of which every value is tried; of the one before, a sample."""
LEAVES = 'to = "done", by = "role:clerk"'


def asked_for(text: str, guard: str) -> str:
    return text.replace(LEAVES, f'{LEAVES}, when = "{guard}"')


def test_entity_that_values_beyond_the_sample_leave_without_a_way_out_is_not_admitted() -> None:
    """The sample of the old version has no amount between the two bounds, and the new one makes none."""
    new = asked_for(SMALL, "amount <= 3000 or amount >= 5000")
    assert told(report_of(new)) == []
    assert against(JOB, new) == ["LT801"]
    assert against(JOB, new + '[migrate]\nfield = { amount = "min(old.amount, 3000)" }\n') == []
    assert against(JOB, asked_for(SMALL, "amount <= 6000 or amount >= 7000")) == ["LT801"]
    assert against(JOB, asked_for(SMALL, "amount <= 10000")) == []


TIMED = JOB.replace('sent = { waits = "a clerk" }', 'sent = { after = "1h", then = "finish" }')
TIMED = TIMED.replace(LEAVES, 'to = "done"')
ENDS = '[eventually]\nends = { from = ["sent"], to = ["done"] }\n'


def test_what_comes_in_the_end_is_asked_of_the_skeleton() -> None:
    new = TIMED.replace("range = [0, 2000]", "range = [0, 10]") + ENDS
    guarded = new.replace('to = "done"', 'to = "done", when = "amount <= 3000 or amount >= 5000"')
    whole = new.replace('to = "done"', 'to = "done", when = "amount >= 0"')
    assert told(report_of(guarded)) == told(report_of(whole)) == []
    assert against(TIMED, guarded) == ["LT801"]
    assert against(TIMED, whole) == []


PAYING = several(
    Job="""
[state]
open = { initial = true, waits = "a clerk" }
paying = { run = "pay" }
over = { final = true }
[field]
amount = { type = "int", range = [0, 6000], default = 0 }
to = { type = "ref", to = "Purse" }
[action]
create = { by = "role:clerk", sets = ["to"] }
paid = { from = "paying", to = "over" }
failed = { from = "paying", to = "over" }
[action.send]
from = "open"
to = "paying"
by = "role:clerk"
args = { third = { type = "int", range = [0, 2000] } }
when = "arg.third * 7 < 10000"
do = ["amount = arg.third * 3"]
[effect.pay]
uses = "call"
with = { on = "to", action = "put", args = { much = "amount" } }
ok = "paid"
error = "failed"
""",
    Purse="""
[state]
open = { initial = true, waits = "a job" }
shut = { final = true }
[field]
total = { type = "int", range = [0, 6000], default = 0 }
[action]
create = { by = "role:clerk" }
shut = { from = "open", to = "shut", by = "role:clerk" }
[action.put]
from = "open"
by = "entity:Job"
args = { much = { type = "int", range = [0, 6000] } }
do = ["total = arg.much"]
""",
)


def test_call_in_flight_whose_value_beyond_the_sample_does_not_fit_any_more_is_not_admitted() -> None:
    narrower = PAYING.replace("[0, 2000]", "[0, 10]").replace(
        'much = { type = "int", range = [0, 6000]', 'much = { type = "int", range = [0, 1000]'
    )
    assert told(report_of(narrower)) == []
    assert against(PAYING, narrower) == ["LT801"]


PAPER = """
[state]
written = { initial = true, waits = "another clerk" }
good = { final = true }
[field]
maker = { type = "id" }
[action]
create = { by = "role:clerk", do = ["maker = actor"] }
approve = { from = "written", to = "good", by = "role:clerk", when = "actor != maker" }
"""


@pytest.mark.parametrize(("other", "is_kept"), [("boss", True), ("audit", False)])
def test_who_held_some_roles_may_hold_any_where_others_exclude_each_other(other: str, is_kept: bool) -> None:
    app = several('boss = "shuts"\naudit = "looks"', Paper=PAPER)
    old, new = (
        make_system(
            app_of(app.replace('app = "small"', f'app = "small"\nexclusive = [["clerk", "{name}"]]')),
            {"Paper": 1},
        ).layout
        for name in ("boss", other)
    )
    assert len(old.role_sets) == len(new.role_sets) == 2
    assert len(old.roles) == len(new.roles) > 0
    start = start_of(old, new, ())
    same = [
        start.terms[given.index] == constant(held, ".before")
        for held, given in zip(old.roles, new.roles, strict=True)
    ]
    assert start.implies(z3.And(*same), 100_000) == is_kept
