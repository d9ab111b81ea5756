"""Creating and acting: a request becomes a command, its result an answer.

This is the hot path, so it is plain functions over bytes: no routing, no model of the body but the app's own
arguments.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar, cast

import msgspec
from msgspec import Struct

from lathe.api.access.authentication import Principal
from lathe.api.access.denials import explained
from lathe.api.access.overrides import Overrides, ask_of, hindered, is_denied, question_of
from lathe.api.access.visibility import is_told, may_read, needs_entity
from lathe.api.entities.app_lookup import entered
from lathe.api.entities.refusal import (
    PRECONDITION,
    false_condition,
    no_action,
    no_collection,
    no_entity,
    problem_of,
)
from lathe.api.entities.request import EntityRequest, body_of, fingerprint
from lathe.api.entities.view import View, encode, event_id
from lathe.api.wire.problem import Problem
from lathe.api.wire.validation import arguments_help
from lathe.errors import NotFoundError
from lathe.frozen import record
from lathe.govern.decision_request import DecisionRequest, Question, keys_of
from lathe.govern.principal import READ, GovernError
from lathe.lang.model import Action, Json
from lathe.machine.event import Act, Caller, Create, Event
from lathe.machine.outcome import Refusal
from lathe.machine.snapshot import Value
from lathe.machine.table import BlueprintTable
from lathe.runtime.catalog import Live
from lathe.runtime.conformance import told_of
from lathe.runtime.engine import (
    Command,
    Committed,
    Engine,
    Refused,
    Replayed,
    Required,
    Result,
    Standing,
)
from lathe.runtime.intents import Intents
from lathe.runtime.plan import Held
from lathe.runtime.values import InvalidValueError, arguments
from lathe.store.records import Answer as Verdict, Receipt

T = TypeVar("T", bound=Struct)

KEY_CHARACTERS_LIMIT = 255
RECEIPT_MS = 24 * 3_600_000
"""How long a receipt is kept for its idempotency key."""

ROLES_LIMIT = 4_096
"""Size of the cache of callers' roles; it is cleared when full."""

Stands = Callable[[Principal], Awaitable[None]]
"""Raises if a principal is not valid any more."""


