"""`/v1/blueprints`: the loaded versions, and planning and applying another one.

Nothing is loaded that the gate did not admit, and nothing changes until the plan that was shown is confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lathe.api.access.authentication import Authenticator, Principal
from lathe.api.entities.app_lookup import entered
from lathe.api.entities.view import encode
from lathe.api.review.approvals import ApprovalOutcome, Approvals
from lathe.api.review.checks import body_as, files_of, texts_of
from lathe.api.review.recent_checks import Checks, Kept
from lathe.api.wire.problem import Problem, no_version
from lathe.api.wire.validation import only
from lathe.govern.decision_request import told as asking_told
from lathe.govern.principal import GovernError
from lathe.lang.diff import Change
from lathe.machine.moment import rfc3339
from lathe.runtime.engine import Engine
from lathe.runtime.swap import Judged, Plan, RefusedSwap, Swapper
from lathe.store.audit import DecisionRow

NOT_BACK = (
    "an older version stays as it was, and not all who may live now fit it: to go back, load its files "
    "(`GET /v1/blueprints/APP/DIGEST`) as a new version, with the `[migrate]` that they need"
)


class ApplyRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of an application. `files` are texts by path; `binary` in base64 (modules).

    In place of files `check` names those of a check that is kept, `decision` those of an application that
    was held: what was read is what is loaded. Without `confirm` an application is only planned; with the
    plan's digest, or `"any"`, it is made.
    """

    files: dict[str, str] = {}
    binary: dict[str, str] = {}
    check: str = ""
    decision: str = ""
    confirm: str | None = None
    accept_bounds: bool = False
    breaking: bool = False
    note: str = ""


class RollbackRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a roll-back: which older version becomes current again."""

    digest: str
    confirm: str | None = None
    breaking: bool = True
    note: str = ""


Wanting = Callable[[str, Mapping[str, bytes]], list[str]]
"""What the files of a tenant's app name and the operator did not give, a sentence each."""


