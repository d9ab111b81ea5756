"""The ASGI application: Starlette's routes, and the one hot path in front of them.

`POST /v1/{app}/{plural}[/{id}/{action}]` is answered without routing; everything else is conventional.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial

from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from lathe.api.access.authentication import Authenticator, Principal
from lathe.api.access.overrides import Overrides
from lathe.api.entities.app_lookup import entered, followed
from lathe.api.entities.apps import Apps
from lathe.api.entities.commands import KEY_CHARACTERS_LIMIT, Commands, Reply
from lathe.api.entities.explain import PARAMETERS, explain
from lathe.api.entities.inbound import Receiver, Secrets
from lathe.api.entities.intents import told as told_wish
from lathe.api.entities.reading import Reading, limit_of
from lathe.api.entities.refusal import no_collection
from lathe.api.entities.request import EntityRequest
from lathe.api.entities.stream import Followed, Stream
from lathe.api.entities.take import WAIT_SECONDS_LIMIT, Taking, seconds_of
from lathe.api.entities.trace import Tracing
from lathe.api.entities.view import encode
from lathe.api.openapi import openapi
from lathe.api.wire.answers import (
    JSON,
    NO_STORE,
    Message,
    Receive,
    Scope,
    Send,
    answer,
    answer_problem,
    body_of,
    check_size,
    problem_headers,
    problem_of,
)
from lathe.api.wire.connection import Exchange
from lathe.api.wire.cursor import Cursors
from lathe.api.wire.limits import Limits, Throttle
from lathe.api.wire.problem import NEEDS_JSON, Problem
from lathe.api.wire.readiness import Readiness
from lathe.api.wire.shutdown import cut_off
from lathe.api.wire.unrouted import FIXED, not_routed
from lathe.api.wire.validation import only
from lathe.errors import LatheError, NotFoundError
from lathe.govern.principal import MAIN, READ
from lathe.machine.table import BlueprintTable
from lathe.runtime import telemetry
from lathe.runtime.catalog import Live
from lathe.runtime.committer import OverloadedError
from lathe.runtime.engine import BusyError
from lathe.runtime.intents import Intents
from lathe.runtime.metrics import Metrics
from lathe.runtime.monitor import Alert
from lathe.runtime.node import Node
from lathe.store.base import CorruptError, StoreError
from lathe.store.journal import breaks
from lathe.store.records import Answer as Verdict, Entry

DESCRIBED_LIMIT = 256
"""OpenAPI documents that are cached, by tenant and apps."""
Seconds = Callable[[], float]


class Api:
    """The whole API of one process, as an ASGI application."""

    def __init__(
        self,
        node: Node,
        authenticator: Authenticator,
        *,
        cursors: Cursors,
        metrics: Metrics,
        seconds: Seconds,
        limits: Limits | None = None,
        secrets: Secrets = lambda tenant, app, name: None,
        routes: tuple[Route, ...] = (),
        has_open_metrics: bool = False,
        overrides: Overrides | None = None,
    ) -> None:
        limits = limits or Limits()
        self.node = node
        self.metrics = metrics
        self.throttle = Throttle(limits, seconds)
        self.intents = Intents(node.engine.clock)
        self.commands = Commands(node.engine, self.intents, authenticator.stands, overrides)
        self.reading = Reading(node.engine, self.commands, cursors)
        self.tracing = Tracing(node.engine, self.reading)
        self.taking = Taking(node.engine, self.commands, self.reading)
        self.stream = Stream(node.engine, self.commands, authenticator.stands, limit=limits.followers)
        now_ms = node.engine.clock.now_ms
        self.receiver = Receiver(node.engine, self.commands, secrets, now_ms, throttle=self.throttle)
        self.alerts: Iterable[Alert] = ()
        """What the monitor of this process keeps, the oldest first; whoever has one sets it."""
        self._readiness = Readiness(node.store.ping)
        self._told = (0, 0)
        self.is_leaving = False
        self._counters: dict[tuple[str, str, str, str], Counter] = {}
        self._authenticator = authenticator
        self._has_open_metrics = has_open_metrics
        self._seconds = seconds
        self._limits = limits
        self._openapi: dict[tuple[str, ...], tuple[int, bytes]] = {}
        self._starlette = Starlette(
            routes=[
                *routes,
                *self.receiver.routes(),
                *Apps(node.engine, authenticator, lambda: self.alerts).routes(),
                *self._routes(),
            ],
            exception_handlers={
                HTTPException: not_routed,
                **dict.fromkeys((ConnectionError, ClientDisconnect), _gone),
                **dict.fromkeys((LatheError, BusyError, OverloadedError, Exception), _handled),
            },
        )
        self._starlette.router.redirect_slashes = False

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """All routes; commands are answered before routing."""
        return self._starlette.routes

    def _routes(self) -> list[Route]:
        return [
            Route("/healthz", self._health),
            Route("/readyz", self._ready),
            Route("/metrics", self._metrics),
            Route("/openapi.json", self._described),
            Route("/v1/events", self._events),
            Route("/v1/intents", self._intents),
            Route("/v1/{app}/{plural}:take", self._take, methods=["POST"]),
            Route("/v1/{app}/{plural}", self._list),
            Route("/v1/{app}/{plural}/{id}", self._get),
            Route("/v1/{app}/{plural}/{id}/journal", self._journal),
            Route("/v1/{app}/{plural}/{id}/trace", self._trace),
            Route("/v1/{app}/{plural}/{id}/actions", self._actions),
            Route("/v1/{app}/{plural}/{id}/visit", self._visit),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, in a span of the caller's trace if tracing is on."""
        traces = self.node.engine.traces
        if traces is None or scope["type"] != "http":
            await self._answer(scope, receive, send)
            return
        given = _text(dict(scope["headers"]).get(telemetry.PARENT.encode()))
        told = {"method": scope["method"], "path": scope["path"]}
        with traces.span(telemetry.REQUEST, parent=given, **told) as span:

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute(telemetry.STATUS, message["status"])
                await send(message)

            await self._answer(scope, receive, noting)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and b"%" in scope["raw_path"] and _is_hidden(scope["raw_path"]):
            await answer_problem(send, Problem("LR404.route", "a segment holds an encoded separator"))
            return
        if scope["type"] == "http" and scope["method"] == "POST":
            parts = _command_parts(scope["path"])
            if parts is not None:
                await self._command(scope, receive, send, parts)
                return
        await self._starlette(scope, receive, send)

    # The hot path without ASGI: see `lathe.api.wire.connection`.

    def parts(self, path: str) -> list[str] | None:
        """The segments of a path that creates or acts; None if every request needs a span."""
        return None if self.node.engine.traces is not None else _command_parts(path)

    def begin(self, exchange: Exchange) -> None:
        """Create or act: synchronously if everything needed is in memory, else in a task of its own."""
        begun = self._seconds()
        try:
            self.throttle.enter()
        except Problem as problem:
            self._refuse(exchange, problem, None, begun)
            return
        asked: EntityRequest | None = None
        try:
            principal = self._authenticator.known(exchange.headers, exchange.scope)
            if principal is not None:
                body = self._json_body(exchange.body, exchange.headers.get(b"content-type"))
                asked = _asked(principal, exchange.headers, exchange.parts, body)
                self.throttle.spend(asked.tenant, principal.actor, asked.app)
                if self.commands.begin(asked, partial(self._done, exchange, begun, asked)):
                    return
        except Exception as error:  # noqa: BLE001  every failure is answered, as what it is
            self.throttle.leave()
            self._refuse(exchange, problem_of(error), asked, begun)
            return
        exchange.later(self._later(exchange, begun, asked))

    def _done(
        self,
        exchange: Exchange,
        begun: float,
        asked: EntityRequest,
        found: Reply | Verdict | Exception | None,
    ) -> None:
        """Answer a queued command, now that its group is done."""
        if isinstance(found, Verdict):
            exchange.later(self._later(exchange, begun, asked))
            return
        self.throttle.leave()
        if isinstance(found, Reply):
            self._reply(exchange, found, asked, begun)
        elif found is None:
            exchange.abandon()
        else:
            self._refuse(exchange, problem_of(found), asked, begun)

    async def _later(self, exchange: Exchange, begun: float, asked: EntityRequest | None) -> None:
        """Create or act, waiting for whatever is needed."""
        try:
            try:
                if asked is None:
                    principal = await self._authenticator.principal(exchange.headers, exchange.scope)
                    body = self._json_body(exchange.body, exchange.headers.get(b"content-type"))
                    asked = _asked(principal, exchange.headers, exchange.parts, body)
                    self.throttle.spend(asked.tenant, principal.actor, asked.app)
                found = await self.commands.take(asked)
            finally:
                self.throttle.leave()
        except asyncio.CancelledError:
            self._refuse(exchange, cut_off("POST", "/".join(exchange.parts)), asked, begun)
            return
        except Exception as error:  # noqa: BLE001  every failure is answered, as what it is
            self._refuse(exchange, problem_of(error), asked, begun)
            return
        self._reply(exchange, found, asked, begun)

    def _reply(self, exchange: Exchange, found: Reply, asked: EntityRequest, begun: float) -> None:
        exchange.answer(found.status, found.body, (JSON, *found.headers, NO_STORE))
        self._note(asked, "taken", begun)

    def _refuse(
        self, exchange: Exchange, problem: Problem, asked: EntityRequest | None, begun: float
    ) -> None:
        exchange.answer(problem.status, problem.body(), (*problem_headers(problem), NO_STORE))
        self._note(asked, problem.code, begun)

    def leave(self) -> None:
        """Prepare to stop: `/readyz` fails, and streams and waits end, so that clients move to another
        process. Commands that still arrive are executed.
        """
        self.is_leaving = True
        self.stream.close()
        self.taking.close()

    def stop(self) -> None:
        """Prepare to stop, and refuse further commands."""
        self.leave()
        self.throttle.is_stopping = True

    async def principal(self, scope: Scope) -> Principal:
        """The caller. Raises `Problem` (LR401, LR429.guessing)."""
        return await self._authenticator.principal(dict(scope["headers"]), scope)

    async def _command(self, scope: Scope, receive: Receive, send: Send, parts: list[str]) -> None:
        """The hot path: create, or act."""
        begun = self._seconds()
        asked: EntityRequest | None = None
        outcome = "taken"
        try:
            self.throttle.enter()
            try:
                headers = dict(scope["headers"])
                principal = await self._authenticator.principal(headers, scope)
                body = await self._body(receive, headers.get(b"content-type"))
                asked = _asked(principal, headers, parts, body)
                self.throttle.spend(asked.tenant, principal.actor, asked.app)
                found = await self.commands.take(asked)
            finally:
                self.throttle.leave()
            await answer(send, found.status, found.body, (JSON, *found.headers))
        except ConnectionError:
            return
        except Exception as error:  # noqa: BLE001  every failure is answered, as what it is
            problem = problem_of(error)
            outcome = problem.code
            await answer_problem(send, problem)
        self._note(asked, outcome, begun)

    def _note(self, asked: EntityRequest | None, outcome: str, begun: float) -> None:
        """Count a command that was answered."""
        self._count(asked, outcome)
        self.metrics.seconds.observe(self._seconds() - begun)

    def _count(self, asked: EntityRequest | None, outcome: str) -> None:
        """Count a command by app, blueprint and action. Unknown names, and requests that failed before they
        were parsed, share one label, so that callers cannot create labels.
        """
        labels = ("", "", "", outcome) if asked is None else (asked.tenant, asked.app, asked.action, outcome)
        counter = self._counters.get(labels)
        if counter is None:
            if asked is not None and not self._is_there(asked):
                self._count(None, outcome)
                return
            counter = self._counters[labels] = self.metrics.commands.labels(*labels)
        counter.inc()

    def _is_there(self, asked: EntityRequest) -> bool:
        try:
            table = self.node.engine.catalog.live(asked.tenant, asked.app).by_plural(asked.plural)
        except NotFoundError:
            return False
        return table is not None and asked.action in table.rules

    async def _body(self, receive: Receive, kind: bytes | None) -> bytes:
        """The body, which must be JSON or empty. Raises `Problem`."""
        return self._json_body(await body_of(receive, limit=self._limits.body_bytes), kind)

    def _json_body(self, body: bytes, kind: bytes | None) -> bytes:
        """Check a body that has been read already."""
        check_size(len(body), limit=self._limits.body_bytes)
        if body and kind is not None and not kind.startswith(b"application/json"):
            raise Problem("LR415.type", NEEDS_JSON)
        return body

    async def _blueprint(self, request: Request) -> tuple[Live, BlueprintTable, Principal]:
        """The app and blueprint of a request, and the caller. Raises `Problem`."""
        principal = await self.principal(request.scope)
        live = entered(self.node.engine.catalog, principal, request.path_params["app"])
        table = live.by_plural(request.path_params["plural"])
        if table is None:
            raise no_collection(live, request.path_params["plural"])
        return live, table, principal

    async def _take(self, request: Request) -> Response:
        """Counts as a command for the limits, also while it waits."""
        with self.throttle.admitted():
            return await self._taken(request)

    async def _taken(self, request: Request) -> Response:
        live, table, principal = await self._blueprint(request)
        headers = request.headers
        kind = headers.get("content-type")
        body = await self._body(request.receive, None if kind is None else kind.encode("latin-1"))
        asked = EntityRequest(
            tenant=principal.tenant,
            app=live.app.name,
            plural=table.blueprint.plural,
            entity="",
            action="",
            body=body,
            principal=principal,
            key=_key(headers.get("idempotency-key")),
        )
        self.throttle.spend(asked.tenant, principal.actor, asked.app)
        wait = seconds_of(headers.get("prefer"))
        found = await self.taking.take(live, table, asked, wait_seconds=wait)
        told = {name.decode(): value.decode() for name, value in found.headers}
        return Response(found.body, found.status, told, "application/json" if found.body else None)

    async def _list(self, request: Request) -> Response:
        live, table, principal = await self._blueprint(request)
        return _json(await self.reading.page(live, table, principal, dict(request.query_params)))

    async def _get(self, request: Request) -> Response:
        live, table, principal = await self._blueprint(request)
        held = await self.reading.entity(live, table, request.path_params["id"], principal)
        tag = f'"{held.entity.version}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return _json(self.reading.told(live, held), headers={"etag": tag})

    async def _journal(self, request: Request) -> Response:
        live, table, principal = await self._blueprint(request)
        entity = request.path_params["id"]
        await self.reading.entity(live, table, entity, principal)
        asked = dict(request.query_params)
        only(asked, "after", "limit")
        limit = limit_of(asked)
        after = _whole(asked.get("after", "0"), "after")
        found = await self.node.store.history(live.tenant, live.app.name, entity, after=after, limit=limit)
        _check_chain(found)
        items = self.reading.entries(live, found)
        return _json({"items": items, "next": found[-1].revision if len(found) == limit else None})

    async def _trace(self, request: Request) -> Response:
        """Counts as a command for the limits."""
        with self.throttle.admitted():
            live, table, principal = await self._blueprint(request)
            self.throttle.spend(live.tenant, principal.actor, live.app.name)
            asked = dict(request.query_params)
            return _json(await self.tracing.trace(live, table, request.path_params["id"], principal, asked))

    async def _actions(self, request: Request) -> Response:
        live, table, principal = await self._blueprint(request)
        held = await self.reading.entity(live, table, request.path_params["id"], principal)
        asked = request.query_params
        only(asked, *(PARAMETERS if "explain" in asked else ("explain",)))
        if "explain" in asked:
            row = explain(live, table, held, principal, dict(asked))
            return _json({"items": [row]})
        return _json({"items": await self.reading.actions(live, table, held, principal)})

    async def _visit(self, request: Request) -> Response:
        live, table, principal = await self._blueprint(request)
        held = await self.reading.entity(live, table, request.path_params["id"], principal)
        return _json(await self.reading.visit(live, table, held))

    async def _events(self, request: Request) -> Response:
        principal = await self.principal(request.scope)
        asked = request.query_params
        only(asked, "app", "blueprint", "entity", "after", "limit")
        followed(self.node.engine.catalog, principal, asked.get("app"), asked.get("blueprint"))
        last = request.headers.get("last-event-id") or asked.get("after")
        position = await self.node.store.position() if last is None else _whole(last, "after")
        chosen = asked.get("app"), asked.get("blueprint"), asked.get("entity")
        what = Followed(principal.tenant, position, *chosen)
        if request.headers.get("accept", "").startswith("application/json"):
            wait = min(seconds_of(request.headers.get("prefer")), WAIT_SECONDS_LIMIT)
            limit = limit_of(dict(asked))
            items, reached = await self.stream.page(what, principal, limit=limit, wait_seconds=wait)
            return _json({"items": items, "next": reached})
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers={"cache-control": "no-store"})
        stream = self.stream.follow(what, principal)
        first = await anext(stream)

        async def whole() -> AsyncIterator[bytes]:
            yield first
            async for chunk in stream:
                yield chunk

        return StreamingResponse(
            whole(), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def _intents(self, request: Request) -> Response:
        principal = await self.principal(request.scope)
        only(request.query_params, "app")
        app = request.query_params.get("app", "")
        live = entered(self.node.engine.catalog, principal, app)
        found = await self.node.store.intents(live.tenant, live.app.name)
        mine = (i for i in found if principal.grant is None and principal.takes(i.blueprint, READ))
        items = [told_wish(live, intent) for intent in mine]
        return _json({"items": items})

    async def _health(self, request: Request) -> Response:
        return _json({"ok": True})

    async def _ready(self, request: Request) -> Response:
        """Ready if the store answers and the process is not about to stop."""
        if self.is_leaving:
            raise Problem("LR503.stopping", headers={"Retry-After": "1"})
        try:
            await self._readiness.check()
        except StoreError as error:
            headers = {"Retry-After": "2"}
            raise Problem("LR503.store", str(error), headers=headers, cause=error.code) from None
        return _json({"ok": True, "store": self.node.store.name})

    async def _metrics(self, request: Request) -> Response:
        if not self._has_open_metrics:
            principal = await self.principal(request.scope)
            principal.needs("metrics")
            if principal.tenant != MAIN:
                said = f"the metrics are those of every tenant: they are for `{MAIN}`"
                raise Problem("LR403.scope", said)
        metrics, engine = self.metrics, self.node.engine
        groups, writes = engine.committer.groups, engine.committer.writes
        metrics.groups.inc(groups - self._told[0])
        metrics.writes.inc(writes - self._told[1])
        self._told = groups, writes
        metrics.queue.set(engine.committer.depth)
        metrics.cached.set(len(engine.cache))
        metrics.running.set(self.node.outbox.running)
        metrics.followers.set(self.stream.followers)
        metrics.entities.clear()
        for live in engine.catalog.everything():
            counts = await self.node.store.count(live.tenant, live.app.name)
            for (blueprint, state), count in sorted(counts.items()):
                metrics.entities.labels(live.tenant, live.app.name, blueprint, state).set(count)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    async def _described(self, request: Request) -> Response:
        principal = await self.principal(request.scope)
        catalog = self.node.engine.catalog
        lives = [live for live in catalog.all(principal.tenant) if principal.is_for(live.app.name)]
        key = (principal.tenant, *(live.app.name for live in lives))
        found = self._openapi.get(key)
        if found is None or found[0] != catalog.generation:
            if len(self._openapi) >= DESCRIBED_LIMIT:
                self._openapi.clear()
            found = self._openapi[key] = (catalog.generation, encode(openapi(lives)))
        return Response(found[1], media_type="application/json")


def _command_parts(path: str) -> list[str] | None:
    """The path segments of a request to create or act."""
    parts = path.split("/")
    is_one = len(parts) == 4 or (len(parts) == 6 and parts[4] != "")
    is_command = is_one and parts[1] == "v1" and parts[2] not in FIXED and ":" not in parts[3]
    return parts if is_command else None


def _asked(
    principal: Principal, headers: Mapping[bytes, bytes], parts: list[str], body: bytes
) -> EntityRequest:
    """The parsed request of an authenticated caller. Raises `Problem`."""
    is_act = len(parts) == 6
    return EntityRequest(
        tenant=principal.tenant,
        app=parts[2],
        plural=parts[3],
        entity=parts[4] if is_act else "",
        action=parts[5] if is_act else "create",
        body=body,
        principal=principal,
        key=_key(_text(headers.get(b"idempotency-key"))),
        if_match=_text(headers.get(b"if-match")),
        if_visit=_text(headers.get(b"if-visit")),
    )


def _json(data: object, *, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    return Response(encode(data), status, headers, media_type="application/json")


def _is_hidden(raw_path: bytes) -> bool:
    """Whether percent-decoding adds path segments: a proxy in front would have seen another path."""
    written = raw_path.lower()
    return written.startswith(b"/v1") and any(sign in written for sign in (b"%2f", b"%5c", b"%00"))


def _check_chain(found: list[Entry]) -> None:
    """Raise `CorruptError` if the hash chain of one entity's entries is broken."""
    if found:
        first = found[0]
        for broken in breaks(found, previous=first.previous, revision=first.revision - 1):
            raise CorruptError(f"revision {broken.revision} of `{broken.entity}`: {broken.why}")


def _key(given: str | None) -> str | None:
    if given is None:
        return None
    key = given.strip()
    if not 0 < len(key) <= KEY_CHARACTERS_LIMIT:
        raise Problem("LR400.query", f"an idempotency key has 1 to {KEY_CHARACTERS_LIMIT} characters")
    return key


def _text(given: bytes | None) -> str | None:
    return None if given is None else given.decode("latin-1")


def _whole(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Problem("LR400.query", f"`{name}` is a whole number")
    return int(text)


async def _handled(request: Request, error: Exception) -> Response:
    """Turn an exception of a route into a problem document."""
    problem = problem_of(error)
    return Response(problem.body(), problem.status, problem.headers, "application/problem+json")


async def _gone(request: Request, error: Exception) -> Response:
    """The client disconnected while its body was read: there is nobody to answer."""
    return Response(status_code=400)
