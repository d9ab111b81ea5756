"""A denied request passes if a decision by a person allows it; else the answer says how to ask for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lathe.api.wire.problem import Problem
from lathe.govern.decision_request import Question, asking_of, keys_of
from lathe.govern.decisions import Decisions
from lathe.govern.principal import Principal
from lathe.lang.model import Json
from lathe.machine.event import Caller
from lathe.machine.outcome import Refusal
from lathe.machine.snapshot import Value
from lathe.machine.table import BlueprintTable
from lathe.runtime.allowance import Allowance, Overriding
from lathe.runtime.catalog import Live
from lathe.runtime.engine import Command, DecisionSpent, Engine, Refused, Result

TRIES_LIMIT = 3
"""Approvals that are tried for one request, if concurrent requests use them up."""
FORBIDDEN = "a policy or `[cannot]` forbids it, or only the app itself does it: no decision changes that"
SECRET = "an argument is secret: who decides could not see what is asked"


class Overrides:
    """Decisions applied to commands."""

    def __init__(self, engine: Engine, decisions: Decisions) -> None:
        self._engine = engine
        self._decisions = decisions

    async def lifted(
        self,
        principal: Principal,
        question: Question,
        args: Mapping[str, Value],
        command: Command,
        refused: Refused,
    ) -> Result:
        """The result of a denied command: executed if a decision allows it."""
        keys = keys_of(command.tenant, question, principal.chain or (principal.id,), args)
        for _ in range(TRIES_LIMIT):
            row = await self._decisions.approved(command.tenant, keys)
            if row is None:
                return refused
            ruling = asking_of(row).ruling
            assert ruling is not None, "an approved request has a ruling"
            allowance = Allowance(
                row.id, row.revision, ruling.how == "once", question.version, command.entity,
                question.action, _caller(command),
            )  # fmt: skip
            found = await self._engine.execute(replace(command, allowance=allowance))
            if not isinstance(found, DecisionSpent):
                return found
        return refused

    async def hindrance(self, live: Live, table: BlueprintTable, action: str, command: Command) -> str:
        """Why no decision can help with a denial; empty if one can."""
        rule = table.rules[action]
        event = command.event(self._engine.clock.now_ms())
        if any(argument.secret for argument in rule.action.arguments.values()):
            return SECRET
        allowance = Allowance("", 0, True, live.digest, command.entity, action, _caller(command))
        found = await self._engine.preview(live, event, Overriding(allowance, live))
        is_denied = isinstance(found, Refusal) and found.reason == "denied"
        return FORBIDDEN if is_denied else ""


def question_of(
    live: Live, table: BlueprintTable, command: Command, action: str, args: Mapping[str, Json]
) -> Question:
    """The question that a request for a decision would ask, without the nearest policies."""
    blueprint = table.blueprint
    permits = (f"by:{blueprint.name}.{action}:{who}" for who in table.rules[action].action.admits)
    return Question(
        app=live.app.name,
        version=live.digest,
        plural=blueprint.plural,
        blueprint=blueprint.name,
        entity="" if action == "create" else command.entity,
        action=action,
        args=dict(args),
        roles=tuple(sorted(_caller(command).roles)),
        permits=tuple(permits),
    )


def _caller(command: Command) -> Caller:
    found = getattr(command.event(0), "by", None)
    assert isinstance(found, Caller), "who acts or creates has a caller"
    return found


def ask_of(question: Question) -> dict[str, object]:
    """The body of a request for a decision."""
    asked: dict[str, object] = {"app": question.app, "plural": question.plural}
    asked |= {"entity": question.entity} if question.entity else {}
    return {**asked, "action": question.action, "args": question.args, "reason": ""}


def is_denied(refused: Refused, command: Command, action: str) -> bool:
    """Whether a request was refused because of the caller, at its own action rather than at one taken with
    it.
    """
    refusal = refused.refusal
    meant = ("denied", command.entity, action, "")
    return (refusal.reason, refusal.entity, refusal.action, refusal.detail) == meant


def hindered(why: str) -> Problem:
    """The problem of a denied request that no decision can help."""
    code = "LR422.decision" if why == SECRET else "LR403.denied"
    return Problem(code, why)
