"""`/in/{app}/…`: events from outside, as `[inbound]` declares them; `/in/{tenant}:{app}/…` of another tenant.

Signed deliveries are checked before anything is read of them; one that was taken once is answered the same
again and takes nothing. Whoever sends is nobody yet: while its body comes it takes no command's place.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lathe.api.entities.commands import Commands
from lathe.api.wire.answers import body_of as read_body
from lathe.api.wire.limits import Throttle
from lathe.api.wire.problem import OF_REASON, Problem
from lathe.errors import NotFoundError
from lathe.frozen import frozen
from lathe.govern.principal import MAIN
from lathe.lang.dotted import at
from lathe.lang.model import Inbound, Json
from lathe.machine.event import Act, Caller, Create, Event
from lathe.machine.outcome import Refusal
from lathe.machine.snapshot import Value
from lathe.machine.table import BlueprintTable
from lathe.runtime.catalog import Live
from lathe.runtime.conformance import told_of
from lathe.runtime.engine import Command, Committed, Engine, Refused, Replayed
from lathe.runtime.plan import Held
from lathe.runtime.snapshot import encode_json
from lathe.runtime.values import InvalidValueError, arguments, value_of
from lathe.store.records import Receipt

BODY_BYTES_LIMIT = 1_048_576
READING_LIMIT = 256
"""Bodies that are on their way at once; beyond that the one that takes longest makes room."""
READING_SECONDS = 10.0
"""How long a body may take to come."""
TOLERANCE_SECONDS = 300
"""How old, or how far ahead, a signature's time may be."""
DELIVERY_MS = 30 * 24 * 3_600_000
"""How long the identity of a delivery is kept."""
IDENTITY_CHARACTERS_LIMIT = 255
PREFIX = "whsec_"

Secrets = Callable[[str, str, str], str | None]
"""A secret of a tenant's app by its name; None: the operator gave none."""


@frozen
class Delivery:
    """A request, taken apart: what `body.`, `query.`, `header.` and `path.` read."""

    body: Json
    query: Mapping[str, str]
    header: Mapping[str, str]
    path: Mapping[str, str]

    def at(self, place: str) -> Json:
        """What stands at a dotted place; None if nothing does."""
        root, _, rest = place.partition(".")
        if root == "header":
            return self.header.get(rest.lower())
        roots: dict[str, Json] = {"body": self.body, "query": {**self.query}, "path": {**self.path}}
        return at(roots.get(root), rest)


