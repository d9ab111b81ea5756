"""Mutants: what the properties would not notice, and what nobody could tell apart."""

from __future__ import annotations

from time import process_time

import pytest

from lathe.check.mutation.mutants import mutants
from lathe.check.reporting.report import Coverage, Report
from lathe.cli.line import lines
from lathe.gate.codes import page
from lathe.gate.mutation import EQUIVALENT, Score, score, survivors
from lathe.lang.model import App
from lathe.lang.resolve import read_app

from ..check.test_policies import APP, CLAIM, NOT_LARGE, NOT_OWN
from ..support import app_of, several
from .test_codes import cure, example

DOOR = """
[state]
shut = { initial = true, waits = "somebody comes" }
open = { waits = "somebody leaves" }
gone = { final = true }
[field]
passed = { type = "int", range = [0, 3], default = 0 }
note = { type = "int", range = [0, 3], default = 0 }
[action]
create = { by = "role:clerk" }
leave = { from = "open", to = "shut", by = "role:clerk" }
remove = { from = ["shut", "open"], to = "gone", by = "role:clerk", when = "passed > 0 and passed < 4" }
[action.enter]
from = "shut"
to = "open"
by = "role:clerk"
when = "passed < 3"
do = ["passed += 1", "note = 2"]
[invariant]
someone_passed = { that = "passed > 0", in = ["open", "gone"] }
"""


@pytest.fixture(scope="module")
def tried() -> Score:
    return score(app_of(several(Door=DOOR)), process_time)


def said(found: Score, killed_by: str) -> set[str]:
    return {t.mutant.told.partition(": ")[2] for t in found.tried if t.killed_by == killed_by}


def test_a_guard_that_a_property_rests_on_is_killed(tried: Score) -> None:
    assert "`remove` without `passed > 0`" in said(tried, "LT401")


def test_a_range_is_kept_by_the_house_checks(tried: Score) -> None:
    assert "`enter` without its guard" in said(tried, "LT204")


def test_a_clause_that_is_always_true_is_equivalent(tried: Score) -> None:
    assert "`remove` without `passed < 4`" in said(tried, EQUIVALENT)


def test_an_assignment_that_nothing_reads_survives_and_is_not_called_equivalent(tried: Score) -> None:
    assert {"`enter` without `note = 2`", "`enter` with `1` for `2` in `note = 2`"} <= said(tried, "")


LEASE = """
[state]
free = { initial = true, waits = "a clerk takes it" }
taken = { after = "1h", then = "lapse" }
shut = { waits = "a clerk takes it out", after = "1d", then = "forget" }
over = { final = true }
[field]
holder = { type = "id" }
times = { type = "int", range = [0, 3], default = 0 }
ends = { type = "time" }
[action]
create = { by = "role:clerk" }
take = { from = "free", to = "taken", by = "role:clerk", do = ["holder = actor", "ends = now + 60"] }
look = { from = "taken", by = "role:clerk", when = "actor == holder" }
keep = { from = "taken", by = "role:clerk", do = ["ends = now + 90"] }
lapse = { from = "taken", to_if = "'shut' if times > 1 else 'free'", do = ["times += 1", "holder = None"] }
forget = { from = "shut", to = "over" }
[effect.post]
uses = "http"
with = { method = "POST", url = "https://post.example" }
idempotent = true
"""
LEASE = LEASE.replace("over = { final = true }", 'over = { final = true, run = "post" }')


@pytest.fixture(scope="module")
def leased() -> Score:
    return score(app_of(several(Lease=LEASE)), process_time)


def test_a_step_that_others_may_take_too_is_another_step_even_if_it_changes_nothing(leased: Score) -> None:
    assert {"`look` without its guard", "`look` when its guard is false"} <= said(leased, "")


def test_a_time_that_is_not_moved_is_not_equivalent_though_the_search_knows_no_times(leased: Score) -> None:
    assert "`keep` without `ends = now + 90`" in said(leased, "")
    assert not any("89" in told or "91" in told for told in told_of(leased)), "durations are not searched"


def test_what_only_a_timer_took_is_open_to_nobody_without_it(leased: Score) -> None:
    assert "`shut` without its timer" in said(leased, "LT601")


