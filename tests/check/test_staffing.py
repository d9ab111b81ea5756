"""Nobody is stuck because one person alone holds a role: nothing keeps others from holding it."""

from __future__ import annotations

import pytest
from tests.support import app_of, codes, report_of

from lathe.check.composed.roles import spare_sets
from lathe.check.composed.system import make_system
from lathe.check.search import tiers
from lathe.check.search.scope import scopes
from lathe.check.widening.wider import joined, staff
from lathe.gate import Options

CLAIM = """
# --- app.toml
app = "claims"
exclusive = [["assessor", "treasurer"]]
[role]
claimant = "c"
assessor = "a"
treasurer = "t"
[scope]
SCOPE
# --- claim.blueprint.toml
blueprint = "Claim"
[state]
filed = { initial = true, WAITS }
assessed = { WAITS }
paid = { final = true }
[field]
claimant = { type = "id" }
assessor = { type = "id" }
[ghost]
payer = { type = "id" }
[action]
create = { by = "role:claimant", do = ["claimant = actor"] }
accept = { from = "filed", to = "assessed", by = "role:assessor", FAIR, WHEN, do = ["assessor = actor"] }
pay = { from = "assessed", to = "paid", by = "role:treasurer", FAIR, PAY, ghost = ["payer = actor"] }
[invariant]
three_people = "payer is None or payer != assessor and payer != claimant"
"""
POLICY = """
# --- limits.cedar
@id("own_claim")
forbid (principal, action == Action::"Claim.pay", resource)
when { resource has claimant && resource.claimant == principal };
"""
MEANT = 'when = "actor != claimant and actor != assessor"'
NOBODY = 'when = "actor == assessor"'
PROMISE = '\n[eventually]\nends = { from = ["assessed"], to = ["paid"] }\n'


def claim(pay: str = MEANT, *, scope: str = "", fair: str = "fair = false") -> str:
    """The app, with the guard of `pay`."""
    text = CLAIM.replace("PAY", pay).replace("SCOPE", scope).replace("FAIR", fair)
    return text.replace("WAITS", 'waits = "w"').replace("WHEN", 'when = "actor != claimant"')


@pytest.mark.parametrize("principals", [None, 2, 3, 4, 6, 8])
def test_separated_duties_find_another_holder_of_the_role(principals: int | None) -> None:
    scope = f"principals = {principals}" if principals else ""
    found = codes(claim(scope=scope))
    assert not {c for c in found if c.startswith("LT3")}, found
    assert principals == 2 or found == [], "two people are too few to see a claim paid"


def test_a_policy_that_keeps_people_apart_does_so_too() -> None:
    assert codes(claim('when = "actor != assessor"') + POLICY) == []


@pytest.mark.parametrize("text", ["meant", "policy", "promise", "nobody"])
def test_the_large_tier_says_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {
        "meant": claim(),
        "policy": claim('when = "actor != assessor"') + POLICY,
        "promise": claim(fair="fair = true") + PROMISE,
        "nobody": claim(NOBODY),
    }[text]
    small = codes(asked)
    monkeypatch.setattr(tiers, "HAND_OVER_STATES", 0)
    assert codes(asked) == small
    assert ("LT301" in small) == (text == "nobody")


COUNT = """
# --- app.toml
app = "count"
exclusive = [["boss", "audit"]]
[role]
clerk = "c"
boss = "b"
audit = "a"
[scope]
Count = 1
budget_states = 2000
# --- count.blueprint.toml
blueprint = "Count"
[state]
counting = { after = "1m", then = "tick", initial = true }
jammed = { waits = "a boss" }
closed = { final = true }
[field]
n = { type = "int", range = [0, 1000000], default = 0 }
maker = { type = "id" }
[action]
create = { by = "role:clerk", do = ["maker = actor"] }
tick = { from = "counting", by = "timer", when = "n < 1000000", do = ["n += 1"] }
jam = { from = "counting", to = "jammed", by = "role:audit", fair = true }
close = { from = "jammed", to = "closed", by = "role:boss", fair = true, when = "WHO" }
[eventually]
closes = { from = ["jammed"], to = ["closed"] }
"""


def test_a_scope_that_is_closed_by_proof_is_staffed_too() -> None:
    report = report_of(COUNT.replace("WHO", "actor != maker"))
    assert report.covered.exhaustive == "no scope was completed: closed by proof"
    assert (report.verdict, [f.diagnostic.code for f in report.findings]) == ("admitted", [])
    assert "LT301" in codes(COUNT.replace("WHO", "actor is None"))


def test_who_is_taken_over_by_another_version_is_helped_too() -> None:
    report = report_of(claim(), Options(against=app_of(claim())))
    assert (report.verdict, [f.diagnostic.code for f in report.findings]) == ("admitted", [])


def test_whom_no_holder_of_the_role_can_help_is_stuck() -> None:
    assert "LT301" in codes(claim(NOBODY))


def test_people_who_are_kept_apart_fail_no_promise_for_want_of_another() -> None:
    text = claim(fair="fair = true") + PROMISE
    assert codes(text) == []
    assert codes(claim() + PROMISE) == ["LT304 ends"], "nobody promises it"


def test_what_is_wrong_with_few_holders_is_still_found() -> None:
    assert codes(claim('when = "actor != assessor"')) == ["LT401 three_people"]


def test_the_report_speaks_of_the_scope_that_was_searched() -> None:
    assert report_of(claim()).covered.bounds == {"Claim": 1, "principals": 4}


def test_further_holders_hold_every_set_of_roles() -> None:
    app = app_of(claim(scope="principals = 3"))
    small = make_system(app, scopes(app)[0])
    assert staff(small.layout) == 3 + 2 * 2
    large = make_system(app, scopes(app)[0], principals=7)
    for packed in small.initial:
        held = [v.read(joined(small.layout, large.layout, packed)) for v in large.layout.roles]
        assert held[:3] == [v.read(packed) for v in small.layout.roles]
        assert held[3:] == [0, 1, 0, 1]


def test_many_sets_of_roles_are_covered_not_tried() -> None:
    groups = [frozenset({a, b}) for a in "abc" for b in "xyz"]
    given = [groups[i] for i in spare_sets(tuple(groups))]
    assert len(given) == 3
    assert frozenset[str]().union(*given) == frozenset("abcxyz")
