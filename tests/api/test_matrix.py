"""Every role tries every action in every state, over HTTP: who is denied is what the permission matrix says.

Entities are put into each state, whatever way leads there, and a request that fits is sent in one role. State
and arguments are looked at before the caller, guards after: a denial is a 403, and nothing else is one.
To who may not read the entity either, it is a 404.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
from tests.api.client import serving
from tests.runtime.harness import TENANT, example, read

from lathe.check.reporting.permissions import ruling
from lathe.frozen import frozen
from lathe.lang import render
from lathe.lang.model import Action, App, Blueprint
from lathe.lang.types import Type
from lathe.machine.event import Caller, Create
from lathe.machine.outcome import Step
from lathe.machine.snapshot import Entity
from lathe.machine.step import admitted
from lathe.machine.table import compile_app
from lathe.runtime.catalog import Live
from lathe.runtime.plan import Told, plan
from lathe.store.memory import MemoryStore

pytestmark = pytest.mark.usefixtures("way")

AMOUNTS = (1, 21)
"""Amounts on both sides of what policies compare."""


def large_is_for_directors(role: str, action: str, amount: int) -> bool:
    """What the policies of `expense` come to for one role, of an entity that is somebody else's."""
    if action == "approve":
        return role == ("director" if amount > 20 else "manager")
    return role == "accountant" and amount <= 2  # the tries pay in cash


ORACLES: Mapping[str, Callable[[str, str, int], bool]] = {"expense": large_is_for_directors}


@pytest.mark.parametrize("name", ["rollout", "approval", "expense", "order"])
def test_who_is_denied_over_http_is_what_the_matrix_says(name: str) -> None:
    app = read(example(name))
    assert compared(name, app) > 0


def compared(name: str, app: App) -> int:
    """Try it all; how many requests were compared."""
    matrix = render.permission_matrix(app, ruling(app) if app.policies else None)
    cells = {
        (one["blueprint"], row["action"], who): cell
        for one in matrix
        for row in one["rows"]
        for who, cell in zip(one["columns"], row["cells"], strict=True)
    }

    async def main() -> int:
        count = 0
        async with serving(name, seed=lambda store: seeded(store, app)) as client:
            for one in tries(app):
                cell = cells[one.blueprint.name, one.action.name, f"role:{one.role}"]
                answer = await client.post(
                    f"/v1/{app.name}/{one.blueprint.plural}/{one.id}/{one.action.name}",
                    json=fitting(app, one.action),
                    headers={"x-test": f"zoe={one.role}", "if-visit": "1"},
                )
                told = (one.id, cell, answer.text)
                is_hidden = "there is no" in answer.json().get("detail", "")
                is_denied = answer.status_code == 403 or is_hidden
                code = "LR404.entity" if is_hidden else "LR403.denied"
                assert not is_denied or answer.json()["code"] == code, told
                if cell == "policy":
                    may = ORACLES[name](one.role, one.action.name, one.amount)
                else:
                    may = cell in ("yes", "if")
                assert is_denied is not may, told
                count += 1
        return count

    return asyncio.run(main())


@frozen
class Try:
    """A role tries an action in a state, on an entity of its own."""

    blueprint: Blueprint
    state: str
    amount: int
    action: Action
    role: str

    @property
    def id(self) -> str:
        return "-".join((self.blueprint.name, self.state, str(self.amount), self.action.name, self.role))


def tries(app: App) -> Iterator[Try]:
    """Every action in every state that it starts from, in every role, on both sides of the policies."""
    for blueprint in app.blueprints.values():
        for action in blueprint.actions.values():
            for state in action.from_states if action.name != "create" else ():
                for amount in AMOUNTS if app.policies else AMOUNTS[:1]:
                    yield from (Try(blueprint, state, amount, action, role) for role in app.roles)


def fitting(app: App, action: Action) -> dict[str, object]:
    """Arguments that an action takes: who is denied is asked before whether they are wise."""
    needed = (a for a in action.arguments.values() if not a.optional and not a.has_default)
    return {a.name: given(app, a.type) for a in needed}


def given(app: App, kind: Type) -> object:
    match kind.kind:
        case "int":
            return kind.low
        case "bool":
            return True
        case "enum":
            return kind.members[0]
        case "ref":
            return next(one.id for one in tries(app) if one.blueprint.name == kind.blueprint)
        case _:
            return "somebody"


async def seeded(store: MemoryStore, app: App) -> None:
    """An entity in every state, made by nobody who tries."""
    table = compile_app(app)
    (governed,) = (await store.governing()).values()
    live = Live(TENANT, app, table, governed.digest, governed.epoch, admitted)
    writes = []
    for one in tries(app):
        name, blueprint = one.id, one.blueprint.name
        defaults = table.blueprints[blueprint]
        fields = {**defaults.fields, **({"amount": one.amount} if "amount" in defaults.fields else {})}
        entity = Entity(name, blueprint, one.state, fields, defaults.ghosts, visit=1, version=1)
        step = Step(Create(blueprint, name, {}, Caller("role"), 1), (), {name: entity}, {})
        writes.append(plan(live, step, {name: None}, Told("create", 1, "test", (), {})).write)
    assert {answer.verdict for answer in await store.commit(writes)} == {"accepted"}
