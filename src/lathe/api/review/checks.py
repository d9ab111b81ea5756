"""`/v1/checks`: running a check, and what a reviewer asks of one: description, survivors, replay.

A check that was refused is kept for a while under an id that names its files, so that a person can be sent
to it. Nothing here loads anything.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar, cast

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lathe.api.access.authentication import Authenticator, Principal
from lathe.api.entities.view import encode
from lathe.api.review.recent_checks import Checks, Kept, summary
from lathe.api.review.subjects import Files, Subject, Subjects, reviewer
from lathe.api.wire.problem import Problem
from lathe.api.wire.uploads import FILES_LIMIT, Uploads, large_body
from lathe.api.wire.validation import invalid_body, only
from lathe.errors import NotFoundError
from lathe.lang.model import Json
from lathe.runtime.engine import Engine
from lathe.runtime.swap import Swapper

T = TypeVar("T", bound=Struct)

NAME_CHARACTERS_LIMIT = 200
ANSWERS_LIMIT = 64
"""Descriptions and survivors that are kept: what was asked of the same files is the same."""
UNREADABLE = {"why": "the files cannot be read"}


class Inspector(Protocol):
    """Looks at an app, away from this process. None of what cannot be done within its limits."""

    async def describe(self, files: Files, *, against: Files | None) -> bytes | None: ...
    async def survivors(self, files: Files) -> bytes | None: ...
    async def replay(self, files: Files, trace: Json) -> bytes | None: ...
    async def fork(self, files: Files, trace: Json, at: int, take: Json) -> bytes | None: ...


class CheckRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a check. `files` are texts by path; `binary` in base64 (modules)."""

    files: dict[str, str] = {}
    binary: dict[str, str] = {}
    accept_bounds: bool = False


class ReplayRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a replay: a trace (`lathe.trace/1`)."""

    trace: dict[str, object]


class ForkRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a fork: a trace, how many of its events are kept, and the steps that are taken then."""

    trace: dict[str, object]
    at: int | None = None
    take: list[object] = []


