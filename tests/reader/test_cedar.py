"""The second reading of policies decides as Cedar does."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from lathe.machine.event import Caller
from lathe.machine.snapshot import Entity
from lathe.policy.engine import Decider
from lathe.policy.permit import permit_by, reader_by
from lathe.policy.policies import read_policies
from lathe.reader.cedar import Policies
from lathe.reader.world import By, Entity as Read

from ..runtime.harness import example, read

CONDITIONS = (
    'resource.amount > 20 && resource.state == "submitted"',
    "resource has approver && resource.approver == principal",
    "resource.approver == principal",
    "!(resource has maker) || resource.maker != principal",
    "resource.amount * 9223372036854775807 > 0",
    "resource.amount - 1 - 1 + 2 * 3 <= 27",
    "-resource.amount < -20",
    "[1, 21, 50].contains(resource.amount)",
    "[resource.amount, 3].containsAll([3])",
    "[resource.amount].containsAny([21, 22])",
    "[resource.amount].isEmpty()",
    'if resource.amount > 20 then principal in Role::"director" else principal == Principal::"ann"',
    'resource.state like "sub*ed"',
    'resource.state like "s?b*"',
    'principal is Principal in Role::"manager"',
    'principal in [Role::"manager", Role::"director"]',
    'action in Action::"Expense"',
    'resource in Expense::"e1"',
    "{a: resource.amount}.a == 21",
)
ROLES = (frozenset[str](), frozenset({"manager"}), frozenset({"director", "accountant"}))


@pytest.mark.parametrize("effect", ["permit", "forbid"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_are_decided_as_cedar_decides_them(condition: str, effect: str) -> None:
    text = f'{effect}(principal, action == Action::"Expense.approve", resource) when {{ {condition} }};\n'
    text += f'{effect}(principal, action == Action::"Expense.read", resource) unless {{ {condition} }};'
    app = replace(read(example("expense")), policies={"own.cedar": text})
    decider = Decider(app)
    permit, reads = permit_by(decider), reader_by(decider)
    policies = Policies(app, [policy.tree for policy in read_policies(app)[0]])
    blueprint = app.blueprints["Expense"]
    approve = blueprint.actions["approve"]
    for amount, approver, roles, who in product((3, 21), (None, "ann"), ROLES, ("ann", "bob")):
        fields = {"amount": amount, "maker": "bob", "approver": approver}
        entity = Entity("e1", "Expense", "submitted", fields)
        subject = Read("e1", "Expense", "submitted", fields, {})
        caller, by = Caller("role", None, roles, who), By("role", None, roles, who)
        told = permit(approve, entity, caller, {}), reads(entity, caller)
        permitted = policies.permits(blueprint, approve, subject, by, {}, False)
        assert told == (permitted, policies.reads(subject, by))


def test_creations_and_arguments_are_asked_of_as_cedar_does() -> None:
    text = """
    forbid(principal, action, resource == New::"Expense") when { context.arg.amount == 7 };
    forbid(principal, action == Action::"Expense.pay", resource is Expense) when { context.arg.cash };
    forbid(principal is Timer, action, resource);
    """
    app = replace(read(example("expense")), policies={"own.cedar": text})
    permit = permit_by(Decider(app))
    policies = Policies(app, [policy.tree for policy in read_policies(app)[0]])
    blueprint = app.blueprints["Expense"]
    fields = {"amount": None, "maker": None, "approver": None}
    roles = frozenset({"employee", "accountant"})
    for (name, args), kind in product(
        (
            ("create", {"amount": 7}),
            ("create", {"amount": 8}),
            ("pay", {"cash": True}),
            ("pay", {"cash": False}),
        ),
        ("role", "timer"),
    ):
        action = blueprint.actions[name]
        caller = Caller("role", None, roles, "ann") if kind == "role" else Caller("timer")
        by = By("role", None, roles, "ann") if kind == "role" else By("timer")
        entity = Entity("e1", "Expense", "approved", fields)
        subject = Read("e1", "Expense", "approved", fields, {})
        told = policies.permits(blueprint, action, subject, by, args, name == "create")
        assert told is permit(action, entity, caller, args)
        assert told is (kind == "role" and args in ({"amount": 8}, {"cash": False}))
