"""Policies beside `by`: read, validated at their place, and decided as the table decides."""

from __future__ import annotations

import cedarpy
import pytest
from hypothesis import HealthCheck, given, settings

from lathe.lang import read_app
from lathe.lang.model import App
from lathe.machine.event import Caller
from lathe.machine.step import matches
from lathe.policy.engine import Decider
from lathe.policy.implied import permits
from lathe.policy.policies import read_policies
from lathe.policy.requests import Request
from lathe.policy.scan import MAX_OPERATORS
from lathe.policy.schema import schema
from lathe.testing import strategies

CLAIM = b"""
blueprint = "Claim"
[state]
open = { initial = true, waits = "somebody pays it" }
paid = { final = true }
[field]
amount = { type = "int", range = [0, 9] }
maker = { type = "id" }
pin = { type = "text", max = 9, secret = true }
[action]
create = { by = "role:clerk", sets = ["amount"], do = ["maker = actor"] }
pay = { from = "open", to = "paid", by = "role:manager", args = { note = { type = "text", max = 9 } } }
"""
NOT_OWN = """// four eyes
@id("own")
forbid(principal, action == Action::"Claim.pay", resource)
when { resource has maker && resource.maker == principal };
"""


def claim(policies: str = "") -> App:
    """An app of claims, with the policies of one file."""
    files = {"claim.blueprint.toml": CLAIM}
    files["app.toml"] = b'app = "claims"\n[role]\nclerk = "asks"\nmanager = "pays"\n'
    if policies:
        files["own.cedar"] = policies.encode()
    reading = read_app(files)
    assert reading.app is not None, reading.diagnostics
    return reading.app


def faults(policies: str) -> list[str]:
    """What is wrong with the policies, each with its place."""
    return [f"{d.span} {d.code} {d.message}" for d in read_policies(claim(policies))[1]]


def pays(actor: str, **attributes: str | int | None) -> Request:
    """Somebody with the role of a manager pays a claim."""
    fields = {"state": "open", "amount": 3, "pin": "1234", **attributes}
    roles = frozenset({"manager"})
    return Request(("Principal", actor), roles, "Claim", "pay", "Claim#1", fields, {"note": "x"})


def test_forbid_wins_over_the_permit_of_by_and_is_named() -> None:
    app = claim(NOT_OWN)
    policies, wrong = read_policies(app)
    assert not wrong
    engine = Decider(app, policies)
    assert engine.decide(pays("p1", maker="p2")).policies == ("by:Claim.pay:role:manager",)
    assert engine.decide(pays("p1", maker=None)).allowed
    denied = engine.decide(pays("p1", maker="p1"))
    assert (denied.allowed, denied.policies) == (False, ("own",))


def test_a_decision_is_kept_for_what_it_read_alone() -> None:
    app = claim(NOT_OWN)
    engine = Decider(app, read_policies(app)[0])
    assert engine.decide(pays("p1", maker="p2")) is engine.decide(pays("p1", maker="p2"))
    assert engine.decide(pays("p1", maker="p1")).allowed is False


def test_policies_name_all_actions_of_a_blueprint_by_their_group() -> None:
    app = claim('@id("all") permit(principal, action in Action::"Claim", resource);')
    nobody = Request(("Principal", "p1"), frozenset(), "Claim", "pay", "Claim#1", {"state": "open"}, {})
    assert Decider(app).decide(nobody).policies == ("all",)


def test_what_cannot_be_evaluated_is_denied() -> None:
    app = claim('@id("wide") forbid(principal, action, resource is Claim) when { resource.amount > 5 };')
    blind = Decider(app).decide(pays("p1", amount=None))
    assert not blind.allowed
    assert "wide" in Decider(app).decide(pays("p1", amount=7)).policies
    assert blind.errors


