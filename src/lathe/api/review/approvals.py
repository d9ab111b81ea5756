"""Which versions must wait for a person's approval before they are applied: those that weaken a promise or
widen access.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lathe.frozen import frozen
from lathe.govern.decision_request import Question, hash_of, keys_of
from lathe.govern.decisions import Decisions, Ready
from lathe.govern.principal import GovernError, Principal
from lathe.lang.diff import Change
from lathe.runtime.config import ApplySettings
from lathe.runtime.swap import Plan
from lathe.store.audit import DecisionRow

Settings = Callable[[str, str], ApplySettings]
"""What the operator says of the applications of a tenant's app."""
CHANGES_SHOWN = 200
TEXT_CHARACTERS_SHOWN = 2_000


@frozen
class ApprovalOutcome:
    """Whether an application waits: for `waits`, or not, being approved by `ready`, if that was needed."""

    waits: DecisionRow | None = None
    ready: Ready | None = None


class Approvals:
    """The applications of one process."""

    def __init__(self, decisions: Decisions, settings: Settings) -> None:
        self._decisions = decisions
        self._settings = settings

    def check(self, by: Principal, app: str) -> None:
        """Raises `GovernError` (LR403.scope) if somebody may not apply versions of an app."""
        by.needs("apply")
        by.enters(app)
        roles = self._settings(by.tenant, app).roles
        if roles and by.roles is not None and by.roles.isdisjoint(roles):
            said = " or ".join(f"`{role}`" for role in roles)
            raise GovernError("LR403.scope", f"`{app}` is applied by {said} alone")

    async def files(self, by: Principal, decision: str) -> dict[str, bytes]:
        """What an application that was held applies. Raises `GovernError` (LR404.decision)."""
        return await self._decisions.files(by, decision)

    def is_held(self, tenant: str, plan: Plan) -> bool:
        """Whether a plan waits for a person. What there was nothing before of is not weaker."""
        held = self._settings(tenant, plan.app).held
        if held == "never" or plan.old == plan.new or not plan.is_possible:
            return False
        if held == "every":
            return True
        return plan.old is not None and any(change.is_weaker for change in plan.changes)

    async def hold(
        self, by: Principal, plan: Plan, files: Mapping[str, bytes], check: str, reason: str
    ) -> ApprovalOutcome:
        """Whether an application may be made now; if not, what it waits for.

        Bound to the files, byte by byte, to the version that they replace, and to who applies them.
        """
        if not self.is_held(by.tenant, plan):
            return ApprovalOutcome()
        question = _question(plan, files, check)
        keys = keys_of(by.tenant, question, by.chain or (by.id,), {})
        row = await self._decisions.approved(by.tenant, keys[:1])
        if row is not None:
            return ApprovalOutcome(ready=self._decisions.used(by, row))
        return ApprovalOutcome(waits=await self._decisions.ask(by, question, keys, reason, files))


def _question(plan: Plan, files: Mapping[str, bytes], check: str) -> Question:
    changes = sorted(plan.changes, key=lambda change: not change.is_weaker)[:CHANGES_SHOWN]
    return Question(
        app=plan.app,
        version=plan.old or "",
        apply=plan.new,
        files=hash_of(files),
        check=check,
        changes=tuple(_told(change) for change in changes),
    )


def _told(change: Change) -> dict[str, object]:
    return {
        "path": change.path,
        "what": change.what,
        "was": change.was[:TEXT_CHARACTERS_SHOWN],
        "now": change.now[:TEXT_CHARACTERS_SHOWN],
        "breaking": change.is_breaking,
        "weaker": change.is_weaker,
    }
