"""An independent record of approved decisions, and how a simulated client is let pass by one.

What was approved is known here by itself, beside the store's rows: whatever a step rested on must have been
approved, in time and not used up in the moment in which it was committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import cast

from lathe.api.access.overrides import question_of
from lathe.frozen import evolve, frozen
from lathe.govern.decision_request import DecisionRequest, Question, Ruling, asking_of, body_of, keys_of
from lathe.govern.principal import Principal
from lathe.machine.event import Act, Caller, Event
from lathe.machine.snapshot import Value
from lathe.runtime.allowance import NAME
from lathe.runtime.catalog import Live
from lathe.runtime.engine import Command
from lathe.sim.prepared import Loaded
from lathe.sim.workload import Issue
from lathe.store.audit import DecisionRow
from lathe.store.records import Write

ENDS_MS = (2, 5, 1_000, 60_000)
"""How soon an approval ends: about when what it lets pass is committed, or later."""


@frozen
class Asked:
    """A request that is denied, as a decision is asked for it."""

    issue: Issue
    principal: Principal
    args: Mapping[str, Value]

    def question(self, live: Live, command: Command) -> Question:
        """What would be asked, of a version."""
        return question_of(live, live.table.blueprints[self.issue.blueprint], command, self.issue.action, {})


def denied(issue: Issue) -> Issue:
    """The same of somebody who holds no role."""
    return evolve(issue, by=Caller("role", None, frozenset(), issue.by.actor))


def asked(issue: Issue) -> Asked:
    """A request with whom it comes from, as the API knows them."""
    who = issue.by.actor
    assert who is not None, "people have names"
    args = {name: value for name, value in issue.args.items() if value is not None}
    return Asked(issue, Principal(who, issue.by.roles, (who,)), args)


def approval(
    asked: Asked, loaded: Loaded, command: Command, number: int, *, now_ms: int, random: Random
) -> DecisionRow:
    """The row of a decision that lets pass what was asked: once, or as often as may be until it ends."""
    who, question = asked.principal.id, asked.question(cast(Live, loaded), command)
    keys = keys_of(command.tenant, question, asked.principal.chain, asked.args)
    is_once = random.random() < 0.7
    ruling = Ruling("decider", now_ms, "once" if is_once else "until")
    body = body_of(DecisionRequest(question, who, asked.principal.chain, "", now_ms, *keys, ruling))
    expires_ms = now_ms + random.choice(ENDS_MS)
    return DecisionRow(
        command.tenant, f"d{number}", command.app, "approved", who, keys[0], expires_ms, 1, body
    )


class Approvals:
    """What was approved, and what became of it."""

    def __init__(self) -> None:
        self._rows: dict[str, DecisionRow] = {}
        self.used: set[str] = set()
        """What was let pass by some step at all."""
        self._spent: set[str] = set()

    def decided(self, rows: Sequence[DecisionRow]) -> None:
        """These were decided."""
        self._rows.update((row.id, row) for row in rows)

    def uses(self, write: Write, event: Event, digest: str, now_ms: int) -> str:
        """What is wrong with the decision that a write rests on, if it does. Empty: nothing."""
        use = write.decision
        names = [name for name in write.entries[0].policies if name.startswith(NAME)]
        if use is None:
            return f"a step names {names}, and uses nothing" if names else ""
        row = self._rows.get(use.id)
        if row is None or names != [NAME + use.id]:
            return f"a step rests on the decision `{use.id}`, and names {names}"
        asking = asking_of(row)
        self.used.add(use.id)
        if use.id in self._spent:
            return f"the decision `{use.id}` was used up, and is used again"
        if now_ms >= row.expires_ms:
            return f"the decision `{use.id}` has been over for {now_ms - row.expires_ms} ms, and is used"
        if (use.revision, use.is_once) != (
            row.revision,
            asking.ruling is not None and asking.ruling.how == "once",
        ):
            return f"{use} is not what was decided"
        if use.is_once:
            self._spent.add(use.id)
        return _other(asking, event, digest)


def _other(asking: DecisionRequest, event: Event, digest: str) -> str:
    """Whether another request was let pass than the one that was asked for."""
    question = asking.question
    wanted = (question.entity, question.action, asking.by, question.version)
    if not isinstance(event, Act):
        return f"a decision lets pass {wanted}, and not {event}"
    found = (event.entity, event.action, event.by.actor, digest)
    return "" if found == wanted else f"a decision lets pass {wanted}, and was used for {found}"
