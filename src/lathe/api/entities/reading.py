"""Reading entities, lists and journals, and which actions the caller may take on an entity now.

Entities that the caller may not read are treated as absent: a get answers 404, a list omits them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lathe.api.access.authentication import Principal
from lathe.api.access.visibility import may_read, may_read_some
from lathe.api.entities.commands import Commands
from lathe.api.entities.guards import false_part, needs_arguments
from lathe.api.entities.refusal import no_entity
from lathe.api.entities.value_schema import value_schema
from lathe.api.entities.view import entry
from lathe.api.wire.cursor import Cursors
from lathe.api.wire.problem import OF_REASON, Problem, why
from lathe.api.wire.validation import none_of, only
from lathe.govern.principal import READ
from lathe.lang.expr import And, Compare, Literal, Node, Read
from lathe.lang.filter import FILTER_CHARACTERS_LIMIT, read_filter
from lathe.lang.model import Action, Argument, Blueprint
from lathe.lang.parse import ExpressionError
from lathe.machine.event import Act, Caller
from lathe.machine.moment import rfc3339
from lathe.machine.outcome import Refusal
from lathe.machine.snapshot import Value
from lathe.machine.table import BlueprintTable
from lathe.runtime.catalog import Live
from lathe.runtime.engine import Engine
from lathe.runtime.loading import held_of
from lathe.runtime.plan import Held
from lathe.runtime.snapshot import encode_json
from lathe.store.base import PAGE_LIMIT, Query, SortKey, sort_value
from lathe.store.records import Entry, Timer

SCANNED_LIMIT = 2_000
"""Rows that one request for a page looks at: a reader who may see few of them comes back for the rest."""

SORTS: Mapping[str, SortKey] = {"id": "id", "created": "created", "changed": "changed", "state": "state"}


class Reading:
    """Answers what is asked of committed state."""

    def __init__(self, engine: Engine, commands: Commands, cursors: Cursors) -> None:
        self._engine = engine
        self._commands = commands
        self._cursors = cursors

    async def entity(self, live: Live, table: BlueprintTable, entity: str, principal: Principal) -> Held:
        """An entity that the caller may read. Raises `Problem` (LR404)."""
        _needs_read(table, principal)
        held = await self._engine.read(live, entity)
        if held is None or held.entity.blueprint != table.blueprint.name:
            raise no_entity(table)
        if not principal.sees(live.app.name, entity) or not may_read(
            live, table, held, principal.caller(live.app)
        ):
            raise no_entity(table)
        return held

    async def may(self, live: Live, entity: str, principal: Principal) -> bool:
        """Whether a caller may read an entity of any blueprint; not if there is none."""
        held = await self._engine.read(live, entity)
        table = live.table.blueprints.get(held.entity.blueprint) if held is not None else None
        if held is None or table is None:
            return False
        sees = principal.takes(table.blueprint.name, READ) and principal.sees(live.app.name, entity)
        return sees and may_read(live, table, held, principal.caller(live.app))

    def told(self, live: Live, held: Held) -> dict[str, object]:
        """An entity as JSON data."""
        return self._commands.view(live, held.entity.blueprint).entity(held)

    async def page(
        self, live: Live, table: BlueprintTable, principal: Principal, asked: Mapping[str, str]
    ) -> dict[str, object]:
        """A page of a list: `{items, next}`. Raises `Problem`.

        With `next` there may be more, though `items` may be few where the caller may read few.
        """
        _needs_read(table, principal)
        query = self.query(live, table, asked)
        caller = principal.caller(live.app)
        about = _about(live, table, asked)
        if "cursor" in asked:
            query = _behind(query, self._cursors.read(about, asked["cursor"]))
        if not may_read_some(live, table, caller):
            return {"items": [], "next": None}
        wanted, scanned = query.limit, 0
        items: list[dict[str, object]] = []
        while True:
            rows = await self._engine.store.find(query)
            scanned += len(rows)
            for row in rows:
                held = held_of(row)
                query = _behind(query, sort_value(row, query.sort))
                if principal.sees(live.app.name, row.id) and may_read(live, table, held, caller):
                    items.append(self.told(live, held))
                    if len(items) == wanted:
                        break
            if len(rows) < query.limit and len(items) < wanted:
                return {"items": items, "next": None}
            if len(items) == wanted or scanned >= SCANNED_LIMIT:
                assert query.after is not None, "there was a row"
                return {"items": items, "next": self._cursors.make(about, query.after)}
            query = replace(query, limit=PAGE_LIMIT)  # few of these may be read

    def query(self, live: Live, table: BlueprintTable, asked: Mapping[str, str]) -> Query:
        """What a list's parameters ask for. Raises `Problem`."""
        only(asked, "state", "where", "sort", "limit", "cursor")
        blueprint = table.blueprint
        states = tuple(s for s in asked.get("state", "").split(",") if s)
        for state in states:
            if state not in blueprint.states:
                said = f"`{blueprint.name}` has no state `{state[:80]}`"
                raise Problem(
                    "LR400.query", said, help=none_of(state, blueprint.states, what="its states are")
                )
        where = None
        if asked.get("where"):
            where = _filter(table, asked["where"])
        sort = asked.get("sort", "id")
        descending, key = sort.startswith("-"), sort.removeprefix("-")
        if key not in SORTS:
            raise Problem("LR400.query", f"`sort` is one of {', '.join(SORTS)}, `-` before it turns it round")
        return Query(
            tenant=live.tenant,
            app=live.app.name,
            blueprint=blueprint.name,
            states=states,
            where=where,
            sort=SORTS[key],
            descending=descending,
            limit=limit_of(asked),
            holder=None if where is None else _holder(blueprint, states, where),
        )

    async def actions(
        self, live: Live, table: BlueprintTable, held: Held, principal: Principal
    ) -> list[dict[str, object]]:
        """Every action but `create`: whether the caller may take it now, and why not.

        One that needs arguments is possible as far as state, caller and what of its guard reads neither
        arguments nor another entity can tell.
        """
        caller = principal.caller(live.app)
        found = []
        for rule in table.rules.values():
            action = rule.action
            if action.name == "create":
                continue
            refusal = await self._foreseen(live, held, action, caller)
            told: dict[str, object] = {"action": action.name, **asks(action), "possible": refusal is None}
            if refusal is not None:
                told["code"] = OF_REASON[refusal.reason]
                told["why"] = self._why(live, held, action, caller, refusal)
            found.append(told)
        return found

    async def _foreseen(self, live: Live, held: Held, action: Action, caller: Caller) -> Refusal | None:
        """The refusal that the action would meet now, if it can be told before its arguments are known."""
        entity = held.entity
        if not needs_arguments(action):
            event = Act(entity.id, action.name, {}, caller, self._engine.clock.now_ms(), entity.visit)
            outcome = await self._engine.preview(live, event)
            return outcome if isinstance(outcome, Refusal) else None
        if entity.state not in action.from_states:
            return Refusal("state", entity.id, action.name)
        if not live.permit(action, entity, caller, {}):
            return Refusal("denied", entity.id, action.name)
        if false_part(self._engine.cache, live, action, entity, None, caller.actor) is not None:
            return Refusal("guard", entity.id, action.name)
        return None

    def _why(self, live: Live, held: Held, action: Action, caller: Caller, refusal: Refusal) -> str:
        if refusal.reason == "guard" and refusal.entity == held.entity.id and refusal.action == action.name:
            args: dict[str, Value] | None = None if needs_arguments(action) else {}
            part = false_part(self._engine.cache, live, action, held.entity, args, caller.actor)
            if part is not None:
                return str(part)
        return why(action, held.entity, refusal)

    async def visit(self, live: Live, table: BlueprintTable, held: Held) -> dict[str, object]:
        """The current visit: what runs or is yet to run, and which timers are armed, by due time.

        `entries` is how many journal entries there are: the newest are behind `after=entries - limit`.
        """
        entity, blueprint = held.entity, table.blueprint
        timers, invocations = [], []
        for one in await self._engine.store.pending(live.tenant, live.app.name, entity.id):
            due = rfc3339(one.due_ms)
            if isinstance(one, Timer):
                action = blueprint.timers[one.name].then if one.name in blueprint.timers else None
                then = action if one.name else blueprint.states[entity.state].then
                timers.append({"timer": one.name, "action": then, "armed": rfc3339(one.armed_ms), "due": due})
            else:
                effect = blueprint.effects.get(one.effect)
                invocations.append(
                    {
                        "number": one.number,
                        "effect": one.effect,
                        "visit": one.visit,
                        "phase": one.phase,
                        "attempt": one.attempt,
                        "attempts": effect.attempts if effect else None,
                        "due": due,
                    }
                )
        state = blueprint.states[entity.state]
        return {
            "state": state.name,
            "visit": entity.visit,
            "entries": held.revision,
            "waits": state.waits,
            "doc": state.doc,
            "timers": timers,
            "invocations": invocations,
        }

    def entries(self, live: Live, found: list[Entry]) -> list[dict[str, object]]:
        """Journal entries as events."""
        known = live.table.blueprints
        return [
            entry(self._commands.view(live, e.blueprint) if e.blueprint in known else None, e) for e in found
        ]