def test_a_target_that_depends_is_tried_with_each_branch_and_off_by_one(leased: Score) -> None:
    assert "`lapse` to `'free'` always" in said(leased, "LT204")
    assert "`lapse` to `'shut'` always" in told_of(leased)
    assert "`lapse` to `2` for `1`" in told_of(leased)


def test_an_assignment_that_reads_what_it_changes_is_tried_twice(leased: Score) -> None:
    assert "`lapse` with `times += 1` twice" in told_of(leased)
    assert not any("`holder = None` twice" in told for told in told_of(leased))


def test_a_new_warning_is_noticed(leased: Score) -> None:
    assert "`post` not `idempotent`" in said(leased, "LT503")


def told_of(found: Score) -> set[str]:
    return {t.mutant.told.partition(": ")[2] for t in found.tried}


def test_the_score_counts_what_is_not_equivalent(tried: Score) -> None:
    others = [t for t in tried.tried if t.killed_by != EQUIVALENT]
    assert tried.percent == 100 * sum(bool(t.killed_by) for t in others) / len(others)
    assert tried.left == 0


def test_the_time_ends_it_with_what_is_known() -> None:
    app = app_of(several(Door=DOOR))
    assert score(app, process_time, stop_at=0).left == len(list(mutants(app)))


def test_each_policy_is_left_out_too() -> None:
    files = {"app.toml": APP, "claim.blueprint.toml": CLAIM, "own.cedar": (NOT_OWN + NOT_LARGE).encode()}
    app = read_app(files).app
    assert app is not None
    found = {
        t.mutant.span.line: t.killed_by for t in score(app, process_time).tried if "policy" in t.mutant.told
    }
    assert found == {2: "LT401", 5: "LT401"}


def app_of_page(files: dict[str, str]) -> App:
    app = read_app({name: text.encode() for name, text in files.items()}).app
    assert app is not None
    return app


def test_the_page_shows_what_its_example_gives() -> None:
    found = tuple(survivors(score(app_of_page(example("LT405")), process_time)))
    told = lines(Report("", "", "refused", (), found, Coverage(), ()), prefix="", name="")[:-1]
    for line in told:
        assert line in page("LT405"), line
    left = list(survivors(score(app_of_page(cure("LT405")), process_time)))
    assert len(left) < len(found)


def test_a_policy_about_some_roles_alone_is_missed_by_nobody_but_is_not_equivalent() -> None:
    clerks = 'forbid(principal in Role::"clerk", action == Action::"Claim.pay", resource);'
    policies = NOT_OWN + NOT_LARGE + clerks
    files = {"app.toml": APP, "claim.blueprint.toml": CLAIM, "own.cedar": policies.encode()}
    app = read_app(files).app
    assert app is not None
    last = [t for t in score(app, process_time).tried if "policy" in t.mutant.told][-1]
    assert last.killed_by == "", "a manager who is a clerk too may pay without it"


MEMBER = """
[state]
active = { initial = true, waits = "x" }
[field]
loans = { type = "int", range = [0, 2], default = 0 }
[action]
create = { by = "role:clerk" }
borrow = { from = "active", by = "entity:Loan", when = "loans < 2", do = ["loans += 1"] }
bring = { from = "active", by = "entity:Loan", do = ["loans -= 1"] }
"""
LOAN = """
[state]
out = { initial = true, waits = "x" }
back = { final = true }
[field]
member = { type = "ref", to = "Member", frozen = true }
[action]
create = { by = "role:clerk", sets = ["member"], also = [{ on = "arg.member", action = "borrow" }] }
bring = { from = "out", to = "back", by = "role:clerk", also = [{ on = "member", action = "bring" }] }
"""


def test_what_one_of_each_shows_to_be_wrong_is_killed_as_the_whole_scope_kills_it() -> None:
    """Each is tried with one of each first, so that little time tells of many; the score stays the same."""
    found, whole = (
        score(app_of(several(top, Member=MEMBER, Loan=LOAN)), process_time)
        for top in ("", "[scope]\nMember = 2\nLoan = 2\n")
    )
    assert found.left == 0
    assert [t.mutant.told for t in found.tried] == [t.mutant.told for t in whole.tried]
    assert {t.mutant.told for t in found.tried if t.is_survivor} == {
        t.mutant.told for t in whole.tried if t.is_survivor
    }
    assert found.killed > 0