def test_decisions_differ_by_what_the_policies_read_and_by_nothing_else() -> None:
    decider = Decider(
        claim('@id("wide") forbid(principal, action, resource is Claim) when { resource.amount > 5 };')
    )
    first = decider.decide(pays("p1", amount=3, maker="p1"))
    assert decider.decide(pays("p2", amount=3, maker="p7")) is first
    assert decider.decide(pays("p2", amount=4)) is not first
    assert decider.slice("Claim", "pay").reads.names("resource") == ("amount",)


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        (
            'permit(principal,\n  action == Action::"Claim.pya", resource);',
            'own.cedar:2:13 LT604 unrecognized action `Action::"Claim.pya"`',
        ),
        (
            NOT_OWN + "forbid(principal, action, resource is Claim)\nwhen { resource.amout > 3 };",
            "own.cedar:6:17 LT604 attribute `amout` on entity type `Claim` not found",
        ),
        (
            "permit(principal == ?principal, action, resource);",
            "own.cedar:1:1 LT604 a policy with `?principal` or `?resource` is a template",
        ),
        ("permit(principal, action", "own.cedar:1:1 LT604 this is no policy: unexpected end of input"),
        (NOT_OWN + NOT_OWN, "own.cedar:6:6 LT604 the id `own` is taken by own.cedar:2:1"),
    ],
)
def test_what_cannot_count_is_told_at_its_place(policies: str, said: str) -> None:
    found = faults(policies)
    assert len(found) == 1
    assert found[0].startswith(said)


def test_a_secret_is_in_no_policys_sight() -> None:
    (said,) = faults('forbid(principal, action, resource is Claim) when { resource.pin == "1" };')
    assert "`pin`" in said


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 20_000 + "true" + ")" * 20_000,
        " && ".join(["resource.amount > 1"] * 2_000),
        "+".join("1" * 30_000) + " > resource.amount",
        "resource" + ".amount" * 8_000 + " == 1",
        "if true then " * 2_000 + "true" + " else false" * 2_000,
        "[" * 30_000 + "]" * 30_000 + " == [[]]",
        'resource["amount"]' + '["amount"]' * 5_000 + " == 1",
    ],
    ids=["brackets", "and", "sum", "attributes", "if", "sets", "indexes"],
)
def test_what_is_nested_too_deep_is_refused_unread(condition: str) -> None:
    (said,) = faults(f"forbid(principal, action, resource is Claim) when {{ {condition} }};")
    assert said.startswith("own.cedar:1:1 LT604 this is no policy")


def test_long_policy_that_is_not_deep_is_read() -> None:
    many = " || ".join(f"resource.amount == {n % 9}" for n in range(120))
    assert not faults(f"forbid(principal, action, resource is Claim) when {{ {many} }};")
    deepest = "+".join(["1"] * MAX_OPERATORS) + " > 3"
    assert not faults(f"forbid(principal, action, resource is Claim) when {{ {deepest} }};")


def test_comments_and_strings_end_no_policy() -> None:
    assert not faults('// a; b\nforbid(principal, action, resource is Claim) when { resource.state == ";" };')


def test_blueprint_cannot_be_called_as_a_type_of_the_schema() -> None:
    files = {"a.blueprint.toml": CLAIM.replace(b'"Claim"', b'"New"'), "own.cedar": b"// nothing"}
    files["app.toml"] = b'app = "claims"\n[role]\nclerk = "asks"\nmanager = "pays"\n'
    app = read_app(files).app
    assert app is not None
    assert [d.code for d in read_policies(app)[1]] == ["LT604"]


@given(app=strategies.apps())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_lowered_permits_are_valid_and_decide_as_by_does(app: App) -> None:
    text = "\n".join(p.text for p in permits(app))
    result = cedarpy.validate_policies(text, schema(app))
    assert result.validation_passed, [e.error for e in result.errors]
    engine = Decider(app, ())
    for blueprint in app.blueprints.values():
        resource = f"{blueprint.name}#1"
        for action in blueprint.actions.values():
            for roles in ({}, *({r} for r in app.roles), set(app.roles)):
                caller = Caller("role", roles=frozenset(roles), actor="p1")
                held = frozenset(roles)
                asked = Request(
                    ("Principal", "p1"), held, blueprint.name, action.name,
                    None if action.name == "create" else resource, {"state": blueprint.initial}, {},
                )  # fmt: skip
                assert engine.decide(asked).allowed is any(matches(p, caller) for p in action.admits)
