"""`/v1/apps`: the loaded apps, with their entities counted by state, what is overdue, and which properties
were false on a live step.

`/v1/blueprints` is about what is loaded; this is about what it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lathe.api.access.authentication import Authenticator, Principal
from lathe.api.access.visibility import may_read, may_read_some, needs_entity
from lathe.api.entities.app_lookup import entered
from lathe.api.entities.reading import asks
from lathe.api.entities.value_schema import value_schema
from lathe.api.entities.view import encode
from lathe.api.wire.validation import only
from lathe.govern.principal import READ
from lathe.lang.model import Blueprint, State
from lathe.machine.moment import rfc3339
from lathe.machine.step import matches
from lathe.machine.table import BlueprintTable
from lathe.runtime.catalog import Live
from lathe.runtime.engine import Engine
from lathe.runtime.loading import held_of
from lathe.runtime.monitor import Alert
from lathe.store.base import Query
from lathe.store.records import Outgoing, Timer

OVERDUE_MS = 60_000
"""How long after its time something counts as overdue."""
OVERDUE_LIMIT = 100
ALERTS_TOLD_LIMIT = 20
COUNTED_LIMIT = 1_000
"""Entities that are looked at one by one where who may read depends on the entity."""


class _Told(TypedDict):
    app: str
    doc: str
    digest: str
    blueprints: list[dict[str, object]]
    overdue: list[dict[str, object]]
    alerts: list[dict[str, object]]


class Apps:
    """The routes around what lives."""

    def __init__(
        self, engine: Engine, authenticator: Authenticator, alerts: Callable[[], Iterable[Alert]]
    ) -> None:
        self._engine = engine
        self._authenticator = authenticator
        self._alerts = alerts

    def routes(self) -> tuple[Route, ...]:
        """What this part answers."""
        return (Route("/v1/apps", self._list), Route("/v1/apps/{app}", self._one))

    async def _principal(self, request: Request) -> Principal:
        return await self._authenticator.principal(dict(request.scope["headers"]), request.scope)

    async def _list(self, request: Request) -> Response:
        principal = await self._principal(request)
        only(request.query_params)
        # The position first: what is committed meanwhile is told again by the events, not lost.
        position = await self._engine.store.position()
        lives = self._engine.catalog.all(principal.tenant)
        items = [await self._told(live, principal) for live in lives if principal.is_for(live.app.name)]
        return _json({"position": position, "items": items})

    async def _one(self, request: Request) -> Response:
        principal = await self._principal(request)
        live = entered(self._engine.catalog, principal, request.path_params["app"])
        position = await self._engine.store.position()
        told = await self._told(live, principal)
        for one in told["blueprints"]:
            one |= _form(live, live.table.blueprints[str(one["blueprint"])].blueprint, principal)
        return _json({"position": position, **told})

    async def _told(self, live: Live, principal: Principal) -> _Told:
        counts = await self._engine.store.count(live.tenant, live.app.name)
        blueprints: list[dict[str, object]] = []
        for table in live.table.blueprints.values():
            if principal.grant is not None or not may_read_some(live, table, principal.caller(live.app)):
                continue
            if not principal.takes(table.blueprint.name, READ):
                continue
            found, is_whole = await self._counts(live, table, principal, counts)
            blueprint = table.blueprint
            blueprints.append(
                {
                    "blueprint": blueprint.name,
                    "plural": blueprint.plural,
                    "doc": blueprint.doc,
                    "states": [
                        {**_state(state), "count": found.get(name, 0)}
                        for name, state in blueprint.states.items()
                    ],
                    "counted": "all" if is_whole else "some",
                }
            )
        return {
            "app": live.app.name,
            "doc": live.app.doc,
            "digest": live.digest,
            "blueprints": blueprints,
            "overdue": await self._overdue(live, principal),
            "alerts": await self._alerted(live, principal),
        }

    async def _counts(
        self,
        live: Live,
        table: BlueprintTable,
        principal: Principal,
        counts: dict[tuple[str, str], int],
    ) -> tuple[dict[str, int], bool]:
        """How many the caller may read, by state, and whether all were looked at."""
        name, caller = table.blueprint.name, principal.caller(live.app)
        if not needs_entity(live, table):
            return {state: n for (blueprint, state), n in counts.items() if blueprint == name}, True
        found: dict[str, int] = {}
        query = Query(live.tenant, live.app.name, name, sort="changed", descending=True)
        after, seen, rows = None, 0, await self._engine.store.find(query)
        while rows and seen < COUNTED_LIMIT:
            for row in rows:
                if may_read(live, table, held_of(row), caller):
                    found[row.state] = found.get(row.state, 0) + 1
            seen += len(rows)
            after = (rows[-1].changed_ms, rows[-1].id)
            rows = await self._engine.store.find(
                Query(live.tenant, live.app.name, name, sort="changed", descending=True, after=after)
            )
        return found, not rows

    async def _overdue(self, live: Live, principal: Principal) -> list[dict[str, object]]:
        """What has been due for a minute or more, the longest first; what is being tried is not late."""
        store = self._engine.store
        before = await store.now_ms() - OVERDUE_MS
        found: list[dict[str, object]] = []
        late = await store.overdue(live.tenant, live.app.name, before_ms=before, limit=OVERDUE_LIMIT)
        for one in late:
            if isinstance(one, Outgoing) and one.phase == "started":
                continue
            whom = await self._whom(live, principal, one.entity)
            if whom is None:
                continue
            kind, name = ("timer", one.name) if isinstance(one, Timer) else ("effect", one.effect)
            found.append({**whom, "kind": kind, "name": name, "due": rfc3339(one.due_ms)})
        return found

    async def _alerted(self, live: Live, principal: Principal) -> list[dict[str, object]]:
        """Properties that were false on a live step here: each once an entity, by its first step."""
        key = live.tenant, live.app.name
        kept = [a for a in self._alerts() if (a.tenant, a.app) == key and a.kind != "overdue"]
        times = Counter((alert.entity, alert.name) for alert in kept)
        first = {(alert.entity, alert.name): alert for alert in reversed(kept)}
        found: list[dict[str, object]] = []
        for about, alert in sorted(first.items(), key=lambda one: one[1].at_ms, reverse=True):
            whom = await self._whom(live, principal, alert.entity)
            if whom is None:
                continue
            told = {"kind": alert.kind, "name": alert.name, "action": alert.action, "version": alert.version}
            found.append(
                {**whom, **told, "said": alert.said, "at": rfc3339(alert.at_ms), "times": times[about]}
            )
            if len(found) == ALERTS_TOLD_LIMIT:
                break
        return found

    async def _whom(self, live: Live, principal: Principal, entity: str) -> dict[str, object] | None:
        """Whom something that a person should look at is about; None for who may not read it."""
        if not principal.sees(live.app.name, entity):
            return None
        held = await self._engine.read(live, entity)
        table = live.table.blueprints.get(held.entity.blueprint) if held is not None else None
        if held is None or table is None or not principal.takes(table.blueprint.name, READ):
            return None
        if not may_read(live, table, held, principal.caller(live.app)):
            return None
        named = {"blueprint": table.blueprint.name, "plural": table.blueprint.plural}
        return {**named, "entity": entity, "state": held.entity.state}


def _state(state: State) -> dict[str, object]:
    """What a state is about, in a word: what a reader of its count wants to know."""
    if state.final:
        kind = "final"
    elif state.waits is not None:
        kind = "waits"
    elif state.run:
        kind = "runs"
    else:
        kind = "rests"
    told: dict[str, object] = {"state": state.name, "kind": kind, "initial": state.initial}
    if state.waits:
        told["waits"] = state.waits
    return told


def _form(live: Live, blueprint: Blueprint, principal: Principal) -> dict[str, object]:
    """What a filter reads and a form asks for: the fields, and `create` where the caller may take it."""
    fields: dict[str, object] = {
        f.name: {"type": str(f.type), "schema": value_schema(f.type), "doc": f.doc, "frozen": f.frozen}
        for f in blueprint.fields.values()
        if not f.secret
    }
    create = blueprint.actions.get("create")
    caller = principal.caller(live.app)
    if create is None or not any(matches(who, caller) for who in create.by):
        return {"fields": fields, "create": None}
    return {"fields": fields, "create": {"action": "create", **asks(create)}}


def _json(data: object) -> Response:
    return Response(encode(data), media_type="application/json")