@record
class Reply:
    """A response: status, body, and the headers that vary."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


Done = Callable[[Reply | Verdict | Exception | None], None]
"""Called with the reply, or with the store's verdict (then try again), or with an exception; None if the
outcome is unknown.
"""


@record
class _Role:
    """The role in which a caller takes an action of a version; cached.

    `told` is what the journal says of the caller, `by` how it names it. `tells`: whether the caller is told
    the entity afterwards, None if that depends on the entity.
    """

    principal: Principal
    name: str
    live: Live
    table: BlueprintTable
    action: Action
    caller: Caller
    told: Mapping[str, object]
    by: str
    standing: Standing
    view: View
    tells: bool | None


@record
class _Prepared:
    """A parsed request: its target, its arguments as given and as values, its command."""

    live: Live
    table: BlueprintTable
    given: Mapping[str, Json]
    args: Mapping[str, Value]
    command: Command


class Commands:
    """Executes requests to create and act. Views are rebuilt when a version is swapped."""

    def __init__(
        self, engine: Engine, intents: Intents, stands: Stands, overrides: Overrides | None = None
    ) -> None:
        self._overrides = overrides
        self._engine = engine
        self._intents = intents
        self._stands = stands
        self._views: dict[tuple[str, str], View] = {}
        self._roles: dict[tuple[int, str, str, str, bool], _Role] = {}

    def view(self, live: Live, blueprint: str) -> View:
        """The view of a blueprint's entities, in the current version."""
        key = (live.digest, blueprint)
        found = self._views.get(key)
        if found is None:
            if len(self._views) > 512:
                self._views.clear()
            found = self._views[key] = View(live.table.blueprints[blueprint].blueprint)
        return found

    async def take(self, asked: EntityRequest) -> Reply:
        """Create or act. Raises `Problem` and the engine's exceptions."""
        prepared = self._prepared(asked)
        result = await self._engine.execute(prepared.command)
        if isinstance(result, Refused) and is_denied(result, prepared.command, asked.action):
            return await self._denied(asked, prepared, result)
        return self._answered(asked, prepared, result)

    def begin(self, asked: EntityRequest, done: Done) -> bool:
        """Create or act without waiting, if every row is in memory and nothing refuses it; `done` is called
        in the event loop with the result. False: nothing was done, use `take`. Raises `Problem` and the
        engine's exceptions.
        """
        prepared = self._prepared(asked)

        def heard(found: Committed | Verdict | Exception | None) -> None:
            if not isinstance(found, Committed):
                done(found)
                return
            try:
                answered = self._answered(asked, prepared, found)
            except Exception as error:  # noqa: BLE001  it is told to who asked
                done(error)
                return
            done(answered)

        return self._engine.begin(prepared.command, heard)

    def _prepared(self, asked: EntityRequest) -> _Prepared:
        """The command of a request. Raises `Problem`, `GovernError`."""
        role = self._role(asked)
        given = body_of(asked.body)
        try:
            args = arguments(role.action.arguments, given)
        except InvalidValueError as error:
            cure = arguments_help(role.action)
            raise Problem("LR422.type", str(error), argument=error.name, help=cure) from None
        return _Prepared(role.live, role.table, given, args, self._command(asked, role, args))

    def _role(self, asked: EntityRequest) -> _Role:
        """The role in which the caller makes this request. Raises `Problem`, `GovernError`."""
        live = entered(self._engine.catalog, asked.principal, asked.app)
        key = (id(asked.principal), asked.app, asked.plural, asked.action, asked.entity == "")
        found = self._roles.get(key)
        if found is None or found.principal is not asked.principal or found.live is not live:
            if len(self._roles) >= ROLES_LIMIT:
                self._roles.clear()
            found = self._roles[key] = self._new_role(asked, live)
        return found

    def _new_role(self, asked: EntityRequest, live: Live) -> _Role:
        table = live.by_plural(asked.plural)
        if table is None:
            raise no_collection(live, asked.plural)
        rule = table.rules.get(asked.action)
        if rule is not None and asked.entity and asked.action == "create":
            raise Problem(
                "LR404.action", f"`create` makes a new entity: POST it to /v1/{asked.app}/{asked.plural}"
            )
        if rule is None:
            wish = Refusal("action", asked.entity or None, asked.action)
            self._intents.note(live, table.blueprint.name, asked.action, None, wish)
            raise no_action(table, asked.action)
        principal = asked.principal
        if not principal.takes(table.blueprint.name, asked.action):
            raise Problem("LR403.scope", f"the token is not for `{asked.action}`")
        caller = principal.caller(live.app)
        return _Role(
            principal=principal,
            name=principal.name,
            live=live,
            table=table,
            action=rule.action,
            caller=caller,
            told=told_of(caller),
            by=_by(caller, table, asked.action),
            standing=partial(self._stands, principal),
            view=self.view(live, table.blueprint.name),
            tells=None if needs_entity(live, table) else is_told(live, table, None, caller),
        )

    async def _denied(self, asked: EntityRequest, prepared: _Prepared, refused: Refused) -> Reply:
        """The reply to a denied request: executed if a decision allows it, else with the body to request one.

        `:take` looks for what is possible anyway: no decision is asked, or used, by it.
        """
        principal, command = asked.principal, prepared.command
        if self._overrides is None or principal.grant is not None or asked.request is not None:
            return self._answered(asked, prepared, refused)
        live, table = refused.live, refused.live.by_plural(asked.plural)
        if table is None or asked.action not in table.rules:
            return self._answered(asked, prepared, refused)  # another version is current
        question = question_of(live, table, command, asked.action, prepared.given)
        found = await self._overrides.lifted(principal, question, prepared.args, command, refused)
        try:
            return self._answered(asked, prepared, found)
        except Problem as problem:
            is_denied = found is refused and problem.code == "LR403.denied"
            if is_denied and not await self._overrides.hindrance(live, table, asked.action, command):
                problem.more["ask"] = ask_of(question)
            raise

    async def asking(self, asked: EntityRequest) -> tuple[Question, tuple[bytes, bytes]]:
        """The question of a request for a decision, and its keys. Raises `Problem` if none can help, or is
        needed.
        """
        prepared = self._prepared(asked)
        live, table, command = prepared.live, prepared.table, prepared.command
        overrides = self._overrides
        if overrides is None or asked.principal.grant is not None:
            raise Problem("LR403.scope", "an effect asks for no decision")
        held = await self._engine.read(live, asked.entity) if asked.entity else None
        if asked.entity and (held is None or held.entity.blueprint != table.blueprint.name):
            raise no_entity(table)
        found = await self._engine.preview(live, command.event(self._engine.clock.now_ms()))
        if not isinstance(found, Refusal):
            raise Problem("LR422.decision", "no decision is needed: the caller may")
        refused = Refused(found, held, live)
        problem = problem_of(self._engine.cache, refused, asked)
        if not is_denied(refused, command, asked.action) or problem.code != "LR403.denied":
            raise problem
        why = await overrides.hindrance(live, table, asked.action, command)
        if why:
            raise hindered(why)
        nearest = problem.more.get("nearest")
        question = question_of(live, table, command, asked.action, prepared.given)
        question = msgspec.structs.replace(question, nearest=nearest)
        chain = asked.principal.chain or (asked.principal.id,)
        return question, keys_of(asked.tenant, question, chain, prepared.args)

    async def askable(self, asked: EntityRequest) -> dict[str, object] | None:
        """The body to request a decision with; None if none can help, or is needed."""
        try:
            question, _ = await self.asking(asked)
        except (Problem, GovernError):
            return None
        return ask_of(question)

    async def nearest_to(self, viewer: Principal, asking: DecisionRequest) -> object:
        """The nearest permits, as far as another person may see the entity."""
        question = asking.question
        if not question.entity or self._overrides is None:
            return question.nearest
        try:
            live = self._engine.catalog.live(viewer.tenant, question.app)
        except NotFoundError:
            return None
        table, held = live.by_plural(question.plural), await self._engine.read(live, question.entity)
        if table is None or held is None or live.digest != question.version:
            return None
        sees = viewer.sees(question.app, question.entity) and viewer.takes(question.blueprint, READ)
        sees = sees and may_read(live, table, held, viewer.caller(live.app))
        action = table.rules[question.action].action
        asker = Caller("role", None, frozenset(question.roles), asking.chain[-1])
        args = arguments(action.arguments, cast(Mapping[str, Json], question.args))
        return explained(live, (question.blueprint, action), asker, args, held, sees=sees).get("nearest")

    async def replayed(self, asked: EntityRequest) -> Reply | None:
        """The reply that the same request was given before. Raises `Problem` (LR422.key)."""
        if asked.key is None:
            return None
        receipt = await self._engine.store.receipt(asked.tenant, asked.principal.name, asked.key)
        return None if receipt is None else _again(asked, receipt)

    def _command(self, asked: EntityRequest, role: _Role, args: Mapping[str, Value]) -> Command:
        is_new = not asked.entity
        entity = asked.entity or self._engine.ids.new()
        visit = _number(asked.if_visit, "If-Visit") if asked.if_visit is not None else None
        name, caller = role.table.blueprint.name, role.caller
        event: Callable[[int], Event]
        if is_new:
            event = partial(Create, name, entity, args, caller)
        else:
            event = partial(Act, entity, asked.action, args, caller, visit=visit)
        has_key = asked.key is not None
        return Command(
            tenant=asked.tenant,
            app=asked.app,
            entity=entity,
            kind="create" if is_new else "act",
            event=event,
            told=role.told if visit is None else {**role.told, "visit": visit},
            by=role.by,
            chain=asked.principal.chain,
            receiving=partial(self._receipt, asked, role, entity) if has_key else None,
            key=(role.name, asked.key) if asked.key is not None else None,
            requires=None if is_new else _requires(asked, name, visit),
            standing=role.standing,
            stamp=asked.principal.stamp,
        )

    def _receipt(
        self, asked: EntityRequest, role: _Role, entity: str, live: Live, after: Mapping[str, Held]
    ) -> Receipt:
        """The receipt of a request with an idempotency key."""
        assert asked.key is not None, "only a request with a key is received"
        return Receipt(
            tenant=asked.tenant,
            principal=role.name,
            key=asked.key,
            request=fingerprint(asked),
            status=200 if asked.entity else 201,
            answer=self._told_as(role, live, after[entity]),
            expires_ms=self._engine.clock.now_ms() + RECEIPT_MS,
        )

    def _told_as(self, role: _Role, live: Live, held: Held) -> bytes:
        """The reply's body, as by `told`, with what was precomputed for this version."""
        is_its = live is role.live and held.entity.blueprint == role.table.blueprint.name
        if not is_its or role.tells is None:
            return self.told(live, held, role.principal.caller(live.app))
        event = event_id(held.entity.id, held.revision)
        return encode(role.view.entity(held, event) if role.tells else role.view.receipt(held, event))

    def told(self, live: Live, held: Held, caller: Caller) -> bytes:
        """The reply's body: the entity after the step, as far as the caller may read it."""
        event = event_id(held.entity.id, held.revision)
        view = self.view(live, held.entity.blueprint)
        if is_told(live, live.table.blueprints[held.entity.blueprint], held, caller):
            return encode(view.entity(held, event))
        return encode(view.receipt(held, event))

    def _answered(self, asked: EntityRequest, prepared: _Prepared, result: Result) -> Reply:
        blueprint, entity = prepared.table.blueprint.name, prepared.command.entity
        if isinstance(result, Committed):
            held, live = result.after[entity], result.live
            receipt = result.write.receipt
            body = receipt.answer if receipt else self.told(live, held, asked.principal.caller(live.app))
            return _entity_answer(asked, entity, held.entity.version, body)
        if isinstance(result, Replayed):
            return _again(asked, result.receipt)
        assert isinstance(result, Refused), "only a worker can lose a lease"
        clause = false_condition(self._engine.cache, result, asked)
        self._intents.note(result.live, blueprint, asked.action, result.entity, result.refusal, clause)
        raise problem_of(self._engine.cache, result, asked)


