"""`/v1/decisions`: requests to allow what was denied, and decisions on them by people who are not party to
them.
"""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lathe.api.access.authentication import Authenticator, Principal
from lathe.api.entities.commands import Commands
from lathe.api.entities.reading import limit_of
from lathe.api.entities.request import EntityRequest, asked_as
from lathe.api.entities.view import encode
from lathe.api.review.blueprints import ApplyRequest, Blueprints
from lathe.api.review.checks import body_as
from lathe.api.wire.problem import Problem
from lathe.api.wire.validation import only
from lathe.govern.decision_request import POLICIES_FILE, How, asking_of, policy_of, told
from lathe.govern.decisions import Decisions, is_mine
from lathe.lang.types import Type
from lathe.runtime.engine import Engine
from lathe.runtime.swap import RefusedSwap, Swapper
from lathe.runtime.values import InvalidValueError, value_of
from lathe.store.audit import DecisionRow

BODY_BYTES_LIMIT = 262_144
STATES = ("open", "approved", "denied", "withdrawn", "used", "expired")
TIME = Type("time")


class AskRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a request: an action as it was sent, or an application; why it should be."""

    app: str = ""
    plural: str = ""
    entity: str = ""
    action: str = ""
    args: dict[str, object] = {}
    reason: str = ""
    apply: ApplyRequest | UnsetType = UNSET


class ApproveRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of an approval. `digest` is what the request showed; `until` a moment, for `how: until`.

    `args: any`: for a time with whatever arguments. `accept_bounds`: of a policy, also where the verdict on
    the app is unknown within named bounds.
    """

    how: How
    digest: str
    until: str | None = None
    args: Literal["same", "any"] = "same"
    note: str = ""
    accept_bounds: bool = False


class DenyRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a denial."""

    note: str = ""


class DecisionRoutes:
    """The routes around decisions. `commands` is there once the API is put together."""

    def __init__(
        self,
        engine: Engine,
        swapper: Swapper,
        authenticator: Authenticator,
        decisions: Decisions,
        blueprints: Blueprints,
    ) -> None:
        self._engine = engine
        self._swapper = swapper
        self._authenticator = authenticator
        self._decisions = decisions
        self._blueprints = blueprints
        self.commands: Commands | None = None

    def routes(self) -> tuple[Route, ...]:
        """What this part answers."""
        one = "/v1/decisions/{id}"
        return (
            Route("/v1/decisions", self._list),
            Route("/v1/decisions", self._ask, methods=["POST"]),
            Route(one, self._one),
            Route(f"{one}/files", self._files),
            Route(f"{one}/approve", self._approve, methods=["POST"]),
            Route(f"{one}/deny", self._deny, methods=["POST"]),
            Route(f"{one}/withdraw", self._withdraw, methods=["POST"]),
        )

    async def _caller(self, request: Request) -> Principal:
        found = await self._authenticator.principal(dict(request.scope["headers"]), request.scope)
        if found.grant is not None:
            raise Problem("LR403.scope", "an effect's token is for its entity alone")
        return found

    async def _ask(self, request: Request) -> Response:
        """Ask for a decision; the same request that is open already is answered again."""
        by = await self._caller(request)
        asked = await body_as(request, AskRequest)
        if isinstance(asked.apply, ApplyRequest):
            row = await self._blueprints.asked(by, asked.apply, asked.reason)
        else:
            assert self.commands is not None, "the API is put together"
            meant = EntityRequest(
                by.tenant, asked.app, asked.plural, asked.entity, asked.action, encode(asked.args), by
            )
            question, keys = await self.commands.asking(meant)
            row = await self._decisions.ask(by, question, keys, asked.reason)
        return await self._told(by, row, status=201)

    async def _list(self, request: Request) -> Response:
        """The caller's own requests; of who decides, all of the apps that the token is for."""
        by = await self._caller(request)
        asked = dict(request.query_params)
        only(asked, "state", "before", "limit")
        state = asked.get("state")
        if state is not None and state not in STATES:
            raise Problem("LR400.query", f"`state` is one of {', '.join(STATES)}")
        rows, last = await self._decisions.page(
            by, state=state, before=asked.get("before"), limit=limit_of(asked)
        )
        now = self._engine.clock.now_ms()
        return _json({"items": [await self._document(by, row, now) for row in rows], "next": last})

    async def _one(self, request: Request) -> Response:
        by = await self._caller(request)
        return await self._told(by, await self._decisions.one(by, request.path_params["id"]))

    async def _files(self, request: Request) -> Response:
        """What a held application applies, as text where a person can read it, else in base 64."""
        by = await self._caller(request)
        name = request.path_params["id"]
        files = await self._decisions.files(by, name)
        texts = {path: text for path, data in files.items() if (text := _text(data)) is not None}
        binary = {path: b64encode(data).decode() for path, data in files.items() if path not in texts}
        digest = asking_of(await self._decisions.one(by, name)).question.apply
        return _json({"id": name, "apply": digest, "files": texts, "binary": binary})

    async def _approve(self, request: Request) -> Response:
        """Let pass what was asked: once, for a time, or by a policy that the verifier admits."""
        by = await self._caller(request)
        asked = await asked_as(request.receive, ApproveRequest, limit=BODY_BYTES_LIMIT)
        if asked.how == "policy":
            return await self._approve_policy(by, request.path_params["id"], asked)
        row = await self._decisions.approve(
            by,
            request.path_params["id"],
            partial(self._authenticator.stands, by),
            how=asked.how,
            digest=asked.digest,
            until_ms=None if asked.until is None else _moment(asked.until),
            with_any_args=asked.args == "any",
            note=asked.note,
        )
        return await self._told(by, row)

    async def _approve_policy(self, by: Principal, name: str, asked: ApproveRequest) -> Response:
        """The app with one policy more, checked and applied like any version."""
        decisions = self._decisions
        row = await decisions.one(by, name)
        await decisions.check(by, row, asked.digest)
        if asked.until is not None or asked.args != "same" or told(row, 0).get("apply"):
            raise Problem("LR422.decision", "a policy stands for one action of one principal, without an end")
        live = self._engine.catalog.live(row.tenant, row.app)
        version = await self._engine.store.version(row.tenant, row.app, live.digest)
        assert version is not None, "what is current is kept"
        before = version.files.get(POLICIES_FILE, b"")
        files = {**version.files, POLICIES_FILE: before + policy_of(row).encode()}
        judged = await self._swapper.judge(row.tenant, files, accept_bounds=asked.accept_bounds)

        async def standing() -> None:
            await self._authenticator.stands(by)
            await decisions.check(by, row, asked.digest)

        try:
            await self._swapper.apply(
                row.tenant,
                files,
                judged,
                confirm=None,
                by=by.id,
                chain=by.chain,
                standing=standing,
                note=f"decision {row.id}",
                deciding=decisions.standing_policy(by, row, judged.digest, asked.note),
            )
        except RefusedSwap as refused:
            problem = Problem(f"LR409.{refused.code}", str(refused), policy=policy_of(row))
            if refused.code == "refused":
                problem.more["report"] = msgspec.Raw(judged.report)
            raise problem from None
        made = await decisions.one(by, name)
        document = await self._document(by, made, self._engine.clock.now_ms())
        return _json({**document, "verdict": judged.verdict})

    async def _deny(self, request: Request) -> Response:
        by = await self._caller(request)
        asked = await asked_as(request.receive, DenyRequest, limit=BODY_BYTES_LIMIT)
        standing = partial(self._authenticator.stands, by)
        row = await self._decisions.deny(by, request.path_params["id"], standing, note=asked.note)
        return await self._told(by, row)

    async def _withdraw(self, request: Request) -> Response:
        by = await self._caller(request)
        standing = partial(self._authenticator.stands, by)
        return await self._told(by, await self._decisions.withdraw(by, request.path_params["id"], standing))

    async def _told(self, by: Principal, row: DecisionRow, *, status: int = 200) -> Response:
        return _json(await self._document(by, row, self._engine.clock.now_ms()), status=status)

    async def _document(self, by: Principal, row: DecisionRow, now_ms: int) -> dict[str, object]:
        """A decision as JSON data. Whoever did not ask is told no more of the entity than they may read, and
        no less: what the one who asked was told may be either.
        """
        document, asking = told(row, now_ms), asking_of(row)
        if "nearest" in document and not is_mine(by, row):
            assert self.commands is not None, "the API is put together"
            document["nearest"] = await self.commands.nearest_to(by, asking)
        return document


def _text(data: bytes) -> str | None:
    """A file as text that is the same bytes again; None for one that is no text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _moment(text: str) -> int:
    try:
        found = value_of("until", TIME, text)
    except InvalidValueError as error:
        raise Problem("LR422.decision", str(error)) from None
    assert isinstance(found, int), "a time is a whole number"
    return found


def _json(data: object, *, status: int = 200) -> Response:
    return Response(encode(data), status, {"cache-control": "no-store"}, "application/json")