class Receiver:
    """Takes what comes in, for one process."""

    def __init__(
        self,
        engine: Engine,
        commands: Commands,
        secrets: Secrets,
        now_ms: Callable[[], int],
        *,
        throttle: Throttle,
    ) -> None:
        self._engine = engine
        self._commands = commands
        self._secrets = secrets
        self._now_ms = now_ms
        self._throttle = throttle
        self._reading: dict[asyncio.Timeout, None] = {}

    def routes(self) -> tuple[Route, ...]:
        """The one route under which every app's own stand."""
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        return (Route("/in/{app}/{rest:path}", self._receive, methods=methods),)

    async def _receive(self, request: Request) -> Response:
        before, colon, after = request.path_params["app"].partition(":")
        try:
            live = self._engine.catalog.live(*((before, after) if colon else (MAIN, before)))
        except NotFoundError:  # whoever sends is nobody: which apps there are is none of theirs
            raise Problem("LR404.route") from None
        found = _matching(live, request.path_params["rest"], request.method)
        if found is None:
            raise Problem("LR404.route")
        table, inbound, variables = found
        raw = await self._read(request)
        header = {name.lower(): value for name, value in request.headers.items()}
        self._check_signature(live, inbound, header, raw)
        with self._throttle.admitted():
            who = f"inbound:{table.blueprint.name}.{inbound.name}"
            self._throttle.spend(live.tenant, who, live.app.name)
            delivery = Delivery(_parsed(raw), dict(request.query_params), header, variables)
            return await self._take(live, table, inbound, delivery, raw)

    async def _read(self, request: Request) -> bytes:
        """The body. Raises `Problem` (LR408.body, LR413.body), `ConnectionError`."""
        if len(self._reading) >= READING_LIMIT:
            slowest = next(iter(self._reading))
            del self._reading[slowest]
            slowest.reschedule(asyncio.get_running_loop().time())
        until = asyncio.timeout(READING_SECONDS)
        self._reading[until] = None
        try:
            async with until:
                return await read_body(request.receive, limit=BODY_BYTES_LIMIT)
        except TimeoutError:
            raise Problem("LR408.body", headers={"Connection": "close"}) from None
        finally:
            self._reading.pop(until, None)

    def _check_signature(self, live: Live, inbound: Inbound, header: Mapping[str, str], raw: bytes) -> None:
        if inbound.signed_scheme is None:
            return
        secret = self._secrets(live.tenant, live.app.name, inbound.signed_secret or "")
        seconds = self._now_ms() // 1000
        check = SCHEMES[inbound.signed_scheme]
        if secret is None or not check(secret, header, raw, seconds):
            raise Problem("LR401.signature")

    async def _take(
        self, live: Live, table: BlueprintTable, inbound: Inbound, delivery: Delivery, raw: bytes
    ) -> Response:
        rule = table.rules[inbound.action]
        given = {name: delivery.at(place) for name, place in inbound.args.items()}
        try:
            args = arguments(rule.action.arguments, {n: v for n, v in given.items() if v is not None})
        except InvalidValueError as error:
            raise Problem("LR422.type", str(error), argument=error.name) from None
        identity = _identity(inbound, delivery)
        key = None if identity is None else _key(live, table, inbound, identity)
        try:
            entity = await self._entity(live, table, inbound, delivery)
        except Problem:
            # whom it found when it was taken may be found no more: that step changed what it is found by
            receipt = None if key is None else await self._engine.store.receipt(live.tenant, *key)
            if receipt is None:
                raise
            return _again(receipt)
        command = self._command(table, inbound, entity, args, key, raw, live)
        result = await self._engine.execute(command)
        if isinstance(result, Replayed):
            return _again(result.receipt)
        if isinstance(result, Committed):
            held = result.after[command.entity]
            body = self._commands.told(result.live, held, Caller("inbound", inbound.name))
            return Response(body, 200, media_type="application/json")
        assert isinstance(result, Refused), "only a worker can lose a lease"
        raise _problem(result.refusal, inbound)

    async def _entity(
        self, live: Live, table: BlueprintTable, inbound: Inbound, delivery: Delivery
    ) -> str | None:
        """Whom the event is about; None for a creation. Raises `Problem` (LR404.entity)."""
        if inbound.find is None:
            return None
        name, place = inbound.find
        data = delivery.at(place)
        if name == "id":
            if isinstance(data, str) and data:
                return data
            raise Problem("LR404.entity")
        field = table.blueprint.fields[name]
        try:
            value = value_of(name, field.type, data)
        except InvalidValueError as error:
            raise Problem("LR422.type", str(error)) from None
        for unique in table.blueprint.unique.values():
            if unique.fields == (name,):
                claim = (f"{table.blueprint.name}.{unique.name}", encode_json((value,)))
                held = await self._engine.store.holders(live.tenant, live.app.name, [claim])
                if claim in held:
                    return held[claim]
        raise Problem("LR404.entity", f"no `{table.blueprint.name}` has this `{name}`")

    def _command(
        self,
        table: BlueprintTable,
        inbound: Inbound,
        entity: str | None,
        args: Mapping[str, Value],
        key: tuple[str, str] | None,
        raw: bytes,
        live: Live,
    ) -> Command:
        blueprint = table.blueprint.name
        caller = Caller("inbound", inbound.name)
        name = entity or self._engine.ids.new()

        def event(now: int) -> Event:
            if entity is None:
                return Create(blueprint, name, args, caller, now)
            return Act(name, inbound.action, args, caller, now)

        def requires(live: Live, held: Held | None) -> Refusal | None:
            if held is None or held.entity.blueprint != blueprint:
                return Refusal("missing", name, None)
            return None

        def receiving(live: Live, after: Mapping[str, Held]) -> Receipt:
            assert key is not None, "only a delivery with an identity is received"
            answer = self._commands.told(live, after[name], caller)
            return Receipt(live.tenant, *key, sha256(raw).digest(), 200, answer, self._now_ms() + DELIVERY_MS)

        return Command(
            tenant=live.tenant,
            app=live.app.name,
            entity=name,
            kind="create" if entity is None else "act",
            event=event,
            told=told_of(caller),
            by=str(caller),
            receiving=receiving if key is not None else None,
            key=key,
            requires=None if entity is None else requires,
        )