class CheckRoutes:
    """The routes around checks, and those of versions that are asked the same."""

    def __init__(
        self,
        engine: Engine,
        swapper: Swapper,
        inspector: Inspector,
        authenticator: Authenticator,
        checks: Checks,
    ) -> None:
        self._engine = engine
        self._swapper = swapper
        self._inspector = inspector
        self._authenticator = authenticator
        self._checks = checks
        self._subjects = Subjects(engine, checks)
        self._uploads = Uploads()
        self._answers: OrderedDict[tuple[str, ...], bytes] = OrderedDict()

    def routes(self) -> tuple[Route, ...]:
        """What this part answers."""
        check, version = "/v1/checks/{id}", "/v1/blueprints/{app}/{digest}"
        return (
            Route("/v1/checks", self._list),
            Route("/v1/checks", self._check, methods=["POST"]),
            Route(check, self._one),
            Route(f"{check}/description", self._describe),
            Route(f"{check}/survivors", self._survivors, methods=["POST"]),
            Route(f"{check}/replay", self._replay, methods=["POST"]),
            Route(f"{check}/fork", self._fork, methods=["POST"]),
            Route(f"{version}/description", self._describe),
            Route(f"{version}/survivors", self._survivors, methods=["POST"]),
            Route(f"{version}/replay", self._replay, methods=["POST"]),
            Route(f"{version}/fork", self._fork, methods=["POST"]),
        )

    async def _caller(self, request: Request) -> Principal:
        return await reviewer(self._authenticator, request)

    async def _list(self, request: Request) -> Response:
        """The newest checks first; with `app`, those of one."""
        by = await self._caller(request)
        only(request.query_params, "app")
        found = self._checks.newest(by.tenant, request.query_params.get("app"))
        items = [self._told(kept) for kept in found if by.is_for(kept.app)]
        return _json({"items": items})

    async def _check(self, request: Request) -> Response:
        """Check files; nothing is loaded."""
        by = await self._caller(request)
        with self._uploads.one(by):
            asked = await body_as(request, CheckRequest)
        files = files_of(asked.files, asked.binary)
        judged = await self._swapper.judge(by.tenant, files, accept_bounds=asked.accept_bounds)
        kept = self._checks.keep(files, judged, tenant=by.tenant, by=by.id, source="check")
        return _json({**self._told(kept), "report": msgspec.Raw(kept.report)})

    async def _one(self, request: Request) -> Response:
        """A check with its files and its report."""
        kept = self._subjects.kept(await self._caller(request), request.path_params["id"])
        return _json({**self._told(kept), "files": texts_of(kept.files), "report": msgspec.Raw(kept.report)})

    async def _describe(self, request: Request) -> Response:
        """Graph, permissions, and what differs from a version: the one in force, or `against`."""
        subject, by = await self._subject(request)
        only(request.query_params, "against")
        against = await self._subjects.version_before(
            by, subject, request.query_params.get("against", "current")
        )
        before = against.name if against is not None else ""

        async def ask() -> bytes | None:
            files = against.files if against is not None else None
            return await self._inspector.describe(subject.files, against=files)

        found = await self._answer(("description", subject.name, before), ask)
        return Response(found if found != b"{}" else encode(UNREADABLE), media_type="application/json")

    async def _survivors(self, request: Request) -> Response:
        """The single changes that nothing would notice; takes up to a minute."""
        subject, _ = await self._subject(request)
        if subject.verdict != "admitted":
            raise Problem("LR409.refused", "mutants are made of a version that is admitted")
        found = await self._answer(
            ("survivors", subject.name), lambda: self._inspector.survivors(subject.files)
        )
        return Response(found, media_type="application/json")

    async def _replay(self, request: Request) -> Response:
        """Take a trace again, on the model alone: nothing is performed, nothing changes."""
        subject, _ = await self._subject(request)
        trace = cast(Json, (await body_as(request, ReplayRequest)).trace)
        return _ran(await self._inspector.replay(subject.files, trace), "these files cannot replay anything")

    async def _fork(self, request: Request) -> Response:
        """Go on with a run by hand, on the model alone: where it leads, and what may happen next."""
        subject, _ = await self._subject(request)
        asked = await body_as(request, ForkRequest)
        trace, take = cast(Json, asked.trace), cast(Json, asked.take)
        steps = asked.trace.get("steps")
        at = asked.at if asked.at is not None else len(steps) if isinstance(steps, list) else 0
        if at < 0:
            raise Problem("LR400.body", "`at` is a number of events")
        return _ran(await self._inspector.fork(subject.files, trace, at, take), "these files run nothing")

    async def _answer(self, key: tuple[str, ...], ask: Callable[[], Awaitable[bytes | None]]) -> bytes:
        """What was asked before, or is now: the same files have the same answer."""
        found = self._answers.get(key)
        if found is None:
            found = await ask()
            if found is None:
                raise Problem("LR503.busy", "it could not be told within the limits of a check")
            self._answers[key] = found
            if len(self._answers) > ANSWERS_LIMIT:
                self._answers.popitem(last=False)
        self._answers.move_to_end(key)
        return found

    async def _subject(self, request: Request) -> tuple[Subject, Principal]:
        """What the path names, a check or a version, and who asks."""
        by = await self._caller(request)
        asked = request.path_params
        if "id" in asked:
            return self._subjects.check(by, asked["id"]), by
        return await self._subjects.version(by, asked["app"], asked["digest"]), by

    def _told(self, kept: Kept) -> dict[str, object]:
        """A summary, with whether it is what runs now."""
        try:
            current = self._engine.catalog.live(kept.tenant, kept.app).digest
        except NotFoundError:
            current = ""
        return {**summary(kept), "in_force": bool(kept.digest) and kept.digest == current}


def _ran(found: bytes | None, unable: str) -> Response:
    """What became of a trace on the model. Raises `Problem`."""
    if found is None:
        raise Problem("LR409.refused", unable)
    answer = msgspec.json.decode(found, type=dict[str, object])
    if "problem" in answer:
        raise Problem("LR400.body", str(answer["problem"]))
    return Response(found, media_type="application/json")


def texts_of(files: Files) -> dict[str, str]:
    """The files that a person can read, as text."""
    return {path: data.decode(errors="replace") for path, data in files.items() if not path.endswith(".wasm")}


async def body_as(request: Request, kind: type[T]) -> T:
    """The body of a request about files. Raises `Problem`."""
    try:
        return msgspec.json.decode(await large_body(request) or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise invalid_body(error, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("LR400.json", str(error)) from None


def files_of(texts: Mapping[str, str], binary: Mapping[str, str]) -> dict[str, bytes]:
    """The files of a request. Raises `Problem`."""
    files = {path: text.encode() for path, text in texts.items()}
    for path, text in binary.items():
        try:
            files[path] = a2b_base64(text, strict_mode=True)
        except ValueError:
            raise Problem("LR400.body", f"`{path[:80]}` is no base64") from None
    if not files or len(files) > FILES_LIMIT or any(len(path) > NAME_CHARACTERS_LIMIT for path in files):
        raise Problem("LR400.body", f"an app has 1 to {FILES_LIMIT} files")
    return files


def _json(data: object) -> Response:
    return Response(encode(data), media_type="application/json")