def _again(asked: EntityRequest, receipt: Receipt) -> Reply:
    """The recorded reply. Raises `Problem` (LR422.key) if the key belongs to another request."""
    if receipt.request != fingerprint(asked):
        raise Problem("LR422.key", f"the key `{asked.key}` was used for another request")
    made = _named(receipt.answer)
    headers = _headers(asked, made.id, made.version, is_new=receipt.status == 201)
    return Reply(receipt.status, receipt.answer, (*headers, (b"idempotent-replayed", b"true")))


class _Named(Struct, gc=False):
    """The members that every reply to a step has."""

    id: str
    version: int


_named = msgspec.json.Decoder(_Named).decode


def _entity_answer(asked: EntityRequest, entity: str, version: int, body: bytes) -> Reply:
    is_new = not asked.entity
    return Reply(201 if is_new else 200, body, _headers(asked, entity, version, is_new=is_new))


def _headers(
    asked: EntityRequest, entity: str, version: int, *, is_new: bool
) -> tuple[tuple[bytes, bytes], ...]:
    tag = (b"etag", b'"%d"' % version)
    if not is_new:
        return (tag,)
    place = f"/v1/{asked.app}/{asked.plural}/{entity}"
    return tag, (b"location", place.encode())


def _number(text: str, header: str) -> int:
    digits = text.strip().strip('"')
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise Problem("LR400.query", f"`{header}` must be a whole number")
    return int(digits)


def _requires(asked: EntityRequest, blueprint: str, visit: int | None) -> Required:
    """Preconditions on the entity: its blueprint, version and visit."""
    version = _number(asked.if_match, "If-Match") if asked.if_match not in (None, "*") else None
    grant = asked.principal.grant

    def requires(live: Live, held: Held | None) -> Refusal | None:
        if held is None or held.entity.blueprint != blueprint:
            return Refusal("missing", asked.entity, None)
        entity = held.entity
        if version is not None and entity.version != version:
            return Refusal("stale", asked.entity, asked.action, PRECONDITION)
        if visit is not None and entity.visit != visit:
            return Refusal("stale", asked.entity, asked.action)
        if grant is not None:
            active = entity.active
            is_its = grant.entity == entity.id and grant.app == live.app.name
            if not is_its or active is None or active.number != grant.number:
                return Refusal("denied", asked.entity, asked.action, "the token's invocation is over")
        return None

    return requires


def _by(caller: Caller, table: BlueprintTable, action: str) -> str:
    """The caller as the journal names it: by the role that the action is open to."""
    if caller.kind != "role":
        return str(caller)
    for principal in table.rules[action].action.by:
        if principal.kind == "role" and principal.name in caller.roles:
            return str(principal)
    return str(caller)
