"""Policies in the search: what they forbid is never taken, and `cannot` asks them in every state."""

from __future__ import annotations

import pytest

from lathe.check.report import Report
from lathe.gate import check_files

APP = b"""
app = "claims"
[role]
clerk = "asks"
manager = "pays"
"""
CLAIM = b"""
blueprint = "Claim"
[state]
open = { initial = true, waits = "somebody pays it" }
paid = { final = true }
dropped = { final = true }
[field]
amount = { type = "int", range = [0, 9] }
maker = { type = "id" }
[ghost]
payer = { type = "id" }
[action]
create = { by = "role:clerk", sets = ["amount"], do = ["maker = actor"] }
pay = { from = "open", to = "paid", by = "role:manager", ghost = ["payer = actor"] }
drop = { from = "open", to = "dropped", by = "role:clerk" }
[cannot]
clerk_pays = { role = "clerk", do = ["pay"] }
[invariant]
two_of_them = { that = "payer != maker", in = ["paid"] }
small = { that = "amount < 6", in = ["paid"] }
"""
NOT_OWN = """
forbid(principal, action == Action::"Claim.pay", resource)
when { resource has maker && resource.maker == principal };
"""
NOT_LARGE = """
forbid(principal, action == Action::"Claim.pay", resource) when { resource.amount > 5 };
"""


def report(policies: str, claim: bytes = CLAIM) -> Report:
    """What the gate says of claims with these policies."""
    files = {"app.toml": APP, "claim.blueprint.toml": claim, "own.cedar": policies.encode()}
    return check_files(files).report


def said(policies: str, claim: bytes = CLAIM) -> tuple[str, list[str]]:
    """The verdict, and each finding's code with the property that it is about."""
    found = report(policies, claim)
    return found.verdict, [f"{f.diagnostic.code} {f.property or ''}".strip() for f in found.findings]


def test_what_is_forbidden_is_never_taken() -> None:
    assert said(NOT_OWN + NOT_LARGE) == ("admitted", [])


@pytest.mark.parametrize(
    ("policies", "broken"), [(NOT_LARGE, "two_of_them"), (NOT_OWN, "small")], ids=["not own", "not large"]
)
def test_a_forbid_too_few_breaks_what_it_kept(policies: str, broken: str) -> None:
    assert f"LT401 {broken}" in said(policies)[1]


def test_cannot_is_kept_by_a_forbid_and_asked_in_every_state() -> None:
    open_to_both = CLAIM.replace(b'by = "role:manager"', b'by = ["role:manager", "role:clerk"]')
    assert "LT603 clerk_pays" in said(NOT_OWN + NOT_LARGE, open_to_both)[1]
    never = 'forbid(principal, action == Action::"Claim.pay", resource);'
    assert "LT603 clerk_pays" not in said(never, open_to_both)[1]


def test_cannot_is_asked_of_the_very_principal_that_its_condition_is_about() -> None:
    own = CLAIM.replace(b'do = ["pay"] }', b'do = ["pay"], when = "actor == maker" }')
    own = own.replace(b'by = "role:manager"', b'by = ["role:manager", "role:clerk"]')
    assert "LT603 clerk_pays" not in said(NOT_OWN + NOT_LARGE, own)[1]
    assert "LT603 clerk_pays" in said(NOT_LARGE, own)[1]


def test_cannot_read_asks_the_policies_too() -> None:
    hidden = CLAIM.replace(b'do = ["pay"]', b'do = "read"')
    assert "LT603 clerk_pays" in said(NOT_OWN + NOT_LARGE, hidden)[1]
    closed = 'forbid(principal in Role::"clerk", action == Action::"Claim.read", resource);'
    assert "LT603 clerk_pays" not in said(NOT_OWN + NOT_LARGE + closed, hidden)[1]


@pytest.mark.parametrize(
    "policy",
    [
        'permit(principal in Role::"clerk", action == Action::"Claim.pay", resource);',
        'forbid(principal == Principal::"eve", action == Action::"Claim.pay", resource);',
        'forbid(principal, action == Action::"Claim.pay", resource == Claim::"7");',
    ],
)
def test_what_no_table_holds_leaves_the_verdict_open(policy: str) -> None:
    verdict, codes = said(NOT_OWN + NOT_LARGE + policy)
    assert (verdict, codes) == ("unknown", ["LT801"])


def test_has_of_what_no_entity_has_is_false() -> None:
    never = 'forbid(principal, action == Action::"Claim.pay", resource) when { resource has nothing };'
    assert said(NOT_OWN + NOT_LARGE + never) == ("admitted", [])


def test_cannot_read_that_no_table_holds_leaves_the_verdict_open() -> None:
    noted = CLAIM.replace(b"[ghost]", b'note = { type = "text", max = 9 }\n[ghost]')
    noted = noted.replace(b'do = ["pay"]', b'do = "read"')
    hides = 'forbid(principal, action == Action::"Claim.read", resource) when { resource has note };'
    assert said(NOT_OWN + NOT_LARGE + hides, noted) == ("unknown", ["LT801"])


def test_typing_errors_are_refused_before_any_search() -> None:
    assert said('forbid(principal, action == Action::"Claim.pya", resource);') == ("refused", ["LT604"])