def _key(live: Live, table: BlueprintTable, inbound: Inbound, identity: str) -> tuple[str, str]:
    """Under whom and what the answer to a delivery is kept."""
    return f"{live.app.name}/inbound:{table.blueprint.name}.{inbound.name}", identity


def _again(receipt: Receipt) -> Response:
    return Response(receipt.answer, 200, {"idempotent-replayed": "true"}, "application/json")


def _matching(live: Live, path: str, method: str) -> tuple[BlueprintTable, Inbound, dict[str, str]] | None:
    """The event that a path and method mean, and the path's variables."""
    for table in live.table.blueprints.values():
        for inbound in table.blueprint.inbound.values():
            if inbound.method == method:
                found = _pattern(inbound.path).fullmatch(path)
                if found is not None:
                    return table, inbound, found.groupdict()
    return None


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{([a-z][a-z0-9_]*)\}", path.strip("/"))
    return re.compile("".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))


def _parsed(raw: bytes) -> Json:
    if not raw:
        return None
    try:
        document: Json = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem("LR400.json", str(error)) from None
    return document


def _identity(inbound: Inbound, delivery: Delivery) -> str | None:
    """What identifies this delivery, if the blueprint says where it stands. Raises `Problem`."""
    if inbound.once is None:
        return None
    found = delivery.at(inbound.once)
    is_one = isinstance(found, (str, int)) and not isinstance(found, bool)
    if not is_one or not 0 < len(str(found)) <= IDENTITY_CHARACTERS_LIMIT or "\0" in str(found):
        wanted = f"is neither a text of 1 to {IDENTITY_CHARACTERS_LIMIT} characters nor a whole number"
        what = "is not there" if found is None else wanted
        raise Problem("LR422.type", f"`{inbound.once}` identifies the delivery, and {what}")
    return str(found)


def _problem(refusal: Refusal, inbound: Inbound) -> Problem:
    match refusal.reason:
        case "missing" if inbound.find is not None and refusal.action is None:
            return Problem("LR404.entity")
        case "type" | "missing":
            return Problem("LR422.type", refusal.detail)
    code = OF_REASON[refusal.reason]
    if not code.startswith("LR409"):
        code = "LR409.state"  # to the outside it is refused, whatever the cause
    return Problem(code, str(refusal), reason=refusal.reason)


def standard(secret: str, header: Mapping[str, str], raw: bytes, seconds: int) -> bool:
    """Standard Webhooks 1.0: `v1,…` over `id.timestamp.body`; any of several signatures may be right."""
    identity, moment = header.get("webhook-id", ""), header.get("webhook-timestamp", "")
    if not identity or not _is_recent(moment, seconds):
        return False
    try:
        key = (
            b64decode(secret.removeprefix(PREFIX), validate=True)
            if secret.startswith(PREFIX)
            else secret.encode()
        )
    except ValueError:
        return False
    wanted = b64encode(hmac.new(key, f"{identity}.{moment}.".encode() + raw, sha256).digest()).decode()
    given = header.get("webhook-signature", "").split(" ")
    return any(_same(one.removeprefix("v1,"), wanted) for one in given if one.startswith("v1,"))


def github(secret: str, header: Mapping[str, str], raw: bytes, seconds: int) -> bool:
    """GitHub's `X-Hub-Signature-256`: it carries no time."""
    wanted = "sha256=" + hmac.new(secret.encode(), raw, sha256).hexdigest()
    return _same(header.get("x-hub-signature-256", ""), wanted)


def stripe(secret: str, header: Mapping[str, str], raw: bytes, seconds: int) -> bool:
    """Stripe's `t=…,v1=…` over `t.body`."""
    parts = [part.partition("=") for part in header.get("stripe-signature", "").split(",")]
    moment = next((value for name, _, value in parts if name == "t"), "")
    if not _is_recent(moment, seconds):
        return False
    wanted = hmac.new(secret.encode(), f"{moment}.".encode() + raw, sha256).hexdigest()
    return any(_same(value, wanted) for name, _, value in parts if name == "v1")


SCHEMES: Mapping[str, Callable[[str, Mapping[str, str], bytes, int], bool]] = {
    "standard": standard,
    "github": github,
    "stripe": stripe,
}


def _is_recent(moment: str, seconds: int) -> bool:
    if not moment.isascii() or not moment.isdigit() or len(moment) > 12:
        return False
    return abs(int(moment) - seconds) <= TOLERANCE_SECONDS


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