class Blueprints:
    """The routes around versions. Without a `holder` no application waits for anybody."""

    def __init__(
        self,
        engine: Engine,
        swapper: Swapper,
        authenticator: Authenticator,
        checks: Checks,
        holder: Approvals | None = None,
        wanting: Wanting = lambda tenant, files: [],
    ) -> None:
        self._wanting = wanting
        self._holder = holder
        self._engine = engine
        self._swapper = swapper
        self._authenticator = authenticator
        self._checks = checks

    def routes(self) -> tuple[Route, ...]:
        """What this part answers."""
        return (
            Route("/v1/blueprints", self._list),
            Route("/v1/blueprints", self._apply, methods=["PUT"]),
            Route("/v1/blueprints/{app}", self._versions),
            Route("/v1/blueprints/{app}/{digest}", self._version),
            Route("/v1/blueprints/{app}/rollback", self._roll_back, methods=["POST"]),
        )

    async def _by(self, request: Request) -> Principal:
        """Who asks. Raises `Problem`, and `GovernError` for the other side of an effect."""
        found = await self._authenticator.principal(dict(request.scope["headers"]), request.scope)
        if found.grant is not None:
            raise GovernError("LR403.scope", "an effect's token is for its entity alone")
        return found

    async def _list(self, request: Request) -> Response:
        """Every app that is loaded."""
        by = await self._by(request)
        only(request.query_params)
        items = [
            {
                "app": live.app.name,
                "doc": live.app.doc,
                "digest": live.digest,
                "epoch": live.epoch,
                "blueprints": [
                    {"blueprint": b.name, "plural": b.plural, "doc": b.doc}
                    for b in live.app.blueprints.values()
                ],
            }
            for live in self._engine.catalog.all(by.tenant)
            if by.is_for(live.app.name)
        ]
        return _json({"items": items})

    async def _versions(self, request: Request) -> Response:
        """Every application of an app, newest first."""
        by = await self._by(request)
        only(request.query_params)
        live = entered(self._engine.catalog, by, request.path_params["app"])
        found = await self._engine.store.versions(by.tenant, live.app.name)
        items = [{"digest": v.digest, "at": rfc3339(v.applied_ms), "by": v.by, "note": v.note} for v in found]
        return _json({"app": live.app.name, "digest": live.digest, "items": items})

    async def _version(self, request: Request) -> Response:
        """A version's sources and its report; `current` names the one in force."""
        by = await self._by(request)
        app, digest = request.path_params["app"], request.path_params["digest"]
        live = entered(self._engine.catalog, by, app)
        found = await self._engine.store.version(
            by.tenant, app, live.digest if digest == "current" else digest
        )
        if found is None:
            raise no_version(app, digest)
        report = msgspec.Raw(found.report)
        files = texts_of(found.files)
        return _json({"app": app, "digest": found.digest, "files": files, "report": report})

    async def _apply(self, request: Request) -> Response:
        """Plan an application, or make it."""
        by = await self._by(request)
        by.needs("apply")
        asked = await body_as(request, ApplyRequest)
        files = await self._files(by, asked)
        judged = await self._swapper.judge(by.tenant, files, accept_bounds=asked.accept_bounds)
        kept = self._checks.keep(files, judged, tenant=by.tenant, by=by.id, source="apply")
        return await self._made(kept, judged, asked.confirm, by, asked.note, is_breaking=asked.breaking)

    async def asked(self, by: Principal, asked: ApplyRequest, reason: str) -> DecisionRow:
        """A request for a decision on an application, which is not made. Raises `Problem`."""
        by.needs("apply")
        files = await self._files(by, asked)
        judged = await self._swapper.judge(by.tenant, files, accept_bounds=asked.accept_bounds)
        if self._holder is None:
            raise Problem("LR422.decision", "no application waits for anybody here")
        self._holder.check(by, judged.app)
        kept = self._checks.keep(files, judged, tenant=by.tenant, by=by.id, source="apply")
        plan = await self._swapper.plan(by.tenant, files, judged)
        if not plan.is_possible:
            self._checks.ended(kept, "refused")
            raise Problem("LR409.refused", "it could not be applied", plan=told(plan), check=kept.id)
        holding = await self._holder.hold(by, plan, files, kept.id, reason)
        if holding.waits is None:
            raise Problem("LR422.decision", "no decision is needed: it can be applied")
        self._checks.ended(kept, "held")
        return holding.waits

    async def _files(self, by: Principal, asked: ApplyRequest) -> Mapping[str, bytes]:
        named = [bool(asked.files or asked.binary), bool(asked.check), bool(asked.decision)]
        if sum(named) > 1:
            raise Problem("LR400.body", "name one of `files`, `check` and `decision`")
        if asked.decision and self._holder is not None:
            return await self._holder.files(by, asked.decision)
        if not asked.check:
            return files_of(asked.files, asked.binary)
        kept = self._checks.get(by.tenant, asked.check)
        if kept is None:
            raise Problem("LR404.check", f"no check {asked.check[:80]} is kept here (any more)")
        return kept.files

    async def _roll_back(self, request: Request) -> Response:
        """Make an older version current again: an application like any other."""
        by = await self._by(request)
        by.needs("apply")
        asked = await body_as(request, RollbackRequest)
        app = request.path_params["app"]
        found = await self._engine.store.version(by.tenant, app, asked.digest)
        if found is None:
            raise no_version(app, asked.digest)
        judged = await self._swapper.judge(by.tenant, found.files, accept_bounds=True)
        kept = self._checks.keep(found.files, judged, tenant=by.tenant, by=by.id, source="apply")
        try:
            return await self._made(kept, judged, asked.confirm, by, asked.note, is_breaking=asked.breaking)
        except Problem as problem:
            if problem.code in ("LR409.refused", "LR409.population"):
                problem.more["help"] = NOT_BACK
            raise

    async def _made(
        self, kept: Kept, judged: Judged, confirm: str | None, by: Principal, note: str, *, is_breaking: bool
    ) -> Response:
        files = kept.files
        by.enters(judged.app)
        if self._holder is not None:
            self._holder.check(by, judged.app)
        plan = await self._swapper.plan(by.tenant, files, judged)
        if confirm is None:
            self._checks.ended(kept, "planned")
            held = self._holder is not None and self._holder.is_held(by.tenant, plan)
            warnings = self._wanting(by.tenant, files)
            report = msgspec.Raw(judged.report)
            return _json(
                {"plan": told(plan), "held": held, "check": kept.id, "warnings": warnings, "report": report}
            )
        exact = None if confirm == "any" else confirm
        holding = ApprovalOutcome()
        is_meant = exact in (None, plan.digest) and (is_breaking or not plan.is_breaking)
        if self._holder is not None and is_meant:
            holding = await self._holder.hold(by, plan, files, kept.id, note)
        if holding.waits is not None:
            self._checks.ended(kept, "held")
            decision = asking_told(holding.waits, self._engine.clock.now_ms())
            return _json({"plan": told(plan), "check": kept.id, "decision": decision}, status=202)
        try:
            applied = await self._swapper.apply(
                by.tenant,
                files,
                judged,
                confirm=exact,
                by=by.id,
                chain=by.chain,
                standing=partial(self._authenticator.stands, by),
                note=note,
                allow_breaking=is_breaking,
                instead_of=plan.old,
                deciding=holding.ready,
            )
        except RefusedSwap as refused:
            self._checks.ended(kept, refused.code, str(refused))
            plan_told = told(refused.plan) if refused.plan else None
            problem = Problem(f"LR409.{refused.code}", str(refused), plan=plan_told, check=kept.id)
            if refused.code == "refused":
                problem.more["report"] = msgspec.Raw(judged.report)
            raise problem from None
        self._checks.ended(kept, "applied")
        return _json(
            {
                "applied": applied.plan.new,
                "moved": applied.moved,
                "check": kept.id,
                "warnings": self._wanting(by.tenant, files),
                "plan": told(applied.plan),
            }
        )


def told(plan: Plan) -> dict[str, object]:
    """A plan as JSON data."""
    return {
        "digest": plan.digest,
        "app": plan.app,
        "old": plan.old,
        "new": plan.new,
        "verdict": plan.verdict,
        "possible": plan.is_possible,
        "breaking": plan.is_breaking,
        "changes": [_change(change) for change in plan.changes],
        "population": [{"blueprint": b, "state": s, "count": n} for (b, s), n in plan.population.items()],
        "moved": plan.moved,
        "unfit": [
            {"code": u.code, "entity": u.entity, "blueprint": u.blueprint, "state": u.state, "why": u.why}
            for u in plan.unfit
        ],
        "unfit_count": plan.unfit_count,
    }


def _change(change: Change) -> dict[str, object]:
    return {
        "path": change.path,
        "what": change.what,
        "was": change.was,
        "now": change.now,
        "breaking": change.is_breaking,
        "weaker": change.is_weaker,
    }


def _json(data: object, *, status: int = 200) -> Response:
    return Response(encode(data), status, media_type="application/json")
