"""Inbound events as they are sent, and what an independent reading of `[inbound]` expects of them.

Written from the pages on the language and on webhooks alone. What is expected is read from the bytes that
go out, never from what they were to be.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode

from lathe.frozen import frozen
from lathe.lang.model import App, Blueprint, Inbound, Json
from lathe.probe.expected_answers import Heard, Sent
from lathe.probe.host import Said, secret_of
from lathe.probe.plan import Deliver
from lathe.reader.world import By

TOLERANCE_SECONDS = 300
AGES = {"good": 40, "old": TOLERANCE_SECONDS, "late": TOLERANCE_SECONDS + 1, "early": -TOLERANCE_SECONDS - 1}
"""How many seconds before it is sent a delivery is signed."""
PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"


@frozen
class Delivery:
    """One that went out: the request, and what is expected of it, at whatever moment it is sent."""

    said: Said
    sent: Sent
    signed_seconds: int
    is_signed: bool
    has_age: bool

    def at(self, now_ms: int) -> Sent:
        """What is expected of it if it is sent now."""
        is_recent = not self.has_age or abs(now_ms // 1000 - self.signed_seconds) <= TOLERANCE_SECONDS
        heard = self.sent.heard
        assert heard is not None, "a delivery is heard"
        problem = heard.problem if self.is_signed and is_recent else "LR401.signature"
        return replace(self.sent, heard=replace(heard, problem=problem))


@frozen
class Written:
    """What a plan says of a delivery, settled: whom it names, its arguments, its identity (or None)."""

    plan: Deliver
    whom: Json
    args: Mapping[str, Json]
    identity: str | None
    now_ms: int


def delivery_of(app: App, written: Written) -> Delivery:
    """The request, signed as the plan says."""
    blueprint = app.blueprints[written.plan.blueprint]
    event = blueprint.inbound[written.plan.event]
    places = {event.args[name]: data for name, data in written.args.items() if name in event.args}
    if event.find is not None and written.plan.whom != "left out":
        places[event.find[1]] = written.whom
    if event.once is not None and written.identity is not None:
        places[event.once] = written.identity
    raw = {"broken": b'{"a": ', "empty": b""}.get(written.plan.body, _body(places))
    path = "/".join(_segment(part, places) for part in event.path.split("/"))
    query = {p.partition(".")[2]: _text(data) for p, data in places.items() if p.startswith("query.")}
    header = {
        p.partition(".")[2].lower(): _plain(data) for p, data in places.items() if p.startswith("header.")
    }
    when = written.now_ms // 1000 - AGES.get(written.plan.signed, 0)
    header |= _signature(event, written.plan.signed, raw, when, header)
    said = Said(
        event.method,
        f"/in/{app.name}/{path}" + (f"?{urlencode(query)}" if query else ""),
        header,
        raw,
    )
    return Delivery(
        said,
        _read(blueprint, event, said),
        when,
        event.signed_scheme is None or written.plan.signed not in ("none", "secret", "body"),
        event.signed_scheme in ("standard", "stripe"),
    )


def _body(places: Mapping[str, Json]) -> bytes:
    """A document with something at each of its places."""
    root: dict[str, Json] = {}
    for place, data in places.items():
        first, *steps = place.split(".")
        if first != "body":
            continue
        inside = root
        for step in steps[:-1]:
            deeper = inside.setdefault(step, {})
            if not isinstance(deeper, dict):
                deeper = inside[step] = {}
            inside = deeper
        inside[steps[-1]] = data
    return json.dumps(root, ensure_ascii=False).encode()


def _segment(part: str, places: Mapping[str, Json]) -> str:
    return _plain(places.get(f"path.{part[1:-1]}")) or "x" if part.startswith("{") else part


def _text(data: Json) -> str:
    return data if isinstance(data, str) else json.dumps(data)


def _plain(data: Json) -> str:
    """A text for where not every one can stand."""
    return "".join(c for c in _text(data) if c in PLAIN)


def _signature(event: Inbound, how: str, raw: bytes, when: int, header: Mapping[str, str]) -> dict[str, str]:
    """The headers that sign a body, as the three schemes are published."""
    if event.signed_scheme is None or how == "none":
        return {}
    signed = raw + b" " if how == "body" else raw
    secret = secret_of("another" if how == "secret" else event.signed_secret or "")
    if event.signed_scheme == "standard":
        name = header.get("webhook-id") or "msg_1"
        mac = _mac(_unfolded(secret), f"{name}.{when}.".encode() + signed)
        return {
            "webhook-id": name,
            "webhook-timestamp": str(when),
            "webhook-signature": f"v1,{b64encode(mac).decode()}",
        }
    if event.signed_scheme == "github":
        return {"x-hub-signature-256": f"sha256={_mac(secret.encode(), signed).hex()}"}
    return {"stripe-signature": f"t={when},v1={_mac(secret.encode(), f'{when}.'.encode() + signed).hex()}"}


def _unfolded(secret: str) -> bytes:
    return b64decode(secret.removeprefix("whsec_"))


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, sha256).digest()


# What it says, read from the bytes.


def _is_identity(found: Json) -> bool:
    return type(found) in (str, int) and 0 < len(str(found)) < 256 and "\0" not in str(found)


def _read(blueprint: Blueprint, event: Inbound, said: Said) -> Sent:
    body, problem = _document(said.body)
    read = _Reading(event, said, body)
    given = {name: read.at(place) for name, place in event.args.items()}
    identity = read.at(event.once) if event.once is not None else None
    heard = Heard(
        event=event.name,
        find=event.find[0] if event.find else "",
        looked_for=read.at(event.find[1]) if event.find else None,
        problem=problem,
        has_identity=event.once is None or _is_identity(identity),
    )
    return Sent(
        blueprint=blueprint.name,
        action=event.action,
        by=By("inbound", event.name),
        args={name: data for name, data in given.items() if data is not None},
        key="" if identity is None else str(identity),
        body=said.body,
        heard=heard,
    )


def _document(raw: bytes) -> tuple[Json, str]:
    if not raw:
        return None, ""
    try:
        return json.loads(raw), ""
    except ValueError:
        return None, "LR400.json"


@frozen
class _Reading:
    event: Inbound
    said: Said
    body: Json

    def at(self, place: str) -> Json:
        """What stands at a place, or None."""
        root, _, rest = place.partition(".")
        path, _, query = self.said.path.partition("?")
        match root:
            case "header":
                return self.said.headers.get(rest.lower())
            case "query":
                return dict(parse_qsl(query, keep_blank_values=True)).get(rest)
            case "path":
                parts = zip(self.event.path.split("/"), path.split("/")[3:], strict=True)
                return next((is_there for name, is_there in parts if name == f"{{{rest}}}"), None)
        found = self.body
        for step in rest.split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(step)
        return found