def _needs_read(table: BlueprintTable, principal: Principal) -> None:
    if not principal.takes(table.blueprint.name, READ):
        raise Problem("LR403.scope", f"the token is not for reading: `{READ}` is not among its actions")


def limit_of(asked: Mapping[str, str]) -> int:
    """The page's size. Raises `Problem`."""
    text = asked.get("limit", "50")
    if not text.isascii() or not text.isdigit() or len(text) > 6 or not 1 <= int(text) <= PAGE_LIMIT:
        raise Problem("LR400.query", f"`limit` is a number from 1 to {PAGE_LIMIT}")
    return int(text)


def _holder(blueprint: Blueprint, states: tuple[str, ...], where: Node) -> tuple[str, bytes] | None:
    """The claim that whoever fits the filter must hold, if it says what a unique field is and all that are
    asked for hold one.
    """
    of = set(states or blueprint.states)
    for part in where.operands if isinstance(where, And) else (where,):
        if not isinstance(part, Compare) or part.op != "==":
            continue
        field, value = part.left, part.right
        if not isinstance(field, Read) or not isinstance(value, Literal) or value.value is None:
            continue
        for unique in blueprint.unique.values():
            if unique.fields == (field.name,) and of <= set(unique.in_states or blueprint.states):
                return f"{blueprint.name}.{unique.name}", encode_json((value.value,))
    return None


def _filter(table: BlueprintTable, text: str) -> Node:
    if len(text) > FILTER_CHARACTERS_LIMIT:
        raise Problem("LR422.where", f"a filter has at most {FILTER_CHARACTERS_LIMIT} characters")
    try:
        return read_filter(table.blueprint, text).tree
    except ExpressionError as error:
        first = error.diagnostics[0]
        readable = ", ".join(f"`{name}`" for name in ("id", "state", *table.blueprint.fields))
        cure = first.help or f"a filter is a condition over {readable}"
        raise Problem(
            "LR422.where", first.message, column=first.span.column, help=cure, rule=first.code
        ) from None


def asks(action: Action) -> dict[str, object]:
    """What an action asks for: its arguments with their types, in words and as JSON Schema."""
    arguments = {a.name: _argument(a) for a in action.arguments.values()}
    told: dict[str, object] = {"args": arguments} if arguments else {}
    if action.doc:
        told["doc"] = action.doc
    if action.fenced:
        told["fenced"] = True
    return told


def _argument(argument: Argument) -> dict[str, object]:
    told: dict[str, object] = {
        "type": str(argument.type),
        "required": not (argument.optional or argument.has_default),
        "schema": value_schema(argument.type),
    }
    if argument.type.blueprint is not None:
        told["blueprint"] = argument.type.blueprint
    if argument.has_default and argument.default is not None:
        told["default"] = argument.default
    if argument.secret:
        told["secret"] = True
    return told


def _about(live: Live, table: BlueprintTable, asked: Mapping[str, str]) -> str:
    rest = sorted((k, v) for k, v in asked.items() if k not in ("cursor", "limit"))
    return f"{live.tenant}/{live.app.name}/{table.blueprint.name}?{rest}"


def _behind(query: Query, place: tuple[str | int, str]) -> Query:
    return replace(query, after=place)
